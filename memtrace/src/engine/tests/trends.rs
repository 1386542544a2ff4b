//! Programs as they are in the books, played to the engine record by record, for hours of its time.

use super::cases::{PID, free, malloc, process, send, stack, watching};
use crate::engine::history::MOST_POINTS;
use crate::engine::limits::Limits;
use crate::engine::snapshot::{ProcessSnapshot, SnapshotOptions};
use crate::engine::tracker::Tracker;
use crate::engine::trend::{Judgement, Trend, judge, of_heap, of_stack};
use crate::model::event::What;
use crate::model::ids::{Nanos, SECOND};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng};
use std::collections::BTreeMap;

const HOURS: u64 = 3;
const WATCH: Nanos = HOURS * 3600 * SECOND;
/// Between two allocations, and between two marks.
const STEP: Nanos = SECOND;

/// Another frame for each stack.
fn frames(id: u64) -> [u8; 8] {
    (id + 1).to_ne_bytes()
}

/// A block of `bytes` that is allocated now by the stack `id` and freed then.
#[derive(Clone, Copy)]
struct Plan {
    id: u64,
    bytes: u64,
    end: Nanos,
}

/// Plays what `plan` allocates at each step; a mark follows each.
fn play(mut plan: impl FnMut(u64, Nanos) -> Vec<Plan>) -> ProcessSnapshot {
    let mut tracker = watching(Limits::default());
    let (mut due, mut address) = (BTreeMap::<Nanos, Vec<u64>>::new(), 0);
    for step in 1..=WATCH / STEP {
        let now = step * STEP;
        let later = due.split_off(&(now + 1));
        for (time, blocks) in std::mem::replace(&mut due, later) {
            blocks.into_iter().for_each(|block| send(&mut tracker, time, free(block)));
        }
        for Plan { id, bytes, end } in plan(step, now) {
            address += 64;
            send(&mut tracker, now, malloc(address, bytes, stack(id, &frames(id))));
            due.entry(end.max(now)).or_default().push(address);
        }
        send(&mut tracker, now, What::Mark);
    }
    look(&mut tracker)
}

fn look(tracker: &mut Tracker) -> ProcessSnapshot {
    let mut snapshot = tracker.snapshot(WATCH, &SnapshotOptions::default());
    assert_eq!(snapshot.processes[0].info.key.pid, PID);
    snapshot.processes.remove(0)
}

fn first(process: &ProcessSnapshot) -> Judgement {
    judge(&of_stack(process, &process.stacks[0]))
}

fn one(bytes: u64, end: Nanos) -> Vec<Plan> {
    vec![Plan { id: 1, bytes, end }]
}

fn generator() -> TestRng {
    TestRng::deterministic_rng(RngAlgorithm::ChaCha)
}

/// Both the only stack and the heap.
#[track_caller]
fn both(process: &ProcessSnapshot, trend: Trend) {
    let (stack, heap) = (first(process), judge(&of_heap(process)));
    assert_eq!((stack.trend, heap.trend), (trend, trend), "{stack:?} {heap:?}");
    assert!(stack.points <= MOST_POINTS + 1 && stack.points > MOST_POINTS / 2, "{stack:?}");
}

#[test]
fn a_leak_grows_by_what_it_leaks() {
    let process = play(|_, _| one(100, Nanos::MAX));
    both(&process, Trend::Growing);
    let slope = first(&process).slope.unwrap();
    assert!(slope.low <= 100.0 && 100.0 <= slope.high, "{slope:?}");
    assert!((slope.middle - 100.0).abs() < 1.0, "{slope:?}");
    assert_eq!(first(&process).lasting.older, WATCH / STEP);
}

#[test]
fn a_cache_that_filled_is_stable() {
    // It fills in half an hour, and then gives up the oldest for the newest, or keeps what it has.
    both(&play(|_, now| one(1000, now + 1800 * SECOND)), Trend::Stable);
    let fills = |_, now| if now < 1800 * SECOND { one(1000, Nanos::MAX) } else { Vec::new() };
    both(&play(fills), Trend::Stable);
}

#[test]
fn churn_and_a_sawtooth_are_stable() {
    let mut random = generator();
    both(
        &play(|_, now| one(random.next_u32().into(), now + Nanos::from(random.next_u32()) * 60)),
        Trend::Stable,
    );
    let period = 700 * SECOND;
    both(&play(|_, now| one(1000, (now / period + 1) * period)), Trend::Stable);
}

