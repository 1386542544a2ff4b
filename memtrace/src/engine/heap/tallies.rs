//! What each call stack of an address space allocated, holds, and held at the peak.

use super::fetch::fetch;
use memtrace_common::classes::Sizing;

/// Sums of one call stack.
///
/// Byte sums wrap: sizes are what the target asked for, and a hostile one can add up to anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) live_bytes: u64,
    pub(crate) live_blocks: u64,
    /// Of blocks of which it is not known whether they live.
    pub(crate) unknown_bytes: u64,
    pub(crate) unknown_blocks: u64,
    pub(crate) allocated_bytes: u64,
    pub(crate) allocated_blocks: u64,
    pub(crate) freed_bytes: u64,
    pub(crate) freed_blocks: u64,
    /// The peak of the process for which `at_peak` is right; see [`Tallies`].
    peak: u64,
    at_peak: u64,
}

/// The tallies of an address space, by the stacks' numbers in it.
///
/// Peaks are numbered. A stack's live bytes at peak *n* are what it holds at the first change
/// after that peak, so each change looks whether a peak has passed since the last one, and if so
/// keeps the value. That is one comparison per event, and no walk over the stacks at a peak.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tallies {
    tallies: Vec<Tally>,
    /// What size the blocks of each have.
    sizing: Vec<Sizing>,
    peak: u64,
}

impl Tallies {
    /// The next stack's number.
    pub(crate) fn add(&mut self, sizing: Sizing) -> u32 {
        let number = self.tallies.len() as u32;
        self.tallies.push(Tally::default());
        self.sizing.push(sizing);
        number
    }

    /// Has a tally for each stack up to this number.
    pub(crate) fn reach(&mut self, number: u32) {
        while self.tallies.len() <= number as usize {
            self.add(Sizing::default());
        }
    }

    /// The sums of a stack are needed soon.
    #[inline]
    pub(crate) fn prefetch(&self, stack: u32) {
        if let Some(tally) = self.tallies.get(stack as usize) {
            // Those that most events change stand at both ends.
            fetch(&tally.live_bytes);
            fetch(&tally.at_peak);
        }
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.tallies.capacity() * size_of::<Tally>() + self.sizing.capacity() * size_of::<Sizing>()
    }

    /// What size blocks have that come from this stack.
    pub(crate) fn sizing(&self, stack: u32) -> Sizing {
        self.sizing.get(stack as usize).copied().unwrap_or_default()
    }

    /// The process is at its peak now.
    pub(crate) const fn mark_peak(&mut self) {
        self.peak += 1;
    }

    /// All that was held up to now is another process's: only what is alive stays.
    pub(crate) fn reset_to_live(&mut self) {
        for tally in &mut self.tallies {
            let Tally { live_bytes, live_blocks, unknown_bytes, unknown_blocks, .. } = *tally;
            let live = Tally { live_bytes, live_blocks, ..Tally::default() };
            *tally = Tally { unknown_bytes, unknown_blocks, ..live };
        }
        self.peak = 1;
    }

    /// Of all that lives it is not known any more whether it does.
    pub(crate) fn lose_sight(&mut self) {
        for number in 0..self.tallies.len() as u32 {
            let Some(tally) = self.before_change(number) else { return };
            tally.unknown_blocks += std::mem::take(&mut tally.live_blocks);
            let bytes = std::mem::take(&mut tally.live_bytes);
            tally.unknown_bytes = tally.unknown_bytes.wrapping_add(bytes);
        }
    }

    /// A block came of which it is not known whether it lives.
    pub(crate) fn came_unknown(&mut self, stack: u32, size: u64) {
        if let Some(tally) = self.tallies.get_mut(stack as usize) {
            tally.unknown_blocks += 1;
            tally.unknown_bytes = tally.unknown_bytes.wrapping_add(size);
        }
    }

    /// It has become known that such a block does not live.
    pub(crate) fn went_unknown(&mut self, stack: u32, size: u64) {
        if let Some(tally) = self.tallies.get_mut(stack as usize) {
            tally.unknown_blocks = tally.unknown_blocks.wrapping_sub(1);
            tally.unknown_bytes = tally.unknown_bytes.wrapping_sub(size);
        }
    }

    pub(crate) fn allocated(&mut self, stack: u32, size: u64) {
        if let Some(tally) = self.tallies.get_mut(stack as usize) {
            tally.allocated_blocks += 1;
            tally.allocated_bytes = tally.allocated_bytes.wrapping_add(size);
        }
    }

    pub(crate) fn freed(&mut self, stack: u32, size: u64) {
        if let Some(tally) = self.tallies.get_mut(stack as usize) {
            tally.freed_blocks += 1;
            tally.freed_bytes = tally.freed_bytes.wrapping_add(size);
        }
    }

    pub(crate) fn came(&mut self, stack: u32, size: u64) {
        if let Some(tally) = self.before_change(stack) {
            tally.live_blocks += 1;
            tally.live_bytes = tally.live_bytes.wrapping_add(size);
        }
    }

    pub(crate) fn went(&mut self, stack: u32, size: u64) {
        if let Some(tally) = self.before_change(stack) {
            tally.live_blocks = tally.live_blocks.wrapping_sub(1);
            tally.live_bytes = tally.live_bytes.wrapping_sub(size);
        }
    }

    /// All tallies by number, each with the bytes that it held at the peak.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Tally, u64)> {
        self.tallies.iter().map(|tally| (tally, tally.at_peak(self.peak)))
    }

    fn before_change(&mut self, stack: u32) -> Option<&mut Tally> {
        let tally = self.tallies.get_mut(stack as usize)?;
        tally.at_peak = tally.at_peak(self.peak);
        tally.peak = self.peak;
        Some(tally)
    }
}

impl Tally {
    const fn at_peak(&self, peak: u64) -> u64 {
        if self.peak == peak { self.at_peak } else { self.live_bytes }
    }
}
