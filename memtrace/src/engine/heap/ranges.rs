//! The ledger of mappings: which pages were mapped since we watch and still are.
//!
//! A second ledger beside the blocks, never to be added to them: the allocator's arenas are
//! mappings that contain blocks.
//!
//! Accounting: `live = inherited + mapped − unmapped − evicted`, in bytes of whole pages. `mremap`
//! counts what it adds as mapped and what it cuts off as unmapped; pages that only move count as
//! neither.

use crate::engine::snapshot::MappingTotals;
use crate::model::event::{Map, Remap, Unmap};
use crate::model::ids::Nanos;
use std::collections::BTreeMap;

/// Bytes of a page on the machines that we support.
pub const PAGE: u64 = 4096;

/// What a mapping is for; the indexes of [`MappingTotals::live_by_kind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RangeKind {
    /// `MAP_ANONYMOUS`.
    Anonymous = 0,
    /// A file's pages (shared memory included).
    File = 1,
    /// `MAP_STACK` or `MAP_GROWSDOWN`.
    Stack = 2,
    /// Between the program and `brk`.
    HeapSegment = 3,
}

impl RangeKind {
    // Of the kernel's `asm-generic/mman-common.h`, the same on x86-64 and AArch64.
    const MAP_ANONYMOUS: u32 = 0x20;
    const MAP_GROWSDOWN: u32 = 0x0100;
    const MAP_STACK: u32 = 0x2_0000;

    /// The kind that `mmap`'s flags tell.
    #[must_use]
    pub const fn from_flags(flags: u32) -> Self {
        if flags & Self::MAP_ANONYMOUS == 0 {
            Self::File
        } else if flags & (Self::MAP_STACK | Self::MAP_GROWSDOWN) != 0 {
            Self::Stack
        } else {
            Self::Anonymous
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    end: u64,
    kind: RangeKind,
    born: Nanos,
}

/// A piece that was cut out.
#[derive(Clone, Copy)]
struct Piece {
    start: u64,
    range: Range,
}

/// The ledger of one address space.
#[derive(Clone, Debug)]
pub struct Ranges {
    /// By first address; they do not overlap.
    ranges: BTreeMap<u64, Range>,
    totals: MappingTotals,
    /// Where the heap segment ends now, once that is known.
    heap_end: Option<u64>,
    limit: usize,
}

impl Ranges {
    /// An empty ledger that keeps at most `limit` ranges.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { ranges: BTreeMap::new(), totals: MappingTotals::default(), heap_end: None, limit }
    }

    /// The ledger of a child that was forked now: it has the same pages, but mapped none itself.
    #[must_use]
    pub fn forked(&self) -> Self {
        let MappingTotals { live_bytes, live_by_kind, .. } = self.totals;
        let totals = MappingTotals {
            live_bytes,
            live_by_kind,
            inherited_bytes: live_bytes,
            ..MappingTotals::default()
        };
        Self { totals, ..self.clone() }
    }

    /// What it all comes to.
    #[must_use]
    pub fn totals(&self) -> MappingTotals {
        MappingTotals { live_ranges: self.ranges.len() as u64, ..self.totals }
    }

    /// Bytes that the ledger takes, about: a B-tree's nodes are two thirds full on average.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.ranges.len() * (size_of::<u64>() + size_of::<Range>()) * 3 / 2
    }

    /// `mmap` has returned. What was there has gone (`MAP_FIXED`, or an `munmap` that we missed).
    pub fn map(&mut self, map: &Map, time: Nanos) {
        let (start, end) = pages(map.address, map.length);
        self.cut(start, end, Nanos::MAX);
        self.add(start, Range { end, kind: RangeKind::from_flags(map.flags), born: time });
    }

    /// `munmap` has returned. Pages that were mapped anew after the call was entered stay; they
    /// are the next owner's.
    pub fn unmap(&mut self, unmap: &Unmap) {
        let (start, end) = pages(unmap.address, unmap.length);
        let unknown = end - start - self.covered(start, end);
        self.totals.unknown_unmapped_bytes =
            self.totals.unknown_unmapped_bytes.saturating_add(unknown);
        self.cut(start, end, unmap.entered);
    }

