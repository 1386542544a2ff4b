//! Touched pages by examples, and against a map of single pages.

use super::figures::{TouchFigures, whole};
use super::{Discard, Fault, NO_STACK, PAGE, RangeKind, Touched, advice};
use crate::engine::sampling::Confidence;
use memtrace_common::touches::{is_taken, rank};
use memtrace_common::wire::fault::{LEVEL_SHIFT, PROTECTION, RANK_SHIFT, USER, WRITE};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// Pages below this one nobody can map.
const FIRST: u64 = 16;

fn fault(page: u64, error: u64) -> Fault {
    Fault { address: (FIRST + page) * PAGE + 7, error }
}

fn written(touched: &mut Touched, pages: std::ops::Range<u64>, stack: u32) {
    pages.for_each(|page| touched.fault(fault(page, WRITE | USER), None, stack, 0));
}

/// Live bytes by stack.
fn live(touched: &Touched) -> Vec<(u32, u64)> {
    touched.live().iter().map(|(stack, bytes)| (*stack, whole(bytes))).collect()
}

/// What a stack touched, and of that was given back, bytes.
fn by_stack(touched: &Touched, stack: u32) -> [u64; 2] {
    let touches = touched.by_stack()[stack as usize];
    [touches.touched, touches.given_back].map(|sum| whole(&sum))
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
    assert_eq!(live(&touched), [(1, 6 * PAGE), (2, PAGE)]);
    assert_eq!(by_stack(&touched, 1), [6 * PAGE, 0]);
}

#[test]
fn what_was_given_back_is_touched_anew() {
    let mut touched = Touched::new(9);
    written(&mut touched, 0..8, 1);
    touched.discard(&discard(2, 3, advice::DONT_NEED));
    assert_eq!(touched.totals(0).sums.live_bytes, 5 * PAGE);
    written(&mut touched, 0..8, 2);
    let totals = touched.totals(0);
    assert_eq!((totals.sums.live_bytes, totals.sums.touched_bytes), (8 * PAGE, 11 * PAGE));
    assert_eq!((totals.sums.given_back_bytes, totals.sums.again), (3 * PAGE, 5));
    assert_eq!(by_stack(&touched, 2)[0], 3 * PAGE);
}

/// The kernel takes such pages when it likes, if at all.
#[test]
fn what_may_go_later_is_live() {
    let mut touched = Touched::new(9);
    written(&mut touched, 0..8, 1);
    touched.discard(&discard(0, 4, advice::FREE));
    touched.discard(&discard(0, 4, 3));
    let totals = touched.totals(0);
    assert_eq!((totals.sums.live_bytes, totals.lazily_freed_bytes), (8 * PAGE, 4 * PAGE));
}

#[test]
fn reading_takes_no_memory_until_the_page_is_written() {
    let mut touched = Touched::new(9);
    touched.fault(fault(0, USER), None, 1, 0);
    touched.fault(fault(1, USER), None, 1, 0);
    let expected = TouchFigures { only_read: 2, ..TouchFigures::default() };
    assert_eq!(touched.totals(0).sums, expected);
    touched.fault(fault(1, USER | WRITE | PROTECTION), None, 2, 0);
    assert_eq!(live(&touched), [(2, PAGE)]);
    touched.fault(fault(2, USER), Some((RangeKind::Shared, 0)), 3, 0);
    assert_eq!(touched.totals(0).sums.live_bytes, 2 * PAGE, "shared memory has no page of zeroes");
}

