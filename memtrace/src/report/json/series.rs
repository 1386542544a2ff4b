//! Memory of a process at some moments, in JSON: columns of the same length.

use super::convert::ends;
use crate::report::timeline::MemoryPoint;
use crate::report::units::seconds;
use serde::Serialize;

/// Most moments: a report of many processes must not become long by them.
pub(super) const MOST: usize = 64;

#[derive(Serialize)]
pub(super) struct Series {
    since_start_s: Vec<f64>,
    rss_bytes: Vec<Option<u64>>,
    heap_live_bytes: Vec<Option<u64>>,
    /// Left out where none of them is an estimate.
    #[serde(skip_serializing_if = "Option::is_none")]
    heap_live_bytes_ci95: Option<Vec<Option<[u64; 2]>>>,
    mapped_live_bytes: Vec<Option<u64>>,
}

impl Series {
    /// At most [`MOST`] of the moments, the first and the last among them.
    pub(super) fn of(points: &[MemoryPoint]) -> Self {
        let chosen: Vec<&MemoryPoint> = numbers(points.len()).map(|at| &points[at]).collect();
        let column = |of: fn(&MemoryPoint) -> Option<u64>| chosen.iter().copied().map(of).collect();
        let range = |point: &&MemoryPoint| point.heap.and(point.heap_range).map(ends);
        let ranges: Vec<_> = chosen.iter().map(range).collect();
        Self {
            since_start_s: chosen.iter().map(|point| seconds(point.since_start)).collect(),
            rss_bytes: column(|point| point.resident),
            heap_live_bytes: column(|point| point.heap),
            heap_live_bytes_ci95: ranges.iter().any(Option::is_some).then_some(ranges),
            mapped_live_bytes: column(|point| point.mapped),
        }
    }
}

/// Numbers of at most [`MOST`] of `count` places, as evenly spread as can be.
fn numbers(count: usize) -> impl Iterator<Item = usize> {
    let wanted = count.min(MOST);
    (0..wanted).map(move |number| number * (count - 1) / (wanted - 1).max(1))
}

#[cfg(test)]
mod tests {
    use super::{MOST, numbers};

    #[test]
    fn few_moments_are_all_there() {
        for count in [0, 1, 2, 48, MOST] {
            assert_eq!(numbers(count).collect::<Vec<_>>(), (0..count).collect::<Vec<_>>());
        }
    }

    #[test]
    fn of_many_the_ends_are_there_and_none_is_twice() {
        for count in [MOST + 1, 80, 1000] {
            let chosen: Vec<usize> = numbers(count).collect();
            assert_eq!(chosen.len(), MOST);
            assert_eq!((chosen[0], chosen[MOST - 1]), (0, count - 1));
            assert!(chosen.is_sorted_by(|a, b| a < b));
        }
    }
}
