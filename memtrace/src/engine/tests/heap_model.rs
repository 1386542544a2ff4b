//! The tracker against a naive model: maps of everything, sums made afresh each time.

use super::naive_space::{Block, Key, Space};
use crate::engine::limits::Limits;
use crate::engine::snapshot::{
    HeapTotals, ProcessSnapshot, SnapshotOptions, StackSnapshot, State, Usable,
};
use crate::engine::tracker::Tracker;
use crate::model::event::{Allocation, Event, Exec, Fork, Free, Reallocation, StackRef, What};
use crate::model::frame::Frame;
use crate::model::ids::ProcessKey;
use crate::model::process::ProcessInfo;
use memtrace_common::classes::{Alignment, SizeClasses, Sizing};
use memtrace_common::function::FunctionId;
use memtrace_common::wire::StackEnd;
use proptest::prelude::*;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

const CLONE_VM: u64 = 0x100;

const OPTIONS: SnapshotOptions =
    SnapshotOptions { min_age: 64 * 40, min_size: 10, max_size: Some(80), blocks_per_stack: 2 };

#[derive(Clone, Debug)]
enum Act {
    Seen(u64),
    /// Child, whether it shares memory, and the start time of its `ProcessSeen` if that follows.
    Fork(u32, bool, Option<u64>),
    Exec,
    Exit(u32),
    Forget,
    Allocate(Call),
    Free(u64, bool),
    /// Old address, how long ago it was entered.
    Reallocate(u64, u64, Call),
    Mark,
    Close,
    Open,
}

/// An allocation's function, address, size, stack id, and whether its frames come along.
type Call = (u8, u64, u64, u64, bool);

#[derive(Clone, Debug)]
pub(super) struct Step {
    act: Act,
    pid: u32,
    pub(super) time: u64,
}

impl Step {
    /// When a reallocation of a block was entered.
    pub(super) const fn entered(&self) -> Option<u64> {
        match self.act {
            Act::Reallocate(1.., ago, _) => Some(self.time.saturating_sub(ago)),
            _ => None,
        }
    }
}

fn call() -> impl Strategy<Value = Call> {
    let address = prop_oneof![1 => Just(0), 12 => (1_u64..12).prop_map(|n| n * 16)];
    (1_u8..3, address, 0_u64..100, 0_u64..5, any::<bool>())
}

fn act() -> impl Strategy<Value = Act> {
    let address = || (0_u64..12).prop_map(|n| n * 16);
    prop_oneof![
        2 => (0_u64..2).prop_map(Act::Seen),
        1 => (1_u32..4, any::<bool>(), prop::option::of(0_u64..2))
            .prop_map(|(child, shares, seen)| Act::Fork(child, shares, seen)),
        1 => Just(Act::Exec),
        1 => (0_u32..256).prop_map(Act::Exit),
        1 => Just(Act::Forget),
        20 => call().prop_map(Act::Allocate),
        12 => (address(), any::<bool>()).prop_map(|(address, inside)| Act::Free(address, inside)),
        10 => (address(), 0_u64..20, call()).prop_map(|(old, ago, call)| {
            Act::Reallocate(old, ago * 64, call)
        }),
        1 => Just(Act::Mark),
        1 => Just(Act::Close),
        2 => Just(Act::Open),
    ]
}

/// Steps forward in time, some of them a little late.
pub(super) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (act(), 1_u32..4, 0_u64..6);
    prop::collection::vec(step, 1..150).prop_map(|steps| {
        let step = |(n, (act, pid, late)): (usize, (Act, u32, u64))| Step {
            act,
            pid,
            time: (n as u64 * 3 + 10 - late) * 64,
        };
        steps.into_iter().enumerate().map(step).collect()
    })
}

#[derive(Clone, Debug)]
struct Process {
    start_time: u64,
    state: State,
    ended: u64,
    space: usize,
    owns: bool,
    closed: bool,
    wires: HashSet<u64>,
    order: usize,
    vforks: u64,
    children: u64,
}

/// A process as the snapshot should show it.
type Shown = (usize, Process, u64, Space);

#[derive(Default)]
struct Model {
    spaces: Vec<Space>,
    processes: HashMap<u32, Process>,
    /// Order of the parent, child, and whether it shares memory.
    announced: Vec<(u32, usize, u32, bool)>,
    closed: Vec<(u32, Shown)>,
    order: usize,
    unknown_stacks: u64,
    foreign: u64,
}

