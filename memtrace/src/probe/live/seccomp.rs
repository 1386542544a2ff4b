//! Whether return probes are safe under a seccomp filter on this kernel.
//!
//! From Linux 6.11 a return probe on x86-64 enters the kernel by a system call of its own
//! (`uretprobe`, number 335). A filter that does not know the call may kill the process; kernels
//! with the pass-through let it by. Which this is, is found by trying it on a child of ours, and not
//! by the kernel's version, as both changes were backported.

use super::calibrate::{OURSELVES, call_probed_function, return_point};
use super::error::LiveError;
use super::kernel_side::KernelSide;
use super::link::Purpose;
use libc::sock_filter;
use std::io;
use std::path::Path;

/// The system call's number on x86-64 (`arch/x86/entry/syscalls/syscall_64.tbl`).
const URETPROBE: u32 = 335;
/// Instructions of classic BPF: load a word of the call's description; compare; return.
const LOAD: u16 = 0x20;
const JUMP_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;

/// How the child ends that is not killed: it had a filter; there are none on this kernel; it may have none.
const LIVED: i32 = 0;
const UNFILTERED: i32 = 2;
const UNKNOWN: i32 = 3;

/// A filter that kills on the call and allows all others.
static FILTER: [sock_filter; 4] = [
    sock_filter { code: LOAD, jt: 0, jf: 0, k: 0 },
    sock_filter { code: JUMP_EQUAL, jt: 0, jf: 1, k: URETPROBE },
    sock_filter { code: RETURN, jt: 0, jf: 0, k: libc::SECCOMP_RET_KILL_PROCESS },
    sock_filter { code: RETURN, jt: 0, jf: 0, k: libc::SECCOMP_RET_ALLOW },
];

/// Whether return probes are safe in a process whose system calls are filtered. It is tried once.
///
/// # Errors
/// When the child cannot be made or the probe not be placed.
pub fn return_probes_are_safe(kernel: &KernelSide) -> Result<bool, LiveError> {
    if let Some(known) = kernel.safe_returns.get() {
        return Ok(*known);
    }
    let safe = try_on_a_child(kernel)?;
    Ok(*kernel.safe_returns.get_or_init(|| safe))
}

/// Tries a return probe on a filtered child.
fn try_on_a_child(kernel: &KernelSide) -> Result<bool, LiveError> {
    let failed =
        |source| LiveError::Link { what: "a return probe to a child of ours".into(), source };
    let place = [return_point()?];
    let [reader, writer] = pipe().map_err(failed)?;
    // SAFETY: the child only makes system calls and calls a function of three instructions, which
    // is allowed after a fork of a process with threads (`fork(2)`).
    let child = unsafe { libc::fork() };
    match child {
        -1 => Err(failed(io::Error::last_os_error())),
        0 => be_the_child(reader, writer),
        child => {
            let links = kernel.attach_for(
                Purpose::Nothing,
                Path::new(OURSELVES),
                &place,
                Some(child.unsigned_abs()),
            );
            // SAFETY: one byte from a static buffer to our own pipe; it lets the child go on.
            unsafe { libc::write(writer, c"x".as_ptr().cast(), 1) };
            let lived = match wait(child) {
                Some(LIVED) => true,
                Some(UNFILTERED) => !has_seccomp(),
                _ => false,
            };
            // SAFETY: both are ours and used no more.
            unsafe {
                libc::close(reader);
                libc::close(writer);
            }
            links.map(|_| lived)
        }
    }
}

/// Whether processes may restrict their system calls here at all: strict mode may be there without filters
/// (`proc_pid_status(5)`).
fn has_seccomp() -> bool {
    let status = std::fs::read_to_string("/proc/self/status");
    status.map_or(true, |text| text.lines().any(|line| line.starts_with("Seccomp:")))
}

fn pipe() -> io::Result<[i32; 2]> {
    let mut ends = [0; 2];
    // SAFETY: the call fills in two descriptors.
    if unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(ends)
}

fn be_the_child(reader: i32, writer: i32) -> ! {
    let program = libc::sock_fprog { len: 4, filter: (&raw const FILTER).cast_mut().cast() };
    let mut byte = 0_u8;
    // SAFETY: plain system calls; the filter is a constant; the byte is ours; the address of `errno` is that of this
    // thread's, and valid as long as the thread is; the function keeps to the C convention.
    unsafe {
        // Or the read would not end if the parent did.
        libc::close(writer);
        libc::read(reader, (&raw mut byte).cast(), 1);
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        let filtered =
            libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program);
        // A kernel that was built without filters (`prctl(2)`); any other refusal tells nothing of others.
        let status = match filtered {
            0 => LIVED,
            _ if *libc::__errno_location() == libc::EINVAL => UNFILTERED,
            _ => UNKNOWN,
        };
        call_probed_function();
        libc::_exit(status);
    }
}

fn wait(child: i32) -> Option<i32> {
    let mut status = 0;
    // SAFETY: the call writes one status; the child is ours.
    let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
    (waited == child && libc::WIFEXITED(status)).then(|| libc::WEXITSTATUS(status))
}
