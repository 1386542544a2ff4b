//! Which pages were touched since we watch, by whom, and are still there.
//!
//! Every page of a process's own memory must be touched once before it takes memory, which makes a page
//! fault. So first touches say who makes resident memory grow, without any probe on a function. They are
//! pages, not blocks: who touched one need not have asked for it.
//!
//! Accounting: `live = inherited + touched − given back − evicted`, in bytes.
//!
//! Where there are too many faults, they are seen of some pages only ([`memtrace_common::touches`]; `levels.rs` for how
//! many that is), each of which stands for others like it: all sums are estimates then, with what is needed to tell how good they are. A page that
//! comes and goes is seen each time or never, which makes sums over time less certain than as many pages would: how
//! often each one came is kept.
//!
//! What makes no fault of its own is not seen: the other pages of a huge one, `MAP_POPULATE`, `mlock`, pages
//! that a driver pins. Before the kernel handles it, nothing tells of a fault whether a huge page will come of
//! it. So what lies in huge ones is said beside, from `AnonHugePages` of `smaps` (`report/touched.rs`).

pub(crate) mod figures;
mod levels;
mod times;

use super::ranges::{NO_STACK, PAGE, RangeKind, pages};
use crate::engine::sampling::Estimate;
use crate::engine::snapshot::TouchTotals;
use crate::model::event::{Discard, Fault};
use crate::model::ids::Nanos;
use figures::{TouchFigures, Weight};
use levels::Levels;
use memtrace_common::wire::{advice, fault};
use std::collections::BTreeMap;
use std::sync::Arc;
use times::Times;

/// Below that, nobody can map anything (`vm.mmap_min_addr` is 64 KiB unless it was lowered): the program
/// followed a null pointer.
const LOWEST: u64 = 64 << 10;

/// Neighbouring pages that the same stack touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    end: u64,
    /// The address space's number for the stack, or [`NO_STACK`].
    stack: u32,
    /// It was only read: the kernel's page of zeroes stands there, and takes no memory.
    zero: bool,
    /// At which level its pages were taken.
    level: u8,
}

impl Run {
    const fn is_like(&self, other: &Self) -> bool {
        self.stack == other.stack && self.zero == other.zero && self.level == other.level
    }
}

/// What one call stack touched since we watch, bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Touches {
    /// Touched first.
    pub(crate) touched: Estimate,
    /// Of those given back, by whomever.
    pub(crate) given_back: Estimate,
}

/// A page whose fault was seen.
#[derive(Clone, Copy, Debug)]
struct Seen {
    page: u64,
    level: u8,
    /// How often.
    times: u64,
}

impl Seen {
    /// Counts the fault.
    fn add_to(self, sum: &mut Estimate) {
        sum.add_all(Weight::at(self.level).faults(), 1, self.times);
    }
}

/// The touched pages of one address space.
#[derive(Clone, Debug)]
pub(crate) struct Touched {
    /// By first address; they do not overlap.
    runs: BTreeMap<u64, Run>,
    sums: TouchFigures<Estimate>,
    lazily_freed_bytes: u64,
    populated_bytes: u64,
    times: Times,
    levels: Levels,
    /// By number of the stack.
    by_stack: Vec<Touches>,
    /// Where files were mapped when the process was seen.
    files: Arc<[(u64, u64)]>,
    limit: usize,
}

