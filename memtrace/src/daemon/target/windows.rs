//! Windows: a target whose heap is closed has no probes of its own, and one that all do without no longer is
//! probed. It stays a target: mappings, forks, execs and the end are told all the time.
//!
//! Disabling what is linked would not do: a disabled perf event leaves its breakpoints in place
//! (`TRACE_REG_PERF_DEL` of `trace_uprobe_register`, `kernel/trace/trace_uprobe.c`), and a multi link cannot be
//! disabled. So links go, on a thread of their own, and are made again.

use super::Targets;
use super::one::Target;
use super::scope::{Wanted, place};
use crate::daemon::clock::now;
use crate::daemon::error::DaemonError;
use crate::model::ids::{Nanos, Pid};
use crate::probe::live::kernel_side::KernelSide;
use memtrace_common::windows::HeapWindow;
use std::collections::BTreeSet;

/// What became of a wish to open windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::daemon) enum Opening {
    /// They were opened at this time.
    Opened(Nanos),
    /// Probes that were taken away are not gone yet: to be tried again.
    Later,
}

impl Targets {
    /// Whether allocations and frees of the process are told.
    pub(in crate::daemon) fn is_open(&self, pid: Pid) -> bool {
        self.targets.get(&pid).is_some_and(Target::is_open)
    }

    /// Stops to tell allocations and frees of these processes: of each at one instant, of all at nearly the same.
    /// What they did before may still stand in the ring. Gives those that were open, and when. One of which the kernel
    /// side cannot be told stays open.
    pub(in crate::daemon) fn close(
        &mut self,
        kernel: &mut KernelSide,
        pids: &[Pid],
    ) -> (Vec<Pid>, Nanos) {
        let mut closed = Vec::new();
        for pid in pids {
            let target = self.targets.get_mut(pid).filter(|it| it.running && it.window.closed == 0);
            let Some(target) = target else { continue };
            let window = HeapWindow { closed: 1, ..target.window };
            if let Err(error) = kernel.set_window(*pid, window) {
                tracing::warn!("pid {pid} is watched on while others are not: {error}");
                continue;
            }
            target.window = window;
            closed.push(*pid);
        }
        (closed, now())
    }

    /// Takes the probes away that nobody has a use for whose window is open.
    pub(in crate::daemon) fn unprobe_closed(&mut self, kernel: &mut KernelSide, closed: &[Pid]) {
        for pid in closed {
            kernel.detach_from(*pid);
            self.targets.entry(*pid).and_modify(|target| target.own_links.clear());
        }
        let open = self.targets.values().filter(|it| it.running && it.window.closed == 0);
        let used: BTreeSet<_> = open.flat_map(|target| &target.allocators).map(place).collect();
        for number in self.scopes.idle(&used) {
            kernel.detach_file(number);
        }
    }

    /// Tells allocations and frees of these processes again, once their probes are in place: of each from one
    /// instant on, of all from nearly the same. One whose probes cannot be placed stays closed, and says so.
    ///
    /// # Errors
    /// When the kernel side cannot be told.
    pub(in crate::daemon) fn open_again(
        &mut self,
        kernel: &mut KernelSide,
        pids: &[Pid],
    ) -> Result<(Vec<Pid>, Opening), DaemonError> {
        let closed = |pid: &&Pid| {
            self.targets.get(pid).is_some_and(|it| it.running && it.window.closed != 0)
        };
        let pids: Vec<Pid> = pids.iter().filter(closed).copied().collect();
        if pids.iter().any(|pid| self.are_departing(kernel, *pid)) {
            return Ok((Vec::new(), Opening::Later));
        }
        let mut placed = Vec::new();
        for pid in pids {
            match self.place_again(kernel, pid) {
                Ok(window) => placed.push((pid, window)),
                Err(error) => self.note_not_opened(pid, &error),
            }
        }
        for (pid, window) in &placed {
            kernel.set_window(*pid, *window)?;
            self.targets.entry(*pid).and_modify(|target| target.window = *window);
        }
        Ok((placed.into_iter().map(|(pid, _)| pid).collect(), Opening::Opened(now())))
    }

    fn are_departing(&self, kernel: &mut KernelSide, pid: Pid) -> bool {
        let found = self.targets.get(&pid).map_or(&[][..], |target| &target.allocators);
        let numbers: Vec<u32> = found.iter().map(|it| self.scopes.number(&place(it))).collect();
        kernel.are_departing(pid, &numbers)
    }

    /// Places the probes that a closed process needs. Gives its window, which is to be opened.
    fn place_again(
        &mut self,
        kernel: &mut KernelSide,
        pid: Pid,
    ) -> Result<HeapWindow, DaemonError> {
        let Self { targets, scopes, .. } = self;
        let Some(target) = targets.get_mut(&pid) else { return Ok(HeapWindow::default()) };
        // Before the first probe: who calls from now on is seen to return.
        let since = now();
        kernel.set_window(pid, HeapWindow { closed: 1, since })?;
        let mut is_whole = true;
        for allocator in &target.allocators {
            let filter = match target.wanted_safely(kernel, &place(allocator), scopes, true)? {
                Wanted::Nothing => {
                    is_whole = false;
                    continue;
                }
                Wanted::ForAll => None,
                Wanted::Filtered => Some(pid),
            };
            let number = scopes.number(&place(allocator));
            if target.own_links.contains(&number) {
                continue;
            }
            let linked = target.link(kernel, allocator, filter, number);
            if linked.is_err() && filter.is_none() {
                scopes.take_down(&place(allocator));
            }
            linked?;
            target.own_links.extend(filter.map(|_| number));
        }
        // Where probes have stayed for others' sake, calls that are pending will be seen to return.
        let since = if is_whole { since } else { target.window.since };
        Ok(HeapWindow { closed: 0, since })
    }

    fn note_not_opened(&mut self, pid: Pid, error: &DaemonError) {
        let Some(target) = self.targets.get_mut(&pid) else { return };
        if target.process.has_ended() {
            return;
        }
        tracing::warn!("pid {pid} is not watched again: {error}");
        let trouble = format!("pid {pid} is not watched again: {error}");
        if !target.troubles.contains(&trouble) {
            target.troubles.push(trouble);
        }
    }

    /// How processes begin from now on that come to match: closed, or open.
    pub(in crate::daemon) const fn begin_closed(&mut self, closed: bool) {
        self.newcomers_closed = closed;
    }

    /// Tells the kernel side how a process begins that came to match or was forked: its window may have been
    /// changed since the kernel side made it a target. Gives whether it is closed.
    ///
    /// # Errors
    /// When the kernel side cannot be told.
    pub(in crate::daemon) fn settle_window(
        &mut self,
        kernel: &mut KernelSide,
        pid: Pid,
    ) -> Result<bool, DaemonError> {
        let Some(target) = self.targets.get(&pid) else { return Ok(false) };
        if target.window != HeapWindow::default() {
            kernel.set_window(pid, target.window)?;
        }
        Ok(target.window.closed != 0)
    }

    /// The window of a process that is new.
    pub(super) fn first_window(&self) -> HeapWindow {
        HeapWindow { closed: u64::from(self.newcomers_closed), since: 0 }
    }
}

impl Target {
    /// Whether its allocations and frees are told.
    pub(super) const fn is_open(&self) -> bool {
        self.window.closed == 0
    }
}
