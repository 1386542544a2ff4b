//! What each call stack of an account holds, by age and size: sums that are kept, and a walk over the blocks.

use super::heap::blocks::Block;
use super::heap::counted::Counted;
use super::heap::sampled::{Pair, Sample, Sampled, SampledTally, confidence_of, rounded};
use super::heap::tallies::Tally;
use super::process::Space;
use super::sampling::{Estimate, PartsConfidence, Weight};
use super::snapshot::{BlockSnapshot, Doubtful, SampledConfidence, SnapshotOptions, StackSnapshot};
use super::stacks::{Callee, Stack, Stacks};
use super::trend::{Ages, Births, Freed, Past};
use crate::model::ids::{Nanos, StackId};
use memtrace_common::function::BlockKind;
use std::collections::BinaryHeap;

/// What is known of the stacks without a walk, as it was when it was asked for; those with any block, ever.
#[derive(Debug)]
pub(super) struct Rows {
    rows: Vec<Row>,
    /// The mean interval of the latest sample.
    interval: u64,
}

#[derive(Debug)]
struct Row {
    plain: StackSnapshot,
    /// Freed blocks by class of age.
    freed: Option<Freed>,
    /// What samples stand for, and what that was at the peak.
    estimate: Option<(SampledTally, Estimate)>,
}

/// What is known of the stacks in an account, and what its blocks are to be counted with; `None` where a kind of
/// blocks does not occur.
pub(super) fn rows(
    space: &Space,
    kind: BlockKind,
    stacks: &Stacks,
    time: Nanos,
    options: &SnapshotOptions,
) -> Option<(Rows, Counts)> {
    let live = space.account(kind);
    live.tallies().iter().next()?;
    let mut estimates = live.sampled().map(Sampled::stacks);
    let mut rows = Vec::new();
    for (number, (&id, tally)) in space.stacks().iter().zip(live.tallies().iter()).enumerate() {
        let estimate = estimates.as_mut().and_then(Iterator::next);
        let it = tally.0;
        if it.live_blocks == 0 && it.allocated_blocks == 0 && it.unknown_blocks == 0 {
            continue;
        }
        let period = live.period().map(|period| {
            let interval = live.sampled().map(Sampled::interval);
            let ages = period.ages(number as u32).map(freed_ages);
            Box::new((period.figures(Some(number as u32), interval), ages))
        });
        let plain = StackSnapshot { period, ..plain(space, stacks, (number, id), tally) };
        let estimate = estimate.map(|(tally, at_peak)| (*tally, *at_peak));
        rows.push(Row { plain, freed: live.lifespans().of(number as u32), estimate });
    }
    let interval = live.sampled().map_or(0, Sampled::interval);
    let counts = Counts {
        doubtful_until: live.doubtful_until(),
        ..Counts::new(space, time, options, live.sampled().is_some())
    };
    Some((Rows { rows, interval }, counts))
}

/// A stack with the sums that are kept of it, the last one being its bytes at the peak.
fn plain(
    space: &Space,
    stacks: &Stacks,
    (number, id): (usize, StackId),
    (tally, peak_bytes): (&Tally, u64),
) -> StackSnapshot {
    let stack = stacks.get(id).cloned().unwrap_or_else(|| Stack::unknown(Callee::default()));
    let since = space.history.since(number);
    StackSnapshot {
        stack: id,
        function: stack.callee.function,
        classes: stack.callee.sizing.classes,
        frames: stack.frames,
        end: stack.end,
        live_bytes: tally.live_bytes,
        live_blocks: tally.live_blocks,
        unknown_bytes: tally.unknown_bytes,
        unknown_blocks: tally.unknown_blocks,
        peak_bytes,
        allocated_bytes: tally.allocated_bytes,
        allocated_blocks: tally.allocated_blocks,
        freed_bytes: tally.freed_bytes,
        freed_blocks: tally.freed_blocks,
        growth: space.history.stack_growth(number),
        part: stack.callee.part,
        period: None,
        past: Past { number: number as u32, since, ..Past::default() },
        // From here on the walk says.
        young_bytes: 0,
        young_blocks: 0,
        filtered_bytes: 0,
        filtered_blocks: 0,
        doubtful: Doubtful::default(),
        oldest: None,
        newest: None,
        sizes: None,
        confidence: None,
        all_live: None,
        parts: None,
        blocks: Vec::new(),
    }
}

