//! How processes come, multiply and go.

use super::alerts::Watch;
use super::attribution::note_forgotten;
use super::census::{KINDS, Stores, process_snapshot};
use super::code::CodeMap;
use super::count::rows;
use super::detail::{Detail, Period};
use super::limits::Limits;
use super::process::{Process, Space};
use super::snapshot::State;
use super::sweeps::{Goal, Visitor};
use super::tracker::{Announced, Closed, Tracker};
use super::windows::Windows;
use super::wires::Wires;
use super::zoom::Zoom;
use crate::model::event::Fork;
use crate::model::ids::{Nanos, Pid};
use crate::model::process::ProcessInfo;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Children that are remembered until they are seen; most never are.
const MOST_ANNOUNCED: usize = 256;

/// Blocks that are followed in an address space for whether they are temporary: this part of all blocks that there is
/// room for, and so many at most.
const FOLLOWED_SHARE: usize = 16;
const MOST_FOLLOWED: usize = 1 << 20;

/// Blocks that are looked at at once when their address space goes; more are looked at piece by piece.
const AT_ONCE: usize = 8192;

impl Tracker {
    /// Forgets a process and all that its pid ran. Its later events count as foreign.
    pub fn forget(&mut self, pid: Pid) {
        self.closed.retain(|closed| closed.snapshot.info.key.pid != pid);
        self.desk.leave(pid);
        if let Some(place) = self.pids.remove(&pid) {
            self.remove(place);
        }
    }

    /// Forgets a process that has ended, and all that its pid ran, but for their sums.
    pub fn retire(&mut self, pid: Pid) {
        let Self { closed, ended, .. } = self;
        let of_pid = |closed: &&Closed| closed.snapshot.info.key.pid == pid;
        closed.iter().filter(of_pid).for_each(|closed| ended.add(&closed.snapshot));
        if let Some(process) = self.pids.get(&pid).and_then(|&place| self.processes.get(place)) {
            let space = self.spaces.get(process.space);
            let stores = self.stores();
            let last = process_snapshot(process, space, stores, process.until(process.ended));
            self.ended.add(&last);
        }
        self.forget(pid);
    }

    /// The process is watched from here on, or runs a new program, or is only better known.
    pub(super) fn process_seen(&mut self, info: &Arc<ProcessInfo>, time: Nanos) {
        let pid = info.key.pid;
        if let Some(&place) = self.pids.get(&pid)
            && let Some(process) = self.processes.get_mut(place)
        {
            if process.info.key.start_time == info.key.start_time {
                process.info = Arc::clone(info);
                return;
            }
            // The pid is another process's now.
            process.state = match process.state {
                State::Running => State::Exited(None),
                ended => ended,
            };
            let space = process.space;
            if self.sweeps.have_picture_of(space) {
                // The last look at it shows that picture.
                self.finish_sweeps_of(space);
            }
            self.close(place, time);
            self.pids.remove(&pid);
            self.remove(place);
        }
        if self.processes.len() >= self.limits.max_processes {
            self.bounds.refused_processes += 1;
            return;
        }
        let announced = self.take_announced(pid);
        let (space, owns_space) = self.space_for(announced, time);
        let code = announced.and_then(|fork| self.code_of(fork.parent)).unwrap_or_default();
        let parent = announced.and_then(|fork| self.windows_of(fork.parent));
        let windows = parent.unwrap_or_else(|| Windows::new(time)).of_next(time);
        if owns_space
            && !windows.is_open()
            && let Some(space) = self.spaces.get_mut(space)
        {
            space.close(time);
        }
        let process = self.new_process(Arc::clone(info), windows, space, owns_space, code);
        let place = self.processes.insert(process);
        self.pids.insert(pid, place);
    }

