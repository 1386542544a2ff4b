//! Heaps whose blocks are samples.

use super::cases::{PID, call, free, process, send, send_to, stack, watching};
use crate::engine::limits::Limits;
use crate::engine::sampling::Weight;
use crate::engine::snapshot::{Confidence, HeapTotals, SampledConfidence, SnapshotOptions};
use crate::engine::tracker::Tracker;
use crate::model::event::{Fork, Free, Reallocation, StackRef, What};
use crate::model::frame::Frame;
use crate::model::ids::SECOND;
use memtrace_common::function::FunctionId;
use memtrace_common::sampling::{draw, step};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng};

const INTERVAL: u64 = 1000;

/// A sampled allocation.
pub(super) fn sample(address: u64, size: u64, interval: u64, id: u64) -> What<'static> {
    // One frame, which says which stack it is.
    const FRAMES: [[u8; 8]; 4] =
        [[0; 8], 0x1000_u64.to_ne_bytes(), 0x2000_u64.to_ne_bytes(), 0x3000_u64.to_ne_bytes()];
    let stack = stack(id, FRAMES[id as usize].get(..if id == 0 { 0 } else { 8 }).unwrap_or(&[]));
    What::Allocation(crate::model::event::Allocation {
        sample_interval: interval,
        ..call(FunctionId::MALLOC, address, size, stack)
    })
}

fn free_of_perhaps_another(address: u64) -> What<'static> {
    let function = FunctionId::FREE;
    What::Free(Free { function, address, inside_allocator: false, perhaps_not_taken: true })
}

fn heap(tracker: &mut Tracker) -> HeapTotals {
    process(tracker).heap
}

fn holds(confidence: Confidence, value: u64) -> bool {
    confidence.low <= value && value <= confidence.high
}

#[test]
fn a_sample_stands_for_others_and_takes_them_with_it() {
    let mut tracker = watching(Limits::default());
    send(&mut tracker, 64, sample(0x10, 100, INTERVAL, 0));
    // 1/(1 - exp(-1/10)) = 10.508 blocks of 100 bytes.
    let totals = heap(&mut tracker);
    assert_eq!((totals.live_bytes, totals.live_blocks), (1051, 11));
    assert_eq!((totals.allocated_bytes, totals.peak_bytes), (1051, 1051));
    let confidence = totals.confidence.unwrap();
    assert!(
        confidence.live_bytes.low >= 100 && confidence.live_bytes.high > 5000,
        "{confidence:?}"
    );
    send(&mut tracker, 128, free(0x10));
    let totals = heap(&mut tracker);
    assert_eq!((totals.live_bytes, totals.live_blocks, totals.freed_bytes), (0, 0, 1051));
    assert_eq!((totals.peak_bytes, totals.unknown_frees), (1051, 0));
    // There may be some that were not taken.
    assert_eq!(totals.confidence.unwrap().live_bytes, Confidence { low: 0, high: 3689 });
}

#[test]
fn what_was_counted_before_stays_exact() {
    let mut tracker = watching(Limits::default());
    for number in 1..=50 {
        send(&mut tracker, 64 * number, sample(number * 16, 10, 0, 1));
    }
    assert_eq!(heap(&mut tracker).confidence, None);
    send(&mut tracker, 6400, sample(0x10_000, 1_000_000, INTERVAL, 1));
    let shown = process(&mut tracker);
    let confidence = shown.heap.confidence.unwrap();
    assert_eq!((shown.heap.live_bytes, shown.heap.live_blocks), (1_000_500, 51));
    assert_eq!(confidence.live_bytes.low, 1_000_500);
    assert_eq!((shown.stacks.len(), shown.stacks[0].live_bytes), (1, 1_000_500));
    for number in 1..=50 {
        send(&mut tracker, 6464, free(number * 16));
    }
    assert_eq!((heap(&mut tracker).live_bytes, heap(&mut tracker).freed_blocks), (1_000_000, 50));
}

