//! Where the live blocks lie among the mappings of a process, and whose these are.

use super::allocator_code::{AllocatorCode, Mapper};
use super::heap::blocks::Block;
use super::heap::ranges::{NO_STACK, Ranges};
use super::heap::usable::usable;
use super::owners::{Owner, Owners};
use super::placing::{Bounds, Figure, Part, Segments};
use super::process::Space;
use super::snapshot::{PictureSnapshot, PlacedBlocks, ResidentPart};
use super::stacks::Stacks;
use super::sweeps::{Goal, Visitor};
use super::tracker::Tracker;
use crate::model::ids::{Nanos, Pid, StackId};
use crate::model::picture::{Area, Picture};
use memtrace_common::classes::Sizing;
use memtrace_common::function::BlockKind;
use std::collections::BTreeMap;
use std::sync::Arc;

impl Tracker {
    /// The memory of a process was looked at. A process that only borrows its address space has none.
    ///
    /// Its blocks are looked up piece by piece, as they are now: see [`Self::advance`].
    pub(super) fn picture_seen(
        &mut self,
        pid: Pid,
        time: Nanos,
        picture: &Picture,
        areas: &Arc<[Area]>,
    ) {
        let Some(place) = self.find(pid) else { return };
        let Some(process) = self.processes.get_mut(place) else { return };
        // What was read of the program that ran before is not this one's.
        if picture.began < process.seen || !process.owns_space {
            return;
        }
        let number = process.space;
        self.finish_sweeps_of(number);
        let Some(space) = self.spaces.get_mut(number) else { return };
        let are_whole =
            self.processes.get(place).is_some_and(|process| process.windows.are_whole());
        // Where the others lie is not known, either, if some came or went unseen.
        let is_sampled = space.heap.sampled().is_some() || !are_whole;
        let pending = Pending {
            process: place,
            time,
            picture: *picture,
            is_sampled,
            mappers: mappers(space, &self.stacks, &self.allocator_code),
            is_from_exec: space.is_from_exec,
            ranges_of_allocators: 0,
        };
        let segments = Segments::new(areas, &space.ranges);
        let (pending, resident) = pending.with_ranges(space, &segments);
        if let Some(process) = self.processes.get_mut(place) {
            process.resident = resident;
        }
        let placing = Placing { segments, live: 0, elsewhere: 0 };
        if is_sampled {
            // Where samples lie says nothing of where the others do.
            self.picture_placed(pending, &placing, PlacedBlocks::default());
        } else {
            space.heap.begin_sweep(Visitor::Place(Box::new(placing)));
            self.sweeps.begin(number, BlockKind::Heap, Goal::Picture(Box::new(pending)));
        }
    }

    /// All blocks have been looked up.
    pub(super) fn picture_done(&mut self, pending: Pending, placing: &Placing) {
        let blocks = placing.placed();
        self.picture_placed(pending, placing, blocks);
    }

    fn picture_placed(&mut self, pending: Pending, placing: &Placing, blocks: PlacedBlocks) {
        let Some(process) = self.processes.get_mut(pending.process) else { return };
        let Pending { time, picture, is_sampled, mappers, is_from_exec, .. } = pending;
        let mapper = |stack: u32| mappers.get(&stack).copied();
        let resident = picture.resident_with_blocks();
        let touched = blocks.touched_least;
        let mut owners = Owners::new(&placing.segments, mapper, is_from_exec, resident, touched);
        owners.allocator_mapped = pending.ranges_of_allocators;
        process.picture = Some(PictureSnapshot { time, picture, is_sampled, blocks, owners });
    }
}

/// A picture whose blocks are still looked up: all else that it says, as it was when it was seen.
#[derive(Debug)]
pub(super) struct Pending {
    process: usize,
    time: Nanos,
    picture: Picture,
    is_sampled: bool,
    mappers: BTreeMap<u32, Mapper>,
    is_from_exec: bool,
    ranges_of_allocators: u64,
}

impl Pending {
    /// … and what is resident of each stack's mappings.
    fn with_ranges(
        self,
        space: &Space,
        segments: &Segments,
    ) -> (Self, BTreeMap<StackId, ResidentPart>) {
        let mapper = |stack: u32| self.mappers.get(&stack).copied();
        let ranges_of_allocators = mapped_by_allocators(&space.ranges, mapper);
        let id = |number: u32| space.stacks().get(number as usize).copied();
        let resident = place_ranges(segments)
            .into_iter()
            .filter_map(|(number, it)| Some((id(number)?, it)))
            .collect();
        (Self { ranges_of_allocators, ..self }, resident)
    }
}

