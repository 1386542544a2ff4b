//! What is told of a process: how it grew, when it was looked at, what that found and what it cost.

use super::{Growing, MOST_KEPT};
use crate::engine::numbers;
use crate::engine::sampling::Confidence;
use crate::engine::trend::Band;
use crate::model::event::LookCost;
use crate::model::frame::Frame;
use crate::model::ids::{Nanos, StackId};
use memtrace_common::function::FunctionId;
use memtrace_common::wire::StackEnd;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A process's looks, and how it stands.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Story {
    /// The first look, and the latest ones, oldest first.
    pub looks: Vec<LookSnapshot>,
    /// Looks between the first and the others that are not kept.
    pub dropped: u64,
    /// How it grows.
    pub growing: Option<Growing>,
    /// What is done with it.
    pub state: State,
}

/// What is done with a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// It is watched.
    #[default]
    Watching,
    /// It grows and waits for its turn to be looked at.
    Waiting,
    /// It is looked at.
    Looking,
    /// It is not looked at again before that, if it grows as it did.
    Resting(Nanos),
}

/// One look.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LookSnapshot {
    /// When it was decided upon.
    pub time: Nanos,
    /// How the process grew then.
    pub growth: Growing,
    /// How long its heap was traced; until now, if that goes on.
    pub lasted: Nanos,
    /// Mean bytes between samples; 0: every allocation.
    pub interval: u64,
    /// What came of it.
    pub outcome: Outcome,
    /// The stacks whose live blocks grew, fastest first.
    pub found: Vec<FoundStack>,
    /// The stacks that touched most pages first meanwhile.
    pub touched: Vec<TouchedGrowth>,
    /// What it cost the process, where that is known.
    pub cost: Option<LookCost>,
}

/// What came of a look.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// It goes on.
    #[default]
    Underway,
    /// Stacks of the heap grew.
    Found(Found),
    /// The process ended, or executed another program, before it was over.
    CutShort,
    /// The heap could not be traced.
    Refused(Arc<str>),
}

/// Whether the heap explains the growth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Found {
    /// Stacks of it grew.
    Heap,
    /// None did: what grows is not in the heap, or grew in steps between looks.
    NotTheHeap,
}

/// A stack whose live blocks grew during a look. Estimates, if that took samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FoundStack {
    /// Its number in the engine.
    pub stack: StackId,
    /// The allocator function called.
    #[serde(with = "numbers::function")]
    pub function: FunctionId,
    /// From the allocator's caller outwards.
    pub frames: Arc<[Frame]>,
    /// How it ended.
    #[serde(with = "numbers::stack_end")]
    pub end: StackEnd,
    /// Bytes per second, with the interval of 95 %.
    pub rate: Band,
    /// Live bytes that the look added.
    pub gained: u64,
    /// Where that lies, where blocks are samples.
    pub range: Option<Confidence>,
}

/// A stack that touched pages first during a look that are still there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TouchedGrowth {
    /// Its number in the engine.
    pub stack: StackId,
    /// From the function that touched outwards.
    pub frames: Arc<[Frame]>,
    /// How it ended.
    #[serde(with = "numbers::stack_end")]
    pub end: StackEnd,
    /// Bytes.
    pub gained: u64,
    /// Where that lies, where not every page is looked at.
    pub confidence: Option<Confidence>,
}

/// All processes together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Processes that are looked at now.
    pub looking: usize,
    /// … and that wait for it.
    pub waiting: usize,
    /// Looks so far.
    pub looks: u64,
}

impl Story {
    /// How the process grew when the last look was decided upon.
    pub(super) fn growth(&self) -> Option<Growing> {
        self.looks.last().map(|look| look.growth)
    }

    pub(super) fn begin(&mut self, time: Nanos, growth: Growing) {
        if self.looks.len() == MOST_KEPT {
            self.looks.remove(1);
            self.dropped += 1;
        }
        self.looks.push(LookSnapshot {
            time,
            growth,
            lasted: 0,
            interval: 0,
            outcome: Outcome::Underway,
            found: Vec::new(),
            touched: Vec::new(),
            cost: None,
        });
    }

    /// The look that goes on.
    pub(in crate::engine) fn current(&mut self) -> Option<&mut LookSnapshot> {
        self.looks.last_mut().filter(|look| look.outcome == Outcome::Underway)
    }
}

const _: () = assert!(MOST_KEPT >= 2);
