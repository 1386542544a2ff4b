//! What comes from the ring goes through here: decoded, applied, and answered with what `/proc`
//! says about it, as further events, before the next record is looked at.

use super::arrivals::{Arrival, Arrivals};
use super::clock::now;
use super::error::DaemonError;
use super::groups::GroupNews;
use super::lost_frees::ToldFrees;
use super::progress::Progress;
use super::reporter::Reporter;
use super::tables::Tables;
use super::target::Targets;
use super::unwinding::{Built, Copies, Unwinding};
use crate::engine::copied::{CopiedStack, without_addresses};
use crate::engine::decode::{arrived, candidate, decode};
use crate::engine::lookahead::{Lookahead, Turn};
use crate::model::event::{CodeMapping, Event, Exec, Fork, Map, What};
use crate::model::ids::{Nanos, Pid};
use crate::probe::live::code_tables::CodeTables;
use crate::probe::live::kernel_side::{CodeVersion, KernelSide};
use memtrace_common::wire::{Counter, Loss};
use std::sync::Arc;
use std::time::Instant;

/// `PROT_EXEC` and `MAP_ANONYMOUS` of `mman.h`.
const PROT_EXEC: u32 = 4;
const MAP_ANONYMOUS: u32 = 0x20;

/// The tables and everything that feeds them.
pub(super) struct Intake {
    pub(super) tracker: Tables,
    pub(super) kernel: KernelSide,
    pub(super) targets: Targets,
    pub(super) reporter: Reporter,
    pub(super) unwinding: Option<Unwinding>,
    pub(super) copies: Copies,
    /// Records that have come and are not in the tables yet.
    ahead: Lookahead,
    /// Where processes are looked for.
    pub(super) arrivals: Option<Arrivals>,
    /// Nothing is traced any more: changes of code are not counted, so what was known of it stays.
    has_ended: bool,
    losses: [u64; Loss::ALL.len()],
    told_frees: ToldFrees,
    pub(super) records: u64,
    latest: Nanos,
}

impl Intake {
    pub(super) fn new(
        tracker: Tables,
        kernel: KernelSide,
        targets: Targets,
        reporter: Reporter,
        unwinding: Option<Unwinding>,
        arrivals: Option<Arrivals>,
    ) -> Self {
        Self {
            arrivals,
            tracker,
            kernel,
            targets,
            reporter,
            unwinding,
            copies: Copies::default(),
            ahead: Lookahead::default(),
            has_ended: false,
            losses: [0; Loss::ALL.len()],
            told_frees: ToldFrees::default(),
            records: 0,
            latest: 0,
        }
    }

    /// Takes in one record, where that is of use together with a few others.
    pub(super) fn take(&mut self, record: &[u8]) {
        self.records += 1;
        match self.ahead.push(record, &self.tracker) {
            Turn::Now => self.fold(record),
            Turn::Later => {}
            Turn::Together => self.take_waiting(),
        }
    }

    /// Takes in those that wait.
    pub(super) fn take_waiting(&mut self) {
        let mut group = std::mem::take(&mut self.ahead);
        group.expect_sums(&self.tracker);
        group.iter().for_each(|record| self.fold(record));
        group.clear();
        self.ahead = group;
    }

    fn fold(&mut self, record: &[u8]) {
        self.look_at_new_code();
        if let Some(copy) = CopiedStack::read(record) {
            return self.copies.keep(copy);
        }
        if let (Some(pid), Some(arrivals)) = (candidate(record), &mut self.arrivals) {
            if !self.targets.knows(pid) {
                arrivals.note(pid);
            } else if arrivals.has_left(pid) {
                self.let_go(pid);
            }
            return;
        }
        if let Some(arrived) = arrived(record) {
            self.latest = self.latest.max(arrived.time);
            return self.let_in(&arrived);
        }
        let finished = self.copies.take(record).and_then(|copy| self.finish(&copy, record));
        let record = finished.as_deref().unwrap_or(record);
        let Ok(event) = decode(record) else {
            self.tracker.count_undecodable();
            return;
        };
        self.latest = self.latest.max(event.time);
        let lost =
            if ends_or_copies_heap(&event) { self.settle_frees_of(event.process) } else { 0 };
        self.tracker.apply_record(record, &event);
        if matches!(event.what, What::Exec(_)) && lost > 0 {
            // They may as well have been the new program's: it has run since.
            self.feed(event.process, What::FreesLost { count: lost });
        }
        match event.what {
            What::Map(map, _) if is_code(&map) || self.replaces_code(event.process, &map) => {
                self.rescan(event.process, event.time);
            }
            What::Exec(program) => {
                self.execed(event.process, event.thread == event.process, program, event.time);
            }
            What::Exit { .. } => self.exited(event.process),
            What::Fork(fork) => self.forked(event.process, fork),
            _ => {}
        }
    }

