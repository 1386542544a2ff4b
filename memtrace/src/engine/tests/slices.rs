//! Slices of time against tables that were told no more than what had happened until their ends.

use super::cases::{PID, free, malloc, seen, send_to, stack};
use super::samples::sample;
use crate::engine::detail::{Detail, Period};
use crate::engine::limits::Limits;
use crate::engine::sampling::Confidence;
use crate::engine::slices::{Amount, Deeds, MOST_SLICES, NO_STACK, Slice};
use crate::engine::snapshot::{ProcessSnapshot, Snapshot, SnapshotOptions};
use crate::engine::tracker::Tracker;
use crate::model::event::{Exec, What};
use crate::model::ids::{Nanos, SECOND};
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug)]
enum Step {
    Allocate { slot: u64, size: u64, stack: u64 },
    Free { slot: u64 },
    Exec,
}

fn steps() -> impl Strategy<Value = Vec<(Nanos, u32, Step)>> {
    let allocate = (0_u64..20, 1_u64..500, 0_u64..6)
        .prop_map(|(slot, size, stack)| Step::Allocate { slot, size, stack });
    let free = (0_u64..20).prop_map(|slot| Step::Free { slot });
    let step = prop_oneof![12 => allocate, 8 => free, 1 => Just(Step::Exec)];
    let gap = prop_oneof![8 => 0_u64..SECOND / 100, 1 => 0..3 * SECOND];
    prop::collection::vec((gap, PID..PID + 2, step), 1..200)
}

fn apply(tracker: &mut Tracker, time: Nanos, process: u32, step: Step) {
    let frames;
    let what = match step {
        // Blocks without a stack have no frames and no number.
        Step::Allocate { slot, size, stack: 0 } => malloc(0x1000 + 16 * slot, size, stack(0, &[])),
        Step::Allocate { slot, size, stack: number } => {
            frames = number.to_ne_bytes();
            malloc(0x1000 + 16 * slot, size, stack(number, &frames))
        }
        Step::Free { slot } => free(0x1000 + 16 * slot),
        Step::Exec => What::Exec(Exec::default()),
    };
    send_to(tracker, process, time, what);
}

/// What is known when all has happened that was told before `until`.
fn play(steps: &[(Nanos, u32, Step)], until: Nanos, slices: bool) -> Snapshot {
    play_of(Period::default(), steps, until, slices)
}

fn play_of(period: Period, steps: &[(Nanos, u32, Step)], until: Nanos, slices: bool) -> Snapshot {
    let detail = Detail { period: Some(period), slices, ..Detail::default() };
    let mut tracker = Tracker::new(Limits::default()).with_detail(detail);
    let mut time = 64;
    for pid in [PID, PID + 1] {
        send_to(&mut tracker, pid, time, seen(pid, 1));
    }
    for (gap, process, step) in steps {
        time += gap;
        if time >= until {
            break;
        }
        apply(&mut tracker, time, *process, *step);
    }
    tracker.snapshot(time, &SnapshotOptions::default())
}

/// By the numbers of stacks, as slices have it.
fn deeds(process: &ProcessSnapshot) -> BTreeMap<u32, Deeds> {
    let mut without = Deeds::default();
    let totals = &process.heap;
    without.live.bytes = totals.live_bytes;
    without.live.blocks = totals.live_blocks;
    without.allocated.bytes = totals.allocated_bytes;
    without.allocated.blocks = totals.allocated_blocks;
    without.freed.bytes = totals.freed_bytes;
    without.freed.blocks = totals.freed_blocks;
    let temporary = process.period.as_ref().unwrap().temporary;
    (without.temporary.bytes, without.temporary.blocks) = (temporary.bytes, temporary.blocks);
    let mut all = BTreeMap::new();
    for stack in &process.stacks {
        let mut of = Deeds::default();
        (of.live.bytes, of.live.blocks) = (stack.live_bytes, stack.live_blocks);
        (of.allocated.bytes, of.allocated.blocks) = (stack.allocated_bytes, stack.allocated_blocks);
        (of.freed.bytes, of.freed.blocks) = (stack.freed_bytes, stack.freed_blocks);
        let temporary = stack.period.as_ref().unwrap().0.temporary;
        (of.temporary.bytes, of.temporary.blocks) = (temporary.bytes, temporary.blocks);
        without.live.bytes -= of.live.bytes;
        without.live.blocks -= of.live.blocks;
        without.allocated.bytes -= of.allocated.bytes;
        without.allocated.blocks -= of.allocated.blocks;
        without.freed.bytes -= of.freed.bytes;
        without.freed.blocks -= of.freed.blocks;
        all.insert(stack.past.number, of);
    }
    all.insert(NO_STACK, without);
    all.retain(|_, of| *of != Deeds::default());
    all
}

