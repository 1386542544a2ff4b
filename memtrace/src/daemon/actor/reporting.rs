//! Reports: from the wish for one to what became of it.

use super::Actor;
use super::recording::Purpose;
use crate::daemon::archive::Archive;
use crate::daemon::duty::Spent;
use crate::daemon::error::DaemonError;
use crate::daemon::outlet::{Publication, Published};
use crate::daemon::pictures::Seen;
use crate::daemon::sampling::Sampling;
use crate::daemon::self_usage;
use crate::daemon::unwinding::Unwinding;
use crate::probe::live::release;
use crate::recording::Moment;
use crate::recording::snapshots::Shot;
use crate::report::{Hits, TracerFacts, Walks};
use jiff::Timestamp;
use memtrace_common::wire::Counter;
use std::sync::Arc;
use tokio::time::Instant;

/// Blocks that are looked at in one go between two looks at the ring: a few milliseconds.
const SLICE: usize = 32_768;

/// How far a report is whose blocks are looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Making {
    /// There is none.
    #[default]
    Nothing,
    /// The blocks are looked up in the targets' mappings.
    Pictures,
    /// The tables are closed for it, and the blocks are counted.
    Snapshot,
}

/// The report that is being made.
#[derive(Debug, Default)]
pub(super) struct Current {
    pub(super) making: Making,
    pub(super) purpose: Purpose,
    /// The user has named a moment meanwhile: a snapshot of that is to follow.
    pub(super) mark_waits: bool,
    /// From the moment on at which the tables were closed.
    pub(super) closed: Option<Closed>,
}

/// What a report says of the tracer, of the moment at which the tables were closed for it.
#[derive(Debug)]
pub(super) struct Closed {
    facts: TracerFacts,
    is_final: bool,
    purpose: Purpose,
}

/// What became of a publication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heeded {
    Written { degraded: bool },
    Unread,
    Failed,
}

