//! Where the figures of snapshots lie that are estimates.

use super::Interval;
use serde::{Deserialize, Serialize};

/// Where a true figure lies with a probability of 95 %.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confidence {
    /// At least.
    pub low: u64,
    /// At most.
    pub high: u64,
}

impl Confidence {
    /// Whole numbers that hold the interval.
    #[must_use]
    pub const fn of(interval: Interval) -> Self {
        // Casts saturate.
        Self { low: interval.low.floor() as u64, high: interval.high.ceil() as u64 }
    }
}

/// Where sums of bytes and blocks lie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SumConfidence {
    /// Of bytes.
    pub bytes: Confidence,
    /// Of blocks.
    pub blocks: Confidence,
}

/// Where those figures of a heap lie that tell of something odd.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OddConfidence {
    /// Of blocks whose frees were missed.
    pub missed_frees: Confidence,
    /// Of what was not kept for want of memory.
    pub evicted: SumConfidence,
}

/// Where the parts of what a call stack holds lie that its usual figures leave out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartsConfidence {
    /// Of young blocks.
    pub young: SumConfidence,
    /// Of filtered ones.
    pub filtered: SumConfidence,
}

/// Where figures of a heap or of one of its call stacks lie that are estimates from samples. What is counted call by
/// call is none: `unknown_frees`, `internal_frees` and `failed` count those that were told of.
///
/// A range of a number of blocks holds for blocks that are no smaller than the smallest one that was ever sampled there:
/// of smaller ones samples say only how many bytes they may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SampledConfidence {
    /// Of bytes alive; of a stack those that are neither young nor filtered.
    pub live_bytes: Confidence,
    /// Of such blocks.
    pub live_blocks: Confidence,
    /// Of the peak: of what was alive when the estimate of the heap was highest.
    pub peak_bytes: Confidence,
    /// Of bytes allocated.
    pub allocated_bytes: Confidence,
    /// Of blocks allocated.
    pub allocated_blocks: Confidence,
    /// Of bytes freed.
    pub freed_bytes: Confidence,
    /// Of blocks freed.
    pub freed_blocks: Confidence,
    /// Of what may have been freed in no window.
    pub unknown: SumConfidence,
    /// Samples that are alive.
    pub samples: u64,
}
