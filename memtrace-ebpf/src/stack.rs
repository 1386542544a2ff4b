//! Call stacks on their way out: walked into a scratch buffer, sent once, then by id.

use crate::atomic;
use crate::emit::{Task, send, wake_flags};
use crate::knobs::UNWIND_BY_TABLES;
use crate::maps::{SCRATCH, SCRATCH_TAKEN, SENT_STACKS, Target, lost, ring};
use crate::memory::opaque;
use crate::unwind::cache::Trail;
use crate::unwind::copy::copied_stack;
use crate::unwind::native::begin as begin_chain;
use crate::unwind::walk::{Walk, begin, walk as walk_by_tables, walk_by_pointers};
use crate::unwind::window::Window;
use aya_ebpf::bindings::BPF_RB_FORCE_WAKEUP;
use aya_ebpf::helpers::generated::bpf_ringbuf_output;
use core::ffi::c_void;
use memtrace_common::limits::{MAX_FRAMES, SCRATCH_SLOTS};
use memtrace_common::stack_id::seed;
use memtrace_common::unwind::Registers;
use memtrace_common::wire::{Header, Loss, Reallocation, StackEnd};

/// Words that the largest head of a record with frames takes.
const HEAD_WORDS: usize = (size_of::<Header>() + size_of::<Reallocation>()) / 8;

/// A head with frames behind it.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Head<B> {
    pub(crate) header: Header,
    pub(crate) body: B,
}

/// A record being put together: the head ends where the frames begin.
#[repr(C)]
pub(crate) struct Scratch {
    /// The last walk's result.
    pub(crate) id: u64,
    head: [u64; HEAD_WORDS],
    pub(crate) frames: [u64; MAX_FRAMES],
    pub(crate) window: Window,
    pub(crate) walk: Walk,
    pub(crate) trail: Trail,
}

/// A walked stack, as one word can carry it out of a function that is verified on its own.
#[derive(Clone, Copy)]
pub(crate) struct Walked(pub(crate) u64);

impl Walked {
    #[inline(always)]
    pub(crate) const fn new(frames: usize, end: StackEnd) -> Self {
        Self((frames as u64) << 8 | end as u64)
    }

    /// How many frames.
    #[inline(always)]
    pub(crate) const fn frames(self) -> usize {
        (self.0 >> 8) as usize
    }

    /// How it ended.
    #[inline(always)]
    pub(crate) const fn end(self) -> StackEnd {
        StackEnd::from_number(self.0 as u8)
    }
}

/// A scratch buffer of this CPU that nobody else uses until it is given back.
pub(crate) struct Taken {
    slot: u32,
}

/// No buffer was free.
const NONE_FREE: u32 = u32::MAX;

/// Finds a free buffer and takes it. A function of its own for the verifier: what follows is then
/// checked once and not for every buffer.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn take_scratch() -> u32 {
    for slot in 0..SCRATCH_SLOTS {
        let Some(taken) = SCRATCH_TAKEN.get_ptr_mut(slot) else { break };
        // SAFETY: an aligned u64 in a per-CPU map, only accessed atomically.
        if unsafe { atomic::swap(taken, 1) } == 0 {
            return slot;
        }
    }
    NONE_FREE
}

/// Takes a free buffer. Programs can be preempted by others on the same CPU, hence more than one.
#[inline(always)]
pub(crate) fn take() -> Option<Taken> {
    let slot = take_scratch();
    if slot < SCRATCH_SLOTS { Some(Taken { slot }) } else { None }
}

/// The stack's id in a taken buffer.
#[inline(always)]
pub(crate) fn id_in(slot: u32) -> u64 {
    // SAFETY: the pointer comes from the map and the slot is the caller's.
    SCRATCH.get_ptr(slot).map_or(0, |buffer| unsafe { (*buffer).id })
}

/// A body that says which stack it is about.
pub(crate) trait OnStack: Copy + 'static {
    /// Puts the stack's id into it.
    fn set_stack(&mut self, id: u64);
}

/// Walks the stack from `start` on and sends a record of it: its frames the first time, the id alone afterwards.
/// What finds no room is counted as `loss`.
#[inline(always)]
pub(crate) fn send_on_stack<B: OnStack>(
    (task, target): (Task, Target),
    header: Header,
    mut body: B,
    start: impl FnOnce() -> Registers,
    loss: Loss,
) {
    let Some(mut scratch) = take() else {
        without_stack();
        return send(header, body, loss);
    };
    let (id, walked) = scratch.walk(start(), target, seed_of(task, target));
    let id = scratch.copied(id);
    body.set_stack(id);
    if is_sent(id) {
        send(header, body, loss);
    } else {
        let head = Head { header: with_frames(header, walked), body };
        if scratch.send(header.process, head, walked.frames(), false) {
            remember(id);
        } else {
            lost(loss);
        }
    }
    scratch.give_back();
}

