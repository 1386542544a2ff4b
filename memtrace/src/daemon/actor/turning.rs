//! The next file of a recording is begun while the ring is drained.

use super::{Actor, BATCH};
use crate::daemon::error::DaemonError;
use crate::daemon::spool::Spool;
use crate::engine::ports::EventSource as _;
use tokio::time::Instant;

impl Actor<'_> {
    /// Goes on recording in the next file. What comes through the ring while that begins is kept, and taken in after:
    /// it is none of what the file begins with.
    ///
    /// # Errors
    /// When the ring cannot be read.
    pub(super) fn begin_next_file(&mut self) -> Result<(), DaemonError> {
        let Self { ring, intake, looked, longest_gap, .. } = self;
        let (mut spool, mut failure) = (Spool::default(), None);
        let mut look = |spool: &mut Spool| {
            // The ring has room, too, and counts what it has none for.
            if spool.is_full() {
                return;
            }
            *longest_gap = (*longest_gap).max(looked.elapsed());
            if let Err(error) = ring.get_mut().drain(BATCH, &mut |record| spool.push(record)) {
                failure = Some(error);
            }
            *looked = Instant::now();
        };
        intake.tracker.begin_next_file(&mut || look(&mut spool));
        while spool.give(BATCH, &mut |record| intake.take(record)) {
            look(&mut spool);
        }
        intake.take_waiting();
        failure.map_or(Ok(()), |error| Err(DaemonError::Ring(error)))
    }
}