    /// The record with the frames of its stack, which the kernel side could not walk.
    fn finish(&mut self, copy: &CopiedStack, record: &[u8]) -> Option<Vec<u8>> {
        if !self.unwinding.as_ref()?.knows_code_of(copy) {
            self.look_at_code(copy.process);
        }
        let (unwinding, tables) = (self.unwinding.as_mut()?, self.kernel.code_tables()?);
        let finished = unwinding.finish(tables, &mut self.copies, copy, record);
        self.feed_news();
        finished.or_else(|| without_addresses(record))
    }

    /// Whether code that is in no file now lies where a file's did: the kernel side has forgotten the
    /// process's mappings then (`memtrace-ebpf/src/unwind/tables.rs`).
    fn replaces_code(&self, pid: Pid, map: &Map) -> bool {
        map.protection & PROT_EXEC != 0
            && self.unwinding.as_ref().is_some_and(|unwinding| unwinding.overlaps(pid, map))
    }

    /// An event of our own making.
    pub(super) fn feed(&mut self, process: Pid, what: What<'static>) {
        // Never before what the ring has told: the series must not run backwards.
        let time = now().max(self.latest);
        self.tracker.apply(&Event { time, process, thread: 0, what });
    }

    /// The time of the latest record.
    pub(super) const fn latest(&self) -> Nanos {
        self.latest
    }

    /// Who maps memory depends on where code is: told before anybody asks.
    pub(super) fn tell_code_of_mappers(&mut self) {
        for what in self.targets.code_of_mappers() {
            self.feed(0, what);
        }
    }

    /// The time for a snapshot: now, or the latest record's if that is later.
    pub(super) fn time(&self) -> Nanos {
        now().max(self.latest)
    }

    /// Begins to trace all targets. Probes are placed first and the targets let through last, so
    /// that allocations and frees begin to count at the same instant.
    pub(super) fn begin(&mut self) -> Result<(), DaemonError> {
        self.kernel.attach_tracepoints()?;
        if let Some(arrivals) = &mut self.arrivals {
            if let Some(rules) = arrivals.rules() {
                self.kernel.admit_by(rules)?;
            }
            self.kernel.attach_candidates()?;
        }
        if self.targets.are_by_looks() {
            self.begin_newcomers_closed(true)?;
        }
        self.tell_of_groups();
        let running = self.targets.running();
        let mut progress = Progress::new("placing probes for processes", running.len());
        for pid in running {
            progress.step();
            if let Err(reason) = self.admit(pid) {
                self.leave_out(pid, reason)?;
            }
        }
        self.targets.check_user_functions()?;
        self.wait_for_tables();
        self.losses = self.kernel.losses()?;
        let running = self.targets.running();
        let mut progress = Progress::new("beginning to trace processes", running.len());
        for pid in running {
            progress.step();
            // Mappings may have changed while the probes were placed.
            if let Err(reason) = self.seen(pid) {
                self.leave_out(pid, reason)?;
                self.tracker.forget(pid);
                self.forget_code(pid);
                continue;
            }
            self.settle_window(pid)?;
            self.kernel.add_target(pid)?;
            // What was mapped between the last look and this moment made no event.
            self.rescan(pid, now());
        }
        Ok(())
    }

    fn leave_out(&mut self, pid: Pid, reason: DaemonError) -> Result<(), DaemonError> {
        self.arrivals.iter_mut().for_each(|arrivals| arrivals.refuse(pid));
        self.targets.leave_out(pid, reason)
    }

