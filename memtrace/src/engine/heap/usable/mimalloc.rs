//! mimalloc's bins (`mi_bin` in `src/page-queue.c`): two words at least beyond the first, even numbers of words
//! up to eight, then four to a doubling.
//!
//! Its debug and secure builds keep a canary behind each block and say of it what was asked for; a file does
//! not tell how it was built. Larger blocks differ between versions, and are not known.

use super::round_up;

const WORD: u64 = 8;
/// Up to here bins are multiples of two words.
const MOST_PAIRS: u64 = 64;
/// `MI_MEDIUM_OBJ_SIZE_MAX` of version 2, a quarter of a page of 512 KiB.
const MOST: u64 = 128 << 10;

/// `MI_SMALL_SIZE_MAX`: up to here the next free block is taken if it is aligned as it is.
const MOST_SMALL: u64 = 1024;

/// Bytes that a block takes, about, that is to be aligned to so many (`src/alloc-aligned.c`).
///
/// A block of the size alone has to do if it is small and lies aligned where all of its size do; that is when its
/// size is a multiple, as pages begin at one. Any other is taken so large that there is a place in it that is
/// aligned. This is all of it: `mi_usable_size` leaves out what lies before that place, which is less than the
/// alignment. And where chance has it that the next free block lies aligned the smaller one is taken, or the
/// larger one where none is free: the truth is between the two.
pub(super) const fn aligned(size: u64, alignment: u64) -> Option<u64> {
    let alone = usable(size);
    match alone {
        Some(takes) if size <= MOST_SMALL && alignment <= size && takes % alignment == 0 => alone,
        _ => usable(size.saturating_add(alignment - 1)),
    }
}

/// Bytes that a block takes, about.
pub(super) const fn usable(size: u64) -> Option<u64> {
    if size <= WORD {
        return Some(WORD);
    }
    if size <= MOST_PAIRS {
        return Some(round_up(size, 2 * WORD));
    }
    if size > MOST {
        return None;
    }
    Some(round_up(size, 1 << ((size - 1).ilog2() - 2)))
}

#[cfg(test)]
mod tests {
    use super::{aligned, usable};

    #[test]
    fn aligned_blocks_have_room_for_a_place_that_is() {
        assert_eq!((aligned(64, 64), aligned(65, 64)), (Some(64), Some(128)));
        assert_eq!((aligned(33, 64), aligned(250, 64)), (Some(96), Some(256)));
        assert_eq!((aligned(2048, 2048), aligned(100, 1)), (Some(4096), usable(100)));
        assert_eq!((aligned(100, 1 << 40), aligned(u64::MAX, 64)), (None, None));
    }

    #[test]
    fn bins_are_four_to_a_doubling() {
        let bins = [8, 16, 32, 48, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
        let mut before = 0;
        for bin in bins {
            assert_eq!((usable(before + 1), usable(bin)), (Some(bin), Some(bin)));
            before = bin;
        }
        assert_eq!(
            (usable(0), usable(128 << 10), usable((128 << 10) + 1)),
            (Some(8), Some(128 << 10), None)
        );
    }
}