impl Model {
    fn shown(&self, process: &Process, time: u64) -> Shown {
        let until = if process.state == State::Running { time } else { process.ended };
        let space =
            if process.owns { self.spaces[process.space].clone() } else { Space::default() };
        (process.order, process.clone(), until, space)
    }

    fn close(&mut self, pid: u32, state: State, time: u64) {
        let mut process = self.processes.remove(&pid).unwrap();
        if !matches!(process.state, State::Exited(Some(_))) || state == State::Execed {
            if !matches!(state, State::Exited(Some(_))) {
                process.ended = time;
            }
            process.state = state;
        }
        let was_only_on_its_way = process.state == State::Execed
            && !process.owns
            && (process.vforks, process.children) == (0, 0);
        if !was_only_on_its_way {
            let shown = self.shown(&process, time);
            self.closed.push((pid, shown));
        }
    }

    fn begin(
        &mut self,
        pid: u32,
        start_time: u64,
        space: Option<usize>,
        own: Space,
        (closed, time): (bool, u64),
    ) {
        self.order += 1;
        let mut own = own;
        if closed && space.is_none() {
            own.close(time);
            own.marks = 1;
        }
        self.spaces.push(own);
        let process = Process {
            start_time,
            state: State::Running,
            ended: 0,
            space: space.unwrap_or(self.spaces.len() - 1),
            owns: space.is_none(),
            closed,
            wires: HashSet::new(),
            order: self.order,
            vforks: 0,
            children: 0,
        };
        self.processes.insert(pid, process);
    }

    fn seen(&mut self, pid: u32, start_time: u64, time: u64) {
        if let Some(process) = self.processes.get(&pid) {
            if process.start_time == start_time {
                return;
            }
            let state = match process.state {
                State::Running => State::Exited(None),
                state => state,
            };
            self.close(pid, state, time);
        }
        let place = self.announced.iter().rposition(|fork| fork.2 == pid);
        let fork = place.map(|place| self.announced.remove(place));
        let fork = fork.and_then(|(parent, order, _, shares)| {
            let parent = self.processes.get_mut(&parent).filter(|p| p.order == order)?;
            *(if shares { &mut parent.vforks } else { &mut parent.children }) -= 1;
            Some((parent.space, shares, parent.closed))
        });
        match fork {
            Some((space, true, closed)) => {
                self.begin(pid, start_time, Some(space), Space::default(), (closed, time));
            }
            Some((space, false, closed)) => {
                let copy = self.spaces[space].forked();
                self.begin(pid, start_time, None, copy, (closed, time));
            }
            None => self.begin(pid, start_time, None, Space::default(), (false, time)),
        }
    }

    fn fork(&mut self, pid: u32, child: u32, shares: bool) {
        let runs = self.processes.get(&child).is_some_and(|p| p.state == State::Running);
        if child == pid || runs {
            return;
        }
        let process = self.processes.get_mut(&pid).unwrap();
        *(if shares { &mut process.vforks } else { &mut process.children }) += 1;
        let announced = (pid, process.order, child, shares);
        self.announced.retain(|fork| fork.2 != child);
        self.announced.push(announced);
    }

    /// The stack that a call is attributed to; learns its frames.
    fn key(&mut self, pid: u32, (function, address, _, wire, frames): Call) -> Key {
        let wires = &mut self.processes.get_mut(&pid).unwrap().wires;
        if frames && wire != 0 {
            wires.insert(wire);
        }
        if frames || wires.contains(&wire) {
            return (function, Some(wire));
        }
        self.unknown_stacks += u64::from(wire != 0 && address != 0);
        (function, None)
    }

    fn apply(&mut self, step: &Step) {
        let Step { ref act, pid, time } = *step;
        let needs_process = !matches!(act, Act::Seen(_) | Act::Forget | Act::Mark);
        if needs_process && !self.processes.contains_key(&pid) {
            self.foreign += 1;
        } else {
            self.act(act, pid, time);
        }
        if let Act::Fork(child, _, Some(start_time)) = act {
            self.seen(*child, *start_time, time);
        }
    }

