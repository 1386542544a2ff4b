//! What each call stack did in slices of the run's time, for those who look at a part of it later.
//!
//! Slices end at multiples of one length, the same for all processes. That length doubles, and neighbours become one,
//! when there would be too many of them or of what they hold. Merging adds, so sums up to any end are what the tables said
//! then: exact, or the estimates of that moment. Where an account of a period is kept the first slice is all that was
//! before it.

mod estimated;

pub use estimated::Ranges;

use super::detail::Period;
use super::heap::blocks::TIME_STEP;
use super::process::Space;
use super::snapshot::Confidence;
use super::tracker::Tracker;
use crate::model::ids::Nanos;
use estimated::{SampledSums, Sums};
use std::collections::BTreeSet;

/// Most slices of a run, without the one that has just begun.
pub const MOST_SLICES: u64 = 32;
/// Most changes that all slices hold together: above that slices become longer, until there is one.
const MOST_CHANGES: usize = 1 << 18;
/// The first length, ns: a sixtieth of a second.
const FIRST_LENGTH: Nanos = 1 << 24;
/// Stands for blocks whose stack is not known.
pub const NO_STACK: u32 = u32::MAX;

/// Bytes and blocks, or by how much they changed. Both wrap: what falls is a large number, and adds up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// Bytes.
    pub bytes: u64,
    /// Blocks.
    pub blocks: u64,
}

impl Amount {
    const fn of(bytes: u64, blocks: u64) -> Self {
        Self { bytes, blocks }
    }

    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self::of(self.bytes.wrapping_add(other.bytes), self.blocks.wrapping_add(other.blocks))
    }

    const fn minus(self, other: Self) -> Self {
        Self::of(self.bytes.wrapping_sub(other.bytes), self.blocks.wrapping_sub(other.blocks))
    }
}

/// What one stack's blocks came to, or by how much that changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deeds {
    /// Alive.
    pub live: Amount,
    /// Allocated so far.
    pub allocated: Amount,
    /// Freed so far.
    pub freed: Amount,
    /// Temporary ones so far, where an account of those is kept.
    pub temporary: Amount,
}

impl Deeds {
    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            live: self.live.plus(other.live),
            allocated: self.allocated.plus(other.allocated),
            freed: self.freed.plus(other.freed),
            temporary: self.temporary.plus(other.temporary),
        }
    }

    /// By how much this is beyond the other.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self {
            live: self.live.minus(other.live),
            allocated: self.allocated.minus(other.allocated),
            freed: self.freed.minus(other.freed),
            temporary: self.temporary.minus(other.temporary),
        }
    }
}

/// What happened in a process's heap in one slice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slice {
    /// Its end: what was told before that time is in it, or in one before it.
    pub until: Nanos,
    /// Live bytes of the heap at its end.
    pub heap: u64,
    /// Where these lie, where they are an estimate.
    pub heap_range: Option<Confidence>,
    /// Mapped bytes at its end.
    pub mapped: u64,
    /// By how much stacks changed, by their numbers ([`NO_STACK`] last); those that did nothing are left out.
    pub changes: Vec<(u32, Deeds)>,
    /// Where what changed lies, where that is an estimate.
    pub ranges: Vec<(u32, Ranges)>,
}

impl Slice {
    /// Together with the one that follows.
    fn merged(self, next: Self) -> Self {
        let both = self.ranges.iter().chain(&next.ranges);
        let estimates: BTreeSet<u32> = both.map(|(number, _)| *number).collect();
        let merged = |number| estimated::merged(self.of(number), next.of(number));
        let ranges = estimates.into_iter().map(|number| (number, merged(number))).collect();
        let changes = sums(self.changes, next.changes);
        Self { changes, ranges, ..next }
    }

    fn of(&self, number: u32) -> (Option<Ranges>, Deeds) {
        let ranges = found(&self.ranges, number);
        (ranges, found(&self.changes, number).unwrap_or_default())
    }

    /// How much memory it takes, in changes.
    fn weight(&self) -> usize {
        self.changes.len() + self.ranges.len()
    }
}

fn found<T: Copy>(all: &[(u32, T)], number: u32) -> Option<T> {
    let place = all.binary_search_by_key(&number, |(number, _)| *number).ok()?;
    Some(all[place].1)
}

