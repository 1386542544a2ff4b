//! Walks over all blocks of a heap that go on piece by piece while events are taken in.
//!
//! Ten million blocks take hundreds of milliseconds, in which a ring buffer would overflow. Each walk sees the
//! blocks of the moment at which it began, whatever comes between its pieces (`super::heap::blocks`).

use super::count::{Counts, Rows};
use super::heap::blocks::Block;
use super::picture::{Pending, Placing};
use super::snapshot::Snapshot;
use super::tracker::Tracker;
use memtrace_common::classes::Sizing;
use memtrace_common::function::BlockKind;
use std::collections::VecDeque;

/// What blocks are shown to.
#[derive(Debug)]
pub(super) enum Visitor {
    /// Sums by stack.
    Count(Box<Counts>),
    /// The mappings that they lie in.
    Place(Box<Placing>),
}

impl Visitor {
    #[inline]
    pub(super) fn visit(&mut self, block: &Block, sizing: Sizing) {
        match self {
            Self::Count(counts) => counts.add(block),
            Self::Place(placing) => placing.put(block, sizing),
        }
    }
}

/// What a walk is for.
#[derive(Debug)]
pub(super) enum Goal {
    /// The call stacks of an account of the process with this place in the snapshot that is made.
    Stacks(usize, Rows),
    /// A process's picture.
    Picture(Box<Pending>),
}

/// A walk that has begun.
#[derive(Debug)]
struct Sweep {
    space: usize,
    kind: BlockKind,
    goal: Goal,
}

/// All walks, and the snapshot that some of them are for.
#[derive(Debug, Default)]
pub(super) struct Sweeps {
    begun: VecDeque<Sweep>,
    pub(super) snapshot: Option<Snapshot>,
}

impl Sweeps {
    /// A walk over the blocks of this kind in this address space has begun.
    pub(super) fn begin(&mut self, space: usize, kind: BlockKind, goal: Goal) {
        self.begun.push_back(Sweep { space, kind, goal });
    }
}

impl Tracker {
    /// Goes on with what is made of all blocks piece by piece: pictures of memory, then a snapshot. Looks at
    /// `blocks` of them, or a few thousand more, and gives whether all is done.
    pub fn advance(&mut self, blocks: usize) -> bool {
        let mut left = blocks;
        while let Some(sweep) = self.sweeps.begun.front() {
            if left == 0 {
                return false;
            }
            let space = self.spaces.get_mut(sweep.space);
            let looked_at = space.and_then(|space| space.live(sweep.kind).sweep());
            match looked_at {
                // A piece costs something even if there is nothing in it.
                Some(looked_at) => left = left.saturating_sub(looked_at.max(1)),
                None => {
                    let done = self.sweeps.begun.pop_front();
                    done.into_iter().for_each(|sweep| self.fulfil(sweep));
                }
            }
        }
        true
    }

    /// Comes to the end of the walks over an address space, which is about to go, to be copied, or to be
    /// walked over again.
    pub(super) fn finish_sweeps_of(&mut self, space: usize) {
        if self.sweeps.begun.is_empty() {
            return;
        }
        let (own, others) =
            std::mem::take(&mut self.sweeps.begun).into_iter().partition(|it| it.space == space);
        self.sweeps.begun = own;
        self.advance(usize::MAX);
        self.sweeps.begun = others;
    }

    fn fulfil(&mut self, sweep: Sweep) {
        let Sweep { space, kind, goal } = sweep;
        let Some(space) = self.spaces.get_mut(space) else { return };
        match (space.live(kind).take_visitor(), goal) {
            (Some(Visitor::Count(counts)), Goal::Stacks(process, rows)) => {
                let process =
                    self.sweeps.snapshot.as_mut().and_then(|it| it.processes.get_mut(process));
                if let Some(process) = process {
                    *process.stacks_of(kind) = rows.with(*counts);
                }
            }
            (Some(Visitor::Place(placing)), Goal::Picture(pending)) => {
                self.picture_done(*pending, &placing);
            }
            _ => {}
        }
    }
}
