//! Programs that walk the stack at a return and do nothing with it: what `cargo xtask bench unwind`
//! compares.

use crate::emit::Task;
use crate::maps::{hit, target};
use crate::own_stack;
use crate::stack::{is_sent, remember, seed_of, take};
use aya_ebpf::EbpfContext as _;
use aya_ebpf::bindings::BPF_F_USER_STACK;
use aya_ebpf::helpers::generated::bpf_get_stack;
use aya_ebpf::macros::uretprobe;
use aya_ebpf::programs::RetProbeContext;
use core::ffi::c_void;
use memtrace_common::limits::MAX_FRAMES;
use memtrace_common::unwind::Registers;

/// Walks as the tracer does.
#[uretprobe]
fn walk_return(context: RetProbeContext) -> u32 {
    own_stack::keep(context.as_ptr());
    let task = Task::current();
    let Some(target) = target(task.process) else { return 0 };
    let Some(mut scratch) = take() else { return 0 };
    // SAFETY: the context of a uprobe program is the registers; the verifier checks accesses.
    let registers = unsafe { &*context.regs };
    let start =
        Registers { instruction: registers.rip, stack: registers.rsp, frame: registers.rbp };
    let (id, walked) = scratch.walk(start, target, seed_of(task, target));
    // Or it would be walked again, for its frames.
    if !is_sent(id) {
        remember(id);
    }
    scratch.give_back();
    hit(walked.frames() as u64);
    0
}

/// Lets the kernel walk, which follows frame pointers.
#[uretprobe]
fn kernel_walk_return(context: RetProbeContext) -> u32 {
    own_stack::keep(context.as_ptr());
    if target(Task::current().process).is_none() {
        return 0;
    }
    let Some(mut scratch) = take() else { return 0 };
    let mut bytes = 0;
    if let Some(frames) = scratch.frames() {
        // SAFETY: the helper writes at most as many bytes as the array has.
        bytes = unsafe {
            bpf_get_stack(
                context.as_ptr(),
                frames.as_mut_ptr().cast::<c_void>(),
                (MAX_FRAMES * 8) as u32,
                u64::from(BPF_F_USER_STACK),
            )
        };
    }
    scratch.give_back();
    hit(if bytes > 0 { bytes as u64 / 8 } else { 0 });
    0
}
