//! Figures that are exact or estimates, their sums and their differences.

use crate::engine::sampling::Estimate;
use crate::engine::snapshot::Confidence;

/// A number of bytes or blocks, and how well it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figure {
    /// The number, or the best guess.
    pub value: u64,
    spread: Spread,
}

/// How far off a figure may be.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Spread {
    /// Not at all.
    #[default]
    Exact,
    /// Squares of the distances to the ends of its interval of 95 %.
    Within { below: f64, above: f64 },
    /// An estimate of which nobody said how good it is.
    Unknown,
}

impl Figure {
    /// It was counted.
    #[must_use]
    pub const fn exact(value: u64) -> Self {
        Self { value, spread: Spread::Exact }
    }

    /// An estimate and where the true value lies in 95 of 100 cases.
    #[must_use]
    pub fn estimated(value: u64, ci: Confidence) -> Self {
        let square = |distance: u64| (distance as f64).powi(2);
        let below = square(value.saturating_sub(ci.low));
        let above = square(ci.high.saturating_sub(value));
        Self { value, spread: Spread::Within { below, above } }
    }

    /// An estimate without an interval. Nothing is exactly nothing.
    #[must_use]
    pub const fn vague(value: u64) -> Self {
        let spread = if value == 0 { Spread::Exact } else { Spread::Unknown };
        Self { value, spread }
    }

    /// As a report tells it: an estimate where others of it are, whether or not it has an interval.
    #[must_use]
    pub fn told(is_sampled: bool, value: u64, ci: Option<Confidence>) -> Self {
        match ci {
            Some(ci) => Self::estimated(value, ci),
            None if is_sampled => Self::vague(value),
            None => Self::exact(value),
        }
    }

    /// Nothing was seen of it where one allocation for `interval` bytes is looked at on average: there may be some.
    #[must_use]
    pub fn unseen(interval: u64) -> Self {
        if interval == 0 {
            // It was another one when there was something to see.
            return Self { value: 0, spread: Spread::Unknown };
        }
        Self::estimated(0, Confidence::of(Estimate::default().interval(interval as f64)))
    }

    /// It was not counted.
    #[must_use]
    pub fn is_estimate(&self) -> bool {
        self.spread != Spread::Exact
    }

    /// The sum of two figures that are independent of each other.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let value = self.value.saturating_add(other.value);
        Self { value, spread: self.spread.beside(other.spread) }
    }
}

impl Spread {
    /// The squares of two independent spreads add up, as variances do.
    fn beside(self, other: Self) -> Self {
        match (self, other) {
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (Self::Exact, spread) | (spread, Self::Exact) => spread,
            (
                Self::Within { below, above },
                Self::Within { below: other_below, above: other_above },
            ) => Self::Within { below: below + other_below, above: above + other_above },
        }
    }

    /// What is far below for a number is far above for its negative.
    const fn negated(self) -> Self {
        match self {
            Self::Within { below, above } => Self::Within { below: above, above: below },
            other => other,
        }
    }
}

/// Live bytes and blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Amount {
    /// Bytes.
    pub bytes: Figure,
    /// Blocks.
    pub blocks: Figure,
}

impl Amount {
    /// The sum of two amounts that are independent of each other.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self { bytes: self.bytes.plus(other.bytes), blocks: self.blocks.plus(other.blocks) }
    }
}

/// The difference of two figures.
///
/// Where they are estimates its interval is that of independent ones: with `d = b − a` it is from
/// `d − √((b − b_low)² + (a_high − a)²)` to `d + √((b_high − b)² + (a − a_low)²)`, which keeps the skew of the two
/// (Zou and Donner, *Construction of confidence limits about effect measures*, Statistics in Medicine 27, 2008). Two moments of one run have samples in common, so
/// that the truth is nearer to `d` than this says: the interval errs on the safe side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// After less before.
    pub value: i128,
    spread: Spread,
}

