//! Programs on the life of processes: tasks created, programs executed, processes gone.

use super::admission::admit;
use super::candidates::tell;
use crate::atomic;
use crate::emit::{Task, send, send_now};
use crate::knobs::{
    FOLLOW, OFFSET_BINPRM_FILE, OFFSET_FILE_INODE, OFFSET_INODE_NUMBER, OFFSET_INODE_SUPER_BLOCK,
    OFFSET_SIGNAL_FLAGS, OFFSET_SIGNAL_GROUP_EXIT_CODE, OFFSET_SIGNAL_LIVE,
    OFFSET_SUPER_BLOCK_DEVICE, OFFSET_TASK_EXIT_CODE, OFFSET_TASK_GROUP_LEADER, OFFSET_TASK_SIGNAL,
    OFFSET_TASK_STARTED, WATCH,
};
use crate::maps::{TARGETS, THREADS, Target, lost, target};
use crate::memory::read_kernel;
use crate::numbers::{Numbers, before_exec};
use crate::unwind::changes::{forget_changes, inherit_changes, removed_all};
use crate::unwind::tables::{code_came, forget, inherit_space};
use crate::windows::{forget_window, inherit_window};
use aya_ebpf::helpers::bpf_ktime_get_ns;
use aya_ebpf::macros::raw_tracepoint;
use aya_ebpf::programs::RawTracePointContext;
use memtrace_common::sampling::{IS_COPY, address_space};
use memtrace_common::unwind::Space;
use memtrace_common::wire::{Exec, Exit, Fork, Header, Kind, Loss};

/// `SIGNAL_GROUP_EXIT` of `linux/sched/signal.h`: the exit code is the group's.
const SIGNAL_GROUP_EXIT: u32 = 4;
/// Of `sched.h`: parent and child have one address space.
const CLONE_VM: u64 = 0x100;

/// A task was created by the current one. It has not run yet.
#[raw_tracepoint(tracepoint = "task_newtask")]
fn task_created(context: RawTracePointContext) -> i32 {
    let parent = Task::current();
    let Some(target) = target(parent.process) else { return 0 };
    let child: u64 = context.arg(0);
    let Numbers { process: child_process, thread: child_thread } = Numbers::of(child);
    let flags: u64 = context.arg(1);
    let is_process = child_process != 0 && child_process != parent.process;
    let followed =
        FOLLOW.load() != 0 && is_process && follow(parent.process, child_process, target, flags);
    let body = Fork {
        child_process,
        child_thread,
        clone_flags: flags,
        started: read_kernel(child + OFFSET_TASK_STARTED.load()).unwrap_or(0),
        followed: followed as u64,
    };
    let header = parent.header(Kind::Fork, size_of::<Fork>());
    if !followed {
        send(header, body, Loss::RingProcess);
    } else if !send_now(header, body, Loss::RingProcess) {
        // Nobody would know whose events they are.
        unfollow(child_process);
    }
    0
}

/// Makes the child of a target one, with what is known of the parent's code; `false` if there are too
/// many.
#[inline(always)]
fn follow(parent: u32, child: u32, target: Target, clone_flags: u64) -> bool {
    let space = match clone_flags & CLONE_VM {
        0 => new_space(child) | IS_COPY,
        _ => target.space,
    };
    let target = Target { space, ..target };
    if TARGETS.insert(&child, &target, 0).is_err() {
        lost(Loss::TargetsFull);
        return false;
    }
    inherit_window(parent, child);
    inherit_changes(parent, child);
    inherit_space(parent, child);
    true
}

#[inline(always)]
fn unfollow(process: u32) {
    let _ = TARGETS.remove(&process);
    forget(process);
    forget_changes(process);
    forget_window(process);
}

