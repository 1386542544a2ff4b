//! Signals that a user sends us.

use std::io;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Time in which the runtime looks for signals at least once.
const TURN: Duration = Duration::from_millis(5);

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
    /// `None`: whoever started us wants none of it (`nohup(1)`).
    hang_up: Option<Signal>,
    report: Signal,
    mark: Signal,
}

impl Signals {
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: match is_ignored(libc::SIGHUP) {
                true => None,
                false => Some(signal(SignalKind::hangup())?),
            },
            report: signal(SignalKind::user_defined1())?,
            mark: signal(SignalKind::user_defined2())?,
        })
    }

    /// The next wish. Safe to be cancelled.
    pub(super) async fn next(&mut self) -> Wish {
        tokio::select! {
            _ = self.interrupt.recv() => Wish::End,
            _ = self.terminate.recv() => Wish::End,
            _ = hung_up(&mut self.hang_up) => Wish::End,
            _ = self.report.recv() => Wish::Report,
            _ = self.mark.recv() => Wish::Mark,
        }
    }

    /// Passes over what has come until now. What was sent to a command while it ran is no wish to leave, however late it
    /// is heard here: with much to do at its end that may be seconds later.
    pub(super) async fn hear_all(&mut self) {
        loop {
            tokio::select! {
                biased;
                _ = self.next() => {}
                // The runtime looks for signals when it has nothing else to do.
                () = tokio::time::sleep(TURN) => return,
            }
        }
    }
}

async fn hung_up(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

/// Whether the signal is ignored now.
fn is_ignored(signal: libc::c_int) -> bool {
    // SAFETY: all zero is a valid `sigaction`, and the call fills in one and changes nothing.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, std::ptr::null(), &raw mut action) == 0
            && action.sa_sigaction == libc::SIG_IGN
    }
}
