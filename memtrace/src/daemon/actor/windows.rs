//! Windows open and close: probes, targets, events, in the order that keeps the account right.

use super::Actor;
use crate::daemon::error::DaemonError;
use crate::daemon::target::Opening;
use crate::daemon::windowing::Turn;
use crate::model::ids::Pid;
use std::time::Duration;
use tokio::time::Instant;

/// Looks into the ring after windows have closed: others may fill it faster than it is emptied.
const MOST_LOOKS: usize = 64;

impl Actor<'_> {
    /// It is time for all targets to be closed, or to be opened.
    pub(super) fn turn_windows(&mut self) -> Result<(), DaemonError> {
        let asked = Instant::now();
        let pids = self.intake.targets.running();
        match self.windowing.turn() {
            Turn::Close => {
                self.intake.begin_newcomers_closed(true)?;
                self.close_windows(&pids)?;
                self.intake.read_usage();
                self.spent_open = self.meter.turn(self.reading(), self.intake.targets.sites());
                self.windowing.closed(Instant::now());
            }
            Turn::Open => {
                // Their probes may have to be waited for; what was spent until now is told by then.
                self.intake.read_usage();
                let now = self.reading();
                if self.open_windows(&pids)? {
                    self.intake.begin_newcomers_closed(false)?;
                    // By the old period, before that may be changed.
                    self.windowing.opened(asked, Instant::now());
                    let pause = self.meter.turn(now, self.intake.targets.sites());
                    self.after_period(pause, &now);
                    self.opened = now;
                    self.warn_of_short_windows();
                } else {
                    self.windowing.not_yet(Instant::now());
                }
            }
        }
        Ok(())
    }

    /// Tells no allocations and frees of these processes any more: what they hold becomes unknown, and their
    /// probes go. What they did until now is taken in first.
    pub(super) fn close_windows(&mut self, pids: &[Pid]) -> Result<(), DaemonError> {
        let (closed, time) = self.intake.stop_telling(pids);
        self.drain_what_was_told()?;
        self.intake.close_windows(&closed, time);
        Ok(())
    }

    /// Takes in what stands in the ring.
    pub(super) fn drain_what_was_told(&mut self) -> Result<(), DaemonError> {
        for _ in 0..MOST_LOOKS {
            if self.drain()? != Duration::ZERO {
                break;
            }
        }
        Ok(())
    }

    /// Tells them again. `false`: their old probes are not gone yet, and this is to be tried again.
    pub(super) fn open_windows(&mut self, pids: &[Pid]) -> Result<bool, DaemonError> {
        Ok(self.intake.open_windows(pids)? != Opening::Later)
    }

    fn warn_of_short_windows(&mut self) {
        if let Some(said) = self.windowing.too_short().filter(|_| !self.has_warned_of_windows) {
            self.has_warned_of_windows = true;
            tracing::warn!("{said}");
        }
    }
}
