//! Blocks that a program samples itself, and tells of with what each stands for.
//!
//! An account beside the heap's: the same blocks may be in both, so the two are never added. The program says
//! what a block of S bytes that it took with probability p stands for, S/p bytes, and nothing else: p = S over
//! what was said. What is said to stand for less than its own size was not weighted so (a multiple of the
//! sampling interval, say); of it p is not known, and it counts as if hardly any of its kind were taken, which
//! makes intervals too wide rather than too narrow.

#[cfg(test)]
mod tests;

use super::{Confidence, Estimate};
use crate::engine::hash::Seeded;
use crate::model::ids::StackId;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// A block as its program tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// Its size, bytes.
    pub size: u64,
    /// What it stands for, bytes.
    pub weighted: u64,
    /// Who allocated it, where that is known.
    pub stack: Option<StackId>,
}

impl Told {
    /// The share of blocks of this kind that is not taken.
    fn missed(&self) -> f64 {
        if self.is_below_size() {
            1.0
        } else {
            1.0 - self.size as f64 / self.weighted.max(1) as f64
        }
    }

    /// Whether it is said to stand for less than itself.
    const fn is_below_size(&self) -> bool {
        self.weighted < self.size
    }

    /// Blocks that it stands for. What is told of is there, so it is one at least, also of no bytes.
    fn blocks(&self) -> f64 {
        (self.weighted as f64 / self.size.max(1) as f64).max(1.0)
    }
}

/// Estimates of bytes and of blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sum {
    /// Bytes.
    pub bytes: Estimate,
    /// Blocks.
    pub blocks: Estimate,
}

impl Sum {
    fn add(&mut self, block: &Told) {
        let seen = block.size.min(block.weighted) as f64;
        self.bytes.add(block.weighted as f64, seen, block.missed());
        self.blocks.add(block.blocks(), 1.0, block.missed());
    }

    /// Where bytes and blocks lie.
    #[must_use]
    pub fn confidence(&self, unseen: Unseen) -> (Confidence, Confidence) {
        let of = |estimate: &Estimate, unseen| Confidence::of(estimate.interval(unseen));
        (of(&self.bytes, unseen.bytes), of(&self.blocks, unseen.blocks))
    }

    fn remove(&mut self, block: &Told) {
        let seen = block.size.min(block.weighted) as f64;
        self.bytes.remove(block.weighted as f64, seen, block.missed());
        self.blocks.remove(block.blocks(), 1.0, block.missed());
    }
}

/// What is live and what was allocated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sums {
    /// Told of and not given back.
    pub live: Sum,
    /// All that was told of.
    pub allocated: Sum,
}

/// What a sample stands for at least, as far as samples have shown, of kinds that are not surely taken: what is
/// said where none is there. (The sampler's interval would tell, but programs do not tell that.)
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Unseen {
    /// Bytes: the least that any stood for, which is the interval or a little more. 0: there was none.
    pub bytes: f64,
    /// Blocks: those bytes, by the mean size of the blocks.
    pub blocks: f64,
}

/// What does not fit into sums. Counts of samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Oddities {
    /// Frees of blocks that were not told of: sampled before tracing began, or lost.
    pub unknown_frees: u64,
    /// Blocks whose address was told of again without a free. They are not live any more.
    pub missed_frees: u64,
    /// Blocks for which there was no room: they are among what was allocated, and not live.
    pub evicted: u64,
    /// Blocks that count in the totals alone, as there was no room for their stack.
    pub crowded_out: u64,
    /// Blocks that are said to stand for less than their own size.
    pub below_size: u64,
    /// Samples that were alive in the parent when the process was forked. They are among the live ones.
    pub inherited: u64,
}

/// The account of one process.
#[derive(Clone, Debug)]
pub struct ToldBlocks {
    blocks: HashMap<u64, Told, Seeded>,
    stacks: HashMap<StackId, Sums, Seeded>,
    max_blocks: usize,
    max_stacks: usize,
    totals: Sums,
    oddities: Oddities,
    /// Least bytes that a sample stood for that was not surely taken.
    least: Option<u64>,
}

impl ToldBlocks {
    /// An empty account with room for so many live blocks and stacks; `seed` keeps a process from choosing
    /// addresses that collide.
    #[must_use]
    pub fn new(max_blocks: usize, max_stacks: usize, seed: u64) -> Self {
        Self {
            blocks: HashMap::with_hasher(Seeded(seed)),
            stacks: HashMap::with_hasher(Seeded(seed)),
            max_blocks,
            max_stacks,
            totals: Sums::default(),
            oddities: Oddities::default(),
            least: None,
        }
    }

