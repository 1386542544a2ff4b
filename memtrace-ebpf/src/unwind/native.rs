//! Frame pointers: the chain that `rbp` begins.
//!
//! The kernel's own stack helpers lose the direct caller when they run at a function's entry, so
//! the first frame is given by the caller here (it is the return address), and only then the chain
//! is followed.

use super::window::{NO_WINDOW, USER_BEGIN, Window};
use crate::stack::Walked;
use memtrace_common::limits::MAX_FRAMES;
use memtrace_common::unwind::Registers;
use memtrace_common::wire::StackEnd;

/// A frame further up than this from the one below cannot be right (deepest plausible frame).
const MAX_FRAME_BYTES: u64 = 1 << 20;
/// User addresses end here with four-level page tables; five-level ones are only given to programs
/// that ask for them, and not for code.
const USER_END: u64 = 1 << 47;
/// An odd constant with well-spread bits (the golden ratio times 2⁶⁴), as in Fibonacci hashing.
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

#[inline(always)]
pub(super) fn mix(hash: u64, word: u64) -> u64 {
    let mixed = (hash ^ word).wrapping_mul(MIX);
    mixed ^ (mixed >> 29)
}

/// Walks from the state right after the return from the allocator function into `frames`, hashing on the way. Gives the hash, which is never 0, and what was found.
#[inline(always)]
pub(crate) fn walk(
    frames: &mut [u64; MAX_FRAMES],
    window: &mut Window,
    start: Registers,
    seed: u64,
) -> (u64, Walked) {
    let mut base = NO_WINDOW;
    frames[0] = start.instruction;
    let mut hash = mix(seed, start.instruction);
    // Where the first page is taken for no stack, no frame is near to NO_WINDOW.
    let mut lowest = if start.stack < USER_BEGIN { USER_BEGIN } else { start.stack };
    let mut frame = start.frame;
    let mut end = StackEnd::Depth;
    let mut depth = 1;
    while depth < MAX_FRAMES {
        if frame == 0 {
            // The outermost frame's mark, if a chain led to it. In a caller without frame pointers
            // the register may hold a 0 of its own.
            end = if depth > 1 { StackEnd::Complete } else { StackEnd::NoFramePointer };
            break;
        }
        if frame & 7 != 0 || frame.wrapping_sub(lowest) > MAX_FRAME_BYTES {
            end = StackEnd::NoFramePointer;
            break;
        }
        let Some([next, instruction]) = window.pair(&mut base, frame, frame.wrapping_sub(lowest))
        else {
            end = StackEnd::Unreadable;
            break;
        };
        if instruction == 0 {
            end = StackEnd::Complete;
            break;
        }
        if !(USER_BEGIN..USER_END).contains(&instruction) {
            end = StackEnd::NoFramePointer;
            break;
        }
        frames[depth] = instruction;
        hash = mix(hash, instruction);
        lowest = frame + 16;
        frame = next;
        depth += 1;
    }
    (mix(hash, end as u64) | 1, Walked::new(depth, end))
}
