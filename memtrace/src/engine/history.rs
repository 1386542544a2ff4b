//! Growth series: a few points over the whole watch, and what they say.

use super::snapshot::{Confidence, Growth};
use crate::model::ids::{Nanos, SECOND};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Most points that a series keeps: the later half of them is what a trend is judged by, and of a dozen
/// points upwards its interval is narrow enough to say something.
pub const MOST_POINTS: usize = 48;

/// The values of a process at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    /// When.
    pub time: Nanos,
    /// Live bytes of the heap.
    pub heap: u64,
    /// Where these lie, where they are an estimate.
    pub heap_range: Option<Confidence>,
    /// Live bytes of functions that the user describes.
    pub pools: u64,
    /// Live bytes of memory of devices.
    pub device: u64,
    /// Mapped bytes, of mappings that were seen to be made.
    pub mapped: u64,
    /// Resident bytes; `None` before they were read.
    pub resident: Option<u64>,
    /// Live bytes by stack; stacks that came later held none.
    pub stacks: Box<[u64]>,
}

/// The series of a process: the first point, the newest, and evenly spaced ones between.
///
/// When it is full every second point goes and the spacing doubles. A newest point that is not on
/// the spacing gives way to the next one.
#[derive(Clone, Debug)]
pub(crate) struct History {
    /// Shared with snapshots.
    points: Vec<Arc<Point>>,
    /// Points pushed so far; the newest has number `pushed - 1`.
    pushed: u32,
    /// Points whose number is a multiple of this stay.
    spacing: u32,
    /// What blocks hold at points before this makes no series with what they hold later.
    blocks_from: Nanos,
}

impl History {
    pub(crate) fn new(first: Point) -> Self {
        Self { blocks_from: first.time, points: vec![Arc::new(first)], pushed: 1, spacing: 1 }
    }

    /// Marks since the first point.
    pub(crate) const fn marks(&self) -> u32 {
        self.pushed - 1
    }

    pub(crate) fn push(&mut self, point: Point) {
        let newest_stays = self.marks().is_multiple_of(self.spacing);
        if !newest_stays {
            self.points.pop();
        }
        self.points.push(Arc::new(point));
        self.pushed = self.pushed.saturating_add(1);
        if self.points.len() > MOST_POINTS {
            self.thin();
        }
    }

    /// What blocks hold begins anew with this point; resident memory goes on.
    pub(crate) fn restart(&mut self, point: Point) {
        self.blocks_from = point.time;
        let resident = self.points.last().and_then(|last| last.resident);
        self.push(Point { resident, ..point });
    }

    /// The points from which on what blocks hold makes a series.
    fn of_blocks(&self) -> impl Iterator<Item = &Arc<Point>> {
        self.points.iter().filter(|point| point.time >= self.blocks_from)
    }

    /// The resident set as first read belongs to the first point, which was made before.
    pub(crate) fn first_resident(&mut self, bytes: u64) {
        if let Some(first) = self.points.first_mut().filter(|first| first.resident.is_none()) {
            Arc::make_mut(first).resident = Some(bytes);
        }
    }

    /// The points, oldest first.
    pub(super) fn points(&self) -> &[Arc<Point>] {
        &self.points
    }

    /// From when on a stack was watched: the last point before it came, or the first of all.
    pub(crate) fn since(&self, stack: usize) -> Nanos {
        let before = self.points.partition_point(|point| point.stacks.len() <= stack);
        let before = self.points.get(before.saturating_sub(1)).map_or(0, |point| point.time);
        before.max(self.blocks_from)
    }

    pub(crate) fn heap_growth(&self) -> Growth {
        growth(self.of_blocks().map(|point| (point.time, point.heap)))
    }

    pub(crate) fn pools_growth(&self) -> Growth {
        growth(self.of_blocks().map(|point| (point.time, point.pools)))
    }

    pub(crate) fn device_growth(&self) -> Growth {
        growth(self.of_blocks().map(|point| (point.time, point.device)))
    }

    /// Over the points at which it is known.
    pub(crate) fn resident_growth(&self) -> Growth {
        growth(self.points.iter().filter_map(|point| Some((point.time, point.resident?))))
    }

    pub(crate) fn stack_growth(&self, stack: usize) -> Growth {
        let bytes = |point: &Arc<Point>| point.stacks.get(stack).copied().unwrap_or(0);
        growth(self.of_blocks().map(|point| (point.time, bytes(point))))
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        let point = |point: &Arc<Point>| size_of::<Point>() + size_of_val(&*point.stacks);
        self.points.iter().map(point).sum()
    }

