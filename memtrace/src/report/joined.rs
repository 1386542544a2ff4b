//! Several call stacks as one: their figures together. Estimates keep their ranges, as samples of different stacks are
//! drawn independently of each other.

use super::identity::StackDigest;
use super::model::{StackReport, TouchedStackReport};
use super::timeline;
use crate::engine::sampling::SumAround;
use crate::engine::snapshot::{
    Confidence, Growth, PartsConfidence, PeriodFigures, PeriodSum, SampledConfidence, SumConfidence,
};

/// Bytes and blocks.
type Pair = (u64, u64);

/// All of `stacks` as one, with the frames of the first; `None` where there are none. It has the identity of a stack if
/// it is one, and else the default one. How old single blocks are and what the trend is are not told of several.
pub(super) fn joined(stacks: &[StackReport]) -> Option<StackReport> {
    let [first, more @ ..] = stacks else { return None };
    if more.is_empty() {
        return Some(first.clone());
    }
    let sum = |of: fn(&StackReport) -> u64| stacks.iter().map(of).fold(0, u64::saturating_add);
    let pair = |of: fn(&StackReport) -> Pair| -> Pair {
        let add = |sum: Pair, it: Pair| (sum.0.saturating_add(it.0), sum.1.saturating_add(it.1));
        stacks.iter().map(of).fold((0, 0), add)
    };
    let is_same = |of: fn(&StackReport, &StackReport) -> bool| more.iter().all(|it| of(first, it));
    Some(StackReport {
        id: StackDigest::default(),
        function: same(is_same(|a, b| a.function == b.function), &first.function),
        allocator: first.allocator.filter(|_| is_same(|a, b| a.allocator == b.allocator)),
        live_bytes: sum(|it| it.live_bytes),
        live_blocks: sum(|it| it.live_blocks),
        young: pair(|it| it.young),
        filtered: pair(|it| it.filtered),
        parts: parts(stacks),
        unknown: pair(|it| it.unknown),
        perhaps_freed: sum(|it| it.perhaps_freed),
        peak_bytes: sum(|it| it.peak_bytes),
        allocated_bytes: sum(|it| it.allocated_bytes),
        allocated_blocks: sum(|it| it.allocated_blocks),
        freed_bytes: sum(|it| it.freed_bytes),
        freed_blocks: sum(|it| it.freed_blocks),
        oldest_age: stacks.iter().filter_map(|it| it.oldest_age).max(),
        newest_age: stacks.iter().filter_map(|it| it.newest_age).min(),
        sizes: sizes(stacks),
        growth: growth(stacks),
        confidence: confidence(stacks),
        part: if is_same(|a, b| a.part == b.part) { first.part } else { Default::default() },
        period: period(stacks),
        changes: timeline::sum(&stacks.iter().map(|it| &it.changes).collect::<Vec<_>>()),
        end: if is_same(|a, b| a.end == b.end) { first.end } else { Default::default() },
        frames: first.frames.clone(),
        ..StackReport::default()
    })
}

/// Likewise of touched pages.
pub(super) fn joined_pages(stacks: &[TouchedStackReport]) -> Option<TouchedStackReport> {
    let [first, more @ ..] = stacks else { return None };
    if more.is_empty() {
        return Some(first.clone());
    }
    let figures = |it: &TouchedStackReport| [it.live_bytes, it.touched_bytes, it.given_back_bytes];
    let mut sums = [0_u64; 3];
    let mut around = [SumAround::default(); 3];
    for stack in stacks {
        let values = figures(stack);
        let ranges = stack.confidence.unwrap_or_else(|| values.map(exactly));
        for number in 0..3 {
            sums[number] = sums[number].saturating_add(values[number]);
            let range = SumConfidence { bytes: ranges[number], blocks: Confidence::default() };
            around[number].add((values[number], 0), range);
        }
    }
    let is_estimate = stacks.iter().any(|stack| stack.confidence.is_some());
    let [live_bytes, touched_bytes, given_back_bytes] = sums;
    Some(TouchedStackReport {
        id: StackDigest::default(),
        live_bytes,
        touched_bytes,
        given_back_bytes,
        confidence: is_estimate.then(|| around.map(|it| it.range().bytes)),
        end: if more.iter().all(|it| it.end == first.end) { first.end } else { Default::default() },
        frames: first.frames.clone(),
    })
}

/// Where a sum lies of which each summand is known to lie somewhere; `None`: it is exact.
pub(super) fn within(parts: impl Iterator<Item = (Pair, Option<SumConfidence>)>) -> SumConfidence {
    let mut sum = SumAround::default();
    for (value, range) in parts {
        sum.add(value, range.unwrap_or_else(|| certain(value)));
    }
    sum.range()
}

const fn exactly(value: u64) -> Confidence {
    Confidence { low: value, high: value }
}

const fn certain((bytes, blocks): Pair) -> SumConfidence {
    SumConfidence { bytes: exactly(bytes), blocks: exactly(blocks) }
}

fn same(is_same: bool, text: &str) -> String {
    if is_same { text.to_owned() } else { String::new() }
}

fn sizes(stacks: &[StackReport]) -> Option<(u64, u64)> {
    let sizes = stacks.iter().filter_map(|it| it.sizes);
    sizes.reduce(|one, more| (one.0.min(more.0), one.1.max(more.1)))
}

fn growth(stacks: &[StackReport]) -> Growth {
    let bytes = stacks.iter().map(|it| it.growth.bytes).fold(0, i64::saturating_add);
    Growth { bytes, ..Growth::default() }
}

