//! Sums over a heap whose blocks are samples: estimates, kept beside the plain sums, which count the samples
//! themselves. Where every block is taken there are none of these.

use super::blocks::Block;
use super::tallies::{Tallies, Tally};
use crate::engine::sampling::{Estimate, SumConfidence, Weight};
use crate::engine::snapshot::{Confidence, HeapTotals, OddConfidence, SampledConfidence};
use std::cell::Cell;

/// Bytes and blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Pair {
    pub(crate) bytes: Estimate,
    pub(crate) blocks: Estimate,
}

impl Pair {
    pub(crate) fn exact(bytes: u64, blocks: u64) -> Self {
        let estimate = |value: u64| Estimate::exact(value as f64, blocks);
        Self { bytes: estimate(bytes), blocks: estimate(blocks) }
    }

    /// What came to it since it was `before`, of which nothing was taken out.
    pub(crate) fn beyond(&self, before: &Self) -> Self {
        Self {
            bytes: self.bytes.added_to(&before.bytes),
            blocks: self.blocks.added_to(&before.blocks),
        }
    }

    /// Both together.
    pub(crate) fn with(self, other: &Self) -> Self {
        Self { bytes: self.bytes.with(&other.bytes), blocks: self.blocks.with(&other.blocks) }
    }

    pub(crate) fn add(&mut self, sample: &Sample) {
        let Sample { size, weight } = *sample;
        self.bytes.add(weight.bytes, size, weight.missed);
        self.blocks.add(weight.blocks, 1.0, weight.missed);
    }

    pub(crate) fn remove(&mut self, sample: &Sample) {
        let Sample { size, weight } = *sample;
        self.bytes.remove(weight.bytes, size, weight.missed);
        self.blocks.remove(weight.blocks, 1.0, weight.missed);
    }

    /// Where bytes and blocks lie, with a mean interval of `interval` bytes.
    ///
    /// Of blocks that were not seen the number is bounded by their bytes only: they are counted as no smaller than the
    /// smallest one that was ever seen here.
    pub(crate) fn confidence(&self, interval: u64) -> (Confidence, Confidence) {
        let interval = interval as f64;
        let widest = self.blocks.widest();
        let unseen = if widest > 0.0 { widest } else { interval };
        (
            Confidence::of(self.bytes.interval(interval)),
            Confidence::of(self.blocks.interval(unseen)),
        )
    }
}

impl Pair {
    /// A part of what this is of: what was once seen in the whole may be in it.
    pub(crate) fn part_confidence(&self, part: &Self, interval: u64) -> SumConfidence {
        let bytes = part.bytes.with_widest(self.bytes.widest());
        let blocks = part.blocks.with_widest(self.blocks.widest());
        Self { bytes, blocks }.sum_confidence(interval)
    }

    /// The same by name.
    pub(crate) fn sum_confidence(&self, interval: u64) -> SumConfidence {
        let (bytes, blocks) = self.confidence(interval);
        SumConfidence { bytes, blocks }
    }
}

/// Where sums over some samples lie: what is alive, was allocated, and was freed.
pub(crate) fn confidence_of(
    interval: u64,
    peak_bytes: &Estimate,
    [live, allocated, freed, unknown]: [&Pair; 4],
) -> SampledConfidence {
    // What was once seen here may be anywhere.
    let all = [live, allocated, freed, unknown];
    let bytes = all.iter().map(|pair| pair.bytes.widest()).fold(0.0, f64::max);
    let blocks = all.iter().map(|pair| pair.blocks.widest()).fold(0.0, f64::max);
    let [live_bounds, allocated, freed, unknown] = all.map(|pair| {
        let bytes = pair.bytes.with_widest(bytes);
        Pair { bytes, blocks: pair.blocks.with_widest(blocks) }.confidence(interval)
    });
    let unknown = SumConfidence { bytes: unknown.0, blocks: unknown.1 };
    SampledConfidence {
        live_bytes: live_bounds.0,
        live_blocks: live_bounds.1,
        peak_bytes: Confidence::of(peak_bytes.interval(interval as f64)),
        allocated_bytes: allocated.0,
        allocated_blocks: allocated.1,
        freed_bytes: freed.0,
        freed_blocks: freed.1,
        unknown,
        samples: live.blocks.samples(),
    }
}

/// The nearest whole number of bytes or blocks.
pub(crate) fn rounded(estimate: &Estimate) -> u64 {
    estimate.value().round() as u64
}

/// A block, and what it stands for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    size: f64,
    weight: Weight,
}

impl Sample {
    pub(crate) fn of(block: &Block) -> Self {
        Self { size: block.size as f64, weight: Weight::of(block.size, block.interval) }
    }
}