/// What changed in either of two slices that follow each other.
fn sums(before: Vec<(u32, Deeds)>, next: Vec<(u32, Deeds)>) -> Vec<(u32, Deeds)> {
    let mut changes = Vec::with_capacity(before.len().max(next.len()));
    let mut before = before.into_iter().peekable();
    for (number, change) in next {
        while let Some(earlier) = before.next_if(|(other, _)| *other < number) {
            changes.push(earlier);
        }
        let same = before.next_if(|(other, _)| *other == number);
        let sum = same.map_or(change, |(_, earlier)| earlier.plus(change));
        if sum != Deeds::default() {
            changes.push((number, sum));
        }
    }
    changes.extend(before);
    changes
}

/// The slices of an address space.
#[derive(Clone, Debug, Default)]
pub(super) struct Slices {
    ended: Vec<Slice>,
    /// What stacks came to at the last end.
    last: Vec<Deeds>,
    /// … and blocks without a stack.
    last_without: Deeds,
    /// The same of samples; what is not in it was counted one by one until then.
    sampled: Option<SampledSums>,
}

impl Slices {
    /// The slice that ends now.
    fn cut(&self, space: &Space, sampled: Option<&SampledSums>, until: Nanos) -> Slice {
        let (heap, mapped) = (space.heap.live_bytes(), space.ranges.totals().live_bytes);
        let heap_range = space.heap.live_range();
        let slice = Slice { until, heap, heap_range, mapped, ..Slice::default() };
        match sampled {
            None => Slice { changes: self.changes(space), ..slice },
            Some(sampled) => self.estimated(sampled, slice),
        }
    }

    fn estimated(&self, sampled: &SampledSums, mut slice: Slice) -> Slice {
        let stacks = sampled.stacks.iter().copied();
        let numbered = (0_u32..).zip(stacks).chain([(NO_STACK, sampled.without)]);
        for (number, sums) in numbered {
            let last = self.last(number);
            // Which samples were temporary is not known.
            let deeds = sums.deeds(last.temporary);
            let known = self.sums(number);
            let before = known.unwrap_or_else(|| Sums::exact(&last));
            if deeds != last {
                slice.changes.push((number, deeds.minus(last)));
            }
            // From the first sample on there may be more than was counted.
            if sums != before || known.is_none() {
                slice.ranges.push((number, sums.since(&before, sampled.interval)));
            }
        }
        slice
    }

    fn last(&self, number: u32) -> Deeds {
        match number {
            NO_STACK => self.last_without,
            number => self.last.get(number as usize).copied().unwrap_or_default(),
        }
    }

    fn sums(&self, number: u32) -> Option<Sums> {
        let sampled = self.sampled.as_ref()?;
        match number {
            NO_STACK => Some(sampled.without),
            number => sampled.stacks.get(number as usize).copied(),
        }
    }

    fn changes(&self, space: &Space) -> Vec<(u32, Deeds)> {
        let (totals, now) = (totals(space), by_stack(space));
        let mut without = totals;
        let mut changes = Vec::new();
        for (number, deeds) in (0_u32..).zip(now) {
            without = without.minus(deeds);
            let last = self.last(number);
            if deeds != last {
                changes.push((number, deeds.minus(last)));
            }
        }
        if without != self.last_without {
            changes.push((NO_STACK, without.minus(self.last_without)));
        }
        changes
    }

    fn end(&mut self, space: &Space, until: Nanos) {
        let sampled = SampledSums::of(space);
        let slice = self.cut(space, sampled.as_ref(), until);
        self.sampled = sampled;
        for (number, change) in &slice.changes {
            let last = match *number {
                NO_STACK => &mut self.last_without,
                number => {
                    let number = number as usize;
                    if self.last.len() <= number {
                        self.last.resize(number + 1, Deeds::default());
                    }
                    &mut self.last[number]
                }
            };
            *last = last.plus(*change);
        }
        self.ended.push(slice);
    }

    /// Those that have ended, and what has happened since.
    fn so_far(&self, space: &Space, until: Nanos) -> Vec<Slice> {
        let mut all = self.ended.clone();
        all.push(self.cut(space, SampledSums::of(space).as_ref(), until));
        all
    }
}

/// All stacks' sums by number.
fn by_stack(space: &Space) -> impl Iterator<Item = Deeds> {
    let period = space.heap.period();
    (0_u32..).zip(space.heap.tallies().iter()).map(move |(number, (tally, _))| Deeds {
        live: Amount::of(tally.live_bytes, tally.live_blocks),
        allocated: Amount::of(tally.allocated_bytes, tally.allocated_blocks),
        freed: Amount::of(tally.freed_bytes, tally.freed_blocks),
        temporary: period.map_or_else(Amount::default, |period| temporary(period, Some(number))),
    })
}

