//! What a program tells of blocks that it samples itself, in JSON: estimates have where they lie beside them.

use super::schema::Frame;
use crate::engine::snapshot::Confidence;
use crate::report::model::{ToldFigures, ToldReport, ToldStackReport};
use memtrace_common::wire::StackEnd;
use serde::Serialize;

#[derive(Serialize)]
struct Figures {
    live_bytes: u64,
    live_bytes_ci95: [u64; 2],
    live_blocks: u64,
    live_blocks_ci95: [u64; 2],
    live_samples: u64,
    allocated_bytes: u64,
    allocated_bytes_ci95: [u64; 2],
    allocated_blocks: u64,
    allocated_blocks_ci95: [u64; 2],
    allocated_samples: u64,
}

impl Figures {
    const fn of(live: &ToldFigures, allocated: &ToldFigures) -> Self {
        Self {
            live_bytes: live.bytes,
            live_bytes_ci95: ends(live.bytes_ci),
            live_blocks: live.blocks,
            live_blocks_ci95: ends(live.blocks_ci),
            live_samples: live.samples,
            allocated_bytes: allocated.bytes,
            allocated_bytes_ci95: ends(allocated.bytes_ci),
            allocated_blocks: allocated.blocks,
            allocated_blocks_ci95: ends(allocated.blocks_ci),
            allocated_samples: allocated.samples,
        }
    }
}

/// Not to be added to the heap: the same blocks may be in both.
#[derive(Serialize)]
pub(super) struct Told<'a> {
    #[serde(flatten)]
    figures: Figures,
    inherited_samples: u64,
    unknown_frees: u64,
    missed_frees: u64,
    evicted_samples: u64,
    crowded_out_samples: u64,
    below_size_samples: u64,
    others: Others,
    stacks: Vec<Stack<'a>>,
}

#[derive(Serialize)]
struct Others {
    stacks: u64,
    samples: u64,
    bytes: u64,
}

#[derive(Serialize)]
struct Stack<'a> {
    id: String,
    #[serde(flatten)]
    figures: Figures,
    complete: bool,
    end: &'static str,
    frames: Vec<Frame<'a>>,
}

const fn ends(confidence: Confidence) -> [u64; 2] {
    [confidence.low, confidence.high]
}

impl<'a> Told<'a> {
    /// Of one process.
    pub(super) fn of(told: &'a ToldReport) -> Self {
        let oddities = &told.oddities;
        Self {
            figures: Figures::of(&told.live, &told.allocated),
            inherited_samples: oddities.inherited,
            unknown_frees: oddities.unknown_frees,
            missed_frees: oddities.missed_frees,
            evicted_samples: oddities.evicted,
            crowded_out_samples: oddities.crowded_out,
            below_size_samples: oddities.below_size,
            others: Others {
                stacks: told.others.stacks,
                samples: told.others.samples,
                bytes: told.others.bytes,
            },
            stacks: told.stacks.iter().map(Stack::of).collect(),
        }
    }
}

impl<'a> Stack<'a> {
    fn of(stack: &'a ToldStackReport) -> Self {
        Self {
            id: stack.id.to_string(),
            figures: Figures::of(&stack.live, &stack.allocated),
            complete: stack.end == StackEnd::Complete,
            end: super::convert::stack_end(stack.end),
            frames: stack.frames.iter().map(Frame::of).collect(),
        }
    }
}