    /// The process is watched from the first instruction of its program on. If it is the child of a
    /// watched one, that stays one that was not traced: what it inherited has gone with its exec.
    pub(super) fn process_began(&mut self, info: &Arc<ProcessInfo>, time: Nanos) {
        self.announced.retain(|fork| fork.child != info.key.pid);
        self.process_seen(info, time);
        let space = self.pids.get(&info.key.pid).and_then(|&place| self.processes.get(place));
        // One that is known already began its account with its exec.
        if let Some(process) = space.filter(|process| process.seen == time && process.owns_space)
            && let Some(space) = self.spaces.get_mut(process.space)
        {
            space.is_from_exec = true;
        }
    }

    /// A task was created by a watched process.
    pub(super) fn fork(&mut self, pid: Pid, fork: Fork) {
        let Some(place) = self.find(pid) else { return };
        // A thread, or a child that was seen in `/proc` before its parent's record was read.
        if fork.child_process == pid || self.runs(fork.child_process) {
            return;
        }
        let Some(process) = self.processes.get_mut(place) else { return };
        let shares_memory = fork.shares_memory();
        let count =
            if shares_memory { &mut process.unseen_vforks } else { &mut process.untraced_children };
        *count += 1;
        let announced = Announced {
            child: fork.child_process,
            parent: pid,
            parent_order: process.order,
            shares_memory,
        };
        // An older child with this pid has gone unseen.
        self.announced.retain(|older| older.child != fork.child_process);
        if self.announced.len() == MOST_ANNOUNCED {
            self.announced.pop_front();
        }
        self.announced.push_back(announced);
    }

    /// The address space has gone and a new program begins in another one. What is known of the
    /// process stays until it is seen again.
    pub(super) fn exec(&mut self, pid: Pid, time: Nanos) {
        let Some(place) = self.find(pid) else { return };
        self.drop_picture_of(place);
        let Some(process) = self.processes.get_mut(place) else { return };
        process.state = State::Execed;
        self.cut_look_short(pid, time);
        let Some(process) = self.processes.get_mut(place) else { return };
        // It may have been read of the new program, as records come later.
        process.picture = None;
        let info = Arc::clone(&process.info);
        // Nothing is unknown of a new address space.
        let windows = process.windows.of_next(time).of_new_space();
        self.close(place, time);
        self.remove(place);
        let mut space = self.new_space(time).begun_by_exec();
        if !windows.is_open() {
            space.close(time);
        }
        let space = self.spaces.insert(space);
        let process = self.new_process(info, windows, space, true, CodeMap::default());
        let place = self.processes.insert(process);
        self.pids.insert(pid, place);
        // It runs: whoever is seen with this pid later is none of the children so far.
        self.announced.retain(|fork| fork.child != pid);
    }

    /// The process has gone. What it held stays for the last report, until [`Self::forget`].
    pub(super) fn exit(&mut self, pid: Pid, time: Nanos, status: Option<u32>) {
        let Some(place) = self.find(pid) else { return };
        let Some(process) = self.processes.get_mut(place) else { return };
        process.state = State::Exited(status);
        process.ended = time;
        self.cut_look_short(pid, time);
        self.forget_stack_ids(place);
    }

    /// Frees of the process were lost; of any one, where that is not known.
    pub(super) fn frees_lost(&mut self, pid: Pid, time: Nanos, count: u64) {
        if pid == 0 {
            self.spaces.iter_mut().for_each(|space| space.lose_frees(count, time));
        } else if let Some(&place) = self.pids.get(&pid)
            && let Some(process) = self.processes.get(place)
            && let Some(space) = self.spaces.get_mut(process.space)
        {
            space.lose_frees(count, time);
        }
    }

