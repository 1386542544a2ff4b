//! What each function holds itself, and with all that it calls.

use super::amount::{Amount, Order};
use super::group::{Entry, Naming};
use super::weigh::Weighed;
use std::collections::HashMap;

/// What one entry holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// What it is.
    pub entry: Entry,
    /// What it asked for itself.
    pub own: Amount,
    /// What it and all below it asked for. A stack that leads through it several times counts once.
    pub total: Amount,
    /// The last stack that was counted.
    seen: usize,
}

/// The rows, most of its own first. The own figures of all rows are the whole of the view.
#[must_use]
pub fn rows(weighed: &Weighed<'_>, naming: Naming) -> Vec<Row> {
    let mut rows = Rows::default();
    for (number, stack) in (1..).zip(&weighed.stacks) {
        rows.add(number, naming.path(stack), &stack.amount);
    }
    for (number, rest) in (weighed.stacks.len() + 1..).zip(&weighed.rest) {
        rows.add(number, vec![Entry::rest(rest.what)], &rest.amount);
    }
    let mut rows = rows.rows;
    rows.sort_by(|a, b| compare(a, b, weighed.order));
    rows
}

fn compare(a: &Row, b: &Row, order: Order) -> std::cmp::Ordering {
    let first = order.compare(&a.own, &b.own).then(order.compare(&a.total, &b.total));
    first.then_with(|| a.entry.cmp(&b.entry))
}

#[derive(Default)]
struct Rows {
    rows: Vec<Row>,
    numbers: HashMap<Entry, usize>,
}

impl Rows {
    fn add(&mut self, stack: usize, path: Vec<Entry>, amount: &Amount) {
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

    fn row(&mut self, entry: Entry) -> usize {
        let next = self.rows.len();
        let number = *self.numbers.entry(entry.clone()).or_insert(next);
        if number == next {
            self.rows.push(Row { entry, ..Row::default() });
        }
        number
    }
}
