//! A small ordered hash table of entries: one shard of the block table.
//!
//! Ordered linear probing: an entry's home is its hash scaled down to the capacity, and entries
//! stand in order of their hashes, each at its home or as near behind it as the order allows. So a
//! miss ends early, deletion shifts back instead of leaving tombstones, and growing or splitting
//! is one pass in order (Knuth, TAOCP 3, section 6.4, exercise 66; Celis' Robin Hood hashing is the
//! same idea). The table does not wrap: some spare slots behind the last home take the overflow.

use super::entry::Entry;
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

/// Has the processor fetch an entry, without waiting for it.
#[inline]
fn fetch(entry: &Entry) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: PREFETCHT0 is a hint: it changes nothing that a program can see, and takes any address
        // (Intel SDM, volume 2B). SSE, which has it, is part of x86-64.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(entry).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = entry;
}

/// Where an address is, or where it belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Found(usize),
    Vacant(usize),
}

/// See the file's head.
#[derive(Clone, Default)]
pub(super) struct Shard {
    slots: Vec<Entry>,
    homes: usize,
    len: usize,
    /// How many top bits of the hash all its entries share.
    depth: u32,
}

impl Shard {
    pub(super) fn new(depth: u32, seed: u64) -> Self {
        Self::from_ordered(std::iter::empty(), 0, depth, seed)
    }

    /// A shard of `len` entries that come in order of their hashes.
    fn from_ordered(
        entries: impl Iterator<Item = Entry>,
        len: usize,
        depth: u32,
        seed: u64,
    ) -> Self {
        let homes = (len * 100 / LEAST_LOAD).max(LEAST_HOMES);
        let spare = 8 + (homes / 32).min(48);
        let mut shard = Self { slots: Vec::with_capacity(homes + spare), homes, len: 0, depth };
        for entry in entries {
            let home = shard.home(mix(seed, entry.address()));
            if home > shard.slots.len() {
                shard.slots.resize(home, Entry::EMPTY);
            }
            shard.slots.push(entry);
            shard.len += 1;
        }
        let all = shard.slots.len().max(homes) + spare;
        if all > shard.slots.capacity() {
            shard.slots.reserve_exact(all - shard.slots.len());
        }
        shard.slots.resize(all, Entry::EMPTY);
        shard
    }

    pub(super) const fn depth(&self) -> u32 {
        self.depth
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
        ((((hash << self.depth) >> 32) * self.homes as u64) >> 32) as usize
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

    pub(super) fn set_mark(&mut self, place: usize, mark: bool) {
        self.slots[place].set_mark(mark);
    }

    /// The entries without this mark; they get it.
    pub(super) fn entries_to_mark(&mut self, mark: bool) -> impl Iterator<Item = Entry> {
        let is_other = move |entry: &&mut Entry| !entry.is_empty() && entry.mark() != mark;
        self.slots.iter_mut().filter(is_other).map(move |entry| {
            entry.set_mark(mark);
            *entry
        })
    }

    pub(super) fn replace(&mut self, place: usize, entry: Entry) -> Entry {
        std::mem::replace(&mut self.slots[place], entry)
    }

    /// Puts `entry` at a place that [`Self::find`] called vacant. `false`: the spare slots at the
    /// end are used up, and nothing was changed.
    #[must_use]
    pub(super) fn insert(&mut self, place: usize, entry: Entry) -> bool {
        let Some(gap) = self.slots[place..].iter().position(Entry::is_empty) else { return false };
        self.slots.copy_within(place..place + gap, place + 1);
        self.slots[place] = entry;
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
        self.slots.copy_within(place + 1..end, place);
        self.slots[end - 1] = Entry::EMPTY;
        self.len -= 1;
        removed
    }

    /// The same entries in a table that fits them.
    pub(super) fn rebuilt(&self, seed: u64) -> Self {
        Self::from_ordered(self.iter(), self.len, self.depth, seed)
    }

    /// The entries by the next bit of their hashes.
    pub(super) fn split(&self, seed: u64) -> [Self; 2] {
        let bit = 1 << (63 - self.depth);
        let is_low = |entry: &Entry| mix(seed, entry.address()) & bit == 0;
        let low = self.iter().filter(is_low).count();
        let depth = self.depth + 1;
        [
            Self::from_ordered(self.iter().take(low), low, depth, seed),
            Self::from_ordered(self.iter().skip(low), self.len - low, depth, seed),
        ]
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Entry> {
        self.slots.iter().filter(|entry| !entry.is_empty()).copied()
    }
}