#[test]
fn frees_of_what_was_not_taken_are_no_riddle() {
    let mut tracker = watching(Limits::default());
    send(&mut tracker, 64, free(0x10));
    assert_eq!(heap(&mut tracker).unknown_frees, 1, "everything was taken until now");
    send(&mut tracker, 64, free_of_perhaps_another(0x10));
    send(&mut tracker, 128, sample(0x10, 100, INTERVAL, 0));
    send(&mut tracker, 192, free_of_perhaps_another(0x20));
    let new = call(FunctionId::REALLOC, 0x40, 5000, StackRef::default());
    let call = Reallocation { old_address: 0x30, entered: 250, perhaps_not_taken: true, new };
    send(&mut tracker, 256, What::Reallocation(call));
    let totals = heap(&mut tracker);
    assert_eq!((totals.unknown_frees, totals.freed_blocks), (1, 0));
    send(&mut tracker, 320, free_of_perhaps_another(0x10));
    assert_eq!(heap(&mut tracker).freed_blocks, 11);
}

#[test]
fn a_child_inherits_what_samples_stand_for() {
    let mut tracker = watching(Limits::default());
    send(&mut tracker, 64, sample(0x10, 100, INTERVAL, 0));
    let (child_process, child_thread) = (8, 8);
    let fork = Fork { child_process, child_thread, clone_flags: 0, started: 9, followed: true };
    send(&mut tracker, 128, What::Fork(fork));
    send_to(&mut tracker, 8, 128, super::cases::seen(8, 9));
    send_to(&mut tracker, 8, 192, free(0x10));
    let shown = tracker.snapshot(SECOND, &SnapshotOptions::default());
    let [parent, child] = shown.processes.as_slice() else { panic!("two processes") };
    assert_eq!((parent.heap.live_bytes, parent.heap.freed_bytes), (1051, 0));
    assert_eq!((child.heap.live_bytes, child.heap.freed_bytes), (0, 1051));
    assert_eq!((child.heap.inherited_bytes, child.heap.allocated_bytes), (1051, 0));
}

#[test]
fn young_and_filtered_ones_are_estimated_apart() {
    let mut tracker = watching(Limits::default());
    send(&mut tracker, 64, sample(0x10, 100, INTERVAL, 1));
    send(&mut tracker, 64, sample(0x100, 500, INTERVAL, 1));
    send(&mut tracker, 99 * SECOND, sample(0x1000, 500, INTERVAL, 1));
    let options = SnapshotOptions { min_age: 10 * SECOND, min_size: 200, ..Default::default() };
    let shown = tracker.snapshot(100 * SECOND, &options).processes.remove(0);
    let [stack] = shown.stacks.as_slice() else { panic!("one stack") };
    let of_500 = Weight::of(500, INTERVAL).bytes.round() as u64;
    assert_eq!((stack.young_bytes, stack.filtered_bytes), (of_500, 1051));
    assert_eq!(stack.live_bytes, 2 * of_500 + 1051);
    let confidence = stack.confidence.unwrap();
    assert!(holds(confidence.live_bytes, of_500) && confidence.live_bytes.low >= 500);
    assert_eq!(confidence.samples, 3);
}