#[test]
fn what_is_given_back_drains() {
    // Many blocks at the beginning, of which ten go each minute, one by one.
    let drains = |step, _| {
        let block = |number: u64| Plan { id: 1, bytes: 1000, end: number * 6 * SECOND };
        if step == 1 { (0..1900).map(block).collect() } else { Vec::new() }
    };
    both(&play(drains), Trend::Draining);
}

#[test]
fn a_slow_leak_is_found_under_heavy_churn_of_its_own_stack() {
    // One of 200 blocks stays; the others live for up to four minutes.
    let mut random = generator();
    let process = play(|step, now| {
        let churn = (0..random.next_u32() % 8).map(|_| Plan {
            id: 1,
            bytes: 500 + u64::from(random.next_u32() % 1000),
            end: now + u64::from(random.next_u32()) * 55,
        });
        let mut plans: Vec<Plan> = churn.collect();
        if step % 50 == 0 {
            plans.push(Plan { id: 1, bytes: 1000, end: Nanos::MAX });
        }
        plans
    });
    let found = first(&process);
    assert_eq!(found.trend, Trend::Growing, "{found:?}");
    let leaked = WATCH / STEP / 50;
    let share = leaked as f64 / process.heap.allocated_blocks as f64;
    let staying = found.staying.unwrap();
    assert!(staying.low <= share && share <= staying.high, "{share}: {staying:?}");
    assert!(found.lasting.older <= leaked && found.lasting.older > leaked * 9 / 10, "{found:?}");
}

#[test]
fn a_stack_that_came_late_is_new_then_judged_by_its_own_watch() {
    let late = |delay: Nanos| {
        let process = play(|_, now| {
            let mut plans = one(100, Nanos::MAX);
            if now > WATCH - delay {
                plans.push(Plan { id: 2, bytes: 5000, end: Nanos::MAX });
            }
            plans
        });
        judge(&of_stack(&process, &process.stacks[1]))
    };
    assert_eq!(late(5 * SECOND).trend, Trend::New);
    // Between two points of the thinned series lie minutes, but the last ones show it.
    assert_eq!(late(WATCH / 2).trend, Trend::Growing);
}

#[test]
fn what_has_ended_grows_no_older() {
    let mut tracker = watching(Limits::default());
    for second in 1..=20 {
        send(&mut tracker, second * SECOND, malloc(second * 64, 9000, stack(1, &frames(1))));
        send(&mut tracker, second * SECOND, What::Mark);
    }
    send(&mut tracker, 20 * SECOND, What::Exit { status: Some(0) });
    send(&mut tracker, 900 * SECOND, What::Mark);
    let process = process(&mut tracker);
    let found = judge(&of_heap(&process));
    assert_eq!(found.trend, Trend::Growing, "{found:?}");
    assert!((found.slope.unwrap().middle - 9000.0).abs() < 1.0, "{found:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    /// Whatever comes, every block of a stack is counted once by its age: freed or alive.
    #[test]
    fn ages_add_up_to_the_sums(
        steps in prop::collection::vec((0_u64..5, 0_u64..40, any::<bool>(), 0_u64..1 << 36), 1..200),
    ) {
        let (mut tracker, mut now) = (watching(Limits::default()), 0);
        for (id, place, frees, pause) in steps {
            now += pause;
            let address = 64 + place * 64;
            if frees {
                send(&mut tracker, now, free(address));
            } else {
                send(&mut tracker, now, malloc(address, 100, stack(id + 1, &frames(id))));
            }
            if place % 7 == 0 {
                send(&mut tracker, now, What::Mark);
            }
        }
        let snapshot = tracker.snapshot(now, &SnapshotOptions::default());
        let process = &snapshot.processes[0];
        prop_assert_eq!(process.untold_frees, 0);
        for stack in &process.stacks {
            let evidence = of_stack(process, stack);
            let lifetimes = evidence.lifetimes.unwrap();
            prop_assert_eq!(lifetimes.freed.iter().sum::<u64>(), stack.freed_blocks);
            prop_assert_eq!(lifetimes.alive.iter().sum::<u64>(), stack.live_blocks);
            prop_assert_eq!(evidence.cohorts.iter().sum::<u64>(), stack.live_blocks);
            prop_assert_eq!(evidence.held.last(), Some(&(evidence.watched, stack.live_bytes)));
            prop_assert!(evidence.held.is_sorted_by_key(|(time, _)| *time));
        }
        let heap = of_heap(process);
        prop_assert_eq!(heap.held.last().unwrap().1, process.heap.live_bytes);
    }
}
