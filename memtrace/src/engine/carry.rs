//! What lives now, told as events: with them a tracker that knows nothing comes to hold the same.
//!
//! A recording that goes on in another file begins with these. What is told so was not done there: after all of it
//! [`What::CarriedOver`] makes it what the process began with, as the memory of a parent is a child's. Not told are
//! programs that have ended, touched pages, and what programs tell of their own samples.
//!
//! A block whose address was given out again before has gone, and is not told. If a reallocation that comes after
//! explains where it went, that one is an unknown free here, and the block stays a missed one there.

use super::census::KINDS;
use super::heap::blocks::Block;
use super::heap::ranges::{NO_STACK, Range, RangeKind};
use super::lifecycle::account_in;
use super::process::{Process, Space};
use super::snapshot::State;
use super::stacks::{Callee, Stack};
use super::tracker::{Announced, Tracker};
use crate::model::event::{Allocation, Event, Fork, Map, StackRef, Unmap, What};
use crate::model::frame::Frame;
use crate::model::ids::{Nanos, Pid};
use memtrace_common::function::{BlockKind, FunctionId};
use memtrace_common::wire::WireFrame;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// `CLONE_VM` of `linux/sched.h`: the child lives in its parent's memory.
const CLONE_VM: u64 = 0x100;

/// Takes the events.
type Tell<'a> = &'a mut dyn FnMut(&Event<'_>);

impl Tracker {
    /// Tells what lives at `time`, which is now, and all that later events need to be understood. Nothing changes.
    pub fn carry_over(&self, time: Nanos, tell: Tell<'_>) {
        // The first event is when the watch begins.
        tell(&of_nobody(time, What::Mark));
        self.carry_files(time, tell);
        let mut told = HashMap::new();
        let mut running: Vec<&Process> =
            self.processes.iter().filter(|process| process.state == State::Running).collect();
        running.sort_unstable_by_key(|process| process.order);
        for process in &running {
            self.carry_process(process, time, &mut told, tell);
        }
        // Who lives in another one's memory has told of stacks there.
        for process in &running {
            tell(&of(process.pid, time, What::CarriedOver));
            if let Some(usage) = process.usage_last {
                tell(&of(process.pid, time, What::Usage(usage)));
            }
        }
        let is_of_same = |fork: &&Announced| {
            let parent = self.pids.get(&fork.parent).and_then(|&place| self.processes.get(place));
            parent.is_some_and(|parent| parent.order == fork.parent_order)
        };
        for fork in self.announced.iter().filter(is_of_same) {
            let clone_flags = if fork.shares_memory { CLONE_VM } else { 0 };
            tell(&of(fork.parent, time, What::Fork(birth(fork.child, clone_flags))));
        }
        // Not before the stacks: it changes what their ends mean.
        for (module, awaited) in self.tables.told() {
            tell(&of_nobody(time, What::TableAwaited { module, awaited }));
        }
        tell(&of_nobody(time, What::CarriedOver));
    }

    fn carry_files(&self, time: Nanos, tell: Tell<'_>) {
        for module in &self.modules {
            tell(&of_nobody(time, What::ModuleSeen(Arc::clone(module))));
        }
        for (module, spans) in self.allocator_code.spans() {
            tell(&of_nobody(time, What::AllocatorCode { module, spans: Arc::clone(spans) }));
        }
        for (module, offset) in self.allocator_code.entries() {
            tell(&of_nobody(time, What::EntryPoint { module, offset }));
        }
    }

    /// `told`: whose address space is told already.
    fn carry_process(
        &self,
        process: &Process,
        time: Nanos,
        told: &mut HashMap<usize, Pid>,
        tell: Tell<'_>,
    ) {
        let pid = process.pid;
        let Some(space) = self.spaces.get(process.space) else { return };
        let landlord = told.get(&process.space).copied();
        if let Some(landlord) = landlord {
            tell(&of(landlord, process.seen, What::Fork(birth(pid, CLONE_VM))));
        }
        let info = Arc::clone(&process.info);
        let seen = if space.is_from_exec && landlord.is_none() {
            What::ProcessBegan(info)
        } else {
            What::ProcessSeen(info)
        };
        // Births are kept from then on. Those that were inherited, or carried over before, may be much older.
        tell(&of(pid, process.seen.min(made(space)), seen));
        if !process.code.mappings().is_empty() {
            tell(&of(pid, time, What::Mappings(Arc::clone(process.code.mappings()))));
        }
        let mut stacks = Cited::new(self, process, space);
        stacks.tell_known(time, tell);
        if landlord.is_none() {
            told.insert(process.space, pid);
            carry_blocks(process, space, &mut stacks, tell);
            carry_ranges(pid, space, &mut stacks, time, tell);
        } else if let Some(closed) = process.windows.last_close.or(process.windows.closed) {
            carry_windows(process, closed, tell);
        } else if landlord.is_some_and(|landlord| self.is_closed(landlord)) {
            // It was born before that, and takes over what its parent is now.
            tell(&of(pid, process.windows.known_since(), What::WindowOpened));
        }
    }

    fn is_closed(&self, pid: Pid) -> bool {
        let process = self.pids.get(&pid).and_then(|&place| self.processes.get(place));
        process.is_some_and(|process| !process.windows.is_open())
    }

    /// What was told of the process until now is what it begins with. Of nobody: that was all.
    pub(super) fn carried_over(&mut self, pid: Pid, time: Nanos) {
        if pid == 0 {
            self.count_anew();
            return;
        }
        let Some(place) = self.find(pid) else { return };
        let Some(process) = self.processes.get(place) else { return };
        let (number, owns_space) = (process.space, process.owns_space);
        let windows = process.windows.of_next(time);
        if owns_space {
            self.finish_sweeps_of(number);
        }
        if let Some(process) = self.processes.get_mut(place) {
            (process.windows, process.seen) = (windows, time);
            (process.unseen_vforks, process.untraced_children) = (0, 0);
        }
        if let Some(space) = self.spaces.get_mut(number).filter(|_| owns_space) {
            // What it began with is none of its doing.
            space.begin_with_this(time);
            account_in(space, self.detail, &self.limits, time);
        }
    }
}

/// From when on a new address space keeps the births of this one.
fn made(space: &Space) -> Nanos {
    let made = KINDS.map(|kind| space.account(kind).blocks().made());
    made.into_iter().min().unwrap_or(0)
}

/// That a window closed, and opened again if it is open.
fn carry_windows(process: &Process, closed: Nanos, tell: Tell<'_>) {
    let windows = process.windows;
    tell(&of(process.pid, closed, What::WindowClosed));
    if windows.is_open() {
        tell(&of(process.pid, windows.known_since(), What::WindowOpened));
    }
}

/// Blocks of which it is not known whether they live come first: the end of a window parts them from the others.
fn carry_blocks(process: &Process, space: &Space, stacks: &mut Cited<'_>, tell: Tell<'_>) {
    let pid = process.pid;
    let until = |kind| space.account(kind).unknown_until();
    if let Some(least) = KINDS.into_iter().filter_map(until).min() {
        for kind in KINDS {
            carry_some(space, stacks, kind, &|block| Some(block.born) <= until(kind), tell);
            if let Some(until) = until(kind).filter(|until| *until > least) {
                carry_birth(pid, stacks.callee(NO_STACK, kind), until, tell);
            }
        }
        // In the parent's memory it may have closed later than the parent did.
        let closed = process.windows.last_close.map_or(least, |closed| closed.min(least));
        carry_windows(process, closed, tell);
    }
    for kind in KINDS {
        carry_some(space, stacks, kind, &|block| Some(block.born) > until(kind), tell);
        let newest = space.account(kind).newest_birth();
        if newest > until(kind).unwrap_or(0) {
            carry_birth(pid, stacks.callee(NO_STACK, kind), newest, tell);
        }
    }
    let lost = space.heap.totals().lost_frees;
    if let Some(until) = space.heap.doubtful_until() {
        tell(&of(pid, until, What::FreesLost { count: lost }));
    }
}

/// That there was a birth then, of a block that is kept no more: at an address that no table takes, so that it leaves
/// nothing else behind.
fn carry_birth(pid: Pid, callee: Callee, born: Nanos, tell: Tell<'_>) {
    let nowhere = Allocation { address: u64::MAX, ..failed(callee, StackRef::default()) };
    tell(&of(pid, born, What::Allocation(nowhere)));
}

fn carry_some(
    space: &Space,
    stacks: &mut Cited<'_>,
    kind: BlockKind,
    is_wanted: &dyn Fn(&Block) -> bool,
    tell: Tell<'_>,
) {
    for block in space.account(kind).blocks().iter().filter(|block| is_wanted(block)) {
        let pid = stacks.process.pid;
        let callee = stacks.callee(block.stack, kind);
        let what = What::Allocation(Allocation {
            function: callee.function,
            sizing: callee.sizing,
            address: block.address,
            size: block.size,
            sample_interval: block.interval,
            stack: stacks.cite(block.stack),
        });
        tell(&of(pid, block.born, what));
    }
}

fn carry_ranges(pid: Pid, space: &Space, stacks: &mut Cited<'_>, time: Nanos, tell: Tell<'_>) {
    let heap_end = space.ranges.heap_end();
    let is_in_segment = |range: &Range| {
        range.kind == RangeKind::HeapSegment && heap_end.is_some_and(|end| range.end <= end)
    };
    let (segment, others): (Vec<_>, Vec<_>) =
        space.ranges.iter().partition(|(_, range)| is_in_segment(range));
    for (start, range) in others {
        let (protection, flags) = range.kind.arguments();
        let map =
            Map { address: start, length: range.end - start, protection, flags, file_offset: 0 };
        tell(&of(pid, range.born, What::Map(map, stacks.cite(range.stack))));
    }
    let Some(heap_end) = heap_end else { return };
    let start = segment.first().map_or(heap_end, |(start, _)| *start);
    // The first that is heard says where it begins.
    tell(&of(pid, time, What::Break { end: start, stack: StackRef::default() }));
    let mut gaps = Vec::new();
    let mut reached = start;
    for (start, range) in segment {
        if reached < start {
            tell(&of(pid, time, What::Break { end: start, stack: StackRef::default() }));
            gaps.push((reached, start));
        }
        tell(&of(pid, time, What::Break { end: range.end, stack: stacks.cite(range.stack) }));
        reached = range.end;
    }
    if reached < heap_end {
        tell(&of(pid, time, What::Break { end: heap_end, stack: StackRef::default() }));
        gaps.push((reached, heap_end));
    }
    for (address, end) in gaps {
        let unmap = Unmap { address, length: end - address, entered: Nanos::MAX };
        tell(&of(pid, time, What::Unmap(unmap)));
    }
}

/// The stacks of one process as its events cite them: by the kernel side's ids where it may go on to use those,
/// and by ids of our own where it has none.
struct Cited<'a> {
    tracker: &'a Tracker,
    process: &'a Process,
    space: &'a Space,
    /// By the number of the stack in the address space.
    ids: HashMap<u32, u64>,
    used: HashSet<u64>,
    /// From where on downwards there may be an id of our own.
    next: u64,
    frames: Vec<u8>,
}

