//! Walking by tables: from each frame to its caller by the rule for the code it is in.
//!
//! Each step is a function that the verifier checks by itself, once. A loop over calls of it costs the
//! verifier a few instructions per round, on every kernel since 5.6; `bpf_loop` (5.17) and tail calls,
//! the usual ways to long walks, are not needed.

use super::cache::{CHECKED_ONE_IN, Trail, index, keep_walk, recall_walk};
use super::native::follow_pointers;
use super::returns::replaced_return;
use super::tables::{range, rule, space};
use super::window::{Memory, NO_WINDOW, Window};
use crate::emit::Task;
use crate::knobs::{CACHE_WALKS, UNWIND_STRICTLY};
use crate::maps::{SCRATCH, count};
use crate::stack::{Walked, id_in};
use aya_ebpf::helpers::generated::bpf_get_prandom_u32;
use memtrace_common::limits::MAX_FRAMES;
use memtrace_common::stack_id::mix;
use memtrace_common::unwind::{CodeRange, Registers, Space, Step, step, step_frame_pointer};
use memtrace_common::wire::{Counter, StackEnd, WireFrame};

/// A walk on its way.
#[repr(C)]
pub(crate) struct Walk {
    /// What it began with.
    pub(crate) start: Registers,
    pub(super) seed: u64,
    /// Its place among the walks that were made before.
    pub(super) index: u32,
    pub(super) registers: Registers,
    /// 1: the instruction is a return address, and the call before it is what counts; 0: it was
    /// interrupted there.
    returned: u64,
    /// Where the latest frame's code is mapped.
    range: CodeRange,
    space: Space,
    /// 1: user space has not told of all code yet that the process has.
    is_behind: u64,
    /// 1: the walk met code of which it has not told; what came after is a guess.
    pub(crate) untold: u64,
    pub(super) depth: u64,
    pub(super) hash: u64,
    /// Where the copy of the stack begins.
    pub(super) window: u64,
}

impl Walk {
    /// Which mappings and tables of the process it follows: changes with them.
    #[inline(always)]
    pub(super) const fn generation(&self) -> u64 {
        self.space.generation
    }

    /// The address that says which code the latest frame is in.
    #[inline(always)]
    const fn place(&self) -> u64 {
        self.registers.instruction.wrapping_sub(self.returned)
    }

    /// Makes `range` the mapping of the latest frame's code; `false` if it is in none that is known.
    #[inline(always)]
    fn finds_code(&mut self) -> bool {
        let place = self.place();
        if place >= self.range.start && place < self.range.end {
            return true;
        }
        let Some(found) = range(self.space, place) else { return false };
        self.range = found;
        true
    }

    /// The process's memory for the next step.
    #[inline(always)]
    const fn memory<'a>(&'a mut self, window: &'a mut Window, trail: &'a mut Trail) -> Memory<'a> {
        let (stack, bottom) = (self.registers.stack, self.start.stack);
        Memory { window, base: &mut self.window, stack, trail, bottom }
    }

    /// Puts the true return address in the place of a trampoline's; `false` if it is none.
    #[inline(always)]
    fn restores_return(&mut self, trail: &mut Trail) -> bool {
        // The return address lay below where the caller's stack begins. (The latest frame's caller is
        // not known yet, so this is about how the frame itself was reached.)
        let original = replaced_return(self.registers.stack.wrapping_sub(8));
        if self.returned == 0 || original == 0 {
            return false;
        }
        self.registers.instruction = original;
        // The word that says so is the kernel's.
        trail.lose();
        true
    }
}

/// A step's result that lets the walk go on; the others are a [`StackEnd`]'s number plus one.
pub(super) const GO_ON: u32 = 0;

#[inline(always)]
pub(super) const fn ended(end: StackEnd) -> u32 {
    end as u32 + 1
}

/// Whether the tables know the process; if so, prepares to walk its stack.
#[inline(always)]
pub(crate) fn begin(
    walk: &mut Walk,
    trail: &mut Trail,
    start: Registers,
    epoch: u64,
    seed: u64,
) -> bool {
    walk.start = start;
    walk.untold = 1;
    let Some(space) = space(Task::current().process) else { return false };
    // What was told of the program before may have come late.
    if !Space::is_same_program(space.epoch, epoch) {
        return false;
    }
    walk.untold = 0;
    walk.is_behind = (space.epoch != epoch) as u64;
    walk.registers = start;
    walk.returned = 1;
    walk.range =
        CodeRange { start: 1, end: 0, to_offset: 0, file: 0, first_page: 0, low_page: 0, pages: 0 };
    walk.space = space;
    walk.depth = 0;
    walk.hash = seed;
    walk.seed = seed;
    walk.index = index(start, seed);
    walk.window = NO_WINDOW;
    trail.clear();
    true
}