    fn act(&mut self, act: &Act, pid: u32, time: u64) {
        let space = self.processes.get(&pid).map(|process| process.space);
        match *act {
            Act::Seen(start_time) => self.seen(pid, start_time, time),
            Act::Fork(child, shares, _) => self.fork(pid, child, shares),
            Act::Exec => {
                let start_time = self.processes[&pid].start_time;
                let closed = self.processes[&pid].closed;
                self.close(pid, State::Execed, time);
                self.begin(pid, start_time, None, Space::default(), (closed, time));
                self.announced.retain(|fork| fork.2 != pid);
            }
            Act::Exit(status) => {
                let process = self.processes.get_mut(&pid).unwrap();
                process.state = State::Exited(Some(status));
                process.ended = time;
                process.wires.clear();
            }
            Act::Forget => {
                self.processes.remove(&pid);
                self.closed.retain(|(closed, _)| *closed != pid);
            }
            Act::Allocate(call) => {
                let key = self.key(pid, call);
                let block = Block { size: call.2, key, born: time };
                self.spaces[space.unwrap()].allocate(call.1, block);
            }
            Act::Free(address, inside) => self.spaces[space.unwrap()].free(address, inside),
            Act::Reallocate(old, ago, call) => {
                let key = self.key(pid, call);
                let block = Block { size: call.2, key, born: time };
                let entered = time.saturating_sub(ago);
                self.spaces[space.unwrap()].reallocate(old, entered, call.1, block);
            }
            Act::Close => self.turn(pid, true, time),
            Act::Open => self.turn(pid, false, time),
            Act::Mark => {
                for process in self.processes.values() {
                    if process.owns && process.state == State::Running {
                        self.spaces[process.space].marks += 1;
                    }
                }
            }
        }
    }

    /// Closes a process, or opens it: where it has an address space of its own, that, too.
    fn turn(&mut self, pid: u32, close: bool, time: u64) {
        let process = self.processes.get_mut(&pid).unwrap();
        if std::mem::replace(&mut process.closed, close) == close || !process.owns {
            return;
        }
        let space = &mut self.spaces[process.space];
        if close { space.close(time) } else { space.open() }
    }

    fn all(&self, time: u64) -> Vec<Shown> {
        let mut all: Vec<Shown> = self.closed.iter().map(|(_, shown)| shown.clone()).collect();
        all.extend(self.processes.values().map(|process| self.shown(process, time)));
        all.sort_by_key(|(order, ..)| *order);
        all
    }
}

pub(super) fn apply(tracker: &mut Tracker, step: &Step) {
    let Step { ref act, pid, time } = *step;
    let mut send = |what| tracker.apply(&Event { time, process: pid, thread: pid, what });
    let frames = |wire: u64| (0x1000 + wire).to_ne_bytes();
    let allocation = |(function, address, size, id, _): Call| Allocation {
        function: FunctionId(function),
        sizing: sizing(function),
        address,
        size,
        sample_interval: 0,
        stack: StackRef { id, end: StackEnd::Complete, frames: &[] },
    };
    match *act {
        Act::Seen(start_time) => send(seen(pid, start_time)),
        Act::Fork(child_process, shares, then) => {
            let clone_flags = if shares { CLONE_VM } else { 0 };
            let child_thread = child_process;
            let (started, followed) = (0, false);
            send(What::Fork(Fork { child_process, child_thread, clone_flags, started, followed }));
            if let Some(start_time) = then {
                send(seen(child_process, start_time));
            }
        }
        Act::Exec => send(What::Exec(Exec::default())),
        Act::Exit(status) => send(What::Exit { status: Some(status) }),
        Act::Forget => tracker.forget(pid),
        Act::Allocate(call) => {
            let (frames, mut allocation) = (frames(call.3), allocation(call));
            allocation.stack.frames = if call.4 { &frames } else { &[] };
            send(What::Allocation(allocation));
        }
        Act::Free(address, inside_allocator) => {
            send(What::Free(Free {
                function: FunctionId::FREE,
                address,
                inside_allocator,
                perhaps_not_taken: false,
            }));
        }
        Act::Reallocate(old_address, ago, call) => {
            let (frames, mut new) = (frames(call.3), allocation(call));
            new.stack.frames = if call.4 { &frames } else { &[] };
            let entered = time.saturating_sub(ago);
            send(What::Reallocation(Reallocation {
                old_address,
                entered,
                perhaps_not_taken: false,
                new,
            }));
        }
        Act::Mark => send(What::Mark),
        Act::Close => send(What::WindowClosed),
        Act::Open => send(What::WindowOpened),
    }
}

/// Of a function of the model: all that are known, and none, with and without alignments.
const fn sizing(function: u8) -> Sizing {
    let alignment = Alignment::from_power(function / 8 * 3);
    Sizing { classes: SizeClasses::from_bits(function), alignment }
}

fn seen(pid: u32, start_time: u64) -> What<'static> {
    let key = ProcessKey { pid, start_time };
    What::ProcessSeen(Arc::new(ProcessInfo { key, ..ProcessInfo::default() }))
}

