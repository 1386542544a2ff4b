//! Bytes and how many there are of what holds them: sums that keep the intervals of estimates.

use super::Least;
use crate::engine::snapshot::Confidence;
use std::cmp::Ordering;

/// What views sum.
pub trait Summed: Clone + Default {
    /// Adds another one.
    fn add(&mut self, other: &Self);

    /// It is nothing at all.
    fn is_nothing(&self) -> bool;
}

/// What views choose from.
pub trait Ranked: Summed {
    /// `Less` where `a` comes before `b`.
    fn compare(order: Order, a: &Self, b: &Self) -> Ordering;

    /// Whether something is shown by itself that holds `own`, and `total` with what is below it.
    fn is_worth(own: &Self, total: &Self, least: Least) -> bool;
}

/// Bytes in some blocks, pages or ranges.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Amount {
    /// Bytes.
    pub bytes: u64,
    /// Blocks, pages or ranges.
    pub count: u64,
    trust: Trust,
}

/// How far the true figures may lie from these.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Trust {
    /// They are the true ones.
    #[default]
    Exact,
    /// That far, in 95 of 100 cases.
    Within(Spread),
    /// Nobody has said how far.
    Unknown,
}

/// Squares of the distances to the ends of intervals. Samples of different stacks are drawn independently of
/// each other, so variances add up, and with them the squares of distances of a given number of standard errors.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Spread {
    bytes: [f64; 2],
    count: [f64; 2],
}

impl Amount {
    /// A figure that is exact.
    #[must_use]
    pub const fn exact(bytes: u64, count: u64) -> Self {
        Self { bytes, count, trust: Trust::Exact }
    }

    /// An estimate of each and where the true one lies, or exact figures.
    #[must_use]
    pub fn new(bytes: u64, count: u64, around: Option<(Confidence, Confidence)>) -> Self {
        let trust = around.map_or(Trust::Exact, |(of_bytes, of_count)| {
            Trust::Within(Spread {
                bytes: squares(bytes, of_bytes),
                count: squares(count, of_count),
            })
        });
        Self { bytes, count, trust }
    }

    /// An estimate of which nobody has said where the true figure lies.
    #[must_use]
    pub const fn vague(bytes: u64, count: u64) -> Self {
        Self { bytes, count, trust: Trust::Unknown }
    }

    /// What is left of a sum beside what is known by itself. Where that is an estimate, so is this, unless it is nothing.
    #[must_use]
    pub const fn beside(is_estimate: bool, bytes: u64, blocks: u64) -> Self {
        match is_estimate && (bytes | blocks) > 0 {
            true => Self::vague(bytes, blocks),
            false => Self::exact(bytes, blocks),
        }
    }

    /// These figures, as far from the true ones as `other` is.
    #[must_use]
    pub const fn trusted_as(self, other: &Self) -> Self {
        Self { trust: other.trust, ..self }
    }

    /// Adds another one.
    pub fn add(&mut self, other: &Self) {
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.count = self.count.saturating_add(other.count);
        self.trust = match (self.trust, other.trust) {
            (Trust::Unknown, _) | (_, Trust::Unknown) => Trust::Unknown,
            (trust, Trust::Exact) | (Trust::Exact, trust) => trust,
            (Trust::Within(one), Trust::Within(more)) => Trust::Within(one.and(more)),
        };
    }

    /// Nothing at all. (A block may have no bytes.)
    #[must_use]
    pub const fn is_nothing(&self) -> bool {
        self.bytes == 0 && self.count == 0
    }

    /// It is an estimate.
    #[must_use]
    pub const fn is_estimate(&self) -> bool {
        !matches!(self.trust, Trust::Exact)
    }

    /// Where the bytes lie, of an estimate.
    #[must_use]
    pub fn bytes_around(&self) -> Option<Confidence> {
        Some(interval(self.bytes, self.spread()?.bytes))
    }

    /// Where the count lies, of an estimate.
    #[must_use]
    pub fn count_around(&self) -> Option<Confidence> {
        Some(interval(self.count, self.spread()?.count))
    }

