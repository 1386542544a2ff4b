//! How processes grew and what closer looks at them found: the story, with names.

use super::identity::StackDigest;
use super::model::FrameReport;
use crate::engine::snapshot::{Confidence, Growing, LookState, Outcome, Story};
use crate::model::event::LookCost;
use crate::model::frame::Frame;
use crate::model::ids::Nanos;
use jiff::Timestamp;
use memtrace_common::wire::StackEnd;

/// What is told of a process that is watched for growth.
#[derive(Clone, Debug, Default)]
pub struct WatchReport {
    /// How it grows; `None`: it does not.
    pub growing: Option<Growing>,
    /// What is done with it.
    pub state: WatchState,
    /// The first look, and the latest ones, oldest first.
    pub looks: Vec<LookReport>,
    /// Looks between the first and the others that are not kept.
    pub dropped: u64,
}

/// What is done with a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WatchState {
    /// It is watched.
    #[default]
    Watching,
    /// It grows and waits for its turn to be looked at.
    Waiting,
    /// It is looked at.
    Looking,
    /// It is let alone for so long, if it grows as it did.
    Resting(Nanos),
}

/// One look.
#[derive(Clone, Debug)]
pub struct LookReport {
    /// When it was decided upon.
    pub time: Timestamp,
    /// How long before the report, ns.
    pub age: Nanos,
    /// How the process grew then.
    pub growth: Growing,
    /// How long its heap was traced, ns.
    pub lasted: Nanos,
    /// Mean bytes between samples; 0: every allocation.
    pub interval: u64,
    /// What came of it; a reason is cleaned.
    pub outcome: Outcome,
    /// The stacks whose live blocks grew, fastest first.
    pub found: Vec<FoundReport>,
    /// The stacks that touched most pages first meanwhile.
    pub touched: Vec<TouchedGrowthReport>,
    /// What it cost the process, where that is known.
    pub cost: Option<LookCost>,
}

/// A stack whose live blocks grew during a look.
#[derive(Clone, Debug)]
pub struct FoundReport {
    /// The stack's identity.
    pub id: StackDigest,
    /// The allocator function called.
    pub function: String,
    /// Bytes per second, with the interval of 95 %.
    pub rate: crate::engine::trend::Band,
    /// Live bytes that the look added.
    pub gained: u64,
    /// Where that lies, where blocks are samples.
    pub range: Option<Confidence>,
    /// Of the process's growth. May be more than 1: that is not a steady one.
    pub share: f64,
    /// How the stack ended.
    pub end: StackEnd,
    /// From the allocator's caller outwards.
    pub frames: Vec<FrameReport>,
}

/// A stack that touched pages first during a look that are still there.
#[derive(Clone, Debug)]
pub struct TouchedGrowthReport {
    /// The stack's identity.
    pub id: StackDigest,
    /// Bytes.
    pub gained: u64,
    /// Where that lies, where not every page was looked at.
    pub confidence: Option<Confidence>,
    /// How the stack ended.
    pub end: StackEnd,
    /// From the function that touched outwards.
    pub frames: Vec<FrameReport>,
}

impl WatchState {
    pub(super) const fn of(state: LookState, now: Nanos) -> Self {
        match state {
            LookState::Watching => Self::Watching,
            LookState::Waiting => Self::Waiting,
            LookState::Looking => Self::Looking,
            LookState::Resting(until) => Self::Resting(until.saturating_sub(now)),
        }
    }
}

/// All frames of a story.
pub(super) fn frames(story: &Story) -> impl Iterator<Item = &Frame> {
    story.looks.iter().flat_map(|look| {
        let found = look.found.iter().map(|stack| &stack.frames);
        let touched = look.touched.iter().map(|stack| &stack.frames);
        found.chain(touched).flat_map(|frames| frames.iter())
    })
}