impl<'a> Cited<'a> {
    fn new(tracker: &'a Tracker, process: &'a Process, space: &'a Space) -> Self {
        let used = process.wires.all().map(|wire| wire.id).collect();
        let (ids, frames) = (HashMap::new(), Vec::new());
        Self { tracker, process, space, ids, used, next: u64::MAX, frames }
    }

    /// Tells all stacks that the kernel side may cite without their frames: as calls that failed, which leave
    /// nothing else behind.
    fn tell_known(&mut self, time: Nanos, tell: Tell<'_>) {
        let process = self.process;
        for wire in process.wires.all() {
            let Some(stack) = self.stack(wire.stack) else { continue };
            self.frames.clear();
            if wire.is_first {
                write_frames(&stack.frames, &mut self.frames);
            }
            let stack = StackRef { id: wire.id, end: stack.end, frames: &self.frames };
            tell(&of(process.pid, time, What::Allocation(failed(wire.callee, stack))));
            self.ids.entry(wire.stack).or_insert(wire.id);
        }
    }

    fn stack(&self, number: u32) -> Option<&'a Stack> {
        self.tracker.stacks.get(*self.space.stacks().get(number as usize)?)
    }

    /// What was called; of blocks without a stack something of their kind.
    fn callee(&self, number: u32, kind: BlockKind) -> Callee {
        let of_kind = match kind {
            BlockKind::Heap => 0,
            BlockKind::Device => FunctionId::FIRST_DEVICE,
            BlockKind::UserDefined => FunctionId::FIRST_USER_DEFINED,
        };
        let unknown = Callee { function: FunctionId(of_kind), ..Callee::default() };
        self.stack(number).map_or(unknown, |stack| stack.callee)
    }

    /// A stack as an event names it, with its frames the first time.
    fn cite(&mut self, number: u32) -> StackRef<'_> {
        self.frames.clear();
        let stack = self.stack(number).filter(|stack| !stack.frames.is_empty());
        let Some(stack) = stack.filter(|_| number != NO_STACK) else { return StackRef::default() };
        let id = match self.ids.get(&number) {
            Some(&id) => id,
            None => {
                write_frames(&stack.frames, &mut self.frames);
                self.new_id(number)
            }
        };
        StackRef { id, end: stack.end, frames: &self.frames }
    }

    fn new_id(&mut self, number: u32) -> u64 {
        while self.used.contains(&self.next) {
            self.next -= 1;
        }
        self.ids.insert(number, self.next);
        self.next -= 1;
        self.next + 1
    }
}

const fn failed(callee: Callee, stack: StackRef<'_>) -> Allocation<'_> {
    let Callee { function, sizing, .. } = callee;
    Allocation { function, sizing, address: 0, size: 0, sample_interval: 0, stack }
}

fn write_frames(frames: &[Frame], out: &mut Vec<u8>) {
    for frame in frames {
        let word = match *frame {
            Frame::InFile { module, offset } => WireFrame::in_file(module.0, offset).0,
            Frame::Unmapped(address) => address,
        };
        out.extend_from_slice(&word.to_ne_bytes());
    }
}

const fn birth(child: Pid, clone_flags: u64) -> Fork {
    let (child_process, child_thread) = (child, child);
    Fork { child_process, child_thread, clone_flags, started: 0, followed: false }
}

const fn of(process: Pid, time: Nanos, what: What<'_>) -> Event<'_> {
    Event { time, process, thread: process, what }
}

const fn of_nobody(time: Nanos, what: What<'_>) -> Event<'_> {
    of(0, time, what)
}
