//! Rings that are written while they are read, and what may not come of it.

use super::{Lane, Merge};
use proptest::prelude::*;
use std::cell::RefCell;
use std::collections::VecDeque;

/// What happens while the rings are read.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A program of this ring takes the time.
    Begin(usize),
    /// One that has taken the time reserves (which one, of those that have).
    Reserve(usize),
    /// One that has reserved is done (likewise).
    Complete(usize),
}

#[derive(Clone, Copy, Debug)]
struct Record {
    ring: usize,
    begun: u64,
    /// Its place among all reservations.
    reserved: Option<u64>,
    completed: Option<u64>,
}

/// The machine: what was begun, what stands in the rings, and what will happen.
#[derive(Default)]
struct World {
    now: u64,
    records: Vec<Record>,
    rings: Vec<VecDeque<usize>>,
    steps: VecDeque<Step>,
}

impl World {
    fn new(rings: usize, steps: &[Step]) -> Self {
        let rings = vec![VecDeque::new(); rings];
        Self { rings, steps: steps.iter().copied().collect(), ..Self::default() }
    }

    fn go_on(&mut self, steps: usize) {
        for step in self.steps.drain(..steps.min(self.steps.len())).collect::<Vec<_>>() {
            self.step(step);
        }
    }

    fn step(&mut self, step: Step) {
        self.now += 1;
        match step {
            Step::Begin(ring) => {
                let ring = ring % self.rings.len();
                let begun = self.now;
                self.records.push(Record { ring, begun, reserved: None, completed: None });
            }
            Step::Reserve(which) => {
                let Some(record) = self.nth(which, |it| it.reserved.is_none()) else { return };
                self.records[record].reserved = Some(self.now);
                self.rings[self.records[record].ring].push_back(record);
            }
            Step::Complete(which) => {
                let is_open = |it: &Record| it.reserved.is_some() && it.completed.is_none();
                let Some(record) = self.nth(which, is_open) else { return };
                self.records[record].completed = Some(self.now);
            }
        }
    }

    fn nth(&self, which: usize, is_meant: impl Fn(&Record) -> bool) -> Option<usize> {
        let meant: Vec<usize> =
            (0..self.records.len()).filter(|it| is_meant(&self.records[*it])).collect();
        meant.get(which % meant.len().max(1)).copied()
    }

    /// Everything that was begun is done.
    fn end(&mut self) {
        self.go_on(usize::MAX);
        for _ in 0..self.records.len() {
            self.step(Step::Reserve(0));
            self.step(Step::Complete(0));
        }
    }
}

/// A ring that is read; the world goes on meanwhile.
struct TestLane<'a> {
    world: &'a RefCell<World>,
    ring: usize,
    steps: usize,
}

impl Lane for TestLane<'_> {
    fn read(&mut self, most: usize, take: &mut dyn FnMut(&[u8])) -> bool {
        let mut world = self.world.borrow_mut();
        world.go_on(self.steps);
        for _ in 0..most {
            let Some(&record) = world.rings[self.ring].front() else { break };
            if world.records[record].completed.is_none() {
                break;
            }
            world.rings[self.ring].pop_front();
            let words = [record as u64, world.records[record].begun];
            take(words.map(u64::to_le_bytes).as_flattened());
        }
        world.rings[self.ring].is_empty()
    }
}

fn word(record: &[u8], place: usize) -> u64 {
    u64::from_le_bytes(record[place * 8..place * 8 + 8].try_into().unwrap())
}

/// Reads until all is done; gives the world, and the records as they came.
fn run(rings: usize, steps: &[Step], per_read: usize, most: usize) -> (World, Vec<usize>) {
    let world = RefCell::new(World::new(rings, steps));
    let mut lanes: Vec<TestLane<'_>> =
        (0..rings).map(|ring| TestLane { world: &world, ring, steps: per_read }).collect();
    let mut merge = Merge::new(rings, |record| word(record, 1));
    let mut came = Vec::new();
    let mut take = |record: &[u8]| came.push(word(record, 0) as usize);
    while !world.borrow().steps.is_empty() {
        merge.drain(&mut lanes, most, &mut take);
        assert!(merge.queues.iter().all(|queue| queue.waiting() <= most));
    }
    world.borrow_mut().end();
    while world.borrow().rings.iter().any(|ring| !ring.is_empty()) {
        merge.drain(&mut lanes, most, &mut take);
    }
    merge.finish(&mut take);
    drop(lanes);
    (world.into_inner(), came)
}