    /// The account of a child that was forked now: the same blocks, none of them its own doing; or none, where
    /// there is no room for them.
    #[must_use]
    pub fn forked(&self, has_room: bool) -> Self {
        let count = self.blocks.len() as u64;
        let seed = *self.blocks.hasher();
        let empty = Self {
            blocks: HashMap::with_hasher(seed),
            stacks: HashMap::with_hasher(seed),
            totals: Sums::default(),
            oddities: Oddities { evicted: count, ..Oddities::default() },
            ..*self
        };
        if !has_room {
            return empty;
        }
        let of_child = |sums: &Sums| Sums { live: sums.live, ..Sums::default() };
        let is_live = |(_, sums): &(&StackId, &Sums)| sums.live.blocks.samples() > 0;
        let mut stacks = HashMap::with_hasher(seed);
        stacks.extend(
            self.stacks.iter().filter(is_live).map(|(&stack, sums)| (stack, of_child(sums))),
        );
        Self {
            blocks: self.blocks.clone(),
            stacks,
            totals: of_child(&self.totals),
            oddities: Oddities { inherited: count, ..Oddities::default() },
            ..empty
        }
    }

    /// Live blocks that are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.blocks.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// Bytes taken, about.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.blocks.capacity() * (size_of::<(u64, Told)>() + 1)
            + self.stacks.capacity() * (size_of::<(StackId, Sums)>() + 1)
    }

    /// What there may be where no sample is.
    #[must_use]
    pub fn unseen(&self) -> Unseen {
        let bytes = self.least.map_or(0.0, |least| least as f64);
        let Sum { bytes: all, blocks } = self.totals.allocated;
        let mean = if blocks.value() > 0.0 { (all.value() / blocks.value()).max(1.0) } else { 1.0 };
        Unseen { bytes, blocks: bytes / mean }
    }

    /// A sampled block is new; it is kept if `has_room`, and if there is room for it here.
    pub fn allocate(&mut self, address: u64, block: Told, has_room: bool) {
        if let Some(old) = self.blocks.remove(&address) {
            self.oddities.missed_frees += 1;
            self.forget(&old);
        }
        let block = self.with_known_stack(block);
        self.oddities.below_size += u64::from(block.is_below_size());
        if !Estimate::is_sure(block.missed()) {
            self.least = Some(self.least.unwrap_or(u64::MAX).min(block.weighted));
        }
        let has_room = has_room && self.blocks.len() < self.max_blocks;
        self.each_sum(&block, |sums| {
            sums.allocated.add(&block);
            if has_room {
                sums.live.add(&block);
            }
        });
        if has_room {
            self.blocks.insert(address, block);
        } else {
            self.oddities.evicted += 1;
        }
    }

    /// A sampled block is given back.
    pub fn free(&mut self, address: u64) {
        match self.blocks.remove(&address) {
            Some(block) => self.forget(&block),
            None => self.oddities.unknown_frees += 1,
        }
    }

    /// All together.
    #[must_use]
    pub const fn totals(&self) -> &Sums {
        &self.totals
    }

    /// What does not fit into sums.
    #[must_use]
    pub const fn oddities(&self) -> Oddities {
        self.oddities
    }

    /// By stack, in no particular order; blocks without one are in the totals alone.
    pub fn stacks(&self) -> impl Iterator<Item = (StackId, &Sums)> {
        self.stacks.iter().map(|(&stack, sums)| (stack, sums))
    }

    /// The block without its stack, if there is no room for that.
    fn with_known_stack(&mut self, block: Told) -> Told {
        let Some(stack) = block.stack else { return block };
        let has_room = self.stacks.len() < self.max_stacks;
        match self.stacks.entry(stack) {
            Entry::Occupied(_) => block,
            Entry::Vacant(vacant) if has_room => {
                vacant.insert(Sums::default());
                block
            }
            Entry::Vacant(_) => {
                self.oddities.crowded_out += 1;
                Told { stack: None, ..block }
            }
        }
    }

    fn forget(&mut self, block: &Told) {
        self.each_sum(block, |sums| sums.live.remove(block));
    }

    fn each_sum(&mut self, block: &Told, change: impl Fn(&mut Sums)) {
        change(&mut self.totals);
        if let Some(sums) = block.stack.and_then(|stack| self.stacks.get_mut(&stack)) {
            change(sums);
        }
    }
}