    fn new_process(
        &mut self,
        info: Arc<ProcessInfo>,
        windows: Windows,
        space: usize,
        owns_space: bool,
        code: CodeMap,
    ) -> Process {
        self.order += 1;
        self.last = None;
        Process {
            pid: info.key.pid,
            info,
            state: State::Running,
            seen: windows.known_since(),
            ended: windows.known_since(),
            windows,
            usage_first: None,
            usage_last: None,
            picture: None,
            resident: BTreeMap::new(),
            watch: Watch::default(),
            zoom: self.limits.zoom.map(|settings| Box::new(Zoom::new(settings))),
            wires: Wires::new(self.seed),
            code,
            space,
            owns_space,
            unseen_vforks: 0,
            untraced_children: 0,
            order: self.order,
        }
    }

    fn runs(&self, pid: Pid) -> bool {
        let process = self.pids.get(&pid).and_then(|&place| self.processes.get(place));
        process.is_some_and(|process| process.state == State::Running)
    }

    /// The fork that made `child`, if its parent is still the same program. The parent's count of
    /// children that are not traced is put right.
    fn take_announced(&mut self, child: Pid) -> Option<Announced> {
        let place = self.announced.iter().rposition(|fork| fork.child == child)?;
        let fork = self.announced.remove(place)?;
        let parent = self.processes.get_mut(*self.pids.get(&fork.parent)?)?;
        if parent.order != fork.parent_order {
            return None;
        }
        let count = if fork.shares_memory {
            &mut parent.unseen_vforks
        } else {
            &mut parent.untraced_children
        };
        *count = count.saturating_sub(1);
        Some(fork)
    }

    /// The address space of a process that is seen for the first time, and whether it is its own.
    fn space_for(&mut self, announced: Option<Announced>, time: Nanos) -> (usize, bool) {
        let inherited = announced.and_then(|fork| {
            let parent = self.processes.get(*self.pids.get(&fork.parent)?)?;
            Some((fork.shares_memory, parent.space))
        });
        let new = match inherited {
            Some((true, parents)) => {
                if let Some(space) = self.spaces.get_mut(parents) {
                    space.users += 1;
                    return (parents, false);
                }
                None
            }
            Some((false, parents)) => self.copy_of(parents, time),
            None => None,
        };
        let new = new.unwrap_or_else(|| self.new_space(time));
        self.blocks += new.blocks();
        (self.spaces.insert(new), true)
    }

    fn new_space(&self, time: Nanos) -> Space {
        let mut space = Space::new(time, self.limits.max_ranges, self.seed);
        account_in(&mut space, self.detail, &self.limits, 0);
        space
    }

    fn copy_of(&mut self, parents: usize, time: Nanos) -> Option<Space> {
        let parents = self.spaces.get_mut(parents)?;
        let has_room = self.blocks + parents.blocks() <= self.limits.max_blocks;
        let mut child = parents.forked(time, has_room, &mut self.stacks);
        // What it inherits is none of its doing.
        account_in(&mut child, self.detail, &self.limits, time);
        Some(child)
    }

    fn windows_of(&self, pid: Pid) -> Option<Windows> {
        self.processes.get(*self.pids.get(&pid)?).map(|process| process.windows)
    }

    fn code_of(&self, pid: Pid) -> Option<CodeMap> {
        self.processes.get(*self.pids.get(&pid)?).map(|process| process.code.clone())
    }

    /// Keeps a last look at a program that ends while its pid lives on.
    fn close(&mut self, place: usize, time: Nanos) {
        let Some(process) = self.processes.get_mut(place) else { return };
        if !matches!(process.state, State::Exited(Some(_))) {
            process.ended = time;
        }
        let process = &*process;
        if was_only_on_its_way(process) {
            return;
        }
        let Process { order, ended, owns_space, .. } = *process;
        let number = process.space;
        let stores = Stores {
            stacks: &self.stacks,
            code: &self.allocator_code,
            grid: self.grid,
            touch_level: self.touch_level,
        };
        let snapshot = process_snapshot(process, self.spaces.get(number), stores, ended);
        self.closed.push_back(Closed { order, snapshot, awaited: 0 });
        if owns_space {
            self.begin_last_count(number, order, ended);
        }
        while self.has_too_much_closed() {
            let dropped = self.closed.pop_front();
            dropped.iter().for_each(|closed| self.ended.add(&closed.snapshot));
            self.bounds.dropped_processes += 1;
        }
    }

