//! What is summed up of each call stack in a period. What samples stand for is summed up beside it, once there is one.

use crate::engine::heap::blocks::Block;
use crate::engine::heap::fetch::fetch;
use crate::engine::heap::sampled::{Pair, Sample, rounded};
use crate::engine::snapshot::PeriodSum;

/// What a sum is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    Allocated,
    Kept,
    Temporary,
}

const SUMS: usize = 3;

/// Bytes and blocks. Byte sums wrap, as all of them do.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    bytes: u64,
    blocks: u64,
}

impl Count {
    const fn add(&mut self, block: &Block) {
        self.bytes = self.bytes.wrapping_add(block.size);
        self.blocks += 1;
    }

    const fn remove(&mut self, block: &Block) {
        self.bytes = self.bytes.wrapping_sub(block.size);
        self.blocks = self.blocks.saturating_sub(1);
    }
}

/// Something of each kind of sum, by the number of a call stack, and of blocks whose stack is not known.
#[derive(Clone, Debug, Default)]
struct Rows<T> {
    known: Vec<[T; SUMS]>,
    unknown: [T; SUMS],
}

impl<T: Copy + Default> Rows<T> {
    fn of(&mut self, stack: u32) -> &mut [T; SUMS] {
        // Blocks without a stack have the highest number.
        if stack == u32::MAX {
            return &mut self.unknown;
        }
        let number = stack as usize;
        if self.known.len() <= number {
            self.known.resize(number + 1, [T::default(); SUMS]);
        }
        &mut self.known[number]
    }

    fn find(&self, stack: Option<u32>) -> [T; SUMS] {
        match stack {
            None => self.unknown,
            Some(stack) => self.known.get(stack as usize).copied().unwrap_or_default(),
        }
    }

    fn clear(&mut self, of: Of) {
        self.unknown[of as usize] = T::default();
        self.known.iter_mut().for_each(|row| row[of as usize] = T::default());
    }

    fn map<U>(&self, what: impl Fn(&T) -> U) -> Rows<U> {
        let row = |row: &[T; SUMS]| row.each_ref().map(&what);
        Rows { known: self.known.iter().map(row).collect(), unknown: row(&self.unknown) }
    }

    fn memory_bytes(&self) -> usize {
        self.known.capacity() * size_of::<[T; SUMS]>()
    }
}

/// See the file's head.
#[derive(Debug, Default)]
pub(super) struct Sums {
    counts: Rows<Count>,
    /// `None` until there is a sample.
    estimates: Option<Box<Rows<Pair>>>,
}

impl Sums {
    pub(super) fn add(&mut self, of: Of, block: &Block) {
        if let Some(estimates) = self.estimates_with(block) {
            estimates.of(block.stack)[of as usize].add(&Sample::of(block));
        }
        self.counts.of(block.stack)[of as usize].add(block);
    }

    pub(super) fn remove(&mut self, of: Of, block: &Block) {
        if let Some(estimates) = self.estimates_with(block) {
            estimates.of(block.stack)[of as usize].remove(&Sample::of(block));
        }
        self.counts.of(block.stack)[of as usize].remove(block);
    }

    /// What samples stand for, if there is any or this block is one: whatever was counted before stands for itself.
    #[inline]
    fn estimates_with(&mut self, block: &Block) -> Option<&mut Rows<Pair>> {
        if block.interval != 0 && self.estimates.is_none() {
            let exact = |count: &Count| Pair::exact(count.bytes, count.blocks);
            self.estimates = Some(Box::new(self.counts.map(exact)));
        }
        self.estimates.as_deref_mut()
    }

    /// There is nothing of this any more.
    pub(super) fn clear(&mut self, of: Of) {
        self.counts.clear(of);
        if let Some(estimates) = &mut self.estimates {
            estimates.clear(of);
        }
    }

    /// Of one stack; of blocks whose stack is not known `None`. `interval`: that of the latest sample, if there is any.
    pub(super) fn sum(&self, of: Of, stack: Option<u32>, interval: Option<u64>) -> PeriodSum {
        let Count { bytes, blocks } = self.counts.find(stack)[of as usize];
        let Some(interval) = interval else {
            return PeriodSum { bytes, blocks, around: None };
        };
        let estimate = match &self.estimates {
            Some(estimates) => estimates.find(stack)[of as usize],
            None => Pair::exact(bytes, blocks),
        };
        PeriodSum {
            bytes: rounded(&estimate.bytes),
            blocks: rounded(&estimate.blocks),
            around: Some(estimate.confidence(interval)),
        }
    }

    /// Has the sums of a stack fetched that are soon changed.
    #[inline]
    pub(super) fn prefetch(&self, stack: u32) {
        if let Some([first, .., last]) = self.counts.known.get(stack as usize) {
            fetch(first);
            fetch(last);
        }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let estimates = self.estimates.as_ref().map_or(0, |rows| rows.memory_bytes());
        self.counts.memory_bytes() + estimates
    }
}

#[cfg(test)]
mod tests {
    use super::{Of, Sums};
    use crate::engine::heap::blocks::Block;

    fn block(size: u64, interval: u64) -> Block {
        Block { address: 16, size, interval, stack: 1, born: 1 }
    }

    /// What came before the first sample counts as it is, and what goes after it, too.
    #[test]
    fn exact_blocks_and_samples_add_up() {
        let mut sums = Sums::default();
        sums.add(Of::Kept, &block(100, 0));
        sums.add(Of::Kept, &block(50, 0));
        let exact = sums.sum(Of::Kept, Some(1), None);
        assert_eq!((exact.bytes, exact.blocks, exact.around), (150, 2, None));
        // Nothing is a sample yet.
        let sum = sums.sum(Of::Kept, Some(1), Some(1000));
        assert_eq!((sum.bytes, sum.blocks), (150, 2));
        // So large a block is always taken, and stands for little more than itself.
        let sample = block(100_000, 1000);
        sums.add(Of::Kept, &sample);
        assert_eq!(sums.sum(Of::Kept, Some(1), Some(1000)).bytes, 100_150);
        sums.remove(Of::Kept, &sample);
        sums.remove(Of::Kept, &block(50, 0));
        let left = sums.sum(Of::Kept, Some(1), Some(1000));
        assert_eq!((left.bytes, left.blocks), (100, 1));
        sums.clear(Of::Kept);
        assert_eq!(sums.sum(Of::Kept, Some(1), Some(1000)).bytes, 0);
    }

    #[test]
    fn a_small_sample_stands_for_many() {
        let mut sums = Sums::default();
        sums.add(Of::Allocated, &block(1, 1000));
        let sum = sums.sum(Of::Allocated, Some(1), Some(1000));
        // 1/(1 − e^(−size/interval)) of it.
        assert_eq!((sum.bytes, sum.blocks), (1001, 1001));
        assert!(sum.around.is_some());
        assert_eq!(sums.sum(Of::Temporary, Some(1), None).blocks, 0);
        assert_eq!(sums.sum(Of::Allocated, None, None).blocks, 0);
    }
}
