//! Call stacks on their way out: walked into a scratch buffer, sent once, then by id.

use crate::atomic;
use crate::emit::wake_flags;
use crate::maps::{EVENTS, SCRATCH, SCRATCH_TAKEN, SENT_STACKS, lost};
use crate::unwind::native::{Registers, walk};
use aya_ebpf::helpers::generated::bpf_ringbuf_output;
use core::ffi::c_void;
use memtrace_common::limits::{MAX_FRAMES, SCRATCH_SLOTS};
use memtrace_common::wire::{Header, Loss, Reallocation, StackEnd};

/// Words that the largest head of a record with frames takes.
const HEAD_WORDS: usize = (size_of::<Header>() + size_of::<Reallocation>()) / 8;

/// A record being put together: the head ends where the frames begin.
#[repr(C)]
pub(crate) struct Scratch {
    head: [u64; HEAD_WORDS],
    pub(crate) frames: [u64; MAX_FRAMES],
}

/// A walked stack.
pub(crate) struct Walked {
    /// Its id within the process; never 0.
    pub(crate) id: u64,
    /// How many frames.
    pub(crate) frames: usize,
    /// How it ended.
    pub(crate) end: StackEnd,
}

/// A scratch buffer of this CPU that nobody else uses until it is given back.
pub(crate) struct Taken {
    slot: u32,
    buffer: *mut Scratch,
}

/// Takes a free buffer. Programs can be preempted by others on the same CPU, hence more than one.
#[inline(always)]
pub(crate) fn take() -> Option<Taken> {
    for slot in 0..SCRATCH_SLOTS {
        let taken = SCRATCH_TAKEN.get_ptr_mut(slot)?;
        // SAFETY: an aligned u64 in a per-CPU map, only accessed atomically.
        if unsafe { atomic::swap(taken, 1) } == 0 {
            return Some(Taken { slot, buffer: SCRATCH.get_ptr_mut(slot)? });
        }
    }
    None
}

impl Taken {
    /// Gives the buffer back.
    #[inline(always)]
    pub(crate) fn give_back(self) {
        if let Some(taken) = SCRATCH_TAKEN.get_ptr_mut(self.slot) {
            // SAFETY: as in `take`.
            unsafe { atomic::store(taken, 0) };
        }
    }

    /// Walks the current user stack into the buffer. `seed` tells apart processes and epochs.
    #[inline(always)]
    pub(crate) fn walk(&mut self, registers: Registers, seed: u64) -> Walked {
        // SAFETY: the pointer came from the map and the slot is ours.
        walk(unsafe { &mut (*self.buffer).frames }, registers, seed)
    }

    /// Sends head and frames as one record; `true` if there was room.
    #[inline(always)]
    pub(crate) fn send<H: Copy>(&mut self, head: H, frames: usize) -> bool {
        const { assert!(size_of::<H>() % 8 == 0 && size_of::<H>() / 8 <= HEAD_WORDS) };
        if frames > MAX_FRAMES {
            return false;
        }
        let skipped = HEAD_WORDS * 8 - size_of::<H>();
        let length = size_of::<H>() + frames * 8;
        // SAFETY: `head` ends exactly where `frames` begins, `H` fits (asserted above), and
        // `length` stays inside the buffer because `frames` is bounded.
        unsafe {
            let start = self.buffer.cast::<u8>().add(skipped);
            start.cast::<H>().write_unaligned(head);
            let flags = wake_flags(length as u64);
            let ring = (&raw const EVENTS).cast_mut().cast::<c_void>();
            bpf_ringbuf_output(ring, start.cast::<c_void>(), length as u64, flags) == 0
        }
    }
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
