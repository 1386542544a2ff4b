//! Programs on allocator functions. One program serves every function: the site's cookie tells
//! which it is and where its arguments are.
//!
//! Three ways in, for three kinds of links: `heap_session` sees entry and return of one call;
//! `heap_entry` and `heap_return` are for kernels without sessions; `heap_free` needs no return.
//! `heap_exit` stands for the return of functions that may throw: it sits on their `ret`s.

use crate::emit::{Task, send};
use crate::knobs::SAMPLES;
use crate::maps::{Call, Target, count, lost, lost_free, lost_of, target};
use crate::memory::read_user;
use crate::own_stack;
use crate::pending::{Entry, thread, thread_or_new};
use crate::sampling::{Fate, draw_for, is_told, keep, release};
use crate::sites::cookie;
use crate::stack::{Head, is_sent, remember, seed_of, take, with_frames, without_stack};
use crate::windows::{counts, opened};
use aya_ebpf::bindings::pt_regs;
use aya_ebpf::helpers::bpf_ktime_get_ns;
use aya_ebpf::macros::{uprobe, uretprobe};
use aya_ebpf::programs::{ProbeContext, RetProbeContext};
use aya_log_ebpf::{debug, trace};
use core::ffi::c_void;
use memtrace_common::classes::Alignment;
use memtrace_common::site::{Aligned, NO_ARGUMENT, Role, Site};
use memtrace_common::unwind::Registers;
use memtrace_common::windows::HeapWindow;
use memtrace_common::wire::{
    Allocation, Counter, Free, Header, Kind, Loss, Reallocation, TIMED_ONE_IN, flags,
};

/// Bytes that `ret` takes off the stack.
const RETURN_ADDRESS: u64 = 8;
/// What a session's entry returns to run, or to skip, its return.
const RUN_RETURN: u32 = 0;
const SKIP_RETURN: u32 = 1;

/// Kernel functions are called by BTF id. These numbers stand for the ids of the running kernel,
/// which user space puts in their place before it loads the program.
mod kernel {
    use core::ffi::c_void;

    /// `bpf_session_is_return` (Linux 6.13).
    #[inline(always)]
    pub(super) fn session_is_return(context: *mut c_void) -> bool {
        // SAFETY: the number is replaced by the function's id before loading; the verifier checks
        // the call. The kernel returns a bool, of which only the low byte is defined.
        unsafe {
            let function: unsafe extern "C" fn(*mut c_void) -> u64 =
                core::mem::transmute(0x7f00_0001_usize);
            function(context) & 0xff != 0
        }
    }

    /// `bpf_session_cookie` (Linux 6.13): 8 bytes that entry and return share.
    #[inline(always)]
    pub(super) fn session_cookie(context: *mut c_void) -> *mut u64 {
        // SAFETY: as above; the verifier knows the result to be 8 bytes of memory.
        unsafe {
            let function: unsafe extern "C" fn(*mut c_void) -> *mut u64 =
                core::mem::transmute(0x7f00_0002_usize);
            function(context)
        }
    }
}

/// The context of a probe: the registers, and the site that the link's cookie describes.
#[derive(Clone, Copy)]
struct Probe {
    context: *mut c_void,
    task: Task,
    target: Target,
    /// On a `ret` that has not been executed yet.
    at_exit: bool,
}

impl Probe {
    /// `None` if the process is not traced.
    #[inline(always)]
    fn new(context: *mut c_void) -> Option<Self> {
        own_stack::keep(context);
        let task = Task::current();
        let target = target(task.process)?;
        Some(Self { context, task, target, at_exit: false })
    }

    #[inline(always)]
    fn registers(&self) -> &pt_regs {
        // SAFETY: the context of a uprobe program is the registers; the verifier checks accesses.
        unsafe { &*self.context.cast::<pt_regs>() }
    }

    #[inline(always)]
    fn site(&self) -> Site {
        Site::unpack(cookie(self.context))
    }

    /// Whether a call that is entered now counts.
    #[inline(always)]
    fn counts(&self) -> bool {
        counts(self.task.process, self.task.pending())
    }

    /// The call, which returns now, if it counts: it was entered in the same window.
    #[inline(always)]
    fn counted(&self, call: Call) -> Option<Call> {
        if call.fate.is_nested() || call.entered < opened(self.task.process) {
            return None;
        }
        Some(call)
    }

