//! The user names a moment, or asks for something else through the control socket.

use super::Actor;
use crate::control::{Answer, Request, Status};
use crate::daemon::archive::Archive;
use crate::daemon::control::Order;
use crate::daemon::error::DaemonError;
use crate::model::event::What;
use crate::model::ids::{Nanos, SECOND};
use crate::model::mark::MarkName;
use crate::recording::Moment;
use crate::report::units::duration;

/// Why a report is not made.
const ONLY_FINAL: &str = "reports of this form cannot follow each other in one stream, which gets the last \
    one: name files with `-o NAME-{seq}`";

impl Actor<'_> {
    /// Does what was asked for, and answers.
    ///
    /// # Errors
    /// When the ring cannot be read.
    pub(super) fn carry_out(&mut self, order: Order) -> Result<(), DaemonError> {
        let answer = match order.request {
            Request::Mark { name } => {
                let since = self.name(&name)?;
                Answer::Marked { name, since_start_s: since as f64 / SECOND as f64 }
            }
            Request::Report if self.settings.only_final => {
                Answer::Error { message: ONLY_FINAL.to_owned() }
            }
            Request::Report => {
                self.report_or_remember();
                Answer::Reporting
            }
            Request::Status => Answer::Status(Box::new(self.status())),
        };
        // Whoever asked may have gone.
        let _ = order.reply.send(answer);
        Ok(())
    }

    /// Has a report made, where there is any before the last one.
    pub(super) fn report_by_signal(&mut self) {
        if self.settings.only_final {
            tracing::warn!("{ONLY_FINAL}");
        } else {
            self.report_or_remember();
        }
    }

    fn status(&self) -> Status {
        let tracker = &self.intake.tracker;
        let time = self.intake.time();
        let uptime = time.saturating_sub(tracker.began().unwrap_or(time));
        Status {
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            began: self.began,
            uptime_s: uptime as f64 / SECOND as f64,
            processes: self.intake.targets.running().len() as u64,
            records: self.intake.records,
            reports: self.sequence,
            marks: tracker.marks_so_far(),
            is_recorded: tracker.is_recorded()
                || self.archive.as_ref().is_some_and(Archive::is_written),
        }
    }

    /// Gives this moment a name: all that was told before it is taken in before, so that a report of it holds
    /// exactly that. Gives how long after tracing began it is.
    ///
    /// # Errors
    /// When the ring cannot be read.
    pub(super) fn name(&mut self, name: &MarkName) -> Result<Nanos, DaemonError> {
        self.drain_what_was_told()?;
        self.intake.settle();
        self.intake.feed(0, What::Named(name.clone()));
        let tracker = &self.intake.tracker;
        let time = tracker.last_mark().map_or_else(|| self.intake.time(), |mark| mark.time);
        let since = time.saturating_sub(tracker.began().unwrap_or(time));
        let facts = self.facts();
        self.intake.tracker.record_marked(|| Moment {
            time,
            options: self.settings.snapshot,
            is_final: false,
            facts: serde_json::to_value(&facts).unwrap_or_default(),
        });
        self.record_mark();
        tracing::info!("mark `{name}`, {} after the start", duration(since));
        Ok(since)
    }

    /// The same by number, where the user gives no name.
    ///
    /// # Errors
    /// As [`Self::name`].
    pub(super) fn name_by_number(&mut self) -> Result<(), DaemonError> {
        self.unnamed += 1;
        self.name(&MarkName::numbered(self.unnamed)).map(|_| ())
    }
}