fn summed(slices: &[Slice]) -> BTreeMap<u32, Deeds> {
    let mut all: BTreeMap<u32, Deeds> = BTreeMap::new();
    for (number, change) in slices.iter().flat_map(|slice| &slice.changes) {
        let sum = all.entry(*number).or_default();
        *sum = sum.plus(*change);
    }
    all.retain(|_, of| *of != Deeds::default());
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]
    #[test]
    fn sums_up_to_every_end_are_exact(steps in steps()) {
        let whole = play(&steps, Nanos::MAX, true);
        for (place, process) in whole.processes.iter().enumerate() {
            prop_assert!(process.slices.len() as u64 <= MOST_SLICES + 1);
            let ends: Vec<Nanos> = process.slices.iter().map(|slice| slice.until).collect();
            prop_assert!(ends.is_sorted_by(|a, b| a < b), "{ends:?}");
            for (number, end) in ends.iter().enumerate() {
                let then = play(&steps, *end, false);
                // Of a program that begins later nothing is told before.
                let expected = then.processes.get(place).map(deeds).unwrap_or_default();
                let told = &process.slices[..=number];
                prop_assert_eq!(summed(told), expected, "process {} until {}", place, end);
                let heap = then.processes.get(place).map_or(0, |process| process.heap.live_bytes);
                prop_assert_eq!(told[number].heap, heap);
            }
            prop_assert_eq!(summed(&process.slices), deeds(process));
        }
    }
}

/// Some blocks that were counted one by one, and then samples.
fn sampled(steps: &[(Nanos, u32, Step)], until: Nanos, slices: bool) -> Snapshot {
    let detail = Detail { slices, ..Detail::default() };
    let mut tracker = Tracker::new(Limits::default()).with_detail(detail);
    let mut time = 64;
    send_to(&mut tracker, PID, time, seen(PID, 1));
    for (number, (gap, _, step)) in steps.iter().enumerate() {
        time += gap;
        if time >= until {
            break;
        }
        match step {
            Step::Allocate { slot, size, stack } if number > steps.len() / 3 => {
                send_to(
                    &mut tracker,
                    PID,
                    time,
                    sample(0x1000 + 16 * slot, *size, 256, *stack % 4),
                );
            }
            Step::Exec => {}
            step => apply(&mut tracker, time, PID, *step),
        }
    }
    tracker.snapshot(time, &SnapshotOptions::default())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]
    #[test]
    fn slices_of_samples_say_what_the_tables_said(steps in steps()) {
        let whole = sampled(&steps, Nanos::MAX, true);
        let process = &whole.processes[0];
        let mut live = BTreeMap::new();
        for (number, slice) in process.slices.iter().enumerate() {
            let then = sampled(&steps, slice.until, false);
            let then = &then.processes[0];
            let told = summed(&process.slices[..=number]);
            live.extend(slice.ranges.iter().map(|(stack, ranges)| (*stack, ranges.live)));
            for stack in &then.stacks {
                let sums = told.get(&stack.past.number).copied().unwrap_or_default();
                let (bytes, blocks) = (sums.live.bytes, sums.live.blocks);
                prop_assert_eq!((bytes, blocks), (stack.live_bytes, stack.live_blocks));
                prop_assert_eq!(sums.allocated.bytes, stack.allocated_bytes);
                prop_assert_eq!(sums.freed.blocks, stack.freed_blocks);
                let range = stack.confidence.as_ref().map(|it| (it.live_bytes, it.live_blocks));
                let kept = live.get(&stack.past.number).map(|it| (it.bytes, it.blocks));
                let exact = |value| Confidence { low: value, high: value };
                prop_assert_eq!(
                    kept.unwrap_or((exact(bytes), exact(blocks))),
                    range.unwrap_or((exact(bytes), exact(blocks)))
                );
            }
            let within = |(value, range): (u64, Confidence)| range.low <= value && value <= range.high;
            for (stack, ranges) in &slice.ranges {
                let done = found(slice, *stack);
                prop_assert!(within((done.allocated.bytes, ranges.allocated.bytes)), "{:?}", slice);
                prop_assert!(within((done.freed.blocks, ranges.freed.blocks)), "{:?}", slice);
            }
        }
    }
}

