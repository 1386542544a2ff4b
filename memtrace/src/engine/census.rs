//! One walk over an address space's blocks: what each call stack holds, by age and size.

use super::allocator_code::AllocatorCode;
use super::heap::blocks::Block;
use super::heap::live::LiveHeap;
use super::heap::ranges::RangeKind;
use super::heap::sampled::{Pair, Sample, Sampled, SampledTally, rounded};
use super::process::{Process, Space};
use super::sampling::{Estimate, Weight};
use super::snapshot::{
    AccountSnapshot, BlockSnapshot, MappedStack, ProcessSnapshot, SampledConfidence,
    SnapshotOptions, StackSnapshot, State, TouchedStack,
};
use super::stacks::{Callee, Stack, Stacks};
use super::telling::told_snapshot;
use super::trend::{Births, Past};
use crate::model::ids::Nanos;
use std::collections::{BTreeMap, BinaryHeap};

/// What all processes' snapshots are made with.
#[derive(Clone, Copy)]
pub(super) struct Stores<'a> {
    pub(super) stacks: &'a Stacks,
    pub(super) code: &'a AllocatorCode,
}

/// A process as it is at `time`. A process that only borrows its address space shows none of it.
pub(super) fn process_snapshot(
    process: &Process,
    space: Option<&Space>,
    stores: Stores<'_>,
    time: Nanos,
    options: &SnapshotOptions,
) -> ProcessSnapshot {
    let stacks = stores.stacks;
    // A dead process's blocks do not grow older.
    let until = if process.state == State::Running { time } else { process.ended };
    let mut snapshot = ProcessSnapshot {
        info: process.info.clone(),
        state: process.state,
        seen: process.seen,
        until,
        windows: process.windows,
        usage_first: process.usage_first,
        usage_last: process.usage_last,
        picture: process.picture,
        story: process.zoom.as_ref().map(|zoom| Box::new(zoom.snapshot(until))),
        unseen_vforks: process.unseen_vforks,
        untraced_children: process.untraced_children,
        ..ProcessSnapshot::default()
    };
    if let Some(space) = space.filter(|_| process.owns_space) {
        snapshot.heap = space.heap.totals();
        snapshot.mappings = space.ranges.totals();
        snapshot.intervals = space.history.marks();
        snapshot.growth = space.history.heap_growth();
        snapshot.resident_growth = space.history.resident_growth();
        snapshot.history = space.history.points().into();
        snapshot.untold_frees = space.heap.lifespans().untold();
        snapshot.stacks = stack_snapshots(&space.heap, space, stacks, until, options);
        snapshot.mapped = mapped_stacks(process, space, stores);
        snapshot.touched = space.touched.totals();
        snapshot.touched_stacks = touched_stacks(space, stacks);
        snapshot.told = told_snapshot(space, stacks);
        snapshot.pools = AccountSnapshot {
            totals: space.pools.totals(),
            growth: space.history.pools_growth(),
            stacks: stack_snapshots(&space.pools, space, stacks, until, options),
        };
        snapshot.device = AccountSnapshot {
            totals: space.device.totals(),
            growth: space.history.device_growth(),
            stacks: stack_snapshots(&space.device, space, stacks, until, options),
        };
    }
    snapshot
}

fn stack_snapshots(
    live: &LiveHeap,
    space: &Space,
    stacks: &Stacks,
    time: Nanos,
    options: &SnapshotOptions,
) -> Vec<StackSnapshot> {
    // Where a kind of blocks does not occur there are no sums of it.
    if live.tallies().iter().next().is_none() {
        return Vec::new();
    }
    let counts = count(live, space, time, options);
    let mut estimates = live.sampled().map(|sampled| (sampled, sampled.stacks()));
    let mut snapshots = Vec::with_capacity(counts.len());
    let rows = space.stacks().iter().zip(live.tallies().iter()).zip(counts);
    for (number, ((&id, (tally, peak_bytes)), count)) in rows.enumerate() {
        let estimate =
            estimates.as_mut().and_then(|(sampled, stacks)| Some((*sampled, stacks.next()?)));
        if tally.live_blocks == 0 && tally.allocated_blocks == 0 && tally.unknown_blocks == 0 {
            continue;
        }
        let stack = stacks.get(id).cloned().unwrap_or_else(|| Stack::unknown(Callee::default()));
        let plain = StackSnapshot {
            stack: id,
            function: stack.callee.function,
            frames: stack.frames,
            end: stack.end,
            live_bytes: tally.live_bytes,
            live_blocks: tally.live_blocks,
            unknown_bytes: tally.unknown_bytes,
            unknown_blocks: tally.unknown_blocks,
            young_bytes: count.young.bytes,
            young_blocks: count.young.blocks,
            filtered_bytes: count.filtered.bytes,
            filtered_blocks: count.filtered.blocks,
            peak_bytes,
            allocated_bytes: tally.allocated_bytes,
            allocated_blocks: tally.allocated_blocks,
            freed_bytes: tally.freed_bytes,
            freed_blocks: tally.freed_blocks,
            oldest: (tally.live_blocks > 0).then_some(count.oldest),
            newest: (tally.live_blocks > 0).then_some(count.newest),
            sizes: (tally.live_blocks > 0).then_some((count.smallest, count.largest)),
            growth: space.history.stack_growth(number),
            confidence: None,
            past: Past {
                number: number as u32,
                since: space.history.since(number),
                ages: count.births.ages(live.lifespans().of(number as u32)),
                cohorts: count.births.cohorts(),
            },
            blocks: oldest_first(count.blocks),
        };
        snapshots.push(match estimate {
            Some((all, (tally, at_peak))) => estimated(plain, all, tally, at_peak, count.sampled),
            None => plain,
        });
    }
    snapshots
}

