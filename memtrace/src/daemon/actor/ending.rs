//! The end of a run: the probes go, what is left is taken in, and the final report is made.

use super::reporting::Heeded;
use super::waiting::measured;
use super::{Actor, End, ONE_WISH, Outcome};
use crate::daemon::archive::Archive;
use crate::daemon::error::DaemonError;
use crate::daemon::signals::Wish;
use std::time::Duration;
use tokio::time::Instant;

impl Actor<'_> {
    /// Detaches, takes in the rest, and makes the final report.
    pub(super) async fn conclude(mut self, end: End) -> Result<Outcome, DaemonError> {
        self.control.close();
        self.intake.end();
        // What comes no more cannot be kept waiting.
        self.looked = Instant::now();
        while self.drain()? == Duration::ZERO {}
        let intake = &mut self.intake;
        self.ring.get_mut().finish(&mut |record| intake.take(record));
        intake.take_waiting();
        if end == End::Unread {
            // There is nobody to make the last report for; what is recorded is whole without it.
            let is_recorded = self.end_recordings();
            return Ok(Outcome { degraded: !is_recorded });
        }
        if self.pricing.is_some() {
            let prices = measured(&mut self.pricing).await;
            self.learn(prices)?;
        }
        let reading = self.reading();
        self.meter.step(reading, self.intake.targets.sites());
        if self.settings.started_here {
            self.signals.hear_all().await;
            self.asked = Instant::now();
        }
        if self.archive.is_some() && self.current.closed.is_some() {
            // That of a mark, perhaps.
            self.publish_or_warn();
        }
        if self.pictures.is_busy() {
            // A report that was begun before the end was wished.
            self.all_seen().await?;
            self.close_tables(false);
            self.publish_or_warn();
        }
        self.look_at_memory(true);
        self.all_seen().await?;
        let outstanding = self.intake.reporter.is_busy();
        self.close_tables(true);
        let last = self.last_published(outstanding).await;
        // The names in the last report belong to it.
        let is_recorded = self.end_recordings();
        let last = last?;
        if last != Heeded::Unread {
            self.commands_done().await?;
        }
        match last {
            Heeded::Written { degraded } => Ok(Outcome { degraded: degraded || !is_recorded }),
            Heeded::Unread => Ok(Outcome { degraded: !is_recorded }),
            Heeded::Failed => Err(DaemonError::Unwritten(self.failure.take().unwrap_or_default())),
        }
    }

    /// Nothing more is recorded. Gives whether all was; what failed only now is in no report.
    fn end_recordings(&mut self) -> bool {
        self.intake.tracker.end_recording();
        self.archive.iter_mut().for_each(Archive::end);
        self.intake.tracker.recording_failure().is_none()
            && self.archive.as_ref().and_then(Archive::failure).is_none()
    }

    /// Has the last report written, after the one that still is, if there is one.
    async fn last_published(&mut self, outstanding: bool) -> Result<Heeded, DaemonError> {
        self.publish()?;
        if outstanding {
            self.published().await?;
            self.complain();
        }
        self.published().await
    }

    /// Waits for the commands that alerts called for; a second wish to end leaves at once, and kills the one
    /// that runs.
    async fn commands_done(&mut self) -> Result<(), DaemonError> {
        loop {
            tokio::select! {
                () = self.alarm.finish() => return Ok(()),
                wish = self.signals.next() => {
                    if wish == Wish::End && self.asked.elapsed() > ONE_WISH {
                        return Err(DaemonError::Left);
                    }
                },
            }
        }
    }

    /// Takes in what is still to be seen of the targets' memory; a second wish to end leaves at once.
    async fn all_seen(&mut self) -> Result<(), DaemonError> {
        loop {
            tokio::select! {
                seen = self.pictures.next() => if self.take_in(seen) {
                    return Ok(());
                },
                wish = self.signals.next() => {
                    if wish == Wish::End && self.asked.elapsed() > ONE_WISH {
                        return Err(DaemonError::Left);
                    }
                },
            }
        }
    }

    /// Waits for a publication; a second wish to end leaves at once. (`timeout(1)` sends its signal
    /// twice in a row, to the process and to its group: that is one wish.)
    async fn published(&mut self) -> Result<Heeded, DaemonError> {
        loop {
            tokio::select! {
                published = self.intake.reporter.next() => return Ok(self.heed(published)),
                wish = self.signals.next() => {
                    if wish == Wish::End && self.asked.elapsed() > ONE_WISH {
                        return Err(DaemonError::Left);
                    }
                },
            }
        }
    }
}
