//! The stack as walks read it: in copies of a part at a time.

use super::cache::Trail;
use crate::memory::{opaque, read_user, read_user_into};
use memtrace_common::unwind::ReadWords;

/// The first page is never mapped for code, nor for a stack.
pub(super) const USER_BEGIN: u64 = 4096;

/// Words of the stack that are copied at a time. Most frames are small: following them in copies of a
/// kibibyte costs less than a read for each frame. (Measured on Linux 6.18 with frames of 80 bytes: 31
/// of them by tables took 1,990 ns in copies of a quarter of a kibibyte, 1,620 of a half, 1,420 of one,
/// and 1,350 of two, of which a short stack has no use.)
const WINDOW_WORDS: u64 = 128;

/// Two frames of this size do not fit into a copy.
const LARGE_FRAME_BYTES: u64 = WINDOW_WORDS * 8 / 2;

/// Where a copy begins that does not exist. Addresses near to it, counted round the end of the
/// address space, are those of the first page.
pub(super) const NO_WINDOW: u64 = u64::MAX;

/// A copy of part of the stack.
#[repr(C)]
pub(crate) struct Window {
    /// One word more than is copied, so that a masked index and its successor are both in range.
    words: [u64; WINDOW_WORDS as usize + 1],
}

impl Window {
    /// The two words at `frame`, which is a multiple of 8: from the copy that begins at `base` if
    /// they are in it, else from a new one. `below` is the size of the frame below: where that is
    /// large, a copy is not likely to hold the next frame, too, and two words are read.
    #[inline(always)]
    pub(super) fn pair(&mut self, base: &mut u64, frame: u64, below: u64) -> Option<[u64; 2]> {
        if frame.wrapping_sub(*base) > (WINDOW_WORDS - 2) * 8 {
            if below > LARGE_FRAME_BYTES {
                return read_user(frame);
            }
            if !read_user_into(&mut self.words, WINDOW_WORDS as u32 * 8, frame) {
                // So near to the stack's top that a whole copy does not fit. What was there is gone.
                *base = NO_WINDOW;
                return read_user(frame);
            }
            *base = frame;
        }
        let index = ((frame.wrapping_sub(*base) / 8) & (WINDOW_WORDS - 1)) as usize;
        Some([self.words[index], self.words[index + 1]])
    }

    /// The word at `address`: from the copy that begins at `base` if it is in it, else from a new one
    /// of what is at `near`, if it would be in that.
    #[inline(always)]
    pub(super) fn word(&mut self, base: &mut u64, near: u64, address: u64) -> Word {
        const BYTES: u64 = WINDOW_WORDS * 8;
        if address < USER_BEGIN {
            return Word::NONE;
        }
        if address.wrapping_sub(*base) >= BYTES {
            if address.wrapping_sub(near) >= BYTES {
                return Word::read(address);
            }
            if !read_user_into(&mut self.words, BYTES as u32, near) {
                *base = NO_WINDOW;
                return Word::read(address);
            }
            *base = near;
        }
        let offset = address.wrapping_sub(*base);
        if offset & 7 != 0 {
            return Word::read(address);
        }
        let value = self.words[(opaque(offset / 8) & (WINDOW_WORDS - 1)) as usize];
        Word { value, is_read: true }
    }
}

/// A word that was read, or not. With a value in both cases: of an `Option` the compiler copies what was
/// never written, too, which the verifier refuses.
#[derive(Clone, Copy)]
pub(super) struct Word {
    /// 0 if it was not read.
    pub(super) value: u64,
    pub(super) is_read: bool,
}

impl Word {
    const NONE: Self = Self { value: 0, is_read: false };

    #[inline(always)]
    fn read(address: u64) -> Self {
        let value = read_user::<u64>(address);
        Self { value: value.unwrap_or(0), is_read: value.is_some() }
    }

    #[inline(always)]
    fn into_option(self) -> Option<u64> {
        if self.is_read { Some(self.value) } else { None }
    }
}

/// A process's memory as a walk sees it, which takes note of what it read.
pub(super) struct Memory<'a> {
    pub(super) window: &'a mut Window,
    /// Where the copy in the window begins.
    pub(super) base: &'a mut u64,
    /// Where the latest frame's stack begins.
    pub(super) stack: u64,
    pub(super) trail: &'a mut Trail,
    /// Where the stack begins.
    pub(super) bottom: u64,
}

impl Memory<'_> {
    #[inline(always)]
    fn copied(&mut self, address: u64) -> Word {
        self.window.word(self.base, self.stack, address)
    }

    #[inline(always)]
    fn noted(&mut self, address: u64, word: Word) -> Option<u64> {
        self.trail.note(self.bottom, address, word);
        word.into_option()
    }
}

impl ReadWords for Memory<'_> {
    #[inline(always)]
    fn word(&mut self, address: u64) -> Option<u64> {
        self.noted(address, Word::read(address))
    }

    #[inline(always)]
    fn near_word(&mut self, address: u64) -> Option<u64> {
        let word = self.copied(address);
        self.noted(address, word)
    }

    #[inline(always)]
    fn saved_frame(&mut self, address: u64) -> Option<u64> {
        let word = self.copied(address);
        self.trail.frame_saved(address, word);
        word.into_option()
    }

    #[inline(always)]
    fn uses_frame(&mut self) {
        self.trail.frame_used(self.bottom);
    }
}