/// What one call stack's blocks stand for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SampledTally {
    pub(crate) live: Pair,
    pub(crate) unknown: Pair,
    pub(crate) allocated: Pair,
    pub(crate) freed: Pair,
    /// As in [`Tally`].
    peak: u64,
    at_peak: Estimate,
}

impl SampledTally {
    fn exact(tally: &Tally, at_peak: u64) -> Self {
        Self {
            live: Pair::exact(tally.live_bytes, tally.live_blocks),
            unknown: Pair::exact(tally.unknown_bytes, tally.unknown_blocks),
            allocated: Pair::exact(tally.allocated_bytes, tally.allocated_blocks),
            freed: Pair::exact(tally.freed_bytes, tally.freed_blocks),
            peak: 0,
            at_peak: Estimate::exact(at_peak as f64, tally.live_blocks),
        }
    }

    /// What it held when the heap was at its peak.
    pub(crate) const fn at_peak(&self, peak: u64) -> &Estimate {
        if self.peak == peak { &self.at_peak } else { &self.live.bytes }
    }
}

/// See the file's head.
#[derive(Clone, Debug)]
pub(crate) struct Sampled {
    /// The interval of the latest sample.
    interval: u64,
    live: Pair,
    unknown: Pair,
    allocated: Pair,
    freed: Pair,
    missed: Pair,
    evicted: Pair,
    inherited: Pair,
    peak_bytes: Estimate,
    /// Number of the peak, as in [`Tallies`].
    peak: u64,
    stacks: Vec<SampledTally>,
    /// What [`Self::live_range`] was asked of last, and what it said.
    range: Cell<Option<((Pair, u64), Confidence)>>,
}

impl Sampled {
    /// From here on; what was counted before was counted exactly.
    pub(crate) fn begin(totals: &HeapTotals, tallies: &Tallies) -> Self {
        Self {
            interval: 0,
            live: Pair::exact(totals.live_bytes, totals.live_blocks),
            unknown: Pair::exact(totals.unknown_bytes, totals.unknown_blocks),
            allocated: Pair::exact(totals.allocated_bytes, totals.allocated_blocks),
            freed: Pair::exact(totals.freed_bytes, totals.freed_blocks),
            missed: Pair::exact(totals.missed_bytes, totals.missed_frees),
            evicted: Pair::exact(totals.evicted_bytes, totals.evicted_blocks),
            inherited: Pair::exact(totals.inherited_bytes, totals.inherited_blocks),
            peak_bytes: Estimate::exact(totals.peak_bytes as f64, 1),
            peak: 0,
            stacks: tallies.iter().map(|(tally, peak)| SampledTally::exact(tally, peak)).collect(),
            range: Cell::default(),
        }
    }

    /// Of a child that was forked now: the same blocks, none of them its own doing.
    pub(crate) fn forked(&self) -> Self {
        let stacks = self.stacks.iter().map(|tally| {
            let SampledTally { live, unknown, .. } = *tally;
            SampledTally { live, unknown, ..SampledTally::default() }
        });
        Self {
            allocated: Pair::default(),
            freed: Pair::default(),
            missed: Pair::default(),
            evicted: Pair::default(),
            inherited: self.live.with(&self.unknown),
            peak_bytes: self.live.bytes,
            peak: 1,
            stacks: stacks.collect(),
            range: Cell::default(),
            ..*self
        }
    }

    /// What to show in the place of the plain sums.
    pub(crate) fn totals(&self, plain: &HeapTotals) -> HeapTotals {
        let both = |pair: &Pair| (rounded(&pair.bytes), rounded(&pair.blocks));
        let (live, allocated) = (both(&self.live), both(&self.allocated));
        let unknown = both(&self.unknown);
        let (missed, evicted) = (both(&self.missed), both(&self.evicted));
        let inherited = both(&self.inherited);
        // What was freed follows from the others, so that rounded figures add up, too.
        let freed = |came: u64, more: u64, left: [u64; 4]| {
            left.into_iter().fold(came.saturating_add(more), u64::saturating_sub)
        };
        let freed = (
            freed(allocated.0, inherited.0, [live.0, missed.0, evicted.0, unknown.0]),
            freed(allocated.1, inherited.1, [live.1, missed.1, evicted.1, unknown.1]),
        );
        HeapTotals {
            live_bytes: live.0,
            live_blocks: live.1,
            unknown_bytes: unknown.0,
            unknown_blocks: unknown.1,
            peak_bytes: rounded(&self.peak_bytes),
            allocated_bytes: allocated.0,
            allocated_blocks: allocated.1,
            freed_bytes: freed.0,
            freed_blocks: freed.1,
            missed_bytes: missed.0,
            missed_frees: missed.1,
            evicted_bytes: evicted.0,
            evicted_blocks: evicted.1,
            inherited_bytes: inherited.0,
            inherited_blocks: inherited.1,
            confidence: Some(confidence_of(
                self.interval,
                &self.peak_bytes,
                [&self.live, &self.allocated, &self.freed, &self.unknown],
            )),
            odd_confidence: Some(OddConfidence {
                missed_frees: self.allocated.part_confidence(&self.missed, self.interval).blocks,
                evicted: self.allocated.part_confidence(&self.evicted, self.interval),
            }),
            ..*plain
        }
    }