    /// All six register arguments. Read one by one whatever is wanted: the verifier allows fixed
    /// offsets into the context only, and a choice between registers would become a computed one.
    #[inline(always)]
    fn arguments(&self) -> [u64; 6] {
        let registers = self.context.cast::<pt_regs>();
        // SAFETY: the context of a uprobe program is the registers. Volatile keeps the loads apart.
        unsafe {
            [
                (&raw const (*registers).rdi).read_volatile(),
                (&raw const (*registers).rsi).read_volatile(),
                (&raw const (*registers).rdx).read_volatile(),
                (&raw const (*registers).rcx).read_volatile(),
                (&raw const (*registers).r8).read_volatile(),
                (&raw const (*registers).r9).read_volatile(),
            ]
        }
    }

    #[inline(always)]
    fn entry(&self) -> Entry {
        let site = self.site();
        let registers = self.registers();
        let arguments = self.arguments();
        let mut size = choose(&arguments, site.size);
        if site.count != NO_ARGUMENT {
            size = product(size, choose(&arguments, site.count));
        }
        Entry {
            site,
            probed: registers.rip,
            stack_pointer: site.mark(registers.rsp.wrapping_add(site.pushed as u64 * 8)),
            size,
            pointer: choose(&arguments, site.pointer),
        }
    }

    /// What the block of the call that is being entered is to be aligned to. Read apart from the rest: the calls
    /// that are most frequent have none.
    #[inline(always)]
    fn alignment(&self, site: Site) -> Alignment {
        if matches!(site.aligned, Aligned::No) {
            return Alignment::NONE;
        }
        let arguments = self.arguments();
        site.aligned.read(|position| choose(&arguments, position))
    }
}

/// The argument at `position`; 0 for one that the function does not have.
#[inline(always)]
fn choose(arguments: &[u64; 6], position: u8) -> u64 {
    match position {
        0 => arguments[0],
        1 => arguments[1],
        2 => arguments[2],
        3 => arguments[3],
        4 => arguments[4],
        5 => arguments[5],
        _ => 0,
    }
}

/// Size of `count` elements. A product that overflows makes the allocator fail; the largest number
/// says so. By halves: BPF has no 128-bit multiplication, which `checked_mul` (and LLVM for the
/// usual test by division) would call.
#[inline(always)]
const fn product(size: u64, count: u64) -> u64 {
    let (size_high, size_low) = (size >> 32, size & 0xffff_ffff);
    let (count_high, count_low) = (count >> 32, count & 0xffff_ffff);
    let crossed = size_high * count_low + size_low * count_high;
    if size_high != 0 && count_high != 0 || crossed >> 32 != 0 {
        return u64::MAX;
    }
    let low = size_low * count_low;
    let sum = (crossed << 32).wrapping_add(low);
    if sum < low { u64::MAX } else { sum }
}

/// Runs `body` and, one time in [`TIMED_ONE_IN`], measures how long it took.
#[inline(always)]
pub(super) fn counted(counter: Counter, body: impl FnOnce() -> u32) -> u32 {
    count(counter, 1);
    // SAFETY: the helpers have no preconditions.
    let random = unsafe { aya_ebpf::helpers::generated::bpf_get_prandom_u32() };
    if u64::from(random) & (TIMED_ONE_IN - 1) != 0 {
        return body();
    }
    // SAFETY: no preconditions.
    let began = unsafe { bpf_ktime_get_ns() };
    let result = body();
    let (runs, nanoseconds) = match counter {
        Counter::Entries => (Counter::TimedEntries, Counter::TimedEntryNanoseconds),
        _ => (Counter::TimedRuns, Counter::TimedNanoseconds),
    };
    // SAFETY: no preconditions.
    count(nanoseconds, unsafe { bpf_ktime_get_ns() } - began);
    count(runs, 1);
    result
}

/// Entry and return in one program, told apart by the kernel. `aya`'s macro would always return 0,
/// but here the value decides whether the return is run, so the section is given by hand.
#[unsafe(no_mangle)]
#[unsafe(link_section = "uprobe")]
fn heap_session(context: *mut c_void) -> u32 {
    let Some(probe) = Probe::new(context) else { return SKIP_RETURN };
    if kernel::session_is_return(context) {
        // SAFETY: the kernel gives 8 readable bytes.
        let call = unsafe { *kernel::session_cookie(context) };
        return session_return(probe, call);
    }
    session_entry(&probe)
}

