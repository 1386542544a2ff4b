//! What lives, as alerts look at it.

use crate::engine::sampling::{Confidence, Estimate};

/// Live bytes of a heap, or of many together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Held {
    pub(crate) bytes: u64,
    /// What they are an estimate of, with the mean interval between samples, bytes.
    pub(crate) sampled: Option<(Estimate, u64)>,
}

impl Held {
    #[cfg(test)]
    pub(crate) const fn exactly(bytes: u64) -> Self {
        Self { bytes, sampled: None }
    }

    /// Both together.
    pub(crate) fn with(self, other: &Self) -> Self {
        let estimate =
            |it: &Self| it.sampled.unwrap_or_else(|| (Estimate::exact(it.bytes as f64, 0), 0));
        let (one, another) = (estimate(&self), estimate(other));
        let is_sampled = self.sampled.is_some() || other.sampled.is_some();
        Self {
            bytes: self.bytes.saturating_add(other.bytes),
            sampled: is_sampled.then(|| (one.0.with(&another.0), one.1.max(another.1))),
        }
    }

    /// Where they lie, if they are an estimate.
    pub(crate) fn range(&self) -> Option<Confidence> {
        self.sampled.map(|(estimate, interval)| Confidence::of(estimate.interval(interval as f64)))
    }

    /// The variance of each byte of them.
    pub(crate) fn variance(&self) -> f64 {
        self.sampled.map_or(0.0, |(estimate, _)| estimate.variance_per_unit())
    }
}

#[cfg(test)]
mod tests {
    use super::{Confidence, Estimate, Held};

    #[test]
    fn what_is_exact_stays_so_and_estimates_add_up() {
        let exact = Held::exactly(100).with(&Held::exactly(23));
        assert_eq!((exact.bytes, exact.range(), exact.variance()), (123, None, 0.0));
        let mut estimate = Estimate::default();
        (0..50).for_each(|_| estimate.add(1000.0, 10.0, 0.99));
        let sampled = Held { bytes: 50_000, sampled: Some((estimate, 1000)) };
        let range = sampled.range().unwrap_or_default();
        assert!(range.low < 40_000 && range.high > 60_000, "{range:?}");
        assert!((sampled.variance() - 990.0).abs() < 1e-6);
        let both = sampled.with(&Held::exactly(7_000));
        let moved = Confidence { low: range.low + 7_000, high: range.high + 7_000 };
        assert_eq!((both.bytes, both.range()), (57_000, Some(moved)));
    }
}
