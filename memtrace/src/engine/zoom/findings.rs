//! What a look finds: the stacks whose live blocks become more and more while it lasts.

use super::{Growing, Settings};
use crate::engine::heap::ranges::PAGE;
use crate::engine::heap::touched::figures::{unseen, whole};
use crate::engine::sampling::{Confidence, Estimate};
use crate::engine::trend::{Band, slope, widened};
use crate::model::ids::{Nanos, SECOND};
use std::collections::BTreeMap;

/// Stacks that a look names.
pub(super) const MOST_NAMED: usize = 5;
/// Points of a look, at two for each pace.
const MOST_POINTS: usize = 26;
/// Fewer tell nothing …
const LEAST_POINTS: usize = 8;
/// … and of them the first quarter is left out: what is short-lived fills up first.
const SETTLING: usize = 4;
/// A look may end when stacks are named that grow by this share of the process's growth, at least.
const ENOUGH: f64 = 0.5;

/// A stack that grows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::engine) struct Named {
    /// Its number in the address space.
    pub(in crate::engine) number: u32,
    /// Bytes per second.
    pub(in crate::engine) rate: Band,
    /// Live bytes at the end of the look beyond those at its beginning.
    pub(in crate::engine) gained: u64,
    /// Where that lies, where blocks are samples.
    pub(in crate::engine) range: Option<Confidence>,
}

/// Live bytes by stack, from time to time.
#[derive(Clone, Debug)]
pub(in crate::engine) struct Findings {
    began: Nanos,
    points: Vec<(Nanos, Box<[u64]>)>,
    /// The variance of each byte of them at the latest of these, where they are samples.
    variances: Box<[f64]>,
    /// Live bytes of touched pages by stack, when the look began.
    touched: BTreeMap<u32, Estimate>,
}

/// By how much pages became more that a stack touched first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Gained {
    /// The stack's number in the address space.
    pub(in crate::engine) number: u32,
    /// Bytes.
    pub(in crate::engine) gained: u64,
    /// Where that lies, where not every page is looked at.
    pub(in crate::engine) confidence: Option<Confidence>,
}

impl Findings {
    pub(in crate::engine) fn new(began: Nanos, touched: BTreeMap<u32, Estimate>) -> Self {
        Self { began, points: Vec::new(), variances: Box::default(), touched }
    }

    pub(in crate::engine) const fn began(&self) -> Nanos {
        self.began
    }

    /// Each stack has so many live bytes now, each of which has such a variance.
    pub(super) fn add(
        &mut self,
        now: Nanos,
        held: impl Iterator<Item = (u64, f64)>,
        settings: Settings,
    ) {
        let spacing = settings.pace / 2;
        let is_due = self.points.last().is_none_or(|last| now >= last.0.saturating_add(spacing));
        if is_due && self.points.len() < MOST_POINTS {
            let (bytes, variances): (Vec<u64>, Vec<f64>) = held.unzip();
            self.points.push((now, bytes.into()));
            self.variances = variances.into();
        }
    }

    /// Whether the look may end: it has lasted, or enough is named.
    pub(super) fn are_complete(&self, now: Nanos, growing: &Growing, settings: Settings) -> bool {
        let explained: f64 = self.named().iter().map(|named| named.rate.low).sum();
        now.saturating_sub(self.began) >= settings.longest_look()
            || (!self.points.is_empty() && explained >= growing.rate.middle * ENOUGH)
    }

    /// The stacks that grow, fastest first.
    pub(in crate::engine) fn named(&self) -> Vec<Named> {
        let settled = &self.points[self.points.len() / SETTLING..];
        let (Some(first), Some(last)) = (self.points.first(), settled.last()) else {
            return Vec::new();
        };
        if self.points.len() < LEAST_POINTS {
            return Vec::new();
        }
        let held = |point: &(Nanos, Box<[u64]>), number| point.1.get(number).copied().unwrap_or(0);
        let place = |point: &(Nanos, Box<[u64]>), number| {
            let time = point.0.saturating_sub(first.0) as f64 / SECOND as f64;
            (time, held(point, number) as f64)
        };
        let rises = |number: &usize| held(last, *number) > held(&settled[0], *number);
        let mut named: Vec<Named> = (0..last.1.len())
            .filter(rises)
            .filter_map(|number| {
                let points: Vec<_> = settled.iter().map(|point| place(point, number)).collect();
                let variance = self.variances.get(number).copied().unwrap_or(0.0);
                let rate = widened(slope(&points)?, &points, variance);
                if rate.low <= 0.0 {
                    return None;
                }
                let gained = held(last, number).saturating_sub(held(first, number));
                let range = (variance > 0.0).then(|| gained_around(gained as f64, variance));
                Some(Named { number: number as u32, rate, gained, range })
            })
            .collect();
        named.sort_by(|a, b| b.rate.middle.total_cmp(&a.rate.middle));
        named.truncate(MOST_NAMED);
        named
    }

