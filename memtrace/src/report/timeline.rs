//! The run by time: what memory was at some moments, and which parts of the run stacks' figures are known of.

use super::facts::{Ledgers, ReportOptions};
use crate::engine::sampling::{SumAround, SumConfidence};
use crate::engine::slices::{Amount, Deeds, Ranges, Slice};
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

/// What some blocks did in slices, each at most once, in order.
pub type Changes = Vec<Change>;

/// What some blocks did in a slice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// The number of the slice, in [`Parts::Kept`].
    pub part: u32,
    /// What they did.
    pub deeds: Deeds,
    /// Where that lies, where it is an estimate. Where it is not told of a later slice what is alive is still there.
    pub ranges: Option<Ranges>,
}

impl Change {
    /// One that is no estimate.
    #[must_use]
    pub const fn exact(part: u32, deeds: Deeds) -> Self {
        Self { part, deeds, ranges: None }
    }
}

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
    if any(is_untold) {
        Parts::Unknown(
            "allocations were sampled, and snapshots do not say how sure their differences are",
        )
    } else if any(|process| !process.windows.are_whole()) {
        Parts::Unknown("blocks were watched in windows")
    } else if all != SnapshotOptions::default() {
        Parts::Unknown("blocks were singled out by age or size")
    } else {
        Parts::Kept(ends(snapshot))
    }
}

/// Why a page of a snapshot whose slices were kept cannot be of a part of the run; `None`: it can.
#[must_use]
pub fn why_no_parts(snapshot: &Snapshot) -> Option<&'static str> {
    match parts(snapshot) {
        Parts::Unknown(why) => Some(why),
        Parts::NotKept | Parts::Kept(_) => None,
    }
}

/// A heap of samples of which no slice tells what stacks did: those of snapshots do not.
fn is_untold(process: &ProcessSnapshot) -> bool {
    process.heap.confidence.is_some()
        && process.heap.allocated_blocks > 0
        && process.slices.iter().all(|slice| slice.changes.is_empty())
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
    let mut by_stack: HashMap<u32, Changes> = HashMap::new();
    for slice in &process.slices {
        let end = slice.until.min(snapshot.time).saturating_sub(snapshot.began);
        let part = ends.partition_point(|it| *it < end) as u32;
        for (number, change) in of_slice(slice, part) {
            by_stack.entry(number).or_default().push(change);
        }
    }
    let listed = listed.iter().map(|stack| stack.past.number);
    let listed = listed.map(|number| (number, by_stack.remove(&number).unwrap_or_default()));
    // Two slices are one part where both ended after the report's moment.
    let is_told_once = |it: &Changes| it.is_sorted_by(|a, b| a.part < b.part);
    let told = |it: Changes| if is_told_once(&it) { it } else { sum(&[&it]) };
    let listed = listed.map(|(number, changes)| (number, told(changes))).collect();
    let others: Vec<&Changes> = by_stack.values().collect();
    (listed, sum(&others))
}

fn of_slice(slice: &Slice, part: u32) -> BTreeMap<u32, Change> {
    let exact = |&(number, deeds): &(u32, Deeds)| (number, Change::exact(part, deeds));
    let mut all: BTreeMap<u32, Change> = slice.changes.iter().map(exact).collect();
    for (number, ranges) in &slice.ranges {
        let change = all.entry(*number).or_insert_with(|| Change::exact(part, Deeds::default()));
        change.ranges = Some(*ranges);
    }
    all
}

/// What several did together.
pub(super) fn sum(all: &[&Changes]) -> Changes {
    let mut parts: BTreeMap<u32, Vec<(usize, &Change)>> = BTreeMap::new();
    for (who, change) in
        all.iter().enumerate().flat_map(|(who, changes)| changes.iter().map(move |it| (who, it)))
    {
        parts.entry(change.part).or_default().push((who, change));
    }
    let is_estimate = all.iter().any(|changes| changes.iter().any(|it| it.ranges.is_some()));
    let mut alive = is_estimate.then(|| Alive::of(all.len()));
    let of_part = |(part, changes): (u32, Vec<(usize, &Change)>)| {
        let add = |sum: Deeds, (_, it): &(usize, &Change)| sum.plus(it.deeds);
        let deeds = changes.iter().fold(Deeds::default(), add);
        let ranges = alive.as_mut().map(|alive| alive.ranges(&changes));
        Change { part, deeds, ranges }
    };
    parts.into_iter().map(of_part).collect()
}

/// What each of several holds at the end of a slice, and where that lies.
struct Alive(Vec<(Amount, SumConfidence)>);

impl Alive {
    fn of(number: usize) -> Self {
        Self(vec![Default::default(); number])
    }

    /// Where lies what they did together in a slice, and what they hold at its end.
    fn ranges(&mut self, changes: &[(usize, &Change)]) -> Ranges {
        let (mut allocated, mut freed) = (SumAround::default(), SumAround::default());
        for (who, Change { deeds, ranges, .. }) in changes {
            let (held, range) = &mut self.0[*who];
            *held = held.plus(deeds.live);
            let exact = || Ranges::exact(&Deeds { live: *held, ..*deeds });
            let ranges = ranges.unwrap_or_else(exact);
            *range = ranges.live;
            allocated.add((deeds.allocated.bytes, deeds.allocated.blocks), ranges.allocated);
            freed.add((deeds.freed.bytes, deeds.freed.blocks), ranges.freed);
        }
        let mut live = SumAround::default();
        self.0.iter().for_each(|(held, range)| live.add((held.bytes, held.blocks), *range));
        Ranges { live: live.range(), allocated: allocated.range(), freed: freed.range() }
    }
}
