//! The meaning of allocator events: what they do to the live heap of an address space.

use super::blocks::{Block, BlockTable, Inserted, Remains, SweepPlace};
use super::lifespans::Lifespans;
use super::lost::LostFrees;
use super::overwrites::Overwrites;
use super::period::{Gone, PeriodAccount};
use super::sampled::{Sampled, rounded};
use super::tallies::Tallies;
use crate::engine::alerts::Held;
use crate::engine::detail::Period;
use crate::engine::sampling::Weight;
use crate::engine::snapshot::{Confidence, HeapTotals};
use crate::engine::sweeps::Visitor;
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

/// Of which blocks it is not known whether they live. Births tell, so that a window closes in a moment, however
/// many blocks there are.
#[derive(Clone, Copy, Debug, Default)]
struct Sight {
    /// The latest birth so far, as the table keeps it.
    newest: Nanos,
    /// Blocks that were born until then may have been freed unseen.
    unknown: Option<Nanos>,
    is_closed: bool,
}

impl Sight {
    /// A block that was born then is told of. In time that is closed it may have gone since.
    fn came(&mut self, born: Nanos) {
        self.newest = self.newest.max(born);
        if self.is_closed {
            self.unknown = self.unknown.max(Some(born));
        }
    }
}

/// The live heap of one address space.
#[derive(Debug)]
pub(crate) struct LiveHeap {
    blocks: BlockTable,
    totals: HeapTotals,
    tallies: Tallies,
    overwrites: Overwrites,
    lifespans: Lifespans,
    unsupported: u64,
    sight: Sight,
    lost: LostFrees,
    /// Where an account of a period is kept.
    period: Option<Box<PeriodAccount>>,
    /// From the first sample on.
    sampled: Option<Box<Sampled>>,
    /// While all blocks of a moment are visited.
    sweep: Option<Sweep>,
}

