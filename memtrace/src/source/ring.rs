//! The kernel's ring buffer as an event source.

use crate::engine::ports::{Drained, EventSource};
use aya::maps::{MapData, RingBuf};
use std::os::fd::{AsRawFd, RawFd};

/// Reads records from the ring.
pub struct RingSource {
    ring: RingBuf<MapData>,
}

impl RingSource {
    /// A source over this ring.
    #[must_use]
    pub const fn new(ring: RingBuf<MapData>) -> Self {
        Self { ring }
    }
}

impl AsRawFd for RingSource {
    /// Becomes readable when the programs wake the reader.
    fn as_raw_fd(&self) -> RawFd {
        self.ring.as_raw_fd()
    }
}

impl EventSource for RingSource {
    fn drain(
        &mut self,
        budget: usize,
        take: &mut dyn FnMut(&[u8]),
    ) -> Result<Drained, Box<dyn std::error::Error + Send + Sync>> {
        for _ in 0..budget {
            match self.ring.next() {
                Some(record) => take(&record),
                None => return Ok(Drained::Idle),
            }
        }
        Ok(Drained::More)
    }
}