    /// Begins to count, for the entry that was closed last, what the stacks of its address space hold.
    fn begin_last_count(&mut self, number: usize, order: u64, until: Nanos) {
        // Another process goes on in it, as after vfork.
        if self.spaces.get(number).is_some_and(|space| space.users > 1) {
            self.finish_sweeps_of(number);
        }
        for kind in KINDS {
            let Some(space) = self.spaces.get_mut(number) else { return };
            let Some((rows, counts)) = rows(space, kind, &self.stacks, until, &self.limits.closing)
            else {
                continue;
            };
            if let Some(closed) = self.closed.back_mut() {
                closed.awaited += rows.len();
            }
            let (visitor, live) = (Visitor::Count(Box::new(counts)), space.live(kind));
            let goal = Goal::Closed(order, rows);
            if live.is_swept() {
                self.sweeps.begin_later(number, kind, goal, visitor);
            } else {
                live.begin_sweep(visitor);
                self.sweeps.begin(number, kind, goal);
            }
        }
        if self.spaces.get(number).is_some_and(|space| space.blocks() <= AT_ONCE) {
            self.finish_sweeps_of(number);
        }
    }

    fn has_too_much_closed(&self) -> bool {
        let stacks: usize = self.closed.iter().map(Closed::stacks).sum();
        self.closed.len() > self.limits.max_closed || stacks > self.limits.max_stacks
    }

    /// Removes a process, and its address space if it was the last one there.
    fn remove(&mut self, place: usize) {
        self.last = None;
        self.drop_picture_of(place);
        self.forget_stack_ids(place);
        let Some(process) = self.processes.remove(place) else { return };
        let Some(space) = self.spaces.get_mut(process.space) else { return };
        space.users -= 1;
        if space.users > 0 {
            return;
        }
        space.stacks().iter().for_each(|&id| self.stacks.release(id));
        let blocks = space.blocks();
        self.blocks -= blocks;
        if blocks <= AT_ONCE && self.sweeps.are_over(process.space) {
            self.spaces.remove(process.space);
            return;
        }
        self.sweeps.leave(process.space, blocks);
        // What has gone and what is there must have room together.
        if self.blocks.saturating_add(self.sweeps.blocks_left()) > self.limits.max_blocks {
            self.advance(usize::MAX);
        }
    }

    /// A process will show no picture of its memory any more.
    fn drop_picture_of(&mut self, place: usize) {
        if let Some(process) = self.processes.get(place).filter(|process| process.owns_space) {
            self.drop_pictures_of(process.space);
        }
    }

    /// The kernel side must not take the ids of this program for those of the pid's next one.
    fn forget_stack_ids(&mut self, place: usize) {
        let Some(process) = self.processes.get_mut(place) else { return };
        self.stack_ids -= process.wires.len();
        let pid = process.pid;
        process.wires.forget(|id| note_forgotten(&mut self.forgotten, pid, id));
    }
}

/// A vfork child that has executed its program: until then it worked in its parent's memory, and nothing is
/// told of it that is not told of the parent.
const fn was_only_on_its_way(process: &Process) -> bool {
    matches!(process.state, State::Execed)
        && !process.owns_space
        && process.unseen_vforks == 0
        && process.untraced_children == 0
}

/// Has accounts kept of what is wanted: of the period as far as it is after `born`.
pub(super) fn account_in(space: &mut Space, detail: Detail, limits: &Limits, born: Nanos) {
    space.slices = detail.slices.then(Box::default);
    if let Some(period) = detail.period {
        let after = period.after.max(born);
        let room = (limits.max_blocks / FOLLOWED_SHARE).min(MOST_FOLLOWED);
        space.heap.account_for(Period { after, ..period }, room);
    }
}
