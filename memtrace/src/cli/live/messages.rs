//! What comes to the screen from elsewhere: reports, log lines, the end.

use crate::report::Report;
#[cfg(feature = "live")]
use std::io::{self, Write};
use std::sync::Arc;
#[cfg(feature = "live")]
use std::sync::mpsc::{SyncSender, TrySendError};

/// Updates that wait for the screen. A terminal that takes nothing must not make memtrace grow.
pub(super) const WAITING: usize = 64;

/// Something for the screen.
#[derive(Debug)]
pub(super) enum Update {
    Report(Arc<Report>),
    /// A log line.
    #[cfg(feature = "live")]
    Line(String),
    /// No report will follow, and why.
    Ended(String),
    /// It failed: the screen is to close, so that the error can be read.
    Failed,
}

/// Sends log lines to the screen, or to standard error where there is none any more.
#[cfg(feature = "live")]
#[derive(Clone)]
pub(super) struct LineWriter(pub(super) SyncSender<Update>);

#[cfg(feature = "live")]
impl Write for LineWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let line = String::from_utf8_lossy(bytes).trim_end().to_owned();
        match self.0.try_send(Update::Line(line)) {
            Ok(()) | Err(TrySendError::Full(_)) => Ok(bytes.len()),
            Err(TrySendError::Disconnected(_)) => io::stderr().write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