/// Who made the calls that ranges are from, by the number of the stack: each is looked at once.
fn mappers(space: &Space, stacks: &Stacks, code: &AllocatorCode) -> BTreeMap<u32, Mapper> {
    let mut numbers: Vec<u32> = space.ranges.iter().map(|(_, range)| range.stack).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let mapper = |number: u32| {
        let id = *space.stacks().get(number as usize)?;
        Some((number, code.mapper(stacks.get(id)?)))
    };
    numbers.into_iter().filter_map(mapper).collect()
}

fn mapped_by_allocators(ranges: &Ranges, mapper: impl Fn(u32) -> Option<Mapper>) -> u64 {
    ranges
        .iter()
        .filter(|(_, range)| Owner::of_range(range.kind, mapper(range.stack)) == Owner::Allocator)
        .fold(0, |sum: u64, (start, range)| sum.saturating_add(range.end.saturating_sub(start)))
}

/// Blocks while they are looked up.
#[derive(Debug)]
pub(super) struct Placing {
    segments: Segments,
    live: u64,
    elsewhere: u64,
}

impl Placing {
    /// Looks a block up. Areas that are out of order give other sums, and no panic.
    pub(super) fn put(&mut self, block: &Block, sizing: Sizing) {
        self.live = self.live.saturating_add(block.size);
        let end = block.address.saturating_add(block.size);
        let found = self.segments.put(block.address, end, Figure::Asked);
        self.elsewhere = self.elsewhere.saturating_add(block.size - found);
        if let Some(takes) = usable(sizing, block.address, block.size) {
            self.segments.put(end, block.address.saturating_add(takes), Figure::Rounding);
        }
    }

    /// What they came to.
    fn placed(&self) -> PlacedBlocks {
        let Self { live, elsewhere, .. } = *self;
        let mut placed = PlacedBlocks { live, elsewhere, ..PlacedBlocks::default() };
        let mut by_area: BTreeMap<usize, (&Area, Part)> = BTreeMap::new();
        for (area, segment) in self.segments.iter() {
            let kind = &mut placed.by_kind[area.kind as usize];
            *kind = kind.saturating_add(segment.asked.bytes);
            by_area.entry(segment.area).or_insert((area, Part::default())).1.add(segment.asked);
        }
        for (area, asked) in by_area.into_values() {
            let touched = Bounds::of(asked, area);
            placed.touched_least = placed.touched_least.saturating_add(touched.least);
            placed.touched_most = placed.touched_most.saturating_add(touched.most);
        }
        placed
    }
}

