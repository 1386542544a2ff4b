//! Sums of what samples stand for, with the interval in which the true sum lies.

use serde::{Deserialize, Serialize};
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// Of blocks most of whose kind are taken.
    sure: Part,
    /// Of the others.
    rest: Part,
    /// What is no estimate: blocks that were seen one by one, as bytes or blocks.
    seen: f64,
}

/// The sum over one kind of samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Part {
    value: f64,
    variance: f64,
    samples: u64,
    /// The most that a sample ever added to the variance, for each unit that it added to the value.
    widest: f64,
}

/// Blocks are surely taken if fewer than this share of their kind is not.
const SURELY: f64 = 0.01;

impl Part {
    fn add(&mut self, amount: f64, missed: f64) {
        self.add_all(amount, missed, 1, 1);
    }

    fn add_all(&mut self, amount: f64, missed: f64, number: u64, times: u64) {
        let (all, pairs) = (number as f64, 2.0 * times as f64 - 1.0);
        self.samples = self.samples.saturating_add(number);
        self.value += all * amount;
        self.variance += all * amount * amount * missed * pairs;
        self.widest = self.widest.max(amount * missed * pairs);
    }

    fn with(self, other: Self) -> Self {
        Self {
            value: self.value + other.value,
            variance: self.variance + other.variance,
            samples: self.samples.saturating_add(other.samples),
            widest: self.widest.max(other.widest),
        }
    }

    /// Without what was there before.
    fn without(self, before: Self) -> Self {
        let samples = self.samples.saturating_sub(before.samples);
        if samples == 0 {
            // What rounding has left is nothing.
            return Self { widest: self.widest, ..Self::default() };
        }
        Self {
            value: (self.value - before.value).max(0.0),
            variance: (self.variance - before.variance).max(0.0),
            samples,
            widest: self.widest,
        }
    }

    fn remove(&mut self, amount: f64, missed: f64, number: u64) {
        self.samples = self.samples.saturating_sub(number);
        if self.samples == 0 {
            // What rounding has left is nothing.
            *self = Self { widest: self.widest, ..Self::default() };
            return;
        }
        let all = number as f64;
        self.value -= all * amount;
        self.variance = (self.variance - all * amount * amount * missed).max(0.0);
    }

    /// A sum of Poisson variables with weights, whose interval is made of quantiles of gamma distributions (Fay and
    /// Feuer, *Confidence intervals for directly standardized rates*, 1997): the upper end is where the sum would lie
    /// if one more sample of the largest weight had come. Of equal weights it is the exact one of a Poisson variable
    /// (Garwood, *Fiducial limits for the Poisson distribution*, 1936). So it is right for few samples, too, and is not
    /// symmetric.
    fn interval(&self) -> Interval {
        if self.variance <= 0.0 || self.value <= 0.0 {
            return Interval { low: self.value, high: self.value };
        }
        let weight = self.variance / self.value;
        let samples = self.value / weight;
        if samples > MANY {
            return self.normal();
        }
        let widest = self.widest.max(weight);
        let (value, variance) = (self.value + widest, widest.mul_add(widest, self.variance));
        let high = variance / value * quantile(value * value / variance, 1.0 - TAIL);
        Interval { low: weight * quantile(samples, TAIL), high }
    }

    fn normal(&self) -> Interval {
        let half = NORMAL * self.variance.sqrt();
        Interval { low: self.value - half, high: self.value + half }
    }
}

impl Estimate {
    /// What was counted one by one.
    #[must_use]
    pub const fn exact(value: f64, samples: u64) -> Self {
        let none = Part { value: 0.0, variance: 0.0, samples: 0, widest: 0.0 };
        Self { sure: Part { value, samples, ..none }, rest: none, seen: value }
    }

    /// A sum of so many samples, none of whose kind is surely taken, with the variance of it: Σw² − Σw, as a sample of
    /// weight w = 1/p adds (1 − p)/p².
    #[must_use]
    pub const fn summed(value: f64, variance: f64, samples: u64) -> Self {
        let none = Part { value: 0.0, variance: 0.0, samples: 0, widest: 0.0 };
        Self { sure: none, rest: Part { value, variance, samples, ..none }, seen: samples as f64 }
    }

