//! What one sample stands for.

/// What one sampled block stands for, and what it adds to the variance of sums of such.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weight {
    /// Blocks: 1/p.
    pub blocks: f64,
    /// Bytes: S/p.
    pub bytes: f64,
    /// The share of blocks of this size that is not taken: 1 − p.
    pub missed: f64,
}

impl Weight {
    /// The weight of a block of `size` bytes that was taken with a mean interval of `interval` bytes; with
    /// 0 every block is taken. A block of 0 bytes is drawn as one of 1 byte.
    #[must_use]
    pub fn of(size: u64, interval: u64) -> Self {
        if interval == 0 {
            return Self { blocks: 1.0, bytes: size as f64, missed: 0.0 };
        }
        // Not `1 - exp`, which has no digits left where blocks are small.
        let intervals = size.max(1) as f64 / interval as f64;
        let taken = -(-intervals).exp_m1();
        Self { blocks: 1.0 / taken, bytes: size as f64 / taken, missed: (-intervals).exp() }
    }
}

#[cfg(test)]
mod tests {
    use super::Weight;
    use proptest::prelude::*;

    #[test]
    fn every_block_stands_for_itself_where_all_are_taken() {
        assert_eq!(Weight::of(100, 0), Weight { blocks: 1.0, bytes: 100.0, missed: 0.0 });
        assert_eq!(Weight::of(0, 0).bytes, 0.0);
    }

    #[test]
    fn small_blocks_stand_for_an_interval_of_bytes() {
        let weight = Weight::of(16, 512 << 10);
        assert!((weight.bytes / f64::from(512 << 10) - 1.0).abs() < 1e-4, "{weight:?}");
        assert!((weight.blocks / f64::from(32 << 10) - 1.0).abs() < 1e-4, "{weight:?}");
    }

    #[test]
    fn large_blocks_stand_for_themselves() {
        let weight = Weight::of(100 << 20, 4096);
        assert_eq!((weight.blocks, weight.missed), (1.0, 0.0));
        assert!((Weight::of(46 << 10, 10 << 10).blocks - 1.0101).abs() < 1e-3, "4.6 R: 99 %");
    }

    proptest! {
        #[test]
        fn weights_are_finite_and_at_least_the_block(size in any::<u64>(), interval in any::<u64>()) {
            let weight = Weight::of(size, interval);
            prop_assert!(weight.blocks >= 1.0 && weight.blocks.is_finite());
            prop_assert!(weight.bytes >= size as f64 && weight.bytes.is_finite());
            prop_assert!((0.0..=1.0).contains(&weight.missed));
        }
    }
}
