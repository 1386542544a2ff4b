//! The run by time: what memory was at some moments, and which parts of the run stacks' figures are known of.

use super::facts::{Ledgers, ReportOptions};
use crate::engine::slices::{Deeds, Slice};
use crate::engine::snapshot::{
    Confidence, ProcessSnapshot, Snapshot, SnapshotOptions, StackSnapshot,
};
use crate::model::ids::Nanos;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Memory of a process at one moment; figures that are not known are absent. Bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryPoint {
    /// How long after tracing began, ns.
    pub since_start: Nanos,
    /// Live bytes of the heap; an estimate where the process's heap is one.
    pub heap: Option<u64>,
    /// Where that lies, where it is an estimate.
    pub heap_range: Option<Confidence>,
    /// Mapped, of mappings that were seen to be made.
    pub mapped: Option<u64>,
    /// The resident set.
    pub resident: Option<u64>,
}

/// Which parts of the run stacks' figures are known of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Parts {
    /// Nobody asked.
    #[default]
    NotKept,
    /// They cannot be told apart, and why.
    Unknown(&'static str),
    /// Slices of the run, by their ends: ns after tracing began. The first begins with tracing, the last ends with
    /// the report.
    Kept(Vec<Nanos>),
}

/// What some blocks did in slices, by their numbers in [`Parts::Kept`], each at most once.
pub type Changes = Vec<(u32, Deeds)>;

/// The moments at which memory of a process is known, oldest first.
pub(super) fn memory(
    process: &ProcessSnapshot,
    snapshot: &Snapshot,
    options: &ReportOptions,
) -> Vec<MemoryPoint> {
    let has_heap = options.ledger != Ledgers::Mappings && process.heap.allocated_blocks > 0;
    let has_maps = options.ledger != Ledgers::Heap && process.mappings.mapped_bytes > 0;
    let point = |time: Nanos, (heap, heap_range), mapped, resident| {
        let since_start = time.saturating_sub(snapshot.began);
        let (heap, mapped) = (has_heap.then_some(heap), has_maps.then_some(mapped));
        (time, MemoryPoint { since_start, heap, heap_range, mapped, resident })
    };
    let sliced =
        process.slices.iter().map(|it| point(it.until, (it.heap, it.heap_range), it.mapped, None));
    // Where there are both, what marks kept knows more.
    let marked = process
        .history
        .iter()
        .map(|it| point(it.time, (it.heap, it.heap_range), it.mapped, it.resident));
    let range = process.heap.confidence.map(|it| it.live_bytes);
    let (heap, mapped) = ((process.heap.live_bytes, range), process.mappings.live_bytes);
    let resident = process.usage_last.map(|usage| usage.resident);
    let last = point(process.until, heap, mapped, resident);
    let until = process.until;
    let earlier = sliced.chain(marked).filter(|(time, _)| *time < until);
    let all: BTreeMap<Nanos, MemoryPoint> = earlier.chain([last]).collect();
    all.into_values().collect()
}

/// See [`Parts`].
pub(super) fn parts(snapshot: &Snapshot) -> Parts {
    let is_kept = snapshot.processes.iter().any(|process| !process.slices.is_empty());
    let any = |of: fn(&ProcessSnapshot) -> bool| snapshot.processes.iter().any(of);
    if !is_kept {
        return Parts::NotKept;
    }
    let all = SnapshotOptions { blocks_per_stack: 0, ..snapshot.options };
    if any(|process| process.heap.confidence.is_some()) {
        Parts::Unknown("allocations were sampled")
    } else if any(|process| !process.windows.are_whole()) {
        Parts::Unknown("blocks were watched in windows")
    } else if all != SnapshotOptions::default() {
        Parts::Unknown("blocks were singled out by age or size")
    } else {
        Parts::Kept(ends(snapshot))
    }
}

fn ends(snapshot: &Snapshot) -> Vec<Nanos> {
    let slices = snapshot.processes.iter().flat_map(|process| &process.slices);
    let ends = slices.map(|slice| slice.until.min(snapshot.time));
    let ends: BTreeSet<Nanos> = ends.chain([snapshot.time]).collect();
    ends.into_iter().map(|end| end.saturating_sub(snapshot.began)).collect()
}

/// What the stacks of a process did by slice: those of `listed` by their number, and all others together.
pub(super) fn changes(
    process: &ProcessSnapshot,
    snapshot: &Snapshot,
    parts: &Parts,
    listed: &[&StackSnapshot],
) -> (HashMap<u32, Changes>, Changes) {
    let Parts::Kept(ends) = parts else { return Default::default() };
    let mut by_stack: HashMap<u32, Changes> =
        listed.iter().map(|stack| (stack.past.number, Changes::new())).collect();
    let mut others = Changes::new();
    for Slice { until, changes, .. } in &process.slices {
        let end = until.min(&snapshot.time).saturating_sub(snapshot.began);
        let part = ends.partition_point(|it| *it < end) as u32;
        for (number, change) in changes {
            add(by_stack.get_mut(number).unwrap_or(&mut others), part, *change);
        }
    }
    (by_stack, others)
}

fn add(changes: &mut Changes, part: u32, change: Deeds) {
    match changes.last_mut().filter(|(last, _)| *last == part) {
        Some((_, sum)) => *sum = sum.plus(change),
        None => changes.push((part, change)),
    }
}
