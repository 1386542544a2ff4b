//! Programs on what may make a process one that is looked for. User space decides: it knows of patterns,
//! containers and pods. (What a process executes is told by [`super::process`].)

use crate::emit::{Task, send_now};
use crate::knobs::WATCH;
use crate::maps::target;
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
    if thread == process {
        candidate(process);
    }
    0
}

/// A task is moved to another control group.
#[raw_tracepoint(tracepoint = "cgroup_attach_task")]
fn task_moved(context: RawTracePointContext) -> i32 {
    candidate(Numbers::of(context.arg(2)).process);
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
