//! What a program tells of blocks that it samples itself: figures with where the true ones lie, and which stacks
//! are listed.

use super::model::{ToldFigures, ToldOthers};
use crate::engine::sampling::{Sum, Unseen};
use crate::engine::snapshot::{ToldSnapshot, ToldStack};
use std::cmp::Reverse;

/// Whole numbers for a sum.
pub(super) fn figures(sum: &Sum, unseen: Unseen) -> ToldFigures {
    let (bytes_ci, blocks_ci) = sum.confidence(unseen);
    // Casts saturate.
    ToldFigures {
        bytes: sum.bytes.value().round() as u64,
        bytes_ci,
        blocks: sum.blocks.value().round() as u64,
        blocks_ci,
        samples: sum.blocks.samples(),
    }
}

/// The stacks to list, most live bytes first; `top` 0: all, also those with nothing left.
pub(super) fn choose(told: Option<&ToldSnapshot>, top: usize) -> Vec<&ToldStack> {
    let wanted = |stack: &&ToldStack| top == 0 || stack.sums.live.blocks.samples() > 0;
    let all = told.map_or(&[][..], |told| told.stacks.as_slice());
    let mut stacks: Vec<&ToldStack> = all.iter().filter(wanted).collect();
    let bytes = |sum: &Sum| sum.bytes.value().round() as u64;
    stacks.sort_by_key(|it| {
        (Reverse(bytes(&it.sums.live)), Reverse(bytes(&it.sums.allocated)), it.stack)
    });
    if top != 0 {
        stacks.truncate(top);
    }
    stacks
}

/// What lives and is of no listed stack.
pub(super) fn others(told: &ToldSnapshot, listed: &[&ToldStack]) -> ToldOthers {
    let live = |stack: &ToldStack| stack.sums.live.blocks.samples();
    let stacks = |count: usize| count as u64;
    let all = stacks(told.stacks.iter().filter(|stack| live(stack) > 0).count());
    let shown = stacks(listed.iter().filter(|stack| live(stack) > 0).count());
    let bytes = listed.iter().map(|stack| stack.sums.live.bytes.value()).sum::<f64>();
    let samples = listed.iter().fold(0, |sum: u64, stack| sum.saturating_add(live(stack)));
    ToldOthers {
        stacks: all.saturating_sub(shown),
        samples: told.totals.live.blocks.samples().saturating_sub(samples),
        bytes: (told.totals.live.bytes.value() - bytes).max(0.0).round() as u64,
    }
}
