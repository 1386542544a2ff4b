//! Looks begin and end: the engine wishes them, and hears what became of them.

use super::Actor;
use crate::daemon::error::DaemonError;
use crate::daemon::sampling::Sampling;
use crate::daemon::target::Opening;
use crate::engine::zoom::Wish;
use crate::model::event::{Look, What};
use crate::model::ids::Pid;
use tokio::time::Instant;

impl Actor<'_> {
    /// Does what the engine wishes since the last time, and tries again what could not be done then.
    ///
    /// # Errors
    /// When the kernel side cannot be told.
    pub(super) fn obey(&mut self) -> Result<(), DaemonError> {
        for wish in self.intake.tracker.take_wishes() {
            match wish {
                Wish::Open(pid) => self.looks.want(pid),
                Wish::Close(pid) => self.end_look(pid)?,
            }
        }
        for pid in self.looks.take_wanted() {
            self.begin_look(pid)?;
        }
        Ok(())
    }

    fn begin_look(&mut self, pid: Pid) -> Result<(), DaemonError> {
        if let Err(error) = self.intake.targets.prepare_look(&mut self.intake.kernel, pid) {
            self.refuse_look(pid, &error.to_string());
            return Ok(());
        }
        let reading = self.reading();
        let interval = self.sampling.as_ref().map_or(0, Sampling::interval);
        if self.intake.open_windows(&[pid])? == Opening::Later {
            self.looks.not_yet(pid, Instant::now());
        } else if self.intake.targets.is_open(pid) {
            self.looks.began(pid, reading);
            tracing::debug!("pid {pid} grows: a look at its heap begins");
            self.intake.feed(pid, What::Look(Look::Began { interval }));
        } else {
            self.refuse_look(pid, "its probes could not be placed");
        }
        Ok(())
    }

    fn refuse_look(&mut self, pid: Pid, reason: &str) {
        tracing::debug!("pid {pid} grows, but its heap cannot be traced: {reason}");
        self.intake.feed(pid, What::Look(Look::Refused(reason.into())));
    }

    /// What the process did until now is taken in, then the look is over for the engine, and then its probes go.
    fn end_look(&mut self, pid: Pid) -> Result<(), DaemonError> {
        let (closed, time) = self.intake.stop_telling(&[pid]);
        self.drain_what_was_told()?;
        let now = self.reading();
        let meter = &self.meter;
        let sites = self.intake.targets.sites();
        let cost = self.looks.ended(pid, now, |began, now| meter.price(began, now, sites));
        if let Some(cost) = cost {
            tracing::debug!("the look at the heap of pid {pid} is over");
            self.intake.feed(pid, What::Look(Look::Ended(cost)));
        }
        self.intake.close_windows(&closed, time);
        Ok(())
    }
}
