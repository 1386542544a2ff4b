//! The meaning of allocator events: what they do to the live heap of an address space.

use super::blocks::{Block, BlockTable, Inserted};
use super::lifespans::Lifespans;
use super::overwrites::Overwrites;
use super::sampled::{Sampled, rounded};
use super::tallies::Tallies;
use crate::engine::sampling::Weight;
use crate::engine::snapshot::HeapTotals;
use crate::model::ids::Nanos;
use memtrace_common::classes::Sizing;

/// What the kernel side saw of a reallocation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resize {
    pub(crate) old_address: u64,
    pub(crate) entered: Nanos,
    /// The block at the old address may be one that was not taken.
    pub(crate) perhaps_not_taken: bool,
    pub(crate) new: Block,
}

/// The live heap of one address space.
#[derive(Clone, Debug)]
pub(crate) struct LiveHeap {
    blocks: BlockTable,
    totals: HeapTotals,
    tallies: Tallies,
    overwrites: Overwrites,
    lifespans: Lifespans,
    unsupported: u64,
    /// From the first sample on.
    sampled: Option<Box<Sampled>>,
}

impl LiveHeap {
    pub(crate) fn new(now: Nanos) -> Self {
        Self {
            blocks: BlockTable::new(now),
            totals: HeapTotals::default(),
            tallies: Tallies::default(),
            overwrites: Overwrites::default(),
            lifespans: Lifespans::default(),
            unsupported: 0,
            sampled: None,
        }
    }

    /// The heap of a child that was forked now: the same blocks, none of them its own doing.
    pub(crate) fn forked(&self) -> Self {
        let HeapTotals { live_bytes, live_blocks, usable, .. } = self.totals;
        let mut tallies = self.tallies.clone();
        tallies.reset_to_live();
        Self {
            blocks: self.blocks.clone(),
            totals: HeapTotals {
                live_bytes,
                live_blocks,
                peak_bytes: live_bytes,
                usable,
                inherited_bytes: live_bytes,
                inherited_blocks: live_blocks,
                ..HeapTotals::default()
            },
            tallies,
            overwrites: Overwrites::default(),
            lifespans: Lifespans::default(),
            unsupported: 0,
            sampled: self.sampled.as_ref().map(|sampled| Box::new(sampled.forked())),
        }
    }

    /// The heap of a child for whose copy there is no room: all that it inherits is evicted.
    pub(crate) fn forked_without_room(&self, now: Nanos) -> Self {
        let HeapTotals { live_bytes, live_blocks, .. } = self.totals();
        let totals = HeapTotals {
            inherited_bytes: live_bytes,
            inherited_blocks: live_blocks,
            evicted_bytes: live_bytes,
            evicted_blocks: live_blocks,
            ..HeapTotals::default()
        };
        Self { totals, ..Self::new(now) }
    }

    pub(crate) const fn blocks(&self) -> &BlockTable {
        &self.blocks
    }

    /// Totals; estimates, with their bounds, if any block is a sample.
    pub(crate) fn totals(&self) -> HeapTotals {
        match &self.sampled {
            Some(sampled) => sampled.totals(&self.totals),
            None => self.totals,
        }
    }

    /// Live bytes, as in [`Self::totals`].
    pub(crate) fn live_bytes(&self) -> u64 {
        match &self.sampled {
            Some(sampled) => sampled.live_bytes(),
            None => self.totals.live_bytes,
        }
    }

    /// What the blocks stand for, if any is a sample.
    pub(crate) fn sampled(&self) -> Option<&Sampled> {
        self.sampled.as_deref()
    }

    /// Live bytes by call stack.
    pub(crate) fn live_bytes_by_stack(&self) -> impl Iterator<Item = u64> {
        let plain = self.tallies.iter().map(|(tally, _)| tally.live_bytes);
        let estimates = self
            .sampled()
            .into_iter()
            .flat_map(Sampled::stacks)
            .map(|(it, _)| rounded(&it.live.bytes));
        let mut estimates = estimates.fuse();
        let is_sampled = self.sampled.is_some();
        plain.map(move |bytes| if is_sampled { estimates.next().unwrap_or(0) } else { bytes })
    }

    pub(crate) const fn tallies(&self) -> &Tallies {
        &self.tallies
    }

    /// How old the freed blocks became.
    pub(crate) const fn lifespans(&self) -> &Lifespans {
        &self.lifespans
    }

    /// Blocks refused since the last call because address or size is too large.
    pub(crate) const fn take_unsupported(&mut self) -> u64 {
        std::mem::replace(&mut self.unsupported, 0)
    }

    /// A number for one more call stack, whose blocks have sizes in this way.
    pub(crate) fn add_stack(&mut self, sizing: Sizing) -> u32 {
        self.tallies.add(sizing)
    }

    /// Has sums for each call stack up to this number, where numbers are given by another heap.
    pub(crate) fn reach_stack(&mut self, number: u32) {
        self.tallies.reach(number);
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.blocks.memory_bytes()
            + self.tallies.memory_bytes()
            + self.lifespans.memory_bytes()
            + self.sampled().map_or(0, Sampled::memory_bytes)
    }

