//! The kernel's ring buffers as an event source.
//!
//! Several of them are read by the one task that owns the tables. A thread for each would be of use if reading
//! were the limit: but to copy a record and to put it in order takes 11 ns with two rings and 38 ns with sixteen
//! whose records alternate, and to apply it to the tables some 200 ns. What several rings are for is the other
//! end: programs on all CPUs queue up for the lock of the one ring that they write to
//! (`memtrace-ebpf/src/maps.rs`). Planned for 64 CPUs are 16 rings (`daemon/settings.rs`), and one task that
//! takes in what it can; beyond that the budget has to sample.

use super::merge::{Lane, Merge};
use crate::engine::ports::{Drained, EventSource};
use aya::maps::{MapData, RingBuf};
use memtrace_common::wire::Header;
use std::io;
use std::mem::offset_of;
use std::os::fd::{AsRawFd, FromRawFd as _, OwnedFd, RawFd};

/// Of each of several rings at least so many records are taken at a time.
const LEAST_BATCH: usize = 256;

/// Reads records from the rings.
pub struct RingSource {
    lanes: Vec<RingLane>,
    /// `None` with a single ring, whose records need not be copied.
    merge: Option<Merge>,
    /// Becomes readable when one of several does.
    any: Option<OwnedFd>,
}

struct RingLane(RingBuf<MapData>);

impl RingSource {
    /// A source over these rings. Records of a process must be in one of them.
    ///
    /// # Errors
    /// When there is no descriptor to be had that tells of all of them.
    pub fn new(rings: Vec<RingBuf<MapData>>) -> io::Result<Self> {
        let lanes: Vec<RingLane> = rings.into_iter().map(RingLane).collect();
        let are_several = lanes.len() > 1;
        let any = are_several.then(|| readable_when_any(&lanes)).transpose()?;
        let merge = are_several.then(|| Merge::new(lanes.len(), time));
        Ok(Self { lanes, merge, any })
    }

    /// Hands over what waits for others that may come before it, when none can come any more.
    pub fn finish(&mut self, take: &mut dyn FnMut(&[u8])) {
        if let Some(merge) = &mut self.merge {
            merge.finish(take);
        }
    }
}

/// When the record was begun; 0 if it is too short to say.
fn time(record: &[u8]) -> u64 {
    const AT: usize = offset_of!(Header, time);
    let bytes = record.get(AT..AT + size_of::<u64>()).and_then(|bytes| bytes.try_into().ok());
    bytes.map_or(0, u64::from_ne_bytes)
}

/// A descriptor that is readable when one of the rings is (`epoll(7)`: such descriptors can be waited for
/// themselves).
fn readable_when_any(lanes: &[RingLane]) -> io::Result<OwnedFd> {
    // SAFETY: no pointers.
    let descriptor = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it was made just now, and nobody else has it.
    let any = unsafe { OwnedFd::from_raw_fd(descriptor) };
    for lane in lanes {
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: 0 };
        let (all, ring) = (any.as_raw_fd(), lane.0.as_raw_fd());
        // SAFETY: both descriptors are open, and the event is read during the call only.
        if unsafe { libc::epoll_ctl(all, libc::EPOLL_CTL_ADD, ring, &raw mut event) } < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(any)
}

impl Lane for RingLane {
    fn read(&mut self, most: usize, take: &mut dyn FnMut(&[u8])) -> bool {
        !self.read_some(most, take) && self.is_empty()
    }
}

impl RingLane {
    /// Takes out at most `budget` records; gives whether it were so many.
    fn read_some(&mut self, budget: usize, take: &mut dyn FnMut(&[u8])) -> bool {
        for _ in 0..budget {
            match self.0.next() {
                Some(record) => take(&record),
                None => return false,
            }
        }
        true
    }

    /// Nothing is reserved in it: the kernel calls a ring readable as soon as something is, complete or not
    /// (`ringbuf_map_poll_kern` of `kernel/bpf/ringbuf.c`).
    fn is_empty(&self) -> bool {
        let mut poll = libc::pollfd { fd: self.0.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one `pollfd`, which outlives the call; it does not wait.
        let ready = unsafe { libc::poll(&raw mut poll, 1, 0) };
        ready == 0
    }
}

impl AsRawFd for RingSource {
    /// Becomes readable when the programs wake the reader.
    fn as_raw_fd(&self) -> RawFd {
        match (&self.any, self.lanes.first()) {
            (Some(any), _) => any.as_raw_fd(),
            (None, Some(lane)) => lane.0.as_raw_fd(),
            (None, None) => -1,
        }
    }
}

impl EventSource for RingSource {
    fn drain(
        &mut self,
        budget: usize,
        take: &mut dyn FnMut(&[u8]),
    ) -> Result<Drained, Box<dyn std::error::Error + Send + Sync>> {
        let more = if let Some(merge) = &mut self.merge {
            let each = (budget / self.lanes.len()).max(LEAST_BATCH);
            merge.drain(&mut self.lanes, each, take)
        } else {
            self.lanes.first_mut().is_some_and(|lane| lane.read_some(budget, take))
        };
        Ok(if more { Drained::More } else { Drained::Idle })
    }
}
