//! Walks that were made before: the same call site at the same depth mostly has the same callers.
//!
//! A walk's result follows from the registers that it began with, from the process's tables, and from
//! the words of the stack that it read: return addresses and saved frame pointers. So a walk is kept
//! with those words, and holds again where all of them are as they were. That is no guess from a
//! fingerprint of the stack, and costs a comparison per word where a walk costs searches and rules per
//! frame. (One walk in [`CHECKED_ONE_IN`] is made all the same and compared, because programs err.)
//!
//! Entries are shared by all CPUs. Their number is odd while somebody writes, and is another one
//! afterwards: who reads looks at it before and after (a sequence lock; on x86-64 loads are not
//! reordered among each other, nor are stores, and BPF's compiler keeps their order).

use super::window::Word;
use crate::atomic;
use crate::knobs::CACHE_WALKS;
use crate::maps::SCRATCH;
use crate::memory::copy_kernel;
use aya_ebpf::macros::map;
use aya_ebpf::maps::Array;
use memtrace_common::limits::{MAX_CACHED_WALKS, MAX_WALK_WORDS};
use memtrace_common::stack_id::mix;
use memtrace_common::unwind::Registers;

/// Words further up than this, bytes, are not kept: a place is 16 bits of words.
const FARTHEST: u64 = 8 << 16;

/// One hit in this many is checked by a walk.
pub(crate) const CHECKED_ONE_IN: u32 = 64;

/// A place among the words of a walk, for the verifier.
const WORD: usize = MAX_WALK_WORDS - 1;
const _: () = assert!(MAX_WALK_WORDS.is_power_of_two() && MAX_CACHED_WALKS.is_power_of_two());

/// The words of the stack that a walk read.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Words {
    values: [u64; MAX_WALK_WORDS],
    /// How far each lies above where the stack begins, words.
    places: [u16; MAX_WALK_WORDS],
}

/// Which words a walk has read so far.
#[repr(C)]
pub(crate) struct Trail {
    /// How many; [`Trail::LOST`] and more if they cannot be kept.
    count: u64,
    /// Where the frame pointer was saved; [`FROM_START`] if it was not yet, [`NOTED`] if it is among the
    /// words.
    frame_place: u64,
    frame: u64,
    /// 1: the walk depends on the frame pointer that it began with.
    uses_start: u64,
    words: Words,
}

/// Not addresses of words.
const FROM_START: u64 = 1;
const NOTED: u64 = 2;

impl Trail {
    /// As a number of words: the walk cannot be repeated from them.
    const LOST: u64 = 1 << 32;

    #[inline(always)]
    pub(super) fn clear(&mut self) {
        self.count = 0;
        self.frame_place = FROM_START;
        self.uses_start = 0;
    }

    /// Takes note of where a frame pointer was saved. Most are never used, but data in a register that
    /// happens to be the same one.
    #[inline(always)]
    pub(super) fn frame_saved(&mut self, address: u64, word: Word) {
        if CACHE_WALKS.load() == 0 {
            return;
        }
        self.frame = word.value;
        self.frame_place = address;
        if !word.is_read {
            self.lose();
        }
    }

    /// The frame pointer matters.
    #[inline(always)]
    pub(super) fn frame_used(&mut self, bottom: u64) {
        match self.frame_place {
            _ if CACHE_WALKS.load() == 0 => {}
            FROM_START => self.uses_start = 1,
            NOTED => {}
            place => {
                self.note(bottom, place, Word { value: self.frame, is_read: true });
                self.frame_place = NOTED;
            }
        }
    }

    /// The walk depends on something else.
    #[inline(always)]
    pub(super) fn lose(&mut self) {
        self.count = Self::LOST;
    }

    /// Takes note of a word at `address` of a stack that begins at `bottom`.
    #[inline(always)]
    pub(super) fn note(&mut self, bottom: u64, address: u64, word: Word) {
        if CACHE_WALKS.load() == 0 {
            return;
        }
        let distance = address.wrapping_sub(bottom);
        let count = self.count;
        let is_near = distance & 7 == 0 && distance < FARTHEST;
        if !word.is_read || !is_near || count >= MAX_WALK_WORDS as u64 {
            self.lose();
            return;
        }
        let index = count as usize & WORD;
        self.words.values[index] = word.value;
        self.words.places[index] = (distance >> 3) as u16;
        self.count = count + 1;
    }
}

/// A walk that was made.
#[repr(C)]
#[derive(Clone, Copy)]
struct Known {
    /// Odd: being written.
    version: u64,
    /// What the walk began with.
    start: Registers,
    seed: u64,
    /// The process's tables at that time.
    generation: u64,
    /// What came of it.
    id: u64,
    walked: u64,
    count: u64,
    uses_frame: u64,
    words: Words,
}

/// Made walks, by a hash of what they began with.
#[map]
static WALKS: Array<Known> = Array::with_max_entries(MAX_CACHED_WALKS, 0);

#[inline(always)]
pub(super) fn index(start: Registers, seed: u64) -> u32 {
    let hash = mix(mix(seed, start.instruction), start.stack);
    (hash >> 32) as u32 & (MAX_CACHED_WALKS - 1)
}