/// A function of its own, whose stack is not that of the return, which walks.
#[inline(never)]
fn session_entry(probe: &Probe) -> u32 {
    count(Counter::Entries, 1);
    if !probe.counts() {
        return SKIP_RETURN;
    }
    let entry = probe.entry();
    if entry.site.nests {
        return enter_pending(*probe, entry);
    }
    if let Some(thread) = thread(probe.task.pending())
        && thread.is_nested(&entry)
    {
        return SKIP_RETURN;
    }
    let fate = draw_for(entry.site, entry.size);
    if fate.is_passed() {
        return SKIP_RETURN;
    }
    // SAFETY: the kernel gives 8 writable bytes.
    unsafe { *kernel::session_cookie(probe.context) = fate.with_size(entry.size) };
    RUN_RETURN
}

#[inline(always)]
fn session_return(probe: Probe, call: u64) -> u32 {
    counted(Counter::Returns, || {
        let site = probe.site();
        // One place that finishes: each takes room on the stack.
        let call = if site.nests {
            pending(&probe, site)
        } else {
            let (fate, size) = Fate::from_session(call);
            // Entry and return are one link's, and so of one window, unless that has just closed.
            let entered = opened(probe.task.process);
            if entered == HeapWindow::CLOSED {
                return 0;
            }
            let (site, pointer) = (site.pack(), 0);
            // A function that is given an alignment nests.
            Some(Call { stack_pointer: 0, size, pointer, entered, site, fate, alignment: 0 })
        };
        if let Some(call) = call {
            finish(probe, call);
        }
        0
    })
}

/// The entry alone, for multi and perf links.
#[uprobe]
fn heap_entry(context: ProbeContext) -> u32 {
    let Some(probe) = Probe::new(context.regs.cast()) else { return 0 };
    count(Counter::Entries, 1);
    enter_any(probe, probe.entry());
    0
}

/// The return alone, for multi and perf links.
#[uretprobe]
fn heap_return(context: RetProbeContext) -> u32 {
    let Some(probe) = Probe::new(context.regs.cast()) else { return 0 };
    counted(Counter::Returns, || {
        if let Some(call) = pending(&probe, probe.site()) {
            finish(probe, call);
        }
        0
    })
}

/// A `ret` of a function whose calls [`heap_entry`] has seen. Others may share it: where nothing is
/// pending at this place of the stack, it was theirs.
#[uprobe]
fn heap_exit(context: ProbeContext) -> u32 {
    let Some(probe) = Probe::new(context.regs.cast()) else { return 0 };
    let probe = Probe { at_exit: true, ..probe };
    counted(Counter::Returns, || {
        if let Some(thread) = thread(probe.task.pending())
            && let Some(call) = thread.pop(probe.site().mark(probe.registers().rsp))
            && let Some(call) = probe.counted(call)
        {
            finish(probe, call);
        }
        0
    })
}

/// Remembers a call until its return, unless it is nested in another one.
#[inline(always)]
fn enter_pending(probe: Probe, entry: Entry) -> u32 {
    let Some(thread) = thread_or_new(probe.task.pending()) else {
        lost_call(&probe, entry.site, entry.pointer);
        return SKIP_RETURN;
    };
    if thread.is_nested(&entry) {
        return SKIP_RETURN;
    }
    // SAFETY: no preconditions.
    let now = unsafe { bpf_ktime_get_ns() };
    // What it calls is nested in it, so its return is wanted even if it is not taken.
    let alignment = probe.alignment(entry.site);
    if thread.push(&entry, now, fate_of(&probe, &entry), alignment) {
        return RUN_RETURN;
    }
    lost_call(&probe, entry.site, entry.pointer);
    SKIP_RETURN
}

/// Remembers a call until its return, which will come whatever we say: nested calls are marked. A free
/// is told at once: the block may be given out again before the return. (Sessions see none: there is no
/// room on their stack for it.)
#[inline(always)]
fn enter_any(probe: Probe, entry: Entry) {
    let counts = probe.counts();
    let Some(thread) = thread_or_new(probe.task.pending()) else {
        // Nothing is told in a closed window, and so nothing is lost there.
        if counts {
            lost_call(&probe, entry.site, entry.pointer);
        }
        return;
    };
    let nested = thread.is_nested(&entry);
    // Its return will be seen all the same.
    let fate = if nested || !counts {
        Fate::NESTED
    } else if entry.site.role as u8 == Role::Free as u8 {
        send_free(probe.target, &entry);
        Fate::NESTED
    } else {
        fate_of(&probe, &entry)
    };
    // SAFETY: no preconditions.
    let now = unsafe { bpf_ktime_get_ns() };
    let is_pending = thread.push(&entry, now, fate, probe.alignment(entry.site));
    // A free has been told of.
    if !is_pending && !fate.is_nested() {
        lost_call(&probe, entry.site, entry.pointer);
    }
}

