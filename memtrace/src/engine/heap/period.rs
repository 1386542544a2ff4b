//! An account of a period: what was allocated in it, what of that is alive, what was temporary, and how old became
//! what was freed in it.

mod sums;

use super::blocks::{Block, TIME_STEP};
use super::lifespans::Lifespans;
use super::recent::Recent;
use crate::engine::detail::{Period, Temporary};
use crate::engine::sampling::Weight;
use crate::engine::snapshot::PeriodFigures;
use crate::engine::trend::Freed;
use crate::model::ids::Nanos;
use sums::{Sum, Sums};

/// How a block went.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gone {
    /// When.
    pub(crate) time: Nanos,
    /// How old it was; `None`: that is not known.
    pub(crate) age: Option<Nanos>,
    /// Its address is another block's already.
    pub(crate) is_replaced: bool,
    /// Some blocks are samples.
    pub(crate) is_sampled: bool,
}

/// See the file's head.
#[derive(Debug)]
pub(crate) struct PeriodAccount {
    period: Period,
    sums: Sums,
    /// Of all blocks that were freed in the period, whenever they were allocated.
    lifespans: Lifespans,
    recent: Recent,
    /// Who makes the call that comes next.
    pub(crate) thread: u32,
}

impl PeriodAccount {
    /// `room`: blocks that may be followed at once for whether they are temporary.
    pub(crate) fn new(period: Period, room: usize) -> Self {
        // Births are kept in steps: with one that had begun before, its blocks would come in and not go out.
        let period = Period { after: period.after | (TIME_STEP - 1), ..period };
        let most = match period.temporary {
            Temporary::Allocations(most) => most,
            Temporary::Age(_) => 0,
        };
        Self {
            period,
            sums: Sums::default(),
            lifespans: Lifespans::default(),
            recent: Recent::new(most, room),
            thread: 0,
        }
    }

    /// A block of this stack comes soon, or goes at this age.
    #[inline]
    pub(crate) fn prefetch(&self, stack: u32, age: Option<Nanos>) {
        self.sums.prefetch(stack);
        if let Some(age) = age {
            self.lifespans.prefetch(stack, age);
        }
    }

    /// A block was allocated.
    pub(crate) fn allocated(&mut self, block: &Block) {
        // Every allocation tells how many a thread has made; blocks from before are never temporary.
        self.recent.allocated(self.thread, block.address);
        if block.born > self.period.after {
            self.sums.add(Sum::Allocated, block);
        }
    }

    /// A block lives.
    pub(crate) fn came(&mut self, block: &Block) {
        if block.born > self.period.after {
            self.sums.add(Sum::Kept, block);
        }
    }

    /// A block that came does so no longer.
    pub(crate) fn went(&mut self, block: &Block) {
        if block.born > self.period.after {
            self.sums.remove(Sum::Kept, block);
        }
    }

    /// Of all that lives it is not known any more whether it does.
    pub(crate) fn lose_sight(&mut self) {
        self.sums.clear(Sum::Kept);
        self.recent.forget();
    }

    /// A block was given back; see [`Gone`].
    pub(crate) fn freed(&mut self, block: &Block, gone: &Gone) {
        let Gone { time, age, .. } = *gone;
        let is_recent = self.is_recent(block, gone);
        if time <= self.period.after {
            return;
        }
        let is_temporary = match self.period.temporary {
            Temporary::Allocations(_) => is_recent,
            Temporary::Age(most) => age.is_some_and(|age| age <= most),
        };
        if is_temporary && block.born > self.period.after {
            self.sums.add(Sum::Temporary, block);
        }
        if let Some(age) = age {
            let weight = gone.is_sampled.then(|| Weight::of(block.size, block.interval));
            self.lifespans.freed(block.stack, age, weight);
        }
    }

    fn is_recent(&mut self, block: &Block, gone: &Gone) -> bool {
        if gone.is_replaced {
            self.recent.lose_one();
            return false;
        }
        self.recent.freed(block.address)
    }

    /// Of one stack; of blocks whose stack is not known `None`. `interval`: that of the latest sample, if there is
    /// any.
    pub(crate) fn figures(&self, stack: Option<u32>, interval: Option<u64>) -> PeriodFigures {
        let sum = |which| self.sums.sum(which, stack, interval);
        PeriodFigures {
            allocated: sum(Sum::Allocated),
            kept: sum(Sum::Kept),
            temporary: sum(Sum::Temporary),
            // Who allocates between two samples is not known.
            knows_temporary: interval.is_none() || !self.counts_allocations(),
            unfollowed: self.recent.unfollowed(),
            untold_frees: self.lifespans.untold(),
        }
    }

    /// How old blocks of a stack were that were freed; `None`: not known.
    pub(crate) fn ages(&self, stack: u32) -> Option<Freed> {
        self.lifespans.of(stack)
    }

    const fn counts_allocations(&self) -> bool {
        matches!(self.period.temporary, Temporary::Allocations(_))
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.sums.memory_bytes() + self.lifespans.memory_bytes() + self.recent.memory_bytes()
    }
}