/// The ages of blocks that were freed, alone.
fn freed_ages(freed: Freed) -> Ages {
    Births::new(0, 0, false).ages(Some(freed)).unwrap_or_default()
}

impl Rows {
    /// How many stacks there are.
    pub(super) const fn len(&self) -> usize {
        self.rows.len()
    }

    /// Together with what a walk over the blocks of the same moment came to.
    pub(super) fn with(self, counts: Counts) -> Vec<StackSnapshot> {
        let mut counts = counts.by_stack;
        let interval = self.interval;
        let one = |Row { plain, freed, estimate }: Row| {
            let count = counts.get_mut(plain.past.number as usize)?;
            let sampled = count.sampled.take().unwrap_or_default();
            let plain = counted(plain, freed, count);
            Some(match estimate {
                Some(estimate) => estimated(plain, interval, &estimate, &sampled),
                None => plain,
            })
        };
        self.rows.into_iter().filter_map(one).collect()
    }
}

/// The same with what its blocks come to.
fn counted(plain: StackSnapshot, freed: Option<Freed>, count: &mut Count) -> StackSnapshot {
    let holds = plain.live_blocks > 0;
    StackSnapshot {
        young_bytes: count.young.bytes,
        young_blocks: count.young.blocks,
        filtered_bytes: count.filtered.bytes,
        filtered_blocks: count.filtered.blocks,
        doubtful: count.doubtful,
        oldest: holds.then_some(count.oldest),
        newest: holds.then_some(count.newest),
        sizes: holds.then_some((count.smallest, count.largest)),
        past: Past {
            ages: count.births.ages(freed),
            cohorts: count.births.cohorts(),
            ..plain.past
        },
        blocks: oldest_first(std::mem::take(&mut count.blocks)),
        ..plain
    }
}

/// The same with what the samples stand for.
fn estimated(
    plain: StackSnapshot,
    interval: u64,
    (tally, at_peak): &(SampledTally, Estimate),
    count: &SampledCount,
) -> StackSnapshot {
    let both = |pair: &Pair| (rounded(&pair.bytes), rounded(&pair.blocks));
    let (visible, young, filtered) =
        (both(&count.visible), both(&count.young), both(&count.filtered));
    let (allocated, freed) = (both(&tally.allocated), both(&tally.freed));
    let unknown = both(&tally.unknown);
    // Samples that are alive are told of all, as blocks are listed.
    let samples = tally.live.blocks.samples();
    let parts = [&count.visible, &tally.allocated, &tally.freed, &tally.unknown];
    let confidence = confidence_of(interval, at_peak, parts);
    StackSnapshot {
        // By parts, so that these add up.
        live_bytes: visible.0.saturating_add(young.0).saturating_add(filtered.0),
        live_blocks: visible.1.saturating_add(young.1).saturating_add(filtered.1),
        unknown_bytes: unknown.0,
        unknown_blocks: unknown.1,
        young_bytes: young.0,
        young_blocks: young.1,
        filtered_bytes: filtered.0,
        filtered_blocks: filtered.1,
        peak_bytes: rounded(at_peak),
        allocated_bytes: allocated.0,
        allocated_blocks: allocated.1,
        freed_bytes: freed.0,
        freed_blocks: freed.1,
        confidence: Some(SampledConfidence { samples, ..confidence }),
        all_live: Some(tally.live.confidence(interval)),
        parts: Some(PartsConfidence {
            young: tally.allocated.part_confidence(&count.young, interval),
            filtered: tally.allocated.part_confidence(&count.filtered, interval),
        }),
        ..plain
    }
}

/// Blocks counted by the number of their stack.
#[derive(Debug)]
pub(super) struct Counts {
    by_stack: Vec<Count>,
    time: Nanos,
    /// Blocks that were born until then may have been freed unseen.
    doubtful_until: Option<Nanos>,
    options: SnapshotOptions,
}

