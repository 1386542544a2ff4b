//! One live block in 22 bytes.

/// Widest address that an entry holds: 48 bits, all that four-level page tables give.
/// Beyond it (five-level tables and a hint above 47 bits) a block is refused and counted.
pub const LIMIT: u64 = 1 << 48;

/// Births are kept in steps of this many nanoseconds.
///
/// Two threads that hand a block to each other both trap into the kernel in between, which takes
/// longer than one step: their order survives.
pub const TIME_STEP: u64 = 1 << STEP_BITS;

/// Widest size: 4 TiB. The upper bits of the size's place hold the number of the sampling interval and the mark.
pub const SIZE_LIMIT: u64 = 1 << SIZE_BITS;

/// Numbers that there are for sampling intervals.
pub(super) const INTERVALS: usize = 1 << (MARK_BIT - SIZE_BITS);

const SIZE_BITS: u32 = 42;
const MARK_BIT: u32 = 47;
const STEP_BITS: u32 = 6;
/// Where the mark is: the last bit of the size's six bytes.
const MARK_BYTE: usize = 6 + (MARK_BIT / 8) as usize;
const MARK: u8 = 1 << (MARK_BIT % 8);
const LOW_48: u64 = LIMIT - 1;

/// Little-endian: address 6 bytes, size, interval and mark 6, stack 4, birth 6. All zero: an empty slot, as no block
/// lives at address 0.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry([u8; Entry::BYTES]);

impl Entry {
    pub(super) const BYTES: usize = 22;
    pub(super) const EMPTY: Self = Self([0; Self::BYTES]);

    /// `address` must be below [`LIMIT`], `size` below [`SIZE_LIMIT`], `interval` below [`INTERVALS`]; `birth` (in
    /// steps) is clamped to 48 bits.
    pub(super) fn new(address: u64, size: u64, interval: u8, stack: u32, birth: u64) -> Self {
        let size = size | u64::from(interval) << SIZE_BITS;
        let mut bytes = [0; Self::BYTES];
        bytes[..6].copy_from_slice(&address.to_le_bytes()[..6]);
        bytes[6..12].copy_from_slice(&size.to_le_bytes()[..6]);
        bytes[12..16].copy_from_slice(&stack.to_le_bytes());
        bytes[16..].copy_from_slice(&birth.min(LOW_48).to_le_bytes()[..6]);
        Self(bytes)
    }

    #[inline]
    pub(super) fn address(&self) -> u64 {
        self.eight_from(0) & LOW_48
    }

    #[inline]
    pub(super) fn size(&self) -> u64 {
        self.eight_from(6) & (SIZE_LIMIT - 1)
    }

    /// The number of the sampling interval.
    #[inline]
    pub(super) fn interval(&self) -> u8 {
        (self.eight_from(6) >> SIZE_BITS) as u8 & (INTERVALS - 1) as u8
    }

    /// Whether a sweep need not be shown it; see [`super::blocks`].
    #[inline]
    pub(super) const fn mark(&self) -> bool {
        self.0[MARK_BYTE] & MARK != 0
    }

    #[inline]
    pub(super) const fn set_mark(&mut self, mark: bool) {
        self.0[MARK_BYTE] = self.0[MARK_BYTE] & !MARK | if mark { MARK } else { 0 };
    }

    #[inline]
    pub(super) fn stack(&self) -> u32 {
        self.eight_from(12) as u32
    }

    /// In steps.
    #[inline]
    pub(super) fn birth(&self) -> u64 {
        self.eight_from(14) >> 16
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.address() == 0
    }

    #[inline]
    fn eight_from(&self, first: usize) -> u64 {
        let mut eight = [0; 8];
        eight.copy_from_slice(&self.0[first..first + 8]);
        u64::from_le_bytes(eight)
    }
}

#[cfg(test)]
mod tests {
    use super::{Entry, INTERVALS, LIMIT, SIZE_LIMIT};
    use proptest::prelude::*;

    const _: () = assert!(size_of::<Entry>() == 22 && align_of::<Entry>() == 1);

    proptest! {
        #[test]
        fn fields_do_not_touch_each_other(address in 1..LIMIT, size in 0..SIZE_LIMIT,
                                          interval in 0..INTERVALS as u8,
                                          stack in any::<u32>(), birth in any::<u64>(), mark in any::<bool>()) {
            let mut entry = Entry::new(address, size, interval, stack, birth);
            prop_assert!(!entry.mark());
            entry.set_mark(!mark);
            entry.set_mark(mark);
            prop_assert_eq!(entry.mark(), mark);
            prop_assert_eq!(entry.interval(), interval);
            prop_assert_eq!(entry.address(), address);
            prop_assert_eq!(entry.size(), size);
            prop_assert_eq!(entry.stack(), stack);
            prop_assert_eq!(entry.birth(), birth.min(LIMIT - 1));
            prop_assert!(!entry.is_empty());
        }
    }
}
