//! The table of live blocks: at most 40 bytes of memory per block, also while it grows.
//!
//! Extendible hashing over shards: the top bits of an address's hash choose the shard. Shards
//! grow by 1.3 and split at 8,192 homes, so that the memory follows the number of blocks closely,
//! and no single operation moves more than one shard (some 180 KB).
//!
//! All blocks of one moment can be visited piece by piece while the table goes on to change. Sweeps have numbers, and
//! a shard that was visited the latest. Until it is, what is to be removed from it is shown before, and what is
//! inserted gets a mark, so that the visit passes it over. Where an entry has moved meanwhile does not matter.
//! (Garbage collectors keep a snapshot at the beginning so: Yuasa, Real-time garbage collection on general-purpose
//! machines, 1990.)
//!
//! The copy that a forked child gets shares all shards with its parent's table; each is copied when one of the two
//! changes it for the first time. So a fork takes no longer than there are shards.

use super::entry::{Entry, INTERVALS};
pub use super::entry::{LIMIT, SIZE_LIMIT, TIME_STEP};
use super::shard::{Place, Shard};
use crate::engine::hash::{mix, random_seed};
use crate::model::ids::Nanos;

/// Births down to this long before the table was made are kept as they are (4.9 hours).
const BEFORE: Nanos = 1 << 44;

/// Most top bits of the hash that choose a shard. Shards this deep grow instead of splitting; with
/// an even hash that is past 200 million blocks.
const MOST_DEPTH: u32 = 16;

/// A live block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Where; not 0.
    pub address: u64,
    /// Bytes asked for.
    pub size: u64,
    /// Mean sampling interval with which it was taken, bytes; 0: every block was.
    pub interval: u64,
    /// The caller's number for the call stack.
    pub stack: u32,
    /// When the allocation returned. What the table gives back is rounded down to a multiple of
    /// [`TIME_STEP`], and clamped to between 4.9 hours before the table was made and 208 days after.
    pub born: Nanos,
}

/// What became of an insertion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// The address was free.
    New,
    /// This block was there before and has been replaced.
    Over(Block),
    /// The address was free, but the caller allowed no growth. Nothing has changed.
    NoRoom,
    /// Address 0, or address or size not below [`LIMIT`] and [`SIZE_LIMIT`], or one sampling interval more than
    /// there are numbers for. Nothing has changed.
    Unsupported,
}

/// How far a sweep has come: shards before this one are done with.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SweepPlace(usize);

/// See the file's head.
pub struct BlockTable {
    seed: u64,
    /// Sampling intervals by number, the first being 0.
    intervals: Vec<u64>,
    /// Time of the births' zero, in steps.
    zero: u64,
    /// 2^depth numbers of shards, by the top bits of the hash.
    directory: Vec<u32>,
    depth: u32,
    shards: Vec<Shard>,
    shard_bytes: usize,
    len: usize,
    /// The number of the latest sweep; 0: there was none.
    sweep: u32,
}

impl BlockTable {
    /// An empty table made at `now`.
    #[must_use]
    pub fn new(now: Nanos) -> Self {
        let seed = random_seed();
        let shard = Shard::new(seed);
        Self {
            seed,
            intervals: vec![0],
            zero: now.saturating_sub(BEFORE) / TIME_STEP,
            directory: vec![0],
            depth: 0,
            shard_bytes: shard.bytes(),
            shards: vec![shard],
            len: 0,
            sweep: 0,
        }
    }

    /// Blocks in the table.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// A table with the same blocks, for a child that was forked now. Memory is shared until one of the two changes it.
    pub(crate) fn forked(&mut self) -> Self {
        Self {
            intervals: self.intervals.clone(),
            directory: self.directory.clone(),
            shards: self.shards.iter_mut().map(Shard::shared).collect(),
            ..*self
        }
    }

