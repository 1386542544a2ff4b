//! The trends of a process's stacks and of its heap, each judged once per report.

use crate::engine::snapshot::{ProcessSnapshot, StackSnapshot};
use crate::engine::trend::{Band, Judgement, Trend, judge, of_heap, of_stack};
use crate::model::ids::{Nanos, StackId};
use std::collections::HashMap;

/// See the file's head.
#[derive(Debug, Default)]
pub(super) struct Judged {
    stacks: HashMap<StackId, Judgement>,
    /// The heap as a whole.
    pub(super) heap: Judgement,
    /// How long its blocks live.
    pub(super) survival: Vec<(Nanos, Band)>,
    /// What the heap's growing stacks gain together at least, bytes per second.
    pub(super) stacks_gain: f64,
}

impl Judged {
    pub(super) fn of(process: &ProcessSnapshot) -> Self {
        let all = process.stacks.iter().chain(&process.pools.stacks).chain(&process.device.stacks);
        let judged = |stack: &StackSnapshot| (stack.stack, judge(&of_stack(process, stack)));
        let stacks: HashMap<StackId, Judgement> = all.map(judged).collect();
        let heap = of_heap(process);
        let gains = process.stacks.iter().filter_map(|stack| stacks.get(&stack.stack));
        Self {
            stacks_gain: gains.map(|judgement| judgement.least_gain).sum(),
            heap: judge(&heap),
            survival: heap.lifetimes.map_or_else(Vec::new, |lifetimes| lifetimes.steps()),
            stacks,
        }
    }

    pub(super) fn stack(&self, stack: &StackSnapshot) -> Judgement {
        self.stacks.get(&stack.stack).copied().unwrap_or_default()
    }

    pub(super) fn grows(&self, stack: &StackSnapshot) -> bool {
        self.stack(stack).trend == Trend::Growing
    }
}