fn found(slice: &Slice, number: u32) -> Deeds {
    let mut changes = slice.changes.iter();
    changes.find(|(stack, _)| *stack == number).map(|(_, deeds)| *deeds).unwrap_or_default()
}

/// Temporary blocks are another account then.
fn without_temporary(all: BTreeMap<u32, Deeds>) -> BTreeMap<u32, Deeds> {
    let of = |(number, deeds)| (number, Deeds { temporary: Amount::default(), ..deeds });
    all.into_iter().map(of).filter(|(_, of)| *of != Deeds::default()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]
    #[test]
    fn the_first_slice_is_what_was_before_a_period(steps in steps(), after in 0..4 * SECOND) {
        let period = Period { after, ..Period::default() };
        let whole = play_of(period, &steps, Nanos::MAX, true);
        // As the account of the period has it, in steps of 64 ns.
        let begin = (after | 63) + 1;
        for (place, process) in whole.processes.iter().enumerate() {
            let Some(first) = process.slices.iter().position(|slice| slice.until == begin) else {
                prop_assert!(process.slices.iter().all(|slice| slice.until > begin));
                continue;
            };
            prop_assert_eq!(first, 0);
            let then = play(&steps, begin, false);
            let expected = then.processes.get(place).map(deeds).unwrap_or_default();
            let told = without_temporary(summed(&process.slices[..1]));
            prop_assert_eq!(told, without_temporary(expected));
            // What was allocated in it is what the account says.
            for stack in &process.stacks {
                let since = summed(&process.slices[1..]);
                let told = since.get(&stack.past.number).copied().unwrap_or_default();
                let account = &stack.period.as_ref().unwrap().0;
                prop_assert_eq!(told.allocated.bytes, account.allocated.bytes);
                prop_assert_eq!(told.temporary.blocks, account.temporary.blocks);
            }
        }
    }
}

#[test]
fn too_many_changes_make_slices_longer() {
    let detail = Detail { slices: true, ..Detail::default() };
    let mut tracker = Tracker::new(Limits::default()).with_detail(detail);
    send_to(&mut tracker, PID, 0, seen(PID, 1));
    // Each stack does something in each slice.
    let (stacks, rounds) = (40_000_u64, 12_u64);
    for round in 0..rounds {
        for number in 1..=stacks {
            let address = 0x1000 + 16 * (round * stacks + number);
            let frames = number.to_ne_bytes();
            let what = malloc(address, 16, stack(number, &frames));
            send_to(&mut tracker, PID, round * SECOND / 50, what);
        }
    }
    let snapshot = tracker.snapshot(SECOND, &SnapshotOptions::default());
    let slices = &snapshot.processes[0].slices;
    let changes: usize = slices.iter().map(|slice| slice.changes.len()).sum();
    assert!(changes <= (1 << 18) + stacks as usize, "{changes}, the last slice apart");
    assert!(slices.len() > 1 && (slices.len() as u64) < rounds, "{}", slices.len());
    let sum = summed(slices);
    assert_eq!(sum.len() as u64, stacks);
    assert!(sum.values().all(|it| (it.live.bytes, it.allocated.blocks) == (16 * rounds, rounds)));
}

#[test]
fn nothing_is_kept_where_nobody_asks() {
    let mut tracker = Tracker::new(Limits::default());
    send_to(&mut tracker, PID, 0, seen(PID, 1));
    send_to(&mut tracker, PID, SECOND, malloc(0x10, 8, stack(1, &[0; 8])));
    let snapshot = tracker.snapshot(SECOND, &SnapshotOptions::default());
    assert!(snapshot.processes[0].slices.is_empty());
}