    /// Adds a sample that stands for `amount`, of whose kind the share `missed` is not taken.
    pub fn add(&mut self, amount: f64, seen: f64, missed: f64) {
        self.part(missed).add(amount, missed);
        self.seen += seen;
    }

    /// Adds `number` samples that are alike, each of which comes for the `times`-th time: it is taken each time or never,
    /// so that what it adds to a sum is squared as a whole. Σᵢ(2i − 1) = n².
    pub(crate) fn add_all(
        &mut self,
        (amount, seen, missed): (f64, f64, f64),
        number: u64,
        times: u64,
    ) {
        self.part(missed).add_all(amount, missed, number, times);
        self.seen += seen * number as f64;
    }

    /// Takes a sample out again.
    pub fn remove(&mut self, amount: f64, seen: f64, missed: f64) {
        self.remove_all((amount, seen, missed), 1);
    }

    /// Takes `number` samples out again that are alike.
    pub(crate) fn remove_all(&mut self, (amount, seen, missed): (f64, f64, f64), number: u64) {
        self.part(missed).remove(amount, missed, number);
        self.seen = if self.samples() == 0 { 0.0 } else { self.seen - seen * number as f64 };
    }

    /// Where it lies beyond what another one was, of whose samples none need be among these.
    pub(crate) fn beyond(&self, before: &Self, unseen: f64) -> Interval {
        let gained = self.value() - before.value();
        let (now, then) = (self.interval(unseen), before.interval(unseen));
        let below = (self.value() - now.low).hypot(then.high - before.value());
        let above = (now.high - self.value()).hypot(before.value() - then.low);
        Interval { low: (gained - below).max(0.0), high: gained + above }
    }

    /// Whether blocks of a kind of which the share `missed` is not taken count as surely taken.
    #[must_use]
    pub const fn is_sure(missed: f64) -> bool {
        missed < SURELY
    }

    /// Both together.
    #[must_use]
    pub fn with(self, other: &Self) -> Self {
        Self {
            sure: self.sure.with(other.sure),
            rest: self.rest.with(other.rest),
            seen: self.seen + other.seen,
        }
    }

    /// The samples that were added to `before` to make this one.
    #[must_use]
    pub fn added_to(&self, before: &Self) -> Self {
        let (sure, rest) = (self.sure.without(before.sure), self.rest.without(before.rest));
        let seen = if sure.samples + rest.samples == 0 { 0.0 } else { self.seen - before.seen };
        Self { sure, rest, seen: seen.max(0.0) }
    }

    const fn part(&mut self, missed: f64) -> &mut Part {
        if Self::is_sure(missed) { &mut self.sure } else { &mut self.rest }
    }

    /// The estimate.
    #[must_use]
    pub const fn value(&self) -> f64 {
        self.sure.value + self.rest.value
    }

    /// Its variance, for each unit of it.
    #[must_use]
    pub fn variance_per_unit(&self) -> f64 {
        let value = self.value();
        if value > 0.0 { (self.sure.variance + self.rest.variance) / value } else { 0.0 }
    }

    /// What one sample of the kind with the largest weight stands for that was ever among these; 0: there was none.
    #[must_use]
    pub const fn widest(&self) -> f64 {
        self.rest.widest
    }

    /// As if one of this weight had once been among these, too.
    #[must_use]
    pub const fn with_widest(mut self, widest: f64) -> Self {
        self.rest.widest = self.rest.widest.max(widest);
        self
    }

    /// Samples that it rests on.
    #[must_use]
    pub const fn samples(&self) -> u64 {
        self.sure.samples.saturating_add(self.rest.samples)
    }

    /// The interval for 95 %, where what was not seen was not taken with a weight of `unseen` (for bytes the mean
    /// interval between samples; for blocks that, by the size of the smallest ones; 0: all was taken).
    ///
    /// It is put together of those for the blocks that are surely taken and for the others, of which there may
    /// be some even if none was taken. (The distances of two intervals' ends from their estimates add as squares:
    /// Zou and Donner, *Construction of confidence limits about effect measures*, 2008.) It shrinks to nothing
    /// where every block is taken, and never begins below what was seen.
    #[must_use]
    pub fn interval(&self, unseen: f64) -> Interval {
        let (sure, mut rest) = (self.sure.normal(), self.rest.interval());
        if self.rest.samples == 0 {
            // The chance to see no sample is e⁻ⁿ where n are expected.
            rest.high = -TAIL.ln() * unseen;
        }
        let value = self.value();
        let below = (self.sure.value - sure.low).hypot(self.rest.value - rest.low);
        let above = (sure.high - self.sure.value).hypot(rest.high - self.rest.value);
        Interval { low: (value - below).max(self.seen.min(value)).max(0.0), high: value + above }
    }
}

