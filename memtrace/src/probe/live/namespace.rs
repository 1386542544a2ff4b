//! The PID namespace that memtrace runs in, as the kernel keeps it.
//!
//! The kernel side meets tasks by their structures, which have a number in each namespace that sees them
//! (`struct pid` of `linux/pid.h`), and must know which one is ours. No file tells how deep that namespace
//! lies (`NSpid` of `/proc/PID/status` begins at the namespace of that `/proc`, `NS_GET_PARENT` of
//! `ioctl_nsfs(2)` ends there), so a tiny program is run for us that reads it from our own task.

use super::assembly::{
    ADD_CONSTANT, CALL, EXIT, FRAME, GET_CURRENT_TASK, LOAD, LOAD_WORD, MOVE, MOVE_CONSTANT,
    PROBE_READ_KERNEL, STORE_CONSTANT, instruction,
};
use super::btf::KernelTypes;
use super::error::LiveError;
use super::syscall::{PROGRAM_RAW_TRACEPOINT, ProgramImage, load_program, run_program};
use aya_obj::generated::bpf_insn;
use std::os::fd::AsFd as _;

/// `PROC_PID_INIT_INO` of `linux/proc_ns.h`: the initial one has the same number on all machines.
const INITIAL: &str = "pid:[4026531836]";
/// `MAX_PID_NS_LEVEL` of `linux/pid_namespace.h`.
const MAX_LEVEL: u32 = 32;

/// Names of the kernel side's globals about our namespace, and their values; none if it is the initial
/// one, where the programs need to know nothing.
///
/// # Errors
/// When the kernel does not tell which it is.
pub(super) fn globals(types: &KernelTypes) -> Result<Vec<(&'static str, u64)>, LiveError> {
    let initial = std::fs::read_link("/proc/self/ns/pid").is_ok_and(|it| it.as_os_str() == INITIAL);
    if initial { Ok(Vec::new()) } else { Layout::new(types)?.globals() }
}

/// Offsets in bytes in the kernel's structures.
struct Layout {
    /// `task_struct.thread_pid`.
    thread_pid: u64,
    /// `pid.level`.
    level: u64,
    /// `pid.numbers`, an array of `struct upid` by level.
    numbers: u64,
    /// Size of a `struct upid`, and its `nr` and `ns`.
    number_bytes: u64,
    number: u64,
    namespace: u64,
}

impl Layout {
    fn new(types: &KernelTypes) -> Result<Self, LiveError> {
        Ok(Self {
            thread_pid: types.offset("task_struct", "thread_pid")?,
            level: types.offset("pid", "level")?,
            numbers: types.offset("pid", "numbers")?,
            number_bytes: types.size("upid")?,
            number: types.offset("upid", "nr")?,
            namespace: types.offset("upid", "ns")?,
        })
    }

    fn globals(&self) -> Result<Vec<(&'static str, u64)>, LiveError> {
        let level = read_own(&[self.thread_pid, self.level])?;
        if level > MAX_LEVEL {
            return Err(LiveError::Namespace(format!("it lies {level} levels deep")));
        }
        let own = self.numbers + u64::from(level) * self.number_bytes;
        let half = |at| read_own(&[self.thread_pid, own + self.namespace + at]).map(u64::from);
        let namespace = half(0)? | half(4)? << 32;
        // The initial one after all, where no `/proc` said so.
        if level == 0 {
            return Ok(Vec::new());
        }
        Ok(vec![
            ("NAMESPACE", namespace),
            ("NAMESPACE_LEVEL", level.into()),
            ("OFFSET_TASK_THREAD_PID", self.thread_pid),
            ("OFFSET_PID_LEVEL", self.level),
            ("OFFSET_PID_NUMBER", own + self.number),
            ("OFFSET_PID_NAMESPACE", own + self.namespace),
        ])
    }
}

/// Reads 4 bytes of the kernel: where `path` leads from our own task, each offset but the last to a pointer.
pub(super) fn read_own(path: &[u64]) -> Result<u32, LiveError> {
    let failed = |why: String| LiveError::Namespace(why);
    let instructions =
        follow(path).ok_or_else(|| failed("the kernel's structures are too large".into()))?;
    let image = ProgramImage {
        name: "own_namespace",
        program_type: PROGRAM_RAW_TRACEPOINT,
        license: c"GPL",
        attach_type: 0,
        instructions: &instructions,
        btf: None,
        function_info: (&[], 0),
        line_info: (&[], 0),
    };
    let program = load_program(&image).map_err(|(error, log)| failed(format!("{error}{log}")))?;
    run_program(program.as_fd()).map_err(|error| failed(error.to_string()))
}

/// The program that gives what `path` leads to; what cannot be read is 0.
fn follow(path: &[u64]) -> Option<Vec<bpf_insn>> {
    let mut program = vec![instruction(CALL, 0, 0, 0, GET_CURRENT_TASK)];
    for (step, offset) in path.iter().enumerate() {
        let (load, bytes) = if step + 1 == path.len() { (LOAD_WORD, 4) } else { (LOAD, 8) };
        program.extend([
            instruction(MOVE, 3, 0, 0, 0),
            instruction(ADD_CONSTANT, 3, 0, 0, i32::try_from(*offset).ok()?),
            instruction(STORE_CONSTANT, FRAME, 0, -8, 0),
            instruction(MOVE, 1, FRAME, 0, 0),
            instruction(ADD_CONSTANT, 1, 0, 0, -8),
            instruction(MOVE_CONSTANT, 2, 0, 0, bytes),
            instruction(CALL, 0, 0, 0, PROBE_READ_KERNEL),
            instruction(load, 0, FRAME, -8, 0),
        ]);
    }
    program.push(instruction(EXIT, 0, 0, 0, 0));
    Some(program)
}

#[cfg(test)]
mod tests {
    use super::{Layout, read_own};
    use crate::probe::live::btf::KernelTypes;

    /// The number of levels is that of the numbers which a `/proc` of the initial namespace shows.
    #[test]
    fn our_own_task_is_read() {
        if std::env::var_os("MEMTRACE_PRIVILEGED").is_none() {
            return;
        }
        let types = KernelTypes::running().unwrap();
        let thread = read_own(&[types.offset("task_struct", "pid").unwrap()]).unwrap();
        // SAFETY: no preconditions.
        let own = unsafe { libc::gettid() };
        let layout = Layout::new(&types).unwrap();
        let level = read_own(&[layout.thread_pid, layout.level]).unwrap();
        let at = layout.numbers + u64::from(level) * layout.number_bytes + layout.number;
        assert_eq!(read_own(&[layout.thread_pid, at]).unwrap(), own.unsigned_abs());
        if level == 0 {
            assert_eq!(thread, own.unsigned_abs());
            assert!(layout.globals().unwrap().is_empty());
        }
    }
}