    /// `mremap` has returned.
    ///
    /// Of an old mapping that we did not see made, only what the call added counts as live.
    pub fn remap(&mut self, remap: &Remap, time: Nanos) {
        let (old_start, old_end) = pages(remap.old_address, remap.old_length);
        let (start, end) = pages(remap.address, remap.length);
        let (old_length, length) = (old_end - old_start, end - start);
        let kind = self.kind_at(old_start);
        self.unmap_tail(old_start.saturating_add(length), old_end, remap.entered);
        let kept_end = old_start.saturating_add(old_length.min(length));
        if start != old_start {
            self.shift(old_start, kept_end, start, remap.entered, time);
        }
        let new_start = start.saturating_add(old_length);
        if new_start < end {
            self.cut(new_start, end, Nanos::MAX);
            self.add(new_start, Range { end, kind, born: time });
        }
    }

    /// The heap segment ends here, as `brk` or `/proc` tells. The first end that is heard of is where
    /// the watch begins; only growth from there on is live.
    pub fn set_break(&mut self, end: u64) {
        let (_, end) = pages(end, 0);
        let before = self.heap_end.replace(end).unwrap_or(end);
        if end < before {
            self.unmap(&Unmap { address: end, length: before - end, entered: Nanos::MAX });
        } else if end > before {
            self.cut(before, end, Nanos::MAX);
            self.add_to_heap_segment(before, end);
        }
    }

    /// Keeps the heap segment one range. It counts as born before everything, as the kernel never
    /// gives these pages to an `mmap` that could race with an `munmap`.
    fn add_to_heap_segment(&mut self, start: u64, end: u64) {
        let last = self.ranges.range_mut(..start).next_back();
        if let Some((_, last)) = last
            && last.end == start
            && (last.kind, last.born) == (RangeKind::HeapSegment, 0)
        {
            last.end = end;
            self.count_mapped(end - start, RangeKind::HeapSegment);
        } else {
            self.add(start, Range { end, kind: RangeKind::HeapSegment, born: 0 });
        }
    }

    /// The part of a mapping that `mremap` cut off.
    fn unmap_tail(&mut self, start: u64, end: u64, entered: Nanos) {
        if start < end {
            self.unmap(&Unmap { address: start, length: end - start, entered });
        }
    }

    /// Moves the known pages of `[from, from_end)` to `to`, where others give way.
    fn shift(&mut self, from: u64, from_end: u64, to: u64, entered: Nanos, time: Nanos) {
        let pieces = self.take(from, from_end, entered);
        self.cut(to, to.saturating_add(from_end - from), Nanos::MAX);
        for Piece { start, range } in pieces {
            let (start, end) = (start - from, range.end - from);
            // Past the end of the address space nothing fits: a nonsensical record.
            match (to.checked_add(start), to.checked_add(end)) {
                (Some(start), Some(end)) => {
                    self.insert(start, Range { end, kind: range.kind, born: time });
                }
                _ => self.count_unmapped(end - start, range.kind),
            }
        }
    }

    /// Removes what of `[start, end)` was born by `entered`.
    fn cut(&mut self, start: u64, end: u64, entered: Nanos) {
        for piece in self.take(start, end, entered) {
            self.count_unmapped(piece.range.end - piece.start, piece.range.kind);
        }
    }

    /// Takes what of `[start, end)` was born by `entered` out of the map, without counting it.
    fn take(&mut self, start: u64, end: u64, entered: Nanos) -> Vec<Piece> {
        if start >= end {
            return Vec::new();
        }
        let starts: Vec<u64> = self
            .overlapping(start, end)
            .filter(|(_, range)| range.born <= entered)
            .map(|(first, _)| first)
            .collect();
        starts.into_iter().filter_map(|first| self.take_from(first, start, end)).collect()
    }

    /// Takes the part in `[start, end)` of the range that begins at `first`; the rest stays.
    fn take_from(&mut self, first: u64, start: u64, end: u64) -> Option<Piece> {
        let range = self.ranges.remove(&first)?;
        let (cut_start, cut_end) = (start.max(first), end.min(range.end));
        if first < cut_start {
            self.insert(first, Range { end: cut_start, ..range });
        }
        if cut_end < range.end {
            self.insert(cut_end, range);
        }
        Some(Piece { start: cut_start, range: Range { end: cut_end, ..range } })
    }

    /// Counts and keeps a range that overlaps none.
    fn add(&mut self, start: u64, range: Range) {
        if start < range.end {
            self.count_mapped(range.end - start, range.kind);
            self.insert(start, range);
        }
    }

