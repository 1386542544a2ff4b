//! Sums over all stacks: by size, and by the function of the allocator that was called.

use super::amount::{Amount, Order};
use super::filter::Filter;
use super::weigh::{Rest, Weighed};
use crate::engine::snapshot::SizeClass as Class;
use crate::report::flat::NOT_LISTED;
use crate::report::model::{ProcessReport, Report};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

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

/// What was asked of one function of an allocator.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Called {
    /// Its name.
    pub function: String,
    /// What it gave out since the process was first seen.
    pub allocated: Amount,
    /// What of that was freed.
    pub freed: Amount,
}

/// By function, most given out first; last what is in no stack that is listed, and what `filter` does not admit. All
/// together they are what was allocated.
#[must_use]
pub fn called(report: &Report, filter: &Filter, order: Order) -> Vec<Called> {
    let mut functions: BTreeMap<&str, Called> = BTreeMap::new();
    let (mut unlisted, mut left_out) = (Called::named(NOT_LISTED), Called::named(LEFT_OUT));
    for process in &report.processes {
        for stack in &process.stacks {
            let around = stack.confidence.as_ref();
            let allocated = around.map(|it| (it.allocated_bytes, it.allocated_blocks));
            let freed = around.map(|it| (it.freed_bytes, it.freed_blocks));
            let sum = match filter.admits(&stack.frames) {
                false => &mut left_out,
                true => match functions.entry(&stack.function) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(place) => place.insert(Called::named(&stack.function)),
                },
            };
            let (bytes, blocks) = (stack.allocated_bytes, stack.allocated_blocks);
            sum.allocated.add(&Amount::new(bytes, blocks, allocated));
            sum.freed.add(&Amount::new(stack.freed_bytes, stack.freed_blocks, freed));
        }
        unlisted.add_rest(process);
    }
    let mut all: Vec<Called> = functions.into_values().collect();
    // Equal ones stay in the order of their names.
    all.sort_by(|a, b| order.compare(&a.allocated, &b.allocated));
    all.extend([unlisted, left_out]);
    all.retain(|it| !it.allocated.is_nothing());
    all
}

const LEFT_OUT: &str = "(left out by --include or --exclude)";

impl Called {
    fn named(function: &str) -> Self {
        Self { function: function.to_owned(), ..Self::default() }
    }

    /// Adds what no listed stack of `process` has.
    fn add_rest(&mut self, process: &ProcessReport) {
        let mut listed = [0_u64; 4];
        for stack in &process.stacks {
            let figures = [
                stack.allocated_bytes,
                stack.allocated_blocks,
                stack.freed_bytes,
                stack.freed_blocks,
            ];
            for (sum, figure) in listed.iter_mut().zip(figures) {
                *sum = sum.saturating_add(figure);
            }
        }
        let heap = &process.heap;
        let amount = |bytes: u64, blocks: u64| match (heap.confidence, bytes | blocks) {
            (Some(_), 1..) => Amount::vague(bytes, blocks),
            _ => Amount::exact(bytes, blocks),
        };
        let [allocated_bytes, allocated_blocks, freed_bytes, freed_blocks] = listed;
        self.allocated.add(&amount(
            heap.allocated_bytes.saturating_sub(allocated_bytes),
            heap.allocated_blocks.saturating_sub(allocated_blocks),
        ));
        self.freed.add(&amount(
            heap.freed_bytes.saturating_sub(freed_bytes),
            heap.freed_blocks.saturating_sub(freed_blocks),
        ));
    }
}
