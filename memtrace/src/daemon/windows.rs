//! Windows on their way to the tables.

use super::error::DaemonError;
use super::intake::Intake;
use super::target::Opening;
use crate::model::event::{Event, What};
use crate::model::ids::{Nanos, Pid};
use memtrace_common::windows::HeapWindow;

impl Intake {
    /// The kernel side tells no allocations and frees of these processes any more. What was told before still
    /// stands in the ring. Gives those that were open, and when they were closed.
    pub(super) fn stop_telling(&mut self, pids: &[Pid]) -> (Vec<Pid>, Nanos) {
        self.targets.close(&mut self.kernel, pids)
    }

    /// What was told of them is taken in: they are closed for the tables, too, and their probes go.
    pub(super) fn close_windows(&mut self, closed: &[Pid], time: Nanos) {
        for pid in closed {
            self.feed_at(time, *pid, What::WindowClosed);
        }
        self.targets.unprobe_closed(&mut self.kernel, closed);
    }

    /// Allocations and frees of these processes are told again.
    pub(super) fn open_windows(&mut self, pids: &[Pid]) -> Result<Opening, DaemonError> {
        let (opened, opening) = self.targets.open_again(&mut self.kernel, pids)?;
        if let Opening::Opened(time) = opening {
            opened.iter().for_each(|pid| self.feed_at(time, *pid, What::WindowOpened));
        }
        Ok(opening)
    }

    /// Processes that come to match begin closed from now on, or open.
    pub(super) fn begin_newcomers_closed(&mut self, closed: bool) -> Result<(), DaemonError> {
        self.targets.begin_closed(closed);
        Ok(self.kernel.begin_newcomers(HeapWindow { closed: u64::from(closed), since: 0 })?)
    }

    /// A process is new to the tables: whether it is open may have changed since the kernel side knows it.
    pub(super) fn settle_window(&mut self, pid: Pid) -> Result<(), DaemonError> {
        if self.targets.settle_window(&mut self.kernel, pid)? {
            self.feed(pid, What::WindowClosed);
        }
        Ok(())
    }

    fn feed_at(&mut self, time: Nanos, process: Pid, what: What<'static>) {
        // Never before what the ring has told.
        let time = time.max(self.latest());
        self.tracker.apply(&Event { time, process, thread: 0, what });
    }
}
