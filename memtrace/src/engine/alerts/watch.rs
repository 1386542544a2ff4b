//! One process and its thresholds: an alert per crossing, and none for what goes up and down around one.

use super::{Crossing, Held, Rate, Thresholds};
use crate::engine::trend::{slope, widened};
use crate::model::ids::{Nanos, SECOND};
use std::collections::VecDeque;

/// Between two alerts of a kind passes so much time, whatever happens.
const LEAST_DISTANCE: Nanos = 60 * SECOND;
/// What is below this share of a threshold has left it: tenths.
const LEFT: u128 = 9;
const TENTHS: u128 = 10;
/// Points over the time in which growth is measured: the slope looks at all pairs of them.
const MOST_POINTS: u64 = 60;
/// Fewer tell nothing: where many processes are watched each is looked at seldom, and the time is longer then.
const LEAST_POINTS: usize = 8;

/// What is remembered of a process for its alerts.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    live: Latch,
    resident: Latch,
    growth: Latch,
    /// Live bytes by time, of the time over which growth is measured.
    points: VecDeque<(Nanos, u64)>,
}

impl Watch {
    /// Looks at the process; gives what it has crossed. `live`: `None` while its blocks are not watched, which crosses
    /// nothing and leaves nothing.
    pub(crate) fn look(
        &mut self,
        thresholds: &Thresholds,
        now: Nanos,
        live: Option<Held>,
        resident: u64,
    ) -> impl Iterator<Item = Crossing> {
        if live.is_none() {
            // What lives after a window begins with nothing: no series with what lived before.
            self.points.clear();
        }
        let crossed = [
            thresholds.live.zip(live).and_then(|(threshold, held)| {
                let bytes = held.bytes;
                let is_crossed = self.live.bytes(now, bytes, threshold);
                is_crossed.then(|| Crossing::Live { bytes, range: held.range(), threshold })
            }),
            thresholds
                .resident
                .filter(|it| self.resident.bytes(now, resident, *it))
                .map(|threshold| Crossing::Resident { bytes: resident, threshold }),
            thresholds
                .growth
                .zip(live)
                .and_then(|(threshold, live)| self.grow(threshold, now, live)),
        ];
        crossed.into_iter().flatten()
    }

    fn grow(&mut self, threshold: Rate, now: Nanos, held: Held) -> Option<Crossing> {
        let spacing = threshold.span() / MOST_POINTS;
        let is_due = |last: &(Nanos, u64)| now > last.0 && now - last.0 >= spacing;
        if !self.points.back().is_none_or(is_due) {
            return None;
        }
        self.points.push_back((now, held.bytes));
        let begin = now.saturating_sub(threshold.span());
        // One point stays that is at least as old as the time is long.
        while self.points.len() > LEAST_POINTS
            && self.points.get(1).is_some_and(|second| second.0 <= begin)
        {
            self.points.pop_front();
        }
        let first = self.points.front()?.0;
        if now - first.min(now) < threshold.span() || self.points.len() < LEAST_POINTS {
            return None;
        }
        let point = |&(time, bytes): &(Nanos, u64)| {
            ((time - first.min(time)) as f64 / SECOND as f64, bytes as f64)
        };
        let points: Vec<_> = self.points.iter().map(point).collect();
        let rate = widened(slope(&points)?, &points, held.variance());
        let limit = threshold.per_second();
        let left = rate.middle < limit * LEFT as f64 / TENTHS as f64;
        let fires = self.growth.step(now, rate.low >= limit, left);
        fires.then_some(Crossing::Growth { rate, threshold })
    }
}

/// Fires once per crossing.
#[derive(Debug, Default)]
struct Latch {
    is_beyond: bool,
    fired: Option<Nanos>,
}

impl Latch {
    fn bytes(&mut self, now: Nanos, value: u64, threshold: u64) -> bool {
        let left = u128::from(value) * TENTHS < u128::from(threshold) * LEFT;
        self.step(now, value >= threshold, left)
    }

