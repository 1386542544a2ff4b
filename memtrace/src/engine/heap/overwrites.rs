//! Recent blocks whose address was handed out again before their free was seen.
//!
//! `realloc` reports only when it returns. Between its inner free and its return another thread may
//! have been given the old address, and that thread's allocation arrives first: what looks like a
//! missed free is explained as soon as the reallocation arrives. This record serves to take such
//! a count back, also when the other thread's block has gone again.

use super::blocks::Block;
use crate::model::ids::Nanos;
use std::collections::VecDeque;

/// How many are remembered. A reallocation arrives microseconds after the overwrite that it
/// explains; only a thread that loses its CPU in between takes longer.
const MOST: usize = 256;

/// See the file's head.
#[derive(Clone, Debug, Default)]
pub(crate) struct Overwrites(VecDeque<Overwrite>);

#[derive(Clone, Copy, Debug)]
struct Overwrite {
    old: Block,
    time: Nanos,
}

impl Overwrites {
    /// `old` gave way to an allocation that returned at `time`.
    pub(crate) fn note(&mut self, old: Block, time: Nanos) {
        if self.0.len() == MOST {
            self.0.pop_front();
        }
        self.0.push_back(Overwrite { old, time });
    }

    /// The block that lived at `address` at the moment `entered`, if it was overwritten later.
    /// It is forgotten.
    pub(crate) fn take(&mut self, address: u64, entered: Nanos) -> Option<Block> {
        let explained = |overwrite: &Overwrite| {
            overwrite.old.address == address
                && overwrite.old.born <= entered
                && entered < overwrite.time
        };
        let place = self.0.iter().rposition(explained)?;
        self.0.remove(place).map(|overwrite| overwrite.old)
    }
}

#[cfg(test)]
mod tests {
    use super::{Block, MOST, Overwrites};

    fn block(address: u64, born: u64) -> Block {
        Block { address, size: 1, interval: 0, stack: 0, born }
    }

    #[test]
    fn the_block_that_lived_then_is_found_once() {
        let mut overwrites = Overwrites::default();
        overwrites.note(block(16, 10), 20);
        overwrites.note(block(16, 20), 30);
        overwrites.note(block(32, 5), 30);
        assert_eq!(overwrites.take(16, 9), None);
        assert_eq!(overwrites.take(16, 30), None);
        assert_eq!(overwrites.take(16, 19), Some(block(16, 10)));
        assert_eq!(overwrites.take(16, 19), None);
        assert_eq!(overwrites.take(16, 20), Some(block(16, 20)));
    }

    #[test]
    fn old_ones_make_room() {
        let mut overwrites = Overwrites::default();
        for address in 0..=MOST as u64 {
            overwrites.note(block(address, 1), 3);
        }
        assert_eq!(overwrites.take(0, 2), None);
        assert_eq!(overwrites.take(1, 2), Some(block(1, 1)));
    }
}
