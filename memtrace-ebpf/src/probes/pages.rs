//! Programs on `mmap`, `munmap`, `mremap`, `brk` and `madvise`: the second ledger.
//!
//! The arguments are read at the exit from the registers that the thread entered the kernel with.
//! `munmap` and `mremap` are also noted at their entry: another thread may get the address before
//! the exit is seen, so the record says when the call began.
//!
//! What adds pages is told with the call stack where that is wanted (`MAPPING_STACKS`). The walk begins
//! with the registers of user space: the instruction behind the system call stands for the return address.

use crate::atomic;
use crate::emit::{Task, send, send_now};
use crate::knobs::{HAS_TASK_REGISTERS, MAPPING_STACKS, OFFSET_TASK_STACK};
use crate::maps::{TARGETS, Target, lost, target};
use crate::memory::read_kernel;
use crate::pending::{thread, thread_or_new};
use crate::stack::{
    Head, Taken, Walked, is_sent, remember, seed_of, take, with_frames, without_stack,
};
use crate::unwind::changes::{code_added, removed};
use crate::unwind::tables::{code_came, code_mapped};
use aya_ebpf::bindings::pt_regs;
use aya_ebpf::helpers::bpf_ktime_get_ns;
use aya_ebpf::helpers::generated::{
    bpf_get_current_task, bpf_get_current_task_btf, bpf_task_pt_regs,
};
use aya_ebpf::macros::tracepoint;
use aya_ebpf::programs::TracePointContext;
use core::mem::offset_of;
use memtrace_common::unwind::{Extent, Registers};
use memtrace_common::wire::{Break, Discard, Header, Kind, Loss, Map, Remap, Unmap, advice};

/// Numbers of system calls on x86-64 (`arch/x86/entry/syscalls/syscall_64.tbl`).
const MMAP: u64 = 9;
const BRK: u64 = 12;
const MREMAP: u64 = 25;
const MADVISE: u64 = 28;
/// `PROT_EXEC` of `mman.h`.
const PROT_EXEC: u64 = 4;
/// System calls return errors as −4095 … −1.
const FIRST_ERROR: u64 = -4095_i64 as u64;
/// Size of a task's stack in the kernel on x86-64, with the registers of user space at its very top
/// (`task_pt_regs` of `arch/x86/include/asm/processor.h`). True of all kernels before 5.15, for
/// which it is used, unless they were built to find errors in themselves (KASAN).
const STACK_BYTES: u64 = 16 << 10;
/// Offset of the call's number in a `sys_exit_*` tracepoint's record (common fields 8).
const NUMBER: usize = 8;
/// Offset of the first argument in a `sys_enter_*` tracepoint's record (common fields 8, nr 8).
const ARGUMENTS: usize = 16;
/// `MAP_FIXED` of `mman.h`: what is there goes.
const MAP_FIXED: u64 = 0x10;
/// `MREMAP_DONTUNMAP` of `mman.h`.
const MREMAP_DONTUNMAP: u64 = 4;
/// Offset of the result in a `sys_exit_*` tracepoint's record (common fields 8, nr 8).
const RESULT: usize = 16;

/// A system call of a traced process that has returned.
struct SystemCall {
    task: Task,
    target: Target,
    registers: u64,
    result: u64,
}

impl SystemCall {
    #[inline(always)]
    fn returned(context: &TracePointContext, number: u64) -> Option<Self> {
        let task = Task::current();
        let target = target(task.process)?;
        // SAFETY: the record of a `sys_exit_*` tracepoint has 8 bytes there.
        let result: i64 = unsafe { context.read_at(RESULT) }.ok()?;
        let call = Self { task, target, registers: user_registers(), result: result as u64 };
        if HAS_TASK_REGISTERS.load() == 0 && call.register(offset_of!(pt_regs, orig_rax)) != number
        {
            lost(Loss::ResultUnreadable);
            return None;
        }
        Some(call)
    }

    /// Whether it adds pages, so that it is asked who did it.
    #[inline(always)]
    fn adds(&self, number: u64) -> bool {
        match number {
            MMAP => true,
            MREMAP => {
                self.keeps_old()
                    || self.register(offset_of!(pt_regs, rdx))
                        > self.register(offset_of!(pt_regs, rsi))
            }
            // Asked for 0 it only tells where the end is; refused, it gives an end below what was asked for.
            BRK => {
                let wanted = self.register(offset_of!(pt_regs, rdi));
                wanted != 0 && self.result >= wanted
            }
            _ => false,
        }
    }

    /// Of `mremap`: pages move, and the mapping that they leave stays, without pages (Linux 5.7).
    #[inline(always)]
    fn keeps_old(&self) -> bool {
        self.register(offset_of!(pt_regs, r10)) & MREMAP_DONTUNMAP != 0
    }