    /// Describes a process once probes are placed for it, so that nothing is told of one for which they
    /// cannot be.
    fn admit(&mut self, pid: Pid) -> Result<(), DaemonError> {
        let (events, version) = self.looking(pid, |targets, to| targets.describe(pid, to));
        let events = self.feed_modules(pid, events);
        self.targets.attach(&mut self.kernel, pid)?;
        self.feed_all(pid, events?, version);
        Ok(())
    }

    /// Feeds the modules among the events, which are told of once and belong to no process: others may map
    /// them, whatever becomes of this one. Gives the rest.
    fn feed_modules(
        &mut self,
        pid: Pid,
        events: Result<Vec<What<'static>>, DaemonError>,
    ) -> Result<Vec<What<'static>>, DaemonError> {
        let of_module = |what: &What<'_>| matches!(what, What::ModuleSeen(_));
        let (modules, rest): (Vec<_>, Vec<_>) = events?.into_iter().partition(of_module);
        modules.into_iter().for_each(|module| self.feed(pid, module));
        Ok(rest)
    }

    /// Takes in processes that have come to match.
    pub(super) fn take_in_arrivals(&mut self) {
        let Some(arrivals) = self.arrivals.as_mut().filter(|_| !self.has_ended) else { return };
        let arrived = arrivals.next(|pid| self.targets.is_running(pid));
        // Before anything else: their next processes may be about to begin.
        self.tell_of_groups();
        if self.targets.are_full() {
            // The slow look finds the others, too, once there is room.
            let new =
                arrived.iter().filter(|it| it.is_new && !self.kernel.is_target(it.pid)).count();
            return self.targets.note_no_room(new);
        }
        for arrival in arrived {
            // A target's child, whose record is on its way through the ring, is one already.
            if self.kernel.is_target(arrival.pid) {
                continue;
            }
            match self.take_in(arrival) {
                Ok(()) => self.arrivals.iter_mut().for_each(Arrivals::count),
                Err(reason) => self.turn_away(arrival.pid, &reason),
            }
        }
        self.forget_ended();
    }

    /// Tells the kernel side of control groups that have come or gone.
    fn tell_of_groups(&mut self) {
        let Some(arrivals) = &mut self.arrivals else { return };
        for news in arrivals.news_of_groups() {
            let told = match news {
                GroupNews::Worth(group, worth) => self.kernel.let_group_in(group, worth),
                GroupNews::Gone(group) => self.kernel.forget_group(group),
            };
            // Its processes are told of as candidates all the same.
            if let Err(error) = told {
                tracing::warn!("the kernel side cannot be told of a control group: {error}");
            }
        }
    }

    /// Traces a process from now on.
    fn take_in(&mut self, Arrival { pid, is_new }: Arrival) -> Result<(), DaemonError> {
        self.targets.take_in(pid)?;
        let (events, version) = self.looking(pid, |targets, to| targets.describe(pid, to));
        let events = self.feed_modules(pid, events)?;
        if is_new {
            self.targets.attach_arrival(&mut self.kernel, pid)?;
        } else {
            self.targets.attach(&mut self.kernel, pid)?;
        }
        self.feed_all(pid, events, version);
        self.settle_window(pid)?;
        self.wait_briefly_for_tables();
        self.kernel.add_target(pid)?;
        // What was mapped between the look and this moment made no event.
        self.rescan(pid, now());
        tracing::debug!("pid {pid} has come to match: traced");
        Ok(())
    }

    pub(super) fn turn_away(&mut self, pid: Pid, reason: &DaemonError) {
        self.targets.turn_away(pid, reason);
        self.stop_tracing(pid);
    }

    /// Traces a process no longer that has become one which is never meant.
    fn let_go(&mut self, pid: Pid) {
        tracing::debug!("pid {pid} is not meant any more: let go");
        self.targets.let_go(pid);
        self.kernel.forget_lost_frees(pid);
        self.told_frees.forget(pid);
        self.stop_tracing(pid);
    }

    fn stop_tracing(&mut self, pid: Pid) {
        self.arrivals.iter_mut().for_each(|arrivals| arrivals.refuse(pid));
        self.kernel.remove_target(pid);
        self.kernel.detach_from(pid);
        self.tracker.forget(pid);
        self.forget_code(pid);
    }

    /// Forgets processes that have ended, if there are many.
    pub(super) fn forget_ended(&mut self) {
        for pid in self.targets.forget_ended() {
            self.tracker.retire(pid);
        }
    }

    pub(super) fn seen(&mut self, pid: Pid) -> Result<(), DaemonError> {
        let (events, version) = self.looking(pid, |targets, to| targets.describe(pid, to));
        self.feed_all(pid, events?, version);
        Ok(())
    }

    /// Looks at processes that have got new code before what stands in the ring until then has been
    /// taken in: their stacks through it end there until the kernel side knows its tables.
    fn look_at_new_code(&mut self) {
        let news = self.kernel.code_tables().map(CodeTables::take_news).unwrap_or_default();
        for pid in news {
            self.look_at_code(pid);
        }
    }

    fn look_at_code(&mut self, pid: Pid) {
        let (events, version) = self.looking(pid, |targets, to| targets.rescan(pid, to));
        for what in events {
            match what {
                // The engine learns of them in their turn, with the record.
                What::Mappings(mappings) => self.tell_code(pid, &mappings, version),
                module => self.feed(pid, module),
            }
        }
    }

    /// Looks at a process, and tells which version of its code was seen.
    fn looking<T>(
        &mut self,
        pid: Pid,
        look: impl FnOnce(&mut Targets, &Reporter) -> T,
    ) -> (T, CodeVersion) {
        let before = self.kernel.code_version(pid);
        let seen = look(&mut self.targets, &self.reporter);
        (seen, CodeVersion::between(before, self.kernel.code_version(pid)))
    }

    fn tell_code(&mut self, pid: Pid, mappings: &Arc<[CodeMapping]>, version: CodeVersion) {
        // Of a process that has just ended nothing is mapped, but its last stacks may stand in the ring.
        if self.has_ended || mappings.is_empty() {
            return;
        }
        if let (Some(unwinding), Some(tables)) = (&mut self.unwinding, self.kernel.code_tables()) {
            let path = |module| self.targets.open_path(module);
            unwinding.seen(tables, pid, mappings, version, path);
        }
        self.feed_news();
    }

    fn feed_all(&mut self, pid: Pid, events: Vec<What<'static>>, version: CodeVersion) {
        for what in events {
            if let What::Mappings(mappings) = &what {
                self.tell_code(pid, mappings, version);
            }
            self.feed(pid, what);
        }
    }

    /// Tells the kernel side of a table.
    pub(super) fn take_in_table(&mut self, built: Built) {
        if let (Some(unwinding), Some(tables)) = (&mut self.unwinding, self.kernel.code_tables()) {
            unwinding.take_in(tables, built);
        }
        self.feed_news();
    }

    /// Looks again at tables for which there was no room.
    pub(super) fn tend_tables(&mut self) {
        if let (Some(unwinding), Some(tables)) = (&mut self.unwinding, self.kernel.code_tables()) {
            unwinding.tend(tables, |module| self.targets.open_path(module));
        }
        self.feed_news();
    }

    /// Waits until all tables that were ordered are built and told.
    fn wait_for_tables(&mut self) {
        if let (Some(unwinding), Some(tables)) = (&mut self.unwinding, self.kernel.code_tables()) {
            unwinding.wait(tables);
        }
        self.feed_news();
    }

    pub(super) fn wait_briefly_for_tables(&mut self) {
        if let (Some(unwinding), Some(tables)) = (&mut self.unwinding, self.kernel.code_tables()) {
            unwinding.wait_briefly(tables);
        }
        self.feed_news();
    }

    fn feed_news(&mut self) {
        let news = self.unwinding.as_mut().map(Unwinding::take_news);
        news.into_iter().flatten().for_each(|what| self.feed(0, what));
    }

    /// What the reader of a report must know of the targets and of their stacks.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes = self.targets.notes();
        notes.extend(self.arrivals.iter().flat_map(Arrivals::notes));
        notes.extend(self.unwinding.iter().flat_map(Unwinding::notes));
        notes
    }

    /// New code in a process, since that time: its frames must resolve, and it may bring an allocator.
    fn rescan(&mut self, pid: Pid, since: Nanos) {
        let (events, version) = self.looking(pid, |targets, to| targets.rescan(pid, to));
        self.feed_all(pid, events, version);
        // Before new files are searched for allocators, which may take milliseconds.
        self.wait_briefly_for_tables();
        self.attach_new(pid, since);
        self.resend_stacks();
    }

    pub(super) fn execed(&mut self, pid: Pid, by_main_thread: bool, program: Exec, since: Nanos) {
        if self.targets.knows(pid) {
            if self.arrivals.as_mut().is_some_and(|arrivals| arrivals.excludes(pid)) {
                return self.let_go(pid);
            }
            self.targets.note_exec(pid, by_main_thread);
            if let Err(error) = self.seen(pid) {
                tracing::debug!("pid {pid} after exec: {error}");
                self.targets.note_unseen(pid, program);
            } else if self.targets.is_bare(pid) {
                // It has ended already; nobody has waited for it yet.
                self.targets.note_unseen(pid, program);
            }
            self.wait_briefly_for_tables();
            self.attach_new(pid, since);
        }
    }

    pub(super) fn exited(&mut self, pid: Pid) {
        if self.targets.ended(pid) {
            self.kernel.detach_from(pid);
            self.kernel.forget_window(pid);
            self.kernel.forget_lost_frees(pid);
            self.told_frees.forget(pid);
            self.forget_code(pid);
        }
    }

    fn forget_code(&mut self, pid: Pid) {
        if let (Some(unwinding), Some(tables)) = (&mut self.unwinding, self.kernel.code_tables()) {
            unwinding.forget(tables, pid);
        }
    }

    /// Ends targets that have vanished without an exit event.
    pub(super) fn end_vanished(&mut self) {
        for pid in self.targets.vanished() {
            self.feed(pid, What::Exit { status: None });
            self.targets.note_lost_end(pid);
            self.kernel.remove_target(pid);
            self.exited(pid);
        }
    }

    fn forked(&mut self, pid: Pid, fork: Fork) {
        if fork.followed && self.targets.knows(pid) {
            return self.follow(pid, fork);
        }
        if fork.followed {
            // Its parent was let go meanwhile, or is not known as its own record was lost: nobody follows this one. It
            // may be meant for its own sake.
            self.kernel.remove_target(fork.child_process);
            return self.arrivals.iter_mut().for_each(|it| it.note(fork.child_process));
        }
        if fork.child_process != pid && !self.targets.knows(fork.child_process) {
            self.targets.note_child(pid, fork.child_process, fork.shares_memory());
        }
    }

    /// Takes in a child, which the kernel side has let through already.
    fn follow(&mut self, parent: Pid, fork: Fork) {
        let child = fork.child_process;
        if self.targets.ended(child) {
            // Its number is another's now, so its end was lost.
            self.feed(child, What::Exit { status: None });
        }
        let Some(info) = self.targets.adopt(parent, &fork) else { return };
        self.feed(child, What::ProcessSeen(Arc::new(info)));
        if let Err(error) = self.settle_window(child) {
            tracing::warn!("pid {child}: {error}");
        }
        if let (Some(unwinding), Some(tables)) = (&mut self.unwinding, self.kernel.code_tables()) {
            unwinding.inherit(tables, parent, child);
        }
        self.forget_ended();
    }

    /// Reads memory and CPU of all targets, and whether they are still there.
    pub(super) fn read_usage(&mut self) {
        self.read_usage_of(|_| true);
        self.targets.note_lost_leaders(self.kernel.link_kind());
    }

    /// Reads memory and CPU of those that are `wanted`.
    pub(super) fn read_usage_of(&mut self, wanted: impl Fn(Pid) -> bool) {
        for (pid, usage) in self.targets.read_usage(wanted) {
            self.feed(pid, What::Usage(usage));
        }
    }

    /// Takes links away that nobody needs any more, and looks at who pays for the others.
    pub(super) fn tend_links(&mut self) {
        self.targets.tend_links(&mut self.kernel);
        for pid in self.targets.written_over() {
            self.rescan(pid, now());
        }
        self.targets.attach_bound(&mut self.kernel);
        self.describe_anew();
    }

    fn attach_new(&mut self, pid: Pid, since: Nanos) {
        self.targets.attach_new(&mut self.kernel, pid, since);
        self.describe_anew();
    }

    /// Names allocators that came after their processes had been described.
    fn describe_anew(&mut self) {
        for (pid, info) in self.targets.described_anew() {
            self.feed(pid, What::ProcessSeen(Arc::new(info)));
        }
    }

    /// Turns what the kernel side could not send into events, and makes it send stacks again that
    /// the tables have forgotten.
    pub(super) fn settle(&mut self) {
        match self.kernel.losses() {
            Ok(losses) => self.feed_losses(losses),
            Err(error) => tracing::warn!("loss counters cannot be read: {error}"),
        }
        self.settle_frees();
        self.resend_stacks();
    }

    /// Tells of frees that were lost until now.
    fn settle_frees(&mut self) {
        let of_any = self.kernel.counter(Counter::LostFreesOfAny);
        let counted = self.kernel.lost_frees().and_then(|all| Ok((all, of_any?)));
        let (by_process, of_any) = match counted {
            Ok(counted) => counted,
            Err(error) => return tracing::warn!("lost frees cannot be counted: {error}"),
        };
        for (pid, count) in by_process.into_iter().chain([(0, of_any)]) {
            // A child's may be counted before its parent's record of it is read.
            if pid == 0 || self.targets.knows(pid) {
                self.tell_frees(pid, count);
            }
        }
    }

    /// Tells of those of one process, and gives how many they are.
    fn settle_frees_of(&mut self, pid: Pid) -> u64 {
        if !self.targets.knows(pid) {
            return 0;
        }
        match self.kernel.lost_frees_of(pid) {
            Ok(count) => self.tell_frees(pid, count),
            Err(error) => {
                tracing::warn!("lost frees of pid {pid} cannot be counted: {error}");
                0
            }
        }
    }

    fn tell_frees(&mut self, pid: Pid, count: u64) -> u64 {
        let count = self.told_frees.news(pid, count);
        if count > 0 {
            self.feed(pid, What::FreesLost { count });
        }
        count
    }

    /// Makes the kernel send stacks again that the tables have forgotten. At once after code has
    /// changed: until then the kernel would send ids that mean nothing.
    fn resend_stacks(&mut self) {
        for (_, stack) in self.tracker.take_forgotten() {
            self.kernel.forget_stack(stack);
        }
    }

    fn feed_losses(&mut self, losses: [u64; Loss::ALL.len()]) {
        for cause in Loss::ALL {
            let before = self.losses[cause as usize];
            let count = losses[cause as usize].saturating_sub(before);
            if count > 0 {
                self.feed(0, What::Lost { cause, count });
            }
        }
        self.losses = losses;
    }

    /// Whether a next file of the recording should be begun now. Of what still comes after the end the last one has
    /// the most.
    pub(super) fn wants_next_file(&mut self) -> bool {
        !self.has_ended && self.tracker.wants_next_file()
    }

    /// Stops the flow at one instant, then takes the probes away.
    pub(super) fn end(&mut self) {
        self.look_at_new_code();
        self.has_ended = true;
        for pid in self.targets.running() {
            self.kernel.remove_target(pid);
        }
        let began = Instant::now();
        self.kernel.detach();
        tracing::debug!("removed the probes in {:.1} ms", began.elapsed().as_secs_f64() * 1e3);
    }
}

/// Whether a mapping brings a file's code.
const fn is_code(map: &Map) -> bool {
    map.protection & PROT_EXEC != 0 && map.flags & MAP_ANONYMOUS == 0
}

/// Of what was lost until then it must be known whose it was. A thread copies nothing.
fn ends_or_copies_heap(event: &Event<'_>) -> bool {
    match &event.what {
        What::Fork(fork) => fork.child_process != event.process,
        What::Exec(_) | What::Exit { .. } => true,
        _ => false,
    }
}