/// Where the figures lie; `None` if none of them is an estimate.
fn confidence(stacks: &[StackReport]) -> Option<SampledConfidence> {
    let samples = stacks.iter().filter_map(|it| Some(it.confidence?.samples));
    let samples = samples.reduce(u64::saturating_add)?;
    let around = |of: fn(&StackReport) -> Pair, range: fn(&SampledConfidence) -> SumConfidence| {
        within(stacks.iter().map(|it| (of(it), it.confidence.as_ref().map(range))))
    };
    let live = around(
        |it| (it.live_bytes, it.live_blocks),
        |it| SumConfidence { bytes: it.live_bytes, blocks: it.live_blocks },
    );
    let allocated = around(
        |it| (it.allocated_bytes, it.allocated_blocks),
        |it| SumConfidence { bytes: it.allocated_bytes, blocks: it.allocated_blocks },
    );
    let freed = around(
        |it| (it.freed_bytes, it.freed_blocks),
        |it| SumConfidence { bytes: it.freed_bytes, blocks: it.freed_blocks },
    );
    let peak = around(
        |it| (it.peak_bytes, 0),
        |it| SumConfidence { bytes: it.peak_bytes, blocks: Confidence::default() },
    );
    Some(SampledConfidence {
        live_bytes: live.bytes,
        live_blocks: live.blocks,
        peak_bytes: peak.bytes,
        allocated_bytes: allocated.bytes,
        allocated_blocks: allocated.blocks,
        freed_bytes: freed.bytes,
        freed_blocks: freed.blocks,
        unknown: around(|it| it.unknown, |it| it.unknown),
        samples,
    })
}

fn parts(stacks: &[StackReport]) -> Option<PartsConfidence> {
    let is_estimate = stacks.iter().any(|it| it.parts.is_some());
    let around = |of: fn(&StackReport) -> Pair, range: fn(&PartsConfidence) -> SumConfidence| {
        within(stacks.iter().map(|it| (of(it), it.parts.as_ref().map(range))))
    };
    is_estimate.then(|| PartsConfidence {
        young: around(|it| it.young, |it| it.young),
        filtered: around(|it| it.filtered, |it| it.filtered),
    })
}

fn period(stacks: &[StackReport]) -> Option<PeriodFigures> {
    let all: Vec<&PeriodFigures> = stacks.iter().filter_map(|it| it.period.as_ref()).collect();
    let sum = |of: fn(&PeriodFigures) -> PeriodSum| {
        let parts = all.iter().map(|it| of(it));
        let range =
            |it: PeriodSum| it.around.map(|(bytes, blocks)| SumConfidence { bytes, blocks });
        let around = within(parts.clone().map(|it| ((it.bytes, it.blocks), range(it))));
        let is_estimate = parts.clone().any(|it| it.around.is_some());
        PeriodSum {
            bytes: parts.clone().map(|it| it.bytes).fold(0, u64::saturating_add),
            blocks: parts.map(|it| it.blocks).fold(0, u64::saturating_add),
            around: is_estimate.then_some((around.bytes, around.blocks)),
        }
    };
    let count =
        |of: fn(&PeriodFigures) -> u64| all.iter().map(|it| of(it)).fold(0, u64::saturating_add);
    (!all.is_empty()).then(|| PeriodFigures {
        allocated: sum(|it| it.allocated),
        kept: sum(|it| it.kept),
        temporary: sum(|it| it.temporary),
        knows_temporary: all.iter().all(|it| it.knows_temporary),
        unfollowed: count(|it| it.unfollowed),
        untold_frees: count(|it| it.untold_frees),
    })
}

#[cfg(test)]
mod tests {
    use super::{Confidence, SampledConfidence, StackDigest, StackReport, joined};
    use crate::report::model::FrameReport;

    fn stack(live_bytes: u64, id: u64) -> StackReport {
        let frames = vec![FrameReport::called("main")];
        StackReport {
            id: StackDigest(id),
            live_bytes,
            live_blocks: 1,
            frames,
            ..Default::default()
        }
    }

    #[test]
    fn one_stays_what_it_is_and_none_is_none() {
        assert!(joined(&[]).is_none());
        assert_eq!(joined(&[stack(5, 7)]).unwrap().id, StackDigest(7));
    }

    #[test]
    fn figures_add_up_and_ranges_as_their_squares_do() {
        let estimate = |live_bytes, off| {
            let range = Confidence { low: live_bytes - off, high: live_bytes + off };
            let confidence =
                SampledConfidence { live_bytes: range, samples: 2, ..Default::default() };
            StackReport { confidence: Some(confidence), ..stack(live_bytes, 1) }
        };
        let sum = joined(&[estimate(100, 30), estimate(200, 40), stack(7, 3)]).unwrap();
        assert_eq!((sum.live_bytes, sum.live_blocks, sum.id), (307, 3, StackDigest(0)));
        let confidence = sum.confidence.unwrap();
        assert_eq!(confidence.live_bytes, Confidence { low: 257, high: 357 });
        assert_eq!(confidence.samples, 4);
        assert!(joined(&[stack(1, 1), stack(2, 2)]).unwrap().confidence.is_none());
    }

    #[test]
    fn extremes_saturate() {
        let sum = joined(&[stack(u64::MAX, 1), stack(u64::MAX, 2)]).unwrap();
        assert_eq!(sum.live_bytes, u64::MAX);
    }
}