    #[inline(always)]
    fn failed(&self) -> bool {
        self.result >= FIRST_ERROR
    }

    #[inline(always)]
    fn register(&self, offset: usize) -> u64 {
        read_kernel::<u64>(self.registers + offset as u64).unwrap_or(0)
    }

    /// When the call began, as its entry noted.
    #[inline(always)]
    fn entered(&self) -> u64 {
        thread(self.task.pending()).map_or(0, |thread| thread.mapping_entered)
    }

    #[inline(always)]
    fn send<B: Copy + 'static>(&self, kind: Kind, body: B) {
        send(self.task.header(kind, size_of::<B>()), body, Loss::RingMapping);
    }

    /// Who made the call, if that is wanted. What it has added may be code: walk before that is told.
    #[inline(always)]
    fn stack(&self) -> Option<CallStack> {
        if MAPPING_STACKS.load() == 0 {
            return None;
        }
        let Some(mut scratch) = take() else {
            without_stack();
            return None;
        };
        let start = Registers {
            instruction: self.register(offset_of!(pt_regs, rip)),
            stack: self.register(offset_of!(pt_regs, rsp)),
            frame: self.register(offset_of!(pt_regs, rbp)),
        };
        let (id, walked) = scratch.walk(start, self.target, seed_of(self.task, self.target));
        Some(CallStack { id: scratch.copied(id), walked, scratch })
    }

    /// Sends a record with its stack: frames the first time, the id alone afterwards. `urgent`: the reader
    /// is woken at once.
    #[inline(always)]
    fn send_with<B: Copy + 'static>(
        &self,
        kind: Kind,
        body: B,
        stack: Option<CallStack>,
        urgent: bool,
    ) {
        let header = self.task.header(kind, size_of::<B>());
        let Some(CallStack { id, walked, mut scratch }) = stack else {
            return self.send_plain(header, body, urgent);
        };
        if is_sent(id) {
            self.send_plain(header, body, urgent);
        } else {
            let header = with_frames(header, walked);
            if scratch.send(header.process, Head { header, body }, walked.frames(), urgent) {
                remember(id);
            } else {
                lost(Loss::RingMapping);
            }
        }
        scratch.give_back();
    }

    #[inline(always)]
    fn send_plain<B: Copy + 'static>(&self, header: Header, body: B, urgent: bool) {
        if urgent {
            send_now(header, body, Loss::RingMapping);
        } else {
            send(header, body, Loss::RingMapping);
        }
    }
}

/// A call's stack, in a buffer that is to be given back.
struct CallStack {
    id: u64,
    walked: Walked,
    scratch: Taken,
}

/// The id of a stack; 0 if there is none.
#[inline(always)]
const fn id_of(stack: Option<&CallStack>) -> u64 {
    match stack {
        Some(stack) => stack.id,
        None => 0,
    }
}

/// Of `munmap` and `mremap`, whose first two arguments say what is given up.
#[inline(always)]
fn note_entry(context: &TracePointContext) {
    let task = Task::current();
    if target(task.process).is_none() {
        return;
    }
    // SAFETY: the record of a `sys_enter_*` tracepoint has the arguments there, 8 bytes each.
    let arguments = unsafe { (context.read_at(ARGUMENTS), context.read_at(ARGUMENTS + 8)) };
    if let (Ok(address), Ok(length)) = arguments {
        removed(task.process, address, address.wrapping_add(length));
    }
    if let Some(thread) = thread_or_new(task.pending()) {
        // SAFETY: no preconditions.
        thread.mapping_entered = unsafe { bpf_ktime_get_ns() };
    }
}

#[inline(always)]
const fn extent(address: u64, length: u64) -> Extent {
    Extent { start: address, end: address.wrapping_add(length) }
}

/// Where the registers lie with which the current thread entered the kernel.
#[inline(always)]
pub(super) fn user_registers() -> u64 {
    if HAS_TASK_REGISTERS.load() != 0 {
        // SAFETY: the second helper takes the task that the first one gives.
        return unsafe { bpf_task_pt_regs(bpf_get_current_task_btf()) } as u64;
    }
    // SAFETY: no preconditions.
    let task = unsafe { bpf_get_current_task() };
    let stack: u64 = read_kernel(task + OFFSET_TASK_STACK.load()).unwrap_or(0);
    stack + STACK_BYTES - size_of::<pt_regs>() as u64
}