    /// Keeps a range that is counted already, or drops it and counts that.
    fn insert(&mut self, start: u64, range: Range) {
        if self.ranges.len() < self.limit {
            self.ranges.insert(start, range);
            return;
        }
        let bytes = range.end - start;
        self.uncount_live(bytes, range.kind);
        self.totals.evicted_bytes = self.totals.evicted_bytes.wrapping_add(bytes);
    }

    /// Known bytes of `[start, end)`.
    fn covered(&self, start: u64, end: u64) -> u64 {
        self.overlapping(start, end)
            .map(|(first, range)| range.end.min(end) - first.max(start))
            .sum()
    }

    /// Ranges that have a byte in `[start, end)`, from the last one downwards.
    fn overlapping(&self, start: u64, end: u64) -> impl Iterator<Item = (u64, Range)> {
        self.ranges
            .range(..end)
            .rev()
            .map(|(&first, &range)| (first, range))
            .take_while(move |(_, range)| range.end > start)
    }

    fn kind_at(&self, address: u64) -> RangeKind {
        let found = self.overlapping(address, address.saturating_add(1)).next();
        found.map_or(RangeKind::Anonymous, |(_, range)| range.kind)
    }

    // Sums wrap: each range is real, but a hostile order of events could add up any number of them.

    fn count_mapped(&mut self, bytes: u64, kind: RangeKind) {
        self.totals.mapped_bytes = self.totals.mapped_bytes.wrapping_add(bytes);
        self.totals.live_bytes = self.totals.live_bytes.wrapping_add(bytes);
        let by_kind = &mut self.totals.live_by_kind[kind as usize];
        *by_kind = by_kind.wrapping_add(bytes);
    }

    fn count_unmapped(&mut self, bytes: u64, kind: RangeKind) {
        self.totals.unmapped_bytes = self.totals.unmapped_bytes.wrapping_add(bytes);
        self.uncount_live(bytes, kind);
    }

    fn uncount_live(&mut self, bytes: u64, kind: RangeKind) {
        self.totals.live_bytes = self.totals.live_bytes.wrapping_sub(bytes);
        let by_kind = &mut self.totals.live_by_kind[kind as usize];
        *by_kind = by_kind.wrapping_sub(bytes);
    }
}

/// The whole pages that `[address, address + length)` touches, cut off at the last whole page of
/// the address space.
fn pages(address: u64, length: u64) -> (u64, u64) {
    let last = u64::MAX / PAGE * PAGE;
    let end = address.saturating_add(length).min(last).div_ceil(PAGE) * PAGE;
    let start = address / PAGE * PAGE;
    (start, end.max(start))
}

#[cfg(test)]
mod tests {
    use super::{PAGE, RangeKind, Ranges};
    use crate::engine::snapshot::MappingTotals;
    use crate::model::event::{Map, Remap, Unmap};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    const ANONYMOUS: u32 = 0x22;
    const NEVER: u64 = u64::MAX;

    fn map(page: u64, length: u64, flags: u32) -> Map {
        Map { address: page * PAGE, length, protection: 3, flags, file_offset: 0 }
    }

    fn unmap(page: u64, length: u64, entered: u64) -> Unmap {
        Unmap { address: page * PAGE, length, entered }
    }

    fn remap(old: (u64, u64), new: (u64, u64), entered: u64) -> Remap {
        Remap {
            old_address: old.0 * PAGE,
            old_length: old.1 * PAGE,
            address: new.0 * PAGE,
            length: new.1 * PAGE,
            entered,
        }
    }

    fn live(ranges: &Ranges) -> (u64, u64) {
        (ranges.totals().live_bytes / PAGE, ranges.totals().live_ranges)
    }

    #[test]
    fn flags_tell_the_kind() {
        assert_eq!(RangeKind::from_flags(0x02), RangeKind::File);
        assert_eq!(RangeKind::from_flags(0x22), RangeKind::Anonymous);
        assert_eq!(RangeKind::from_flags(0x2_0022), RangeKind::Stack);
        assert_eq!(RangeKind::from_flags(0x0122), RangeKind::Stack);
    }