/// What is resident of each stack's mappings, by the number of the stack.
fn place_ranges(segments: &Segments) -> BTreeMap<u32, ResidentPart> {
    // By number of the area, and of the stack.
    let mut parts: BTreeMap<(usize, u32), (&Area, Part)> = BTreeMap::new();
    for (area, segment) in segments.iter().filter(|(_, it)| it.stack != NO_STACK) {
        let key = (segment.area, segment.stack);
        parts.entry(key).or_insert((area, Part::default())).1.add(segment.all);
    }
    let mut found: BTreeMap<u32, ResidentPart> = BTreeMap::new();
    for ((_, stack), (area, part)) in parts {
        let Bounds { least, most } = Bounds::of(part, area);
        let sum = found.entry(stack).or_default();
        sum.of = sum.of.saturating_add(part.bytes);
        sum.least = sum.least.saturating_add(least);
        sum.most = sum.most.saturating_add(most);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{
        Area, BTreeMap, Block, NO_STACK, PlacedBlocks, Placing, Ranges, ResidentPart, Segments,
        Sizing, place_ranges,
    };
    use crate::model::event::Map;
    use crate::model::picture::PageKind;
    use memtrace_common::classes::SizeClasses;
    use proptest::prelude::*;

    const PAGE: u64 = 4096;

    fn area(start: u64, pages: u64, resident: u64, kind: PageKind) -> Area {
        let (end, resident) = (start + pages * PAGE, resident * PAGE);
        Area { start, end, resident, kind, writable: true, pages: None }
    }

    fn segments(areas: &[Area], ranges: &Ranges) -> Segments {
        Segments::new(&areas.into(), ranges)
    }

    fn placed(blocks: &[(u64, u64)], areas: &[Area]) -> PlacedBlocks {
        let segments = segments(areas, &Ranges::new(0));
        let mut placing = Placing { segments, live: 0, elsewhere: 0 };
        for &(address, size) in blocks {
            let block = Block { address, size, interval: 0, stack: 0, born: 0 };
            placing.put(&block, Sizing::of(SizeClasses::UNKNOWN));
        }
        placing.placed()
    }

    #[test]
    fn blocks_are_found_and_bounded() {
        let areas = [
            area(0x10000, 4, 4, PageKind::HeapSegment),
            area(0x20000, 8, 2, PageKind::Anonymous),
            area(0x28000, 1, 1, PageKind::Anonymous),
        ];
        let blocks = [
            (0x10010, 100),
            // Across two mappings.
            (0x27000, 2 * PAGE),
            // Where nothing is mapped, and out of the last one.
            (0x5000, 50),
            (0x28800, PAGE),
        ];
        let placed = placed(&blocks, &areas);
        assert_eq!(placed.live, 100 + 2 * PAGE + 50 + PAGE);
        assert_eq!(placed.by_kind[PageKind::HeapSegment as usize], 100);
        assert_eq!(placed.by_kind[PageKind::Anonymous as usize], 2 * PAGE + PAGE / 2);
        assert_eq!(placed.elsewhere, 50 + PAGE / 2);
        // The heap segment is all there, so the block is; of the sparse mapping nobody knows.
        assert_eq!(placed.touched_least, 100 + PAGE);
        assert_eq!(placed.touched_most, 100 + PAGE + PAGE);
    }

    #[test]
    fn what_is_resident_of_mappings_is_bounded() {
        let areas =
            [area(0x10000, 4, 4, PageKind::Anonymous), area(0x20000, 8, 3, PageKind::Anonymous)];
        let mut ranges = Ranges::new(9);
        let mut map = |page: u64, pages: u64, stack| {
            let map = Map {
                address: page * PAGE,
                length: pages * PAGE,
                protection: 3,
                flags: 0x22,
                file_offset: 0,
            };
            ranges.map(&map, stack, 1);
        };
        // The kernel joins neighbours into one mapping.
        map(0x10, 1, 1);
        map(0x12, 2, 1);
        map(0x20, 2, 1);
        map(0x22, 6, 2);
        map(0x40, 1, 2);
        map(0x11, 1, NO_STACK);
        let part = |of, least, most| ResidentPart {
            of: of * PAGE,
            least: least * PAGE,
            most: most * PAGE,
        };
        let placed = place_ranges(&segments(&areas, &ranges));
        assert_eq!(placed, BTreeMap::from([(1, part(5, 3, 5)), (2, part(6, 1, 3))]));
    }

    proptest! {
        /// Whichever pages are resident, the true figure lies between the bounds.
        #[test]
        fn the_truth_lies_between_the_bounds(
            sizes in proptest::collection::vec((1..6_u64, 0..3_u64), 1..6),
            resident in proptest::collection::vec(any::<bool>(), 30),
            lengths in proptest::collection::vec((1..9_000_u64, 0..9_000_u64), 0..12),
        ) {
            let (mut areas, mut next, mut page) = (Vec::new(), 0x10000, 0);
            let mut pages = Vec::new();
            for (count, gap) in sizes {
                let there: Vec<bool> = resident[page..page + count as usize].to_vec();
                page += count as usize;
                let touched = there.iter().filter(|it| **it).count() as u64;
                areas.push(area(next, count, touched, PageKind::Anonymous));
                pages.extend(there.iter().zip(0_u64..).map(|(it, at)| (next + at * PAGE, *it)));
                next += (count + gap) * PAGE;
            }
            let (mut blocks, mut at) = (Vec::new(), 0x10000);
            for (length, gap) in lengths {
                blocks.push((at, length));
                at += length + gap;
            }
            let overlap = |page: u64, (start, size): (u64, u64)| {
                (start + size).min(page + PAGE).saturating_sub(start.max(page))
            };
            let truth: u64 = pages
                .iter()
                .filter(|(_, there)| *there)
                .map(|(page, _)| blocks.iter().map(|block| overlap(*page, *block)).sum::<u64>())
                .sum();
            let placed = placed(&blocks, &areas);
            prop_assert!(placed.touched_least <= truth && truth <= placed.touched_most);
            prop_assert_eq!(placed.live, placed.by_kind.iter().sum::<u64>() + placed.elsewhere);
        }

        #[test]
        fn areas_in_any_order_are_survived(
            areas in proptest::collection::vec((any::<u64>(), any::<u64>(), any::<u64>()), 0..8),
            blocks in proptest::collection::vec((0..1_u64 << 47, 0..1_u64 << 46), 0..8),
        ) {
            let area = |(start, end, resident)| Area {
                end,
                resident,
                ..area(start, 0, 0, PageKind::Arena)
            };
            let areas: Vec<Area> = areas.into_iter().map(area).collect();
            let placed = placed(&blocks, &areas);
            prop_assert!(placed.elsewhere <= placed.live);
        }
    }
}
