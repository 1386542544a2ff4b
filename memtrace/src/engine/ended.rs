//! Processes and programs that have ended and are not kept one by one any more: their sums.

use super::sampling::{Around, Confidence, SumAround, SumConfidence};
use super::snapshot::{HeapTotals, ProcessSnapshot};
use serde::{Deserialize, Serialize};

/// What all of them did together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
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
    /// Where these lie; `None` if none of them was an estimate.
    pub around: Option<SumsAround>,
}

/// Where sums lie of which some are estimates, as in [`Sums`]. Processes are sampled independently of each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SumsAround {
    /// What was allocated.
    pub allocated: SumAround,
    /// What was freed.
    pub freed: SumAround,
    /// What was live.
    pub live: SumAround,
    /// Missed frees.
    pub missed_frees: Around,
    /// Blocks that were not kept.
    pub evicted_blocks: Around,
}

impl SumsAround {
    fn add(&mut self, totals: &HeapTotals) {
        let sure = |value| Confidence { low: value, high: value };
        let HeapTotals { missed_frees, evicted_blocks, .. } = *totals;
        let [allocated, freed, live] = [
            (totals.allocated_bytes, totals.allocated_blocks),
            (totals.freed_bytes, totals.freed_blocks),
            (totals.live_bytes, totals.live_blocks),
        ];
        let exactly = |it: (u64, u64)| SumConfidence { bytes: sure(it.0), blocks: sure(it.1) };
        let mut ranges = [allocated, freed, live].map(exactly);
        if let Some(it) = totals.confidence {
            ranges = [
                SumConfidence { bytes: it.allocated_bytes, blocks: it.allocated_blocks },
                SumConfidence { bytes: it.freed_bytes, blocks: it.freed_blocks },
                SumConfidence { bytes: it.live_bytes, blocks: it.live_blocks },
            ];
        }
        self.allocated.add(allocated, ranges[0]);
        self.freed.add(freed, ranges[1]);
        self.live.add(live, ranges[2]);
        let odd = totals.odd_confidence;
        let missed = odd.map_or(sure(missed_frees), |it| it.missed_frees);
        self.missed_frees.add(missed_frees, missed);
        let evicted = odd.map_or(sure(evicted_blocks), |it| it.evicted.blocks);
        self.evicted_blocks.add(evicted_blocks, evicted);
    }

    /// Of sums that were none until now.
    fn exactly(sums: &Sums) -> Self {
        let mut all = Self::default();
        let Sums { allocated_bytes, allocated_blocks, freed_bytes, freed_blocks, .. } = *sums;
        let Sums { live_bytes, live_blocks, missed_frees, evicted_blocks, .. } = *sums;
        all.add(&HeapTotals {
            allocated_bytes,
            allocated_blocks,
            freed_bytes,
            freed_blocks,
            live_bytes,
            live_blocks,
            missed_frees,
            evicted_blocks,
            ..HeapTotals::default()
        });
        all
    }
}

impl Ended {
    /// Adds a process that is not kept any more.
    pub fn add(&mut self, process: &ProcessSnapshot) {
        self.processes += 1;
        self.heap.add(&process.heap);
        self.pools.add(&process.pools.totals);
        self.device.add(&process.device.totals);
    }
}

impl Sums {
    fn add(&mut self, totals: &HeapTotals) {
        if totals.confidence.is_some() || self.around.is_some() {
            let exactly = SumsAround::exactly(self);
            self.around.get_or_insert(exactly).add(totals);
        }
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
