//! Events in, tables, snapshots out.

use super::alerts::{Alert, Alerts, Held, Thresholds, Watch, Who};
use super::allocator_code::AllocatorCode;
use super::census::{KINDS, Stores, process_snapshot};
use super::code::CodeMap;
use super::count::rows;
use super::detail::Detail;
use super::ended::Ended;
use super::hash::random_seed;
use super::heap::blocks::Block;
use super::heap::live::Resize;
use super::limits::Limits;
use super::marks::Marks;
use super::process::{Process, Space};
use super::slab::Slab;
use super::slices::Grid;
use super::snapshot::{Bounds, ProcessSnapshot, Snapshot, SnapshotOptions, State};
use super::stacks::{Callee, Stacks};
use super::sweeps::{Goal, Sweeps, Visitor};
use super::tables::Tables;
use super::zoom::{Desk, Wish};
use crate::model::event::{Allocation, Event, Free, Reallocation, What};
use crate::model::ids::{ModuleId, Nanos, Pid};
use crate::model::module::Module;
use crate::model::process::Usage;
use memtrace_common::function::{BlockKind, FunctionId};
use memtrace_common::wire::Loss;
use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

/// The engine: folds events into tables. Total in every respect; see [`Limits`] for its bounds.
///
/// What the daemon has to do:
/// - [`What::ProcessSeen`] or [`What::ProcessBegan`] is what makes a process watched; without it its events
///   are only counted.
/// - A child that is to be watched must be seen right after its [`What::Fork`], before the next
///   event is applied: it starts with a copy of what its parent holds at that moment.
/// - [`What::Mappings`] should come before the first allocation, and again when code was mapped.
/// - [`Self::take_forgotten`] should be called between drains, and [`Self::forget`] some time after
///   a process has gone.
#[derive(Debug)]
pub struct Tracker {
    pub(super) limits: Limits,
    pub(super) seed: u64,
    pub(super) pids: HashMap<Pid, usize>,
    /// The process of the last event, as the next one is mostly of the same.
    pub(super) last: Option<(Pid, usize)>,
    pub(super) processes: Slab<Process>,
    pub(super) spaces: Slab<Space>,
    pub(super) closed: VecDeque<Closed>,
    /// Children that were announced by their parents and not seen yet.
    pub(super) announced: VecDeque<Announced>,
    pub(super) stacks: Stacks,
    pub(super) tables: Tables,
    pub(super) allocator_code: AllocatorCode,
    pub(super) forgotten: Vec<(Pid, u64)>,
    /// Blocks in all tables.
    pub(super) blocks: usize,
    /// Stack ids in all tables.
    pub(super) stack_ids: usize,
    pub(super) began: Option<Nanos>,
    pub(super) order: u64,
    pub(super) modules: Vec<Arc<Module>>,
    /// `modules` as last handed out.
    shared_modules: Option<Arc<[Arc<Module>]>>,
    losses: [u64; Loss::ALL.len()],
    pub(super) unknown_stacks: u64,
    undecodable: u64,
    events: u64,
    pub(super) bounds: Bounds,
    pub(super) ended: Ended,
    alerts: Alerts,
    pub(super) marks: Marks,
    /// Of all processes together.
    watch: Watch,
    pub(super) desk: Desk,
    pub(super) sweeps: Sweeps,
    pub(super) detail: Detail,
    /// Where slices of time are kept.
    pub(super) grid: Option<Grid>,
    /// Touched pages were taken at levels up to this one, of whichever process: others' may have been let pass.
    pub(super) touch_level: u8,
}

/// The last look at a program that has ended while its pid lives on.
#[derive(Debug)]
pub(super) struct Closed {
    pub(super) order: u64,
    pub(super) snapshot: ProcessSnapshot,
    /// Call stacks of it whose blocks are still counted.
    pub(super) awaited: usize,
}

/// A process in a snapshot that is made: its place there, its address space, and until when it is shown.
struct SpaceOwner {
    place: usize,
    space: usize,
    until: Nanos,
}

impl Closed {
    /// Call stacks that are kept, or will be.
    pub(super) fn stacks(&self) -> usize {
        let snapshot = &self.snapshot;
        let told = snapshot.told.as_ref().map_or(0, |told| told.stacks.len());
        let kept =
            snapshot.stacks.len() + snapshot.pools.stacks.len() + snapshot.device.stacks.len();
        kept + self.awaited + told
    }
}

