//! Slices of a heap whose blocks are samples: what the samples of each slice say, so that figures of a part of the run
//! have their ranges.

use super::{Amount, Deeds};
use crate::engine::heap::sampled::{Pair, SampledTally, confidence_of, rounded};
use crate::engine::process::Space;
use crate::engine::sampling::{Confidence, Estimate, SumAround, SumConfidence};

/// Where what some blocks did lies. Temporary ones are not among it: samples are not followed from call to call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ranges {
    /// What is alive at the end of the slice, whenever it was allocated.
    pub live: SumConfidence,
    /// What was allocated in the slice.
    pub allocated: SumConfidence,
    /// What was freed in it.
    pub freed: SumConfidence,
}

impl Ranges {
    /// What is no estimate.
    pub(crate) fn exact(deeds: &Deeds) -> Self {
        let of = |amount: Amount| SumConfidence {
            bytes: Confidence { low: amount.bytes, high: amount.bytes },
            blocks: Confidence { low: amount.blocks, high: amount.blocks },
        };
        Self { live: of(deeds.live), allocated: of(deeds.allocated), freed: of(deeds.freed) }
    }
}

/// Ranges of two slices that follow each other as those of one; each comes with what was done in it.
pub(super) fn merged(
    (earlier, done): (Option<Ranges>, Deeds),
    (later, done_later): (Option<Ranges>, Deeds),
) -> Ranges {
    let before = earlier.unwrap_or_else(|| Ranges::exact(&done));
    let after = later.unwrap_or_else(|| Ranges::exact(&done_later));
    let sum = |of: fn(&Deeds) -> Amount, range: fn(&Ranges) -> SumConfidence| {
        let mut around = SumAround::default();
        for (deeds, ranges) in [(&done, &before), (&done_later, &after)] {
            let Amount { bytes, blocks } = of(deeds);
            around.add((bytes, blocks), range(ranges));
        }
        around.range()
    };
    Ranges {
        // If nothing is told of the later slice nothing happened in it.
        live: later.unwrap_or(before).live,
        allocated: sum(|it| it.allocated, |it| it.allocated),
        freed: sum(|it| it.freed, |it| it.freed),
    }
}

/// What samples of one stack come to: alive now, and so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Sums {
    live: Pair,
    allocated: Pair,
    freed: Pair,
}

impl Sums {
    /// What was counted one by one.
    pub(super) fn exact(deeds: &Deeds) -> Self {
        let pair = |amount: Amount| Pair::exact(amount.bytes, amount.blocks);
        Self { live: pair(deeds.live), allocated: pair(deeds.allocated), freed: pair(deeds.freed) }
    }

    /// As whole numbers.
    pub(super) fn deeds(&self, temporary: Amount) -> Deeds {
        let amount = |pair: &Pair| Amount::of(rounded(&pair.bytes), rounded(&pair.blocks));
        Deeds {
            live: amount(&self.live),
            allocated: amount(&self.allocated),
            freed: amount(&self.freed),
            temporary,
        }
    }

    /// What samples say of the time since.
    pub(super) fn since(&self, before: &Self, interval: u64) -> Ranges {
        let allocated = self.allocated.beyond(&before.allocated);
        let freed = self.freed.beyond(&before.freed);
        let sums = [&self.live, &allocated, &freed, &Pair::default()];
        let all = confidence_of(interval, &Estimate::default(), sums);
        Ranges {
            live: SumConfidence { bytes: all.live_bytes, blocks: all.live_blocks },
            allocated: SumConfidence { bytes: all.allocated_bytes, blocks: all.allocated_blocks },
            freed: SumConfidence { bytes: all.freed_bytes, blocks: all.freed_blocks },
        }
    }
}

/// The sums of a heap whose blocks are samples.
#[derive(Clone, Debug)]
pub(super) struct SampledSums {
    /// The mean interval between samples, bytes.
    pub(super) interval: u64,
    /// By the numbers of stacks.
    pub(super) stacks: Vec<Sums>,
    /// What is in none of them.
    pub(super) without: Sums,
}

impl SampledSums {
    /// `None`: its blocks are none.
    pub(super) fn of(space: &Space) -> Option<Self> {
        let sampled = space.heap.sampled()?;
        let of = |tally: &SampledTally| {
            let SampledTally { live, allocated, freed, .. } = *tally;
            Sums { live, allocated, freed }
        };
        let stacks: Vec<Sums> = sampled.stacks().map(|(tally, _)| of(tally)).collect();
        let all = stacks.iter().fold(Sums::default(), |all, it| Sums {
            live: all.live.with(&it.live),
            allocated: all.allocated.with(&it.allocated),
            freed: all.freed.with(&it.freed),
        });
        let [live, allocated, freed] = sampled.sums();
        let without = Sums {
            live: live.beyond(&all.live),
            allocated: allocated.beyond(&all.allocated),
            freed: freed.beyond(&all.freed),
        };
        Some(Self { interval: sampled.interval(), stacks, without })
    }
}
