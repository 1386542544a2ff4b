//! Signals that a user sends us.

use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What the user wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// A report now (SIGUSR1).
    Report,
    /// A mark without a name (SIGUSR2).
    Mark,
    /// The final report, then the end (SIGINT, SIGTERM, SIGHUP).
    End,
}

/// Listens from its creation on.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
    report: Signal,
    mark: Signal,
}

impl Signals {
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
            report: signal(SignalKind::user_defined1())?,
            mark: signal(SignalKind::user_defined2())?,
        })
    }

    /// The next wish. Safe to be cancelled.
    pub(super) async fn next(&mut self) -> Wish {
        tokio::select! {
            _ = self.interrupt.recv() => Wish::End,
            _ = self.terminate.recv() => Wish::End,
            _ = self.hang_up.recv() => Wish::End,
            _ = self.report.recv() => Wish::Report,
            _ = self.mark.recv() => Wish::Mark,
        }
    }
}
