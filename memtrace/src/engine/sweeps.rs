//! Walks over all blocks of a heap that go on piece by piece while events are taken in.
//!
//! Ten million blocks take hundreds of milliseconds, in which a ring buffer would overflow. Each walk sees the
//! blocks of the moment at which it began, whatever comes between its pieces (`super::heap::blocks`). So what comes of
//! it does not depend on when the pieces are done.

use super::count::{Counts, Rows};
use super::heap::blocks::{Block, Remains};
use super::picture::{Pending, Placing};
use super::process::Space;
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
    /// The call stacks of an account of a program that has ended, with this place in the order of first sight.
    Closed(u64, Rows),
    /// A process's picture.
    Picture(Box<Pending>),
}

/// A walk that has begun.
#[derive(Debug)]
struct Sweep {
    space: usize,
    kind: BlockKind,
    goal: Goal,
    /// Where another walk over the same blocks is to end first. They change no more.
    waiting: Option<Visitor>,
}

/// All walks, and the snapshot that some of them are for.
#[derive(Debug, Default)]
pub(super) struct Sweeps {
    begun: VecDeque<Sweep>,
    pub(super) snapshot: Option<Snapshot>,
    /// Address spaces that have gone and are still walked over, and their blocks.
    leaving: VecDeque<(usize, usize)>,
    /// Memory that is to be given back, of address spaces with as many blocks.
    remains: VecDeque<([Remains; 3], usize)>,
}

impl Sweeps {
    /// A walk over the blocks of this kind in this address space has begun.
    pub(super) fn begin(&mut self, space: usize, kind: BlockKind, goal: Goal) {
        self.begun.push_back(Sweep { space, kind, goal, waiting: None });
    }

    /// A walk begins as soon as the others over the same address space have ended, which changes no more.
    pub(super) fn begin_later(
        &mut self,
        space: usize,
        kind: BlockKind,
        goal: Goal,
        visitor: Visitor,
    ) {
        self.begun.push_back(Sweep { space, kind, goal, waiting: Some(visitor) });
    }

    /// Nobody lives in this address space, which has so many blocks, any more.
    pub(super) fn leave(&mut self, space: usize, blocks: usize) {
        self.leaving.push_back((space, blocks));
    }

    /// Blocks that are in memory and count no more.
    pub(super) fn blocks_left(&self) -> usize {
        let leaving = self.leaving.iter().map(|(_, blocks)| blocks);
        leaving.chain(self.remains.iter().map(|(_, blocks)| blocks)).sum()
    }

    /// Whether blocks of this address space are being looked up for a picture.
    pub(super) fn have_picture_of(&self, space: usize) -> bool {
        let is_one = |sweep: &Sweep| sweep.space == space && matches!(sweep.goal, Goal::Picture(_));
        self.begun.iter().any(is_one)
    }

    /// Whether no walk over this address space is under way.
    pub(super) fn are_over(&self, space: usize) -> bool {
        self.begun.iter().all(|sweep| sweep.space != space)
    }
}

impl Tracker {
    /// Goes on with what is made of all blocks piece by piece: pictures of memory, last looks at programs that have
    /// ended, then a snapshot; and with giving back their memory. Looks at `blocks` of them, or a few thousand more,
    /// and gives whether all is done.
    #[inline]
    pub fn advance(&mut self, blocks: usize) -> bool {
        let Sweeps { begun, leaving, remains, .. } = &self.sweeps;
        begun.is_empty() && leaving.is_empty() && remains.is_empty() || self.go_on(blocks)
    }

    /// Whether all blocks have been seen that were to be seen; memory may be left to be given back.
    #[must_use]
    pub fn walks_are_over(&self) -> bool {
        self.sweeps.begun.is_empty()
    }

    /// Comes to the end of all walks.
    pub(super) fn finish_walks(&mut self) {
        while self.sweep_some().is_some() {}
    }

    fn go_on(&mut self, blocks: usize) -> bool {
        let mut left = blocks;
        while left > 0 {
            // A piece costs something even if there is nothing in it.
            match self.sweep_some().or_else(|| self.give_some_back()) {
                Some(looked_at) => left = left.saturating_sub(looked_at.max(1)),
                None => return true,
            }
        }
        false
    }

    /// Goes on with the first walk, and gives how many blocks were looked at; `None`: there is none.
    fn sweep_some(&mut self) -> Option<usize> {
        let sweep = self.sweeps.begun.front_mut()?;
        let live = self.spaces.get_mut(sweep.space).map(|space| space.live(sweep.kind));
        let looked_at = live.and_then(|live| {
            if let Some(visitor) = sweep.waiting.take() {
                live.begin_sweep(visitor);
            }
            live.sweep()
        });
        if looked_at.is_none() {
            let done = self.sweeps.begun.pop_front();
            done.into_iter().for_each(|sweep| self.fulfil(sweep));
        }
        Some(looked_at.unwrap_or(0))
    }

    /// Gives back some memory of address spaces that have gone, and gives of how many blocks; `None`: there is none.
    fn give_some_back(&mut self) -> Option<usize> {
        if let Some(&(space, blocks)) = self.sweeps.leaving.front()
            && self.sweeps.are_over(space)
        {
            self.sweeps.leaving.pop_front();
            let gone = self.spaces.remove(space).map(Space::into_remains);
            self.sweeps.remains.extend(gone.map(|remains| (remains, blocks)));
        }
        let (remains, _) = self.sweeps.remains.front_mut()?;
        let given_back = remains.iter_mut().find_map(Remains::give_back);
        if given_back.is_none() {
            self.sweeps.remains.pop_front();
        }
        Some(given_back.unwrap_or(0))
    }

    /// Comes to the end of the walks over an address space, which is to be walked over again.
    pub(super) fn finish_sweeps_of(&mut self, space: usize) {
        if self.sweeps.are_over(space) {
            return;
        }
        let (own, others) =
            std::mem::take(&mut self.sweeps.begun).into_iter().partition(|it| it.space == space);
        self.sweeps.begun = own;
        while !self.sweeps.begun.is_empty() {
            self.sweep_some();
        }
        self.sweeps.begun = others;
    }

    /// Has the pictures of an address space end without a result.
    pub(super) fn drop_pictures_of(&mut self, space: usize) {
        let Self { sweeps, spaces, .. } = self;
        sweeps.begun.retain(|sweep| {
            let is_one = sweep.space == space && matches!(sweep.goal, Goal::Picture(_));
            if is_one && let Some(space) = spaces.get_mut(space) {
                space.live(sweep.kind).take_visitor();
            }
            !is_one
        });
    }

    fn fulfil(&mut self, sweep: Sweep) {
        let Sweep { space, kind, goal, .. } = sweep;
        let Some(space) = self.spaces.get_mut(space) else { return };
        match (space.live(kind).take_visitor(), goal) {
            (Some(Visitor::Count(counts)), Goal::Stacks(process, rows)) => {
                let process =
                    self.sweeps.snapshot.as_mut().and_then(|it| it.processes.get_mut(process));
                if let Some(process) = process {
                    *process.stacks_of(kind) = rows.with(*counts);
                }
            }
            (Some(Visitor::Count(counts)), Goal::Closed(order, rows)) => {
                // It may have been dropped since.
                if let Some(closed) = self.closed.iter_mut().find(|it| it.order == order) {
                    closed.awaited -= rows.len();
                    *closed.snapshot.stacks_of(kind) = rows.with(*counts);
                }
            }
            (Some(Visitor::Place(placing)), Goal::Picture(pending)) => {
                self.picture_done(*pending, &placing);
            }
            _ => {}
        }
    }
}