impl Touched {
    /// Nothing; at most `limit` runs will be kept.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            runs: BTreeMap::new(),
            sums: TouchFigures::default(),
            lazily_freed_bytes: 0,
            populated_bytes: 0,
            times: Times::default(),
            levels: Levels::default(),
            by_stack: Vec::new(),
            files: Arc::new([]),
            limit,
        }
    }

    /// Those of a child that was forked now: it has the same pages, but touched none itself.
    pub(crate) fn forked(&self) -> Self {
        let live_bytes = self.sums.live_bytes;
        let sums =
            TouchFigures { live_bytes, inherited_bytes: live_bytes, ..TouchFigures::default() };
        Self {
            runs: self.runs.clone(),
            sums,
            times: self.times.clone(),
            levels: self.levels.clone(),
            files: Arc::clone(&self.files),
            ..Self::new(self.limit)
        }
    }

    /// The numbers of stacks mean nothing any more.
    pub(crate) fn without_stacks(mut self) -> Self {
        self.runs.values_mut().for_each(|run| run.stack = NO_STACK);
        self.by_stack.clear();
        self
    }

    /// What it all comes to, where pages were taken at levels up to `level`.
    pub(crate) fn totals(&self, level: u8) -> TouchTotals {
        TouchTotals {
            lazily_freed_bytes: self.lazily_freed_bytes,
            populated_bytes: self.populated_bytes,
            sums: self.sums.whole(),
            confidence: (level > 0).then(|| self.sums.confidence(level)),
        }
    }

    /// What each stack touched, by number; stacks that never did may be missing at the end.
    pub(crate) fn by_stack(&self) -> &[Touches] {
        &self.by_stack
    }

    /// Live bytes by the number of the stack that touched them.
    pub(crate) fn live(&self) -> BTreeMap<u32, Estimate> {
        let mut live: BTreeMap<u32, Estimate> = BTreeMap::new();
        for (start, run) in self.runs.iter().filter(|(_, run)| !run.zero) {
            let (weight, pages) = (Weight::at(run.level).bytes(), (run.end - start) / PAGE);
            live.entry(run.stack).or_default().add_all(weight, pages, 1);
        }
        live
    }

    /// Bytes that it takes, about: a B-tree's nodes are two thirds full on average.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.runs.len() * (size_of::<u64>() + size_of::<Run>()) * 3 / 2
            + self.by_stack.capacity() * size_of::<Touches>()
            + self.times.memory_bytes()
            + self.levels.memory_bytes()
            + self.files.len() * size_of::<(u64, u64)>()
    }

    /// Where files are mapped. What is mapped from then on the ledger of mappings knows.
    pub(crate) fn files_seen(&mut self, files: &Arc<[(u64, u64)]>) {
        self.files = Arc::clone(files);
    }

    /// New mappings are there; files may have been before.
    pub(crate) fn mapped_over(&mut self, start: u64, end: u64) {
        self.cut(start, end);
        if self.files.iter().any(|file| file.0 < end && start < file.1) {
            let parts =
                |&(first, last): &(u64, u64)| [(first, last.min(start)), (first.max(end), last)];
            let parts = self.files.iter().flat_map(parts);
            self.files = parts.filter(|(first, last)| first < last).collect();
        }
    }

    /// A page fault at `time`, in a mapping of this kind, made then, if that was since we watch.
    pub(crate) fn fault(
        &mut self,
        fault: Fault,
        mapping: Option<(RangeKind, Nanos)>,
        stack: u32,
        time: Nanos,
    ) {
        let (page, end) = pages(fault.address, 1);
        let kind = mapping.map(|(kind, _)| kind);
        self.levels.note(time, fault.level());
        if page < LOWEST || page == end {
            self.seen(page, fault.level()).add_to(&mut self.sums.elsewhere);
        } else if self.is_file(page, kind) {
            self.seen(page, fault.level()).add_to(&mut self.sums.file_faults);
        } else if let Some(level) = self.level_of(page, fault, mapping.map_or(0, |(_, made)| made))
        {
            let seen = self.seen(page, level);
            // Of shared memory even reading takes a page.
            let takes_page = fault.error & fault::WRITE != 0 || kind == Some(RangeKind::Shared);
            self.touch(seen, fault.error & fault::PROTECTION != 0, takes_page, stack);
        }
    }

    fn seen(&mut self, page: u64, level: u8) -> Seen {
        Seen { page, level, times: self.times.count(page, level, self.limit) }
    }

    /// The level at which a fault counts in a mapping that was made then: at which both it and what happened to the page
    /// before are seen. `None`: not at all, as pages that are taken at that level stand for it.
    fn level_of(&self, page: u64, fault: Fault, made: Nanos) -> Option<u8> {
        let before = match self.at(page) {
            Some(run) => run.level,
            None => Some(self.levels.highest_since(made)).filter(|level| *level <= fault.rank())?,
        };
        Some(before.max(fault.level()))
    }

    fn touch(&mut self, seen: Seen, was_there: bool, takes_page: bool, stack: u32) {
        let Seen { page, level, .. } = seen;
        match self.at(page).map(|run| run.zero) {
            Some(true) if takes_page => {
                self.take(page, page + PAGE);
                self.add(seen, stack);
            }
            // The page is written that others have, too, since a fork.
            Some(false) if was_there => seen.add_to(&mut self.sums.copied),
            // In use by two threads, swapped, moved to another node, or given back without our seeing it.
            Some(_) => seen.add_to(&mut self.sums.again),
            None if was_there => seen.add_to(&mut self.sums.copied_older),
            None if takes_page => self.add(seen, stack),
            None => {
                seen.add_to(&mut self.sums.only_read);
                self.insert(page, Run { end: page + PAGE, stack: NO_STACK, zero: true, level });
            }
        }
    }

    /// `madvise` has returned.
    pub(crate) fn discard(&mut self, discard: &Discard) {
        let (start, end) = pages(discard.address, discard.length);
        match discard.advice {
            advice::FREE => {
                self.lazily_freed_bytes = self.lazily_freed_bytes.wrapping_add(end - start);
            }
            advice::DONT_NEED | advice::DONT_NEED_LOCKED | advice::REMOVE => self.cut(start, end),
            _ => {}
        }
    }

    /// The pages of `[start, end)` are no more.
    pub(crate) fn cut(&mut self, start: u64, end: u64) {
        for (first, run) in self.take(start, end) {
            self.count_given_back(first, run);
        }
    }

    /// The pages in `old`, parts of `length` bytes from `from` on, are at `to` now, where others give way.
    pub(crate) fn shift(&mut self, old: &[(u64, u64)], from: u64, to: u64, length: u64) {
        let mut moved = Vec::new();
        for &(start, end) in old {
            moved.extend(self.take(start, end));
        }
        self.cut(to, to.saturating_add(length));
        for (first, run) in moved {
            // Past the end of the address space nothing fits: a nonsensical record.
            match (to.checked_add(first - from), to.checked_add(run.end - from)) {
                (Some(first), Some(end)) => self.insert(first, Run { end, ..run }),
                _ => self.count_given_back(first, run),
            }
        }
    }

    /// The kernel has touched so many bytes of a new mapping, without a fault.
    pub(crate) const fn populated(&mut self, bytes: u64) {
        self.populated_bytes = self.populated_bytes.wrapping_add(bytes);
    }

    fn is_file(&self, page: u64, kind: Option<RangeKind>) -> bool {
        if let Some(kind) = kind {
            return matches!(kind, RangeKind::File | RangeKind::Code);
        }
        let next = self.files.partition_point(|(start, _)| *start <= page);
        next.checked_sub(1).is_some_and(|last| page < self.files[last].1)
    }

    fn at(&self, page: u64) -> Option<Run> {
        let (_, run) = self.runs.range(..=page).next_back()?;
        (page < run.end).then_some(*run)
    }

    /// Takes what of `[start, end)` is there out of the map, without counting it.
    fn take(&mut self, start: u64, end: u64) -> Vec<(u64, Run)> {
        if start >= end {
            return Vec::new();
        }
        let overlapping = self.runs.range(..end).rev().take_while(|(_, run)| run.end > start);
        let firsts: Vec<u64> = overlapping.map(|(first, _)| *first).collect();
        firsts.into_iter().filter_map(|first| self.take_from(first, start, end)).collect()
    }

    fn take_from(&mut self, first: u64, start: u64, end: u64) -> Option<(u64, Run)> {
        let run = self.runs.remove(&first)?;
        let (cut_start, cut_end) = (start.max(first), end.min(run.end));
        if first < cut_start {
            self.insert(first, Run { end: cut_start, ..run });
        }
        if cut_end < run.end {
            self.insert(cut_end, run);
        }
        Some((cut_start, Run { end: cut_end, ..run }))
    }

    /// Counts and keeps a page that is in no run.
    fn add(&mut self, seen: Seen, stack: u32) {
        let Seen { page, level, times } = seen;
        let weight = Weight::at(level).bytes();
        self.sums.touched_bytes.add_all(weight, 1, times);
        // It is there once.
        self.sums.live_bytes.add_all(weight, 1, 1);
        if let Some(touches) = self.touches(stack) {
            touches.touched.add_all(weight, 1, times);
        }
        self.insert(page, Run { end: page + PAGE, stack, zero: false, level });
    }

    /// Keeps a run that is counted already, as one with equal neighbours, or drops it and counts that.
    fn insert(&mut self, start: u64, run: Run) {
        let (mut start, mut run) = (start, run);
        if let Some(next) = self.runs.get(&run.end).copied().filter(|next| next.is_like(&run)) {
            self.runs.remove(&run.end);
            run.end = next.end;
        }
        let before = self.runs.range(..start).next_back();
        if let Some((&first, before)) = before
            && before.end == start
            && before.is_like(&run)
        {
            start = first;
        } else if self.runs.len() >= self.limit {
            return self.count_evicted(start, run);
        }
        self.runs.insert(start, run);
    }

    fn count_given_back(&mut self, start: u64, run: Run) {
        if run.zero {
            return;
        }
        let (weight, pages) = (Weight::at(run.level).bytes(), (run.end - start) / PAGE);
        let times = if run.level == 0 { 1 } else { self.times.most(start, run.end) };
        self.sums.given_back_bytes.add_all(weight, pages, times);
        self.sums.live_bytes.remove_all(weight, pages);
        if let Some(touches) = self.touches(run.stack) {
            touches.given_back.add_all(weight, pages, times);
        }
    }

    fn count_evicted(&mut self, start: u64, run: Run) {
        if !run.zero {
            let (weight, pages) = (Weight::at(run.level).bytes(), (run.end - start) / PAGE);
            self.sums.evicted_bytes.add_all(weight, pages, 1);
            self.sums.live_bytes.remove_all(weight, pages);
        }
    }

    fn touches(&mut self, stack: u32) -> Option<&mut Touches> {
        if stack == NO_STACK {
            return None;
        }
        if self.by_stack.len() <= stack as usize {
            self.by_stack.resize(stack as usize + 1, Touches::default());
        }
        self.by_stack.get_mut(stack as usize)
    }
}

#[cfg(test)]
mod tests;
