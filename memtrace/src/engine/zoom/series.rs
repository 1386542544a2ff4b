//! What a process has of memory, over seconds and over hours, in a few points.
//!
//! Four series of twelve points: each point of the finest stands for a pace, of the others for eight points of
//! the one before. At the usual pace of five seconds they reach back 55 s, 7 minutes, an hour and 8 hours: a
//! fast leak is seen soon, and a slow one at all, however long the watch has been. A point keeps the least and
//! the most of its time, because a heap that is collected goes up and down: what is left after it grows or does
//! not.

use crate::model::ids::Nanos;
use std::collections::VecDeque;

/// Points of a series.
pub(super) const POINTS: usize = 12;
/// Series.
pub(super) const LEVELS: usize = 4;
/// Points of one series that make one of the next.
pub(super) const FACTOR: u32 = 8;

/// A stretch of time: when it ended, the least and the most bytes in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Point {
    pub(super) time: Nanos,
    pub(super) low: u64,
    pub(super) high: u64,
}

impl Point {
    fn and(self, later: Self) -> Self {
        let (low, high) = (self.low.min(later.low), self.high.max(later.high));
        Self { time: later.time, low, high }
    }
}

/// One series, and the point of it that is being made.
#[derive(Clone, Debug, Default)]
struct Level {
    points: VecDeque<Point>,
    open: Option<Point>,
    parts: u32,
}

impl Level {
    /// Adds a part to the open point; gives that if it is complete.
    fn add(&mut self, part: Point, is_complete: impl FnOnce(u32) -> bool) -> Option<Point> {
        let open = self.open.map_or(part, |open| open.and(part));
        self.parts += 1;
        if !is_complete(self.parts) {
            self.open = Some(open);
            return None;
        }
        (self.open, self.parts) = (None, 0);
        if self.points.len() == POINTS {
            self.points.pop_front();
        }
        self.points.push_back(open);
        Some(open)
    }
}

/// See the file's head.
#[derive(Clone, Debug, Default)]
pub(super) struct Series {
    levels: [Level; LEVELS],
    /// When the last point of the finest series ended.
    ended: Option<Nanos>,
}

impl Series {
    /// The process has so many bytes now. Gives whether a point was completed by that. Times before the last
    /// point's are left out: events may come in any order.
    pub(super) fn push(&mut self, now: Nanos, bytes: u64, pace: Nanos) -> bool {
        let ended = *self.ended.get_or_insert(now);
        if now < ended {
            return false;
        }
        let is_due = now - ended >= pace;
        let mut part = Point { time: now, low: bytes, high: bytes };
        let [finest, coarser @ ..] = &mut self.levels;
        match finest.add(part, |_| is_due) {
            Some(point) => part = point,
            None => return false,
        }
        self.ended = Some(now);
        for level in coarser {
            match level.add(part, |parts| parts == FACTOR) {
                Some(point) => part = point,
                None => break,
            }
        }
        true
    }

    /// The points of a series, 0 being the finest; oldest first.
    pub(super) fn points(&self, level: usize) -> &VecDeque<Point> {
        &self.levels[level].points
    }

    /// The most that coarser series know of the time up to `before`; `None` if that is nothing.
    pub(super) fn most_before(&self, level: usize, before: Nanos) -> Option<u64> {
        let coarser = self.levels.iter().skip(level + 1).flat_map(|level| &level.points);
        coarser.filter(|point| point.time <= before).map(|point| point.high).max()
    }
}

#[cfg(test)]
mod tests {
    use super::{LEVELS, POINTS, Series};
    use proptest::prelude::*;

    #[test]
    fn points_keep_the_least_and_the_most() {
        let mut series = Series::default();
        for (time, bytes) in (0..).zip([5, 9, 1, 7, 3, 4, 8]) {
            series.push(time, bytes, 2);
        }
        let points: Vec<_> = series.points(0).iter().map(|it| (it.time, it.low, it.high)).collect();
        assert_eq!(points, [(2, 1, 9), (4, 3, 7), (6, 4, 8)]);
    }

    proptest! {
        /// Whatever comes, the points are few and in order, and coarse ones hold what fine ones held.
        #[test]
        fn it_is_bounded_and_total(
            looks in prop::collection::vec((any::<u64>(), any::<u64>()), 0..200),
            steps in prop::collection::vec((0..4_u64, any::<u64>()), 0..9000),
        ) {
            let mut series = Series::default();
            for (time, bytes) in looks {
                series.push(time, bytes, 5);
            }
            let mut series = Series::default();
            let (mut now, mut most) = (0, 0);
            for (step, bytes) in steps {
                now += step;
                most = most.max(bytes);
                series.push(now, bytes, 2);
            }
            for level in 0..LEVELS {
                let points = series.points(level);
                prop_assert!(points.len() <= POINTS);
                prop_assert!(points.iter().zip(points.iter().skip(1)).all(|(a, b)| a.time < b.time));
                prop_assert!(points.iter().all(|it| it.low <= it.high && it.high <= most));
            }
            if let (Some(fine), Some(coarse)) = (series.points(0).back(), series.points(1).back()) {
                prop_assert!(coarse.time <= fine.time);
            }
        }
    }
}
