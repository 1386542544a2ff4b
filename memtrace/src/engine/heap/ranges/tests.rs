//! The ledger by examples, and against a set of single pages.

use super::{Mapped, NO_STACK, PAGE, RangeKind, Ranges};
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
    assert_eq!(RangeKind::of(1, 0x02), RangeKind::File);
    assert_eq!(RangeKind::of(3, 0x22), RangeKind::Anonymous);
    assert_eq!(RangeKind::of(0, 0x2_0022), RangeKind::Stack);
    assert_eq!(RangeKind::of(3, 0x0122), RangeKind::Stack);
    assert_eq!(RangeKind::of(0, 0x4022), RangeKind::Reserved);
    assert_eq!(RangeKind::of(3, 0x21), RangeKind::Shared);
    assert_eq!(RangeKind::of(5, 0x12), RangeKind::Code);
    for (number, kind) in RangeKind::ALL.into_iter().enumerate() {
        assert_eq!(kind as usize, number);
    }
}

#[test]
fn a_hole_splits_a_range() {
    let mut ranges = Ranges::new(9);
    ranges.map(&map(10, 9 * PAGE + 1, ANONYMOUS), NO_STACK, 1);
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
    ranges.map(&map(1, PAGE, ANONYMOUS), NO_STACK, 10);
    ranges.map(&map(1, PAGE, ANONYMOUS), NO_STACK, 30);
    ranges.unmap(&unmap(1, PAGE, 20));
    assert_eq!(live(&ranges), (1, 1));
    assert_eq!(ranges.totals().unknown_unmapped_bytes, 0);
}

#[test]
fn growing_a_mapping_that_is_older_than_the_watch_counts_the_growth() {
    let mut ranges = Ranges::new(9);
    ranges.remap(&remap((10, 4), (50, 6), 1), NO_STACK, 2);
    assert_eq!(live(&ranges), (2, 1));
    ranges.remap(&remap((50, 6), (50, 3), 3), NO_STACK, 4);
    assert_eq!(live(&ranges), (0, 0));
    assert_eq!(ranges.totals().unknown_unmapped_bytes, PAGE);
}

/// `MREMAP_DONTUNMAP`, as the kernel side tells it: all moves, and where it was there is a mapping like it.
#[test]
fn what_a_mapping_leaves_may_stay_mapped() {
    let mut ranges = Ranges::new(9);
    ranges.map(&map(10, 4 * PAGE, 0x21), NO_STACK, 1);
    ranges.remap(&remap((10, 4), (50, 4), 2), NO_STACK, 3);
    ranges.remap(&remap((50, 0), (10, 4), 2), NO_STACK, 3);
    assert_eq!(live(&ranges), (8, 2));
    assert_eq!(ranges.totals().live_by_kind[RangeKind::Shared as usize], 8 * PAGE);
    ranges.unmap(&unmap(10, 4 * PAGE, 4));
    assert_eq!((live(&ranges), ranges.totals().unknown_unmapped_bytes), ((4, 1), 0));
}

#[test]
fn the_heap_segment_stays_one_range() {
    let mut ranges = Ranges::new(9);
    for end in [100, 102, 110, 105] {
        ranges.set_break(end * PAGE - 5, NO_STACK);
    }
    assert_eq!(live(&ranges), (5, 1));
    assert_eq!(ranges.totals().live_by_kind[RangeKind::HeapSegment as usize], 5 * PAGE);
    ranges.set_break(90 * PAGE, NO_STACK);
    ranges.set_break(91 * PAGE, NO_STACK);
    assert_eq!((live(&ranges), ranges.totals().unknown_unmapped_bytes), ((1, 1), 10 * PAGE));
}

#[test]
fn a_child_inherits_and_goes_its_own_way() {
    let mut parent = Ranges::new(9);
    parent.map(&map(1, 4 * PAGE, ANONYMOUS), NO_STACK, 1);
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
        ranges.map(&map(page, PAGE, ANONYMOUS), NO_STACK, 1);
    }
    assert_eq!((live(&ranges), ranges.totals().evicted_bytes), ((2, 2), PAGE));
}

