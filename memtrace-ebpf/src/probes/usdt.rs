//! Programs on static probes by which a program tells of blocks that it samples itself
//! (`otel_memory:alloc` and `:free`). They sit on nops, which the kernel emulates, and need no return.
//!
//! The cookie of a link says which description of the arguments holds at its place. Where an argument cannot be
//! read the event is counted as lost, and nothing is made up.

use super::heap::counted;
use crate::emit::{Task, send};
use crate::maps::{STATIC_PROBES, lost, target};
use crate::memory::{read_kernel, read_user};
use crate::own_stack;
use crate::sites::cookie;
use crate::stack::{OnStack, send_on_stack};
use aya_ebpf::bindings::pt_regs;
use aya_ebpf::macros::uprobe;
use aya_ebpf::programs::ProbeContext;
use core::ffi::c_void;
use memtrace_common::unwind::Registers;
use memtrace_common::usdt::{Arguments, Operand, word_of_register};
use memtrace_common::wire::{Counter, Free, Kind, Loss, Weighted};

/// `otel_memory:alloc(pointer, size, weighted_bytes)`.
#[uprobe]
fn usdt_allocation(context: ProbeContext) -> u32 {
    let context = context.regs.cast();
    own_stack::keep(context);
    let task = Task::current();
    let Some(target) = target(task.process) else { return 0 };
    counted(Counter::Entries, || {
        match told(context) {
            Some(body) => {
                let header = task.header(Kind::Weighted, size_of::<Weighted>());
                let start = || start(context);
                send_on_stack((task, target), header, body, start, Loss::RingWeighted);
            }
            None => lost(Loss::ArgumentUnreadable),
        }
        0
    })
}

/// `otel_memory:free(pointer)`.
#[uprobe]
fn usdt_free(context: ProbeContext) -> u32 {
    let context = context.regs.cast();
    own_stack::keep(context);
    let task = Task::current();
    if target(task.process).is_none() {
        return 0;
    }
    counted(Counter::Entries, || {
        let address = arguments(context).and_then(|[first, ..]| argument(context, first));
        match address {
            // As `free(NULL)`.
            Some(0) => {}
            Some(address) => {
                let header = task.header(Kind::WeightedFree, size_of::<Free>());
                send(header, Free { address }, Loss::RingWeighted);
            }
            None => lost(Loss::ArgumentUnreadable),
        }
        0
    })
}

/// The arguments' places at this site.
#[inline(always)]
fn arguments(context: *mut c_void) -> Option<&'static Arguments> {
    STATIC_PROBES.get(cookie(context) as u32)
}

/// The block that is told of, still without its stack.
#[inline(always)]
fn told(context: *mut c_void) -> Option<Weighted> {
    let [address, size, weighted] = arguments(context)?;
    Some(Weighted {
        address: argument(context, address)?,
        size: argument(context, size)?,
        weighted: argument(context, weighted)?,
        stack: 0,
    })
}

/// A function of its own, which is checked and kept once for all arguments.
#[inline(never)]
fn argument(context: *mut c_void, operand: &Operand) -> Option<u64> {
    let register = |number| {
        // A place that is computed is read by the helper: the verifier lets programs read the context at
        // places that it knows alone.
        let place = (context as u64).wrapping_add(word_of_register(number) as u64 * 8);
        read_kernel::<u64>(place).unwrap_or(0)
    };
    operand.evaluate(register, |address| match operand.width {
        // What lies behind a narrow argument need not be readable.
        1 => narrow(read_user::<[u8; 1]>(address)),
        2 => narrow(read_user::<[u8; 2]>(address)),
        4 => narrow(read_user::<[u8; 4]>(address)),
        _ => read_user::<u64>(address),
    })
}

#[inline(always)]
fn narrow<const N: usize>(bytes: Option<[u8; N]>) -> Option<u64> {
    let mut word = [0; 8];
    word[..N].copy_from_slice(&bytes?);
    Some(u64::from_ne_bytes(word))
}

impl OnStack for Weighted {
    #[inline(always)]
    fn set_stack(&mut self, id: u64) {
        self.stack = id;
    }
}

/// Where the walk begins. Walks take each address for one to return to, of a call before it; here it is that of
/// the nop itself.
#[inline(always)]
fn start(context: *mut c_void) -> Registers {
    // SAFETY: the context of a uprobe program is the registers; the verifier checks accesses.
    let registers = unsafe { &*context.cast::<pt_regs>() };
    Registers {
        instruction: registers.rip.wrapping_add(1),
        stack: registers.rsp,
        frame: registers.rbp,
    }
}