/// From now on addresses of this process may mean other code. Gives the new version.
#[inline(always)]
fn begin_epoch(process: u32) -> u64 {
    let Some(target) = TARGETS.get_ptr_mut(&process) else { return 0 };
    // SAFETY: an aligned u64 in the map's value. Where two threads map code at one moment both may read
    // the later version: then one of the two pieces of code is not kept as fresh, of code that came
    // within microseconds and would have to go within a millisecond to matter.
    unsafe {
        let epoch = &raw mut (*target).epoch;
        atomic::add(epoch, 1);
        epoch.read_volatile()
    }
}

/// One of the four has returned, or `madvise`, which is asked for where touched pages are counted. A single program, as it is the walk that takes the verifier's time.
#[tracepoint(category = "syscalls", name = "sys_exit_mmap")]
fn mapping_returned(context: TracePointContext) -> u32 {
    // The upper half of the 8 bytes there is nothing in particular on some kernels (seen on 6.18).
    // SAFETY: the record of a `sys_exit_*` tracepoint has 8 bytes there.
    let Ok(number) = (unsafe { context.read_at::<u32>(NUMBER) }) else { return 0 };
    let number = u64::from(number);
    let Some(call) = SystemCall::returned(&context, number) else { return 0 };
    if number != BRK && call.failed() {
        return 0;
    }
    let stack = if call.adds(number) { call.stack() } else { None };
    match number {
        MMAP => mapped(&call, stack),
        MREMAP => moved(&call, stack),
        // It gives the segment's end, whether it moved or not.
        BRK => {
            let end = Break { end: call.result, stack: id_of(stack.as_ref()) };
            call.send_with(Kind::Break, end, stack, false);
        }
        MADVISE => discarded(&call),
        _ => call.send(
            Kind::Unmap,
            Unmap {
                address: call.register(offset_of!(pt_regs, rdi)),
                length: call.register(offset_of!(pt_regs, rsi)),
                entered: call.entered(),
            },
        ),
    }
    0
}

#[inline(always)]
fn mapped(call: &SystemCall, stack: Option<CallStack>) {
    let protection = call.register(offset_of!(pt_regs, rdx));
    let map = Map {
        address: call.result,
        length: call.register(offset_of!(pt_regs, rsi)),
        protection: protection as u32,
        flags: call.register(offset_of!(pt_regs, r10)) as u32,
        file_offset: call.register(offset_of!(pt_regs, r9)),
        stack: id_of(stack.as_ref()),
    };
    let extent = extent(map.address, map.length);
    if u64::from(map.flags) & MAP_FIXED != 0 {
        removed(call.task.process, extent.start, extent.end);
    }
    let is_code = protection & PROT_EXEC != 0;
    if is_code {
        let epoch = begin_epoch(call.task.process);
        code_mapped(call.task.process, extent);
        code_added(call.task.process, epoch, extent);
        code_came(call.task.process);
    }
    // Soon there will be stacks through new code: it wants a table.
    call.send_with(Kind::Map, map, stack, is_code);
}

/// Most advice is about what is to come; this gives pages back.
#[inline(always)]
fn discarded(call: &SystemCall) {
    let given = call.register(offset_of!(pt_regs, rdx)) & u64::from(u32::MAX);
    if !matches!(
        given,
        advice::DONT_NEED | advice::FREE | advice::REMOVE | advice::DONT_NEED_LOCKED
    ) {
        return;
    }
    let discard = Discard {
        address: call.register(offset_of!(pt_regs, rdi)),
        length: call.register(offset_of!(pt_regs, rsi)),
        advice: given,
    };
    call.send(Kind::Discard, discard);
}

#[inline(always)]
fn moved(call: &SystemCall, stack: Option<CallStack>) {
    let remap = Remap {
        old_address: call.register(offset_of!(pt_regs, rdi)),
        old_length: call.register(offset_of!(pt_regs, rsi)),
        address: call.result,
        length: call.register(offset_of!(pt_regs, rdx)),
        entered: call.entered(),
        stack: id_of(stack.as_ref()),
    };
    if !call.keeps_old() {
        return call.send_with(Kind::Remap, remap, stack, false);
    }
    // All has moved; and what is empty now is a mapping like it, as an old length of nothing makes one.
    call.send(Kind::Remap, Remap { stack: 0, ..remap });
    let empty = Remap {
        old_address: remap.address,
        old_length: 0,
        address: remap.old_address,
        length: remap.old_length,
        ..remap
    };
    call.send_with(Kind::Remap, empty, stack, false);
}

/// `munmap` is entered.
#[tracepoint(category = "syscalls", name = "sys_enter_munmap")]
fn munmap_enter(context: TracePointContext) -> u32 {
    note_entry(&context);
    0
}

/// `mremap` is entered.
#[tracepoint(category = "syscalls", name = "sys_enter_mremap")]
fn mremap_enter(context: TracePointContext) -> u32 {
    note_entry(&context);
    0
}
