//! The next file of a recording is begun while the ring is read.

use super::{Actor, BATCH};
use crate::daemon::error::DaemonError;
use crate::engine::ports::{Drained, EventSource as _};
use std::time::Duration;
use tokio::time::Instant;

/// How often the ring is read meanwhile.
const LOOK: Duration = Duration::from_millis(2);

impl Actor<'_> {
    /// Goes on recording in the next file. What comes through the ring while that begins is none of what it begins
    /// with: it is kept, and taken in by the next drains.
    ///
    /// # Errors
    /// When the ring cannot be read.
    pub(super) fn begin_next_file(&mut self) -> Result<(), DaemonError> {
        let Self { ring, intake, looked, longest_gap, spool, .. } = self;
        let mut failure = None;
        intake.tracker.begin_next_file(&mut || {
            // Where there is no room here the ring has some, and counts what it has none for.
            if looked.elapsed() < LOOK || failure.is_some() || spool.is_full() {
                return;
            }
            *longest_gap = (*longest_gap).max(looked.elapsed());
            while !spool.is_full() {
                match ring.get_mut().drain(BATCH, &mut |record| spool.push(record)) {
                    Ok(Drained::More) => {}
                    Ok(Drained::Idle | Drained::End) => break,
                    Err(error) => {
                        failure = Some(error);
                        break;
                    }
                }
            }
            *looked = Instant::now();
        });
        failure.map_or(Ok(()), |error| Err(DaemonError::Ring(error)))
    }

    /// Takes in what was kept, the oldest first, and then what is in the ring; what does not get its turn is kept.
    ///
    /// # Errors
    /// When the ring cannot be read.
    pub(super) fn drain_in_order(&mut self) -> Result<Drained, DaemonError> {
        let Self { ring, intake, spool, .. } = self;
        let ring = ring.get_mut();
        spool.give(BATCH, &mut |record| intake.take(record));
        if spool.is_empty() {
            return ring.drain(BATCH, &mut |record| intake.take(record)).map_err(DaemonError::Ring);
        }
        if !spool.is_full() {
            ring.drain(BATCH, &mut |record| spool.push(record)).map_err(DaemonError::Ring)?;
        }
        Ok(Drained::More)
    }
}
