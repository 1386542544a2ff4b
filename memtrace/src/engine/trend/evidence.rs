//! Evidence from snapshots: of a call stack, of a whole heap, and of resident memory.

use super::judge::{Evidence, recent_slope};
use super::slope::NORMAL;
use super::survival::Lifetimes;
use super::{Ages, Band, COHORTS};
use crate::engine::sampling::{Confidence, SampledConfidence};
use crate::engine::snapshot::{ProcessSnapshot, StackSnapshot};
use crate::model::ids::Nanos;
use serde::{Deserialize, Serialize};

/// What a snapshot knows of a stack's past beside its sums.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Past {
    /// Its place in each [`crate::engine::history::Point::stacks`].
    pub number: u32,
    /// From when on it was watched: the last point at which it did not exist.
    pub since: Nanos,
    /// How old its blocks became and are; `None` where there was no room for that.
    pub ages: Option<Ages>,
    /// Live blocks by the part of that watch in which they were born.
    pub cohorts: [u32; COHORTS],
}

/// For how long what is held has been watched without a gap, `since` when it is known. Lifetimes say nothing
/// where there were gaps: those are missing whose ends came in one, the longest.
fn watched(process: &ProcessSnapshot, since: Nanos) -> Nanos {
    if process.windows.is_open() { process.until.saturating_sub(since) } else { 0 }
}

/// Samples that are alive: where they are all new, with none half a watch before, it takes six of them to tell that
/// from chance at 5 % (a sign test: 2 · 2⁻⁶ = 3 %).
const LEAST_SAMPLES: u64 = 6;

/// Whether what the stack holds is an estimate by too few samples. One that is sure, as large blocks are taken always,
/// is none.
fn is_vague(samples: SampledConfidence, (all, _): (Confidence, Confidence)) -> bool {
    samples.samples < LEAST_SAMPLES && all.low < all.high / 2
}

/// The variance of an estimate of bytes, for each byte of it, from where it lies in 95 of 100 cases. The bounds are no
/// less than nought and what was seen: what is left of them on the other side tells more.
fn variance_per_byte(bytes: Confidence) -> f64 {
    let (low, high) = (bytes.low as f64, bytes.high as f64);
    let middle = f64::midpoint(low, high);
    let deviation = (high - low) / 2.0 / NORMAL;
    if middle > 0.0 { deviation * deviation / middle } else { 0.0 }
}

/// The evidence on a stack of `process`.
#[must_use]
pub fn of_stack(process: &ProcessSnapshot, stack: &StackSnapshot) -> Evidence {
    let Past { number, since, ages, cohorts } = &stack.past;
    let points = process.history.iter().filter(|point| point.time >= *since);
    let held = points.map(|point| {
        let bytes = point.stacks.get(*number as usize).copied().unwrap_or(0);
        (point.time, bytes)
    });
    Evidence {
        watched: watched(process, *since),
        held: series(held, *since, process.until, stack.live_bytes),
        lifetimes: ages.as_ref().map(Ages::lifetimes).filter(|_| process.windows.are_whole()),
        cohorts: cohorts.map(u64::from),
        allocated: (stack.allocated_bytes, stack.allocated_blocks),
        is_vague: stack.confidence.zip(stack.all_live).is_some_and(|(it, all)| is_vague(it, all)),
        variance: stack.all_live.map_or(0.0, |(bytes, _)| variance_per_byte(bytes)),
    }
}

/// The evidence on the heap of `process` as a whole.
#[must_use]
pub fn of_heap(process: &ProcessSnapshot) -> Evidence {
    if process.story.is_some() {
        return of_no_heap(process);
    }
    let mut lifetimes = Lifetimes::default();
    for ages in process.stacks.iter().filter_map(|stack| stack.past.ages.as_ref()) {
        ages.add_to(&mut lifetimes);
    }
    let since = process.windows.known_since().max(process.seen);
    let points = process.history.iter().filter(|point| point.time >= since);
    let held = points.map(|point| (point.time, point.heap));
    let has_lifetimes = process.untold_frees == 0 && process.windows.are_whole();
    Evidence {
        watched: watched(process, since),
        held: series(held, since, process.until, process.heap.live_bytes),
        lifetimes: has_lifetimes.then_some(lifetimes),
        // Of a mix of stacks the curve may be flat by chance: whose blocks stay is asked of each.
        cohorts: [0; COHORTS],
        allocated: (process.heap.allocated_bytes, process.heap.allocated_blocks),
        // There is a figure of its own for what it may have gained at most.
        is_vague: false,
        variance: process.heap.confidence.map_or(0.0, |it| variance_per_byte(it.live_bytes)),
    }
}

/// Where blocks are seen in closer looks alone they are no account of the heap: what is to be judged is memory, as if
/// there were no heap.
fn of_no_heap(process: &ProcessSnapshot) -> Evidence {
    let held = process.history.iter().map(|point| (point.time, 0));
    Evidence {
        watched: process.until.saturating_sub(process.seen),
        held: series(held, process.seen, process.until, 0),
        lifetimes: Some(Lifetimes::default()),
        ..Evidence::default()
    }
}

/// The slope of resident memory over the later half of the watch.
#[must_use]
pub fn resident_slope(process: &ProcessSnapshot) -> Option<Band> {
    let points = process.history.iter();
    let held = points
        .filter_map(|point| Some((point.time.saturating_sub(process.seen), point.resident?)))
        .collect();
    let watched = process.until.saturating_sub(process.seen);
    recent_slope(&Evidence { watched, held, ..Evidence::default() })
}

/// Bytes held at times since the watch began; the last one is now.
fn series(
    points: impl Iterator<Item = (Nanos, u64)>,
    since: Nanos,
    until: Nanos,
    now: u64,
) -> Vec<(Nanos, u64)> {
    let before = points.filter(|(time, _)| *time < until);
    before.chain([(until, now)]).map(|(time, bytes)| (time.saturating_sub(since), bytes)).collect()
}

#[cfg(test)]
mod tests {
    use super::is_vague;
    use crate::engine::sampling::{Confidence, SampledConfidence};

    #[test]
    fn few_samples_are_vague_unless_they_are_sure() {
        let of = |samples, low, high| {
            let bytes = Confidence { low, high };
            is_vague(SampledConfidence { samples, ..SampledConfidence::default() }, (bytes, bytes))
        };
        assert!(of(1, 25, 5570) && of(5, 1620, 11_670));
        assert!(!of(6, 2200, 13_060), "six that are all new are no chance");
        assert!(!of(1, 8_000_000, 8_000_000), "a block that is always taken");
    }
}