    /// Bytes that the table takes; what it shares after a fork counts in each. While an insertion grows it, at most
    /// one shard more (360 KB).
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.shard_bytes
            + self.shards.capacity() * size_of::<Shard>()
            + self.directory.capacity() * size_of::<u32>()
    }

    /// The block at `address`.
    #[must_use]
    pub fn get(&self, address: u64) -> Option<Block> {
        let (shard, place) = self.find(address)?;
        Some(self.block(self.shards[shard].at(place)))
    }

    /// Puts `block` in. Where its address is taken the old block is replaced, even if `may_grow` is
    /// false.
    pub fn insert(&mut self, block: Block, may_grow: bool) -> Inserted {
        let Block { address, size, stack, born, .. } = block;
        if address == 0 || address >= LIMIT || size >= SIZE_LIMIT {
            return Inserted::Unsupported;
        }
        let Some(interval) = self.number(block.interval) else { return Inserted::Unsupported };
        let birth = (born / TIME_STEP).saturating_sub(self.zero);
        let mut entry = Entry::new(address, size, interval, stack, birth);
        let hash = mix(self.seed, address);
        let shard = self.shard_of(hash);
        if !self.shards[shard].is_visited(self.sweep) {
            self.shards[shard].prepare_mark(self.sweep);
            entry.set_mark(true);
        }
        match self.shards[shard].find(address, hash, self.seed) {
            Place::Found(place) => {
                let old = self.shards[shard].replace(place, entry);
                Inserted::Over(self.block(old))
            }
            Place::Vacant(_) if !may_grow => Inserted::NoRoom,
            Place::Vacant(place) => {
                if self.shards[shard].is_full() || !self.shards[shard].insert(place, entry) {
                    self.insert_growing(hash, entry);
                }
                self.len += 1;
                Inserted::New
            }
        }
    }

    /// Takes the block at `address` out.
    pub fn remove(&mut self, address: u64) -> Option<Block> {
        let (shard, place) = self.find(address)?;
        let entry = self.shards[shard].remove(place, self.seed);
        self.len -= 1;
        if self.shards[shard].is_sparse() {
            self.rebuild(shard);
        }
        Some(self.block(entry))
    }

    /// A block's birth as the table gives it back.
    #[must_use]
    pub fn kept_birth(&self, born: Nanos) -> Nanos {
        let birth = (born / TIME_STEP).saturating_sub(self.zero).min(LIMIT - 1);
        // A multiple of the step also where there is no later one.
        (self.zero + birth).saturating_mul(TIME_STEP) / TIME_STEP * TIME_STEP
    }

    /// A table that is made at this time, or earlier, keeps all births that this one keeps.
    pub(crate) const fn made(&self) -> Nanos {
        self.zero.saturating_mul(TIME_STEP).saturating_add(BEFORE)
    }

    /// All blocks, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = Block> {
        self.shards.iter().flat_map(Shard::iter).map(|entry| self.block(entry))
    }

    /// Asks for the memory where the block at `address` is or would be, so that it is there when it is needed.
    #[inline]
    pub(crate) fn prefetch(&self, address: u64) {
        let hash = mix(self.seed, address);
        self.shards[self.shard_of(hash)].prefetch(hash);
    }

    /// Begins to visit the blocks that are there now. Of a sweep that is under way nothing more will come.
    pub(crate) const fn begin_sweep(&mut self) -> SweepPlace {
        self.sweep = match self.sweep.wrapping_add(1) {
            0 => 1,
            number => number,
        };
        SweepPlace(0)
    }

    /// The block at `address`, if the sweep has yet to be shown it: now it has. To be asked before it is removed or
    /// replaced.
    pub(crate) fn meet(&mut self, address: u64) -> Option<Block> {
        let (shard, place) = self.find(address)?;
        let kept = &mut self.shards[shard];
        if kept.is_visited(self.sweep) || kept.is_marked(place, self.sweep) {
            return None;
        }
        kept.mark(place, self.sweep);
        let entry = kept.at(place);
        Some(self.block(entry))
    }

    /// Shows `visit` the blocks of one more shard that it has yet to be shown, and gives how many entries were
    /// looked at; `None`: there are no more.
    pub(crate) fn sweep(
        &mut self,
        place: &mut SweepPlace,
        visit: &mut dyn FnMut(Block),
    ) -> Option<usize> {
        let mut shard = std::mem::take(self.shards.get_mut(place.0)?);
        let is_visited = shard.is_visited(self.sweep);
        // A split puts one half of a shard behind all others.
        if !is_visited {
            shard.visit(self.sweep, |entry| visit(self.block(entry)));
        }
        let looked_at = if is_visited { 0 } else { shard.len() };
        self.shards[place.0] = shard;
        place.0 += 1;
        Some(looked_at)
    }

    /// What is left to be given back of a table that nobody needs any more.
    pub(crate) fn into_remains(self) -> Remains {
        Remains(self.shards)
    }

    fn block(&self, entry: Entry) -> Block {
        Block {
            address: entry.address(),
            size: entry.size(),
            interval: self.intervals.get(usize::from(entry.interval())).copied().unwrap_or(0),
            stack: entry.stack(),
            born: (self.zero + entry.birth()).saturating_mul(TIME_STEP),
        }
    }

    /// The number of a sampling interval, new if need be; `None` if there are too many.
    fn number(&mut self, interval: u64) -> Option<u8> {
        if interval == 0 {
            return Some(0);
        }
        // The newest one is used most.
        let known = self.intervals.iter().rposition(|known| *known == interval);
        let number = known.or_else(|| {
            (self.intervals.len() < INTERVALS).then(|| {
                self.intervals.push(interval);
                self.intervals.len() - 1
            })
        });
        number.and_then(|number| u8::try_from(number).ok())
    }

    fn find(&self, address: u64) -> Option<(usize, usize)> {
        if address == 0 {
            return None;
        }
        let hash = mix(self.seed, address);
        let shard = self.shard_of(hash);
        match self.shards[shard].find(address, hash, self.seed) {
            Place::Found(place) => Some((shard, place)),
            Place::Vacant(_) => None,
        }
    }

    #[inline]
    fn directory_index(&self, hash: u64) -> usize {
        // In two shifts, as a shift by 64 is not one.
        ((hash >> 1) >> (63 - self.depth)) as usize
    }

    #[inline]
    fn shard_of(&self, hash: u64) -> usize {
        self.directory[self.directory_index(hash)] as usize
    }

    /// Makes room and inserts: a fresh shard has spare slots behind its last entry.
    fn insert_growing(&mut self, hash: u64, entry: Entry) {
        let shard = self.shard_of(hash);
        if self.shards[shard].is_large() && self.shards[shard].depth() < MOST_DEPTH {
            self.split(shard, hash);
        } else {
            self.rebuild(shard);
        }
        let shard = self.shard_of(hash);
        if let Place::Vacant(place) = self.shards[shard].find(entry.address(), hash, self.seed) {
            let inserted = self.shards[shard].insert(place, entry);
            debug_assert!(inserted, "a fresh shard has room");
        }
    }

    fn rebuild(&mut self, shard: usize) {
        self.shard_bytes -= self.shards[shard].bytes();
        self.shards[shard] = self.shards[shard].rebuilt(self.seed);
        self.shard_bytes += self.shards[shard].bytes();
    }

    /// Splits a shard, one of whose entries has `hash`.
    fn split(&mut self, shard: usize, hash: u64) {
        let depth = self.shards[shard].depth();
        if depth == self.depth {
            self.directory = self.directory.iter().flat_map(|&number| [number; 2]).collect();
            self.depth += 1;
        }
        let span = 1 << (self.depth - depth);
        let first = self.directory_index(hash) / span * span;
        // At most 2 × 2^MOST_DEPTH shards: the number fits.
        self.directory[first + span / 2..first + span].fill(self.shards.len() as u32);
        let [low, high] = self.shards[shard].split(self.seed);
        self.shard_bytes += low.bytes() + high.bytes();
        self.shard_bytes -= self.shards[shard].bytes();
        self.shards[shard] = low;
        self.shards.push(high);
    }
}