#[test]
fn what_is_moved_or_cut_stays_its_stacks() {
    let mut ranges = Ranges::new(9);
    ranges.map(&map(10, 4 * PAGE, ANONYMOUS), 1, 1);
    ranges.unmap(&unmap(11, PAGE, 2));
    ranges.remap(&remap((12, 2), (50, 5), 3), 2, 4);
    assert_eq!(
        pages(&ranges).values().map(|(_, stack)| *stack).collect::<Vec<_>>(),
        [1, 1, 1, 2, 2, 2]
    );
    let mapped = |calls, mapped, unmapped| Mapped {
        calls,
        mapped: mapped * PAGE,
        unmapped: unmapped * PAGE,
    };
    assert_eq!(ranges.mapped(), [mapped(0, 0, 0), mapped(1, 4, 1), mapped(1, 3, 0)]);
    // Another stack's pages go when somebody else maps over them.
    ranges.map(&map(51, PAGE, ANONYMOUS), 3, 5);
    assert_eq!(ranges.mapped()[1], mapped(1, 4, 2));
    let child = ranges.forked();
    assert_eq!((pages(&child), child.mapped().len()), (pages(&ranges), 0));
    let child = child.without_stacks();
    assert!(pages(&child).values().all(|(_, stack)| *stack == NO_STACK));
}

#[test]
fn what_others_add_to_the_heap_segment_is_theirs() {
    let mut ranges = Ranges::new(9);
    for (end, stack) in [(10, NO_STACK), (12, 1), (13, 1), (14, 2)] {
        ranges.set_break(end * PAGE, stack);
    }
    assert_eq!(live(&ranges), (4, 2));
    assert_eq!((ranges.mapped()[1].calls, ranges.mapped()[2].mapped), (2, PAGE));
}

#[derive(Clone, Debug)]
enum Step {
    Map(u64, u64, u32, u32),
    Unmap(u64, u64, u64),
    Remap((u64, u64), (u64, u64), u64, u32),
    Break(u64, u32),
}

fn step() -> impl Strategy<Value = Step> {
    let page = 1_u64..40;
    let pages = 0_u64..12;
    let span = (page.clone(), pages.clone());
    let flags = prop::sample::select(vec![0x02, 0x22, 0x2_0022]);
    let stack = prop_oneof![0_u32..4, Just(NO_STACK)];
    prop_oneof![
        (page.clone(), 1..12 * PAGE, flags, stack.clone())
            .prop_map(|(page, length, flags, stack)| Step::Map(page, length, flags, stack)),
        (page.clone(), 1..12 * PAGE, 0_u64..9)
            .prop_map(|(page, length, ago)| { Step::Unmap(page, length, ago) }),
        (span.clone(), span, 0_u64..9, any::<bool>(), stack.clone()).prop_map(
            |(old, new, ago, in_place, stack)| {
                let start = if in_place { old.0 } else { new.0 };
                Step::Remap(old, (start, new.1), ago, stack)
            }
        ),
        (20_u64..45, stack).prop_map(|(end, stack)| Step::Break(end, stack)),
    ]
}

/// Every page for itself.
#[derive(Default)]
struct Model {
    pages: BTreeMap<u64, (RangeKind, u64, u32)>,
    /// Pages mapped and unmapped, by stack.
    by_stack: BTreeMap<u32, (u64, u64)>,
    totals: MappingTotals,
    heap_end: Option<u64>,
}

impl Model {
    fn add(&mut self, page: u64, kind: RangeKind, time: u64, stack: u32) {
        self.cut(page, NEVER);
        self.pages.insert(page, (kind, time, stack));
        self.by_stack.entry(stack).or_default().0 += 1;
        self.totals.mapped_bytes += PAGE;
    }

    fn cut(&mut self, page: u64, entered: u64) {
        if self.pages.get(&page).is_some_and(|(_, born, _)| *born <= entered) {
            let gone = self.pages.remove(&page).map(|(_, _, stack)| stack);
            self.by_stack.entry(gone.unwrap_or(NO_STACK)).or_default().1 += 1;
            self.totals.unmapped_bytes += PAGE;
        }
    }

