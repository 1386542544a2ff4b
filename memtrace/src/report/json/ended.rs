//! Sums of processes that are not listed any more.

use super::schema::{Ended, EndedSums};
use crate::engine::ended;

impl Ended {
    pub(super) const fn of(ended: &ended::Ended) -> Self {
        Self {
            processes: ended.processes,
            heap: EndedSums::of(&ended.heap),
            pools: EndedSums::of(&ended.pools),
            device: EndedSums::of(&ended.device),
        }
    }
}

impl EndedSums {
    const fn of(sums: &ended::Sums) -> Self {
        Self {
            allocated_bytes: sums.allocated_bytes,
            allocated_blocks: sums.allocated_blocks,
            freed_bytes: sums.freed_bytes,
            freed_blocks: sums.freed_blocks,
            live_bytes: sums.live_bytes,
            live_blocks: sums.live_blocks,
            missed_frees: sums.missed_frees,
            evicted_blocks: sums.evicted_blocks,
            lost_frees: sums.lost_frees,
            perhaps_freed_blocks: sums.perhaps_freed_blocks,
        }
    }
}
