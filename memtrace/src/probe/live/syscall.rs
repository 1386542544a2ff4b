//! The few calls of `bpf(2)` and `perf_event_open(2)` that aya 0.14 does not offer: programs with
//! the multi and session attach types, and their links. A later aya can replace this file.

use super::link::Point;
use aya_obj::generated::{bpf_attr, bpf_cmd, bpf_insn, perf_event_attr};
use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// `BPF_TRACE_UPROBE_MULTI` of `linux/bpf.h` (Linux 6.6).
pub(super) const ATTACH_MULTI: u32 = 48;
/// `BPF_TRACE_UPROBE_SESSION` of `linux/bpf.h` (Linux 6.13).
pub(super) const ATTACH_SESSION: u32 = 57;
/// `BPF_PERF_EVENT` of `linux/bpf.h` (Linux 5.15).
const ATTACH_PERF: u32 = 41;
/// `BPF_PROG_TYPE_KPROBE`: uprobes are of this type, too.
pub(super) const PROGRAM_KPROBE: u32 = 2;
/// `BPF_PROG_TYPE_TRACEPOINT` and `BPF_PROG_TYPE_RAW_TRACEPOINT`.
pub(super) const PROGRAM_TRACEPOINT: u32 = 5;
pub(super) const PROGRAM_RAW_TRACEPOINT: u32 = 17;
/// `BPF_MAP_TYPE_PROG_ARRAY` of `linux/bpf.h`.
const MAP_PROG_ARRAY: u32 = 3;
const MAP_RINGBUF: u32 = 27;
/// What the verifier writes into its log (`linux/bpf_verifier.h`): every instruction, or just the
/// sums at the end (Linux 5.2).
const LOG_INSTRUCTIONS: u32 = 1;
const LOG_SUMS: u32 = 4;
/// In the array of counters' offsets (`bpf_uprobe_multi_link_attach` in `kernel/trace/bpf_trace.c`).
const NO_SEMAPHORE: u64 = 0;
/// `BPF_F_UPROBE_MULTI_RETURN`.
const MULTI_RETURN: u32 = 1;
/// `PERF_TYPE_TRACEPOINT` of `linux/perf_event.h`.
const EVENT_TRACEPOINT: u32 = 2;
/// `PERF_EVENT_IOC_SET_BPF` and `PERF_EVENT_IOC_ENABLE` of `linux/perf_event.h`.
const SET_PROGRAM: u64 = 0x4004_2408;
const ENABLE: u64 = 0x2400;
/// `PERF_FLAG_FD_CLOEXEC` of `linux/perf_event.h`.
const PERF_CLOEXEC: u64 = 8;
/// Space for the verifier's log; the end is what matters.
const LOG_BYTES: usize = 1 << 20;

