//! Which allocator's size classes a block has: how many bytes it takes beside those that were asked for.
//!
//! Functions that are given an alignment have any only where blocks take the same whatever it is: it is not in
//! the records.

/// Size classes of an allocator. Numbers are part of the recording format: never reuse one. They have 3 bits
/// in a site's cookie and in a record's flags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct SizeClasses(u8);

impl SizeClasses {
    /// Not known.
    pub const UNKNOWN: Self = Self(0);
    /// Chunks of the GNU C library.
    pub const GLIBC: Self = Self(1);
    /// jemalloc 5, built with its usual quantum of 16 bytes.
    pub const JEMALLOC: Self = Self(2);
    /// tcmalloc of gperftools, built with its usual pages of 8 KiB.
    pub const TCMALLOC: Self = Self(3);
    /// mimalloc, built without the padding of its debug and secure builds.
    pub const MIMALLOC: Self = Self(4);

    /// jemalloc 5, built with a quantum of 8 bytes (`--with-lg-quantum=3`), as redis has it.
    pub const JEMALLOC_QUANTUM_8: Self = Self(5);

    /// Those that are known.
    pub const KNOWN: [Self; 5] =
        [Self::GLIBC, Self::JEMALLOC, Self::TCMALLOC, Self::MIMALLOC, Self::JEMALLOC_QUANTUM_8];

    /// Bits that a number has.
    const MASK: u8 = 7;

    /// The number.
    #[must_use]
    #[inline(always)]
    pub const fn number(self) -> u8 {
        self.0
    }

    /// What the low bits of `bits` stand for. Total: a number that has no meaning yet is kept, and no size is
    /// known for it.
    #[must_use]
    #[inline(always)]
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits & Self::MASK)
    }

    /// The allocator's name; `None` if it is not known.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::GLIBC => "glibc",
            Self::JEMALLOC | Self::JEMALLOC_QUANTUM_8 => "jemalloc",
            Self::TCMALLOC => "tcmalloc",
            Self::MIMALLOC => "mimalloc",
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::SizeClasses;

    #[test]
    fn numbers_read_back() {
        for bits in 0..8 {
            assert_eq!(SizeClasses::from_bits(bits).number(), bits);
            assert_eq!(SizeClasses::from_bits(bits | 0xf8).number(), bits);
        }
        assert!(SizeClasses::KNOWN.iter().all(|classes| classes.name().is_some()));
        assert_eq!((SizeClasses::UNKNOWN.name(), SizeClasses::from_bits(7).name()), (None, None));
    }
}
