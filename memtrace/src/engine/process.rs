//! A process that is watched, and the address space that it lives in.

use super::code::CodeMap;
use super::hash::Seeded;
use super::heap::blocks::Block;
use super::heap::live::LiveHeap;
use super::heap::ranges::Ranges;
use super::history::{History, Point};
use super::snapshot::{PictureSnapshot, ResidentPart, State};
use super::stacks::Stacks;
use super::wires::Wires;
use crate::model::ids::{Nanos, Pid, StackId};
use crate::model::process::{ProcessInfo, Usage};
use memtrace_common::function::BlockKind;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// One program in one process: exec begins another.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) pid: Pid,
    pub(crate) info: Arc<ProcessInfo>,
    pub(crate) state: State,
    pub(crate) seen: Nanos,
    /// When it ended; meaningless while it runs.
    pub(crate) ended: Nanos,
    pub(crate) usage_first: Option<Usage>,
    pub(crate) usage_last: Option<Usage>,
    pub(crate) picture: Option<PictureSnapshot>,
    /// What was resident of stacks' mappings then.
    pub(crate) resident: BTreeMap<StackId, ResidentPart>,
    pub(crate) wires: Wires,
    pub(crate) code: CodeMap,
    /// Where its address space is, and whether it is its own (a vfork child borrows its parent's).
    pub(crate) space: usize,
    pub(crate) owns_space: bool,
    pub(crate) unseen_vforks: u64,
    pub(crate) untraced_children: u64,
    /// Place in the order of first sight.
    pub(crate) order: u64,
}

/// An address space: what lives in it, and the numbers that its stacks have there.
#[derive(Debug)]
pub(crate) struct Space {
    pub(crate) heap: LiveHeap,
    /// Blocks of functions that the user describes: they lie in the heap's blocks or in mappings, which
    /// are counted already.
    pub(crate) pools: LiveHeap,
    pub(crate) ranges: Ranges,
    pub(crate) history: History,
    /// By the heap's own number of the stack.
    stacks: Vec<StackId>,
    numbers: HashMap<StackId, u32, Seeded>,
    /// Processes that live in it.
    pub(crate) users: usize,
}

impl Space {
    /// An address space that is first seen at `now`.
    pub(crate) fn new(now: Nanos, max_ranges: usize, seed: u64) -> Self {
        let (heap, pools) = (LiveHeap::new(now), LiveHeap::new(now));
        Self {
            history: History::new(first_point(now, &heap, &pools)),
            heap,
            pools,
            ranges: Ranges::new(max_ranges),
            stacks: Vec::new(),
            numbers: HashMap::with_hasher(Seeded(seed)),
            users: 1,
        }
    }

    /// The copy that a child gets which was forked at `now`.
    pub(crate) fn forked(&self, now: Nanos, has_room: bool, stacks: &mut Stacks) -> Self {
        let ranges = self.ranges.forked();
        if !has_room {
            let ranges = ranges.without_stacks();
            let heap = self.heap.forked_without_room(now);
            let pools = self.pools.forked_without_room(now);
            let history = History::new(first_point(now, &heap, &pools));
            let numbers = HashMap::with_hasher(*self.numbers.hasher());
            return Self { heap, pools, ranges, history, stacks: Vec::new(), numbers, users: 1 };
        }
        let (heap, pools) = (self.heap.forked(), self.pools.forked());
        self.stacks.iter().for_each(|&id| stacks.hold(id));
        Self {
            history: History::new(first_point(now, &heap, &pools)),
            heap,
            pools,
            ranges,
            stacks: self.stacks.clone(),
            numbers: self.numbers.clone(),
            users: 1,
        }
    }

    /// The number of a stack here, new if need be.
    pub(crate) fn number(&mut self, id: StackId, stacks: &mut Stacks) -> u32 {
        if let Some(&number) = self.numbers.get(&id) {
            return number;
        }
        stacks.hold(id);
        let number = self.heap.add_stack();
        self.stacks.push(id);
        self.numbers.insert(id, number);
        number
    }

    /// What blocks of this kind are counted with.
    pub(crate) const fn live(&mut self, kind: BlockKind) -> &mut LiveHeap {
        match kind {
            BlockKind::Heap => &mut self.heap,
            BlockKind::UserDefined => &mut self.pools,
        }
    }

    /// As [`Self::live`], for a block that is to be added.
    pub(crate) fn live_for(&mut self, kind: BlockKind, block: &Block) -> &mut LiveHeap {
        // Only the heap has sums for every stack: most programs have no pools.
        if kind == BlockKind::UserDefined && (block.stack as usize) < self.stacks.len() {
            self.pools.reach_stack(block.stack);
        }
        self.live(kind)
    }

    /// Live blocks, of all kinds.
    pub(crate) const fn blocks(&self) -> usize {
        self.heap.blocks().len() + self.pools.blocks().len()
    }

    /// Blocks refused since the last call because address or size is too large.
    pub(crate) const fn take_unsupported(&mut self) -> u64 {
        self.heap.take_unsupported() + self.pools.take_unsupported()
    }

    /// The stacks by number.
    pub(crate) fn stacks(&self) -> &[StackId] {
        &self.stacks
    }

    /// An interval has ended.
    pub(crate) fn mark(&mut self, now: Nanos, resident: Option<u64>) {
        self.history.push(Point { resident, ..first_point(now, &self.heap, &self.pools) });
    }

    /// Bytes taken, about.
    pub(crate) fn memory_bytes(&self) -> usize {
        let each = size_of::<StackId>() * 2 + size_of::<u32>() * 2;
        self.heap.memory_bytes()
            + self.pools.memory_bytes()
            + self.ranges.memory_bytes()
            + self.history.memory_bytes()
            + self.stacks.capacity() * each
    }
}

fn first_point(time: Nanos, heap: &LiveHeap, pools: &LiveHeap) -> Point {
    // A stack is of one kind: in the other one's sums it has nothing.
    let mut stacks: Box<[u64]> = heap.tallies().iter().map(|(tally, _)| tally.live_bytes).collect();
    for (bytes, (tally, _)) in stacks.iter_mut().zip(pools.tallies().iter()) {
        *bytes = bytes.wrapping_add(tally.live_bytes);
    }
    let (heap, pools) = (heap.totals().live_bytes, pools.totals().live_bytes);
    Point { time, heap, pools, resident: None, stacks }
}
