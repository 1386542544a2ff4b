//! Return addresses that the kernel has replaced.
//!
//! A probe on a function's return, ours or another tracer's, has the kernel put the address of a
//! trampoline in the return address's place while the function runs. What was there it keeps in a list
//! of the task (`prepare_uretprobe` in `kernel/events/uprobes.c`): the latest first, several for one
//! place if it has several probes, each with the true address.

use crate::knobs::{
    HAS_RETURN_INSTANCES, OFFSET_INSTANCE_NEXT, OFFSET_INSTANCE_ORIGINAL, OFFSET_INSTANCE_STACK,
    OFFSET_TASK_UTASK, OFFSET_UTASK_RETURN_INSTANCES,
};
use crate::memory::read_kernel;
use aya_ebpf::helpers::generated::bpf_get_current_task;

/// As many as the kernel lets a task have (`MAX_URETPROBE_DEPTH`).
const MAX_PENDING: u32 = 64;

/// The address that was in the word at `place` of the current task's stack before a probe on a return
/// replaced it; 0 if none did, or if that cannot be told. Verified on its own.
#[unsafe(no_mangle)]
#[inline(never)]
pub(super) extern "C" fn replaced_return(place: u64) -> u64 {
    if HAS_RETURN_INSTANCES.load() == 0 {
        return 0;
    }
    // SAFETY: no preconditions.
    let task = unsafe { bpf_get_current_task() };
    let Some(utask) = read_kernel::<u64>(task.wrapping_add(OFFSET_TASK_UTASK.load())) else {
        return 0;
    };
    let mut link = utask.wrapping_add(OFFSET_UTASK_RETURN_INSTANCES.load());
    // What cannot be read ends the search, a null pointer too: older verifiers follow each way on
    // through all further rounds.
    for _ in 0..MAX_PENDING {
        let Some(instance) = read_kernel::<u64>(link) else { return 0 };
        let Some(stack) = read_kernel(instance.wrapping_add(OFFSET_INSTANCE_STACK.load())) else {
            return 0;
        };
        if place == stack {
            let original = instance.wrapping_add(OFFSET_INSTANCE_ORIGINAL.load());
            return read_kernel(original).unwrap_or(0);
        }
        link = instance.wrapping_add(OFFSET_INSTANCE_NEXT.load());
    }
    0
}
