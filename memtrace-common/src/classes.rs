//! Which allocator's size classes a block has, and to what it was to be aligned: how many bytes it takes beside
//! those that were asked for.

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
    /// musl's mallocng, which it has had since 1.2.1 unless it is built otherwise.
    pub const MALLOCNG: Self = Self(6);
    /// musl's oldmalloc, which it had before.
    pub const OLDMALLOC: Self = Self(7);

    /// Those that are known.
    pub const KNOWN: [Self; 7] = [
        Self::GLIBC,
        Self::JEMALLOC,
        Self::TCMALLOC,
        Self::MIMALLOC,
        Self::JEMALLOC_QUANTUM_8,
        Self::MALLOCNG,
        Self::OLDMALLOC,
    ];

    /// Bits that a number has.
    const MASK: u8 = 7;

    /// The number.
    #[must_use]
    #[inline(always)]
    pub const fn number(self) -> u8 {
        self.0
    }

    /// What the low bits of `bits` stand for.
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
            Self::MALLOCNG | Self::OLDMALLOC => "musl",
            _ => return None,
        })
    }
}

/// What a block was to be aligned to, as its power of two. Numbers are part of the recording format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Alignment(u8);

impl Alignment {
    /// To whatever the allocator aligns blocks to.
    pub const NONE: Self = Self(0);
    /// To something that is no power of two, or more than there are addresses.
    pub const UNKNOWN: Self = Self(Self::MASK);
    /// To a page.
    pub const PAGE: Self = Self(12);

    /// `MALLOCX_LG_ALIGN_MASK` of jemalloc (`jemalloc_macros.h`), whose flags have the power in these bits.
    const MASK: u8 = 63;
    /// The largest that is known: no address space has room for more.
    const MOST: u8 = 47;

    /// Of so many bytes; 0 is none.
    ///
    /// By counting bits in halves: BPF has no instruction for it, and the compiler would take a table.
    #[must_use]
    #[inline(always)]
    pub const fn of_bytes(bytes: u64) -> Self {
        if bytes == 0 {
            return Self::NONE;
        }
        let below = bytes - 1;
        if bytes & below != 0 {
            return Self::UNKNOWN;
        }
        let pairs = below - ((below >> 1) & 0x5555_5555_5555_5555);
        let nibbles = (pairs & 0x3333_3333_3333_3333) + ((pairs >> 2) & 0x3333_3333_3333_3333);
        let bytes = (nibbles + (nibbles >> 4)) & 0x0f0f_0f0f_0f0f_0f0f;
        Self((bytes.wrapping_mul(0x0101_0101_0101_0101) >> 56) as u8)
    }

    /// As the flags of jemalloc's own interface say it.
    #[must_use]
    #[inline(always)]
    pub const fn of_flags(flags: u64) -> Self {
        Self(flags as u8 & Self::MASK)
    }

    /// The power of two.
    #[must_use]
    #[inline(always)]
    pub const fn power(self) -> u8 {
        self.0
    }

    /// What such a power stands for. Total: what has no meaning is not known.
    #[must_use]
    pub const fn from_power(power: u8) -> Self {
        if power > Self::MOST { Self::UNKNOWN } else { Self(power) }
    }

    /// In bytes, 1 where there is none; `None` where it is not known.
    #[must_use]
    pub const fn bytes(self) -> Option<u64> {
        if self.0 > Self::MOST { None } else { Some(1 << self.0) }
    }
}

/// All that a block's size follows from beside what was asked for and where it lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sizing {
    /// The allocator's size classes.
    pub classes: SizeClasses,
    /// What it was to be aligned to.
    pub alignment: Alignment,
}

impl Sizing {
    /// Of blocks with these size classes, and no alignment.
    #[must_use]
    pub const fn of(classes: SizeClasses) -> Self {
        Self { classes, alignment: Alignment::NONE }
    }
}

#[cfg(test)]
mod tests {
    use super::{Alignment, SizeClasses};

    #[test]
    fn numbers_read_back() {
        for bits in 0..8 {
            assert_eq!(SizeClasses::from_bits(bits).number(), bits);
            assert_eq!(SizeClasses::from_bits(bits | 0xf8).number(), bits);
        }
        assert!(SizeClasses::KNOWN.iter().all(|classes| classes.name().is_some()));
        assert_eq!(SizeClasses::UNKNOWN.name(), None);
    }

    #[test]
    fn alignments_are_powers_of_two() {
        for power in 0..64 {
            let read = Alignment::of_bytes(1 << power);
            assert_eq!(read.power(), power);
            let known = (power <= 47).then_some(1 << power);
            assert_eq!(Alignment::from_power(power).bytes(), known);
            assert_eq!(
                (read.bytes(), Alignment::of_flags(0x140 | u64::from(power))),
                (known, read)
            );
        }
        assert_eq!(Alignment::of_bytes(0), Alignment::NONE);
        assert_eq!(
            (Alignment::of_bytes(4096), Alignment::PAGE.bytes()),
            (Alignment::PAGE, Some(4096))
        );
        for bytes in [3, 24, u64::MAX, (1 << 63) + 1] {
            assert_eq!(Alignment::of_bytes(bytes), Alignment::UNKNOWN);
        }
        assert_eq!(Alignment::from_power(255), Alignment::UNKNOWN);
    }
}