/// Of 4,000 blocks of 16 bytes that are freed at once and 400 of 8 KiB that stay, samples are drawn. By their
/// number far more than half of them would stay.
#[test]
fn lifetimes_are_those_of_all_blocks() {
    let truth = 400.0 / 4400.0;
    let (mut inside, mut middles) = (0, Vec::new());
    for run in 0..100_u64 {
        let mut tracker = watching(Limits::default());
        let mut random = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(run + 1);
        let (mut seen, mut stay) = (0, 0);
        for number in 1..=4400_u64 {
            let size = if number % 11 == 0 { 8192 } else { 16 };
            // xorshift64* (Vigna, 2016).
            random ^= random >> 12;
            random ^= random << 25;
            random ^= random >> 27;
            let draw = random.wrapping_mul(0x2545_f491_4f6c_dd1d) as f64 / u64::MAX as f64;
            if draw * Weight::of(size, INTERVAL).blocks > 1.0 {
                continue;
            }
            seen += 1;
            send(&mut tracker, number * 1000, sample(number * 16384, size, INTERVAL, 1));
            if size == 16 {
                send(&mut tracker, number * 1000 + 64, free(number * 16384));
            } else {
                stay += 1;
            }
        }
        assert!(stay * 2 > seen, "{stay} of {seen} samples");
        let shown = process(&mut tracker);
        let ages = shown.stacks[0].past.ages.as_ref().unwrap();
        let band = ages.lifetimes().survival()[1].unwrap();
        inside += usize::from(band.low <= truth && truth <= band.high);
        middles.push(band.middle);
    }
    let mean = middles.iter().sum::<f64>() / 100.0;
    assert!((0.95 * truth..1.05 * truth).contains(&mean), "{mean} is not {truth}");
    // 95 are expected, and fewer than 88 in one of 500 experiments (binomial distribution).
    assert!(inside >= 88, "{inside} of 100 intervals hold {truth}");
}

#[derive(Clone, Debug)]
struct Life {
    size: u64,
    interval: u64,
    ends: bool,
    stack: u64,
}

fn life() -> impl Strategy<Value = Life> {
    let intervals = prop_oneof![Just(0_u64), Just(1), Just(INTERVAL), Just(512 << 10)];
    (1_u64..1 << 20, intervals, any::<bool>(), 1_u64..4)
        .prop_map(|(size, interval, ends, stack)| Life { size, interval, ends, stack })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Sums are those of the weights, over the heap and over each stack.
    #[test]
    fn sums_are_those_of_weights(lives in prop::collection::vec(life(), 1..200)) {
        let mut tracker = watching(Limits::default());
        let (mut live, mut allocated, mut by_stack) = (0.0, 0.0, [0.0; 4]);
        for (number, life) in (1..).zip(&lives) {
            let Life { size, interval, ends, stack } = *life;
            let bytes = Weight::of(size, interval).bytes;
            send(&mut tracker, number * 128, sample(number * 16, size, interval, stack));
            allocated += bytes;
            if ends {
                send(&mut tracker, number * 128 + 64, free(number * 16));
            } else {
                live += bytes;
                by_stack[stack as usize] += bytes;
            }
        }
        let shown = process(&mut tracker);
        let near = |found: u64, expected: f64| (found as f64 - expected).abs() <= 0.5 + expected * 1e-9;
        prop_assert!(near(shown.heap.live_bytes, live), "{} {live}", shown.heap.live_bytes);
        prop_assert!(near(shown.heap.allocated_bytes, allocated));
        let of_stacks: u64 = shown.stacks.iter().map(|stack| stack.live_bytes).sum();
        prop_assert!((of_stacks as f64 - live).abs() <= 2.0 + live * 1e-9);
        for stack in &shown.stacks {
            let [frame] = &*stack.frames else { panic!("one frame") };
            let number = (1..4).find(|id| *frame == Frame::Unmapped(0x1000 * id));
            let expected = by_stack[number.unwrap() as usize];
            prop_assert!(near(stack.live_bytes, expected), "{} {expected}", stack.live_bytes);
        }
        let is_estimated = lives.iter().any(|life| life.interval != 0);
        prop_assert_eq!(shown.heap.confidence.is_some(), is_estimated);
        if let Some(confidence) = shown.heap.confidence {
            prop_assert!(holds(confidence.live_bytes, shown.heap.live_bytes));
            prop_assert!(holds(confidence.allocated_bytes, shown.heap.allocated_bytes));
        }
        prop_assert!(shown.info.key.pid == PID);
    }
}

/// What a stack really did.
#[derive(Clone, Copy, Default)]
struct Truth {
    live: (u64, u64),
    at_peak: u64,
    allocated: (u64, u64),
    freed: (u64, u64),
}

impl Truth {
    fn came(&mut self, size: u64) {
        self.live = (self.live.0 + size, self.live.1 + 1);
        self.allocated = (self.allocated.0 + size, self.allocated.1 + 1);
    }

