//! A small ordered hash table of entries: one shard of the block table.
//!
//! Ordered linear probing: an entry's home is its hash scaled down to the capacity, and entries
//! stand in order of their hashes, each at its home or as near behind it as the order allows. So a
//! miss ends early, deletion shifts back instead of leaving tombstones, and growing or splitting
//! is one pass in order (Knuth, TAOCP 3, section 6.4, exercise 66; Celis' Robin Hood hashing is the
//! same idea). The table does not wrap: some spare slots behind the last home take the overflow.

use super::entry::Entry;
use super::fetch::fetch;
use super::slots::Slots;
use crate::engine::hash::mix;

/// An insertion grows a shard whose load would pass this, in percent of the homes.
const MOST_LOAD: usize = 85;

/// Load right after growing or splitting, percent. 22 bytes / 0.654 are 34 bytes per block: what is
/// left to the promised 40 is for the allocator's own waste. Growth is by 0.85 / 0.654 = 1.3.
const LEAST_LOAD: usize = 66;

/// Homes of the smallest shard.
const LEAST_HOMES: usize = 16;

/// A shard that would grow past this many homes is split in two instead.
pub(super) const MOST_HOMES: usize = 8192;

/// Entries behind its home within which one lies mostly, and within which the next gap is.
const NEAR: usize = 9;

/// On all machines that this runs on.
const CACHE_LINE: usize = 64;

/// Where an address is, or where it belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Found(usize),
    Vacant(usize),
}

/// What a shard and those that it becomes have in common.
#[derive(Clone, Copy, Default)]
struct Traits {
    /// How many top bits of the hash all its entries share.
    depth: u32,
    /// The latest sweep that has visited it.
    visited: u32,
    /// The sweep that its marks are of; 0: there are none.
    marked: u32,
}

/// See the file's head.
#[derive(Default)]
pub(super) struct Shard {
    slots: Slots,
    homes: usize,
    len: usize,
    traits: Traits,
}

impl Shard {
    pub(super) fn new(seed: u64) -> Self {
        Self::from_ordered(std::iter::empty(), 0, Traits::default(), seed)
    }

    /// A shard of `len` entries that come in order of their hashes.
    fn from_ordered(
        entries: impl Iterator<Item = Entry>,
        len: usize,
        traits: Traits,
        seed: u64,
    ) -> Self {
        let homes = (len * 100 / LEAST_LOAD).max(LEAST_HOMES);
        let spare = 8 + (homes / 32).min(48);
        let mut slots = Vec::with_capacity(homes + spare);
        let mut shard = Self { slots: Slots::default(), homes, len: 0, traits };
        for entry in entries {
            let home = shard.home(mix(seed, entry.address()));
            if home > slots.len() {
                slots.resize(home, Entry::EMPTY);
            }
            slots.push(entry);
            shard.len += 1;
        }
        let all = slots.len().max(homes) + spare;
        if all > slots.capacity() {
            slots.reserve_exact(all - slots.len());
        }
        slots.resize(all, Entry::EMPTY);
        Self { slots: Slots::Own(slots), ..shard }
    }

    /// The same shard for another table: its memory is copied by whichever changes it first.
    pub(super) fn shared(&mut self) -> Self {
        Self { slots: self.slots.shared(), ..*self }
    }

    pub(super) const fn depth(&self) -> u32 {
        self.traits.depth
    }

    pub(super) fn bytes(&self) -> usize {
        self.slots.capacity() * Entry::BYTES
    }

    /// Whether one more entry needs [`Self::rebuilt`] or [`Self::split`] first.
    pub(super) const fn is_full(&self) -> bool {
        self.len * 100 >= self.homes * MOST_LOAD
    }

    /// Whether a full shard should be split rather than grown.
    pub(super) const fn is_large(&self) -> bool {
        self.len * 100 / LEAST_LOAD > MOST_HOMES
    }

    /// Whether most of the memory is for entries that have gone.
    pub(super) const fn is_sparse(&self) -> bool {
        self.homes > 4 * LEAST_HOMES && self.len * 4 < self.homes
    }

    #[inline]
    fn home(&self, hash: u64) -> usize {
        ((((hash << self.traits.depth) >> 32) * self.homes as u64) >> 32) as usize
    }