/// A child of a watched process.
#[derive(Clone, Copy, Debug)]
pub(super) struct Announced {
    pub(super) child: Pid,
    pub(super) parent: Pid,
    /// The parent's place in the order of first sight: the parent must still be the same program.
    pub(super) parent_order: u64,
    pub(super) shares_memory: bool,
}

impl Tracker {
    /// An engine that knows nothing yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            seed: random_seed(),
            pids: HashMap::new(),
            last: None,
            processes: Slab::default(),
            spaces: Slab::default(),
            closed: VecDeque::new(),
            announced: VecDeque::new(),
            stacks: Stacks::new(limits.max_stacks),
            tables: Tables::default(),
            allocator_code: AllocatorCode::default(),
            forgotten: Vec::new(),
            blocks: 0,
            stack_ids: 0,
            began: None,
            order: 0,
            modules: Vec::new(),
            shared_modules: None,
            losses: [0; Loss::ALL.len()],
            unknown_stacks: 0,
            undecodable: 0,
            events: 0,
            bounds: Bounds::default(),
            ended: Ended::default(),
            alerts: Alerts::default(),
            marks: Marks::default(),
            watch: Watch::default(),
            desk: Desk::default(),
            sweeps: Sweeps::default(),
            detail: Detail::default(),
            grid: None,
            touch_level: 0,
        }
    }

    /// Keeps more detail; before the first event.
    #[must_use]
    pub fn with_detail(self, detail: Detail) -> Self {
        Self { detail, ..self }
    }

    /// Takes in one event.
    pub fn apply(&mut self, event: &Event<'_>) {
        self.began.get_or_insert(event.time);
        self.slice(event.time);
        let (time, pid) = (event.time, event.process);
        match &event.what {
            What::ProcessSeen(info) => self.process_seen(info, time),
            What::ProcessBegan(info) => self.process_began(info, time),
            What::ModuleSeen(module) => self.module_seen(module),
            What::Lost { cause, count } => {
                let lost = &mut self.losses[*cause as usize];
                *lost = lost.saturating_add(*count);
            }
            What::FreesLost { count } => self.frees_lost(pid, time, *count),
            What::Mark => self.mark(time),
            What::Named(name) => self.marks.add(time, name),
            What::BreakSeen { end, .. } => {
                self.map_with(pid, |space| space.break_seen(*end));
            }
            What::Mappings(mappings) => self.mappings_seen(pid, &CodeMap::new(mappings)),
            What::TableAwaited { module, awaited } => self.tables.news(*module, *awaited),
            What::AllocatorCode { module, spans } if self.has_room_for(*module) => {
                self.allocator_code.learn(*module, spans);
            }
            What::EntryPoint { module, offset } if self.has_room_for(*module) => {
                self.allocator_code.learn_entry(*module, *offset);
            }
            What::AllocatorCode { .. } | What::EntryPoint { .. } => {
                self.bounds.refused_modules += 1;
            }
            What::FilesSeen(files) => {
                self.map_with(pid, |space| space.touched.files_seen(files));
            }
            What::WindowClosed => self.window_closed(pid, time),
            What::WindowOpened => self.window_opened(pid, time),
            What::Usage(usage) => self.usage_seen(pid, time, usage),
            What::Look(look) => self.look_told(pid, time, look),
            What::CarriedOver => self.carried_over(pid, time),
            What::Picture(picture, areas) => self.picture_seen(pid, time, picture, areas),
            what => {
                self.events += 1;
                self.apply_record(pid, time, event.thread, what);
            }
        }
    }

    /// Bytes of the block table of the process that the last event was of.
    #[inline]
    pub(super) fn block_table_bytes(&self) -> usize {
        let process = self.last.and_then(|(_, process)| self.processes.get(process));
        let space = process.and_then(|process| self.spaces.get(process.space));
        space.map_or(0, |space| space.heap.blocks().memory_bytes())
    }

    /// An event about the block at `address` comes soon: asks for the memory that it will need.
    #[inline]
    pub(super) fn prefetch(&self, pid: Pid, address: u64) {
        // That of another process is in no hurry: such a change is rare.
        if let Some((last, process)) = self.last
            && last == pid
            && let Some(process) = self.processes.get(process)
            && let Some(space) = self.spaces.get(process.space)
        {
            space.heap.blocks().prefetch(address);
        }
    }

    /// An event about this block of the heap, or of a stack with this id, comes now: asks for the sums of the stack.
    #[inline]
    pub(super) fn prefetch_sums(
        &self,
        pid: Pid,
        freed: Option<u64>,
        stack: Option<u64>,
        time: Nanos,
    ) {
        if let Some((last, process)) = self.last
            && last == pid
            && let Some(process) = self.processes.get(process)
            && let Some(space) = self.spaces.get(process.space)
        {
            freed.inspect(|address| space.heap.prefetch_free(*address, time));
            stack
                .and_then(|id| process.wires.peek(id))
                .inspect(|stack| space.heap.prefetch_sums(*stack));
        }
    }

    /// What comes from the ring.
    #[inline]
    fn apply_record(&mut self, pid: Pid, time: Nanos, thread: u32, what: &What<'_>) {
        match what {
            What::Allocation(allocation) => self.allocation(pid, time, thread, allocation),
            What::Free(free) => self.heap_with(pid, |space, _| {
                let live = space.live(free.function.kind());
                let Free { address, inside_allocator, perhaps_not_taken, .. } = *free;
                live.free(address, inside_allocator, perhaps_not_taken, time);
            }),
            What::Reallocation(call) => self.reallocation(pid, time, thread, call),
            What::Weighted(block, stack) => self.weighted(pid, block, stack),
            What::WeightedFree { address } => self.weighted_free(pid, *address),
            What::Map(map, stack) => {
                let stack = self.stack_beside(pid, FunctionId::MMAP, stack);
                self.map_with(pid, |space| space.map(map, stack, time));
            }
            What::Unmap(unmap) => self.map_with(pid, |space| space.unmap(unmap)),
            What::Remap(remap, stack) => {
                let stack = self.stack_beside(pid, FunctionId::MREMAP, stack);
                self.map_with(pid, |space| space.remap(remap, stack, time));
            }
            What::Break { end, stack } => {
                let stack = self.stack_beside(pid, FunctionId::BRK, stack);
                self.map_with(pid, |space| space.set_break(*end, stack));
            }
            What::Fault(fault, stack) => {
                let stack = self.stack_beside(pid, FunctionId::FAULT, stack);
                self.touch_level = self.touch_level.max(fault.level());
                self.map_with(pid, |space| space.fault(*fault, stack, time));
            }
            What::Discard(discard) => self.map_with(pid, |space| space.touched.discard(discard)),
            What::Fork(fork) => self.fork(pid, *fork),
            What::Exec(_) => self.exec(pid, time),
            What::Exit { status } => self.exit(pid, time, *status),
            _ => {}
        }
    }

    /// What was told until now came to nothing: it is told of what happened before.
    pub(super) fn count_anew(&mut self) {
        (self.events, self.unknown_stacks) = (0, 0);
        self.bounds = Bounds::default();
    }

    /// A record could not be decoded.
    pub const fn count_undecodable(&mut self) {
        self.undecodable += 1;
    }

    /// Whether events of `pid` are taken in.
    #[must_use]
    pub fn is_watched(&self, pid: Pid) -> bool {
        self.pids.contains_key(&pid)
    }

    /// Bytes that were allocated in all processes that are known, as far as it is known.
    #[must_use]
    pub fn allocated_bytes(&self) -> u64 {
        let of = |space: &Space| space.heap.totals().allocated_bytes;
        let inhabited = self.spaces.iter().filter(|space| space.users > 0);
        inhabited.map(of).fold(0, u64::saturating_add)
    }

    /// Bytes alive in the heap of a process that runs; 0 of others. As a process that lives in another one's address
    /// space has that one's heap, figures of several processes are not to be added: see [`Self::live_bytes`].
    #[must_use]
    pub fn live_bytes_of(&self, pid: Pid) -> u64 {
        let process = self.pids.get(&pid).and_then(|&place| self.processes.get(place));
        process.map_or(0, |process| self.live_bytes_in(process))
    }

    /// Bytes alive in the heaps of all processes that run.
    #[must_use]
    pub fn live_bytes(&self) -> u64 {
        let owners = self.processes.iter().filter(|process| process.owns_space);
        owners.map(|process| self.live_bytes_in(process)).fold(0, u64::saturating_add)
    }

    fn live_bytes_in(&self, process: &Process) -> u64 {
        let space = self.spaces.get(process.space).filter(|_| process.state == State::Running);
        space.map_or(0, |space| space.heap.live_bytes())
    }

    /// Live blocks of all processes.
    #[must_use]
    pub const fn live_blocks(&self) -> usize {
        self.blocks
    }

    /// The blocks of processes that run which were counted while every allocation was: process, kind, address.
    /// `None` if there are more than `most`.
    #[must_use]
    pub fn exact_blocks(&self, most: usize) -> Option<Vec<(Pid, BlockKind, u64)>> {
        let mut found = Vec::new();
        let running =
            self.processes.iter().filter(|it| it.owns_space && it.state == State::Running);
        for process in running {
            let Some(space) = self.spaces.get(process.space) else { continue };
            for (kind, live) in
                [(BlockKind::Heap, &space.heap), (BlockKind::UserDefined, &space.pools)]
            {
                let exact = live.blocks().iter().filter(|block| block.interval == 0);
                found.extend(
                    exact
                        .map(|block| (process.pid, kind, block.address))
                        .take(most + 1 - found.len()),
                );
                if found.len() > most {
                    return None;
                }
            }
        }
        Some(found)
    }

    /// The stack ids that are not known (any more), with the processes that cited them or may cite
    /// them, since the last call: the kernel side must send these stacks again, so their ids are to
    /// be deleted from its table.
    pub fn take_forgotten(&mut self) -> Vec<(Pid, u64)> {
        let mut forgotten = std::mem::take(&mut self.forgotten);
        forgotten.sort_unstable();
        forgotten.dedup();
        forgotten
    }

    /// The thresholds that processes have crossed since the last call; of very many the latest.
    pub fn take_alerts(&mut self) -> Vec<Alert> {
        self.alerts.take_new()
    }

    /// What is to be done about processes that grow, since the last call.
    pub fn take_wishes(&mut self) -> Vec<Wish> {
        self.desk.take_wishes()
    }

    /// Bytes that all tables take, about; the block tables exactly.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let stack = size_of::<super::snapshot::StackSnapshot>();
        self.spaces.iter().map(Space::memory_bytes).sum::<usize>()
            + self
                .processes
                .iter()
                .map(|p| size_of::<Process>() + p.wires.memory_bytes())
                .sum::<usize>()
            + self.stacks.memory_bytes()
            + self
                .closed
                .iter()
                .map(|closed| size_of::<Closed>() + closed.stacks() * stack)
                .sum::<usize>()
            + self.forgotten.capacity() * size_of::<(Pid, u64)>()
    }

    /// Everything as it is at `time` (which should be the latest event's).
    pub fn snapshot(&mut self, time: Nanos, options: &SnapshotOptions) -> Snapshot {
        self.begin_snapshot(time, options);
        self.finish_snapshot().unwrap_or_default()
    }

    /// Begins a snapshot of everything as it is at `time`, in place of one that was begun before.
    /// [`Self::advance`] goes on with it while events are taken in.
    ///
    /// Pictures whose blocks are still looked up are finished first: advance until the walks are over before.
    pub fn begin_snapshot(&mut self, time: Nanos, options: &SnapshotOptions) {
        self.finish_walks();
        let (processes, owners) = self.process_snapshots(time);
        let (alerts, older_alerts) = self.alerts.all();
        let (marks, dropped_marks) = self.marks.all();
        let looks = self.limits.zoom.map(|_| self.look_totals());
        self.sweeps.snapshot = Some(Snapshot {
            touch_level: self.touch_level,
            time,
            began: self.began.unwrap_or(time),
            options: *options,
            processes,
            modules: self.modules(),
            losses: Loss::ALL.into_iter().zip(self.losses).collect(),
            unknown_stacks: self.unknown_stacks,
            undecodable: self.undecodable,
            events: self.events,
            bounds: Bounds { refused_stacks: self.stacks.refused, ..self.bounds },
            ended: self.ended,
            alerts,
            looks,
            older_alerts,
            marks,
            dropped_marks,
        });
        owners.into_iter().for_each(|owner| self.begin_count(&owner, options));
    }

    /// The snapshot that was begun last; `None` if there is none.
    pub fn finish_snapshot(&mut self) -> Option<Snapshot> {
        self.finish_walks();
        self.sweeps.snapshot.take()
    }

    pub(super) const fn stores(&self) -> Stores<'_> {
        Stores {
            stacks: &self.stacks,
            code: &self.allocator_code,
            grid: self.grid,
            touch_level: self.touch_level,
        }
    }

    /// All processes in order of first sight, without what their stacks hold, and who has some of that.
    fn process_snapshots(&self, time: Nanos) -> (Vec<ProcessSnapshot>, Vec<SpaceOwner>) {
        let stores = self.stores();
        let running = self.processes.iter().map(|process| {
            let space = self.spaces.get(process.space).filter(|_| process.owns_space);
            let until = process.until(time);
            let snapshot = process_snapshot(process, space, stores, until);
            (process.order, snapshot, space.map(|_| (process.space, until)))
        });
        let closed = self.closed.iter().map(|closed| (closed.order, closed.snapshot.clone(), None));
        let mut all: Vec<_> = closed.chain(running).collect();
        all.sort_by_key(|(order, ..)| *order);
        let owner = |(place, (.., space)): (usize, &(_, _, Option<(usize, Nanos)>))| {
            space.map(|(space, until)| SpaceOwner { place, space, until })
        };
        let owners = all.iter().enumerate().filter_map(owner).collect();
        (all.into_iter().map(|(_, snapshot, _)| snapshot).collect(), owners)
    }

    /// Begins to count the blocks of all kinds in an address space.
    fn begin_count(&mut self, owner: &SpaceOwner, options: &SnapshotOptions) {
        for kind in KINDS {
            let Some(space) = self.spaces.get_mut(owner.space) else { return };
            let Some((rows, counts)) = rows(space, kind, &self.stacks, owner.until, options) else {
                continue;
            };
            space.live(kind).begin_sweep(Visitor::Count(Box::new(counts)));
            self.sweeps.begin(owner.space, kind, Goal::Stacks(owner.place, rows));
        }
    }

    fn modules(&mut self) -> Arc<[Arc<Module>]> {
        let modules = &self.modules;
        Arc::clone(self.shared_modules.get_or_insert_with(|| modules.as_slice().into()))
    }

    fn allocation(&mut self, pid: Pid, time: Nanos, thread: u32, allocation: &Allocation<'_>) {
        let Some(process) = self.find_for_stack(pid, &allocation.stack) else { return };
        let block = self.new_block(process, time, thread, allocation);
        let kind = allocation.function.kind();
        self.in_space(process, |space, has_room| {
            let live = space.live_for(kind, &block);
            live.called_by(thread);
            live.allocate(block, has_room);
        });
    }

    fn reallocation(&mut self, pid: Pid, time: Nanos, thread: u32, call: &Reallocation<'_>) {
        let Reallocation { old_address, entered, perhaps_not_taken, ref new } = *call;
        let Some(process) = self.find_for_stack(pid, &new.stack) else { return };
        let block = self.new_block(process, time, thread, new);
        let resize = Resize { old_address, entered, perhaps_not_taken, new: block };
        let kind = new.function.kind();
        self.in_space(process, |space, has_room| {
            let live = space.live_for(kind, &resize.new);
            live.called_by(thread);
            live.reallocate(&resize, has_room);
        });
    }

    /// The block of an allocation, with the number of its stack. A call that failed needs none, but
    /// frames that came with it must be learned.
    fn new_block(
        &mut self,
        process: usize,
        time: Nanos,
        thread: u32,
        allocation: &Allocation<'_>,
    ) -> Block {
        let Allocation { address, size, function, sizing, sample_interval, stack } = *allocation;
        let callee = Callee { function, sizing, part: self.detail.part(thread, size) };
        let is_wanted = address != 0 || !stack.frames.is_empty();
        let number = is_wanted.then(|| self.stack_number(process, callee, &stack)).flatten();
        Block {
            address,
            size,
            interval: sample_interval,
            stack: number.unwrap_or(u32::MAX),
            born: time,
        }
    }

    const fn has_room_for(&self, module: ModuleId) -> bool {
        (module.0 as usize) < self.limits.max_modules
    }

    fn module_seen(&mut self, module: &Arc<Module>) {
        let number = module.id.0 as usize;
        if !self.has_room_for(module.id) {
            self.bounds.refused_modules += 1;
            return;
        }
        while self.modules.len() <= number {
            let id = ModuleId(self.modules.len() as u32);
            self.modules.push(Arc::new(Module { id, path: PathBuf::new(), build_id: None }));
        }
        self.modules[number] = Arc::clone(module);
        self.shared_modules = None;
    }

    fn usage_seen(&mut self, pid: Pid, time: Nanos, usage: &Usage) {
        let Some(process) = self.find(pid) else { return };
        let Some(process) = self.processes.get_mut(process) else { return };
        process.usage_first.get_or_insert(*usage);
        process.usage_last = Some(*usage);
        if process.owns_space
            && let Some(space) = self.spaces.get_mut(process.space)
        {
            space.history.first_resident(usage.resident);
            let live = (!space.heap.is_closed()).then(|| space.heap.held());
            let watch = &mut process.watch;
            let crossed = watch.look(&self.limits.alerts, time, live, usage.resident);
            self.alerts.add(&Who::One(Arc::clone(&process.info)), time, crossed);
        }
        self.watch_growth(pid, time, usage);
    }

    fn mark(&mut self, time: Nanos) {
        if self.limits.total_alerts != Thresholds::default() {
            self.look_at_all(time);
        }
        for process in self.processes.iter() {
            if process.owns_space
                && process.state == State::Running
                && let Some(space) = self.spaces.get_mut(process.space)
            {
                space.mark(time, process.usage_last.map(|usage| usage.resident));
            }
        }
    }

    /// Whether all processes together have crossed a threshold. Who lives in another one's address space, as
    /// after `vfork`, counts once. A pause of all is no fall of the sum; one that is not watched while others are
    /// adds nothing.
    fn look_at_all(&mut self, time: Nanos) {
        let (mut processes, mut live, mut resident) = (0, None, 0_u64);
        let running =
            self.processes.iter().filter(|it| it.owns_space && it.state == State::Running);
        for process in running {
            processes += 1;
            let heap = self.spaces.get(process.space).map(|space| &space.heap);
            if let Some(heap) = heap.filter(|heap| !heap.is_closed()) {
                live = Some(heap.held().with(&live.unwrap_or_default()));
            }
            let usage = process.usage_last.map_or(0, |usage| usage.resident);
            resident = resident.saturating_add(usage);
        }
        let live = if processes == 0 { Some(Held::default()) } else { live };
        let crossed = self.watch.look(&self.limits.total_alerts, time, live, resident);
        self.alerts.add(&Who::All { processes }, time, crossed);
    }

    /// Where the process with this pid is; an event of an unknown one is counted.
    #[inline]
    pub(super) fn find(&mut self, pid: Pid) -> Option<usize> {
        if let Some((last, process)) = self.last
            && last == pid
        {
            return Some(process);
        }
        let Some(&process) = self.pids.get(&pid) else {
            self.bounds.foreign_events += 1;
            return None;
        };
        self.last = Some((pid, process));
        Some(process)
    }

    fn map_with(&mut self, pid: Pid, change: impl FnOnce(&mut Space)) {
        if let Some(process) = self.find(pid)
            && let Some(process) = self.processes.get(process)
            && let Some(space) = self.spaces.get_mut(process.space)
        {
            change(space);
        }
    }

    pub(super) fn heap_with(&mut self, pid: Pid, change: impl FnOnce(&mut Space, bool)) {
        if let Some(process) = self.find(pid) {
            self.in_space(process, change);
        }
    }

    /// Changes a process's heap; `change` is told whether there is room for one more block.
    fn in_space(&mut self, process: usize, change: impl FnOnce(&mut Space, bool)) {
        let Some(process) = self.processes.get(process) else { return };
        let Some(space) = self.spaces.get_mut(process.space) else { return };
        let before = space.blocks();
        change(space, self.blocks < self.limits.max_blocks);
        self.blocks = self.blocks + space.blocks() - before;
        self.bounds.unsupported_blocks += space.take_unsupported();
    }
}