/// A call that may give back the block at `pointer` will not be told of.
#[inline(always)]
fn lost_call(probe: &Probe, site: Site, pointer: u64) {
    if site.role as u8 != Role::Allocate as u8 && pointer != 0 {
        lost_free(probe.task.process.into());
    }
}

/// Draws for a call, and looks after the block that is given to it: its address may be another block's before
/// the call returns.
#[inline(always)]
fn fate_of(probe: &Probe, entry: &Entry) -> Fate {
    let fate = draw_for(entry.site, entry.size);
    if entry.site.role as u8 == Role::Reallocate as u8 && entry.pointer != 0 {
        fate.with_old(release(probe.target, entry.site, entry.pointer))
    } else {
        fate
    }
}

/// The call that returns now, unless it was nested in another one.
#[inline(always)]
fn pending(probe: &Probe, site: Site) -> Option<Call> {
    let stack_pointer = site.mark(probe.registers().rsp.wrapping_sub(RETURN_ADDRESS));
    // A thread that never entered a call since tracing began returns from an older one.
    let thread = thread(probe.task.pending())?;
    let call = thread.pop(stack_pointer);
    if call.is_none()
        && !thread.has_just_returned(stack_pointer)
        && opened(probe.task.process) != HeapWindow::CLOSED
    {
        lost(Loss::Unpaired);
        // Which block it was given is not known.
        lost_call(probe, site, 1);
        debug!(&RetProbeContext::new(probe.context), "unpaired return at {:x}", stack_pointer);
    }
    probe.counted(call?)
}

/// A call has returned: sends what it did.
#[inline(always)]
fn finish(probe: Probe, call: Call) {
    let site = Site::unpack(call.site);
    if site.role as u8 == Role::Free as u8 {
        return;
    }
    let Some(address) = result(&probe, site, call.pointer) else {
        lost(Loss::ResultUnreadable);
        lost_call(&probe, site, call.pointer);
        return;
    };
    trace!(&RetProbeContext::new(probe.context), "{} bytes at {:x}", call.size, address);
    if !call.fate.is_passed() {
        count(Counter::Taken, 1);
    }
    if site.role as u8 == Role::Reallocate as u8 {
        finish_reallocation(&probe, site, &call, address);
        return;
    }
    let sample_interval = call.fate.interval();
    if call.fate.is_passed() || !keep(probe.target, site, address, sample_interval) {
        return;
    }
    let header = header_of(&probe, site, &call, Kind::Allocation, size_of::<Allocation>());
    let body = Allocation { address, size: call.size, sample_interval, stack: 0 };
    send_with_stack(&probe, header, body, |body, id| body.stack = id, address != 0);
}

/// Which of the two blocks were taken decides what is told: both, the new one as an allocation, the end of the
/// old one, or nothing.
#[inline(always)]
fn finish_reallocation(probe: &Probe, site: Site, call: &Call, address: u64) {
    let mut header = header_of(probe, site, call, Kind::Reallocation, size_of::<Reallocation>());
    let mut body = Reallocation {
        old_address: call.pointer,
        address,
        size: call.size,
        sample_interval: call.fate.interval(),
        stack: 0,
        entered: call.entered,
    };
    if SAMPLES.load() != 0 {
        if address == 0 && call.size != 0 {
            // It failed, and the old block lives on.
            if call.fate.is_old_taken() && !keep(probe.target, site, call.pointer, u64::MAX) {
                // Its free will not be told.
                lost_call(probe, site, call.pointer);
            }
            if call.fate.is_passed() {
                return;
            }
        } else {
            match is_told(probe.target, site, call.fate.old()) {
                Some(flags) => header.flags |= flags,
                None => body.old_address = 0,
            }
            if call.fate.is_passed() || !keep(probe.target, site, address, body.sample_interval) {
                (body.address, body.size) = (0, 0);
            }
            if body.old_address == 0 && body.address == 0 {
                return;
            }
        }
    }
    send_with_stack(probe, header, body, |body, id| body.stack = id, body.address != 0);
}