    fn went(&mut self, size: u64) {
        self.live = (self.live.0 - size, self.live.1 - 1);
        self.freed = (self.freed.0 + size, self.freed.1 + 1);
    }

    /// Whether each figure is in its range, by [`NAMES`].
    fn held(&self, found: &SampledConfidence) -> [bool; 7] {
        [
            holds(found.live_bytes, self.live.0),
            holds(found.live_blocks, self.live.1),
            holds(found.peak_bytes, self.at_peak),
            holds(found.allocated_bytes, self.allocated.0),
            holds(found.allocated_blocks, self.allocated.1),
            holds(found.freed_bytes, self.freed.0),
            holds(found.freed_blocks, self.freed.1),
        ]
    }
}

const NAMES: [&str; 7] = [
    "live bytes",
    "live blocks",
    "peak bytes",
    "allocated bytes",
    "allocated blocks",
    "freed bytes",
    "freed blocks",
];

/// A program that grows, gives back half and turns the rest over, of which samples are told: each figure of the heap
/// and of its three stacks, and whether its range holds the truth.
fn grown_and_shrunk(generator: &mut TestRng) -> [[bool; 7]; 4] {
    const SAMPLING: u64 = 8 << 10;
    let mut tracker = watching(Limits::default());
    let (mut heap, mut stacks) = (Truth::default(), [Truth::default(); 3]);
    let mut peak = 0;
    let mut live: Vec<(u64, u64, usize)> = Vec::new();
    let mut left = draw(SAMPLING, generator.next_u64());
    for number in 1..=900_u64 {
        let comes = number <= 500 || (number > 700 && number % 2 == 0);
        if comes {
            let which = generator.next_u32() as usize % 3;
            let size = [200, 700, 5000][which] + u64::from(generator.next_u32() % 64);
            let address = number * 0x1_0000;
            let (taken, rest) = step(left, size, SAMPLING, || generator.next_u64());
            left = rest;
            if taken {
                let id = which as u64 + 1;
                send(&mut tracker, number * 64, sample(address, size, SAMPLING, id));
            }
            heap.came(size);
            stacks[which].came(size);
            live.push((address, size, which));
        } else {
            let place = generator.next_u32() as usize % live.len();
            let (address, size, which) = live.swap_remove(place);
            send(&mut tracker, number * 64, free_of_perhaps_another(address));
            heap.went(size);
            stacks[which].went(size);
        }
        if heap.live.0 > peak {
            peak = heap.live.0;
            heap.at_peak = peak;
            stacks.iter_mut().for_each(|stack| stack.at_peak = stack.live.0);
        }
    }
    let shown = process(&mut tracker);
    let of_heap = shown.heap.confidence.map_or([false; 7], |it| heap.held(&it));
    let mut found = [of_heap, [true; 7], [true; 7], [true; 7]];
    for stack in &shown.stacks {
        // Which one it is the address of its frame says.
        let [Frame::InFile { offset: address, .. } | Frame::Unmapped(address)] = stack.frames[..]
        else {
            panic!("{:?}", stack.frames)
        };
        let which = address as usize / 0x1000;
        found[which] = stack.confidence.map_or([false; 7], |it| stacks[which - 1].held(&it));
    }
    found
}

/// Of 1,000 runs with a fixed seed at least 930 have the truth in the range of each figure.
#[test]
fn ranges_of_all_figures_hold_what_they_promise() {
    let mut generator = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut held = [[0; 7]; 4];
    for _ in 0..1000 {
        for (sums, found) in held.iter_mut().zip(grown_and_shrunk(&mut generator)) {
            sums.iter_mut().zip(found).for_each(|(sum, is_held)| *sum += u32::from(is_held));
        }
    }
    let of = ["heap", "small blocks", "larger ones", "the largest"];
    for (who, sums) in of.into_iter().zip(held) {
        for (what, sum) in NAMES.into_iter().zip(sums) {
            assert!(sum >= 930, "{who}, {what}: {sum} of 1,000");
        }
    }
}