/// The memory of a table that is not needed any more, given back piece by piece: of ten million blocks it takes the
/// kernel tens of milliseconds.
pub(crate) struct Remains(Vec<Shard>);

impl Remains {
    /// Gives back the memory of some blocks, and says of how many, of none where others have them, too; `None`: there
    /// is no more.
    pub(crate) fn give_back(&mut self) -> Option<usize> {
        self.0.pop().map(|shard| if shard.is_of_others() { 0 } else { shard.len() })
    }
}

impl std::fmt::Debug for Remains {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Remains").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for BlockTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BlockTable").field("len", &self.len).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{Block, BlockTable, INTERVALS, Inserted, LIMIT, SIZE_LIMIT, TIME_STEP};
    use proptest::prelude::*;
    use std::collections::HashMap;

    fn block(address: u64) -> Block {
        Block {
            address,
            size: address % 1000,
            interval: address % 7 * 1000,
            stack: address as u32,
            born: address * TIME_STEP,
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut table = BlockTable::new(0);
        for (address, size) in [(0, 8), (LIMIT, 8), (u64::MAX, 8), (16, SIZE_LIMIT)] {
            let refused = Block { address, size, ..block(16) };
            assert_eq!(table.insert(refused, true), Inserted::Unsupported);
            assert_eq!((table.get(address), table.remove(address)), (None, None));
        }
        assert_eq!(table.insert(block(16), false), Inserted::NoRoom);
        assert_eq!(table.insert(block(16), true), Inserted::New);
        assert_eq!(table.insert(Block { size: 9, ..block(16) }, false), Inserted::Over(block(16)));
        assert_eq!((table.len(), table.iter().count()), (1, 1));
    }

    #[test]
    fn one_interval_too_many_is_refused() {
        let mut table = BlockTable::new(0);
        for number in 1..INTERVALS as u64 {
            let block = Block { address: number, interval: number, ..block(16) };
            assert_eq!(table.insert(block, true), Inserted::New);
        }
        let more = Block { address: 1 << 20, interval: 1 << 20, ..block(16) };
        assert_eq!(table.insert(more, true), Inserted::Unsupported);
        assert_eq!(table.insert(Block { interval: 31, ..more }, true), Inserted::New);
        assert_eq!(table.get(1 << 20).map(|block| block.interval), Some(31));
    }

    #[test]
    fn births_are_rounded_down_and_clamped() {
        let now = 1 << 50;
        let mut table = BlockTable::new(now);
        for (born, kept) in [
            (now, now),
            (now + 63, now),
            (now - 1, now - 64),
            (0, now - (1 << 44)),
            (u64::MAX, now - (1 << 44) + (1 << 54) - 64),
        ] {
            table.insert(Block { born, ..block(16) }, true);
            assert_eq!(table.get(16).map(|block| block.born), Some(kept));
        }
    }

    #[test]
    fn memory_follows_the_blocks_up_and_down() {
        let mut table = BlockTable::new(0);
        let mut worst = 0.0_f64;
        for number in 1..=1_000_000 {
            table.insert(block(number * 48), true);
            if number > 100_000 && number % 997 == 0 {
                // One shard's copy may be alive beside it.
                let bytes = table.memory_bytes() + 8192 * 22 * 2;
                worst = worst.max(bytes as f64 / table.len() as f64);
            }
        }
        assert!(worst <= 40.0, "{worst} bytes per block");
        for number in 1..=990_000 {
            assert_eq!(table.remove(number * 48), Some(block(number * 48)));
        }
        assert_eq!(table.len(), 10_000);
        assert!(table.memory_bytes() < 10_000 * 22 * 5 + 500 * 2000);
    }

    #[test]
    fn a_copy_goes_its_own_way() {
        let mut table = BlockTable::new(0);
        for number in 1..20_000 {
            table.insert(block(number * 16), true);
        }
        let copy = table.forked();
        for number in 1..20_000 {
            table.remove(number * 16);
        }
        assert_eq!((table.len(), copy.len()), (0, 19_999));
        assert!((1..20_000).all(|number| copy.get(number * 16).is_some()));
    }

    /// Blocks that a whole sweep shows, by address.
    fn swept(table: &mut BlockTable) -> Vec<u64> {
        let (mut place, mut seen) = (table.begin_sweep(), Vec::new());
        while table.sweep(&mut place, &mut |block| seen.push(block.address)).is_some() {}
        seen.sort_unstable();
        seen
    }

    #[test]
    fn a_copy_made_in_the_middle_of_a_sweep_can_be_swept() {
        let mut table = BlockTable::new(0);
        (1..20_000).for_each(|number| {
            table.insert(block(number * 16), true);
        });
        let mut place = table.begin_sweep();
        table.sweep(&mut place, &mut |_| {});
        // Marked where no visit takes the marks away in the copy.
        let inserted = (20_000..30_000).map(|number| number * 16);
        inserted.clone().for_each(|address| {
            table.insert(block(address), true);
        });
        let mut copy = table.forked();
        let all: Vec<u64> = (1..30_000).map(|number| number * 16).collect();
        assert_eq!(swept(&mut copy), all);
        // In the next sweep some are marked anew.
        let mut place = copy.begin_sweep();
        (30_000..30_100).for_each(|number| {
            copy.insert(block(number * 16), true);
        });
        let mut seen = Vec::new();
        while copy.sweep(&mut place, &mut |block| seen.push(block.address)).is_some() {}
        seen.sort_unstable();
        assert_eq!(seen, all);
        assert_eq!(swept(&mut copy).len(), 30_099);
        assert_eq!(copy.len(), 30_099);
        assert_eq!(table.len(), 29_999);
    }

    #[test]
    fn remains_are_given_back_in_pieces() {
        let mut table = BlockTable::new(0);
        (1..20_000).for_each(|number| {
            table.insert(block(number * 16), true);
        });
        let mut remains = table.into_remains();
        let pieces: Vec<usize> = std::iter::from_fn(|| remains.give_back()).collect();
        assert!(pieces.len() > 1, "{pieces:?}");
        assert_eq!(pieces.iter().sum::<usize>(), 19_999);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u64, u64),
        Remove(u64),
        /// A run of neighbours, so that shards grow and split.
        Fill(u64, u64),
        Drain(u64, u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        let address = prop_oneof![8 => (1_u64..64).prop_map(|n| n * 16), 1 => 1..LIMIT];
        prop_oneof![
            3 => (address.clone(), 0..SIZE_LIMIT).prop_map(|(address, size)| Step::Insert(address, size)),
            3 => address.prop_map(Step::Remove),
            1 => (0_u64..9, 1_u64..9000).prop_map(|(from, count)| Step::Fill(from * 65_536 + 1, count)),
            1 => (0_u64..9, 1_u64..9000).prop_map(|(from, count)| Step::Drain(from * 65_536 + 1, count)),
        ]
    }

    fn put(table: &mut BlockTable, model: &mut HashMap<u64, Block>, block: Block) {
        let inserted = table.insert(block, true);
        let expected = model.insert(block.address, block).map_or(Inserted::New, Inserted::Over);
        assert_eq!(inserted, expected);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn it_does_as_a_hash_map(steps in prop::collection::vec(step(), 1..60)) {
            let (mut table, mut model) = (BlockTable::new(0), HashMap::new());
            for step in steps {
                match step {
                    Step::Insert(address, size) => {
                        let new = Block { size, born: 0, ..block(address) };
                        put(&mut table, &mut model, new);
                    }
                    Step::Remove(address) => {
                        prop_assert_eq!(table.remove(address), model.remove(&address));
                    }
                    Step::Fill(from, count) => {
                        for address in from..from + count {
                            put(&mut table, &mut model, block(address));
                        }
                    }
                    Step::Drain(from, count) => {
                        for address in from..from + count {
                            prop_assert_eq!(table.remove(address), model.remove(&address));
                        }
                    }
                }
                prop_assert_eq!(table.len(), model.len());
            }
            let all: HashMap<_, _> = table.iter().map(|block| (block.address, block)).collect();
            prop_assert_eq!(all.len(), table.len());
            prop_assert_eq!(&all, &model);
            for (&address, &block) in &model {
                prop_assert_eq!(table.get(address), Some(block));
            }
        }
    }
}
