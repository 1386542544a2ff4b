//! Where the live blocks lie among the mappings of a process.

use super::heap::blocks::BlockTable;
use super::heap::ranges::{NO_STACK, Ranges};
use super::snapshot::{PictureSnapshot, PlacedBlocks, ResidentPart};
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
            let blocks = place_blocks(space.heap.blocks(), areas);
            process.resident = place_ranges(&space.ranges, areas)
                .into_iter()
                .filter_map(|(number, it)| Some((*space.stacks().get(number as usize)?, it)))
                .collect();
            process.picture = Some(PictureSnapshot { time, picture: *picture, blocks });
        }
    }
}

/// Looks all blocks up. `areas` that are out of order give other sums, and no panic.
fn place_blocks(blocks: &BlockTable, areas: &[Area]) -> PlacedBlocks {
    let mut placed = PlacedBlocks::default();
    let mut held = vec![0_u64; areas.len()];
    let mut at = 0;
    for block in blocks.iter() {
        placed.live = placed.live.saturating_add(block.size);
        // Neighbours in the table are often neighbours in memory: both are filled in order of birth.
        if !areas.get(at).is_some_and(|area| (area.start..area.end).contains(&block.address)) {
            at = areas.partition_point(|area| area.end <= block.address);
        }
        let found = put(areas, &mut held, at, block.address, block.size);
        placed.elsewhere = placed.elsewhere.saturating_add(block.size - found);
    }
    for (area, held) in areas.iter().zip(held) {
        add(&mut placed, area, held);
    }
    placed
}

/// What is resident of each stack's mappings, by the number of the stack. Which pages of a mapping are
/// resident is not known where a stack has only a part of it: hence bounds, as for blocks.
fn place_ranges(ranges: &Ranges, areas: &[Area]) -> BTreeMap<u32, ResidentPart> {
    let mut found: BTreeMap<u32, ResidentPart> = BTreeMap::new();
    // By number of the area, and of the stack.
    let mut parts: BTreeMap<(usize, u32), u64> = BTreeMap::new();
    for (start, range) in ranges.iter().filter(|(_, range)| range.stack != NO_STACK) {
        let first = areas.partition_point(|area| area.end <= start);
        for (number, area) in areas.iter().enumerate().skip(first) {
            if area.start >= range.end {
                break;
            }
            let part = range.end.min(area.end).saturating_sub(start.max(area.start));
            let sum = parts.entry((number, range.stack)).or_default();
            *sum = sum.saturating_add(part);
        }
    }
    for ((number, stack), part) in parts {
        let Some(area) = areas.get(number) else { continue };
        let untouched = area.end.saturating_sub(area.start).saturating_sub(area.resident);
        let sum = found.entry(stack).or_default();
        sum.of = sum.of.saturating_add(part);
        sum.least = sum.least.saturating_add(part.saturating_sub(untouched).min(area.resident));
        sum.most = sum.most.saturating_add(part.min(area.resident));
    }
    found
}

/// Gives the areas from `at` on their parts of a block, which may lie across several: the kernel splits a
/// mapping where a part of it gets other properties. Gives the bytes that found a place.
fn put(areas: &[Area], held: &mut [u64], at: usize, address: u64, size: u64) -> u64 {
    let end = address.saturating_add(size);
    let mut found = 0;
    for (area, held) in areas.iter().zip(held).skip(at) {
        let part = end.min(area.end).saturating_sub(address.max(area.start));
        if area.start >= end || found + part > size {
            break;
        }
        *held = held.saturating_add(part);
        found += part;
    }
    found
}

fn add(placed: &mut PlacedBlocks, area: &Area, held: u64) {
    let kind = &mut placed.by_kind[area.kind as usize];
    *kind = kind.saturating_add(held);
    let untouched = area.end.saturating_sub(area.start).saturating_sub(area.resident);
    placed.touched_least =
        placed.touched_least.saturating_add(held.saturating_sub(untouched).min(area.resident));
    placed.touched_most = placed.touched_most.saturating_add(held.min(area.resident));
}

#[cfg(test)]
mod tests {
    use super::{
        Area, BTreeMap, BlockTable, NO_STACK, Ranges, ResidentPart, place_blocks, place_ranges,
    };
    use crate::engine::heap::blocks::Block;
    use crate::model::event::Map;
    use crate::model::picture::PageKind;
    use proptest::prelude::*;

    const PAGE: u64 = 4096;

    fn area(start: u64, pages: u64, resident: u64, kind: PageKind) -> Area {
        Area { start, end: start + pages * PAGE, resident: resident * PAGE, kind }
    }

    fn table(blocks: &[(u64, u64)]) -> BlockTable {
        let mut table = BlockTable::new(0);
        for &(address, size) in blocks {
            table.insert(Block { address, size, interval: 0, stack: 0, born: 0 }, true);
        }
        table
    }

    #[test]
    fn blocks_are_found_and_bounded() {
        let areas = [
            area(0x10000, 4, 4, PageKind::HeapSegment),
            area(0x20000, 8, 2, PageKind::Anonymous),
            area(0x28000, 1, 1, PageKind::Anonymous),
        ];
        let blocks = table(&[
            (0x10010, 100),
            // Across two mappings.
            (0x27000, 2 * PAGE),
            // Where nothing is mapped, and out of the last one.
            (0x5000, 50),
            (0x28800, PAGE),
        ]);
        let placed = place_blocks(&blocks, &areas);
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
        let placed = place_ranges(&ranges, &areas);
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
            let placed = place_blocks(&table(&blocks), &areas);
            prop_assert!(placed.touched_least <= truth && truth <= placed.touched_most);
            prop_assert_eq!(placed.live, placed.by_kind.iter().sum::<u64>() + placed.elsewhere);
        }

        #[test]
        fn areas_in_any_order_are_survived(
            areas in proptest::collection::vec((any::<u64>(), any::<u64>(), any::<u64>()), 0..8),
            blocks in proptest::collection::vec((0..1_u64 << 47, 0..1_u64 << 46), 0..8),
        ) {
            let area = |(start, end, resident)| Area { start, end, resident, kind: PageKind::Arena };
            let areas: Vec<Area> = areas.into_iter().map(area).collect();
            let placed = place_blocks(&table(&blocks), &areas);
            prop_assert!(placed.elsewhere <= placed.live);
        }
    }
}