impl Change {
    /// What was added from `before` to `after`.
    #[must_use]
    pub fn between(before: Figure, after: Figure) -> Self {
        let value = i128::from(after.value) - i128::from(before.value);
        Self { value, spread: after.spread.beside(before.spread.negated()) }
    }

    /// It rests on an estimate.
    #[must_use]
    pub fn is_estimate(&self) -> bool {
        self.spread != Spread::Exact
    }

    /// Whole numbers around the interval of 95 %; `None` where it is exact, and where no interval is known.
    #[must_use]
    pub fn interval(&self) -> Option<(i128, i128)> {
        let Spread::Within { below, above } = self.spread else { return None };
        let low = self.value - below.sqrt().ceil() as i128;
        Some((low, self.value + above.sqrt().ceil() as i128))
    }

    /// It is surely, or in 95 of 100 cases, not nothing.
    #[must_use]
    pub fn is_told_from_zero(&self) -> bool {
        match self.spread {
            Spread::Exact => self.value != 0,
            Spread::Within { .. } => self.interval().is_some_and(|(low, high)| low > 0 || high < 0),
            Spread::Unknown => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Change, Confidence, Figure};

    const fn estimate(value: u64, low: u64, high: u64) -> (u64, Confidence) {
        (value, Confidence { low, high })
    }

    fn figure((value, ci): (u64, Confidence)) -> Figure {
        Figure::estimated(value, ci)
    }

    #[test]
    fn exact_figures_have_exact_differences() {
        let change = Change::between(Figure::exact(u64::MAX), Figure::exact(0));
        assert_eq!(change.value, -i128::from(u64::MAX));
        assert_eq!(change.interval(), None);
        assert!(change.is_told_from_zero() && !change.is_estimate());
        assert!(!Change::between(Figure::exact(7), Figure::exact(7)).is_told_from_zero());
    }

    #[test]
    fn distances_add_up_as_squares_and_keep_their_sides() {
        // After: 4 below, 12 above. Before: 5 below, 3 above.
        let (before, after) = (figure(estimate(50, 45, 53)), figure(estimate(100, 96, 112)));
        let change = Change::between(before, after);
        assert_eq!(change.value, 50);
        assert_eq!(change.interval(), Some((45, 63)));
        assert!(change.is_told_from_zero());
        let sum = before.plus(figure(estimate(10, 0, 14)));
        // √(5² + 10²) = 11.2 below, √(3² + 4²) = 5 above.
        assert_eq!(Change::between(Figure::exact(0), sum).interval(), Some((48, 65)));
    }

    #[test]
    fn an_interval_that_holds_nothing_tells_nothing() {
        let change = Change::between(figure(estimate(50, 20, 90)), figure(estimate(60, 30, 99)));
        assert_eq!(change.value, 10);
        assert!(!change.is_told_from_zero());
        let vague = Change::between(Figure::vague(3), Figure::exact(1_000));
        assert_eq!((vague.interval(), vague.is_told_from_zero()), (None, false));
        assert!(vague.is_estimate());
        assert!(!Figure::vague(0).is_estimate());
        // −ln 2.5 % = 3.69 intervals may hold nothing that is taken.
        let new = Change::between(Figure::unseen(1_000), Figure::exact(3_000));
        assert_eq!((new.interval(), new.is_told_from_zero()), (Some((-689, 3_000)), false));
        assert_eq!(Change::between(Figure::unseen(0), Figure::exact(9)).interval(), None);
    }

    #[test]
    fn sums_do_not_overflow() {
        let most = Figure::exact(u64::MAX);
        assert_eq!(most.plus(most).value, u64::MAX);
        let far = figure(estimate(0, 0, u64::MAX));
        let change = Change::between(far, far.plus(far));
        let (low, high) = change.interval().unwrap();
        assert!(low < -i128::from(i64::MAX) && high > i128::from(i64::MAX));
    }
}
