//! What each function holds itself, and with all that it calls.

use super::amount::{Amount, Order, Summed};
use super::group::{Entry, Naming};
use super::weigh::Weighed;
use std::collections::HashMap;

/// What one entry holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row<A = Amount> {
    /// What it is.
    pub entry: Entry,
    /// What it asked for itself.
    pub own: A,
    /// What it and all below it asked for. A stack that leads through it several times counts once.
    pub total: A,
    /// The last stack that was counted.
    seen: usize,
}

/// The rows, most of its own first. The own figures of all rows are the whole of the view.
#[must_use]
pub fn rows(weighed: &Weighed<'_>, naming: Naming) -> Vec<Row> {
    let mut rows = Rows::default();
    for stack in &weighed.stacks {
        rows.add(naming.path(stack), &stack.amount);
    }
    for rest in &weighed.rest {
        rows.add(vec![Entry::rest(rest.what)], &rest.amount);
    }
    let mut rows = rows.into_rows();
    rows.sort_by(|a, b| compare(a, b, weighed.order));
    rows
}

fn compare(a: &Row, b: &Row, order: Order) -> std::cmp::Ordering {
    let first = order.compare(&a.own, &b.own).then(order.compare(&a.total, &b.total));
    first.then_with(|| a.entry.cmp(&b.entry))
}

/// Rows of what stacks lead through.
#[derive(Default)]
pub(in crate::report) struct Rows<A> {
    rows: Vec<Row<A>>,
    numbers: HashMap<Entry, usize>,
    /// Stacks so far.
    stacks: usize,
}

impl<A: Summed> Rows<A> {
    /// Adds a stack with what it leads through, outermost first.
    pub(in crate::report) fn add(&mut self, path: Vec<Entry>, amount: &A) {
        self.stacks += 1;
        let stack = self.stacks;
        let mut last = None;
        for entry in path {
            let row = self.row(entry);
            last = Some(row);
            let Some(row) = self.rows.get_mut(row) else { continue };
            if row.seen != stack {
                row.seen = stack;
                row.total.add(amount);
            }
        }
        if let Some(row) = last.and_then(|row| self.rows.get_mut(row)) {
            row.own.add(amount);
        }
    }

    /// In the order in which they were met.
    pub(in crate::report) fn into_rows(self) -> Vec<Row<A>> {
        self.rows
    }

    fn row(&mut self, entry: Entry) -> usize {
        let next = self.rows.len();
        let number = *self.numbers.entry(entry.clone()).or_insert(next);
        if number == next {
            self.rows.push(Row { entry, ..Row::default() });
        }
        number
    }
}