#[test]
fn what_is_no_growth_is_told_apart() {
    let mut touched = Touched::new(9);
    let file = |page: u64| (FIRST + page) * PAGE;
    touched.files_seen(&[(file(4), file(6))].into());
    written(&mut touched, 0..1, 1);
    touched.fault(fault(0, WRITE | PROTECTION), None, 1, 0);
    touched.fault(fault(1, WRITE | PROTECTION), None, 1, 0);
    touched.fault(fault(5, 0), None, 1, 0);
    touched.fault(fault(7, WRITE), Some((RangeKind::File, 0)), 1, 0);
    touched.fault(Fault { address: 8, error: WRITE | USER }, None, 1, 0);
    touched.fault(Fault { address: u64::MAX, error: WRITE }, None, 1, 0);
    let expected = TouchFigures {
        live_bytes: PAGE,
        touched_bytes: PAGE,
        copied: 1,
        copied_older: 1,
        file_faults: 2,
        elsewhere: 2,
        ..TouchFigures::default()
    };
    assert_eq!(touched.totals(0).sums, expected);
    // Memory of its own is mapped over a part of the file.
    touched.mapped_over(file(5), file(6));
    written(&mut touched, 4..6, 1);
    assert_eq!(
        (touched.totals(0).sums.live_bytes, touched.totals(0).sums.file_faults),
        (2 * PAGE, 3)
    );
}

#[test]
fn a_child_has_its_parents_pages() {
    let mut touched = Touched::new(9);
    written(&mut touched, 0..5, 1);
    let mut child = touched.forked();
    child.fault(fault(0, WRITE | USER | PROTECTION), None, 2, 0);
    child.cut((FIRST + 3) * PAGE, (FIRST + 9) * PAGE);
    let totals = child.totals(0);
    assert_eq!((totals.sums.inherited_bytes, totals.sums.live_bytes), (5 * PAGE, 3 * PAGE));
    assert_eq!((totals.sums.touched_bytes, totals.sums.copied), (0, 1));
    let alone = touched.forked().without_stacks();
    assert_eq!(live(&alone), [(NO_STACK, 5 * PAGE)]);
}

#[test]
fn what_has_no_room_is_counted() {
    let mut touched = Touched::new(2);
    for page in [0, 2, 4, 1] {
        written(&mut touched, page..page + 1, 1);
    }
    let totals = touched.totals(0);
    assert_eq!((totals.sums.live_bytes, totals.sums.evicted_bytes), (3 * PAGE, PAGE));
}

/// The latest pages are in a mapping that is made before the second round.
const NEW: u64 = 800;

/// The program of this number, of whose pages faults are seen at a level that changes: of 1,000 each is touched in each
/// of three rounds, some are given back each time, and every third of the rest at the end. Gives what was seen, and the
/// truth: live and touched bytes, and faults on pages that were there.
fn sampled(program: u64, levels: [u64; 3]) -> (Touched, [u64; 3]) {
    let (mut touched, mut there) = (Touched::new(1 << 20), BTreeSet::new());
    let (mut all, mut again) = (0, 0);
    for (round, level) in (0..).zip(levels) {
        for page in (0..1000).filter(|page| round > 0 || *page < NEW) {
            let is_first = there.insert(page);
            all += u64::from(is_first) * PAGE;
            again += u64::from(!is_first);
            let address = (FIRST + page) * PAGE;
            if is_taken(address, program, level) {
                let bits = level << LEVEL_SHIFT | rank(address, program) << RANK_SHIFT;
                let mapping = (page >= NEW).then_some((RangeKind::Anonymous, 1));
                touched.fault(fault(page, WRITE | USER | bits), mapping, 1, round);
            }
            // In halves, so that they come back.
            if page % 2 == round % 2 {
                there.remove(&page);
                if touched.at(address).is_some() {
                    touched.discard(&discard(page, 1, advice::DONT_NEED));
                }
            }
        }
    }
    touched.cut(FIRST * PAGE, (FIRST + 250) * PAGE);
    there.retain(|page| *page >= 250);
    (touched, [there.len() as u64 * PAGE, all, again])
}

