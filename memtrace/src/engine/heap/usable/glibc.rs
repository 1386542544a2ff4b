//! Chunks of the GNU C library (`malloc/malloc.c`), on machines with 8-byte words.
//!
//! `request2size`: a chunk has its size's 8 bytes before the block, and shares the 8 bytes behind it with the
//! next one; chunks are multiples of 16 bytes, and 32 at least. `sysmalloc_mmap`: a chunk of its own mapping
//! has 16 bytes before the block, and whole pages.
//!
//! This is what a block takes at least: a rest of less than 32 bytes is not split off. And which blocks get
//! mappings of their own is not known for certain: the threshold is 128 KiB to begin with, follows the largest
//! such block that was freed up to 32 MiB (`DEFAULT_MMAP_THRESHOLD_MAX`), and programs may set it. But such a
//! block lies 16 bytes behind the beginning of a page, where one in 256 of the others does. The worst error is
//! a page of a block of at least 32.
//!
//! Aligned blocks are cut from larger ones, of which the rest is given back if it has room for a chunk
//! (`_int_memalign`): they take the same, but for such rests, whatever the alignment. One with a mapping of its
//! own keeps what lies behind it, of which no more is known than that it is a page and the alignment at most.

use super::round_up;

const WORD: u64 = 8;
const ALIGNMENT: u64 = 16;
const LEAST_CHUNK: u64 = 32;
const PAGE: u64 = 4096;
/// `DEFAULT_MMAP_THRESHOLD_MIN`.
const LEAST_MAPPED: u64 = 128 << 10;

/// Bytes that the block at `address` takes at least.
pub(super) const fn usable(address: u64, size: u64) -> u64 {
    let padded = round_up(size.saturating_add(WORD), ALIGNMENT);
    let chunk = if padded < LEAST_CHUNK { LEAST_CHUNK } else { padded };
    if chunk >= LEAST_MAPPED && address % PAGE == 2 * WORD {
        return round_up(chunk + WORD, PAGE) - 2 * WORD;
    }
    chunk - WORD
}

#[cfg(test)]
mod tests {
    use super::usable;

    #[test]
    fn chunks_share_their_last_word_and_mappings_do_not() {
        assert_eq!([0, 24, 25, 40, 41].map(|size| usable(0x10, size)), [24, 24, 40, 40, 56]);
        assert_eq!(usable(0x7f00_0000_0010, 200_000), 49 * 4096 - 16);
        assert_eq!(usable(0x7f00_0000_0020, 200_000), 200_008);
        assert_eq!(usable(0x7f00_0000_0010, 100_000), 100_008);
    }
}
