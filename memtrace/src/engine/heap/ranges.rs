//! The ledger of mappings: which pages were mapped since we watch and still are.
//!
//! A second ledger beside the blocks, never to be added to them: the allocator's arenas are
//! mappings that contain blocks.
//!
//! Accounting: `live = inherited + mapped − unmapped − evicted`, in bytes of whole pages. `mremap`
//! counts what it adds as mapped and what it cuts off as unmapped; pages that only move count as
//! neither, and stay those of the call that mapped them.
//!
//! A kind is what the call that mapped the pages said. What `mprotect` or `madvise` make of them later
//! is not seen.

use crate::engine::snapshot::MappingTotals;
use crate::model::event::{Map, Remap, Unmap};
use crate::model::ids::Nanos;
use std::collections::BTreeMap;

/// Bytes of a page on the machines that we support.
pub const PAGE: u64 = 4096;

/// What a mapping is for; the indexes of [`MappingTotals::live_by_kind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RangeKind {
    /// `MAP_ANONYMOUS`, private.
    Anonymous = 0,
    /// A file's pages (shared memory of files included).
    File = 1,
    /// `MAP_STACK` or `MAP_GROWSDOWN`.
    Stack = 2,
    /// Between the program and `brk`.
    HeapSegment = 3,
    /// Anonymous without any access: address space that takes no memory until a part gets access.
    Reserved = 4,
    /// `MAP_ANONYMOUS` and `MAP_SHARED`.
    Shared = 5,
    /// A file's pages that may be executed.
    Code = 6,
}

impl RangeKind {
    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();
    /// All, in order of their numbers.
    pub const ALL: [Self; 7] = [
        Self::Anonymous,
        Self::File,
        Self::Stack,
        Self::HeapSegment,
        Self::Reserved,
        Self::Shared,
        Self::Code,
    ];

    // Of the kernel's `asm-generic/mman-common.h`, the same on x86-64 and AArch64.
    const PROT_ACCESS: u32 = 7;
    const PROT_EXEC: u32 = 4;
    const MAP_SHARED: u32 = 1;
    const MAP_ANONYMOUS: u32 = 0x20;
    const MAP_GROWSDOWN: u32 = 0x0100;
    const MAP_STACK: u32 = 0x2_0000;

    /// Arguments of `mmap`, protection and flags, that tell this kind. There are none that tell the heap segment.
    pub(crate) const fn arguments(self) -> (u32, u32) {
        const READ_WRITE: u32 = 3;
        const ANONYMOUS: u32 = RangeKind::MAP_ANONYMOUS | 2;
        match self {
            Self::Anonymous | Self::HeapSegment => (READ_WRITE, ANONYMOUS),
            Self::File => (READ_WRITE, 2),
            Self::Stack => (READ_WRITE, ANONYMOUS | Self::MAP_STACK),
            Self::Reserved => (0, ANONYMOUS),
            Self::Shared => (READ_WRITE, Self::MAP_ANONYMOUS | Self::MAP_SHARED),
            Self::Code => (Self::PROT_EXEC, 2),
        }
    }

    /// The kind that `mmap`'s arguments tell. (`glibc` maps stacks of threads without access first, and
    /// with `MAP_STACK`.)
    #[must_use]
    pub const fn of(protection: u32, flags: u32) -> Self {
        if flags & Self::MAP_ANONYMOUS == 0 {
            if protection & Self::PROT_EXEC != 0 { Self::Code } else { Self::File }
        } else if flags & (Self::MAP_STACK | Self::MAP_GROWSDOWN) != 0 {
            Self::Stack
        } else if flags & Self::MAP_SHARED != 0 {
            Self::Shared
        } else if protection & Self::PROT_ACCESS == 0 {
            Self::Reserved
        } else {
            Self::Anonymous
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) end: u64,
    pub(crate) kind: RangeKind,
    pub(crate) born: Nanos,
    /// The address space's number for the stack that mapped it, or [`NO_STACK`].
    pub(crate) stack: u32,
}

/// Nobody knows who mapped it.
pub const NO_STACK: u32 = u32::MAX;

/// What one call stack mapped since we watch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mapped {
    /// Calls that added pages.
    pub(crate) calls: u64,
    /// Bytes that they added.
    pub(crate) mapped: u64,
    /// Of those unmapped, by whomever.
    pub(crate) unmapped: u64,
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
    /// By number of the stack.
    mapped: Vec<Mapped>,
    /// Where the heap segment ends now, once that is known.
    heap_end: Option<u64>,
    limit: usize,
}

