//! What is summed up of each call stack in a period. What samples stand for is summed up beside it, once there is one.

use crate::engine::heap::blocks::Block;
use crate::engine::heap::counted::Counted;
use crate::engine::heap::fetch::fetch;
use crate::engine::heap::sampled::{Pair, Sample, rounded};
use crate::engine::snapshot::PeriodSum;

/// What is summed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sum {
    Allocated,
    Kept,
    Temporary,
}

const SUMS: usize = 3;

/// Something of each kind of sum, by the number of a call stack, and of blocks whose stack is not known.
#[derive(Clone, Debug, Default)]
struct Rows<T> {
    known: Vec<[T; SUMS]>,
    unknown: [T; SUMS],
}

impl<T: Copy + Default> Rows<T> {
    fn row_mut(&mut self, stack: u32) -> &mut [T; SUMS] {
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

    fn clear(&mut self, which: Sum) {
        self.unknown[which as usize] = T::default();
        self.known.iter_mut().for_each(|row| row[which as usize] = T::default());
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
    counts: Rows<Counted>,
    /// `None` until there is a sample.
    estimates: Option<Box<Rows<Pair>>>,
}

impl Sums {
    pub(super) fn add(&mut self, which: Sum, block: &Block) {
        if let Some(estimates) = self.estimates_with(block) {
            estimates.row_mut(block.stack)[which as usize].add(&Sample::of(block));
        }
        self.counts.row_mut(block.stack)[which as usize].add(block);
    }

    pub(super) fn remove(&mut self, which: Sum, block: &Block) {
        if let Some(estimates) = self.estimates_with(block) {
            estimates.row_mut(block.stack)[which as usize].remove(&Sample::of(block));
        }
        self.counts.row_mut(block.stack)[which as usize].remove(block);
    }

    /// What samples stand for, if there is any or this block is one: what was counted before stands for itself, its sums
    /// taken as they are (they wrap only for sizes that no heap has).
    #[inline]
    fn estimates_with(&mut self, block: &Block) -> Option<&mut Rows<Pair>> {
        if block.interval != 0 && self.estimates.is_none() {
            let exact = |count: &Counted| Pair::exact(count.bytes, count.blocks);
            self.estimates = Some(Box::new(self.counts.map(exact)));
        }
        self.estimates.as_deref_mut()
    }

    /// There is nothing of this any more.
    pub(super) fn clear(&mut self, which: Sum) {
        self.counts.clear(which);
        if let Some(estimates) = &mut self.estimates {
            estimates.clear(which);
        }
    }

    /// Of one stack; of blocks whose stack is not known `None`. `interval`: that of the latest sample, if there is any.
    pub(super) fn sum(&self, which: Sum, stack: Option<u32>, interval: Option<u64>) -> PeriodSum {
        let Counted { bytes, blocks } = self.counts.find(stack)[which as usize];
        let Some(interval) = interval else {
            return PeriodSum { bytes, blocks, around: None };
        };
        let estimate = match &self.estimates {
            Some(estimates) => estimates.find(stack)[which as usize],
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
    use super::{Sum, Sums};
    use crate::engine::heap::blocks::Block;
    use crate::engine::heap::sampled::{Pair, Sample, rounded};
    use proptest::collection::vec;
    use proptest::prelude::{Just, any, prop_assert_eq, prop_oneof, proptest};

    fn block(size: u64, interval: u64) -> Block {
        Block { address: 16, size, interval, stack: 1, born: 1 }
    }

    /// What came before the first sample counts as it is, and what goes after it, too.
    #[test]
    fn exact_blocks_and_samples_add_up() {
        let mut sums = Sums::default();
        sums.add(Sum::Kept, &block(100, 0));
        sums.add(Sum::Kept, &block(50, 0));
        let exact = sums.sum(Sum::Kept, Some(1), None);
        assert_eq!((exact.bytes, exact.blocks, exact.around), (150, 2, None));
        // Nothing is a sample yet.
        let sum = sums.sum(Sum::Kept, Some(1), Some(1000));
        assert_eq!((sum.bytes, sum.blocks), (150, 2));
        // So large a block is always taken, and stands for little more than itself.
        let sample = block(100_000, 1000);
        sums.add(Sum::Kept, &sample);
        assert_eq!(sums.sum(Sum::Kept, Some(1), Some(1000)).bytes, 100_150);
        sums.remove(Sum::Kept, &sample);
        sums.remove(Sum::Kept, &block(50, 0));
        let left = sums.sum(Sum::Kept, Some(1), Some(1000));
        assert_eq!((left.bytes, left.blocks), (100, 1));
        sums.clear(Sum::Kept);
        assert_eq!(sums.sum(Sum::Kept, Some(1), Some(1000)).bytes, 0);
    }

    #[test]
    fn blocks_without_a_stack_are_summed_up_apart() {
        let mut sums = Sums::default();
        sums.add(Sum::Kept, &Block { stack: u32::MAX, ..block(10, 0) });
        sums.add(Sum::Kept, &Block { stack: u32::MAX, ..block(20, 1000) });
        assert_eq!(sums.sum(Sum::Kept, None, None).bytes, 30);
        assert!(sums.sum(Sum::Kept, None, Some(1000)).bytes > 1000);
        assert_eq!(sums.sum(Sum::Kept, Some(1), None).blocks, 0);
    }

    proptest! {
        /// As if what each block stands for had been added up from the first one on.
        #[test]
        fn estimates_are_those_of_all_blocks(
            blocks in vec((1..100_000_u64, prop_oneof![Just(0_u64), Just(4096)], any::<bool>()), 1..40)
        ) {
            let (mut sums, mut pair) = (Sums::default(), Pair::default());
            for (size, interval, goes) in blocks {
                let block = block(size, interval);
                sums.add(Sum::Kept, &block);
                pair.add(&Sample::of(&block));
                if goes {
                    sums.remove(Sum::Kept, &block);
                    pair.remove(&Sample::of(&block));
                }
            }
            let sum = sums.sum(Sum::Kept, Some(1), Some(4096));
            prop_assert_eq!((sum.bytes, sum.blocks), (rounded(&pair.bytes), rounded(&pair.blocks)));
            let (ours, theirs) = (sum.around.map(|(bytes, _)| bytes), pair.confidence(4096).0);
            prop_assert_eq!(ours.map(|it| it.low), Some(theirs.low));
        }
    }

    #[test]
    fn a_small_sample_stands_for_many() {
        let mut sums = Sums::default();
        sums.add(Sum::Allocated, &block(1, 1000));
        let sum = sums.sum(Sum::Allocated, Some(1), Some(1000));
        // 1/(1 − e^(−size/interval)) of it.
        assert_eq!((sum.bytes, sum.blocks), (1001, 1001));
        assert!(sum.around.is_some());
        assert_eq!(sums.sum(Sum::Temporary, Some(1), None).blocks, 0);
        assert_eq!(sums.sum(Sum::Allocated, None, None).blocks, 0);
    }
}
