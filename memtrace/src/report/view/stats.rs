//! Sums over all stacks: by size, by allocator, and by the function of it that was called.

use super::amount::{Amount, Order};
use super::filter::Filter;
use super::weigh::{Rest, Weighed};
use crate::engine::snapshot::{HeapTotals, SizeClass as Class};
use crate::report::flat::{NOT_LISTED, whole_rest};
use crate::report::model::{ProcessReport, Report, StackReport};
use std::collections::BTreeMap;

/// Live blocks whose sizes are from a power of two to below the next one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SizeClass {
    /// Least size, bytes. Blocks without bytes have a class of their own.
    pub least: u64,
    /// Greatest size, bytes.
    pub most: u64,
    /// Blocks known to be of this class.
    pub amount: Amount,
}

/// Live blocks by size. All together they are what was weighed, but for what was left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sizes {
    /// The classes that have blocks, smallest first.
    pub classes: Vec<SizeClass>,
    /// Blocks of stacks that hold blocks of several classes: of a stack only the smallest and the largest size
    /// are known.
    pub mixed: Amount,
    /// Blocks of which no size is known.
    pub unknown: Amount,
}

impl Sizes {
    /// Of what was weighed, where that are blocks.
    #[must_use]
    pub fn of(weighed: &Weighed<'_>) -> Self {
        let mut sizes = Self::default();
        let mut classes: BTreeMap<u64, SizeClass> = BTreeMap::new();
        for stack in &weighed.stacks {
            let known = stack.sizes.map(|(least, most)| [least, most].map(Class::of));
            let known = stack.part.size.map(|class| [class; 2]).or(known);
            let sum = match known {
                Some([low, high]) if low == high => {
                    let (least, most) = low.sizes();
                    let new = SizeClass { least, most, amount: Amount::default() };
                    &mut classes.entry(least).or_insert(new).amount
                }
                Some(_) => &mut sizes.mixed,
                None => &mut sizes.unknown,
            };
            sum.add(&stack.amount);
        }
        for Rest { amount, .. } in &weighed.rest {
            sizes.unknown.add(amount);
        }
        Self { classes: classes.into_values().collect(), ..sizes }
    }
}

/// What was asked of one function of an allocator, or of an allocator.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Called {
    /// Its name.
    pub name: String,
    /// What it gave out since the process was first seen.
    pub allocated: Amount,
    /// What of that was freed.
    pub freed: Amount,
    /// What is alive.
    pub live: Amount,
}

/// By function, most given out first; last what is in no stack that is listed, and what `filter` does not admit. All
/// together they are what was allocated.
#[must_use]
pub fn called(report: &Report, filter: &Filter, order: Order) -> Vec<Called> {
    summed(report, filter, order, |stack| &stack.function)
}

/// By allocator, likewise.
#[must_use]
pub fn allocators(report: &Report, filter: &Filter, order: Order) -> Vec<Called> {
    summed(report, filter, order, |stack| stack.allocator.unwrap_or(UNKNOWN))
}

/// What functions that the user describes gave out, and memory of devices: apart from the heap, and never to be added
/// to it. Of all their stacks.
#[must_use]
pub fn apart(report: &Report) -> Vec<Called> {
    let pools = report.processes.iter().filter_map(|process| process.pools.as_ref());
    let device = report.processes.iter().filter_map(|process| process.device.as_ref());
    let mut all = [Called::named(POOLS), Called::named(DEVICES)];
    pools.for_each(|pools| all[0].add_heap(&pools.totals));
    device.for_each(|device| all[1].add_heap(&device.account.totals));
    all.into_iter().filter(|it| !it.allocated.is_nothing()).collect()
}

fn summed<'a>(
    report: &'a Report,
    filter: &Filter,
    order: Order,
    name: impl Fn(&'a StackReport) -> &'a str,
) -> Vec<Called> {
    let mut named: BTreeMap<&str, Called> = BTreeMap::new();
    let (mut unlisted, mut left_out) = (Called::named(NOT_LISTED), Called::named(LEFT_OUT));
    for process in &report.processes {
        for stack in &process.stacks {
            let sum = match filter.admits(&stack.frames) {
                false => &mut left_out,
                true => {
                    let name = name(stack);
                    named.entry(name).or_insert_with(|| Called::named(name))
                }
            };
            sum.add(stack);
        }
        unlisted.add_rest(process);
    }
    let mut all: Vec<Called> = named.into_values().collect();
    // Equal ones stay in the order of their names.
    all.sort_by(|a, b| order.compare(&a.allocated, &b.allocated));
    all.extend([unlisted, left_out]);
    all.retain(|it| !it.allocated.is_nothing() || !it.live.is_nothing());
    all
}

const LEFT_OUT: &str = "(left out by --include or --exclude)";
const UNKNOWN: &str = "(an allocator that is not known)";
const POOLS: &str = "(apart: functions that are described, in the memory of others)";
const DEVICES: &str = "(apart: memory of devices)";

impl Called {
    fn named(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    fn add(&mut self, stack: &StackReport) {
        let around = stack.confidence.as_ref();
        let allocated = around.map(|it| (it.allocated_bytes, it.allocated_blocks));
        let freed = around.map(|it| (it.freed_bytes, it.freed_blocks));
        let live = around.map(|it| (it.live_bytes, it.live_blocks));
        let (bytes, blocks) = (stack.allocated_bytes, stack.allocated_blocks);
        self.allocated.add(&Amount::new(bytes, blocks, allocated));
        self.freed.add(&Amount::new(stack.freed_bytes, stack.freed_blocks, freed));
        self.live.add(&Amount::new(stack.live_bytes, stack.live_blocks, live));
    }

    fn add_heap(&mut self, heap: &HeapTotals) {
        let around = heap.confidence.as_ref();
        let allocated = around.map(|it| (it.allocated_bytes, it.allocated_blocks));
        let freed = around.map(|it| (it.freed_bytes, it.freed_blocks));
        let live = around.map(|it| (it.live_bytes, it.live_blocks));
        self.allocated.add(&Amount::new(heap.allocated_bytes, heap.allocated_blocks, allocated));
        self.freed.add(&Amount::new(heap.freed_bytes, heap.freed_blocks, freed));
        self.live.add(&Amount::new(heap.live_bytes, heap.live_blocks, live));
    }

    /// Adds what no listed stack of `process` has.
    fn add_rest(&mut self, process: &ProcessReport) {
        let heap = &process.heap;
        let sum = |of: fn(&StackReport) -> u64| {
            process.stacks.iter().map(of).fold(0, u64::saturating_add)
        };
        let is_estimate = heap.confidence.is_some();
        self.allocated.add(&Amount::beside(
            is_estimate,
            heap.allocated_bytes.saturating_sub(sum(|it| it.allocated_bytes)),
            heap.allocated_blocks.saturating_sub(sum(|it| it.allocated_blocks)),
        ));
        self.freed.add(&Amount::beside(
            is_estimate,
            heap.freed_bytes.saturating_sub(sum(|it| it.freed_bytes)),
            heap.freed_blocks.saturating_sub(sum(|it| it.freed_blocks)),
        ));
        for (_, rest) in whole_rest(process) {
            self.live.add(&Amount::beside(is_estimate, rest.bytes, rest.blocks));
        }
    }
}
