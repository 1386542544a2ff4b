//! What stacks hold and did that are not listed as the user wished so.

use super::convert::ends;
use crate::engine::snapshot::{Confidence, SampledConfidence};
use crate::report::left_out::LeftOutStacks;
use serde::Serialize;

/// Those of one reason.
#[derive(Debug, Serialize)]
pub(super) struct LeftOut {
    /// `names`, `little` or `top`.
    reason: &'static str,
    /// How many of them hold something.
    stacks: u64,
    live_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    live_bytes_ci95: Option<[u64; 2]>,
    live_blocks: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    live_blocks_ci95: Option<[u64; 2]>,
    peak_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    peak_bytes_ci95: Option<[u64; 2]>,
    allocated_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    allocated_bytes_ci95: Option<[u64; 2]>,
    allocated_blocks: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    allocated_blocks_ci95: Option<[u64; 2]>,
    freed_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    freed_bytes_ci95: Option<[u64; 2]>,
    freed_blocks: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    freed_blocks_ci95: Option<[u64; 2]>,
}

impl LeftOut {
    pub(super) fn of(left: &LeftOutStacks) -> Self {
        let sum = &left.sum;
        let of = |part: fn(&SampledConfidence) -> Confidence| {
            sum.confidence.as_ref().map(part).map(ends)
        };
        Self {
            reason: left.reason.key(),
            stacks: left.stacks,
            live_bytes: sum.live_bytes,
            live_bytes_ci95: of(|it| it.live_bytes),
            live_blocks: sum.live_blocks,
            live_blocks_ci95: of(|it| it.live_blocks),
            peak_bytes: sum.peak_bytes,
            peak_bytes_ci95: of(|it| it.peak_bytes),
            allocated_bytes: sum.allocated_bytes,
            allocated_bytes_ci95: of(|it| it.allocated_bytes),
            allocated_blocks: sum.allocated_blocks,
            allocated_blocks_ci95: of(|it| it.allocated_blocks),
            freed_bytes: sum.freed_bytes,
            freed_bytes_ci95: of(|it| it.freed_bytes),
            freed_blocks: sum.freed_blocks,
            freed_blocks_ci95: of(|it| it.freed_blocks),
        }
    }
}