fn temporary(period: &super::heap::period::PeriodAccount, stack: Option<u32>) -> Amount {
    let sum = period.figures(stack, None).temporary;
    Amount::of(sum.bytes, sum.blocks)
}

/// Of the whole heap; of temporary blocks it is what stacks and blocks without one come to.
fn totals(space: &Space) -> Deeds {
    let totals = space.heap.totals();
    let of_stacks = by_stack(space).fold(Amount::default(), |sum, it| sum.plus(it.temporary));
    let without = space.heap.period().map_or_else(Amount::default, |it| temporary(it, None));
    Deeds {
        live: Amount::of(totals.live_bytes, totals.live_blocks),
        allocated: Amount::of(totals.allocated_bytes, totals.allocated_blocks),
        freed: Amount::of(totals.freed_bytes, totals.freed_blocks),
        temporary: of_stacks.plus(without),
    }
}

/// Where slices end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grid {
    began: Nanos,
    length: Nanos,
    /// The end of the slice that is under way.
    next: Nanos,
}

impl Grid {
    const fn new(began: Nanos) -> Self {
        Self { began, length: FIRST_LENGTH, next: began.saturating_add(FIRST_LENGTH) }
    }

    /// One whose first slice is all that is not in a period of which an account is kept.
    const fn of(period: Period) -> Self {
        let began = (period.after | (TIME_STEP - 1)).saturating_add(1);
        Self { next: began, ..Self::new(began) }
    }

    /// The end of the slice that `time` lies in.
    const fn after(&self, time: Nanos) -> Nanos {
        let number = time.saturating_sub(self.began) / self.length + 1;
        self.began.saturating_add(number.saturating_mul(self.length))
    }

    /// The end that an end of half as long slices moves to: nothing was told between the two.
    const fn moved(&self, until: Nanos) -> Nanos {
        if until <= self.began { until } else { self.after(until - 1) }
    }

    /// The slices of an address space, and what has happened since.
    pub(super) fn slices_of(&self, space: &Space) -> Vec<Slice> {
        let slices = space.slices.as_ref();
        slices.map_or_else(Vec::new, |slices| slices.so_far(space, self.next))
    }
}

impl Tracker {
    /// The time has come to `time`: slices that have ended are kept.
    #[inline]
    pub(super) fn slice(&mut self, time: Nanos) {
        if self.detail.slices {
            let period = self.detail.period.filter(|period| period.after > 0);
            let new = || period.map_or_else(|| Grid::new(time), Grid::of);
            let grid = *self.grid.get_or_insert_with(new);
            if time >= grid.next {
                self.cut(grid, time);
            }
        }
    }

    fn cut(&mut self, grid: Grid, time: Nanos) {
        for space in self.spaces.iter_mut().filter(|space| space.users > 0) {
            let Some(mut slices) = space.slices.take() else { continue };
            slices.end(space, grid.next);
            space.slices = Some(slices);
        }
        let mut grid = grid;
        let most = MOST_SLICES;
        while time.saturating_sub(grid.began) / grid.length >= most
            || (self.changes() > MOST_CHANGES && grid.length <= time.saturating_sub(grid.began))
        {
            grid.length = grid.length.saturating_mul(2);
            self.merge(&grid);
        }
        grid.next = grid.after(time);
        self.grid = Some(grid);
    }

    /// All slices that are kept.
    fn all_slices(&mut self) -> impl Iterator<Item = &mut Vec<Slice>> {
        let Self { spaces, closed, .. } = self;
        let open = spaces.iter_mut().filter_map(|space| space.slices.as_mut());
        let open = open.map(|slices| &mut slices.ended);
        open.chain(closed.iter_mut().map(|closed| &mut closed.snapshot.slices))
    }

    fn changes(&mut self) -> usize {
        self.all_slices().flatten().map(|slice| slice.weight()).sum()
    }

    fn merge(&mut self, grid: &Grid) {
        for slices in self.all_slices() {
            let mut merged: Vec<Slice> = Vec::with_capacity(slices.len());
            for slice in slices.drain(..) {
                let slice = Slice { until: grid.moved(slice.until), ..slice };
                let same = merged.pop_if(|before| before.until == slice.until);
                merged.push(match same {
                    Some(before) => before.merged(slice),
                    None => slice,
                });
            }
            *slices = merged;
        }
    }
}
