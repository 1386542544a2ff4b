//! A process that is watched, and the address space that it lives in.

use super::alerts::Watch;
use super::code::CodeMap;
use super::hash::Seeded;
use super::heap::blocks::{Block, Remains};
use super::heap::live::LiveHeap;
use super::heap::ranges::Ranges;
use super::heap::touched::Touched;
use super::history::{History, Point};
use super::sampling::ToldBlocks;
use super::slices::Slices;
use super::snapshot::{PictureSnapshot, ResidentPart, State};
use super::stacks::Stacks;
use super::windows::Windows;
use super::wires::Wires;
use super::zoom::Zoom;
use crate::model::ids::{Nanos, Pid, StackId};
use crate::model::process::{ProcessInfo, Usage};
use memtrace_common::classes::Sizing;
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
    pub(crate) watch: Watch,
    /// Where processes are watched for growth.
    pub(crate) zoom: Option<Box<Zoom>>,
    pub(crate) windows: Windows,
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

impl Process {
    /// Until when it is shown: a dead process's blocks do not grow older.
    pub(crate) fn until(&self, time: Nanos) -> Nanos {
        if self.state == State::Running { time } else { self.ended }
    }
}

/// Runs of touched pages for which there is room, for each mapping for which there is, some 50 bytes each. Pages of which
/// only some are looked at have few neighbours: with the usual limits this is 128 GiB of which one page in 32 is.
const RUNS: usize = 8;

/// An address space: what lives in it, and the numbers that its stacks have there.
#[derive(Debug)]
pub(crate) struct Space {
    pub(crate) heap: LiveHeap,
    /// Blocks of functions that the user describes: they lie in the heap's blocks or in mappings, which
    /// are counted already.
    pub(crate) pools: LiveHeap,
    /// Memory of devices.
    pub(crate) device: LiveHeap,
    pub(crate) ranges: Ranges,
    /// Pages that were touched, where that is told.
    pub(crate) touched: Touched,
    /// Blocks that the program samples itself, from the first one that it tells of.
    pub(crate) told: Option<Box<ToldBlocks>>,
    pub(crate) history: History,
    /// Where what was done is told apart by time.
    pub(super) slices: Option<Box<Slices>>,
    /// All that was mapped there since its program was executed is known: what is older, the kernel mapped.
    pub(crate) is_from_exec: bool,
    /// By the heap's own number of the stack.
    stacks: Vec<StackId>,
    numbers: HashMap<StackId, u32, Seeded>,
    /// Processes that live in it.
    pub(crate) users: usize,
}

impl Space {
    /// An address space that is first seen at `now`.
    pub(crate) fn new(now: Nanos, max_ranges: usize, seed: u64) -> Self {
        let (heap, pools, device) = (LiveHeap::new(now), LiveHeap::new(now), LiveHeap::new(now));
        Self {
            history: History::new(first_point(now, &heap, &pools, &device)),
            heap,
            pools,
            device,
            ranges: Ranges::new(max_ranges),
            is_from_exec: false,
            touched: Touched::new(max_ranges.saturating_mul(RUNS)),
            told: None,
            slices: None,
            stacks: Vec::new(),
            numbers: HashMap::with_hasher(Seeded(seed)),
            users: 1,
        }
    }

    /// … whose program was executed at that moment.
    pub(crate) fn begun_by_exec(self) -> Self {
        Self { is_from_exec: true, ..self }
    }

    /// The copy that a child gets which was forked at `now`.
    pub(crate) fn forked(&mut self, now: Nanos, has_room: bool, stacks: &mut Stacks) -> Self {
        let (ranges, touched) = (self.ranges.forked(), self.touched.forked());
        // A context of CUDA is of no use in a child, and neither is what was allocated in it.
        let device = LiveHeap::new(now);
        let is_from_exec = self.is_from_exec;
        let told = self.told.as_ref().map(|told| Box::new(told.forked(has_room)));
        if !has_room {
            let (ranges, touched) = (ranges.without_stacks(), touched.without_stacks());
            let heap = self.heap.forked_without_room(now);
            let pools = self.pools.forked_without_room(now);
            let history = History::new(first_point(now, &heap, &pools, &device));
            let numbers = HashMap::with_hasher(*self.numbers.hasher());
            let stacks = Vec::new();
            let users = 1;
            return Self {
                heap,
                pools,
                device,
                ranges,
                touched,
                told,
                slices: None,
                history,
                is_from_exec,
                stacks,
                numbers,
                users,
            };
        }
        let (heap, pools) = (self.heap.forked(), self.pools.forked());
        self.stacks.iter().for_each(|&id| stacks.hold(id));
        Self {
            history: History::new(Point {
                mapped: ranges.totals().live_bytes,
                ..first_point(now, &heap, &pools, &device)
            }),
            heap,
            pools,
            device,
            ranges,
            is_from_exec,
            touched,
            told,
            slices: None,
            stacks: self.stacks.clone(),
            numbers: self.numbers.clone(),
            users: 1,
        }
    }

    /// All that was told until `now` is what it begins with. Accounts are no longer kept.
    pub(crate) fn begin_with_this(&mut self, now: Nanos) {
        for live in [&mut self.heap, &mut self.pools, &mut self.device] {
            *live = live.forked();
        }
        self.ranges = self.ranges.forked();
        self.touched = self.touched.forked();
        self.history = History::new(first_point(now, &self.heap, &self.pools, &self.device));
    }