#[inline(always)]
fn header_of(probe: &Probe, site: Site, call: &Call, kind: Kind, body: usize) -> Header {
    let flags = flags::of_classes(site.classes);
    let (function, alignment) = (site.function.0, call.alignment as u8);
    Header { flags, function, alignment, ..probe.task.header(kind, body) }
}

/// The block that a call gave; 0 if it failed, `None` if that cannot be read.
#[inline(always)]
fn result(probe: &Probe, site: Site, pointer: u64) -> Option<u64> {
    let returned = probe.registers().rax;
    if !site.result_by_pointer {
        return Some(returned);
    }
    // The low 32 bits are the C int; the others are not defined.
    if returned as u32 != 0 { Some(0) } else { read_user::<u64>(pointer) }
}

/// Sends head and body with the current stack: frames the first time, the id alone afterwards.
#[inline(always)]
fn send_with_stack<B: Copy + 'static>(
    probe: &Probe,
    header: Header,
    mut body: B,
    set_stack: impl Fn(&mut B, u64),
    wanted: bool,
) {
    let loss = if header.kind == Kind::Reallocation as u8 {
        Loss::RingReallocation
    } else {
        Loss::RingAllocation
    };
    if !wanted {
        return send(header, body, loss);
    }
    let Some(mut scratch) = take() else {
        without_stack();
        return send(header, body, loss);
    };
    let start = caller(probe);
    let seed = seed_of(probe.task, probe.target);
    let (id, walked) = scratch.walk(start, probe.target, seed);
    let id = scratch.copied(id);
    set_stack(&mut body, id);
    if is_sent(id) {
        send(header, body, loss);
    } else {
        let header = with_frames(header, walked);
        send_frames(&mut scratch, header, body, loss, id);
    }
    scratch.give_back();
}

/// The registers in the caller, right after the call. At a `ret` the callee's saves are restored, and
/// the return address is all that is left on the stack.
#[inline(always)]
fn caller(probe: &Probe) -> Registers {
    let registers = probe.registers();
    let (instruction, stack) = if probe.at_exit {
        (read_user(registers.rsp).unwrap_or(0), registers.rsp.wrapping_add(RETURN_ADDRESS))
    } else {
        (registers.rip, registers.rsp)
    };
    Registers { instruction, stack, frame: registers.rbp }
}

#[inline(always)]
fn send_frames<B: Copy>(
    scratch: &mut crate::stack::Taken,
    header: Header,
    body: B,
    loss: Loss,
    id: u64,
) {
    if scratch.send(header.process, Head { header, body }, header.frames as usize, false) {
        remember(id);
    } else {
        lost_of(header.process, loss);
    }
}

/// A block is given back. Needs no return, so its site may lie behind instructions.
#[uprobe]
fn heap_free(context: ProbeContext) -> u32 {
    let Some(probe) = Probe::new(context.regs.cast()) else { return 0 };
    counted(Counter::Entries, || {
        free(probe);
        0
    })
}

#[inline(always)]
fn free(probe: Probe) {
    let entry = probe.entry();
    if entry.pointer == 0 || !probe.counts() {
        return;
    }
    if let Some(thread) = thread(probe.task.pending())
        && thread.is_nested(&entry)
    {
        return;
    }
    send_free(probe.target, &entry);
}

#[inline(always)]
fn send_free(target: Target, entry: &Entry) {
    let Entry { site, probed, stack_pointer, pointer, .. } = *entry;
    if pointer == 0 {
        return;
    }
    let given = release(target, site, pointer);
    if let Some(flags) = is_told(target, site, given) {
        tell_of_free(site.pack(), probed, stack_pointer, pointer, flags.into());
    }
}

/// Tells of a block that is given back. A function of its own, whose stack is not that of programs which
/// walk stacks as well: all calls together have 512 bytes.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn tell_of_free(
    site: u64,
    probed: u64,
    stack_pointer: u64,
    pointer: u64,
    flags: u64,
) -> u64 {
    let site = Site::unpack(site);
    let inside = read_user::<u64>(Site::unmarked(stack_pointer))
        .is_some_and(|caller| site.is_inside_allocator(probed, caller));
    let header = Header {
        flags: flags as u8 | if inside { flags::INSIDE_ALLOCATOR } else { 0 },
        function: site.function.0,
        ..Task::current().header(Kind::Free, size_of::<Free>())
    };
    send(header, Free { address: pointer }, Loss::RingFree);
    0
}
