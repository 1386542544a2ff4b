//! What all live blocks of a heap take.

use super::{is_exact, usable};
use crate::engine::heap::blocks::Block;
use memtrace_common::classes::SizeClasses;

/// What live blocks take, and which of them that is not known of.
///
/// A block takes the same when it comes and when it goes: it follows from its own address, size and stack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usable {
    /// Bytes that those take of which it is known.
    pub bytes: u64,
    /// The others.
    pub unknown_blocks: u64,
    /// Bytes asked for with the others.
    pub unknown_bytes: u64,
    /// A bit for each of the size classes that blocks ever had here, by its number.
    seen: u8,
}

impl Usable {
    /// Blocks of these size classes, which take so many bytes.
    #[must_use]
    pub const fn known(classes: SizeClasses, bytes: u64) -> Self {
        Self { bytes, unknown_blocks: 0, unknown_bytes: 0, seen: 1 << classes.number() }
    }

    /// A block lives. (Sums wrap, as sizes are what the target asked for.)
    pub(crate) fn came(&mut self, classes: SizeClasses, block: &Block) {
        if let Some(bytes) = usable(classes, block.address, block.size) {
            self.seen |= 1 << classes.number();
            self.bytes = self.bytes.wrapping_add(bytes);
        } else {
            self.unknown_blocks += 1;
            self.unknown_bytes = self.unknown_bytes.wrapping_add(block.size);
        }
    }

    /// A block that came does so no longer.
    pub(crate) fn went(&mut self, classes: SizeClasses, block: &Block) {
        if let Some(bytes) = usable(classes, block.address, block.size) {
            self.bytes = self.bytes.wrapping_sub(bytes);
        } else {
            self.unknown_blocks = self.unknown_blocks.wrapping_sub(1);
            self.unknown_bytes = self.unknown_bytes.wrapping_sub(block.size);
        }
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
    use super::{Block, SizeClasses, Usable};

    fn block(size: u64) -> Block {
        Block { address: 0x20, size, stack: 0, born: 0 }
    }

    #[test]
    fn what_comes_goes_and_what_is_not_known_stands_apart() {
        let mut usable = Usable::default();
        usable.came(SizeClasses::JEMALLOC, &block(100));
        usable.came(SizeClasses::UNKNOWN, &block(7));
        assert_eq!((usable.bytes, usable.unknown_blocks, usable.unknown_bytes), (112, 1, 7));
        assert!(usable.is_exact());
        usable.came(SizeClasses::GLIBC, &block(100));
        assert_eq!((usable.bytes, usable.is_exact()), (112 + 104, false));
        assert_eq!(usable.allocators().collect::<Vec<_>>(), ["glibc", "jemalloc"]);
        usable.went(SizeClasses::JEMALLOC, &block(100));
        usable.went(SizeClasses::GLIBC, &block(100));
        usable.went(SizeClasses::UNKNOWN, &block(7));
        assert_eq!((usable.bytes, usable.unknown_blocks, usable.unknown_bytes), (0, 0, 0));
    }
}
