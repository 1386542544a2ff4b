//! The meaning of allocator events: what they do to the live heap of an address space.

use super::blocks::{Block, BlockTable, Inserted};
use super::lifespans::Lifespans;
use super::overwrites::Overwrites;
use super::tallies::Tallies;
use crate::engine::snapshot::HeapTotals;
use crate::model::ids::Nanos;
use memtrace_common::classes::SizeClasses;

/// What the kernel side saw of a reallocation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resize {
    pub(crate) old_address: u64,
    pub(crate) entered: Nanos,
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
        }
    }

    /// The heap of a child for whose copy there is no room: all that it inherits is evicted.
    pub(crate) fn forked_without_room(&self, now: Nanos) -> Self {
        let HeapTotals { live_bytes, live_blocks, .. } = self.totals;
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

    pub(crate) const fn totals(&self) -> &HeapTotals {
        &self.totals
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

    /// A number for one more call stack, whose blocks have these size classes.
    pub(crate) fn add_stack(&mut self, classes: SizeClasses) -> u32 {
        self.tallies.add(classes)
    }

    /// Has sums for each call stack up to this number, where numbers are given by another heap.
    pub(crate) fn reach_stack(&mut self, number: u32) {
        self.tallies.reach(number);
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.blocks.memory_bytes() + self.tallies.memory_bytes() + self.lifespans.memory_bytes()
    }

    /// An allocation has returned. `has_room`: the block may be kept.
    pub(crate) fn allocate(&mut self, block: Block, has_room: bool) {
        if block.address == 0 {
            self.totals.failed += 1;
            return;
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
    pub(crate) fn free(&mut self, address: u64, is_internal: bool, time: Nanos) {
        match self.blocks.remove(address) {
            Some(block) => self.release(&block, time),
            None if is_internal => self.totals.internal_frees += 1,
            None => self.totals.unknown_frees += 1,
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
            self.free_old(resize.old_address, resize.entered);
            if resize.new.address != 0 {
                // The new block may take the old one's room.
                self.allocate(resize.new, has_room || self.blocks.len() < before);
            }
            return;
        }
        self.allocate(resize.new, has_room);
    }

    /// Removes the block that lived at `address` when the call was entered.
    fn free_old(&mut self, address: u64, entered: Nanos) {
        if self.blocks.get(address).is_some_and(|block| block.born <= entered) {
            self.free(address, false, entered);
        } else if let Some(old) = self.overwrites.take(address, entered) {
            self.totals.missed_frees -= 1;
            self.totals.missed_bytes = self.totals.missed_bytes.wrapping_sub(old.size);
            self.count_freed(&old, entered);
        } else {
            self.totals.unknown_frees += 1;
        }
    }

    fn overwrite(&mut self, old: Block, time: Nanos) {
        self.totals.missed_frees += 1;
        self.totals.missed_bytes = self.totals.missed_bytes.wrapping_add(old.size);
        self.went(&old);
        self.overwrites.note(old, time);
    }

    const fn evict(&mut self, block: &Block) {
        self.totals.evicted_blocks += 1;
        self.totals.evicted_bytes = self.totals.evicted_bytes.wrapping_add(block.size);
    }

    fn release(&mut self, block: &Block, time: Nanos) {
        self.count_freed(block, time);
        self.went(block);
    }

    fn count_freed(&mut self, block: &Block, time: Nanos) {
        self.totals.freed_blocks += 1;
        self.totals.freed_bytes = self.totals.freed_bytes.wrapping_add(block.size);
        self.tallies.freed(block.stack, block.size);
        self.lifespans.freed(block.stack, time.saturating_sub(block.born));
    }

    fn came(&mut self, block: &Block) {
        self.tallies.came(block.stack, block.size);
        self.totals.live_blocks += 1;
        self.totals.live_bytes = self.totals.live_bytes.wrapping_add(block.size);
        self.totals.usable.came(self.tallies.classes(block.stack), block);
        if self.totals.live_bytes > self.totals.peak_bytes {
            self.totals.peak_bytes = self.totals.live_bytes;
            self.tallies.mark_peak();
        }
    }

    fn went(&mut self, block: &Block) {
        self.tallies.went(block.stack, block.size);
        self.totals.live_blocks -= 1;
        self.totals.live_bytes = self.totals.live_bytes.wrapping_sub(block.size);
        self.totals.usable.went(self.tallies.classes(block.stack), block);
    }
}
