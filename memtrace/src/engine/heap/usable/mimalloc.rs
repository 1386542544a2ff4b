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
    use super::usable;

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