    /// The number of a stack here, new if need be.
    pub(crate) fn number(&mut self, id: StackId, stacks: &mut Stacks) -> u32 {
        if let Some(&number) = self.numbers.get(&id) {
            return number;
        }
        stacks.hold(id);
        let sizing = stacks.get(id).map_or_else(Sizing::default, |stack| stack.callee.sizing);
        let number = self.heap.add_stack(sizing);
        self.stacks.push(id);
        self.numbers.insert(id, number);
        number
    }

    /// As [`Self::account`], for what is to change.
    pub(crate) const fn live(&mut self, kind: BlockKind) -> &mut LiveHeap {
        match kind {
            BlockKind::Heap => &mut self.heap,
            BlockKind::Device => &mut self.device,
            BlockKind::UserDefined => &mut self.pools,
        }
    }

    /// What blocks of this kind are counted with.
    pub(crate) const fn account(&self, kind: BlockKind) -> &LiveHeap {
        match kind {
            BlockKind::Heap => &self.heap,
            BlockKind::Device => &self.device,
            BlockKind::UserDefined => &self.pools,
        }
    }

    /// As [`Self::live`], for a block that is to be added.
    pub(crate) fn live_for(&mut self, kind: BlockKind, block: &Block) -> &mut LiveHeap {
        let is_numbered = (block.stack as usize) < self.stacks.len();
        let live = self.live(kind);
        // Only the heap has sums for every stack: most programs have nothing else.
        if kind != BlockKind::Heap && is_numbered {
            live.reach_stack(block.stack);
        }
        live
    }

    /// Live blocks, of all kinds and accounts.
    pub(crate) fn blocks(&self) -> usize {
        let told = self.told.as_ref().map_or(0, |told| told.len());
        self.heap.blocks().len() + self.pools.blocks().len() + self.device.blocks().len() + told
    }

    /// Blocks refused since the last call because address or size is too large.
    pub(crate) const fn take_unsupported(&mut self) -> u64 {
        self.heap.take_unsupported()
            + self.pools.take_unsupported()
            + self.device.take_unsupported()
    }

    /// What is left to be given back of one that has gone.
    pub(crate) fn into_remains(self) -> [Remains; 3] {
        [self.heap, self.pools, self.device].map(LiveHeap::into_remains)
    }

    /// The stacks by number.
    pub(crate) fn stacks(&self) -> &[StackId] {
        &self.stacks
    }

    /// What is allocated and freed here is not told any more.
    pub(crate) fn close(&mut self, now: Nanos) {
        for live in [&mut self.heap, &mut self.pools, &mut self.device] {
            live.close(now);
        }
        self.restart_history(now);
    }

    /// So many frees were not told until now; of which kind is not known.
    pub(crate) fn lose_frees(&mut self, count: u64, now: Nanos) {
        for live in [&mut self.heap, &mut self.pools, &mut self.device] {
            live.lose_frees(count, now);
        }
    }

    /// Takes blocks out of the tables of which it is not known whether they live. They stay in the sums.
    pub(crate) fn let_unknown_go(&mut self) {
        for live in [&mut self.heap, &mut self.pools, &mut self.device] {
            live.let_unknown_go();
        }
    }

    /// It is told again.
    pub(crate) fn open(&mut self, now: Nanos) {
        for live in [&mut self.heap, &mut self.pools, &mut self.device] {
            live.open();
        }
        self.restart_history(now);
    }

    /// What was held before and what is from now on make no series together.
    fn restart_history(&mut self, now: Nanos) {
        self.history.restart(self.point(now));
    }

    /// An interval has ended.
    pub(crate) fn mark(&mut self, now: Nanos, resident: Option<u64>) {
        self.heap.note_missed();
        self.history.push(Point { resident, ..self.point(now) });
    }

    fn point(&self, now: Nanos) -> Point {
        let point = first_point(now, &self.heap, &self.pools, &self.device);
        Point { mapped: self.ranges.totals().live_bytes, ..point }
    }

    /// Bytes taken, about.
    pub(crate) fn memory_bytes(&self) -> usize {
        let each = size_of::<StackId>() * 2 + size_of::<u32>() * 2;
        self.heap.memory_bytes()
            + self.pools.memory_bytes()
            + self.device.memory_bytes()
            + self.ranges.memory_bytes()
            + self.touched.memory_bytes()
            + self.told.as_ref().map_or(0, |told| told.memory_bytes())
            + self.history.memory_bytes()
            + self.stacks.capacity() * each
    }
}

fn first_point(time: Nanos, heap: &LiveHeap, pools: &LiveHeap, device: &LiveHeap) -> Point {
    // A stack is of one kind: in the others' sums it has nothing.
    let mut stacks: Box<[u64]> = heap.live_bytes_by_stack().collect();
    for other in [pools, device] {
        for (bytes, others) in stacks.iter_mut().zip(other.live_bytes_by_stack()) {
            *bytes = bytes.wrapping_add(others);
        }
    }
    let heap_range = heap.live_range();
    let [heap, pools, device] = [heap, pools, device].map(LiveHeap::live_bytes);
    Point { time, heap, heap_range, pools, device, stacks, ..Point::default() }
}
