//! Sums of what samples stand for, with the interval in which the true sum lies.

use statrs::distribution::{ContinuousCDF as _, Gamma};

/// Half of what the interval leaves out: 2.5 %.
const TAIL: f64 = 0.025;
/// The quantile of the normal distribution that leaves out as much.
const NORMAL: f64 = 1.959_963_985;
/// From this many samples on the two agree to less than a hundredth of the interval's width.
const MANY: f64 = 10_000.0;

/// Where a true figure lies with a probability of 95 %.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// At least.
    pub low: f64,
    /// At most.
    pub high: f64,
}

/// An estimated sum.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Estimate {
    value: f64,
    variance: f64,
    /// What is no estimate: blocks that were seen one by one, as bytes or blocks.
    seen: f64,
    samples: u64,
}

impl Estimate {
    /// Adds a sample that stands for `amount`, of whose kind the share `missed` is not taken.
    pub fn add(&mut self, amount: f64, seen: f64, missed: f64) {
        self.samples += 1;
        self.value += amount;
        self.variance += amount * amount * missed;
        self.seen += seen;
    }

    /// Takes a sample out again.
    pub fn remove(&mut self, amount: f64, seen: f64, missed: f64) {
        self.samples = self.samples.saturating_sub(1);
        if self.samples == 0 {
            // What rounding has left is nothing.
            *self = Self::default();
            return;
        }
        self.value -= amount;
        self.variance = (self.variance - amount * amount * missed).max(0.0);
        self.seen -= seen;
    }

    /// The estimate.
    #[must_use]
    pub const fn value(&self) -> f64 {
        self.value
    }

    /// Samples that it rests on.
    #[must_use]
    pub const fn samples(&self) -> u64 {
        self.samples
    }

    /// The interval for 95 %.
    ///
    /// The sum counts as that of `n = value²/variance` samples of one weight, `variance/value`: their
    /// number has a Poisson distribution, whose exact interval (Garwood, *Fiducial limits for the Poisson
    /// distribution*, 1936) is made of quantiles of gamma distributions. So it is right for few samples,
    /// too, is not symmetric, and shrinks to nothing where every block is taken. It never begins below what
    /// was seen.
    #[must_use]
    pub fn interval(&self) -> Interval {
        if self.variance <= 0.0 || self.value <= 0.0 {
            return Interval { low: self.value, high: self.value };
        }
        let weight = self.variance / self.value;
        let samples = self.value / weight;
        let (low, high) = if samples > MANY {
            let half = NORMAL * self.variance.sqrt();
            (self.value - half, self.value + half)
        } else {
            (weight * quantile(samples, TAIL), weight * quantile(samples + 1.0, 1.0 - TAIL))
        };
        Interval { low: low.max(self.seen.min(self.value)), high }
    }

    /// The interval where no sample was taken, with a mean interval of `interval` bytes between samples:
    /// there may have been some bytes all the same.
    #[must_use]
    pub fn interval_of_nothing(interval: u64) -> Interval {
        Interval { low: 0.0, high: -TAIL.ln() * interval as f64 }
    }
}

/// Quantile of the gamma distribution with this shape and a scale of 1.
fn quantile(shape: f64, probability: f64) -> f64 {
    Gamma::new(shape, 1.0).map_or(shape, |gamma| gamma.inverse_cdf(probability))
}

#[cfg(test)]
mod tests {
    use super::{Estimate, quantile};
    use crate::engine::sampling::Weight;
    use memtrace_common::sampling::{draw, step};
    use proptest::prelude::*;
    use proptest::test_runner::{RngAlgorithm, TestRng};

    #[test]
    fn quantiles_are_those_of_tables() {
        // Half of chi-square's with twice the degrees of freedom.
        for (shape, probability, expected) in [
            (1.0, 0.975, 3.6889),
            (10.0, 0.025, 4.7954),
            (11.0, 0.975, 18.3904),
            (0.5, 0.975, 2.5119),
        ] {
            let found = quantile(shape, probability);
            assert!((found - expected).abs() < 1e-3, "{shape} {probability}: {found}");
        }
    }

