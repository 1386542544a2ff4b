//! The program on page faults: who touches pages first, in user mode or by having the kernel write there.
//!
//! The two tracepoints fire for the whole machine, before the kernel does anything about the fault, so
//! that what is nobody's business has to be out again after as little as possible. They are linked as
//! raw ones: the others would have a record put together for each fault of each process.

use super::pages::user_registers;
use crate::emit::Task;
use crate::knobs::{HAS_TASK_REGISTERS, OFFSET_TASK_FAULTS_OFF};
use crate::maps::{lost, target};
use crate::memory::read_kernel;
use crate::stack::{OnStack, send_on_stack};
use aya_ebpf::bindings::pt_regs;
use aya_ebpf::helpers::generated::bpf_get_current_task;
use aya_ebpf::macros::raw_tracepoint;
use aya_ebpf::programs::RawTracePointContext;
use core::mem::offset_of;
use memtrace_common::limits::REASONS_WHILE_READING;
use memtrace_common::unwind::Registers;
use memtrace_common::wire::{Fault, Kind, Loss, fault};

/// No user address has one of these bits, also with five-level page tables.
const KERNEL_BITS: u64 = 0xff << 56;

/// A page fault of either mode. A single program, as it is the walk that takes the verifier's time.
#[raw_tracepoint(tracepoint = "page_fault_user")]
fn page_touched(context: RawTracePointContext) -> i32 {
    let address: u64 = context.arg(0);
    if address & KERNEL_BITS != 0 {
        return 0;
    }
    let task = Task::current();
    let Some(target) = target(task.process) else { return 0 };
    if is_let_fail() {
        return 0;
    }
    let error: u64 = context.arg(2);
    // What the kernel faulted on for a system call is the call's doing.
    let registers = if error & fault::USER == 0 { user_registers() } else { context.arg(1) };
    if HAS_TASK_REGISTERS.load() == 0 && !are_of_user(registers) {
        lost(Loss::ResultUnreadable);
        return 0;
    }
    let header = task.header(Kind::Fault, size_of::<Fault>());
    let body = Fault { address, error, stack: 0 };
    send_on_stack((task, target), header, body, || start(registers, error), Loss::RingFault);
    0
}

/// Whether the kernel only tries to read and makes do without (`pagefault_disable`): no page comes of it.
/// Walks of stacks read so, this program's own among them, which would call itself without end.
#[inline(always)]
fn is_let_fail() -> bool {
    // SAFETY: no preconditions.
    let task = unsafe { bpf_get_current_task() };
    let reasons: u32 = read_kernel(task + OFFSET_TASK_FAULTS_OFF.load()).unwrap_or(u32::MAX);
    reasons > REASONS_WHILE_READING
}

/// Whether these can be registers of user space, where it was computed that they lie there: their code
/// segment says at which privilege they ran.
#[inline(always)]
fn are_of_user(registers: u64) -> bool {
    let segment: u64 = read_kernel(registers + offset_of!(pt_regs, cs) as u64).unwrap_or(0);
    segment & 3 == 3
}

impl OnStack for Fault {
    #[inline(always)]
    fn set_stack(&mut self, id: u64) {
        self.stack = id;
    }
}

/// Where the walk begins. Walks take each address for one to return to, of a call before it; here it is that of
/// the instruction itself, unless a system call made the kernel fault.
#[inline(always)]
fn start(registers: u64, error: u64) -> Registers {
    let register = |offset: usize| read_kernel::<u64>(registers + offset as u64).unwrap_or(0);
    let behind = (error & fault::USER != 0) as u64;
    Registers {
        instruction: register(offset_of!(pt_regs, rip)).wrapping_add(behind),
        stack: register(offset_of!(pt_regs, rsp)),
        frame: register(offset_of!(pt_regs, rbp)),
    }
}
