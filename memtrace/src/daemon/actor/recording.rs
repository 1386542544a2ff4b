//! Snapshots that are recorded: when they are taken, beside those of reports.

use super::Actor;
use super::reporting::Making;

/// What a snapshot is for, beside being recorded where snapshots are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Purpose {
    /// A report is made of it.
    pub(super) is_report: bool,
    /// The user named the moment.
    pub(super) is_mark: bool,
}

impl Actor<'_> {
    /// A snapshot is being made.
    pub(super) const fn is_making(&self) -> bool {
        self.pictures.is_busy() || !matches!(self.current.making, Making::Nothing)
    }

    /// It is time to record a snapshot. One that is being made is as good.
    pub(super) fn record_if_idle(&mut self) {
        if self.archive.is_some() && !self.is_making() {
            self.current.purpose = Purpose::default();
            self.look_at_memory(self.pictures.are_rested());
        }
    }

    /// The user has named this moment: its snapshot is taken at once, before anything else is told, and without a new
    /// look at the targets' memory. One whose tables are closed already is of an earlier moment, and is made first.
    pub(super) fn record_mark(&mut self) {
        if self.archive.is_none() {
            return;
        }
        if self.current.closed.is_some() {
            self.current.mark_waits = true;
            return;
        }
        if !self.is_making() {
            self.current.purpose = Purpose::default();
        }
        self.current.purpose.is_mark = true;
        self.close_tables(false);
        self.current.making = Making::Snapshot;
    }

    /// All was seen of the targets' memory. Where a mark has closed the tables meanwhile, the snapshot goes on.
    pub(super) const fn all_is_seen(&mut self) {
        if self.current.closed.is_none() {
            self.current.making = Making::Pictures;
        }
    }

    /// Has a report made of the snapshot that is in the making, or after it, if that was to be recorded alone; gives
    /// whether that is so.
    pub(super) const fn join(&mut self) -> bool {
        if !self.is_making() || self.current.purpose.is_report || self.intake.reporter.is_busy() {
            return false;
        }
        if self.current.closed.is_some() {
            self.wanted = true;
        } else {
            self.current.purpose.is_report = true;
        }
        true
    }

    /// A snapshot was recorded of which no report is made: what waited for it goes on.
    pub(super) fn go_on_recording(&mut self) {
        if std::mem::take(&mut self.current.mark_waits) {
            self.record_mark();
        } else if !self.intake.reporter.is_busy() && std::mem::take(&mut self.wanted) {
            self.report_if_idle();
        }
    }
}