/// Goes from the latest frame in a taken buffer to its caller.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn unwind_step(slot: u32) -> u32 {
    let Some(buffer) = SCRATCH.get_ptr_mut(slot) else { return ended(StackEnd::Unknown) };
    // SAFETY: the pointer came from the map, and the slot is the caller's.
    let buffer = unsafe { &mut *buffer };
    let walk = &mut buffer.walk;
    let depth = walk.depth as usize;
    if depth >= MAX_FRAMES {
        return ended(StackEnd::Depth);
    }
    let is_known =
        walk.finds_code() || walk.restores_return(&mut buffer.trail) && walk.finds_code();
    if !is_known {
        let instruction = walk.registers.instruction;
        buffer.frames[depth] = instruction;
        walk.depth += 1;
        walk.hash = mix(walk.hash, instruction);
        walk.untold |= walk.is_behind;
        return by_frame_pointer(walk, &mut buffer.window, &mut buffer.trail, StackEnd::NoMapping);
    }
    let place = walk.place();
    let offset = place.wrapping_add(walk.range.to_offset);
    // Frames mean the byte after the call, also where there was none.
    let frame = WireFrame::in_file(walk.range.file.wrapping_sub(1), offset.wrapping_add(1)).0;
    buffer.frames[depth] = frame;
    walk.depth += 1;
    walk.hash = mix(walk.hash, frame);
    match rule(&walk.range, offset) {
        Some(rule) => {
            let registers = walk.registers;
            let step = step(rule, registers, walk.memory(&mut buffer.window, &mut buffer.trail));
            take(walk, &mut buffer.window, &mut buffer.trail, step)
        }
        None => {
            walk.untold |= (walk.range.first_page == CodeRange::AWAITED) as u64;
            by_frame_pointer(walk, &mut buffer.window, &mut buffer.trail, StackEnd::NoTable)
        }
    }
}

/// Takes a step's result.
#[inline(always)]
fn take(walk: &mut Walk, window: &mut Window, trail: &mut Trail, step: Step) -> u32 {
    match step {
        Step::Caller(caller) => {
            // A stack grows down: what does not lead up goes in circles.
            if caller.stack <= walk.registers.stack {
                return ended(StackEnd::Unreadable);
            }
            walk.registers = caller;
            walk.returned = 1;
            GO_ON
        }
        Step::Interrupted(registers) => {
            walk.registers = registers;
            walk.returned = 0;
            GO_ON
        }
        Step::End => ended(StackEnd::Complete),
        Step::Unreadable => ended(StackEnd::Unreadable),
        Step::Unsupported | Step::Gap => by_frame_pointer(walk, window, trail, StackEnd::NoTable),
        Step::NoFramePointer => ended(StackEnd::NoFramePointer),
    }
}

/// Where no table leads on, the frame pointer may, if it looks like one.
#[inline(always)]
fn by_frame_pointer(
    walk: &mut Walk,
    window: &mut Window,
    trail: &mut Trail,
    otherwise: StackEnd,
) -> u32 {
    if UNWIND_STRICTLY.load() != 0 {
        return ended(otherwise);
    }
    match step_frame_pointer(walk.registers, false, walk.memory(window, trail)) {
        Step::Caller(caller) if caller.stack > walk.registers.stack => {
            walk.registers = caller;
            walk.returned = 1;
            GO_ON
        }
        _ => ended(otherwise),
    }
}

/// Walks the stack whose walk was begun in a taken buffer. Gives what was found, as a word.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn walk_by_tables(slot: u32) -> u64 {
    for _ in 0..MAX_FRAMES {
        let result = unwind_step(slot);
        if result != GO_ON {
            return conclude(slot, result);
        }
    }
    conclude(slot, ended(StackEnd::Depth))
}

/// The same by frame pointers alone, after [`super::native::begin`].
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn walk_by_pointers(slot: u32) -> u64 {
    for _ in 0..MAX_FRAMES {
        let result = follow_pointers(slot);
        if result != GO_ON {
            return conclude(slot, result);
        }
    }
    conclude(slot, ended(StackEnd::Depth))
}

/// Leaves the stack's id in the buffer, which is never 0, and gives what was found, as a word.
#[inline(always)]
fn conclude(slot: u32, result: u32) -> u64 {
    let end = StackEnd::from_number((result - 1) as u8);
    let Some(buffer) = SCRATCH.get_ptr_mut(slot) else { return 0 };
    // SAFETY: as in `unwind_step`.
    let buffer = unsafe { &mut *buffer };
    buffer.id = mix(buffer.walk.hash, end as u64) | 1;
    Walked::new(buffer.walk.depth as usize, end).0
}

/// Walks by tables, after [`begin`], unless the same walk was made before and its stack is `sent`.
#[inline(always)]
pub(crate) fn walk(slot: u32, sent: impl FnOnce() -> bool) -> u64 {
    if CACHE_WALKS.load() == 0 {
        return walk_by_tables(slot);
    }
    // Two places, for callers that take turns: one of them would drive out the other each time.
    let mut recalled = recall_walk(slot);
    if recalled == 0 {
        other_place(slot);
        recalled = recall_walk(slot);
    }
    // What is not sent needs frames, and those come of walks only.
    if recalled != 0 && sent() {
        // SAFETY: no preconditions.
        if unsafe { bpf_get_prandom_u32() } % CHECKED_ONE_IN != 0 {
            return recalled;
        }
        return check(slot, recalled);
    }
    let walked = walk_by_tables(slot);
    count(Counter::WalksMade, 1);
    // SAFETY: no preconditions.
    if unsafe { bpf_get_prandom_u32() } & 1 != 0 {
        other_place(slot);
    }
    keep_walk(slot, walked);
    walked
}

/// Turns to the other one of a walk's places among those that were made before.
#[inline(always)]
fn other_place(slot: u32) {
    if let Some(buffer) = SCRATCH.get_ptr_mut(slot) {
        // SAFETY: the pointer came from the map, and the slot is the caller's.
        unsafe { (*buffer).walk.index ^= 1 };
    }
}

/// Makes a walk that was recalled, and compares.
#[inline(always)]
fn check(slot: u32, recalled: u64) -> u64 {
    let before = id_in(slot);
    let walked = walk_by_tables(slot);
    count(Counter::WalksChecked, 1);
    if walked != recalled || id_in(slot) != before {
        count(Counter::WalksDiffered, 1);
    }
    walked
}
