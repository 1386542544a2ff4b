//! Touched pages by examples, and against a map of single pages.

use super::{Discard, Fault, NO_STACK, PAGE, RangeKind, TouchTotals, Touched, Touches, advice};
use memtrace_common::wire::fault::{PROTECTION, USER, WRITE};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Pages below this one nobody can map.
const FIRST: u64 = 16;

fn fault(page: u64, error: u64) -> Fault {
    Fault { address: (FIRST + page) * PAGE + 7, error }
}

fn written(touched: &mut Touched, pages: std::ops::Range<u64>, stack: u32) {
    pages.for_each(|page| touched.fault(fault(page, WRITE | USER), None, stack));
}

fn discard(page: u64, length: u64, advice: u64) -> Discard {
    Discard { address: (FIRST + page) * PAGE, length: length * PAGE, advice }
}

#[test]
fn neighbours_of_one_stack_are_one_run() {
    let mut touched = Touched::new(9);
    written(&mut touched, 0..3, 1);
    written(&mut touched, 4..6, 1);
    written(&mut touched, 6..7, 2);
    assert_eq!(touched.runs.len(), 3);
    written(&mut touched, 3..4, 1);
    assert_eq!(touched.live().collect::<Vec<_>>(), [(1, 6 * PAGE), (2, PAGE)]);
    assert_eq!(touched.by_stack()[1], Touches { touched: 6 * PAGE, given_back: 0 });
}

#[test]
fn what_was_given_back_is_touched_anew() {
    let mut touched = Touched::new(9);
    written(&mut touched, 0..8, 1);
    touched.discard(&discard(2, 3, advice::DONT_NEED));
    assert_eq!(touched.totals().live_bytes, 5 * PAGE);
    written(&mut touched, 0..8, 2);
    let totals = touched.totals();
    assert_eq!((totals.live_bytes, totals.touched_bytes), (8 * PAGE, 11 * PAGE));
    assert_eq!((totals.given_back_bytes, totals.again), (3 * PAGE, 5));
    assert_eq!(touched.by_stack()[2].touched, 3 * PAGE);
}

/// The kernel takes such pages when it likes, if at all.
#[test]
fn what_may_go_later_is_live() {
    let mut touched = Touched::new(9);
    written(&mut touched, 0..8, 1);
    touched.discard(&discard(0, 4, advice::FREE));
    touched.discard(&discard(0, 4, 3));
    let totals = touched.totals();
    assert_eq!((totals.live_bytes, totals.lazily_freed_bytes), (8 * PAGE, 4 * PAGE));
}

#[test]
fn reading_takes_no_memory_until_the_page_is_written() {
    let mut touched = Touched::new(9);
    touched.fault(fault(0, USER), None, 1);
    touched.fault(fault(1, USER), None, 1);
    assert_eq!(touched.totals(), TouchTotals { only_read: 2, ..TouchTotals::default() });
    touched.fault(fault(1, USER | WRITE | PROTECTION), None, 2);
    assert_eq!(touched.live().collect::<Vec<_>>(), [(2, PAGE)]);
    touched.fault(fault(2, USER), Some(RangeKind::Shared), 3);
    assert_eq!(touched.totals().live_bytes, 2 * PAGE, "shared memory has no page of zeroes");
}

#[test]
fn what_is_no_growth_is_told_apart() {
    let mut touched = Touched::new(9);
    let file = |page: u64| (FIRST + page) * PAGE;
    touched.files_seen(&[(file(4), file(6))].into());
    written(&mut touched, 0..1, 1);
    touched.fault(fault(0, WRITE | PROTECTION), None, 1);
    touched.fault(fault(1, WRITE | PROTECTION), None, 1);
    touched.fault(fault(5, 0), None, 1);
    touched.fault(fault(7, WRITE), Some(RangeKind::File), 1);
    touched.fault(Fault { address: 8, error: WRITE | USER }, None, 1);
    touched.fault(Fault { address: u64::MAX, error: WRITE }, None, 1);
    let expected = TouchTotals {
        live_bytes: PAGE,
        touched_bytes: PAGE,
        copied: 1,
        copied_older: 1,
        file_faults: 2,
        elsewhere: 2,
        ..TouchTotals::default()
    };
    assert_eq!(touched.totals(), expected);
    // Memory of its own is mapped over a part of the file.
    touched.mapped_over(file(5), file(6));
    written(&mut touched, 4..6, 1);
    assert_eq!((touched.totals().live_bytes, touched.totals().file_faults), (2 * PAGE, 3));
}