/// Words that are compared by one call: the verifier follows each way through a loop, so the loop is
/// one of calls to a short one.
const AT_A_TIME: usize = 8;
const ROUNDS: u32 = (MAX_WALK_WORDS / AT_A_TIME) as u32;

/// 1 if a word of this round of the walk's entry is not as it was, else 0.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn has_changed(slot: u32, round: u32) -> u32 {
    let Some(buffer) = SCRATCH.get_ptr_mut(slot) else { return 1 };
    // SAFETY: the pointer came from the map, and the slot is the caller's.
    let buffer = unsafe { &mut *buffer };
    let walk = &mut buffer.walk;
    let Some(known) = WALKS.get_ptr(walk.index) else { return 1 };
    let bottom = walk.start.stack;
    for number in 0..AT_A_TIME {
        let number = (round as usize * AT_A_TIME + number) & WORD;
        // SAFETY: the pointer came from the map, and `number` is below the arrays' length. Others may
        // write meanwhile, which the caller finds out.
        let (count, place, value) = unsafe {
            (
                (&raw const (*known).count).read_volatile(),
                (&raw const (*known).words.places[number]).read_volatile(),
                (&raw const (*known).words.values[number]).read_volatile(),
            )
        };
        if number as u64 >= count {
            break;
        }
        let address = bottom.wrapping_add((place as u64) << 3);
        let word = buffer.window.word(&mut walk.window, near(bottom, address), address);
        if !word.is_read || word.value != value {
            return 1;
        }
    }
    0
}

/// What came of the walk that was begun in this buffer when it was made before, if all that it read is
/// as it was; 0 if not. The stack's id is left in the buffer.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn recall_walk(slot: u32) -> u64 {
    let Some(buffer) = SCRATCH.get_ptr_mut(slot) else { return 0 };
    // SAFETY: the pointer came from the map, and the slot is the caller's.
    let buffer = unsafe { &mut *buffer };
    let walk = &mut buffer.walk;
    let Some(known) = WALKS.get_ptr(walk.index) else { return 0 };
    // SAFETY: the pointer came from the map. Others may write meanwhile, so each field is read once,
    // and none is believed before the version is seen again.
    let (version, start, seed, generation, id, walked, count, uses_frame) = unsafe {
        (
            (&raw const (*known).version).read_volatile(),
            (&raw const (*known).start).read_volatile(),
            (&raw const (*known).seed).read_volatile(),
            (&raw const (*known).generation).read_volatile(),
            (&raw const (*known).id).read_volatile(),
            (&raw const (*known).walked).read_volatile(),
            (&raw const (*known).count).read_volatile(),
            (&raw const (*known).uses_frame).read_volatile(),
        )
    };
    if version & 1 != 0
        || start.instruction != walk.start.instruction
        || start.stack != walk.start.stack
        || uses_frame != 0 && start.frame != walk.start.frame
        || seed != walk.seed
        || generation != walk.generation()
        || count == 0
    {
        return 0;
    }
    for round in 0..ROUNDS {
        if round * AT_A_TIME as u32 >= count as u32 {
            break;
        }
        if has_changed(slot, round) != 0 {
            return 0;
        }
    }
    // SAFETY: as above.
    if unsafe { (&raw const (*known).version).read_volatile() } != version {
        return 0;
    }
    buffer.id = id;
    walked
}

/// Keeps the walk that was made in this buffer.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn keep_walk(slot: u32, walked: u64) -> u64 {
    let Some(buffer) = SCRATCH.get_ptr_mut(slot) else { return 0 };
    // SAFETY: the pointer came from the map, and the slot is the caller's.
    let buffer = unsafe { &mut *buffer };
    let count = buffer.trail.count;
    // What was a guess is not to be repeated.
    if count == 0 || count > MAX_WALK_WORDS as u64 || buffer.walk.untold != 0 {
        return 0;
    }
    let Some(known) = WALKS.get_ptr_mut(buffer.walk.index) else { return 0 };
    // SAFETY: the pointer came from the map; whoever made the version odd writes alone.
    unsafe {
        let version = atomic::swap(&raw mut (*known).version, 1);
        if version & 1 != 0 {
            return 0;
        }
        (&raw mut (*known).start).write_volatile(buffer.walk.start);
        (&raw mut (*known).seed).write_volatile(buffer.walk.seed);
        (&raw mut (*known).generation).write_volatile(buffer.walk.generation());
        (&raw mut (*known).id).write_volatile(buffer.id);
        (&raw mut (*known).walked).write_volatile(walked);
        (&raw mut (*known).count).write_volatile(count);
        (&raw mut (*known).uses_frame).write_volatile(buffer.trail.uses_start);
        copy_kernel(&raw mut (*known).words, &raw const buffer.trail.words);
        atomic::store(&raw mut (*known).version, version.wrapping_add(2));
    }
    1
}

/// Where a copy should begin that is to hold `address` and the next ones: a walk reads a frame's return
/// address first, and then what lies below it.
#[inline(always)]
const fn near(bottom: u64, address: u64) -> u64 {
    const BELOW: u64 = 128;
    if address.wrapping_sub(bottom) < BELOW { bottom } else { address.wrapping_sub(BELOW) }
}