    /// An allocation has returned. `has_room`: the block may be kept.
    pub(crate) fn allocate(&mut self, block: Block, has_room: bool) {
        if block.address == 0 {
            self.totals.failed += 1;
            return;
        }
        if block.interval != 0 && self.sampled.is_none() {
            self.sampled = Some(Box::new(Sampled::begin(&self.totals, &self.tallies)));
        }
        if let Some(sampled) = &mut self.sampled {
            sampled.allocated(&block);
        }
        self.totals.allocated_blocks += 1;
        self.totals.allocated_bytes = self.totals.allocated_bytes.wrapping_add(block.size);
        self.tallies.allocated(block.stack, block.size);
        match self.blocks.insert(block, has_room) {
            Inserted::New => self.came(&block),
            Inserted::Over(old) => {
                self.overwrite(old, block.born);
                self.came(&block);
            }
            Inserted::NoRoom => self.evict(&block),
            Inserted::Unsupported => {
                self.unsupported += 1;
                if let Some(old) = self.blocks.remove(block.address) {
                    self.overwrite(old, block.born);
                }
                self.evict(&block);
            }
        }
    }

    /// A block was given back. `is_internal`: by the allocator itself, whose blocks may be free
    /// already.
    ///
    /// `perhaps_not_taken`: it may be a block that was not taken, which is no reason to wonder.
    pub(crate) fn free(
        &mut self,
        address: u64,
        is_internal: bool,
        perhaps_not_taken: bool,
        time: Nanos,
    ) {
        match self.blocks.remove(address) {
            Some(block) => self.release(&block, time),
            None => self.count_unknown(is_internal, perhaps_not_taken),
        }
    }

    fn count_unknown(&mut self, is_internal: bool, perhaps_not_taken: bool) {
        if is_internal {
            self.totals.internal_frees += 1;
        } else if !perhaps_not_taken {
            self.totals.unknown_frees += 1;
        }
    }

    /// A reallocation has returned. The old block goes first, so that a block that grows in place
    /// does not count twice in the peak.
    pub(crate) fn reallocate(&mut self, resize: &Resize, has_room: bool) {
        if resize.old_address != 0 {
            if resize.new.address == 0 && resize.new.size > 0 {
                self.totals.failed += 1;
                return;
            }
            let before = self.blocks.len();
            self.free_old(resize);
            if resize.new.address != 0 {
                // The new block may take the old one's room.
                self.allocate(resize.new, has_room || self.blocks.len() < before);
            }
            return;
        }
        self.allocate(resize.new, has_room);
    }

    /// Removes the block that lived at `address` when the call was entered.
    fn free_old(&mut self, resize: &Resize) {
        let (address, entered) = (resize.old_address, resize.entered);
        if self.blocks.get(address).is_some_and(|block| block.born <= entered) {
            self.free(address, false, resize.perhaps_not_taken, entered);
        } else if let Some(old) = self.overwrites.take(address, entered) {
            self.totals.missed_frees -= 1;
            self.totals.missed_bytes = self.totals.missed_bytes.wrapping_sub(old.size);
            if let Some(sampled) = &mut self.sampled {
                sampled.explained(&old);
            }
            self.count_freed(&old, entered);
        } else {
            self.count_unknown(false, resize.perhaps_not_taken);
        }
    }

    fn overwrite(&mut self, old: Block, time: Nanos) {
        self.totals.missed_frees += 1;
        self.totals.missed_bytes = self.totals.missed_bytes.wrapping_add(old.size);
        if let Some(sampled) = &mut self.sampled {
            sampled.missed(&old);
        }
        self.went(&old);
        self.overwrites.note(old, time);
    }

    fn evict(&mut self, block: &Block) {
        if let Some(sampled) = &mut self.sampled {
            sampled.evicted(block);
        }
        self.totals.evicted_blocks += 1;
        self.totals.evicted_bytes = self.totals.evicted_bytes.wrapping_add(block.size);
    }

    fn release(&mut self, block: &Block, time: Nanos) {
        self.count_freed(block, time);
        self.went(block);
    }

    fn count_freed(&mut self, block: &Block, time: Nanos) {
        if let Some(sampled) = &mut self.sampled {
            sampled.freed(block);
        }
        self.totals.freed_blocks += 1;
        self.totals.freed_bytes = self.totals.freed_bytes.wrapping_add(block.size);
        self.tallies.freed(block.stack, block.size);
        let weight = self.sampled.is_some().then(|| Weight::of(block.size, block.interval));
        self.lifespans.freed(block.stack, time.saturating_sub(block.born), weight);
    }

    fn came(&mut self, block: &Block) {
        if let Some(sampled) = &mut self.sampled {
            sampled.came(block);
        }
        self.tallies.came(block.stack, block.size);
        self.totals.live_blocks += 1;
        self.totals.live_bytes = self.totals.live_bytes.wrapping_add(block.size);
        self.totals.usable.came(self.tallies.sizing(block.stack), block);
        if self.totals.live_bytes > self.totals.peak_bytes {
            self.totals.peak_bytes = self.totals.live_bytes;
            self.tallies.mark_peak();
        }
    }

    fn went(&mut self, block: &Block) {
        if let Some(sampled) = &mut self.sampled {
            sampled.went(block);
        }
        self.tallies.went(block.stack, block.size);
        self.totals.live_blocks -= 1;
        self.totals.live_bytes = self.totals.live_bytes.wrapping_sub(block.size);
        self.totals.usable.went(self.tallies.sizing(block.stack), block);
    }
}