/// By definition, each pair by itself: in a ring the order of reservations, and no record before one that was
/// complete when it was begun.
fn check(world: &World, came: &[usize]) -> Result<(), TestCaseError> {
    prop_assert_eq!(came.len(), world.records.len(), "each comes once");
    for (place, earlier) in came.iter().enumerate() {
        for later in &came[place + 1..] {
            prop_assert_ne!(earlier, later);
            let (earlier, later) = (world.records[*earlier], world.records[*later]);
            prop_assert!(later.completed.unwrap() >= earlier.begun, "{later:?} {earlier:?}");
            if earlier.ring == later.ring {
                prop_assert!(earlier.reserved < later.reserved);
            }
        }
    }
    Ok(())
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        any::<usize>().prop_map(Step::Begin),
        any::<usize>().prop_map(Step::Reserve),
        any::<usize>().prop_map(Step::Complete),
    ];
    prop::collection::vec(step, 0..200)
}

proptest! {
    #[test]
    fn no_effect_comes_before_its_cause(
        steps in steps(), rings in 1_usize..5, per_read in 1_usize..8, most in 1_usize..10,
    ) {
        let (world, came) = run(rings, &steps, per_read, most);
        check(&world, &came)?;
    }

    /// Where times in each ring never go back and all is there, it is sorting.
    #[test]
    fn what_is_there_comes_by_time(rings in prop::collection::vec(0_usize..4, 0..100)) {
        let each = |ring: &usize| [Step::Begin(*ring), Step::Reserve(0), Step::Complete(0)];
        let steps: Vec<Step> = rings.iter().flat_map(each).collect();
        let (world, came) = run(4, &steps, steps.len(), usize::MAX);
        check(&world, &came)?;
        prop_assert!(came.is_sorted());
    }
}

/// A parent's fork is in a ring that was looked through before it was there; its child's first record is in
/// one that is looked through afterwards.
#[test]
fn a_child_does_not_come_before_its_fork() {
    let record = |ring| [Step::Begin(ring), Step::Reserve(0), Step::Complete(0)];
    let steps = [&record(0)[..], &record(1)].concat();
    // Nothing at the first ring's turn, all at the second one's.
    let world = RefCell::new(World::new(2, &steps));
    let mut lanes = [
        TestLane { world: &world, ring: 0, steps: 0 },
        TestLane { world: &world, ring: 1, steps: 6 },
    ];
    let mut merge = Merge::new(2, |record| word(record, 1));
    let mut came = Vec::new();
    merge.drain(&mut lanes, 10, &mut |record| came.push(word(record, 0)));
    assert_eq!(came, [0, 1]);
}

/// The fork is behind a record that is still being written.
#[test]
fn what_an_open_record_hides_is_waited_for() {
    let world = RefCell::new(World::new(2, &[]));
    {
        let mut world = world.borrow_mut();
        world.step(Step::Begin(0));
        world.step(Step::Reserve(0));
        for ring in [0, 1] {
            world.step(Step::Begin(ring));
            world.step(Step::Reserve(0));
            world.step(Step::Complete(1));
        }
    }
    let mut lanes = [0, 1].map(|ring| TestLane { world: &world, ring, steps: 0 });
    let mut merge = Merge::new(2, |record| word(record, 1));
    let mut came = Vec::new();
    merge.drain(&mut lanes, 10, &mut |record| came.push(word(record, 0)));
    assert!(came.is_empty(), "{came:?}");
    world.borrow_mut().step(Step::Complete(0));
    merge.drain(&mut lanes, 10, &mut |record| came.push(word(record, 0)));
    assert_eq!(came, [0, 1, 2]);
}
