//! The columns of an account, filled row by row.

use super::data::{Account, Part, View};
use super::timeline;
use crate::engine::snapshot::Confidence;
use crate::model::ids::Nanos;
use crate::report::timeline::Changes;
use crate::report::units::seconds;

/// What a stack is in one view.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Figure {
    pub(super) bytes: u64,
    pub(super) count: u64,
    /// Where the bytes lie.
    pub(super) range: Option<Confidence>,
    /// Where the number lies.
    pub(super) count_range: Option<Confidence>,
}

impl Figure {
    pub(super) const fn of(bytes: u64, count: u64) -> Self {
        Self { bytes, count, range: None, count_range: None }
    }

    /// An estimate, where ranges are given.
    pub(super) const fn within(
        self,
        range: Option<Confidence>,
        count_range: Option<Confidence>,
    ) -> Self {
        Self { range, count_range, ..self }
    }
}

/// Where the figures of a row belong.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) process: u32,
    pub(super) node: u32,
    pub(super) oldest: Option<Nanos>,
    /// As in [`Account::end`].
    pub(super) end: i64,
    pub(super) thread: Option<u32>,
    /// Live blocks that may have been freed unseen.
    pub(super) doubtful: u64,
}

impl Row {
    /// Of what is in no listed stack.
    pub(super) const fn nowhere(process: u32, node: u32) -> Self {
        Self { process, node, oldest: None, end: -1, thread: None, doubtful: 0 }
    }
}

impl Account {
    /// An account with these views, by key and name. Those with `false` count bytes alone.
    pub(super) fn with(self, views: &[(&'static str, &'static str, bool)]) -> Self {
        let view = |&(key, name, is_counted)| View { key, name, is_counted, ..View::default() };
        Self { views: views.iter().map(view).collect(), ..self }
    }

    /// Adds a row, unless nothing is in it nor ever was. `figures` are in the order of the views.
    pub(super) fn push_with(&mut self, row: Row, figures: &[Figure], changes: &Changes) {
        let number = u32::try_from(self.node.len()).unwrap_or(u32::MAX);
        if changes.is_empty() {
            self.push(row, figures);
        } else {
            self.push_any(row, figures);
            timeline::add(&mut self.parts, number, changes);
        }
    }

    /// Adds a row, unless nothing is in it. `figures` are in the order of the views.
    pub(super) fn push(&mut self, row: Row, figures: &[Figure]) {
        if figures.iter().any(|figure| figure.bytes > 0 || figure.count > 0) {
            self.push_any(row, figures);
        }
    }

    fn push_any(&mut self, row: Row, figures: &[Figure]) {
        self.process.push(row.process);
        self.node.push(row.node);
        self.oldest.push(row.oldest.map(seconds));
        self.end.push(row.end);
        self.thread.push(row.thread.map_or(-1, i64::from));
        self.doubtful.push(row.doubtful);
        for (view, figure) in self.views.iter_mut().zip(figures) {
            view.push(*figure);
        }
    }

    /// Without views in which there is nothing.
    pub(super) fn finished(mut self) -> Self {
        for view in &mut self.views {
            if !view.is_counted {
                view.count.clear();
            }
            if view.low == view.bytes && view.high == view.bytes {
                view.low.clear();
                view.high.clear();
            }
            if view.low.is_empty() || !view.is_counted {
                view.count_low.clear();
                view.count_high.clear();
            }
        }
        self.parts.iter_mut().for_each(Part::finish);
        if self.thread.iter().all(|thread| *thread < 0) {
            self.thread.clear();
        }
        if self.doubtful.iter().all(|blocks| *blocks == 0) {
            self.doubtful.clear();
        }
        self.views.retain(|view| view.bytes.iter().chain(&view.count).any(|value| *value > 0));
        self
    }
}

impl View {
    fn push(&mut self, figure: Figure) {
        let exact = |value| Confidence { low: value, high: value };
        let Confidence { low, high } = figure.range.unwrap_or_else(|| exact(figure.bytes));
        self.bytes.push(figure.bytes);
        self.low.push(low);
        self.high.push(high);
        let Confidence { low, high } = figure.count_range.unwrap_or_else(|| exact(figure.count));
        self.count.push(figure.count);
        self.count_low.push(low);
        self.count_high.push(high);
    }
}
