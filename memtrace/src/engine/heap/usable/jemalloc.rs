//! jemalloc's size classes (`include/jemalloc/internal/sc.h`; jemalloc(3), table 1): 8 bytes, multiples of 16
//! up to 128, then four to a doubling, for large blocks too.
//!
//! This is how it is built unless told otherwise (`--with-lg-quantum`), and so are Debian's package and Rust's
//! crate. Each size has one class, and a reallocation in place changes class where the size does.

use super::round_up;

const TINY: u64 = 8;
const QUANTUM: u64 = 16;
/// Up to here classes are multiples of the quantum.
const MOST_QUANTA: u64 = 128;
/// Classes to a doubling, as a power of two.
const LOG_GROUP: u32 = 2;

/// Bytes that a block takes.
pub(super) const fn usable(size: u64) -> u64 {
    if size <= TINY {
        return TINY;
    }
    if size <= MOST_QUANTA {
        return round_up(size, QUANTUM);
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
            assert_eq!((usable(before + 1), usable(class)), (class, class));
            before = class;
        }
        assert_eq!([0, 1 << 20, (1 << 20) + 1].map(usable), [8, 1 << 20, 5 << 18]);
    }
}
