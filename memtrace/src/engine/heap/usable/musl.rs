//! musl's two allocators.
//!
//! **mallocng** (`src/malloc/mallocng`, since 1.2.1). Blocks lie in slots of 48 classes, of which each is a multiple
//! of 16 bytes; the last 4 bytes of a slot are its own. Large ones have mappings, with 16 bytes before them. What
//! `malloc_usable_size` says there is what was asked for, whatever the slot: this is the slot.
//!
//! Which slot it is depends on what the process did before: as long as there are few blocks of some classes they
//! have the next larger one (`malloc`), which is up to a quarter more; a group of one slot has whole pages in
//! place of its class, more or less (`alloc_group`); and a block that is made smaller by one class stays
//! (`realloc`). What is given here is the slot of the class.
//!
//! **oldmalloc** (`src/malloc/oldmalloc`). Chunks are multiples of 32 bytes, 16 of which are its own. Large ones have
//! mappings, with 32 bytes before the block. Where a block is to be aligned to more than 32 bytes this is the
//! least: what lies before it is given back, what lies behind it is not (`__memalign`), which is less than the
//! alignment.

use super::round_up;

/// `UNIT` and `IB` of mallocng.
const UNIT: u64 = 16;
const OWN: u64 = 4;
/// `MMAP_THRESHOLD`.
const LEAST_MAPPED: u64 = 131_052;
/// `size_classes`, in units.
const CLASSES: [u64; 48] = [
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 18, 20, 25, 31, 36, 42, 50, 63, 72, 84, 102, 127, 146,
    170, 204, 255, 292, 340, 409, 511, 584, 682, 818, 1023, 1169, 1364, 1637, 2047, 2340, 2730,
    3276, 4095, 4680, 5460, 6552, 8191,
];
const PAGE: u64 = 4096;

/// `OVERHEAD`, `SIZE_ALIGN` and `MMAP_THRESHOLD` of oldmalloc.
const HEAD: u64 = 16;
const STEP: u64 = 32;
const OLD_LEAST_MAPPED: u64 = 0x1c00 * STEP;

/// Bytes that a block of mallocng takes, about.
pub(super) fn mallocng(size: u64) -> u64 {
    if size >= LEAST_MAPPED {
        return round_up(size + OWN + UNIT, PAGE) - OWN - UNIT;
    }
    let units = (size + OWN).div_ceil(UNIT);
    let class = CLASSES.partition_point(|&class| class < units);
    CLASSES.get(class).map_or(size, |class| class * UNIT - OWN)
}

/// As [`mallocng`], of a block that is to be aligned to so many bytes: one that has room for it wherever it lies
/// (`aligned_alloc`), and keeps what lies before.
pub(super) fn mallocng_aligned(size: u64, alignment: u64) -> u64 {
    mallocng(size.saturating_add(alignment.max(UNIT) - UNIT))
}

/// Bytes that a block of oldmalloc takes at least.
pub(super) const fn oldmalloc(size: u64) -> u64 {
    let chunk = round_up(size.saturating_add(HEAD), STEP);
    if chunk > OLD_LEAST_MAPPED {
        return round_up(chunk + HEAD, PAGE) - 2 * HEAD;
    }
    chunk - HEAD
}

#[cfg(test)]
mod tests {
    use super::{mallocng, mallocng_aligned, oldmalloc};

    #[test]
    fn slots_keep_four_bytes() {
        assert_eq!([0, 12, 13, 28, 29].map(mallocng), [12, 12, 28, 28, 44]);
        assert_eq!([156, 157, 188, 189].map(mallocng), [156, 188, 188, 236]);
        assert_eq!([131_051, 131_052, 131_073].map(mallocng), [131_052, 131_052, 135_148]);
    }

    #[test]
    fn aligned_ones_have_room_wherever_they_lie() {
        assert_eq!((mallocng_aligned(100, 1), mallocng_aligned(100, 16)), (108, 108));
        assert_eq!(mallocng_aligned(100, 64), mallocng(148));
    }

    #[test]
    fn chunks_are_multiples_of_four_words() {
        assert_eq!([0, 1, 16, 17, 48, 49].map(oldmalloc), [16, 16, 16, 48, 48, 80]);
        assert_eq!(oldmalloc(300_000), 74 * 4096 - 32);
    }
}