impl Taken {
    /// Gives the buffer back.
    #[inline(always)]
    pub(crate) fn give_back(self) {
        if let Some(taken) = SCRATCH_TAKEN.get_ptr_mut(self.slot) {
            // SAFETY: as in `take_scratch`.
            unsafe { atomic::store(taken, 0) };
        }
    }

    #[inline(always)]
    fn buffer(&mut self) -> Option<&mut Scratch> {
        // SAFETY: the pointer comes from the map and the slot is ours.
        SCRATCH.get_ptr_mut(self.slot).map(|buffer| unsafe { &mut *buffer })
    }

    /// Walks the current user stack into the buffer. `seed` tells apart processes and versions of their
    /// code. Gives the stack's id (never 0) and what was found.
    #[inline(always)]
    pub(crate) fn walk(
        &mut self,
        registers: Registers,
        target: Target,
        seed: u64,
    ) -> (u64, Walked) {
        let by_tables = UNWIND_BY_TABLES.load() != 0
            && self.buffer().is_some_and(|buffer| {
                begin(&mut buffer.walk, &mut buffer.trail, registers, target.epoch, seed)
            });
        let walked = if by_tables {
            let slot = self.slot;
            walk_by_tables(slot, || is_sent(id_in(slot)))
        } else {
            if let Some(buffer) = self.buffer() {
                begin_chain(buffer, registers, seed);
            }
            walk_by_pointers(self.slot)
        };
        (id_in(self.slot), Walked(walked))
    }

    /// Has user space walk the stack too, if it leads through code that the kernel side has not been told
    /// of. Gives the id that the stack goes by from then on.
    #[inline(always)]
    pub(crate) fn copied(&self, id: u64) -> u64 {
        if UNWIND_BY_TABLES.load() == 0 { id } else { copied_stack(self.slot) }
    }

    /// The buffer's frames.
    #[inline(always)]
    pub(crate) fn frames(&mut self) -> Option<&mut [u64; MAX_FRAMES]> {
        self.buffer().map(|buffer| &mut buffer.frames)
    }

    /// Sends head and frames as one record of `process`, and wakes the reader at once if that is `urgent`;
    /// `true` if there was room.
    #[inline(always)]
    pub(crate) fn send<H: Copy>(
        &mut self,
        process: u32,
        head: H,
        frames: usize,
        urgent: bool,
    ) -> bool {
        const { assert!(size_of::<H>().is_multiple_of(8) && size_of::<H>() / 8 <= HEAD_WORDS) };
        let Some(buffer) = self.buffer() else { return false };
        let skipped = HEAD_WORDS * 8 - size_of::<H>();
        let length = opaque((size_of::<H>() + frames * 8) as u64);
        if length > (size_of::<H>() + MAX_FRAMES * 8) as u64 {
            return false;
        }
        let Some(ring) = ring(process) else { return false };
        // SAFETY: `head` ends exactly where `frames` begins, `H` fits (asserted above), and
        // `length` stays inside the buffer, as was just checked.
        unsafe {
            let start = (&raw mut buffer.head).cast::<u8>().add(skipped);
            start.cast::<H>().write_unaligned(head);
            let flags = if urgent { BPF_RB_FORCE_WAKEUP.into() } else { wake_flags(ring, length) };
            let ring = (&raw const *ring).cast_mut().cast::<c_void>();
            bpf_ringbuf_output(ring, start.cast::<c_void>(), length, flags) == 0
        }
    }
}

/// The header of a record that these frames follow.
#[inline(always)]
pub(crate) fn with_frames(header: Header, walked: Walked) -> Header {
    Header {
        length: header.length + (walked.frames() * 8) as u16,
        frames: walked.frames() as u8,
        stack_end: walked.end() as u8,
        ..header
    }
}

/// What tells apart the stacks of processes and epochs.
#[inline(always)]
pub(crate) fn seed_of(task: Task, target: Target) -> u64 {
    seed(task.process, target.epoch)
}

/// Whether the daemon has the frames of this stack.
#[inline(always)]
pub(crate) fn is_sent(id: u64) -> bool {
    SENT_STACKS.get_ptr(&id).is_some()
}

/// Remembers that the daemon has them. Only after the record got into the ring.
#[inline(always)]
pub(crate) fn remember(id: u64) {
    let one: u64 = 1;
    let _ = SENT_STACKS.insert(&id, &one, 0);
}

/// Counts an event that goes out without its stack.
#[inline(always)]
pub(crate) fn without_stack() {
    lost(Loss::NoScratch);
}
