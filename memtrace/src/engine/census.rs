//! What a snapshot says of a process.

use super::allocator_code::AllocatorCode;
use super::heap::ranges::RangeKind;
use super::heap::sampled::Sampled;
use super::heap::touched::figures::{confidence_of_bytes, whole};
use super::process::{Process, Space};
use super::sampling::Estimate;
use super::slices::Grid;
use super::snapshot::{AccountSnapshot, MappedStack, ProcessSnapshot, TouchedStack};
use super::stacks::{Callee, Stack, Stacks};
use super::telling::told_snapshot;
use crate::model::ids::Nanos;
use memtrace_common::function::BlockKind;
use std::collections::BTreeMap;

/// What all processes' snapshots are made with.
#[derive(Clone, Copy)]
pub(super) struct Stores<'a> {
    pub(super) stacks: &'a Stacks,
    pub(super) code: &'a AllocatorCode,
    /// Where slices of time are kept.
    pub(super) grid: Option<Grid>,
    /// Touched pages were taken at levels up to this one.
    pub(super) touch_level: u8,
}

/// The kinds of blocks that an address space has accounts of.
pub(super) const KINDS: [BlockKind; 3] =
    [BlockKind::Heap, BlockKind::UserDefined, BlockKind::Device];

/// A process as it is at `until`, without what its stacks hold: that takes a walk over all blocks. A process that
/// only borrows its address space shows none of it.
pub(super) fn process_snapshot(
    process: &Process,
    space: Option<&Space>,
    stores: Stores<'_>,
    until: Nanos,
) -> ProcessSnapshot {
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
        snapshot.slices = stores.grid.map_or_else(Vec::new, |grid| grid.slices_of(space));
        snapshot.period = space.heap.period().map(|period| {
            let interval = space.heap.sampled().map(Sampled::interval);
            Box::new(period.figures(None, interval))
        });
        snapshot.untold_frees = space.heap.lifespans().untold();
        snapshot.mapped = mapped_stacks(process, space, stores);
        snapshot.touched = space.touched.totals(stores.touch_level);
        snapshot.touched_stacks = touched_stacks(space, stores.stacks, stores.touch_level);
        snapshot.told = told_snapshot(space, stores.stacks);
        snapshot.pools = AccountSnapshot {
            totals: space.pools.totals(),
            growth: space.history.pools_growth(),
            stacks: Vec::new(),
        };
        snapshot.device = AccountSnapshot {
            totals: space.device.totals(),
            growth: space.history.device_growth(),
            stacks: Vec::new(),
        };
    }
    snapshot
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

/// What each stack touched and what of it is left, where pages were taken at levels up to `level`.
fn touched_stacks(space: &Space, stacks: &Stacks, level: u8) -> Vec<TouchedStack> {
    let mut live = space.touched.live();
    let by_stack = (0..).zip(space.touched.by_stack()).filter(|(_, it)| it.touched.samples() > 0);
    by_stack.for_each(|(number, _)| {
        live.entry(number).or_default();
    });
    let named = |(number, live): (u32, Estimate)| {
        let stack = *space.stacks().get(number as usize)?;
        let known = stacks.get(stack).cloned().unwrap_or_else(|| Stack::unknown(Callee::default()));
        let touches = space.touched.by_stack().get(number as usize).copied().unwrap_or_default();
        let sums = [live, touches.touched, touches.given_back];
        let [live_bytes, touched_bytes, given_back_bytes] = sums.map(|sum| whole(&sum));
        let confidence = || sums.map(|sum| confidence_of_bytes(&sum, level));
        Some(TouchedStack {
            stack,
            frames: known.frames,
            end: known.end,
            live_bytes,
            touched_bytes,
            given_back_bytes,
            confidence: (level > 0).then(confidence),
        })
    };
    live.into_iter().filter_map(named).collect()
}
