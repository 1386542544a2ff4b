//! Accounts of periods, and parts of stacks, against counting one by one.

use super::cases::{PID, call, free, seen, stack};
use crate::engine::detail::{Detail, Part, Period, SizeClass, Temporary};
use crate::engine::limits::Limits;
use crate::engine::snapshot::{PeriodSum, ProcessSnapshot, SnapshotOptions, StackSnapshot};
use crate::engine::tracker::Tracker;
use crate::model::event::{Event, Reallocation, What};
use crate::model::ids::Nanos;
use memtrace_common::function::FunctionId;
use proptest::prelude::*;
use std::collections::{BTreeMap, HashMap};

/// Events are so far apart: what the engine keeps of their times is exact.
const STEP: Nanos = 64;

#[derive(Clone, Copy, Debug)]
enum Step {
    Allocate { thread: u32, slot: u64, size: u64, zeroed: bool },
    Free { slot: u64 },
    Resize { thread: u32, slot: u64, to: u64, size: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    let (thread, slot, size) = (1_u32..4, 0_u64..6, 0_u64..40);
    prop_oneof![
        (thread.clone(), slot.clone(), size.clone(), any::<bool>())
            .prop_map(|(thread, slot, size, zeroed)| Step::Allocate { thread, slot, size, zeroed }),
        slot.clone().prop_map(|slot| Step::Free { slot }),
        (thread, slot.clone(), slot, size).prop_map(|(thread, slot, to, size)| Step::Resize {
            thread,
            slot,
            to,
            size
        }),
    ]
}

#[derive(Clone, Copy, Debug)]
struct Block {
    thread: u32,
    number: u64,
    size: u64,
    born: Nanos,
    function: FunctionId,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Sums {
    allocated: (u64, u64),
    kept: (u64, u64),
    temporary: (u64, u64),
    freed: u64,
}

struct Model {
    period: Period,
    detail: Detail,
    live: HashMap<u64, Block>,
    made: HashMap<u32, u64>,
    sums: BTreeMap<(u32, Part), Sums>,
}

impl Model {
    fn new(detail: Detail) -> Self {
        let period = detail.period.unwrap_or_default();
        let (live, made, sums) = (HashMap::new(), HashMap::new(), BTreeMap::new());
        Self { period, detail, live, made, sums }
    }

    fn sums(&mut self, block: &Block) -> &mut Sums {
        let part = Part {
            thread: self.detail.by_thread.then_some(block.thread),
            size: self.detail.by_size.then(|| SizeClass::of(block.size)),
        };
        self.sums.entry((block.function.0.into(), part)).or_default()
    }

    fn allocate(&mut self, slot: u64, block: Block) {
        let made = self.made.entry(block.thread).or_default();
        *made += 1;
        let block = Block { number: *made, ..block };
        if block.born > self.period.after {
            let sums = self.sums(&block);
            add(&mut sums.allocated, block.size);
            add(&mut sums.kept, block.size);
        }
        self.live.insert(slot, block);
    }