/// Of 1,000 runs at least 930 have the true figures in their intervals, also of pages that come again and again, and
/// where the level falls: then pages are met of which it was not seen that they were touched before.
#[test]
fn intervals_of_sampled_pages_hold_what_they_promise() {
    for levels in [[3, 3, 3], [0, 2, 4], [5, 5, 5], [4, 2, 0], [3, 0, 4], [0, 4, 0]] {
        let highest = levels.into_iter().max().unwrap();
        let (mut held, mut sums, mut truths) = ([0; 4], [0.0; 3], [0.0; 3]);
        for program in 0..1000 {
            let (touched, [live, all, again]) = sampled(program * 0x1234_5678_9abc, levels);
            let totals = touched.totals(highest as u8);
            let around = totals.confidence.unwrap();
            let within = |confidence: Confidence, truth: u64| {
                u32::from((confidence.low..=confidence.high).contains(&truth))
            };
            held[0] += within(around.live_bytes, live);
            held[1] += within(around.touched_bytes, all);
            held[2] += within(around.given_back_bytes, all - live);
            held[3] += within(around.again, again);
            let figures = [totals.sums.live_bytes, totals.sums.touched_bytes, totals.sums.again];
            for (at, (figure, truth)) in figures.into_iter().zip([live, all, again]).enumerate() {
                (sums[at], truths[at]) = (sums[at] + figure as f64, truths[at] + truth as f64);
            }
        }
        assert!(held.iter().all(|held| *held >= 930), "{levels:?}: {held:?} of 1,000");
        // Without bias: within four standard errors of the mean of 1,000 runs, each page coming three times at most.
        for ((sum, truth), unit) in sums.into_iter().zip(truths).zip([PAGE, PAGE, 1]) {
            let error = (sum / truth - 1.0_f64).abs();
            let share = 3.0 * (1_u64 << highest) as f64 / (truth / unit as f64);
            assert!(error < 4.0 * share.sqrt(), "{levels:?}: {sum} of {truth}");
        }
    }
}

#[test]
fn what_comes_again_is_known_again_though_not_each_page_is_looked_at() {
    let mut touched = Touched::new(99);
    let at = |page: u64, error: u64| fault(page, error | 5 << LEVEL_SHIFT);
    touched.fault(at(0, WRITE), None, 1, 0);
    touched.fault(at(0, WRITE), None, 2, 0);
    touched.fault(at(1, 0), None, 2, 0);
    let totals = touched.totals(5);
    assert_eq!(
        (totals.sums.live_bytes, totals.sums.again, totals.sums.only_read),
        (32 * PAGE, 32, 32)
    );
    assert_eq!(by_stack(&touched, 1), [32 * PAGE, 0]);
    let around = totals.confidence.unwrap();
    assert!(around.live_bytes.low >= PAGE && around.live_bytes.high > 100 * PAGE, "{around:?}");
    // It came twice: there may be as many that come twice as are seen of such pages.
    assert!(around.again.high > around.only_read.high, "{around:?}");
    // Nothing was seen of what is not there.
    assert_eq!((totals.sums.copied, around.copied.low), (0, 0));
    assert!(around.copied.high >= 100);
    // A recording may say anything.
    touched.fault(fault(7, WRITE | u64::MAX << LEVEL_SHIFT), None, 1, 0);
    assert_eq!(touched.totals(16).sums.live_bytes, (32 + (1 << 16)) * PAGE);
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
            touched.fault(fault(page, error), None, stack, 0);
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
        let sums: BTreeMap<u32, u64> = live(&touched).into_iter().collect();
        let mut expected: BTreeMap<u32, u64> = BTreeMap::new();
        for stack in pages.values().flatten() {
            *expected.entry(*stack).or_default() += PAGE;
        }
        prop_assert_eq!(&sums, &expected);
        let totals = touched.totals(0);
        prop_assert_eq!(totals.sums.live_bytes, expected.values().sum::<u64>());
        prop_assert_eq!(totals.sums.live_bytes, totals.sums.touched_bytes - totals.sums.given_back_bytes);
        for (stack, bytes) in sums {
            let [touched, given_back] = by_stack(&touched, stack);
            prop_assert_eq!(bytes, touched - given_back);
        }
    }
}