    #[test]
    fn what_is_exact_has_no_interval() {
        let mut sum = Estimate::default();
        (1..=10).for_each(|size| sum.add(f64::from(size), f64::from(size), 0.0));
        assert_eq!(sum.value(), 55.0);
        assert_eq!((sum.interval().low, sum.interval().high), (55.0, 55.0));
        assert_eq!(Estimate::default().interval().high, 0.0);
        assert!((Estimate::interval_of_nothing(1000).high - 3688.9).abs() < 0.1);
    }

    #[test]
    fn the_two_ways_meet() {
        let of = |samples: u32| {
            let mut sum = Estimate::default();
            (0..samples).for_each(|_| sum.add(1.0, 0.0, 1.0));
            (sum.interval().low / f64::from(samples), sum.interval().high / f64::from(samples))
        };
        let (exact, normal) = (of(10_000), of(10_001));
        assert!((exact.0 - normal.0).abs() < 3e-4 && (exact.1 - normal.1).abs() < 3e-4);
    }

    /// Of 1,000 runs with a fixed seed at least 930 have the true live bytes in their interval, whatever
    /// the mixture of sizes and however few samples there are.
    #[test]
    fn intervals_hold_what_they_promise() {
        let mut generator = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
        let mixtures: [(&[u64], usize, u64); 5] = [
            (&[64], 20_000, 64 << 10),
            (&[16, 48, 1024, 8192], 5_000, 512 << 10),
            (&[100, 1_000_000], 2_000, 512 << 10),
            (&[4096, 4096, 65_536], 1_000, 64 << 10),
            (&[24, 256], 3_000, 1 << 10),
        ];
        for (sizes, blocks, interval) in mixtures {
            let mut held = 0;
            for _ in 0..1000 {
                let (mut bytes, mut truth) = (Estimate::default(), 0.0);
                let mut left = draw(interval, generator.next_u64());
                for _ in 0..blocks {
                    let size = sizes[generator.next_u32() as usize % sizes.len()];
                    truth += size as f64;
                    let (taken, rest) = step(left, size, interval, || generator.next_u64());
                    left = rest;
                    if taken {
                        let weight = Weight::of(size, interval);
                        bytes.add(weight.bytes, size as f64, weight.missed);
                    }
                }
                let interval_of = match bytes.samples() {
                    0 => Estimate::interval_of_nothing(interval),
                    _ => bytes.interval(),
                };
                held += u32::from(interval_of.low <= truth && truth <= interval_of.high);
            }
            println!("{sizes:?} × {blocks}, one in {interval}: {held}");
            assert!(held >= 930, "{sizes:?} × {blocks}, one in {interval}: {held} of 1,000");
        }
    }

    /// The mean of many estimates is the truth, within four standard errors.
    #[test]
    fn estimates_have_no_bias() {
        let mut generator = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
        for interval in [1_u64, 1000, 64 << 10, 4 << 20] {
            for size in [1_u64, 16, 700, 20_000, 1 << 20] {
                let (blocks, runs) = (200, 400);
                let mut sum = 0.0;
                for _ in 0..runs {
                    let (mut estimate, mut left) = (0.0, draw(interval, generator.next_u64()));
                    for _ in 0..blocks {
                        let (taken, rest) = step(left, size, interval, || generator.next_u64());
                        left = rest;
                        estimate += if taken { Weight::of(size, interval).blocks } else { 0.0 };
                    }
                    sum += estimate;
                }
                let runs = f64::from(runs);
                let (mean, truth) = (sum / runs, f64::from(blocks));
                let weight = Weight::of(size, interval);
                let expected = (truth * weight.blocks * weight.missed / runs).sqrt();
                assert!(
                    (mean - truth).abs() <= 4.0 * expected + 1e-6,
                    "{size}, {interval}: {mean}"
                );
            }
        }
    }

    proptest! {
        #[test]
        fn what_came_and_went_leaves_nothing(sizes in prop::collection::vec(any::<u32>(), 1..50),
                                             interval in 1_u64..1 << 32) {
            let mut sum = Estimate::default();
            let weights = || sizes.iter().map(|size| Weight::of(u64::from(*size), interval));
            weights().for_each(|weight| sum.add(weight.bytes, 0.0, weight.missed));
            let held = sum.interval();
            prop_assert!(held.low <= sum.value() && sum.value() <= held.high, "{:?}", held);
            weights().for_each(|weight| sum.remove(weight.bytes, 0.0, weight.missed));
            prop_assert_eq!(sum, Estimate::default());
        }
    }
}
