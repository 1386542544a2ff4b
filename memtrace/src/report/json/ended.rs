//! Sums of processes that are not listed any more.

use super::convert::ends;
use super::schema::{Ended, EndedSums};
use crate::engine::ended;
use crate::engine::sampling::{Around, SumAround};

impl Ended {
    pub(super) fn of(ended: &ended::Ended) -> Self {
        Self {
            processes: ended.processes,
            heap: EndedSums::of(&ended.heap),
            pools: EndedSums::of(&ended.pools),
            device: EndedSums::of(&ended.device),
        }
    }
}

impl EndedSums {
    fn of(sums: &ended::Sums) -> Self {
        let around = sums.around.as_ref();
        let sum = |of: fn(&ended::SumsAround) -> &SumAround| {
            let range = around.map(|it| of(it).range());
            (range.map(|it| ends(it.bytes)), range.map(|it| ends(it.blocks)))
        };
        let odd = |value: u64, of: fn(&ended::SumsAround) -> &Around| {
            around.filter(|_| value > 0).map(|it| ends(of(it).range()))
        };
        let (allocated, freed) = (sum(|it| &it.allocated), sum(|it| &it.freed));
        let live = sum(|it| &it.live);
        Self {
            allocated_bytes: sums.allocated_bytes,
            allocated_bytes_ci95: allocated.0,
            allocated_blocks: sums.allocated_blocks,
            allocated_blocks_ci95: allocated.1,
            freed_bytes: sums.freed_bytes,
            freed_bytes_ci95: freed.0,
            freed_blocks: sums.freed_blocks,
            freed_blocks_ci95: freed.1,
            live_bytes: sums.live_bytes,
            live_bytes_ci95: live.0,
            live_blocks: sums.live_blocks,
            live_blocks_ci95: live.1,
            missed_frees: sums.missed_frees,
            missed_frees_ci95: odd(sums.missed_frees, |it| &it.missed_frees),
            evicted_blocks: sums.evicted_blocks,
            evicted_blocks_ci95: odd(sums.evicted_blocks, |it| &it.evicted_blocks),
            lost_frees: sums.lost_frees,
            perhaps_freed_blocks: sums.perhaps_freed_blocks,
        }
    }
}
