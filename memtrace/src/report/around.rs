//! Where sums of estimates lie.

use super::model::SumsAround;
use super::resolve::visible;
use crate::engine::sampling::{Confidence, SumAround};
use crate::engine::snapshot::{
    AccountSnapshot, HeapTotals, ProcessSnapshot, StackSnapshot, SumConfidence,
};
use std::collections::BTreeSet;

/// Where what the stacks of an account hold lies that are not listed; `None` if it is no estimate.
pub(super) fn of_account(
    account: &AccountSnapshot,
    listed: &[&StackSnapshot],
) -> Option<SumConfidence> {
    account.totals.confidence?;
    let listed: BTreeSet<u32> = listed.iter().map(|stack| stack.past.number).collect();
    let mut others = SumAround::default();
    for stack in account.stacks.iter().filter(|stack| !listed.contains(&stack.past.number)) {
        if let Some((bytes, blocks)) = stack.all_live {
            others.add((stack.live_bytes, stack.live_blocks), SumConfidence { bytes, blocks });
        }
    }
    Some(others.range())
}

/// Where a part of a heap lies that is known to be a part of what is alive, by bytes or blocks: of independent samples
/// the share of a sum has the root of that share of its uncertainty.
pub(super) fn part(whole: u64, range: Confidence, part: u64, takes: u64) -> Confidence {
    if part == 0 || whole == 0 {
        let unseen = if whole == 0 { range.high } else { 0 };
        return Confidence { low: 0, high: takes.saturating_add(unseen) };
    }
    let factor = (part as f64 / whole as f64).sqrt() * (takes as f64 / part as f64);
    let off = |by: u64| (by as f64 * factor).ceil() as u64;
    Confidence {
        low: takes.saturating_sub(off(whole.saturating_sub(range.low))),
        high: takes.saturating_add(off(range.high.saturating_sub(whole))),
    }
}

/// Where what live blocks take lies.
pub(super) struct UsableAround {
    /// Of those of which it is known.
    pub(super) bytes: Confidence,
    /// The others.
    pub(super) unknown: SumConfidence,
}

/// `None` if it is no estimate.
pub(super) fn usable(heap: &HeapTotals) -> Option<UsableAround> {
    let confidence = heap.confidence?;
    let unknown = (heap.usable.unknown_bytes, heap.usable.unknown_blocks());
    let known = heap.live_bytes.saturating_sub(unknown.0);
    let bytes = |of, takes| part(heap.live_bytes, confidence.live_bytes, of, takes);
    Some(UsableAround {
        bytes: bytes(known, heap.usable.bytes),
        unknown: SumConfidence {
            bytes: bytes(unknown.0, unknown.0),
            blocks: part(heap.live_blocks, confidence.live_blocks, unknown.1, unknown.1),
        },
    })
}

/// Where the sums over a process's stacks lie; `None` if they are no estimates.
pub(super) fn of(process: &ProcessSnapshot, listed: &[&StackSnapshot]) -> Option<SumsAround> {
    process.heap.confidence?;
    let listed: BTreeSet<u32> = listed.iter().map(|stack| stack.past.number).collect();
    let (mut others, mut young, mut filtered) = <(SumAround, SumAround, SumAround)>::default();
    for stack in &process.stacks {
        let parts = stack.parts.unwrap_or_default();
        young.add((stack.young_bytes, stack.young_blocks), parts.young);
        filtered.add((stack.filtered_bytes, stack.filtered_blocks), parts.filtered);
        if let Some(it) = stack.confidence.filter(|_| !listed.contains(&stack.past.number)) {
            let range = SumConfidence { bytes: it.live_bytes, blocks: it.live_blocks };
            others.add(visible(stack), range);
        }
    }
    Some(SumsAround { others: others.range(), young: young.range(), filtered: filtered.range() })
}

#[cfg(test)]
mod tests {
    use super::part;
    use crate::engine::sampling::Confidence;

    #[test]
    fn a_part_is_known_worse_than_the_whole() {
        let range = Confidence { low: 900, high: 1200 };
        let of = |known, takes| {
            let Confidence { low, high } = part(1000, range, known, takes);
            (low, high)
        };
        assert_eq!(of(1000, 1000), (900, 1200));
        assert_eq!(of(1000, 1500), (1350, 1800), "blocks take more than was asked for");
        assert_eq!(of(250, 250), (200, 350), "a quarter: half of the uncertainty");
        assert_eq!(of(0, 0), (0, 0));
        let unseen = part(0, Confidence { low: 0, high: 70 }, 0, 0);
        assert_eq!((unseen.low, unseen.high), (0, 70));
    }
}