fn compare(snapshot: &ProcessSnapshot, (_, process, until, space): &Shown) {
    assert_eq!((snapshot.state, snapshot.until), (process.state, *until));
    let usable = snapshot.heap.usable;
    let (bytes, unknown_bytes) = (usable.bytes, usable.unknown_bytes);
    let unknown_blocks = usable.unknown_blocks();
    let takes = space.usable(|(function, _)| sizing(function));
    assert_eq!([bytes, unknown_blocks, unknown_bytes], takes);
    let heap = HeapTotals { usable: Usable::default(), ..snapshot.heap };
    assert_eq!(heap, space.totals());
    assert_eq!(snapshot.intervals, space.marks);
    let counts = (snapshot.unseen_vforks, snapshot.untraced_children);
    assert_eq!(counts, (process.vforks, process.children));
    let live_keys: HashSet<Key> =
        space.live.values().chain(space.unknown.values()).map(|block| block.key).collect();
    let allocated =
        space.sums.iter().filter(|(_, sums)| sums.allocated[1] > 0).map(|(key, _)| *key);
    let keys: HashSet<Key> = allocated.chain(live_keys).collect();
    assert_eq!(snapshot.stacks.len(), keys.len());
    for stack in &snapshot.stacks {
        let wire = match *stack.frames {
            [] => None,
            [Frame::Unmapped(address)] => Some(address - 0x1000),
            _ => panic!("frames that nobody sent"),
        };
        compare_stack(stack, (stack.function.0, wire), space, *until);
    }
}

fn compare_stack(stack: &StackSnapshot, key: Key, space: &Space, until: u64) {
    let mut blocks: Vec<(u64, u64, u64)> = space
        .live
        .iter()
        .filter(|(_, block)| block.key == key)
        .map(|(&address, block)| (block.born, address, block.size))
        .collect();
    blocks.sort_unstable();
    let sum = |blocks: &[(u64, u64, u64)]| {
        (blocks.iter().map(|block| block.2).sum::<u64>(), blocks.len() as u64)
    };
    let sums = space.sums.get(&key).copied().unwrap_or_default();
    assert_eq!((stack.live_bytes, stack.live_blocks), sum(&blocks));
    let unknown = space.unknown.values().filter(|block| block.key == key);
    let unknown = unknown.fold((0, 0), |sum, block| (sum.0 + block.size, sum.1 + 1));
    assert_eq!((stack.unknown_bytes, stack.unknown_blocks), unknown);
    assert_eq!([stack.allocated_bytes, stack.allocated_blocks], sums.allocated);
    assert_eq!([stack.freed_bytes, stack.freed_blocks], sums.freed);
    assert_eq!(stack.peak_bytes, space.at_peak.get(&key).copied().unwrap_or(0));
    assert_eq!(stack.oldest, blocks.first().map(|block| block.0));
    assert_eq!(stack.newest, blocks.last().map(|block| block.0));
    let sizes = || blocks.iter().map(|block| block.2);
    assert_eq!(stack.sizes, sizes().min().zip(sizes().max()));
    let is_young = |block: &(u64, u64, u64)| until.saturating_sub(block.0) < OPTIONS.min_age;
    let (young, old): (Vec<_>, Vec<_>) = blocks.into_iter().partition(is_young);
    let is_kept = |block: &(u64, u64, u64)| (10..=80).contains(&block.2);
    let (kept, filtered): (Vec<_>, Vec<_>) = old.into_iter().partition(is_kept);
    assert_eq!((stack.young_bytes, stack.young_blocks), sum(&young));
    assert_eq!((stack.filtered_bytes, stack.filtered_blocks), sum(&filtered));
    let listed: Vec<_> = stack.blocks.iter().map(|b| (b.born, b.address, b.size)).collect();
    assert_eq!(listed, kept[..kept.len().min(2)]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn it_does_as_the_model(steps in steps()) {
        let limits = Limits { closing: OPTIONS, max_closed: 1000, ..Limits::default() };
        let (mut tracker, mut model) = (Tracker::new(limits), Model::default());
        for step in &steps {
            apply(&mut tracker, step);
            model.apply(step);
        }
        let time = steps.last().map_or(0, |step| step.time);
        let (snapshot, expected) = (tracker.snapshot(time, &OPTIONS), model.all(time));
        prop_assert_eq!(snapshot.processes.len(), expected.len());
        snapshot.processes.iter().zip(&expected).for_each(|(shown, model)| compare(shown, model));
        prop_assert_eq!(snapshot.unknown_stacks, model.unknown_stacks);
        prop_assert_eq!(snapshot.bounds.foreign_events, model.foreign);
    }
}