    /// By how much pages became more that each stack touched first, most first, given what there is now, where pages were
    /// taken at levels up to `level`.
    pub(in crate::engine) fn touched_since(
        &self,
        now: &BTreeMap<u32, Estimate>,
        level: u8,
    ) -> Vec<Gained> {
        let gained = |(&number, now): (&u32, &Estimate)| {
            let before = self.touched.get(&number).copied().unwrap_or_default();
            let gained = whole(now).saturating_sub(whole(&before));
            let interval = || now.beyond(&before, unseen(level, PAGE as f64));
            let confidence = (level > 0).then(|| Confidence::of(interval()));
            Gained { number, gained, confidence }
        };
        let mut gained: Vec<Gained> = now.iter().map(gained).filter(|it| it.gained > 0).collect();
        gained.sort_by_key(|it| (std::cmp::Reverse(it.gained), it.number));
        gained.truncate(MOST_NAMED);
        gained
    }
}

/// Where what samples say was gained lies, with so much variance for each byte of it.
fn gained_around(gained: f64, variance: f64) -> Confidence {
    Confidence::of(Estimate::summed(gained, gained * variance, 0).interval(0.0))
}

#[cfg(test)]
mod tests {
    use super::{Estimate, Findings, Gained, Growing, MOST_POINTS};
    use crate::engine::alerts::Rate;
    use crate::engine::trend::Band;
    use crate::engine::zoom::Settings;
    use crate::model::ids::SECOND;
    use std::collections::BTreeMap;

    const SETTINGS: Settings = Settings {
        growth: Rate { bytes: 1 << 20, per: 60 * SECOND },
        pace: 5 * SECOND,
        budget: None,
    };

    fn growing(by: f64) -> Growing {
        Growing { rate: Band { low: by, middle: by, high: by }, ..Growing::default() }
    }

    fn with(held: &[u64]) -> impl Iterator<Item = (u64, f64)> {
        held.iter().map(|bytes| (*bytes, 0.0))
    }

    /// Looks once a second at stacks that hold what `held` says at each second.
    fn after(seconds: u64, held: impl Fn(u64) -> Vec<u64>) -> Findings {
        let mut findings = Findings::new(0, BTreeMap::new());
        (0..=seconds).for_each(|at| findings.add(at * SECOND, with(&held(at)), SETTINGS));
        findings
    }

    #[test]
    fn who_grows_is_named_and_who_only_fills_or_sways_is_not() {
        let held = |at: u64| vec![at * 1000, 50_000 * at.min(5), at % 7 * 9000, at * 3000, 70];
        let findings = after(30, held);
        let named: Vec<_> = findings.named().iter().map(|it| (it.number, it.gained)).collect();
        assert_eq!(named, [(3, 90_000), (0, 30_000)]);
        assert!(findings.are_complete(30 * SECOND, &growing(4000.0), SETTINGS));
        assert!(
            !findings.are_complete(30 * SECOND, &growing(9000.0), SETTINGS),
            "half of it is not named"
        );
        assert!(findings.are_complete(60 * SECOND, &growing(9000.0), SETTINGS), "it has lasted");
    }

    #[test]
    fn a_look_that_is_too_short_names_nobody() {
        let findings = after(19, |at| vec![at * 1000]);
        assert!(findings.named().is_empty() && !findings.are_complete(0, &growing(1.0), SETTINGS));
        assert!(Findings::new(0, BTreeMap::new()).named().is_empty());
    }

    #[test]
    fn points_are_few() {
        assert_eq!(after(4000, |at| vec![at]).points.len(), MOST_POINTS);
    }

    #[test]
    fn touched_pages_count_from_the_beginning_on() {
        let pages = |all: &[(u32, u64)]| {
            let exact =
                |&(number, pages): &(u32, u64)| (number, Estimate::exact(pages as f64, pages));
            all.iter().map(exact).collect()
        };
        let findings = Findings::new(0, pages(&[(1, 10), (2, 5)]));
        let now = pages(&[(1, 10), (2, 3), (3, 4), (7, 9)]);
        let gained = |number, gained| Gained { number, gained, confidence: None };
        assert_eq!(findings.touched_since(&now, 0), [gained(7, 9), gained(3, 4)]);
        // Not each page is looked at: what there is beyond is less certain than either sum.
        let sampled = |pages: u32| {
            let mut sum = Estimate::default();
            (0..pages).for_each(|_| sum.add(32.0, 1.0, 31.0 / 32.0));
            BTreeMap::from([(1, sum)])
        };
        let since = Findings::new(0, sampled(50)).touched_since(&sampled(100), 5);
        let around = since[0].confidence.unwrap();
        assert_eq!(since[0].gained, 1600);
        assert!(around.low < 1100 && around.high > 2100, "{around:?}");
    }
}
