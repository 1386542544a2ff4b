//! Where the live blocks lie among the mappings of a process, and whose these are.

use super::allocator_code::{AllocatorCode, Mapper};
use super::heap::live::LiveHeap;
use super::heap::ranges::{NO_STACK, Ranges};
use super::heap::usable::usable;
use super::owners::{Owner, Owners};
use super::placing::{Bounds, Figure, Part, Segments};
use super::process::Space;
use super::snapshot::{PictureSnapshot, PlacedBlocks, ResidentPart};
use super::stacks::Stacks;
use super::tracker::Tracker;
use crate::model::ids::{Nanos, Pid};
use crate::model::picture::{Area, Picture};
use std::collections::BTreeMap;

impl Tracker {
    /// The memory of a process was looked at. A process that only borrows its address space has none.
    pub(super) fn picture_seen(
        &mut self,
        pid: Pid,
        time: Nanos,
        picture: &Picture,
        areas: &[Area],
    ) {
        let Some(place) = self.find(pid) else { return };
        let Some(process) = self.processes.get_mut(place) else { return };
        // What was read of the program that ran before is not this one's.
        if picture.began < process.seen {
            return;
        }
        if let Some(space) = self.spaces.get(process.space).filter(|_| process.owns_space) {
            let mut segments = Segments::new(areas, &space.ranges);
            // Where the others lie is not known, either, if some came or went unseen.
            let is_sampled = space.heap.sampled().is_some() || !process.windows.are_whole();
            // Where samples lie says nothing of where the others do.
            let blocks = match is_sampled {
                true => PlacedBlocks::default(),
                false => place_blocks(&space.heap, &mut segments),
            };
            process.resident = place_ranges(&segments)
                .into_iter()
                .filter_map(|(number, it)| Some((*space.stacks().get(number as usize)?, it)))
                .collect();
            let whose = mappers(space, &self.stacks, &self.allocator_code);
            let mapper = |stack: u32| whose.get(&stack).copied();
            let resident = picture.resident_with_blocks();
            let touched = blocks.touched_least;
            let mut owners = Owners::new(&segments, mapper, space.is_from_exec, resident, touched);
            owners.allocator_mapped = mapped_by_allocators(&space.ranges, mapper);
            let picture = *picture;
            process.picture = Some(PictureSnapshot { time, picture, is_sampled, blocks, owners });
        }
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

/// Looks all blocks up. Areas that are out of order give other sums, and no panic.
fn place_blocks(heap: &LiveHeap, segments: &mut Segments<'_>) -> PlacedBlocks {
    let mut placed = PlacedBlocks::default();
    for block in heap.blocks().iter() {
        placed.live = placed.live.saturating_add(block.size);
        let end = block.address.saturating_add(block.size);
        let found = segments.put(block.address, end, Figure::Asked);
        placed.elsewhere = placed.elsewhere.saturating_add(block.size - found);
        let classes = heap.tallies().classes(block.stack);
        if let Some(takes) = usable(classes, block.address, block.size) {
            segments.put(end, block.address.saturating_add(takes), Figure::Rounding);
        }
    }
    let mut by_area: BTreeMap<usize, (&Area, Part)> = BTreeMap::new();
    for (area, segment) in segments.iter() {
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

/// What is resident of each stack's mappings, by the number of the stack.
fn place_ranges(segments: &Segments<'_>) -> BTreeMap<u32, ResidentPart> {
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
        Area, BTreeMap, LiveHeap, NO_STACK, PlacedBlocks, Ranges, ResidentPart, Segments,
        place_blocks, place_ranges,
    };
    use crate::engine::heap::blocks::Block;
    use crate::model::event::Map;
    use crate::model::picture::PageKind;
    use proptest::prelude::*;

    const PAGE: u64 = 4096;

    fn area(start: u64, pages: u64, resident: u64, kind: PageKind) -> Area {
        let (end, resident) = (start + pages * PAGE, resident * PAGE);
        Area { start, end, resident, kind, writable: true, pages: None }
    }

    fn heap(blocks: &[(u64, u64)]) -> LiveHeap {
        let mut heap = LiveHeap::new(0);
        for &(address, size) in blocks {
            heap.allocate(Block { address, size, interval: 0, stack: 0, born: 0 }, true);
        }
        heap
    }

    fn placed(blocks: &[(u64, u64)], areas: &[Area]) -> PlacedBlocks {
        place_blocks(&heap(blocks), &mut Segments::new(areas, &Ranges::new(0)))
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
        let placed = place_ranges(&Segments::new(&areas, &ranges));
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