    #[test]
    fn a_hole_splits_a_range() {
        let mut ranges = Ranges::new(9);
        ranges.map(&map(10, 9 * PAGE + 1, ANONYMOUS), 1);
        assert_eq!(live(&ranges), (10, 1));
        ranges.unmap(&unmap(12, 3 * PAGE, 2));
        assert_eq!(live(&ranges), (7, 2));
        ranges.unmap(&unmap(0, 100 * PAGE, 3));
        assert_eq!(live(&ranges), (0, 0));
        assert_eq!(ranges.totals().unknown_unmapped_bytes, 93 * PAGE);
    }

    #[test]
    fn an_unmap_spares_what_came_after_it_was_entered() {
        let mut ranges = Ranges::new(9);
        ranges.map(&map(1, PAGE, ANONYMOUS), 10);
        ranges.map(&map(1, PAGE, ANONYMOUS), 30);
        ranges.unmap(&unmap(1, PAGE, 20));
        assert_eq!(live(&ranges), (1, 1));
        assert_eq!(ranges.totals().unknown_unmapped_bytes, 0);
    }

    #[test]
    fn growing_a_mapping_that_is_older_than_the_watch_counts_the_growth() {
        let mut ranges = Ranges::new(9);
        ranges.remap(&remap((10, 4), (50, 6), 1), 2);
        assert_eq!(live(&ranges), (2, 1));
        ranges.remap(&remap((50, 6), (50, 3), 3), 4);
        assert_eq!(live(&ranges), (0, 0));
        assert_eq!(ranges.totals().unknown_unmapped_bytes, PAGE);
    }

    #[test]
    fn the_heap_segment_stays_one_range() {
        let mut ranges = Ranges::new(9);
        for end in [100, 102, 110, 105] {
            ranges.set_break(end * PAGE - 5);
        }
        assert_eq!(live(&ranges), (5, 1));
        assert_eq!(ranges.totals().live_by_kind[RangeKind::HeapSegment as usize], 5 * PAGE);
        ranges.set_break(90 * PAGE);
        ranges.set_break(91 * PAGE);
        assert_eq!((live(&ranges), ranges.totals().unknown_unmapped_bytes), ((1, 1), 10 * PAGE));
    }

    #[test]
    fn a_child_inherits_and_goes_its_own_way() {
        let mut parent = Ranges::new(9);
        parent.map(&map(1, 4 * PAGE, ANONYMOUS), 1);
        let mut child = parent.forked();
        child.unmap(&unmap(1, PAGE, 2));
        assert_eq!((live(&parent), live(&child)), ((4, 1), (3, 1)));
        let totals = child.totals();
        assert_eq!((totals.inherited_bytes, totals.mapped_bytes), (4 * PAGE, 0));
        assert_eq!(totals.unmapped_bytes, PAGE);
    }