    /// Asks for the memory of an entry with this hash: its home and what lies behind.
    #[inline]
    pub(super) fn prefetch(&self, hash: u64) {
        if let Some(home) = self.slots.get(self.home(hash)..) {
            let near = home.len().min(NEAR);
            home[..near].iter().step_by(CACHE_LINE.div_ceil(Entry::BYTES)).for_each(fetch);
        }
    }

    #[inline]
    pub(super) fn find(&self, address: u64, hash: u64, seed: u64) -> Place {
        let mut at = self.home(hash);
        while let Some(entry) = self.slots.get(at) {
            let other = entry.address();
            if other == address {
                return Place::Found(at);
            }
            if other == 0 || mix(seed, other) > hash {
                break;
            }
            at += 1;
        }
        Place::Vacant(at)
    }

    #[inline]
    pub(super) fn at(&self, place: usize) -> Entry {
        self.slots[place]
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Other tables have its memory, too.
    pub(super) fn is_of_others(&self) -> bool {
        self.slots.are_of_others()
    }

    /// Whether this sweep has visited it.
    pub(super) const fn is_visited(&self, sweep: u32) -> bool {
        self.traits.visited == sweep
    }

    /// Whether this sweep need not be shown the entry at `place`.
    pub(super) fn is_marked(&self, place: usize, sweep: u32) -> bool {
        self.traits.marked == sweep && self.slots[place].mark()
    }

    /// This sweep need not be shown the entry at `place`.
    pub(super) fn mark(&mut self, place: usize, sweep: u32) {
        self.prepare_mark(sweep);
        self.slots.own()[place].set_mark(true);
    }

    /// Has marks mean this sweep: those of one that went by without a visit are taken away.
    pub(super) fn prepare_mark(&mut self, sweep: u32) {
        let before = std::mem::replace(&mut self.traits.marked, sweep);
        if before != 0 && before != sweep {
            self.slots.own().iter_mut().for_each(|entry| entry.set_mark(false));
        }
    }

    /// A sweep comes by: shows it the entries that it has not been shown, and takes away its marks.
    pub(super) fn visit(&mut self, sweep: u32, mut show: impl FnMut(Entry)) {
        self.traits.visited = sweep;
        if self.traits.marked != sweep {
            self.iter().for_each(show);
            return;
        }
        self.traits.marked = 0;
        for entry in self.slots.own() {
            if entry.mark() {
                entry.set_mark(false);
            } else if !entry.is_empty() {
                show(*entry);
            }
        }
    }

    pub(super) fn replace(&mut self, place: usize, entry: Entry) -> Entry {
        std::mem::replace(&mut self.slots.own()[place], entry)
    }

    /// Puts `entry` at a place that [`Self::find`] called vacant. `false`: the spare slots at the
    /// end are used up, and nothing was changed.
    #[must_use]
    pub(super) fn insert(&mut self, place: usize, entry: Entry) -> bool {
        let Some(gap) = self.slots[place..].iter().position(Entry::is_empty) else { return false };
        let slots = self.slots.own();
        slots.copy_within(place..place + gap, place + 1);
        slots[place] = entry;
        self.len += 1;
        true
    }

    pub(super) fn remove(&mut self, place: usize, seed: u64) -> Entry {
        let removed = self.slots[place];
        let mut end = place + 1;
        while let Some(entry) = self.slots.get(end) {
            if entry.is_empty() || self.home(mix(seed, entry.address())) == end {
                break;
            }
            end += 1;
        }
        let slots = self.slots.own();
        slots.copy_within(place + 1..end, place);
        slots[end - 1] = Entry::EMPTY;
        self.len -= 1;
        removed
    }

    /// The same entries in a table that fits them.
    pub(super) fn rebuilt(&self, seed: u64) -> Self {
        Self::from_ordered(self.iter(), self.len, self.traits, seed)
    }

    /// The entries by the next bit of their hashes.
    pub(super) fn split(&self, seed: u64) -> [Self; 2] {
        let bit = 1 << (63 - self.depth());
        let is_low = |entry: &Entry| mix(seed, entry.address()) & bit == 0;
        let low = self.iter().filter(is_low).count();
        let traits = Traits { depth: self.depth() + 1, ..self.traits };
        [
            Self::from_ordered(self.iter().take(low), low, traits, seed),
            Self::from_ordered(self.iter().skip(low), self.len - low, traits, seed),
        ]
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Entry> {
        self.slots.iter().filter(|entry| !entry.is_empty()).copied()
    }
}
