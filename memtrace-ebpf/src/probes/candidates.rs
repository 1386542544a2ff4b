//! Programs on what may make a process one that is looked for. User space decides: it knows of patterns,
//! containers and pods. (What a process executes is told by [`super::process`].)

use crate::emit::{Task, send_now};
use crate::knobs::{OFFSET_MEMORY_START_CODE, OFFSET_TASK_MEMORY, WATCH};
use crate::maps::target;
use crate::memory::read_kernel;
use crate::numbers::Numbers;
use aya_ebpf::macros::raw_tracepoint;
use aya_ebpf::programs::RawTracePointContext;
use memtrace_common::wire::{Candidate, Kind, Loss};

/// A task gets another name, by itself or by another one.
#[raw_tracepoint(tracepoint = "task_rename")]
fn task_renamed(context: RawTracePointContext) -> i32 {
    let renamed: u64 = context.arg(0);
    let Numbers { process, thread } = Numbers::of(renamed);
    // The first thread's name is the process's.
    if thread == process && !executes(renamed) {
        candidate(process);
    }
    0
}

/// Whether a task is about to execute a program, which [`super::process`] tells of in a moment. It has its
/// new memory and name then, but no code (`begin_new_exec` in `fs/exec.c`, `load_elf_binary`). Told of
/// before, user space would let it in while the kernel side does.
#[inline(always)]
fn executes(task: u64) -> bool {
    let Some(memory) = read_kernel::<u64>(task + OFFSET_TASK_MEMORY.load()) else { return false };
    let start = memory.wrapping_add(OFFSET_MEMORY_START_CODE.load());
    memory != 0 && read_kernel::<u64>(start) == Some(0)
}

/// A task is moved to another control group.
#[raw_tracepoint(tracepoint = "cgroup_attach_task")]
fn task_moved(context: RawTracePointContext) -> i32 {
    // Of one that is traced, too: it may have left the group for which it is.
    let process = Numbers::of(context.arg(2)).process;
    if WATCH.load() != 0 && process != 0 {
        tell(Task::current(), process);
    }
    0
}

#[inline(always)]
fn candidate(process: u32) {
    if WATCH.load() != 0 && process != 0 && target(process).is_none() {
        tell(Task::current(), process);
    }
}

/// Tells user space, at once: each moment counts until the process is traced.
#[inline(always)]
pub(super) fn tell(by: Task, process: u32) {
    let header = by.header(Kind::Candidate, size_of::<Candidate>());
    send_now(header, Candidate { process, reserved: 0 }, Loss::RingProcess);
}
