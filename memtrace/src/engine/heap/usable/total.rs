//! What all live blocks of a heap take.

use super::{is_exact, usable};
use crate::engine::heap::blocks::Block;
use crate::engine::sampling::Weight;
use memtrace_common::classes::{SizeClasses, Sizing};
use serde::{Deserialize, Serialize};

/// A block in the units in which blocks are counted.
const WHOLE: u64 = 1 << 16;

/// `amount` of each block that this one stands for. What rounding takes from a sample it gives back with it.
fn stands_for(block: &Block, amount: u64) -> u64 {
    if block.interval == 0 {
        return amount;
    }
    (amount as f64 * Weight::of(block.size, block.interval).blocks).round() as u64
}

/// What live blocks take, and which of them that is not known of.
///
/// A block takes the same when it comes and when it goes: it follows from its own address, size and stack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usable {
    /// Bytes that those take of which it is known.
    pub bytes: u64,
    /// The others, in 65,536ths: samples stand for parts of blocks, too.
    unknown: u64,
    /// Bytes asked for with the others.
    pub unknown_bytes: u64,
    /// A bit for each of the size classes that blocks ever had here, by its number.
    seen: u8,
}

impl Usable {
    /// Blocks of these size classes, which take so many bytes.
    #[must_use]
    pub const fn known(classes: SizeClasses, bytes: u64) -> Self {
        Self { bytes, unknown: 0, unknown_bytes: 0, seen: 1 << classes.number() }
    }

    /// A block lives. (Sums wrap, as sizes are what the target asked for.)
    pub(crate) fn came(&mut self, sizing: Sizing, block: &Block) {
        if let Some(bytes) = usable(sizing, block.address, block.size) {
            self.seen |= 1 << sizing.classes.number();
            self.bytes = self.bytes.wrapping_add(stands_for(block, bytes));
        } else {
            self.unknown = self.unknown.wrapping_add(stands_for(block, WHOLE));
            self.unknown_bytes = self.unknown_bytes.wrapping_add(stands_for(block, block.size));
        }
    }

    /// None of them lives any more, as far as is known.
    pub(crate) const fn clear(&mut self) {
        *self = Self { seen: self.seen, bytes: 0, unknown: 0, unknown_bytes: 0 };
    }

    /// A block that came does so no longer.
    pub(crate) fn went(&mut self, sizing: Sizing, block: &Block) {
        if let Some(bytes) = usable(sizing, block.address, block.size) {
            self.bytes = self.bytes.wrapping_sub(stands_for(block, bytes));
        } else {
            self.unknown = self.unknown.wrapping_sub(stands_for(block, WHOLE));
            self.unknown_bytes = self.unknown_bytes.wrapping_sub(stands_for(block, block.size));
        }
    }

    /// Blocks of which it is not known.
    #[must_use]
    pub const fn unknown_blocks(&self) -> u64 {
        self.unknown.saturating_add(WHOLE / 2) / WHOLE
    }

    /// Whose size classes blocks had here.
    pub fn allocators(&self) -> impl Iterator<Item = &'static str> {
        self.classes().filter_map(SizeClasses::name)
    }

    /// Whether the sizes asked for settle [`Self::bytes`].
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.classes().all(is_exact)
    }

    fn classes(&self) -> impl Iterator<Item = SizeClasses> {
        let seen = self.seen;
        SizeClasses::KNOWN.into_iter().filter(move |classes| seen & 1 << classes.number() != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::{Block, SizeClasses, Sizing, Usable};

    fn block(size: u64) -> Block {
        Block { address: 0x20, size, interval: 0, stack: 0, born: 0 }
    }

    #[test]
    fn what_comes_goes_and_what_is_not_known_stands_apart() {
        let mut usable = Usable::default();
        usable.came(Sizing::of(SizeClasses::JEMALLOC), &block(100));
        usable.came(Sizing::of(SizeClasses::UNKNOWN), &block(7));
        assert_eq!((usable.bytes, usable.unknown_blocks(), usable.unknown_bytes), (112, 1, 7));
        assert!(usable.is_exact());
        usable.came(Sizing::of(SizeClasses::GLIBC), &block(100));
        assert_eq!((usable.bytes, usable.is_exact()), (112 + 104, false));
        assert_eq!(usable.allocators().collect::<Vec<_>>(), ["glibc", "jemalloc"]);
        usable.went(Sizing::of(SizeClasses::JEMALLOC), &block(100));
        usable.went(Sizing::of(SizeClasses::GLIBC), &block(100));
        usable.went(Sizing::of(SizeClasses::UNKNOWN), &block(7));
        assert_eq!((usable.bytes, usable.unknown_blocks(), usable.unknown_bytes), (0, 0, 0));
    }

    #[test]
    fn a_sample_counts_for_what_it_stands_for() {
        let mut usable = Usable::default();
        let sample = Block { interval: 100, ..block(100) };
        // 1/(1 - 1/e) = 1.582 blocks of 112 bytes.
        usable.came(Sizing::of(SizeClasses::JEMALLOC), &sample);
        usable.came(Sizing::of(SizeClasses::UNKNOWN), &sample);
        usable.came(Sizing::of(SizeClasses::UNKNOWN), &sample);
        assert_eq!((usable.bytes, usable.unknown_blocks(), usable.unknown_bytes), (177, 3, 316));
        usable.went(Sizing::of(SizeClasses::JEMALLOC), &sample);
        usable.went(Sizing::of(SizeClasses::UNKNOWN), &sample);
        usable.went(Sizing::of(SizeClasses::UNKNOWN), &sample);
        assert_eq!((usable.bytes, usable.unknown_blocks(), usable.unknown_bytes), (0, 0, 0));
    }
}
