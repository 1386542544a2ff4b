//! Blocks that a program samples itself, and tells of with what each stands for.
//!
//! An account beside the heap's: the same blocks may be in both, so the two are never added. The program says
//! what a block of S bytes that it took with probability p stands for, S/p bytes, and nothing else: p = S over
//! what was said. What is said to stand for less than its own size was not weighted so (a multiple of the
//! sampling interval, say); of it p is not known, and it counts as if hardly any of its kind were taken, which
//! makes intervals too wide rather than too narrow.

use super::Estimate;
use crate::engine::hash::Seeded;
use crate::model::ids::StackId;
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
#[derive(Clone, Copy, Debug, Default, PartialEq)]
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

    fn remove(&mut self, block: &Told) {
        let seen = block.size.min(block.weighted) as f64;
        self.bytes.remove(block.weighted as f64, seen, block.missed());
        self.blocks.remove(block.blocks(), 1.0, block.missed());
    }
}

/// What is live and what was allocated.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sums {
    /// Told of and not given back.
    pub live: Sum,
    /// All that was told of.
    pub allocated: Sum,
}

/// What does not fit into sums. Counts of samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
}

/// The account of one process.
#[derive(Debug)]
pub struct ToldBlocks {
    blocks: HashMap<u64, Told, Seeded>,
    stacks: HashMap<StackId, Sums, Seeded>,
    max_blocks: usize,
    max_stacks: usize,
    totals: Sums,
    oddities: Oddities,
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
        }
    }

    /// A sampled block is new.
    pub fn allocate(&mut self, address: u64, block: Told) {
        if let Some(old) = self.blocks.remove(&address) {
            self.oddities.missed_frees += 1;
            self.forget(&old);
        }
        let block = self.with_known_stack(block);
        self.oddities.below_size += u64::from(block.is_below_size());
        let has_room = self.blocks.len() < self.max_blocks;
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

#[cfg(test)]
mod tests {
    use super::{Oddities, Sum, Sums, Told, ToldBlocks};
    use crate::engine::sampling::Weight;
    use crate::model::ids::StackId;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    const INTERVAL: u64 = 512 << 10;

    fn told(size: u64, weighted: u64) -> Told {
        Told { size, weighted, stack: None }
    }

    fn of_stack(size: u64, weighted: u64, stack: u32) -> Told {
        Told { stack: Some(StackId(stack)), ..told(size, weighted) }
    }

    fn room(blocks: usize, stacks: usize) -> ToldBlocks {
        ToldBlocks::new(blocks, stacks, 1)
    }

    #[test]
    fn known_weights_have_exact_sums() {
        let mut account = room(10, 10);
        account.allocate(0x10, of_stack(16, INTERVAL, 1));
        account.allocate(0x20, of_stack(1 << 20, 1 << 20, 2));
        account.allocate(0x30, of_stack(64, INTERVAL, 1));
        account.free(0x10);
        let Sums { live, allocated } = *account.totals();
        assert_eq!(live.bytes.value(), ((1 << 20) + INTERVAL) as f64);
        assert_eq!(live.blocks.value(), (1 + INTERVAL / 64) as f64);
        assert_eq!(allocated.bytes.value(), ((1 << 20) + 2 * INTERVAL) as f64);
        assert_eq!(allocated.blocks.value(), (INTERVAL / 16 + 1 + INTERVAL / 64) as f64);
        let by_stack: BTreeMap<u32, f64> =
            account.stacks().map(|(stack, sums)| (stack.0, sums.live.bytes.value())).collect();
        assert_eq!(by_stack, BTreeMap::from([(1, INTERVAL as f64), (2, f64::from(1 << 20))]));
        assert_eq!(account.oddities(), Oddities::default());
    }

    #[test]
    fn what_stands_for_itself_is_certain_and_the_rest_is_not() {
        let mut account = room(10, 0);
        account.allocate(1, told(1 << 20, 1 << 20));
        let certain = account.totals().live.bytes.interval(0.0);
        assert_eq!((certain.low, certain.high), (f64::from(1 << 20), f64::from(1 << 20)));
        account.allocate(2, told(16, INTERVAL));
        let open = account.totals().live.bytes.interval(0.0);
        // One sample: at least what was seen.
        assert!(open.low >= ((1 << 20) + 16) as f64 && open.low < ((1 << 20) + INTERVAL) as f64);
        assert!(open.high > ((1 << 20) + INTERVAL) as f64);
    }

    #[test]
    fn the_probability_is_that_of_the_weight() {
        for size in [1_u64, 4096, 100_000, 1 << 20, 10 << 20] {
            let weight = Weight::of(size, INTERVAL);
            let block = told(size, weight.bytes.round() as u64);
            // What is told of is whole bytes.
            assert!((block.missed() - weight.missed).abs() < 1e-5, "{size}");
            assert!((block.blocks() / weight.blocks - 1.0).abs() < 1e-5, "{size}");
        }
    }

    #[test]
    fn what_stands_for_less_than_itself_is_counted_and_uncertain() {
        let mut account = room(10, 0);
        account.allocate(1, told(INTERVAL + 1, INTERVAL));
        let live = account.totals().live;
        assert_eq!(live.bytes.value(), INTERVAL as f64);
        assert_eq!(live.blocks.value(), 1.0);
        assert!(live.bytes.interval(0.0).high > (INTERVAL + 1) as f64);
        assert_eq!(account.oddities().below_size, 1);
    }

    #[test]
    fn a_block_of_no_bytes_is_a_block() {
        let mut account = room(10, 0);
        account.allocate(1, told(0, 0));
        assert_eq!(account.totals().live.blocks.value(), 1.0);
        assert_eq!(account.totals().live.bytes.value(), 0.0);
        account.free(1);
        assert_eq!(account.totals().live, Sum::default());
    }

    #[test]
    fn odd_things_are_counted() {
        let mut account = room(2, 1);
        account.free(7);
        account.allocate(1, of_stack(8, 80, 1));
        account.allocate(1, of_stack(8, 160, 1));
        account.allocate(2, of_stack(8, 80, 2));
        account.allocate(3, of_stack(8, 80, 1));
        let expected = Oddities {
            unknown_frees: 1,
            missed_frees: 1,
            evicted: 1,
            crowded_out: 1,
            below_size: 0,
        };
        assert_eq!(account.oddities(), expected);
        assert_eq!(account.totals().live.bytes.value(), 240.0);
        assert_eq!(account.totals().allocated.bytes.value(), 400.0);
        let (_, only) = account.stacks().next().expect("a stack");
        assert_eq!((only.live.bytes.value(), account.stacks().count()), (160.0, 1));
    }

    /// A step: a block, or `None` for a free.
    fn steps() -> impl Strategy<Value = Vec<(u64, Option<Told>)>> {
        let block = (0_u64..5000, 0_u64..1 << 20, prop::option::of(0_u32..5))
            .prop_map(|(size, weighted, stack)| Told { size, weighted, stack: stack.map(StackId) });
        prop::collection::vec((0_u64..8, prop::option::of(block)), 0..80)
    }

    proptest! {
        /// Against a map that keeps everything.
        #[test]
        fn sums_are_those_of_what_is_live(steps in steps()) {
            let mut account = room(5, 3);
            let mut naive: BTreeMap<u64, Told> = BTreeMap::new();
            let mut allocated = 0;
            for (address, block) in steps {
                let Some(block) = block else {
                    account.free(address);
                    naive.remove(&address);
                    continue;
                };
                account.allocate(address, block);
                allocated += block.weighted;
                naive.remove(&address);
                if naive.len() < 5 {
                    naive.insert(address, block);
                }
            }
            let live: u64 = naive.values().map(|block| block.weighted).sum();
            let totals = account.totals();
            // Whole numbers far below 2^53 are added without rounding.
            prop_assert_eq!(totals.live.bytes.value(), live as f64);
            prop_assert_eq!(totals.live.bytes.samples(), naive.len() as u64);
            prop_assert_eq!(totals.allocated.bytes.value(), allocated as f64);
            let by_stack: f64 = account.stacks().map(|(_, sums)| sums.live.bytes.value()).sum();
            prop_assert!(by_stack <= live as f64 && account.stacks().count() <= 3);
            let interval = totals.live.bytes.interval(0.0);
            prop_assert!(interval.low <= live as f64 && live as f64 <= interval.high);
        }

        #[test]
        fn anything_may_be_told(size: u64, weighted: u64) {
            let mut account = room(1, 0);
            account.allocate(1, told(size, weighted));
            let interval = account.totals().live.blocks.interval(0.0);
            prop_assert!(interval.low.is_finite() && interval.high.is_finite());
            account.free(1);
            prop_assert_eq!(account.totals().live, Sum::default());
        }
    }
}
