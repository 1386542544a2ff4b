//! Processes that the kernel side has let in as they executed a program
//! (`memtrace-ebpf/src/probes/admission.rs`). Their events are in the ring from the first instruction on;
//! here they get a name, mappings, and links where those are for each process.
//!
//! What is probed for all processes alike (`super::target::scope`) is seen of them whole, however short they
//! live. What is probed for each process by itself is seen from the moment on at which this comes to it,
//! and the report says so.

use super::arrivals::{Arrivals, Verdict};
use super::error::DaemonError;
use super::intake::Intake;
use crate::engine::decode::Arrived;
use crate::model::event::{Event, What};
use std::sync::Arc;

/// What became of a process that was let in.
#[derive(Debug)]
enum Outcome {
    /// It is traced, as far as it was still there.
    Traced,
    /// It ended after it was looked at, and before it had probes of its own.
    Ended,
    /// It cannot be traced.
    Refused(DaemonError),
}

impl Outcome {
    /// Links to one that has ended fail in many ways, so whether it has is asked where one did.
    fn of(attempt: Result<(), DaemonError>, has_ended: impl FnOnce() -> bool) -> Self {
        match attempt {
            Ok(()) => Self::Traced,
            Err(_) if has_ended() => Self::Ended,
            Err(reason) => Self::Refused(reason),
        }
    }
}

impl Intake {
    /// Takes in a process that is traced already.
    pub(super) fn let_in(&mut self, arrived: &Arrived) {
        let pid = arrived.pid;
        if self.targets.is_running(pid) {
            if self.targets.is_same(arrived) {
                // Its renaming, which comes first, was heard of in time.
                return self.execed(pid, true, arrived.program, arrived.time);
            }
            // Its number is another's now, so its end was lost.
            self.feed(pid, What::Exit { status: None });
            self.exited(pid);
        }
        let verdict = self.arrivals.as_mut().map_or(Verdict::Gone, |it| it.judge(arrived));
        if verdict == Verdict::NotMeant {
            tracing::debug!("pid {pid} was let in, and is not meant");
            return self.kernel.remove_target(pid);
        }
        let admitted = match self.targets.let_in(arrived) {
            Ok(info) => {
                let what = What::ProcessBegan(Arc::new(info));
                self.tracker.apply(&Event { time: arrived.time, process: pid, thread: pid, what });
                self.settle_window(pid).and_then(|()| self.look_at_admitted(arrived, verdict))
            }
            Err(reason) => Err(reason),
        };
        match Outcome::of(admitted, || self.targets.has_ended(pid)) {
            Outcome::Traced => self.count_admitted(arrived),
            // What the probes for all have seen of it stands in the ring, and so does its end.
            Outcome::Ended => self.arrivals.iter_mut().for_each(Arrivals::count_ended),
            Outcome::Refused(reason) => self.turn_away(pid, &reason),
        }
        self.forget_ended();
    }

    /// Reads its mappings if it is still there, and places the probes that are for it alone.
    fn look_at_admitted(&mut self, arrived: &Arrived, verdict: Verdict) -> Result<(), DaemonError> {
        let pid = arrived.pid;
        let seen = verdict == Verdict::Meant && self.seen(pid).is_ok();
        if !seen || self.targets.is_bare(pid) {
            return Ok(());
        }
        self.wait_briefly_for_tables();
        self.targets.attach_arrival(&mut self.kernel, pid)
    }

    fn count_admitted(&mut self, arrived: &Arrived) {
        let Some(arrivals) = &mut self.arrivals else { return };
        if self.targets.is_bare(arrived.pid) {
            let path = self.targets.path_of(arrived.program);
            arrivals.count_gone(arrived.program, path.map(|path| path.display().to_string()));
        } else {
            arrivals.count_admitted(self.targets.sees_children_late(arrived.pid));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{DaemonError, Outcome};

    #[test]
    fn who_has_ended_was_not_refused() {
        let failure = || Err(DaemonError::Refused("no such process".to_owned()));
        assert!(matches!(Outcome::of(Ok(()), || panic!("asked for nothing")), Outcome::Traced));
        assert!(matches!(Outcome::of(failure(), || true), Outcome::Ended));
        assert!(matches!(Outcome::of(failure(), || false), Outcome::Refused(_)));
    }
}
