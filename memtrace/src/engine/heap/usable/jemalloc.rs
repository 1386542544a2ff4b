//! jemalloc's size classes (`include/jemalloc/internal/sc.h`; jemalloc(3), table 1): 8 bytes, multiples of the
//! quantum up to 8 of them, then four to a doubling, for large blocks too.
//!
//! The quantum is 16 bytes unless it is built otherwise (`--with-lg-quantum`), and so are Debian's package and
//! Rust's crate. redis builds its own with one of 8. Each size has one class, and a reallocation in place changes class where the size does.

use super::round_up;

/// `PAGE`, the kernel's on this machine unless it is built otherwise.
const PAGE: u64 = 4096;
/// The smallest size of large blocks (`SC_LARGE_MINCLASS`), which have pages of their own.
const LEAST_LARGE: u64 = 4 * PAGE;
/// The largest of the others (`SC_SMALL_MAXCLASS`).
const MOST_SMALL: u64 = 14 << 10;

const TINY: u64 = 8;
/// Up to so many quanta classes are multiples of it.
const MOST_QUANTA: u64 = 8;
/// Classes to a doubling, as a power of two.
const LOG_GROUP: u32 = 2;

/// Bytes that a block takes that is to be aligned to at least 2 bytes (`sz_sa2u` in `sz.h`). Small blocks lie at
/// multiples of the largest power of two in their size, large ones at pages; an empty one counts as of one byte
/// (`bump_empty_aligned_alloc`).
pub(super) const fn aligned(size: u64, alignment: u64, quantum: u64) -> u64 {
    let size = if size == 0 { 1 } else { size };
    if size <= MOST_SMALL && alignment <= PAGE {
        let takes = usable(round_up(size, alignment), quantum);
        if takes < LEAST_LARGE {
            return takes;
        }
    }
    if size <= LEAST_LARGE { LEAST_LARGE } else { usable(size, quantum) }
}

/// Bytes that a block takes, given the quantum, a power of two.
pub(super) const fn usable(size: u64, quantum: u64) -> u64 {
    if size <= TINY {
        return TINY;
    }
    if size <= MOST_QUANTA * quantum {
        return round_up(size, quantum);
    }
    // Of sizes above 2ⁿ, up to 2ⁿ⁺¹, classes are 2ⁿ⁻² apart.
    round_up(size, 1 << ((size - 1).ilog2() - LOG_GROUP))
}

#[cfg(test)]
mod tests {
    use super::{aligned, usable};

    /// jemalloc(3), table 1.
    #[test]
    fn classes_are_those_of_the_manual() {
        let manual = [
            8, 16, 32, 48, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 640, 768,
            896, 1024, 1280, 1536, 1792, 2048, 2560, 3072, 3584, 4096, 5120, 6144, 7168, 8192,
        ];
        let mut before = 0;
        for class in manual {
            assert_eq!((usable(before + 1, 16), usable(class, 16)), (class, class));
            before = class;
        }
        assert_eq!([0, 1 << 20, (1 << 20) + 1].map(|it| usable(it, 16)), [8, 1 << 20, 5 << 18]);
    }

    #[test]
    fn aligned_blocks_have_classes_that_are_multiples() {
        for power in 1..=12 {
            let alignment = 1 << power;
            for size in (0..14_000).step_by(13) {
                let takes = aligned(size, alignment, 16);
                let lies_at = if takes < 16 << 10 { takes } else { 4096 };
                assert_eq!(lies_at % alignment, 0, "{size} at {alignment}");
                assert!(takes >= usable(size, 16), "{size} at {alignment}");
            }
        }
        assert_eq!([0, 9, 65, 4097].map(|size| aligned(size, 64, 16)), [64, 64, 128, 5120]);
        assert_eq!([1, 8192, 14_337].map(|size| aligned(size, 8192, 16)), [16_384; 3]);
        assert_eq!((aligned(100, 16, 16), aligned(20_000, 64, 16)), (112, 20_480));
    }

    /// As `size_classes` in `src/sc.c` makes them where there are no tiny ones.
    #[test]
    fn a_smaller_quantum_has_more_small_classes() {
        let classes = [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160];
        let mut before = 0;
        for class in classes {
            assert_eq!((usable(before + 1, 8), usable(class, 8)), (class, class));
            before = class;
        }
        for size in 129..20_000 {
            assert_eq!(usable(size, 8), usable(size, 16));
        }
    }
}