    /// Drops every second point. The newest of an odd number of points stays.
    fn thin(&mut self) {
        let mut place = 0;
        self.points.retain(|_| {
            place += 1;
            place % 2 == 1
        });
        self.spacing = self.spacing.saturating_mul(2);
    }
}

const _: () = assert!(MOST_POINTS.is_multiple_of(2));

/// What a series of (time, bytes) says: the mean slope from the first to the last point, and in how
/// many intervals it rose. Nothing is said before two points at different times exist.
pub fn growth(points: impl IntoIterator<Item = (Nanos, u64)>) -> Growth {
    let mut points = points.into_iter();
    let Some(first) = points.next() else { return Growth::default() };
    let (mut last, mut up, mut of) = (first, 0, 0);
    for point in points {
        up += u32::from(point.1 > last.1);
        of += 1;
        last = point;
    }
    let bytes = i64::try_from(i128::from(last.1) - i128::from(first.1));
    let bytes = bytes.unwrap_or(if last.1 > first.1 { i64::MAX } else { i64::MIN });
    let elapsed = last.0.saturating_sub(first.0);
    let slope = || bytes as f64 / (elapsed as f64 / SECOND as f64);
    Growth { bytes_per_second: (elapsed > 0).then(slope), bytes, up, of }
}

#[cfg(test)]
mod tests {
    use super::{History, MOST_POINTS, Point, growth};
    use crate::engine::snapshot::Growth;
    use crate::model::ids::SECOND;
    use proptest::prelude::*;

    fn point(number: u64) -> Point {
        let stacks = (0..number / 4).map(|stack| stack + number).collect();
        let (time, heap, pools, device) = (number * SECOND, number * 10, number, number * 3);
        Point { time, heap, pools, device, stacks, ..Point::default() }
    }

    #[test]
    fn growth_is_from_the_first_to_the_last_point() {
        assert_eq!(growth([]), Growth::default());
        assert_eq!(growth([(5, 7)]), Growth::default());
        let up_and_down = growth([(0, 100), (SECOND, 300), (2 * SECOND, 300), (4 * SECOND, 20)]);
        let expected = Growth { bytes_per_second: Some(-20.0), bytes: -80, up: 1, of: 3 };
        assert_eq!(up_and_down, expected);
    }

    #[test]
    fn extremes_do_not_overflow() {
        assert_eq!(growth([(0, 0), (1, u64::MAX)]).bytes, i64::MAX);
        assert_eq!(growth([(1, u64::MAX), (0, 0)]).bytes, i64::MIN);
        assert_eq!(growth([(1, 1), (1, 2)]).bytes_per_second, None);
    }

    #[test]
    fn resident_counts_where_it_is_known() {
        let mut history = History::new(point(0));
        history.push(Point { resident: Some(50), ..point(1) });
        assert_eq!(history.resident_growth(), Growth::default());
        history.first_resident(20);
        history.first_resident(40);
        assert_eq!(history.resident_growth().bytes, 30);
    }

    proptest! {
        #[test]
        fn a_long_series_keeps_ends_and_even_spacing(marks in 0_u64..1000) {
            let mut history = History::new(point(0));
            for number in 1..=marks {
                history.push(point(number));
            }
            prop_assert_eq!(u64::from(history.marks()), marks);
            let times: Vec<u64> = history.points.iter().map(|p| p.time / SECOND).collect();
            prop_assert!(times.len() <= MOST_POINTS);
            prop_assert!(marks < MOST_POINTS as u64 / 2 || times.len() > MOST_POINTS / 2);
            prop_assert_eq!((times[0], times[times.len() - 1]), (0, marks));
            let spacing = u64::from(history.spacing);
            for (place, time) in times[..times.len() - 1].iter().enumerate() {
                prop_assert_eq!(*time, place as u64 * spacing);
            }
            let expected = growth(times.iter().map(|t| (t * SECOND, t * 10)));
            prop_assert_eq!(history.heap_growth(), expected);
            let expected = growth(times.iter().map(|t| (t * SECOND, *t)));
            prop_assert_eq!(history.pools_growth(), expected);
            let expected = growth(times.iter().map(|t| (t * SECOND, t * 3)));
            prop_assert_eq!(history.device_growth(), expected);
            let stack = growth(times.iter().map(|t| (t * SECOND, if t / 4 > 3 { t + 3 } else { 0 })));
            prop_assert_eq!(history.stack_growth(3), stack);
        }
    }
}