/// The current process runs a new program; its old address space is gone.
#[raw_tracepoint(tracepoint = "sched_process_exec")]
fn program_executed(context: RawTracePointContext) -> i32 {
    let task = Task::current();
    let is_target = target(task.process).is_some();
    if !is_target && WATCH.load() == 0 {
        return 0;
    }
    let program = executed(context.arg(2)).unwrap_or_default();
    if is_target {
        begin_program(task.process);
        forget(task.process);
        removed_all(task.process);
        // The thread that called: if it was not the main one, it has taken over the main one's
        // number by now.
        let caller = context.arg::<u64>(1) as u32;
        let _ = THREADS.remove(&caller);
        let header = Header {
            thread: before_exec(caller, task.thread),
            ..task.header(Kind::Exec, size_of::<Exec>())
        };
        code_came(task.process);
        // Soon there will be stacks through the new program.
        send_now(header, program, Loss::RingProcess);
    } else if task.process != 0 && !admit(task, context.arg(0), program) {
        tell(task, task.process);
    }
    0
}

/// The addresses of this process mean another program's code from now on. Its other threads are gone, so
/// nobody else writes.
#[inline(always)]
fn begin_program(process: u32) {
    if let Some(target) = TARGETS.get_ptr_mut(&process) {
        // SAFETY: aligned words in the map's value.
        unsafe {
            let epoch = &raw mut (*target).epoch;
            atomic::store(epoch, Space::next_program(epoch.read_volatile()));
            atomic::store(&raw mut (*target).space, new_space(process));
        }
    }
}

/// The number of an address space that begins now.
#[inline(always)]
fn new_space(process: u32) -> u64 {
    // SAFETY: the helper has no preconditions.
    address_space(unsafe { bpf_ktime_get_ns() }, process)
}

/// The file of the program in a `struct linux_binprm`.
#[inline(always)]
fn executed(binprm: u64) -> Option<Exec> {
    let file: u64 = read_kernel(binprm.wrapping_add(OFFSET_BINPRM_FILE.load()))?;
    let inode: u64 = read_kernel(file.wrapping_add(OFFSET_FILE_INODE.load()))?;
    let block: u64 = read_kernel(inode.wrapping_add(OFFSET_INODE_SUPER_BLOCK.load()))?;
    let device: u32 = read_kernel(block.wrapping_add(OFFSET_SUPER_BLOCK_DEVICE.load()))?;
    let number: u64 = read_kernel(inode.wrapping_add(OFFSET_INODE_NUMBER.load()))?;
    Some(Exec { device: u64::from(device), inode: number })
}

/// A thread ends; the process has gone when it was the last.
#[raw_tracepoint(tracepoint = "sched_process_exit")]
fn task_exited(context: RawTracePointContext) -> i32 {
    let task = Task::current();
    // Also where the process is no target any more: the kernel counts a thread out before it comes here, so that of
    // several that end at once the first to come may find that none is left.
    let _ = THREADS.remove(&task.pending());
    if target(task.process).is_some() {
        let ended: u64 = context.arg(0);
        if let Some(status) = group_status(ended) {
            let body = Exit { status, reserved: 0 };
            send(task.header(Kind::Exit, size_of::<Exit>()), body, Loss::RingProcess);
            // Its number may be another process's before user space hears of the end.
            unfollow(task.process);
        }
    }
    0
}

/// The process's wait status if no thread of it is left; as `wait_task_zombie` computes it.
#[inline(always)]
fn group_status(task: u64) -> Option<u32> {
    let signal: u64 = read_kernel(task + OFFSET_TASK_SIGNAL.load())?;
    let live: u32 = read_kernel(signal + OFFSET_SIGNAL_LIVE.load())?;
    if live != 0 {
        return None;
    }
    let flags: u32 = read_kernel(signal + OFFSET_SIGNAL_FLAGS.load())?;
    if flags & SIGNAL_GROUP_EXIT != 0 {
        return read_kernel(signal + OFFSET_SIGNAL_GROUP_EXIT_CODE.load());
    }
    let leader: u64 = read_kernel(task + OFFSET_TASK_GROUP_LEADER.load())?;
    read_kernel(leader + OFFSET_TASK_EXIT_CODE.load())
}