/// The same with what the samples stand for.
fn estimated(
    plain: StackSnapshot,
    all: &Sampled,
    tally: &SampledTally,
    at_peak: &Estimate,
    count: Option<Box<SampledCount>>,
) -> StackSnapshot {
    let count = count.unwrap_or_default();
    let both = |pair: &Pair| (rounded(&pair.bytes), rounded(&pair.blocks));
    let (visible, young, filtered) =
        (both(&count.visible), both(&count.young), both(&count.filtered));
    let (allocated, freed) = (both(&tally.allocated), both(&tally.freed));
    let unknown = both(&tally.unknown);
    // Samples that are alive are told of all, as blocks are listed.
    let samples = tally.live.blocks.samples();
    let confidence = all.confidence(&count.visible, at_peak, &tally.allocated, &tally.freed);
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
        ..plain
    }
}

/// What each stack mapped and what of it is left.
fn mapped_stacks(process: &Process, space: &Space, stores: Stores<'_>) -> Vec<MappedStack> {
    let mut found: BTreeMap<u32, MappedStack> = BTreeMap::new();
    let named = |number: u32| {
        let id = *space.stacks().get(number as usize)?;
        let stack = stores.stacks.get(id).cloned();
        let stack = stack.unwrap_or_else(|| Stack::unknown(Callee::default()));
        Some(MappedStack {
            stack: id,
            allocator: stores.code.mapper(&stack).allocator(),
            function: stack.callee.function,
            frames: stack.frames,
            end: stack.end,
            live_bytes: 0,
            live_ranges: 0,
            live_by_kind: [0; RangeKind::COUNT],
            calls: 0,
            mapped_bytes: 0,
            unmapped_bytes: 0,
            resident: process.resident.get(&id).copied(),
            oldest: None,
        })
    };
    for (number, mapped) in (0..).zip(space.ranges.mapped()).filter(|(_, it)| it.calls > 0) {
        if let Some(stack) = named(number) {
            let (calls, mapped_bytes, unmapped_bytes) =
                (mapped.calls, mapped.mapped, mapped.unmapped);
            found.insert(number, MappedStack { calls, mapped_bytes, unmapped_bytes, ..stack });
        }
    }
    for (start, range) in space.ranges.iter() {
        let Some(stack) = named(range.stack) else { continue };
        let stack = found.entry(range.stack).or_insert(stack);
        let bytes = range.end - start;
        stack.live_bytes = stack.live_bytes.wrapping_add(bytes);
        stack.live_ranges += 1;
        let kind = &mut stack.live_by_kind[range.kind as usize];
        *kind = kind.wrapping_add(bytes);
        if range.kind != RangeKind::HeapSegment {
            stack.oldest = Some(stack.oldest.map_or(range.born, |oldest| oldest.min(range.born)));
        }
    }
    found.into_values().collect()
}

/// What each stack touched and what of it is left.
fn touched_stacks(space: &Space, stacks: &Stacks) -> Vec<TouchedStack> {
    let mut live: BTreeMap<u32, u64> = BTreeMap::new();
    let by_stack = (0..).zip(space.touched.by_stack()).filter(|(_, it)| it.touched > 0);
    live.extend(by_stack.map(|(number, _)| (number, 0)));
    for (number, bytes) in space.touched.live() {
        let sum = live.entry(number).or_default();
        *sum = sum.wrapping_add(bytes);
    }
    let named = |(number, live_bytes): (u32, u64)| {
        let stack = *space.stacks().get(number as usize)?;
        let known = stacks.get(stack).cloned().unwrap_or_else(|| Stack::unknown(Callee::default()));
        let touches = space.touched.by_stack().get(number as usize).copied().unwrap_or_default();
        Some(TouchedStack {
            stack,
            frames: known.frames,
            end: known.end,
            live_bytes,
            touched_bytes: touches.touched,
            given_back_bytes: touches.given_back,
        })
    };
    live.into_iter().filter_map(named).collect()
}

#[derive(Clone, Copy, Default)]
struct Sum {
    bytes: u64,
    blocks: u64,
}

impl Sum {
    const fn add(&mut self, block: &Block) {
        self.bytes = self.bytes.wrapping_add(block.size);
        self.blocks += 1;
    }
}

/// What one stack's live blocks come to. The first four are meaningless without any.
#[derive(Clone)]
struct Count {
    oldest: Nanos,
    newest: Nanos,
    smallest: u64,
    largest: u64,
    young: Sum,
    filtered: Sum,
    births: Births,
    /// Birth, address and size of the oldest ones; the youngest of them is on top.
    blocks: BinaryHeap<(Nanos, u64, u64)>,
    /// What they stand for, where they are samples.
    sampled: Option<Box<SampledCount>>,
}

#[derive(Clone, Default)]
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
            young: Sum { bytes: 0, blocks: 0 },
            filtered: Sum { bytes: 0, blocks: 0 },
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

/// Counts all blocks, by the number of their stack.
fn count(live: &LiveHeap, space: &Space, time: Nanos, options: &SnapshotOptions) -> Vec<Count> {
    let empty = |number| {
        let is_sampled = live.sampled().is_some();
        let births = Births::new(space.history.since(number), time, is_sampled);
        Count::none(births, live.sampled().map(|_| Box::default()))
    };
    let mut counts: Vec<Count> = (0..space.stacks().len()).map(empty).collect();
    for block in live.live_blocks() {
        if let Some(count) = counts.get_mut(block.stack as usize) {
            count.add(&block, time, options);
        }
    }
    counts
}

fn oldest_first(blocks: BinaryHeap<(Nanos, u64, u64)>) -> Vec<BlockSnapshot> {
    let block = |(born, address, size)| BlockSnapshot { address, size, born };
    blocks.into_sorted_vec().into_iter().map(block).collect()
}