#[test]
fn a_child_has_its_parents_pages() {
    let mut touched = Touched::new(9);
    written(&mut touched, 0..5, 1);
    let mut child = touched.forked();
    child.fault(fault(0, WRITE | USER | PROTECTION), None, 2);
    child.cut((FIRST + 3) * PAGE, (FIRST + 9) * PAGE);
    let totals = child.totals();
    assert_eq!((totals.inherited_bytes, totals.live_bytes), (5 * PAGE, 3 * PAGE));
    assert_eq!((totals.touched_bytes, totals.copied), (0, 1));
    let alone = touched.forked().without_stacks();
    assert_eq!(alone.live().collect::<Vec<_>>(), [(NO_STACK, 5 * PAGE)]);
}

#[test]
fn what_has_no_room_is_counted() {
    let mut touched = Touched::new(2);
    for page in [0, 2, 4, 1] {
        written(&mut touched, page..page + 1, 1);
    }
    let totals = touched.totals();
    assert_eq!((totals.live_bytes, totals.evicted_bytes), (3 * PAGE, PAGE));
}

#[derive(Clone, Debug)]
enum Step {
    Fault(u64, bool, bool, u32),
    Cut(u64, u64),
    Shift(u64, u64, u64),
}

fn step() -> impl Strategy<Value = Step> {
    let page = || 0_u64..24;
    prop_oneof![
        6 => (page(), any::<bool>(), prop::bool::weighted(0.8), 0_u32..3)
            .prop_map(|(page, was_there, write, stack)| Step::Fault(page, was_there, write, stack)),
        1 => (page(), 0_u64..6).prop_map(|(page, length)| Step::Cut(page, length)),
        1 => (page(), page(), 1_u64..6).prop_map(|(from, to, length)| Step::Shift(from, to, length)),
    ]
}

/// The owner of each page; `None`: only read.
type Naive = BTreeMap<u64, Option<u32>>;

fn apply(touched: &mut Touched, pages: &mut Naive, step: &Step) {
    let address = |page: u64| (FIRST + page) * PAGE;
    match *step {
        Step::Fault(page, was_there, write, stack) => {
            let error = u64::from(was_there) * PROTECTION + u64::from(write) * WRITE;
            touched.fault(fault(page, error), None, stack);
            match pages.get(&page) {
                Some(None) if write => drop(pages.insert(page, Some(stack))),
                None if !was_there => drop(pages.insert(page, write.then_some(stack))),
                _ => {}
            }
        }
        Step::Cut(page, length) => {
            touched.cut(address(page), address(page + length));
            pages.retain(|it, _| !(page..page + length).contains(it));
        }
        Step::Shift(from, to, length) => {
            // The kernel refuses to move a mapping onto itself.
            if from.abs_diff(to) < length {
                return;
            }
            let old = [(address(from), address(from + length))];
            touched.shift(&old, address(from), address(to), length * PAGE);
            let moved: Vec<_> = (0..length).map(|at| pages.remove(&(from + at))).collect();
            pages.retain(|it, _| !(to..to + length).contains(it));
            let moved = (to..).zip(moved).filter_map(|(page, owner)| Some((page, owner?)));
            pages.extend(moved);
        }
    }
}

proptest! {
    #[test]
    fn runs_are_the_pages(steps in prop::collection::vec(step(), 0..120)) {
        let (mut touched, mut pages) = (Touched::new(99), Naive::new());
        for step in &steps {
            apply(&mut touched, &mut pages, step);
        }
        let mut sums: BTreeMap<u32, u64> = BTreeMap::new();
        touched.live().for_each(|(stack, bytes)| *sums.entry(stack).or_default() += bytes);
        let mut expected: BTreeMap<u32, u64> = BTreeMap::new();
        for stack in pages.values().flatten() {
            *expected.entry(*stack).or_default() += PAGE;
        }
        prop_assert_eq!(&sums, &expected);
        let totals = touched.totals();
        prop_assert_eq!(totals.live_bytes, expected.values().sum::<u64>());
        prop_assert_eq!(totals.live_bytes, totals.touched_bytes - totals.given_back_bytes);
        for (stack, bytes) in sums {
            let Touches { touched, given_back } = touched.by_stack()[stack as usize];
            prop_assert_eq!(bytes, touched - given_back);
        }
    }
}