impl Counts {
    fn new(space: &Space, time: Nanos, options: &SnapshotOptions, are_sampled: bool) -> Self {
        let empty = |number| {
            let births = Births::new(space.history.since(number), time, are_sampled);
            Count::none(births, are_sampled.then(Box::default))
        };
        let by_stack = (0..space.stacks().len()).map(empty).collect();
        Self { by_stack, time, doubtful_until: None, options: *options }
    }

    #[inline]
    pub(super) fn add(&mut self, block: &Block) {
        if let Some(count) = self.by_stack.get_mut(block.stack as usize) {
            count.add(block, self.time, &self.options);
            if Some(block.born) <= self.doubtful_until {
                count.doubt(block);
            }
        }
    }
}

/// What one stack's live blocks come to. The first four are meaningless without any.
#[derive(Clone, Debug)]
struct Count {
    oldest: Nanos,
    newest: Nanos,
    smallest: u64,
    largest: u64,
    young: Counted,
    filtered: Counted,
    doubtful: Doubtful,
    births: Births,
    /// Birth, address and size of the oldest ones; the youngest of them is on top.
    blocks: BinaryHeap<(Nanos, u64, u64)>,
    /// What they stand for, where they are samples.
    sampled: Option<Box<SampledCount>>,
}

#[derive(Clone, Debug, Default)]
struct SampledCount {
    visible: Pair,
    young: Pair,
    filtered: Pair,
}

impl Count {
    const fn none(births: Births, sampled: Option<Box<SampledCount>>) -> Self {
        Self {
            oldest: Nanos::MAX,
            newest: 0,
            smallest: u64::MAX,
            largest: 0,
            young: Counted::NONE,
            filtered: Counted::NONE,
            doubtful: Doubtful { blocks: 0, bytes: 0, largest: 0 },
            births,
            blocks: BinaryHeap::new(),
            sampled,
        }
    }

    #[inline]
    fn add(&mut self, block: &Block, time: Nanos, options: &SnapshotOptions) {
        self.oldest = self.oldest.min(block.born);
        self.newest = self.newest.max(block.born);
        self.smallest = self.smallest.min(block.size);
        self.largest = self.largest.max(block.size);
        self.births.add(block.born, || Weight::of(block.size, block.interval).blocks);
        let is_young = time.saturating_sub(block.born) < options.min_age;
        let is_filtered =
            block.size < options.min_size || options.max_size.is_some_and(|max| block.size > max);
        if let Some(sampled) = &mut self.sampled {
            let pair = match (is_young, is_filtered) {
                (true, _) => &mut sampled.young,
                (_, true) => &mut sampled.filtered,
                _ => &mut sampled.visible,
            };
            pair.add(&Sample::of(block));
        }
        if is_young {
            self.young.add(block);
        } else if is_filtered {
            self.filtered.add(block);
        } else if options.blocks_per_stack > 0 {
            self.list(block, options.blocks_per_stack);
        }
    }

    fn doubt(&mut self, block: &Block) {
        let bytes = match block.interval {
            0 => block.size,
            interval => Weight::of(block.size, interval).bytes.ceil() as u64,
        };
        let Doubtful { blocks, bytes: sum, largest } = self.doubtful;
        self.doubtful = Doubtful {
            blocks: blocks + 1,
            bytes: sum.saturating_add(bytes),
            largest: largest.max(bytes),
        };
    }

    fn list(&mut self, block: &Block, most: usize) {
        let row = (block.born, block.address, block.size);
        if self.blocks.len() < most {
            self.blocks.push(row);
        } else if let Some(mut youngest) = self.blocks.peek_mut()
            && row < *youngest
        {
            *youngest = row;
        }
    }
}

fn oldest_first(blocks: BinaryHeap<(Nanos, u64, u64)>) -> Vec<BlockSnapshot> {
    let block = |(born, address, size)| BlockSnapshot { address, size, born };
    blocks.into_sorted_vec().into_iter().map(block).collect()
}