    fn unmap(&mut self, page: u64, entered: u64) {
        if !self.pages.contains_key(&page) {
            self.totals.unknown_unmapped_bytes += PAGE;
        }
        self.cut(page, entered);
    }

    fn remap(&mut self, old: (u64, u64), new: (u64, u64), entered: u64, time: u64, stack: u32) {
        let kind = self.pages.get(&old.0).map_or(RangeKind::Anonymous, |(kind, ..)| *kind);
        (new.1..old.1).for_each(|page| self.unmap(old.0 + page, entered));
        if old.0 != new.0 {
            let kept = old.1.min(new.1);
            let moved: Vec<_> = (0..kept)
                .filter(|page| {
                    self.pages.get(&(old.0 + page)).is_some_and(|(_, born, _)| *born <= entered)
                })
                .map(|page| (page, self.pages[&(old.0 + page)]))
                .collect();
            self.pages.retain(|page, _| moved.iter().all(|(gone, _)| *page != old.0 + gone));
            (0..kept).for_each(|page| self.cut(new.0 + page, NEVER));
            let moved = moved.iter();
            let moved = moved.map(|(page, (kind, _, stack))| (new.0 + page, (*kind, time, *stack)));
            self.pages.extend(moved);
        }
        (old.1..new.1).for_each(|page| self.add(new.0 + page, kind, time, stack));
    }

    fn apply(&mut self, step: &Step, time: u64) {
        let touched = |page, length: u64| page..page + length.div_ceil(PAGE);
        match *step {
            Step::Map(page, length, flags, stack) => touched(page, length)
                .for_each(|page| self.add(page, RangeKind::of(3, flags), time, stack)),
            Step::Unmap(page, length, ago) => {
                touched(page, length).for_each(|page| self.unmap(page, time.saturating_sub(ago)));
            }
            Step::Remap(old, new, ago, stack) => {
                self.remap(old, new, time.saturating_sub(ago), time, stack);
            }
            Step::Break(end, stack) => {
                let before = self.heap_end.replace(end).unwrap_or(end);
                (end..before).for_each(|page| self.unmap(page, NEVER));
                (before..end).for_each(|page| self.add(page, RangeKind::HeapSegment, 0, stack));
            }
        }
    }
}

fn apply(ranges: &mut Ranges, step: &Step, time: u64) {
    match *step {
        Step::Map(page, length, flags, stack) => ranges.map(&map(page, length, flags), stack, time),
        Step::Unmap(page, length, ago) => {
            ranges.unmap(&unmap(page, length, time.saturating_sub(ago)));
        }
        Step::Remap(old, new, ago, stack) => {
            ranges.remap(&remap(old, new, time.saturating_sub(ago)), stack, time);
        }
        Step::Break(end, stack) => ranges.set_break(end * PAGE, stack),
    }
}

/// Kind and stack of each page.
fn pages(ranges: &Ranges) -> BTreeMap<u64, (RangeKind, u32)> {
    let mut pages = BTreeMap::new();
    for (&start, range) in &ranges.ranges {
        assert!(start < range.end);
        for page in start / PAGE..range.end / PAGE {
            assert_eq!(pages.insert(page, (range.kind, range.stack)), None, "ranges overlap");
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
                model.pages.iter().map(|(page, (kind, _, stack))| (*page, (*kind, *stack))).collect();
            prop_assert_eq!(pages(&ranges), expected);
        }
        let mut expected = MappingTotals {
            live_bytes: model.pages.len() as u64 * PAGE,
            live_ranges: ranges.ranges.len() as u64,
            ..model.totals
        };
        for (kind, ..) in model.pages.values() {
            expected.live_by_kind[*kind as usize] += PAGE;
        }
        prop_assert_eq!(ranges.totals(), expected);
        for (stack, mapped) in (0..).zip(ranges.mapped()) {
            let (came, went) = model.by_stack.get(&stack).copied().unwrap_or_default();
            prop_assert_eq!((mapped.mapped, mapped.unmapped), (came * PAGE, went * PAGE));
        }
        prop_assert_eq!(expected.live_bytes, expected.mapped_bytes - expected.unmapped_bytes);
    }
}
