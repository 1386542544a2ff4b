//! Numbers of tasks as memtrace sees them: in its own PID namespace.
//!
//! A task has a number in its namespace and in each one above it (`struct pid` of `linux/pid.h`). The one
//! in memtrace's is that of the same level, if the namespace there is memtrace's at all; a task that has
//! none is nobody's. `bpf_get_ns_current_pid_tgid` would know of tasks only whose own namespace is
//! memtrace's, and not of containers inside it.

use crate::knobs::{
    NAMESPACE, NAMESPACE_LEVEL, OFFSET_PID_LEVEL, OFFSET_PID_NAMESPACE, OFFSET_PID_NUMBER,
    OFFSET_TASK_GROUP_LEADER, OFFSET_TASK_PID, OFFSET_TASK_TGID, OFFSET_TASK_THREAD_PID,
};
use crate::memory::read_kernel;
use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use aya_ebpf::helpers::generated::bpf_get_current_task;

/// A task's numbers. In the initial namespace they are the kernel's own, at no further price.
#[derive(Clone, Copy)]
pub(crate) struct Numbers {
    /// Thread-group id; 0 if memtrace cannot see the process.
    pub(crate) process: u32,
    /// Thread id; 0 as above.
    pub(crate) thread: u32,
}

impl Numbers {
    /// Those of the current task.
    #[inline(always)]
    pub(crate) fn current() -> Self {
        if NAMESPACE.load() == 0 {
            return Self::unpack(bpf_get_current_pid_tgid());
        }
        // SAFETY: no preconditions.
        Self::unpack(numbers_in_namespace(unsafe { bpf_get_current_task() }))
    }

    /// Those of the `struct task_struct` there.
    #[inline(always)]
    pub(crate) fn of(task: u64) -> Self {
        if NAMESPACE.load() == 0 {
            return Self {
                process: read_kernel(task + OFFSET_TASK_TGID.load()).unwrap_or(0),
                thread: read_kernel(task + OFFSET_TASK_PID.load()).unwrap_or(0),
            };
        }
        Self::unpack(numbers_in_namespace(task))
    }

    /// As `bpf_get_current_pid_tgid` packs them.
    #[inline(always)]
    const fn unpack(packed: u64) -> Self {
        Self { process: (packed >> 32) as u32, thread: packed as u32 }
    }
}

/// The number that the current thread, which memtrace sees as `thread`, has to the kernel.
#[inline(always)]
pub(crate) fn kernel_thread(thread: u32) -> u32 {
    if NAMESPACE.load() == 0 { thread } else { bpf_get_current_pid_tgid() as u32 }
}

/// The number that memtrace had for the thread that was `kernel` to the kernel before it executed a program;
/// 0 where nothing knows it any more. `now` is its present number, the main thread's.
#[inline(always)]
pub(crate) fn before_exec(kernel: u32, now: u32) -> u32 {
    if NAMESPACE.load() == 0 {
        kernel
    } else if kernel == kernel_thread(now) {
        now
    } else {
        0
    }
}

/// A task's numbers in memtrace's namespace, packed; 0 if it has none there. Verified on its own, and
/// once for all its callers.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn numbers_in_namespace(task: u64) -> u64 {
    if NAMESPACE.load() == 0 {
        return 0;
    }
    let Some(thread) = number(task) else { return 0 };
    let Some(leader) = read_kernel::<u64>(task.wrapping_add(OFFSET_TASK_GROUP_LEADER.load()))
    else {
        return 0;
    };
    let process = if leader == task { Some(thread) } else { number(leader) };
    match process {
        Some(process) => u64::from(process) << 32 | u64::from(thread),
        None => 0,
    }
}

/// One task's own number.
#[inline(always)]
fn number(task: u64) -> Option<u32> {
    let pid: u64 = read_kernel(task.wrapping_add(OFFSET_TASK_THREAD_PID.load()))?;
    let level: u32 = read_kernel(pid.wrapping_add(OFFSET_PID_LEVEL.load()))?;
    // What is behind a task's last number belongs to something else.
    if u64::from(level) < NAMESPACE_LEVEL.load() {
        return None;
    }
    let namespace: u64 = read_kernel(pid.wrapping_add(OFFSET_PID_NAMESPACE.load()))?;
    if namespace != NAMESPACE.load() {
        return None;
    }
    read_kernel(pid.wrapping_add(OFFSET_PID_NUMBER.load()))
}