    fn free(&mut self, slot: u64, time: Nanos) {
        let Some(block) = self.live.remove(&slot) else { return };
        let is_within = match self.period.temporary {
            Temporary::Allocations(most) => {
                self.made[&block.thread] - block.number < u64::from(most)
            }
            Temporary::Age(most) => time - block.born <= most,
        };
        let after = self.period.after;
        let sums = self.sums(&block);
        if block.born > after {
            sums.kept = (sums.kept.0 - block.size, sums.kept.1 - 1);
            if is_within {
                add(&mut sums.temporary, block.size);
            }
        }
        sums.freed += u64::from(time > after);
    }
}

fn add(sum: &mut (u64, u64), size: u64) {
    *sum = (sum.0 + size, sum.1 + 1);
}

fn function(zeroed: bool) -> FunctionId {
    if zeroed { FunctionId::CALLOC } else { FunctionId::MALLOC }
}

const fn address(slot: u64) -> u64 {
    4096 + slot * 64
}

/// Does the step in both.
fn take(tracker: &mut Tracker, model: &mut Model, step: Step, time: Nanos) {
    let new = |function, slot, size| call(function, address(slot), size, stack(1, &[1; 8]));
    let born = |thread, size, function| Block { thread, number: 0, size, born: time, function };
    let (thread, what) = match step {
        Step::Allocate { slot, .. } if model.live.contains_key(&slot) => return,
        Step::Allocate { thread, slot, size, zeroed } => {
            let function = function(zeroed);
            model.allocate(slot, born(thread, size, function));
            (thread, What::Allocation(new(function, slot, size)))
        }
        Step::Free { slot } => {
            model.free(slot, time);
            (9, free(address(slot)))
        }
        Step::Resize { slot, to, .. }
            if !model.live.contains_key(&slot) || slot != to && model.live.contains_key(&to) =>
        {
            return;
        }
        Step::Resize { thread, slot, to, size } => {
            model.free(slot, time);
            model.allocate(to, born(thread, size, FunctionId::REALLOC));
            let new = new(FunctionId::REALLOC, to, size);
            let old_address = address(slot);
            let call = Reallocation { old_address, entered: time, perhaps_not_taken: false, new };
            (thread, What::Reallocation(call))
        }
    };
    tracker.apply(&Event { time, process: PID, thread, what });
}

fn told(process: &ProcessSnapshot) -> BTreeMap<(u32, Part), Sums> {
    let both = |sum: &PeriodSum| (sum.bytes, sum.blocks);
    let one = |stack: &StackSnapshot| {
        let (figures, ages) = &**stack.period.as_ref().unwrap();
        let freed = ages.as_ref().unwrap().0.iter().map(|age| age.freed).sum();
        let sums = Sums {
            allocated: both(&figures.allocated),
            kept: both(&figures.kept),
            temporary: both(&figures.temporary),
            freed,
        };
        ((stack.function.0.into(), stack.part), sums)
    };
    process.stacks.iter().map(one).filter(|(_, sums)| *sums != Sums::default()).collect()
}

fn rule() -> impl Strategy<Value = Temporary> {
    prop_oneof![
        (1_u32..4).prop_map(Temporary::Allocations),
        (0_u64..5).prop_map(|steps| Temporary::Age(steps * STEP)),
    ]
}

proptest! {
    #[test]
    fn a_period_is_what_happened_in_it(
        steps in prop::collection::vec(step(), 0..80),
        begins in 0_u64..80,
        temporary in rule(),
        by_thread in any::<bool>(),
        by_size in any::<bool>(),
    ) {
        let period = Some(Period { after: (begins * STEP) | (STEP - 1), temporary });
        let detail = Detail { by_thread, by_size, period, slices: false };
        let mut tracker = Tracker::new(Limits::default()).with_detail(detail);
        tracker.apply(&Event { time: STEP, process: PID, thread: 0, what: seen(PID, 1) });
        let mut model = Model::new(detail);
        let mut time = STEP;
        for step in steps {
            time += STEP;
            take(&mut tracker, &mut model, step, time);
        }
        let snapshot = tracker.snapshot(time, &SnapshotOptions::default());
        let process = &snapshot.processes[0];
        model.sums.retain(|_, sums| *sums != Sums::default());
        prop_assert_eq!(told(process), model.sums);
        // Parts change no figure.
        let live: u64 = model.live.values().map(|block| block.size).sum();
        prop_assert_eq!(process.heap.live_bytes, live);
        let stacks = process.stacks.iter();
        prop_assert_eq!(stacks.map(|stack| stack.live_bytes).sum::<u64>(), live);
    }
}

/// A child's own doings are its own; what its parent had allocated lately is not temporary there.
#[test]
fn a_child_begins_anew() {
    use crate::model::event::Fork;
    let period = Period { after: 0, temporary: Temporary::Allocations(1) };
    let detail = Detail { period: Some(period), ..Detail::default() };
    let mut tracker = Tracker::new(Limits::default()).with_detail(detail);
    let mut send = |process, time, what| {
        tracker.apply(&Event { time, process, thread: process, what });
    };
    send(PID, 64, seen(PID, 1));
    let block = call(FunctionId::MALLOC, 4096, 10, stack(1, &[1; 8]));
    send(PID, 128, What::Allocation(block));
    let fork =
        Fork { child_process: 8, child_thread: 8, clone_flags: 0, started: 2, followed: false };
    send(PID, 192, What::Fork(fork));
    send(8, 192, seen(8, 2));
    send(8, 256, free(4096));
    let snapshot = tracker.snapshot(320, &SnapshotOptions::default());
    let of = |place: usize| snapshot.processes[place].stacks[0].period.as_ref().unwrap().0;
    assert_eq!((of(0).allocated.blocks, of(0).kept.blocks, of(0).temporary.blocks), (1, 1, 0));
    let child = snapshot.processes[1].stacks.first();
    let figures = child.map(|stack| stack.period.as_ref().unwrap().0);
    let nothing = figures.is_none_or(|it| {
        [it.allocated, it.kept, it.temporary].iter().all(|sum| (sum.bytes, sum.blocks) == (0, 0))
    });
    assert!(nothing, "{figures:?}");
}

/// A block's address is given out again after its free was in no window: that says nothing of the new block.
#[test]
fn a_block_in_the_place_of_an_unknown_one_is_temporary() {
    let period = Period { after: 0, temporary: Temporary::Allocations(1) };
    let detail = Detail { period: Some(period), ..Detail::default() };
    let mut tracker = Tracker::new(Limits::default()).with_detail(detail);
    let mut send = |time, what| tracker.apply(&Event { time, process: PID, thread: PID, what });
    let block = |function| What::Allocation(call(function, 4096, 10, stack(1, &[1; 8])));
    send(64, seen(PID, 1));
    send(128, block(FunctionId::MALLOC));
    send(192, What::WindowClosed);
    send(256, What::WindowOpened);
    send(320, block(FunctionId::CALLOC));
    send(384, free(4096));
    let snapshot = tracker.snapshot(448, &SnapshotOptions::default());
    let mut stacks = snapshot.processes[0].stacks.iter();
    let new = stacks.find(|stack| stack.function == FunctionId::CALLOC).unwrap();
    assert_eq!(new.period.as_ref().unwrap().0.temporary.blocks, 1);
}