/// Quantile of the gamma distribution with this shape and a scale of 1.
fn quantile(shape: f64, probability: f64) -> f64 {
    Gamma::new(shape, 1.0).map_or(shape, |gamma| gamma.inverse_cdf(probability))
}

#[cfg(test)]
mod tests {
    use super::{Estimate, Interval, quantile};
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
        assert_eq!((sum.interval(0.0).low, sum.interval(0.0).high), (55.0, 55.0));
        assert_eq!(Estimate::default().interval(0.0).high, 0.0);
        assert!((Estimate::default().interval(1000.0).high - 3688.9).abs() < 0.1);
        // Beside what is surely taken there may be some that is not.
        sum.add(5.0, 5.0, 0.0);
        assert_eq!(sum.interval(1000.0).low, 60.0);
        assert!((sum.interval(1000.0).high - 3748.9).abs() < 0.1);
        assert_eq!(Estimate::exact(7.0, 2).interval(0.0).high, 7.0);
    }

    #[test]
    fn sums_that_were_kept_have_the_same_interval() {
        let mut sum = Estimate::default();
        let weights = [4.0_f64, 10.0, 2.5, 7.0];
        weights.iter().for_each(|weight| sum.add(*weight, 1.0, 1.0 - 1.0 / weight));
        let (value, squares) = (23.5, weights.iter().map(|weight| weight * weight).sum::<f64>());
        let kept = Estimate::summed(value, squares - value, 4);
        let (one, other) = (sum.interval(0.0), kept.interval(0.0));
        assert!((one.low - other.low).abs() < 1e-9);
        // Which weight was the largest is not kept.
        assert!(other.high < one.high && one.high < 1.2 * other.high, "{one:?} {other:?}");
        assert!(other.low >= 4.0 && other.low < value && other.high > value);
    }

    #[test]
    fn the_two_ways_meet() {
        let of = |samples: u32| {
            let mut sum = Estimate::default();
            (0..samples).for_each(|_| sum.add(1.0, 0.0, 1.0));
            let Interval { low, high } = sum.interval(0.0);
            (low / f64::from(samples), high / f64::from(samples))
        };
        let (exact, normal) = (of(10_000), of(10_001));
        assert!((exact.0 - normal.0).abs() < 3e-4 && (exact.1 - normal.1).abs() < 3e-4);
    }

    /// Of 1,000 runs with a fixed seed at least 930 have the true live bytes in their interval, whatever
    /// the mixture of sizes and however few samples there are.
    #[test]
    fn intervals_hold_what_they_promise() {
        let mut generator = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
        let mixtures: [(&[u64], usize, u64); 8] = [
            (&[64], 6_000, 16 << 10),
            (&[16, 48, 1024, 8192], 1_500, 128 << 10),
            (&[100, 1_000_000], 1_000, 512 << 10),
            (&[4096, 4096, 65_536], 1_000, 64 << 10),
            (&[24, 256], 1_000, 1 << 10),
            // Some that are surely taken, beside few that are not.
            (&[100, 10_000_000], 500, 512 << 10),
            (&[2_500_000], 1_000, 512 << 10),
            (&[30_000, 8_000_000], 40, 512 << 10),
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
                let interval_of = bytes.interval(interval as f64);
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
            let held = sum.interval(0.0);
            prop_assert!(held.low <= sum.value() && sum.value() <= held.high, "{:?}", held);
            weights().for_each(|weight| sum.remove(weight.bytes, 0.0, weight.missed));
            prop_assert_eq!((sum.value(), sum.samples(), sum.seen), (0.0, 0, 0.0));
            prop_assert_eq!(sum.interval(0.0).high, 0.0);
        }
    }
}
