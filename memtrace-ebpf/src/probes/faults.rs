//! The program on page faults: who touches pages first, in user mode or by having the kernel write there.
//!
//! The two tracepoints fire for the whole machine, before the kernel does anything about the fault, so
//! that what is nobody's business has to be out again after as little as possible. They are linked as
//! raw ones: the others would have a record put together for each fault of each process.

use super::pages::user_registers;
use crate::emit::Task;
use crate::knobs::{HAS_TASK_REGISTERS, MOST_FOR_FAULTS, OFFSET_TASK_FAULTS_OFF};
use crate::maps::{Target, count, lost, target};
use crate::memory::read_kernel;
use crate::stack::{OnStack, send_on_stack};
use aya_ebpf::bindings::pt_regs;
use aya_ebpf::helpers::bpf_ktime_get_ns;
use aya_ebpf::helpers::generated::{bpf_get_current_task, bpf_get_prandom_u32};
use aya_ebpf::macros::{map, raw_tracepoint};
use aya_ebpf::maps::PerCpuArray;
use aya_ebpf::programs::RawTracePointContext;
use core::mem::offset_of;
use memtrace_common::limits::REASONS_WHILE_READING;
use memtrace_common::touches::{Pace, is_taken, rank};
use memtrace_common::unwind::{Registers, Space};
use memtrace_common::wire::{Counter, Fault, Kind, Loss, TIMED_ONE_IN, fault};

/// No user address has one of these bits, also with five-level page tables.
const KERNEL_BITS: u64 = 0xff << 56;

const PAGE_MASK: u64 = !0xfff;

/// How faults are looked at on each CPU.
#[map]
static PACE: PerCpuArray<Pace> = PerCpuArray::with_max_entries(1, 0);

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
    count(Counter::Faults, 1);
    // SAFETY: no preconditions.
    let began = unsafe { bpf_ktime_get_ns() };
    let level = level(began);
    if !is_taken(address & PAGE_MASK, Space::program(target.epoch), level) {
        time_some(began);
        return 0;
    }
    count(Counter::FaultsTaken, 1);
    look((task, target), &context, address, level);
    // SAFETY: no preconditions.
    spend(unsafe { bpf_ktime_get_ns() } - began);
    0
}

/// The level in force at `now`.
#[inline(always)]
fn level(now: u64) -> u64 {
    let most = MOST_FOR_FAULTS.load();
    let Some(pace) = PACE.get_ptr_mut(0) else { return 0 };
    if most == 0 {
        return 0;
    }
    // SAFETY: aligned words of a map's value of this CPU; nothing that interrupts this program writes to it but
    // another fault's, whose time is then not counted.
    let next = unsafe { pace.read_volatile() }.at(now, most);
    // SAFETY: as above.
    unsafe { pace.write_volatile(next) };
    next.level
}

/// Looking at a fault took so long.
#[inline(always)]
fn spend(nanoseconds: u64) {
    count(Counter::FaultNanoseconds, nanoseconds);
    let most = MOST_FOR_FAULTS.load();
    let Some(pace) = PACE.get_ptr_mut(0) else { return };
    if most == 0 {
        return;
    }
    // SAFETY: as in `level`.
    let next = unsafe { pace.read_volatile() }.spent(nanoseconds, most);
    // SAFETY: as in `level`.
    unsafe { pace.write_volatile(next) };
}

/// Measures a fault that was not looked at now and then.
#[inline(always)]
fn time_some(began: u64) {
    // SAFETY: no preconditions.
    if u64::from(unsafe { bpf_get_prandom_u32() }) & (TIMED_ONE_IN - 1) == 0 {
        // SAFETY: no preconditions.
        count(Counter::FaultNanoseconds, TIMED_ONE_IN * (unsafe { bpf_ktime_get_ns() } - began));
    }
}

/// Tells who made it.
#[inline(always)]
fn look((task, target): (Task, Target), context: &RawTracePointContext, address: u64, level: u64) {
    let error: u64 = context.arg(2);
    // What the kernel faulted on for a system call is the call's doing.
    let registers = if error & fault::USER == 0 { user_registers() } else { context.arg(1) };
    if HAS_TASK_REGISTERS.load() == 0 && !are_of_user(registers) {
        lost(Loss::ResultUnreadable);
        return;
    }
    let header = task.header(Kind::Fault, size_of::<Fault>());
    // Where each fault is looked at the rank is of no use.
    let rank = match MOST_FOR_FAULTS.load() {
        0 => 0,
        _ => rank(address & PAGE_MASK, Space::program(target.epoch)),
    };
    let error = error & ((1 << fault::LEVEL_SHIFT) - 1);
    let told = error | level << fault::LEVEL_SHIFT | rank << fault::RANK_SHIFT;
    let body = Fault { address, error: told, stack: 0 };
    send_on_stack((task, target), header, body, || start(registers, error), Loss::RingFault);
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
