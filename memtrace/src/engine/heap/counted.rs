//! How many blocks, of how many bytes together.

use super::blocks::Block;

/// See the file's head. Byte sums wrap, as all of them do.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counted {
    pub(crate) bytes: u64,
    pub(crate) blocks: u64,
}

impl Counted {
    pub(crate) const NONE: Self = Self { bytes: 0, blocks: 0 };

    /// One more.
    #[inline]
    pub(crate) const fn add(&mut self, block: &Block) {
        self.bytes = self.bytes.wrapping_add(block.size);
        self.blocks += 1;
    }

    /// One less.
    #[inline]
    pub(crate) const fn remove(&mut self, block: &Block) {
        self.bytes = self.bytes.wrapping_sub(block.size);
        self.blocks = self.blocks.saturating_sub(1);
    }
}
