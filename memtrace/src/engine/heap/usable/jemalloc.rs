//! jemalloc's size classes (`include/jemalloc/internal/sc.h`; jemalloc(3), table 1): 8 bytes, multiples of the
//! quantum up to 8 of them, then four to a doubling, for large blocks too.
//!
//! The quantum is 16 bytes unless it is built otherwise (`--with-lg-quantum`), and so are Debian's package and
//! Rust's crate. redis builds its own with one of 8. Each size has one class, and a reallocation in place changes class where the size does.

use super::round_up;

const TINY: u64 = 8;
/// Up to so many quanta classes are multiples of it.
const MOST_QUANTA: u64 = 8;
/// Classes to a doubling, as a power of two.
const LOG_GROUP: u32 = 2;

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
    use super::usable;

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
