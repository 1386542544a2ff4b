//! Frame pointers: the chain that `rbp` begins.
//!
//! The kernel's own stack helpers lose the direct caller when they run at a function's entry, so
//! the first frame is given by the caller here (it is the return address), and only then the chain
//! is followed.

use super::walk::{GO_ON, Walk, ended};
use super::window::{NO_WINDOW, USER_BEGIN, Window};
use crate::maps::SCRATCH;
use crate::memory::opaque;
use crate::stack::Scratch;
use memtrace_common::limits::MAX_FRAMES;
use memtrace_common::stack_id::mix;
use memtrace_common::unwind::Registers;
use memtrace_common::wire::StackEnd;

/// A frame further up than this from the one below cannot be right (deepest plausible frame).
const MAX_FRAME_BYTES: u64 = 1 << 20;
/// User addresses end here with four-level page tables; five-level ones are only given to programs
/// that ask for them, and not for code.
const USER_END: u64 = 1 << 47;

/// Frames that one call follows. The verifier looks at a loop round by round, and knows the function
/// from then on: in one loop of 128 frames it had ten times as much to look at.
const AT_A_TIME: usize = 8;

/// Where the chain is.
#[derive(Clone, Copy)]
struct Chain {
    /// The next frame pointer.
    frame: u64,
    /// No frame is below this.
    lowest: u64,
    depth: usize,
    hash: u64,
}

/// Prepares to walk from the state right after the return from the allocator function, whose return
/// address is the first frame.
#[inline(always)]
pub(crate) fn begin(buffer: &mut Scratch, start: Registers, seed: u64) {
    buffer.frames[0] = start.instruction;
    // Where the first page is taken for no stack, no frame is near to NO_WINDOW.
    let lowest = if start.stack < USER_BEGIN { USER_BEGIN } else { start.stack };
    buffer.walk.window = NO_WINDOW;
    let hash = mix(seed, start.instruction);
    buffer.walk.set_chain(Chain { frame: start.frame, lowest, depth: 1, hash });
}

impl Walk {
    #[inline(always)]
    const fn chain(&self) -> Chain {
        let Registers { frame, stack, .. } = self.registers;
        Chain { frame, lowest: stack, depth: self.depth as usize, hash: self.hash }
    }

    #[inline(always)]
    fn set_chain(&mut self, chain: Chain) {
        self.registers.frame = chain.frame;
        self.registers.stack = chain.lowest;
        self.depth = chain.depth as u64;
        self.hash = chain.hash;
    }
}

/// Follows the chain for some frames. Gives [`GO_ON`], or how it ended.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn follow_pointers(slot: u32) -> u32 {
    let Some(buffer) = SCRATCH.get_ptr_mut(slot) else { return ended(StackEnd::Unknown) };
    // SAFETY: the pointer came from the map, and the slot is the caller's.
    let buffer = unsafe { &mut *buffer };
    let mut chain = buffer.walk.chain();
    let mut base = buffer.walk.window;
    let mut result = GO_ON;
    for _ in 0..AT_A_TIME {
        if chain.depth >= MAX_FRAMES {
            result = ended(StackEnd::Depth);
            break;
        }
        match next(&mut buffer.window, &mut base, chain) {
            Ok((frame, instruction)) => {
                // For the verifier, which loses sight of the check above.
                buffer.frames[opaque(chain.depth as u64) as usize & (MAX_FRAMES - 1)] = instruction;
                chain.hash = mix(chain.hash, instruction);
                chain.lowest = chain.frame + 16;
                chain.frame = frame;
                chain.depth += 1;
            }
            Err(end) => {
                result = ended(end);
                break;
            }
        }
    }
    buffer.walk.window = base;
    buffer.walk.set_chain(chain);
    result
}

/// The next frame pointer and return address.
#[inline(always)]
fn next(window: &mut Window, base: &mut u64, chain: Chain) -> Result<(u64, u64), StackEnd> {
    let Chain { frame, lowest, depth, .. } = chain;
    if frame == 0 {
        // The outermost frame's mark, if a chain led to it. In a caller without frame pointers the
        // register may hold a 0 of its own.
        return Err(if depth > 1 { StackEnd::Complete } else { StackEnd::NoFramePointer });
    }
    if frame & 7 != 0 || frame.wrapping_sub(lowest) > MAX_FRAME_BYTES {
        return Err(StackEnd::NoFramePointer);
    }
    let Some([next, instruction]) = window.pair(base, frame, frame.wrapping_sub(lowest)) else {
        return Err(StackEnd::Unreadable);
    };
    if instruction == 0 {
        return Err(StackEnd::Complete);
    }
    if !(USER_BEGIN..USER_END).contains(&instruction) {
        return Err(StackEnd::NoFramePointer);
    }
    Ok((next, instruction))
}