    #[test]
    fn a_full_ledger_counts_what_it_drops() {
        let mut ranges = Ranges::new(2);
        for page in [1, 3, 5] {
            ranges.map(&map(page, PAGE, ANONYMOUS), 1);
        }
        assert_eq!((live(&ranges), ranges.totals().evicted_bytes), ((2, 2), PAGE));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Map(u64, u64, u32),
        Unmap(u64, u64, u64),
        Remap((u64, u64), (u64, u64), u64),
        Break(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        let page = 1_u64..40;
        let pages = 0_u64..12;
        let span = (page.clone(), pages.clone());
        let flags = prop::sample::select(vec![0x02, 0x22, 0x2_0022]);
        prop_oneof![
            (page.clone(), 1..12 * PAGE, flags)
                .prop_map(|(page, length, flags)| { Step::Map(page, length, flags) }),
            (page.clone(), 1..12 * PAGE, 0_u64..9)
                .prop_map(|(page, length, ago)| { Step::Unmap(page, length, ago) }),
            (span.clone(), span, 0_u64..9, any::<bool>()).prop_map(|(old, new, ago, in_place)| {
                let start = if in_place { old.0 } else { new.0 };
                Step::Remap(old, (start, new.1), ago)
            }),
            (20_u64..45).prop_map(Step::Break),
        ]
    }

    /// Every page for itself.
    #[derive(Default)]
    struct Model {
        pages: BTreeMap<u64, (RangeKind, u64)>,
        totals: MappingTotals,
        heap_end: Option<u64>,
    }

    impl Model {
        fn add(&mut self, page: u64, kind: RangeKind, time: u64) {
            self.cut(page, NEVER);
            self.pages.insert(page, (kind, time));
            self.totals.mapped_bytes += PAGE;
        }

        fn cut(&mut self, page: u64, entered: u64) {
            if self.pages.get(&page).is_some_and(|(_, born)| *born <= entered) {
                self.pages.remove(&page);
                self.totals.unmapped_bytes += PAGE;
            }
        }

        fn unmap(&mut self, page: u64, entered: u64) {
            if !self.pages.contains_key(&page) {
                self.totals.unknown_unmapped_bytes += PAGE;
            }
            self.cut(page, entered);
        }

        fn remap(&mut self, old: (u64, u64), new: (u64, u64), entered: u64, time: u64) {
            let kind = self.pages.get(&old.0).map_or(RangeKind::Anonymous, |(kind, _)| *kind);
            (new.1..old.1).for_each(|page| self.unmap(old.0 + page, entered));
            if old.0 != new.0 {
                let kept = old.1.min(new.1);
                let moved: Vec<_> = (0..kept)
                    .filter(|page| {
                        self.pages.get(&(old.0 + page)).is_some_and(|(_, born)| *born <= entered)
                    })
                    .map(|page| (page, self.pages[&(old.0 + page)].0))
                    .collect();
                self.pages.retain(|page, _| moved.iter().all(|(gone, _)| *page != old.0 + gone));
                (0..kept).for_each(|page| self.cut(new.0 + page, NEVER));
                self.pages.extend(moved.iter().map(|(page, kind)| (new.0 + page, (*kind, time))));
            }
            (old.1..new.1).for_each(|page| self.add(new.0 + page, kind, time));
        }

        fn apply(&mut self, step: &Step, time: u64) {
            let touched = |page, length: u64| page..page + length.div_ceil(PAGE);
            match *step {
                Step::Map(page, length, flags) => touched(page, length)
                    .for_each(|page| self.add(page, RangeKind::from_flags(flags), time)),
                Step::Unmap(page, length, ago) => touched(page, length)
                    .for_each(|page| self.unmap(page, time.saturating_sub(ago))),
                Step::Remap(old, new, ago) => self.remap(old, new, time.saturating_sub(ago), time),
                Step::Break(end) => {
                    let before = self.heap_end.replace(end).unwrap_or(end);
                    (end..before).for_each(|page| self.unmap(page, NEVER));
                    (before..end).for_each(|page| self.add(page, RangeKind::HeapSegment, 0));
                }
            }
        }
    }

    fn apply(ranges: &mut Ranges, step: &Step, time: u64) {
        match *step {
            Step::Map(page, length, flags) => ranges.map(&map(page, length, flags), time),
            Step::Unmap(page, length, ago) => {
                ranges.unmap(&unmap(page, length, time.saturating_sub(ago)));
            }
            Step::Remap(old, new, ago) => {
                ranges.remap(&remap(old, new, time.saturating_sub(ago)), time);
            }
            Step::Break(end) => ranges.set_break(end * PAGE),
        }
    }

    fn kinds_by_page(ranges: &Ranges) -> BTreeMap<u64, RangeKind> {
        let mut pages = BTreeMap::new();
        for (&start, range) in &ranges.ranges {
            assert!(start < range.end);
            for page in start / PAGE..range.end / PAGE {
                assert_eq!(pages.insert(page, range.kind), None, "ranges overlap");
            }
        }
        pages
    }

    proptest! {
        #[test]
        fn it_does_as_a_set_of_pages(steps in prop::collection::vec(step(), 1..80)) {
            let (mut ranges, mut model) = (Ranges::new(usize::MAX), Model::default());
            for (time, step) in steps.iter().enumerate() {
                apply(&mut ranges, step, time as u64);
                model.apply(step, time as u64);
                let expected: BTreeMap<_, _> =
                    model.pages.iter().map(|(page, (kind, _))| (*page, *kind)).collect();
                prop_assert_eq!(kinds_by_page(&ranges), expected);
            }
            let mut expected = MappingTotals {
                live_bytes: model.pages.len() as u64 * PAGE,
                live_ranges: ranges.ranges.len() as u64,
                ..model.totals
            };
            for (kind, _) in model.pages.values() {
                expected.live_by_kind[*kind as usize] += PAGE;
            }
            prop_assert_eq!(ranges.totals(), expected);
            prop_assert_eq!(expected.live_bytes, expected.mapped_bytes - expected.unmapped_bytes);
        }
    }
}