    /// Live bytes, as in [`Self::totals`].
    pub(crate) fn live_bytes(&self) -> u64 {
        rounded(&self.live.bytes)
    }

    /// Where those lie. Marks come often, and most heaps rest between two: the same sum has the same range.
    pub(crate) fn live_range(&self) -> Confidence {
        let asked = (self.live, self.interval);
        if let Some((known, range)) = self.range.get()
            && known == asked
        {
            return range;
        }
        let range = self.live.confidence(self.interval).0;
        self.range.set(Some((asked, range)));
        range
    }

    /// What lives, in bytes.
    pub(crate) const fn live(&self) -> &Estimate {
        &self.live.bytes
    }

    /// The mean interval of the latest sample, bytes.
    pub(crate) const fn interval(&self) -> u64 {
        self.interval
    }

    /// What is alive, was allocated, and was freed.
    pub(crate) const fn sums(&self) -> [&Pair; 3] {
        [&self.live, &self.allocated, &self.freed]
    }

    /// Sums of all call stacks up to the last one that has some, each with what it held at the peak.
    pub(crate) fn stacks(&self) -> impl Iterator<Item = (&SampledTally, &Estimate)> {
        self.stacks.iter().map(|tally| (tally, tally.at_peak(self.peak)))
    }

    /// A block was allocated.
    pub(crate) fn allocated(&mut self, block: &Block) {
        self.interval = block.interval;
        let sample = Sample::of(block);
        self.allocated.add(&sample);
        self.change(block.stack, |tally| tally.allocated.add(&sample));
    }

    /// A block lives.
    pub(crate) fn came(&mut self, block: &Block) {
        let sample = Sample::of(block);
        self.live.add(&sample);
        self.change_live(block.stack, |live| live.add(&sample));
        if self.live.bytes.value() > self.peak_bytes.value() {
            self.peak_bytes = self.live.bytes;
            self.peak += 1;
        }
    }

    /// A block that came does so no longer.
    pub(crate) fn went(&mut self, block: &Block) {
        let sample = Sample::of(block);
        self.live.remove(&sample);
        self.change_live(block.stack, |live| live.remove(&sample));
    }

    /// Of all that lives it is not known any more whether it does.
    pub(crate) fn lose_sight(&mut self) {
        self.unknown = self.unknown.with(&std::mem::take(&mut self.live));
        for number in 0..self.stacks.len() as u32 {
            let mut lost = Pair::default();
            self.change_live(number, |live| lost = std::mem::take(live));
            self.change(number, |tally| tally.unknown = tally.unknown.with(&lost));
        }
    }

    /// A block came of which it is not known whether it lives.
    pub(crate) fn came_unknown(&mut self, block: &Block) {
        let sample = Sample::of(block);
        self.unknown.add(&sample);
        self.change(block.stack, |tally| tally.unknown.add(&sample));
    }

    /// It has become known that such a block does not live.
    pub(crate) fn went_unknown(&mut self, block: &Block) {
        let sample = Sample::of(block);
        self.unknown.remove(&sample);
        self.change(block.stack, |tally| tally.unknown.remove(&sample));
    }

    /// A block was given back.
    pub(crate) fn freed(&mut self, block: &Block) {
        let sample = Sample::of(block);
        self.freed.add(&sample);
        self.change(block.stack, |tally| tally.freed.add(&sample));
    }

    /// A block's address was given out again.
    pub(crate) fn missed(&mut self, block: &Block) {
        self.missed.add(&Sample::of(block));
    }

    /// That was explained.
    pub(crate) fn explained(&mut self, block: &Block) {
        self.missed.remove(&Sample::of(block));
    }

    /// A block was not kept.
    pub(crate) fn evicted(&mut self, block: &Block) {
        self.evicted.add(&Sample::of(block));
    }

    fn change(&mut self, stack: u32, change: impl FnOnce(&mut SampledTally)) {
        let number = stack as usize;
        // Blocks without a stack have the highest number.
        if number >= self.stacks.len() && stack < u32::MAX {
            self.stacks.resize(number + 1, SampledTally::default());
        }
        if let Some(tally) = self.stacks.get_mut(number) {
            change(tally);
        }
    }

    fn change_live(&mut self, stack: u32, change: impl FnOnce(&mut Pair)) {
        let peak = self.peak;
        self.change(stack, |tally| {
            tally.at_peak = *tally.at_peak(peak);
            tally.peak = peak;
            change(&mut tally.live);
        });
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.stacks.capacity() * size_of::<SampledTally>()
    }
}