    fn step(&mut self, now: Nanos, crossed: bool, left: bool) -> bool {
        if self.is_beyond {
            self.is_beyond = !left;
            return false;
        }
        let is_soon = self.fired.is_some_and(|at| now.saturating_sub(at) < LEAST_DISTANCE);
        if !crossed || is_soon {
            return false;
        }
        (self.is_beyond, self.fired) = (true, Some(now));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::{Crossing, Held, MOST_POINTS, Nanos, Rate, SECOND, Thresholds, Watch};
    use crate::engine::sampling::Estimate;
    use proptest::prelude::*;

    const MINUTE: Nanos = 60 * SECOND;

    fn live(threshold: u64) -> Thresholds {
        Thresholds { live: Some(threshold), ..Thresholds::default() }
    }

    /// Seconds at which there is an alert.
    fn alerts(thresholds: &Thresholds, values: impl IntoIterator<Item = u64>) -> Vec<u64> {
        let mut watch = Watch::default();
        let look = |(second, value)| {
            watch
                .look(thresholds, second * SECOND, Some(Held::exactly(value)), 0)
                .next()
                .map(|_| second)
        };
        (0..).zip(values).filter_map(look).collect()
    }

    #[test]
    fn a_crossing_is_told_once() {
        assert_eq!(alerts(&live(100), [0, 99, 100, 101, 300, 95, 100, 90, 200]), [2]);
        assert_eq!(alerts(&Thresholds::default(), [u64::MAX]), [0; 0]);
    }

    #[test]
    fn one_that_was_left_may_be_crossed_again_but_not_soon() {
        let values = |low: u64| [100, low].into_iter().chain([100; 80]);
        assert_eq!(alerts(&live(100), values(90)), [0], "has not left");
        assert_eq!(alerts(&live(100), values(89)), [0, 60]);
    }

    #[test]
    fn resident_memory_has_its_own() {
        let thresholds = Thresholds { resident: Some(5), ..live(5) };
        let mut watch = Watch::default();
        let mut look = |live, resident| {
            watch.look(&thresholds, 1, Some(Held::exactly(live)), resident).collect::<Vec<_>>()
        };
        assert_eq!(look(4, 7), [Crossing::Resident { bytes: 7, threshold: 5 }]);
        assert_eq!(look(6, 7), [Crossing::Live { bytes: 6, range: None, threshold: 5 }]);
        assert_eq!(look(6, 7), []);
    }

    #[test]
    fn growth_is_told_once_it_lasted() {
        let rate = Rate { bytes: 60_000, per: MINUTE };
        let thresholds = Thresholds { growth: Some(rate), ..Thresholds::default() };
        let grow = |by: u64| (0..200).map(move |second| second * by);
        assert_eq!(alerts(&thresholds, grow(1001)), [60]);
        assert_eq!(alerts(&thresholds, grow(999)), [0; 0]);
        let growth = Some(Rate { bytes: 1000, per: SECOND });
        let by_the_second = Thresholds { growth, ..Thresholds::default() };
        assert_eq!(alerts(&by_the_second, grow(1001)), [10]);
        // A step is no growth, and neither is a saw.
        assert_eq!(alerts(&thresholds, (0..200).map(|at| u64::from(at > 90) << 40)), [0; 0]);
        assert_eq!(alerts(&thresholds, (0..200).map(|at| at % 10 * 50_000)), [0; 0]);
        let mut watch = Watch::default();
        let look = |(at, value): (u64, u64)| {
            watch.look(&thresholds, at * SECOND, Some(Held::exactly(value)), 0).next()
        };
        let Some(Crossing::Growth { rate: found, threshold }) =
            (0..).zip(grow(2000)).find_map(look)
        else {
            panic!("no alert")
        };
        assert_eq!((found.low, found.middle, found.high), (2000.0, 2000.0, 2000.0));
        assert_eq!(threshold, rate);
    }

    /// What is known to a tenth of itself seems to grow and shrink by that.
    #[test]
    fn growth_by_samples_has_to_be_beyond_what_chance_does() {
        let growth = Some(Rate { bytes: 1000, per: SECOND });
        let thresholds = Thresholds { growth, ..Thresholds::default() };
        let alert = |weight: f64| {
            let mut watch = Watch::default();
            (0..30_u64).find_map(|second| {
                let bytes = second * 1100;
                let variance = weight * bytes as f64;
                let estimate = Estimate::summed(bytes as f64, variance, 100);
                let held = Held { bytes, sampled: Some((estimate, 1)) };
                watch.look(&thresholds, second * SECOND, Some(held), 0).next()
            })
        };
        let Some(Crossing::Growth { rate, .. }) = alert(0.5) else { panic!("no alert") };
        assert!(rate.low < rate.middle && rate.middle < rate.high, "{rate:?}");
        assert_eq!(alert(10_000.0), None);
    }

    /// Windows: a pause is no fall below the threshold.
    #[test]
    fn what_is_not_watched_is_neither_crossed_nor_left() {
        let mut watch = Watch::default();
        let mut look = |second: u64, live: Option<u64>| {
            watch
                .look(&live_and_growth(), second * SECOND, live.map(Held::exactly), 0)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            look(0, Some(100)),
            [Crossing::Live { bytes: 100, range: None, threshold: 100 }]
        );
        assert_eq!((look(70, None), look(140, Some(100))), (vec![], vec![]));
    }

    fn live_and_growth() -> Thresholds {
        Thresholds { growth: Some(Rate { bytes: 1 << 40, per: SECOND }), ..live(100) }
    }

    #[test]
    fn growth_is_told_of_what_is_looked_at_seldom() {
        let growth = Some(Rate { bytes: 1000, per: SECOND });
        let thresholds = Thresholds { growth, ..Thresholds::default() };
        let mut watch = Watch::default();
        let looks = (0..20).map(|look| look * 20);
        let mut look = |at: u64| {
            watch.look(&thresholds, at * SECOND, Some(Held::exactly(at * 1001)), 0).next().is_some()
        };
        assert_eq!(looks.filter(|at| look(*at)).collect::<Vec<_>>(), [140]);
    }

    proptest! {
        #[test]
        fn nothing_panics_and_points_are_bounded(
            looks in proptest::collection::vec((any::<u64>(), any::<u64>()), 0..100),
            steps in proptest::collection::vec(0..3 * SECOND, 300),
            per in 1..200 * SECOND,
        ) {
            let growth = Some(Rate { bytes: 1, per });
            let thresholds = Thresholds { growth, ..live(3) };
            let mut watch = Watch::default();
            for (time, value) in looks {
                watch.look(&thresholds, time, Some(Held::exactly(value)), value).count();
            }
            let mut watch = Watch::default();
            let mut now = 0;
            for step in steps {
                now += step;
                watch.look(&thresholds, now, Some(Held::exactly(now)), 0).count();
                prop_assert!(watch.points.len() as u64 <= MOST_POINTS + 3);
            }
        }
    }
}