    const fn spread(&self) -> Option<Spread> {
        match self.trust {
            Trust::Within(spread) => Some(spread),
            Trust::Exact | Trust::Unknown => None,
        }
    }
}

impl Summed for Amount {
    fn add(&mut self, other: &Self) {
        Self::add(self, other);
    }

    fn is_nothing(&self) -> bool {
        Self::is_nothing(self)
    }
}

impl Ranked for Amount {
    fn compare(order: Order, a: &Self, b: &Self) -> Ordering {
        order.compare(a, b)
    }

    fn is_worth(_: &Self, total: &Self, least: Least) -> bool {
        least.holds(total)
    }
}

impl Spread {
    fn and(self, other: Self) -> Self {
        let add = |a: [f64; 2], b: [f64; 2]| [a[0] + b[0], a[1] + b[1]];
        Self { bytes: add(self.bytes, other.bytes), count: add(self.count, other.count) }
    }
}

/// What comes first in a view.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Most bytes.
    #[default]
    Bytes,
    /// Most blocks, pages or ranges.
    Count,
}

impl Order {
    /// `Less` where `a` comes before `b`.
    #[must_use]
    pub fn compare(self, a: &Amount, b: &Amount) -> Ordering {
        match self {
            Self::Bytes => (b.bytes, b.count).cmp(&(a.bytes, a.count)),
            Self::Count => (b.count, b.bytes).cmp(&(a.count, a.bytes)),
        }
    }
}

fn squares(value: u64, around: Confidence) -> [f64; 2] {
    let square = |distance: u64| (distance as f64).powi(2);
    [square(value.saturating_sub(around.low)), square(around.high.saturating_sub(value))]
}

fn interval(value: u64, [below, above]: [f64; 2]) -> Confidence {
    let low = value.saturating_sub(below.sqrt().round() as u64);
    Confidence { low, high: value.saturating_add(above.sqrt().round() as u64) }
}

#[cfg(test)]
mod tests {
    use super::{Amount, Confidence, Order};
    use std::cmp::Ordering;

    fn estimate(bytes: u64, low: u64, high: u64) -> Amount {
        Amount::new(bytes, 1, Some((Confidence { low, high }, Confidence { low: 1, high: 1 })))
    }

    #[test]
    fn exact_figures_stay_exact() {
        let mut sum = Amount::exact(3, 1);
        sum.add(&Amount::exact(4, 2));
        assert_eq!(sum, Amount::exact(7, 3));
        assert_eq!((sum.bytes_around(), sum.count_around()), (None, None));
    }

    /// The interval of a sum of independent estimates is narrower than the sum of the intervals.
    #[test]
    fn distances_add_up_in_squares() {
        let mut sum = estimate(100, 97, 106);
        sum.add(&estimate(100, 96, 108));
        sum.add(&Amount::exact(50, 1));
        assert_eq!(sum.bytes, 250);
        assert_eq!(sum.bytes_around(), Some(Confidence { low: 245, high: 260 }));
        assert_eq!(sum.count_around(), Some(Confidence { low: 3, high: 3 }));
    }

    #[test]
    fn what_is_vague_makes_sums_vague() {
        let mut sum = estimate(100, 97, 106);
        sum.add(&Amount::vague(10, 1));
        sum.add(&Amount::exact(1, 1));
        assert!(sum.is_estimate() && sum.bytes_around().is_none());
        let around = Some(Confidence { low: 108, high: 117 });
        assert_eq!(sum.trusted_as(&estimate(100, 97, 106)).bytes_around(), around);
    }

    #[test]
    fn extremes_saturate() {
        let mut sum = estimate(u64::MAX, 0, u64::MAX);
        sum.add(&estimate(u64::MAX, 0, u64::MAX));
        assert_eq!(sum.bytes_around(), Some(Confidence { low: 0, high: u64::MAX }));
    }

    #[test]
    fn orders_differ() {
        let (large, many) = (Amount::exact(9, 1), Amount::exact(1, 9));
        assert_eq!(Order::Bytes.compare(&large, &many), Ordering::Less);
        assert_eq!(Order::Count.compare(&large, &many), Ordering::Greater);
    }
}