/// Everything the kernel needs to load a program.
pub(super) struct ProgramImage<'a> {
    pub(super) name: &'a str,
    /// `enum bpf_prog_type` of `linux/bpf.h`.
    pub(super) program_type: u32,
    pub(super) license: &'a CStr,
    pub(super) attach_type: u32,
    pub(super) instructions: &'a [bpf_insn],
    pub(super) btf: Option<BorrowedFd<'a>>,
    pub(super) function_info: (&'a [u8], usize),
    pub(super) line_info: (&'a [u8], usize),
}

fn empty_attr() -> bpf_attr {
    // SAFETY: `bpf_attr` is a union of plain integers and byte arrays; all zero is a valid value,
    // and the kernel demands zero in what is not used.
    unsafe { std::mem::zeroed() }
}

fn bpf(command: bpf_cmd, attr: &mut bpf_attr) -> io::Result<i64> {
    // SAFETY: the kernel reads and writes at most `size` bytes of `attr`, which lives through the
    // call; pointers inside were set by the callers below to buffers that do, too.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command as u32,
            std::ptr::from_mut(attr),
            size_of::<bpf_attr>(),
        )
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn owned(descriptor: i64) -> io::Result<OwnedFd> {
    let descriptor = i32::try_from(descriptor).map_err(io::Error::other)?;
    // SAFETY: the kernel has just made this descriptor for us; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

fn length<T>(slice: &[T]) -> io::Result<u32> {
    u32::try_from(slice.len()).map_err(io::Error::other)
}

/// Creates an empty table of programs with one place (`BPF_MAP_TYPE_PROG_ARRAY`).
pub(super) fn create_program_table() -> io::Result<OwnedFd> {
    let mut attr = empty_attr();
    // SAFETY: for BPF_MAP_CREATE this member of the union is the one in use.
    let map = unsafe { &mut attr.__bindgen_anon_1 };
    map.map_type = MAP_PROG_ARRAY;
    (map.key_size, map.value_size, map.max_entries) = (4, 4, 1);
    bpf(bpf_cmd::BPF_MAP_CREATE, &mut attr).and_then(owned)
}

/// Puts a program into the first place of a table of programs.
pub(super) fn put_program(table: BorrowedFd<'_>, program: BorrowedFd<'_>) -> io::Result<()> {
    let (key, value) = (0_u32, program.as_raw_fd());
    let mut attr = empty_attr();
    // SAFETY: for BPF_MAP_UPDATE_ELEM this member of the union is the one in use.
    let element = unsafe { &mut attr.__bindgen_anon_2 };
    element.map_fd = table.as_raw_fd().unsigned_abs();
    element.key = (&raw const key) as u64;
    element.__bindgen_anon_1.value = (&raw const value) as u64;
    bpf(bpf_cmd::BPF_MAP_UPDATE_ELEM, &mut attr).map(drop)
}

/// Creates a ring buffer (`BPF_MAP_TYPE_RINGBUF`).
pub(super) fn create_ring(bytes: u32) -> io::Result<OwnedFd> {
    let mut attr = empty_attr();
    // SAFETY: for BPF_MAP_CREATE this member of the union is the one in use.
    let map = unsafe { &mut attr.__bindgen_anon_1 };
    map.map_type = MAP_RINGBUF;
    map.max_entries = bytes;
    bpf(bpf_cmd::BPF_MAP_CREATE, &mut attr).and_then(owned)
}

/// Loads type information.
pub(super) fn load_btf(bytes: &[u8]) -> io::Result<OwnedFd> {
    let mut attr = empty_attr();
    // SAFETY: for BPF_BTF_LOAD this member of the union is the one in use.
    let load = unsafe { &mut attr.__bindgen_anon_7 };
    load.btf = bytes.as_ptr() as u64;
    load.btf_size = length(bytes)?;
    bpf(bpf_cmd::BPF_BTF_LOAD, &mut attr).and_then(owned)
}

/// Loads a program. On refusal loads again with the log on and gives the log's end.
///
/// # Errors
/// The kernel's error and the last lines of the verifier's log.
pub(super) fn load_program(image: &ProgramImage<'_>) -> Result<OwnedFd, (io::Error, String)> {
    if let Ok(descriptor) = try_load(image, 0, &mut []) {
        return Ok(descriptor);
    }
    let mut log = vec![0; LOG_BYTES];
    try_load(image, LOG_INSTRUCTIONS, &mut log).map_err(|error| (error, log_end(&log)))
}

/// Loads a program and gives what the verifier says of it: sums, and what the kernel objects to if it
/// does.
pub(super) fn verify_program(image: &ProgramImage<'_>) -> (io::Result<OwnedFd>, String) {
    let mut log = vec![0; LOG_BYTES];
    let loaded = try_load(image, LOG_SUMS, &mut log);
    (loaded, log_text(&log))
}

/// Runs a program of a raw tracepoint once, for the calling thread (Linux 5.10), and gives what it returns.
pub(super) fn run_program(program: BorrowedFd<'_>) -> io::Result<u32> {
    let mut attr = empty_attr();
    attr.test.prog_fd = program.as_raw_fd().unsigned_abs();
    bpf(bpf_cmd::BPF_PROG_TEST_RUN, &mut attr)?;
    // SAFETY: for BPF_PROG_TEST_RUN this member of the union is the one in use.
    Ok(unsafe { attr.test.retval })
}

fn try_load(image: &ProgramImage<'_>, log_level: u32, log: &mut [u8]) -> io::Result<OwnedFd> {
    let mut attr = empty_attr();
    // SAFETY: for BPF_PROG_LOAD this member of the union is the one in use.
    let load = unsafe { &mut attr.__bindgen_anon_3 };
    let name_room = load.prog_name.len() - 1;
    for (place, byte) in load.prog_name.iter_mut().zip(image.name.bytes().take(name_room)) {
        *place = byte as _;
    }
    load.prog_type = image.program_type;
    load.expected_attach_type = image.attach_type;
    load.insns = image.instructions.as_ptr() as u64;
    load.insn_cnt = length(image.instructions)?;
    load.license = image.license.as_ptr() as u64;
    if !log.is_empty() {
        load.log_level = log_level;
        load.log_buf = log.as_mut_ptr() as u64;
        load.log_size = length(log)?;
    }
    if let Some(btf) = image.btf {
        load.prog_btf_fd = btf.as_raw_fd().unsigned_abs();
        (load.func_info, load.func_info_cnt, load.func_info_rec_size) = info(image.function_info)?;
        (load.line_info, load.line_info_cnt, load.line_info_rec_size) = info(image.line_info)?;
    }
    bpf(bpf_cmd::BPF_PROG_LOAD, &mut attr).and_then(owned)
}

/// Pointer, count and record size of an array of records.
fn info((bytes, record): (&[u8], usize)) -> io::Result<(u64, u32, u32)> {
    if record == 0 {
        return Ok((0, 0, 0));
    }
    let count = u32::try_from(bytes.len() / record).map_err(io::Error::other)?;
    Ok((bytes.as_ptr() as u64, count, u32::try_from(record).map_err(io::Error::other)?))
}

fn log_text(log: &[u8]) -> String {
    let used = log.iter().position(|byte| *byte == 0).unwrap_or(log.len());
    String::from_utf8_lossy(&log[..used]).into_owned()
}

/// The last few lines of a verifier log.
fn log_end(log: &[u8]) -> String {
    let text = log_text(log);
    let lines: Vec<&str> = text.lines().collect();
    let last = &lines[lines.len().saturating_sub(12)..];
    last.iter().map(|line| format!("\n  {line}")).collect()
}

/// Links a program to many places of a file at once.
pub(super) fn link_multi(
    program: BorrowedFd<'_>,
    attach_type: u32,
    path: &CStr,
    places: &[Point],
    returns: bool,
    process: Option<u32>,
) -> io::Result<OwnedFd> {
    let offsets: Vec<u64> = places.iter().map(|place| place.offset).collect();
    let cookies: Vec<u64> = places.iter().map(|place| place.cookie).collect();
    let semaphores: Vec<u64> =
        places.iter().map(|place| place.semaphore.unwrap_or(NO_SEMAPHORE)).collect();
    let mut attr = empty_attr();
    attr.link_create.__bindgen_anon_1.prog_fd = program.as_raw_fd().unsigned_abs();
    attr.link_create.attach_type = attach_type;
    // SAFETY: for a link of these attach types this member of the union is the one in use.
    let multi = unsafe { &mut attr.link_create.__bindgen_anon_3.uprobe_multi };
    multi.path = path.as_ptr() as u64;
    multi.offsets = offsets.as_ptr() as u64;
    multi.cookies = cookies.as_ptr() as u64;
    if places.iter().any(|place| place.semaphore.is_some()) {
        multi.ref_ctr_offsets = semaphores.as_ptr() as u64;
    }
    multi.cnt = length(places)?;
    multi.flags = if returns { MULTI_RETURN } else { 0 };
    multi.pid = process.unwrap_or(0);
    bpf(bpf_cmd::BPF_LINK_CREATE, &mut attr).and_then(owned)
}

/// Opens a perf event on one place of a file and links a program to it.
pub(super) fn link_perf(
    program: BorrowedFd<'_>,
    path: &CStr,
    point: Point,
    returns: bool,
    process: Option<u32>,
) -> io::Result<OwnedFd> {
    link_event(program, open_uprobe_event(path, point, returns, process)?, point.cookie)
}

/// Links a program to the tracepoint with this number.
pub(super) fn link_tracepoint(program: BorrowedFd<'_>, number: u64) -> io::Result<OwnedFd> {
    let mut attr = empty_event()?;
    attr.type_ = EVENT_TRACEPOINT;
    attr.config = number;
    link_event(program, open_event(&attr, None)?, 0)
}

/// Links a program to the raw tracepoint with this name. The link goes with its descriptor.
pub(super) fn link_raw_tracepoint(program: BorrowedFd<'_>, name: &CStr) -> io::Result<OwnedFd> {
    let mut attr = empty_attr();
    attr.raw_tracepoint.name = name.as_ptr() as u64;
    attr.raw_tracepoint.prog_fd = program.as_raw_fd().unsigned_abs();
    bpf(bpf_cmd::BPF_RAW_TRACEPOINT_OPEN, &mut attr).and_then(owned)
}

/// Links a program to a perf event. The result is the link, or where the kernel has no such links
/// (before 5.15) the event itself, which the program stays with until it is closed.
fn link_event(program: BorrowedFd<'_>, event: OwnedFd, cookie: u64) -> io::Result<OwnedFd> {
    if !aya::features().bpf_perf_link() {
        event_control(&event, SET_PROGRAM, program.as_raw_fd())?;
        event_control(&event, ENABLE, 0)?;
        return Ok(event);
    }
    let mut attr = empty_attr();
    attr.link_create.__bindgen_anon_1.prog_fd = program.as_raw_fd().unsigned_abs();
    attr.link_create.__bindgen_anon_2.target_fd = event.as_raw_fd().unsigned_abs();
    attr.link_create.attach_type = ATTACH_PERF;
    attr.link_create.__bindgen_anon_3.perf_event.bpf_cookie = cookie;
    // The link holds a reference to the event, so its descriptor can go.
    bpf(bpf_cmd::BPF_LINK_CREATE, &mut attr).and_then(owned)
}

fn event_control(event: &OwnedFd, request: u64, argument: i32) -> io::Result<()> {
    // SAFETY: both requests take a number, no memory.
    match unsafe { libc::ioctl(event.as_raw_fd(), request, argument) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn empty_event() -> io::Result<perf_event_attr> {
    // SAFETY: plain integers and unions of integers; all zero is valid.
    let mut attr: perf_event_attr = unsafe { std::mem::zeroed() };
    attr.size = u32::try_from(size_of::<perf_event_attr>()).map_err(io::Error::other)?;
    Ok(attr)
}

fn open_uprobe_event(
    path: &CStr,
    point: Point,
    returns: bool,
    process: Option<u32>,
) -> io::Result<OwnedFd> {
    let mut attr = empty_event()?;
    attr.type_ = dynamic_number("/sys/bus/event_source/devices/uprobe/type", "")?;
    let bit = dynamic_number("/sys/bus/event_source/devices/uprobe/format/retprobe", "config:")?;
    attr.config = u64::from(returns) << bit;
    if let Some(semaphore) = point.semaphore {
        attr.config |= semaphore_bits(semaphore)?;
    }
    attr.__bindgen_anon_3.config1 = path.as_ptr() as u64;
    attr.__bindgen_anon_4.config2 = point.offset;
    open_event(&attr, process)
}

/// The counter's offset where the kernel wants it (Linux 4.20): the upper half of `config`.
fn semaphore_bits(offset: u64) -> io::Result<u64> {
    let path = "/sys/bus/event_source/devices/uprobe/format/ref_ctr_offset";
    let text = std::fs::read_to_string(path)?;
    if text.trim() != "config:32-63" {
        return Err(io::Error::other(format!("{path} says {text:?}")));
    }
    let offset = u32::try_from(offset).map_err(io::Error::other)?;
    Ok(u64::from(offset) << 32)
}

fn open_event(attr: &perf_event_attr, process: Option<u32>) -> io::Result<OwnedFd> {
    // A process is watched on all CPUs (−1); everything is watched "on" CPU 0, as a probe's hit
    // counts wherever it happens (`perf_event_open(2)` refuses −1 for both).
    let (process, cpu) = match process {
        Some(process) => (i64::from(process), -1_i64),
        None => (-1, 0),
    };
    // SAFETY: the kernel reads `attr`, whose size it is told, and the path in it, a C string.
    let descriptor = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            std::ptr::from_ref(attr),
            process,
            cpu,
            -1_i64,
            PERF_CLOEXEC,
        )
    };
    if descriptor < 0 { Err(io::Error::last_os_error()) } else { owned(descriptor) }
}

/// Reads a number that the kernel gives in a file, behind a prefix.
fn dynamic_number(path: &str, prefix: &str) -> io::Result<u32> {
    let text = std::fs::read_to_string(path)?;
    text.trim()
        .strip_prefix(prefix)
        .and_then(|number| number.parse().ok())
        .ok_or_else(|| io::Error::other(format!("{path} says {text:?}")))
}