#[derive(Debug)]
struct Sweep {
    place: SweepPlace,
    visitor: Visitor,
    /// As in [`Sight`], of the moment at which it began: blocks of which it was not known whether they live.
    unknown: Option<Nanos>,
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
            sight: Sight::default(),
            lost: LostFrees::default(),
            period: None,
            sampled: None,
            sweep: None,
        }
    }

    /// The heap of a child that was forked now: the same blocks, none of them its own doing. A sweep of this one is
    /// none of the child's.
    pub(crate) fn forked(&mut self) -> Self {
        let HeapTotals { live_bytes, live_blocks, unknown_bytes, unknown_blocks, usable, .. } =
            self.totals;
        let mut tallies = self.tallies.clone();
        tallies.reset_to_live();
        Self {
            blocks: self.blocks.forked(),
            totals: HeapTotals {
                live_bytes,
                live_blocks,
                peak_bytes: live_bytes,
                usable,
                unknown_bytes,
                unknown_blocks,
                inherited_bytes: live_bytes.wrapping_add(unknown_bytes),
                inherited_blocks: live_blocks + unknown_blocks,
                ..HeapTotals::default()
            },
            tallies,
            overwrites: Overwrites::default(),
            lifespans: Lifespans::default(),
            unsupported: 0,
            sight: self.sight,
            // What was freed unseen before is gone in the copy, too.
            lost: self.lost.forked(self.totals.missed_frees),
            period: None,
            sampled: self.sampled.as_ref().map(|sampled| Box::new(sampled.forked())),
            sweep: None,
        }
    }

    /// The heap of a child for whose copy there is no room: all that it inherits is evicted.
    pub(crate) fn forked_without_room(&self, now: Nanos) -> Self {
        let HeapTotals { live_bytes, live_blocks, unknown_bytes, unknown_blocks, .. } =
            self.totals();
        let (live_bytes, live_blocks) =
            (live_bytes.wrapping_add(unknown_bytes), live_blocks.saturating_add(unknown_blocks));
        let totals = HeapTotals {
            inherited_bytes: live_bytes,
            inherited_blocks: live_blocks,
            evicted_bytes: live_bytes,
            evicted_blocks: live_blocks,
            ..HeapTotals::default()
        };
        let sight = Sight { is_closed: self.sight.is_closed, ..Sight::default() };
        Self { totals, sight, ..Self::new(now) }
    }

    /// Keeps an account of a period from here on; what lives already must have been born before it. `room`: as for
    /// [`PeriodAccount::new`].
    pub(in crate::engine) fn account_for(&mut self, period: Period, room: usize) {
        self.period = Some(Box::new(PeriodAccount::new(period, room)));
    }

    /// The account of a period, if one is kept.
    pub(crate) fn period(&self) -> Option<&PeriodAccount> {
        self.period.as_deref()
    }

    /// The next call is this thread's.
    #[inline]
    pub(crate) fn called_by(&mut self, thread: u32) {
        if let Some(period) = &mut self.period {
            period.thread = thread;
        }
    }

    pub(crate) const fn blocks(&self) -> &BlockTable {
        &self.blocks
    }

    /// Whether it is not known if a block that is kept lives.
    fn is_unknown(&self, block: &Block) -> bool {
        self.sight.unknown.is_some_and(|until| self.blocks.kept_birth(block.born) <= until)
    }

    /// Of blocks that were born until then it is not known whether they live; `None`: it is known of all.
    pub(crate) const fn unknown_until(&self) -> Option<Nanos> {
        self.sight.unknown
    }

    /// Allocations and frees are not watched now.
    pub(crate) const fn is_closed(&self) -> bool {
        self.sight.is_closed
    }

    /// The latest birth so far, as the table keeps it, or when it closed last: nothing that closes it is earlier.
    pub(crate) const fn newest_birth(&self) -> Nanos {
        self.sight.newest
    }

    /// Frees are not seen any more: of what lives it is not known from now on whether it does, until a free of it is
    /// seen, or its address is given out again.
    pub(crate) fn close(&mut self, now: Nanos) {
        let newest = self.sight.newest.max(self.blocks.kept_birth(now));
        self.sight = Sight { newest, unknown: Some(newest), is_closed: true };
        if let Some(sampled) = &mut self.sampled {
            sampled.lose_sight();
        }
        self.tallies.lose_sight();
        // What was in doubt is unknown.
        self.lost.clear();
        if let Some(period) = &mut self.period {
            period.lose_sight();
        }
        let totals = &mut self.totals;
        totals.unknown_blocks += std::mem::take(&mut totals.live_blocks);
        let bytes = std::mem::take(&mut totals.live_bytes);
        totals.unknown_bytes = totals.unknown_bytes.wrapping_add(bytes);
        totals.usable.clear();
    }

    /// Takes blocks out of the table of which it is not known whether they live: what becomes of them cannot be told
    /// any more, so that they stay unknown for good.
    pub(crate) fn let_unknown_go(&mut self) {
        let unknown = self.blocks.iter().filter(|block| self.is_unknown(block));
        let unknown: Vec<u64> = unknown.map(|block| block.address).collect();
        for address in unknown {
            self.before_change(address);
            self.blocks.remove(address);
        }
    }

    /// They are seen again.
    pub(crate) const fn open(&mut self) {
        self.sight.is_closed = false;
    }

    /// Begins to show all blocks that live now, as far as is known, to `visitor`. The last sweep must have been
    /// taken.
    pub(in crate::engine) fn begin_sweep(&mut self, visitor: Visitor) {
        let place = self.blocks.begin_sweep();
        self.sweep = Some(Sweep { place, visitor, unknown: self.sight.unknown });
    }

    /// Whether blocks are being shown to a visitor that has not been taken.
    pub(crate) const fn is_swept(&self) -> bool {
        self.sweep.is_some()
    }

    /// What is left to be given back of a heap that has gone.
    pub(crate) fn into_remains(self) -> Remains {
        self.blocks.into_remains()
    }

    /// Shows it some more, and gives how many blocks were looked at; `None`: it has seen all.
    pub(crate) fn sweep(&mut self) -> Option<usize> {
        let Sweep { place, visitor, unknown } = self.sweep.as_mut()?;
        let (tallies, unknown) = (&self.tallies, *unknown);
        self.blocks.sweep(place, &mut |block| {
            if unknown < Some(block.born) {
                visitor.visit(&block, tallies.sizing(block.stack));
            }
        })
    }

    /// The visitor of a sweep that has come to its end.
    pub(in crate::engine) fn take_visitor(&mut self) -> Option<Visitor> {
        self.sweep.take().map(|sweep| sweep.visitor)
    }

    /// Shows the sweep what is about to change.
    #[inline]
    fn before_change(&mut self, address: u64) {
        if let Some(Sweep { visitor, unknown, .. }) = &mut self.sweep
            && let Some(block) = self.blocks.meet(address)
            && *unknown < Some(block.born)
        {
            visitor.visit(&block, self.tallies.sizing(block.stack));
        }
    }

    /// Totals; estimates, with their bounds, if any block is a sample.
    pub(crate) fn totals(&self) -> HeapTotals {
        let lost_frees = self.lost.left(self.totals.missed_frees).count;
        let plain = HeapTotals { lost_frees, ..self.totals };
        match &self.sampled {
            Some(sampled) => sampled.totals(&plain),
            None => plain,
        }
    }

    /// So many frees at most were not told until now, or of an unknown time before.
    pub(crate) fn lose_frees(&mut self, count: u64, now: Nanos) {
        let missed = self.totals.missed_frees;
        self.lost.add(count, missed, self.blocks.kept_birth(now));
    }

    /// A moment of those at which what is known is noted.
    pub(crate) fn note_missed(&mut self) {
        self.lost.mark(self.totals.missed_frees);
    }

    /// Blocks that were born until then may have been freed unseen; `None`: there are none.
    pub(crate) fn doubtful_until(&self) -> Option<Nanos> {
        self.lost.left(self.totals.missed_frees).until()
    }

    /// Live bytes, as in [`Self::totals`].
    pub(crate) fn live_bytes(&self) -> u64 {
        match &self.sampled {
            Some(sampled) => sampled.live_bytes(),
            None => self.totals.live_bytes,
        }
    }

    /// The same with what it rests on.
    pub(crate) fn held(&self) -> Held {
        let sampled = self.sampled().map(|sampled| (*sampled.live(), sampled.interval()));
        Held { bytes: self.live_bytes(), sampled }
    }

    /// Where they lie, if they are an estimate.
    pub(crate) fn live_range(&self) -> Option<Confidence> {
        self.sampled().map(Sampled::live_range)
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

    /// The same, each with the variance of each byte of it.
    pub(crate) fn held_by_stack(&self) -> impl Iterator<Item = (u64, f64)> {
        let sampled = self.sampled().into_iter().flat_map(Sampled::stacks);
        let variances = sampled.map(|(it, _)| it.live.bytes.variance_per_unit());
        self.live_bytes_by_stack().zip(variances.chain(std::iter::repeat(0.0)))
    }

    /// The sums of a stack are needed soon.
    #[inline]
    pub(crate) fn prefetch_sums(&self, stack: u32) {
        self.tallies.prefetch(stack);
        if let Some(period) = &self.period {
            period.prefetch(stack, None);
        }
    }

    /// The block at `address` is freed soon, at `time`.
    #[inline]
    pub(crate) fn prefetch_free(&self, address: u64, time: Nanos) {
        if let Some(block) = self.blocks.get(address) {
            let age = time.saturating_sub(block.born);
            self.tallies.prefetch(block.stack);
            self.lifespans.prefetch(block.stack, age);
            if let Some(period) = &self.period {
                period.prefetch(block.stack, Some(age));
            }
        }
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
            + self.period().map_or(0, PeriodAccount::memory_bytes)
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
        self.sight.came(self.blocks.kept_birth(block.born));
        self.totals.allocated_blocks += 1;
        self.totals.allocated_bytes = self.totals.allocated_bytes.wrapping_add(block.size);
        self.tallies.allocated(block.stack, block.size);
        self.before_change(block.address);
        let inserted = self.blocks.insert(block, has_room);
        let old = match inserted {
            Inserted::Over(old) => Some(old),
            Inserted::Unsupported => self.blocks.remove(block.address),
            Inserted::New | Inserted::NoRoom => None,
        };
        if let Some(old) = old {
            self.overwrite(old, block.born);
        }
        // After the old one has gone, which had the same address.
        if let Some(period) = &mut self.period {
            period.allocated(&block);
        }
        match inserted {
            Inserted::New | Inserted::Over(_) => self.came(&block),
            Inserted::NoRoom => self.evict(&block),
            Inserted::Unsupported => {
                self.unsupported += 1;
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
        self.before_change(address);
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
            self.count_freed(&old, entered, true);
        } else {
            self.count_unknown(false, resize.perhaps_not_taken);
        }
    }

    fn overwrite(&mut self, old: Block, time: Nanos) {
        if self.is_unknown(&old) {
            // Its free was in no window, and nothing is odd.
            return self.release(&old, time);
        }
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
        self.count_freed(block, time, false);
        self.went(block);
    }

    /// `is_replaced`: its address is another block's already.
    fn count_freed(&mut self, block: &Block, time: Nanos, is_replaced: bool) {
        if let Some(sampled) = &mut self.sampled {
            sampled.freed(block);
        }
        self.totals.freed_blocks += 1;
        self.totals.freed_bytes = self.totals.freed_bytes.wrapping_add(block.size);
        self.tallies.freed(block.stack, block.size);
        // How old one became whose free may have come earlier is not known.
        let age = (!self.is_unknown(block)).then(|| time.saturating_sub(block.born));
        let is_sampled = self.sampled.is_some();
        if let Some(age) = age {
            let weight = is_sampled.then(|| Weight::of(block.size, block.interval));
            self.lifespans.freed(block.stack, age, weight);
        }
        if let Some(period) = &mut self.period {
            period.freed(block, &Gone { time, age, is_replaced, is_sampled });
        }
    }

    fn came(&mut self, block: &Block) {
        if self.is_unknown(block) {
            return self.came_unknown(block);
        }
        if let Some(sampled) = &mut self.sampled {
            sampled.came(block);
        }
        if let Some(period) = &mut self.period {
            period.came(block);
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

    /// A record that came late: what became of the block since is not known.
    fn came_unknown(&mut self, block: &Block) {
        if let Some(sampled) = &mut self.sampled {
            sampled.came_unknown(block);
        }
        self.tallies.came_unknown(block.stack, block.size);
        self.totals.unknown_blocks += 1;
        self.totals.unknown_bytes = self.totals.unknown_bytes.wrapping_add(block.size);
    }

    fn went_unknown(&mut self, block: &Block) {
        if let Some(sampled) = &mut self.sampled {
            sampled.went_unknown(block);
        }
        self.tallies.went_unknown(block.stack, block.size);
        self.totals.unknown_blocks -= 1;
        self.totals.unknown_bytes = self.totals.unknown_bytes.wrapping_sub(block.size);
    }

    fn went(&mut self, block: &Block) {
        if self.is_unknown(block) {
            return self.went_unknown(block);
        }
        if let Some(sampled) = &mut self.sampled {
            sampled.went(block);
        }
        if let Some(period) = &mut self.period {
            period.went(block);
        }
        self.tallies.went(block.stack, block.size);
        self.totals.live_blocks -= 1;
        self.totals.live_bytes = self.totals.live_bytes.wrapping_sub(block.size);
        self.totals.usable.went(self.tallies.sizing(block.stack), block);
    }
}
