//! What an address space should hold, by maps and sums that are made afresh each time.

use crate::engine::heap::usable::usable;
use crate::engine::snapshot::HeapTotals;
use memtrace_common::classes::Sizing;
use std::collections::{BTreeMap, HashMap};

/// Function and wire id of a stack; no id where its frames never came.
pub(super) type Key = (u8, Option<u64>);

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Block {
    pub(super) size: u64,
    pub(super) key: Key,
    pub(super) born: u64,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sums {
    pub(super) allocated: [u64; 2],
    pub(super) freed: [u64; 2],
}

/// An address space.
#[derive(Clone, Debug, Default)]
pub(super) struct Space {
    pub(super) live: BTreeMap<u64, Block>,
    /// Blocks that lived when a window closed, and of which nothing was heard since.
    pub(super) unknown: BTreeMap<u64, Block>,
    pub(super) closed: bool,
    /// The latest birth, and up to which births it is not known what lives.
    newest: u64,
    unknown_until: Option<u64>,
    pub(super) totals: HeapTotals,
    pub(super) sums: HashMap<Key, Sums>,
    pub(super) at_peak: HashMap<Key, u64>,
    /// Address, block, and when it was overwritten.
    pub(super) overwrites: Vec<(u64, Block, u64)>,
    pub(super) marks: u32,
}

impl Space {
    fn live_bytes(&self) -> u64 {
        self.live.values().map(|block| block.size).sum()
    }

    fn by_stack(&self) -> HashMap<Key, u64> {
        let mut by_stack = HashMap::new();
        for block in self.live.values() {
            *by_stack.entry(block.key).or_default() += block.size;
        }
        by_stack
    }

    pub(super) fn allocate(&mut self, address: u64, block: Block) {
        if address == 0 {
            self.totals.failed += 1;
            return;
        }
        let sums = self.sums.entry(block.key).or_default();
        sums.allocated = [sums.allocated[0] + block.size, sums.allocated[1] + 1];
        if let Some(old) = self.unknown.remove(&address) {
            self.count_freed(old);
        }
        self.newest = self.newest.max(block.born);
        if self.closed {
            self.unknown_until = self.unknown_until.max(Some(block.born));
        }
        if self.unknown_until.is_some_and(|until| block.born <= until) {
            // It takes the place of one that is known, like any other.
            if let Some(old) = self.live.remove(&address) {
                self.missed(address, old, block.born);
            }
            self.unknown.insert(address, block);
            return;
        }
        if let Some(old) = self.live.insert(address, block) {
            self.missed(address, old, block.born);
        }
        if self.live_bytes() > self.totals.peak_bytes {
            self.totals.peak_bytes = self.live_bytes();
            self.at_peak = self.by_stack();
        }
    }

    fn missed(&mut self, address: u64, old: Block, time: u64) {
        self.totals.missed_frees += 1;
        self.totals.missed_bytes += old.size;
        self.overwrites.push((address, old, time));
    }

    fn count_freed(&mut self, block: Block) {
        let sums = self.sums.entry(block.key).or_default();
        sums.freed = [sums.freed[0] + block.size, sums.freed[1] + 1];
    }

    pub(super) fn free(&mut self, address: u64, inside: bool) {
        match self.live.remove(&address).or_else(|| self.unknown.remove(&address)) {
            Some(block) => self.count_freed(block),
            None if inside => self.totals.internal_frees += 1,
            None => self.totals.unknown_frees += 1,
        }
    }

    pub(super) fn reallocate(&mut self, old: u64, entered: u64, address: u64, block: Block) {
        if old == 0 {
            return self.allocate(address, block);
        }
        if address == 0 && block.size > 0 {
            self.totals.failed += 1;
            return;
        }
        let explained = |(at, was, over): &(u64, Block, u64)| {
            *at == old && was.born <= entered && entered < *over
        };
        let known = self.live.get(&old).or_else(|| self.unknown.get(&old));
        if known.is_some_and(|block| block.born <= entered) {
            self.free(old, false);
        } else if let Some(place) = self.overwrites.iter().rposition(explained) {
            let (_, was, _) = self.overwrites.remove(place);
            self.totals.missed_frees -= 1;
            self.totals.missed_bytes -= was.size;
            self.count_freed(was);
        } else {
            self.totals.unknown_frees += 1;
        }
        if address != 0 {
            self.allocate(address, block);
        }
    }

    /// Nobody sees frees any more.
    pub(super) fn close(&mut self, now: u64) {
        self.newest = self.newest.max(now);
        self.unknown_until = Some(self.newest);
        if !self.closed {
            self.unknown.append(&mut self.live);
            self.closed = true;
            self.marks += 1;
        }
    }

    pub(super) fn open(&mut self) {
        self.marks += u32::from(std::mem::take(&mut self.closed));
    }

    fn unknown_sums(&self) -> [u64; 2] {
        let bytes = self.unknown.values().map(|block| block.size).sum();
        [bytes, self.unknown.len() as u64]
    }

    pub(super) fn forked(&self) -> Self {
        let live_bytes = self.live_bytes();
        let [unknown_bytes, unknown_blocks] = self.unknown_sums();
        let totals = HeapTotals {
            peak_bytes: live_bytes,
            inherited_bytes: live_bytes + unknown_bytes,
            inherited_blocks: self.live.len() as u64 + unknown_blocks,
            ..HeapTotals::default()
        };
        Self {
            live: self.live.clone(),
            unknown: self.unknown.clone(),
            closed: self.closed,
            newest: self.newest,
            unknown_until: self.unknown_until,
            totals,
            at_peak: self.by_stack(),
            ..Self::default()
        }
    }

    /// What the live blocks take, and how many it is not known of, with their bytes.
    pub(super) fn usable(&self, sizing: impl Fn(Key) -> Sizing) -> [u64; 3] {
        let mut sums = [0; 3];
        for (&address, block) in &self.live {
            if let Some(bytes) = usable(sizing(block.key), address, block.size) {
                sums[0] += bytes;
            } else {
                sums[1] += 1;
                sums[2] += block.size;
            }
        }
        sums
    }

    pub(super) fn totals(&self) -> HeapTotals {
        let sum = |of: fn(&Sums) -> u64| self.sums.values().map(of).sum();
        HeapTotals {
            live_bytes: self.live_bytes(),
            live_blocks: self.live.len() as u64,
            unknown_bytes: self.unknown_sums()[0],
            unknown_blocks: self.unknown_sums()[1],
            allocated_bytes: sum(|sums| sums.allocated[0]),
            allocated_blocks: sum(|sums| sums.allocated[1]),
            freed_bytes: sum(|sums| sums.freed[0]),
            freed_blocks: sum(|sums| sums.freed[1]),
            ..self.totals
        }
    }
}