impl Ranges {
    /// An empty ledger that keeps at most `limit` ranges.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            ranges: BTreeMap::new(),
            totals: MappingTotals::default(),
            mapped: Vec::new(),
            heap_end: None,
            limit,
        }
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
        Self { totals, mapped: Vec::new(), ..self.clone() }
    }

    /// The numbers of stacks mean nothing any more.
    #[must_use]
    pub fn without_stacks(mut self) -> Self {
        self.ranges.values_mut().for_each(|range| range.stack = NO_STACK);
        self.mapped.clear();
        self
    }

    /// All ranges with their first addresses, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &Range)> {
        self.ranges.iter().map(|(start, range)| (*start, range))
    }

    /// Those that have a byte in `[start, end)`, with their first addresses, in order.
    pub(crate) fn between(&self, start: u64, end: u64) -> Vec<(u64, Range)> {
        let mut found: Vec<(u64, Range)> = self.overlapping(start, end).collect();
        found.reverse();
        found
    }

    /// What each stack mapped, by number; stacks that never did may be missing at the end.
    pub(crate) fn mapped(&self) -> &[Mapped] {
        &self.mapped
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
            + self.mapped.capacity() * size_of::<Mapped>()
    }

    /// `mmap` has returned. What was there has gone (`MAP_FIXED`, or an `munmap` that we missed).
    pub fn map(&mut self, map: &Map, stack: u32, time: Nanos) {
        let (start, end) = pages(map.address, map.length);
        self.cut(start, end, Nanos::MAX);
        let kind = RangeKind::of(map.protection, map.flags);
        self.add(start, Range { end, kind, born: time, stack });
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
    pub fn remap(&mut self, remap: &Remap, stack: u32, time: Nanos) {
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
            self.add(new_start, Range { end, kind, born: time, stack });
        }
    }

    /// The heap segment ends here, as `brk` or `/proc` tells. The first end that is heard of is where
    /// the watch begins; only growth from there on is live.
    pub fn set_break(&mut self, end: u64, stack: u32) {
        let (_, end) = pages(end, 0);
        let before = self.heap_end.replace(end).unwrap_or(end);
        if end < before {
            self.unmap(&Unmap { address: end, length: before - end, entered: Nanos::MAX });
        } else if end > before {
            self.cut(before, end, Nanos::MAX);
            self.add_to_heap_segment(before, end, stack);
        }
    }

    /// The mapping at this address, if it was made since we watch: its kind, and when that was (0 for the heap
    /// segment).
    pub(crate) fn known_at(&self, address: u64) -> Option<(RangeKind, Nanos)> {
        let (_, range) = self.overlapping(address, address.saturating_add(1)).next()?;
        Some((range.kind, range.born))
    }

    /// What of `[start, end)` is not known to have been mapped after `entered`, in pieces: what a call that was
    /// entered then may have given up.
    pub(crate) fn given_up(&self, start: u64, end: u64, entered: Nanos) -> Vec<(u64, u64)> {
        let (mut pieces, mut end) = (Vec::new(), end);
        for (first, range) in self.overlapping(start, end) {
            if range.born > entered {
                pieces.push((range.end.min(end), end));
                end = first.max(start);
            }
        }
        pieces.push((start, end));
        pieces.retain(|(start, end)| start < end);
        pieces
    }

    /// Where the heap segment ends, once that is known.
    pub(crate) const fn heap_end(&self) -> Option<u64> {
        self.heap_end
    }

    /// Keeps what a stack adds to the heap segment one range. It counts as born before everything, as the kernel never
    /// gives these pages to an `mmap` that could race with an `munmap`.
    fn add_to_heap_segment(&mut self, start: u64, end: u64, stack: u32) {
        let added = Range { end, kind: RangeKind::HeapSegment, born: 0, stack };
        let last = self.ranges.range_mut(..start).next_back();
        if let Some((_, last)) = last
            && *last == (Range { end: start, ..added })
        {
            last.end = end;
            self.count_mapped(end - start, &added);
        } else {
            self.add(start, added);
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
                    self.insert(start, Range { end, born: time, ..range });
                }
                _ => self.count_unmapped(end - start, &range),
            }
        }
    }

    /// Removes what of `[start, end)` was born by `entered`.
    fn cut(&mut self, start: u64, end: u64, entered: Nanos) {
        for piece in self.take(start, end, entered) {
            self.count_unmapped(piece.range.end - piece.start, &piece.range);
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
            self.count_mapped(range.end - start, &range);
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
        self.known_at(address).map_or(RangeKind::Anonymous, |(kind, _)| kind)
    }

    // Sums wrap: each range is real, but a hostile order of events could add up any number of them.

    fn count_mapped(&mut self, bytes: u64, range: &Range) {
        self.totals.mapped_bytes = self.totals.mapped_bytes.wrapping_add(bytes);
        self.totals.live_bytes = self.totals.live_bytes.wrapping_add(bytes);
        let by_kind = &mut self.totals.live_by_kind[range.kind as usize];
        *by_kind = by_kind.wrapping_add(bytes);
        if let Some(mapped) = self.mapped_by(range.stack) {
            mapped.calls += 1;
            mapped.mapped = mapped.mapped.wrapping_add(bytes);
        }
    }

    fn count_unmapped(&mut self, bytes: u64, range: &Range) {
        self.totals.unmapped_bytes = self.totals.unmapped_bytes.wrapping_add(bytes);
        self.uncount_live(bytes, range.kind);
        if let Some(mapped) = self.mapped_by(range.stack) {
            mapped.unmapped = mapped.unmapped.wrapping_add(bytes);
        }
    }

    fn mapped_by(&mut self, stack: u32) -> Option<&mut Mapped> {
        if stack == NO_STACK {
            return None;
        }
        if self.mapped.len() <= stack as usize {
            self.mapped.resize(stack as usize + 1, Mapped::default());
        }
        self.mapped.get_mut(stack as usize)
    }

    fn uncount_live(&mut self, bytes: u64, kind: RangeKind) {
        self.totals.live_bytes = self.totals.live_bytes.wrapping_sub(bytes);
        let by_kind = &mut self.totals.live_by_kind[kind as usize];
        *by_kind = by_kind.wrapping_sub(bytes);
    }
}

/// The whole pages that `[address, address + length)` touches, cut off at the last whole page of
/// the address space.
pub(crate) fn pages(address: u64, length: u64) -> (u64, u64) {
    let last = u64::MAX / PAGE * PAGE;
    let end = address.saturating_add(length).min(last).div_ceil(PAGE) * PAGE;
    let start = address / PAGE * PAGE;
    (start, end.max(start))
}

#[cfg(test)]
mod tests;
