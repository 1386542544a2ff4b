//! Where sums of independent estimates lie.

use super::{Confidence, SumConfidence};
use serde::{Deserialize, Serialize};

/// Adds up estimates that are independent of each other, as those of different call stacks are: what each may be too low
/// by adds up as the square root of the sum of squares, and what it may be too high by likewise.
///
/// Of what no sample was seen of, the ranges begin at nought and are all the same: that of the sum is one of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Around {
    value: u64,
    below: f64,
    above: f64,
    /// The widest range of those without a sample.
    unseen: u64,
}

impl Around {
    /// Adds an estimate with its range.
    pub fn add(&mut self, value: u64, range: Confidence) {
        if value == 0 {
            self.unseen = self.unseen.max(range.high);
            return;
        }
        self.value = self.value.saturating_add(value);
        self.below += (value.saturating_sub(range.low) as f64).powi(2);
        self.above += (range.high.saturating_sub(value) as f64).powi(2);
    }

    /// The range of the sum.
    #[must_use]
    pub fn range(&self) -> Confidence {
        if self.value == 0 {
            return Confidence { low: 0, high: self.unseen };
        }
        // Casts saturate.
        let (below, above) = (self.below.sqrt().ceil() as u64, self.above.sqrt().ceil() as u64);
        Confidence { low: self.value.saturating_sub(below), high: self.value.saturating_add(above) }
    }
}

/// The same of bytes and blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SumAround {
    bytes: Around,
    blocks: Around,
}

impl SumAround {
    /// Adds an estimate with its range.
    pub fn add(&mut self, (bytes, blocks): (u64, u64), range: SumConfidence) {
        self.bytes.add(bytes, range.bytes);
        self.blocks.add(blocks, range.blocks);
    }

    /// The range of the sum.
    #[must_use]
    pub fn range(&self) -> SumConfidence {
        SumConfidence { bytes: self.bytes.range(), blocks: self.blocks.range() }
    }
}

#[cfg(test)]
mod tests {
    use super::Around;
    use crate::engine::sampling::Confidence;

    fn sum(parts: &[(u64, u64, u64)]) -> (u64, u64) {
        let mut around = Around::default();
        parts.iter().for_each(|&(value, low, high)| around.add(value, Confidence { low, high }));
        let Confidence { low, high } = around.range();
        (low, high)
    }

    #[test]
    fn ranges_add_up_as_their_squares_do() {
        assert_eq!(sum(&[(100, 70, 140)]), (70, 140));
        assert_eq!(sum(&[(100, 70, 130), (100, 60, 140)]), (150, 250));
        assert_eq!(sum(&[(5, 5, 5), (7, 7, 7)]), (12, 12), "what is sure stays sure");
        assert_eq!(sum(&[(100, 70, 130), (0, 0, 4000)]), (70, 130));
    }

    #[test]
    fn of_what_was_not_seen_there_may_be_as_much_as_of_one() {
        assert_eq!(sum(&[]), (0, 0));
        assert_eq!(sum(&[(0, 0, 4000), (0, 0, 3000)]), (0, 4000));
        assert_eq!(sum(&[(u64::MAX, 0, u64::MAX), (9, 0, u64::MAX)]), (0, u64::MAX));
    }
}
