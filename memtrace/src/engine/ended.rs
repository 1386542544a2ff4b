//! Processes and programs that have ended and are not kept one by one any more: their sums.

use super::snapshot::{HeapTotals, ProcessSnapshot};
use serde::{Deserialize, Serialize};

/// What all of them did together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// How many: one per process and program, as in [`super::snapshot::Snapshot::processes`].
    pub processes: u64,
    /// Their heaps.
    pub heap: Sums,
    /// What functions that the user describes gave out.
    pub pools: Sums,
    /// Memory of devices.
    pub device: Sums,
}

/// Sums of totals; of what was live, at the end of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sums {
    /// [`HeapTotals::allocated_bytes`].
    pub allocated_bytes: u64,
    /// [`HeapTotals::allocated_blocks`].
    pub allocated_blocks: u64,
    /// [`HeapTotals::freed_bytes`].
    pub freed_bytes: u64,
    /// [`HeapTotals::freed_blocks`].
    pub freed_blocks: u64,
    /// [`HeapTotals::live_bytes`].
    pub live_bytes: u64,
    /// [`HeapTotals::live_blocks`].
    pub live_blocks: u64,
    /// [`HeapTotals::missed_frees`].
    pub missed_frees: u64,
    /// [`HeapTotals::evicted_blocks`].
    pub evicted_blocks: u64,
    /// [`HeapTotals::lost_frees`].
    pub lost_frees: u64,
    /// So many of [`Self::live_blocks`] may have been freed unseen at most: of each process no more than its lost
    /// frees, nor than it left. (Which blocks those could be is not kept.)
    pub perhaps_freed_blocks: u64,
}

impl Ended {
    /// Adds a process that is not kept any more.
    pub(super) fn add(&mut self, process: &ProcessSnapshot) {
        self.processes += 1;
        self.heap.add(&process.heap);
        self.pools.add(&process.pools.totals);
        self.device.add(&process.device.totals);
    }
}

impl Sums {
    fn add(&mut self, totals: &HeapTotals) {
        for (sum, of_one) in [
            (&mut self.allocated_bytes, totals.allocated_bytes),
            (&mut self.allocated_blocks, totals.allocated_blocks),
            (&mut self.freed_bytes, totals.freed_bytes),
            (&mut self.freed_blocks, totals.freed_blocks),
            (&mut self.live_bytes, totals.live_bytes),
            (&mut self.live_blocks, totals.live_blocks),
            (&mut self.missed_frees, totals.missed_frees),
            (&mut self.evicted_blocks, totals.evicted_blocks),
            (&mut self.lost_frees, totals.lost_frees),
            (&mut self.perhaps_freed_blocks, totals.lost_frees.min(totals.live_blocks)),
        ] {
            *sum = sum.saturating_add(of_one);
        }
    }
}