impl Actor<'_> {
    /// A report is being made.
    pub(super) const fn is_busy(&self) -> bool {
        self.intake.reporter.is_busy()
            || self.pictures.is_busy()
            || !matches!(self.current.making, Making::Nothing)
    }

    /// Goes on with the report that is being made, and with programs that have ended, and gives whether there is more
    /// to do. It is not long: the ring is to be drained.
    pub(super) fn go_on(&mut self) -> bool {
        let is_done = self.intake.tracker.advance(SLICE);
        // A report does not wait for memory that is given back.
        if !self.intake.tracker.walks_are_over() {
            return true;
        }
        match self.current.making {
            Making::Pictures => {
                self.close_tables(false);
                self.current.making = Making::Snapshot;
            }
            Making::Snapshot => {
                self.current.making = Making::Nothing;
                self.publish_or_warn();
                self.go_on_recording();
            }
            Making::Nothing => {}
        }
        !is_done || self.current.making != Making::Nothing
    }

    /// Begins a report of this moment, unless one is still being made: looks at the targets' memory, which
    /// takes as long as it takes.
    pub(super) fn report_if_idle(&mut self) {
        if self.join() {
            return;
        }
        if self.is_busy() {
            // Once for each that takes so long: they may be wished for many times a second.
            if !std::mem::replace(&mut self.is_skipping, true) {
                tracing::warn!(
                    "the last report is still being made or written; those that are due until then are left out"
                );
            }
            self.skipped_reports = self.skipped_reports.saturating_add(1);
        } else {
            self.current.purpose = Purpose { is_report: true, is_mark: false };
            self.look_at_memory(self.pictures.are_rested());
        }
    }

    /// The user wants a report. One that is being made began before the wish.
    pub(super) fn report_or_remember(&mut self) {
        if self.join() {
            return;
        }
        if self.is_busy() {
            self.wanted = true;
        } else {
            self.report_if_idle();
        }
    }

    /// A report has been made: the next one, if the user wants it already.
    pub(super) fn go_on_reporting(&mut self) {
        self.complain();
        self.is_skipping = false;
        if std::mem::take(&mut self.wanted) {
            self.report_if_idle();
        }
    }

    /// Tells of thresholds that were crossed, and has a report made at once.
    pub(super) fn raise_alarm(&mut self) {
        let alerts = self.intake.tracker.take_alerts();
        if alerts.is_empty() || !self.alarm.hear(&alerts) {
            return;
        }
        // A report whose tables are not closed yet will have it; one that was begun before will not.
        if self.join() {
            return;
        }
        if self.intake.reporter.is_busy() || self.current.making == Making::Snapshot {
            self.wanted = true;
        } else if !self.is_busy() {
            self.report_if_idle();
        }
    }

    /// Begins to look at the targets' memory, if that is wished and it is `time` for it; else the report has
    /// what was seen last.
    pub(super) fn look_at_memory(&mut self, time: bool) {
        self.intake.tell_code_of_mappers();
        let wanted = self.settings.pictures && time;
        let processes = if wanted { self.intake.targets.processes() } else { Vec::new() };
        self.pictures.begin(processes);
    }

    /// Takes in what was seen of a target's memory; gives whether that was all.
    pub(super) fn take_in(&mut self, seen: Seen) -> bool {
        match seen {
            Seen::Picture(pid, what) => self.intake.feed(pid, what),
            Seen::End => return true,
        }
        false
    }

    pub(super) fn publish_or_warn(&mut self) {
        if let Err(error) = self.publish() {
            tracing::warn!("{error}");
        }
    }

    /// The tables as they are now are what the report is of.
    pub(super) fn close_tables(&mut self, is_final: bool) {
        self.intake.read_usage();
        self.intake.settle();
        let purpose = Purpose {
            is_report: is_final || self.current.purpose.is_report,
            ..self.current.purpose
        };
        self.current.purpose = Purpose::default();
        if purpose.is_report {
            let alerts = self.intake.tracker.take_alerts();
            self.alarm.hear(&alerts);
        }
        self.mark();
        let time = self.intake.time();
        self.intake.tracker.begin_snapshot(time, &self.settings.snapshot);
        self.sequence += u64::from(purpose.is_report);
        let facts = self.facts();
        self.intake.tracker.record_moment(|| Moment {
            time,
            options: self.settings.snapshot,
            is_final,
            facts: serde_json::to_value(&facts).unwrap_or_default(),
        });
        self.current.closed = Some(Closed { facts, is_final, purpose });
        if purpose.is_report {
            self.last_report = (Instant::now(), self.intake.records);
            // Later alerts are for the next report.
            self.alarm.being_reported();
        }
    }

    /// Has the report written whose tables were closed last.
    pub(super) fn publish(&mut self) -> Result<(), DaemonError> {
        let Some(Closed { facts, is_final, purpose }) = self.current.closed.take() else {
            return Ok(());
        };
        let Some(snapshot) = self.intake.tracker.finish_snapshot() else { return Ok(()) };
        let snapshot = Arc::new(snapshot);
        let Purpose { is_report, is_mark } = purpose;
        if let Some(archive) = &mut self.archive {
            let (snapshot, facts) = (Arc::clone(&snapshot), serde_json::to_value(&facts));
            let facts = facts.unwrap_or_default();
            archive.push(Shot { snapshot, facts, is_final, is_report, is_mark });
        }
        if !is_report {
            return Ok(());
        }
        let publication = Publication { snapshot, facts, is_final };
        self.intake.reporter.publish(publication).inspect_err(|_| self.alarm.is_reported(None))?;
        Ok(())
    }

    pub(super) fn facts(&self) -> TracerFacts {
        let (since, records) = self.last_report;
        let seconds = since.elapsed().as_secs_f64().max(1e-3);
        let spent = self.meter.spent_so_far(self.intake.targets.sites());
        let changes = self.sampling.as_ref().map(Sampling::changes).unwrap_or_default();
        let (sampling_changes, sampling_changes_left_out) = changes;
        let (window_changes, window_changes_left_out) = self.windowing.changes();
        TracerFacts {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            kernel: release::running(),
            link: Some(self.intake.kernel.link_kind()),
            links: self.intake.targets.links(),
            unwind: self.settings.unwind.name().to_owned(),
            tables: self.intake.unwinding.as_ref().map(Unwinding::facts),
            sample_interval_bytes: self.sampling.as_ref().map_or(0, Sampling::interval),
            sampling_changes: sampling_changes.to_vec(),
            sampling_changes_left_out,
            window: self.windowing.window().map(|window| (window.on, window.period)),
            window_changes: window_changes.to_vec(),
            window_changes_left_out,
            cpu_seconds: self_usage::cpu().as_secs_f64(),
            rss_bytes: self_usage::resident_bytes() + self.intake.kernel.map_bytes(),
            events_per_second: (self.intake.records - records) as f64 / seconds,
            target_cost_cores: spent.map(|spent| spent.cores()),
            target_cost_percent: spent.and_then(|spent| spent.percent()),
            hits: spent.and_then(|spent| self.hits(&spent)),
            overhead_budget: self.budget_in_force(),
            budget_from_cores: self.budget.free(),
            walks: self.walks(),
            longest_gap: self.longest_gap,
            sequence: self.sequence,
            skipped_reports: self.skipped_reports,
            blind_windows: self.intake.targets.blind_windows(),
            time: Timestamp::now(),
            began: self.began,
            has_thresholds: self.settings.alerts.has_thresholds(),
            user_functions: self.intake.targets.user_functions().to_vec(),
            notes: self
                .intake
                .notes()
                .into_iter()
                .chain(self.counted())
                .chain(self.unmet(spent.and_then(|spent| spent.percent())))
                .chain(self.missed_budget())
                .chain(self.windowing.too_short())
                .chain(left_out(self.skipped_reports))
                .chain(self.intake.tracker.recording_stop().map(str::to_owned))
                .chain(self.archive.iter().flat_map(Archive::notes))
                .collect(),
            degraded: self
                .degraded
                .iter()
                .cloned()
                .chain(wrong(self.walks()))
                .chain(self.intake.tracker.recording_failure().map(str::to_owned))
                .chain(self.archive.as_ref().and_then(Archive::failure))
                .collect(),
        }
    }

    /// What made the cost, once there was one.
    fn hits(&self, spent: &Spent) -> Option<Hits> {
        let counter = |counter| self.intake.kernel.counter(counter).unwrap_or_default() as f64;
        let hits = counter(Counter::Entries) + counter(Counter::Returns);
        (hits > 0.0 && spent.time > 0.0 && spent.cost > 0.0)
            .then(|| Hits { per_second: hits / spent.time, cost: spent.cost * 1e9 / hits })
    }

    fn walks(&self) -> Walks {
        let counter = |counter| self.intake.kernel.counter(counter).unwrap_or_default();
        Walks {
            made: counter(Counter::WalksMade),
            checked: counter(Counter::WalksChecked),
            differed: counter(Counter::WalksDiffered),
            copied: counter(Counter::StacksCopied),
            finished: self.intake.copies.finished,
        }
    }

    pub(super) fn heed(&mut self, published: Published) -> Heeded {
        if let Some((time, heard)) = self.intake.reporter.take_told() {
            self.intake.tracker.record_names(time, &heard);
            self.archive.iter_mut().for_each(|archive| archive.names(time, &heard));
        }
        match published {
            Published::Written { degraded, file } => {
                self.alarm.is_reported(file.as_ref());
                return Heeded::Written { degraded };
            }
            Published::Closed => return Heeded::Unread,
            Published::Failed(reason) => {
                self.alarm.is_reported(None);
                self.failure = Some(reason);
            }
        }
        Heeded::Failed
    }

    /// Says why a report could not be written; the next one may be. (If the last one cannot, that is
    /// how the run ends.)
    pub(super) fn complain(&mut self) {
        if let Some(reason) = self.failure.take() {
            tracing::warn!("{reason}");
        }
    }
}

/// What to say of reports for which the one before took too long.
fn left_out(skipped: u64) -> Option<String> {
    let are = if skipped == 1 { "report was" } else { "reports were" };
    (skipped > 0)
        .then(|| format!("{skipped} {are} left out while the one before was being made or written"))
}

/// What to say of walks that came out otherwise than was known.
fn wrong(walks: Walks) -> Option<String> {
    (walks.differed > 0).then(|| {
        format!(
            "{} of {} stacks that were taken for known ones, and checked, were others: trace with \
             --no-walk-cache, and report this as a bug",
            walks.differed, walks.checked
        )
    })
}
