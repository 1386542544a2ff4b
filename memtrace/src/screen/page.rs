//! What the screen shows, and how: pages lie upon each other, and leaving one shows the page below.

use super::columns::{self, Column};
use super::identity::{ProcessIdentity, RowIdentity};
use crate::report::StackDigest;

/// What a page lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    Processes,
    /// Call stacks of all processes.
    AllStacks,
    /// Call stacks of one process.
    Stacks(ProcessIdentity),
    /// The frames of a call stack.
    Frames(ProcessIdentity, StackDigest),
}

/// One page.
#[derive(Clone, Debug)]
pub(super) struct Page {
    pub(super) what: What,
    pub(super) sort: Column,
    /// Only rows that contain this are listed; in lower case.
    pub(super) filter: String,
    /// `None`: the first row, whichever that is.
    pub(super) selected: Option<RowIdentity>,
}

impl Page {
    pub(super) const fn of(what: What) -> Self {
        Self { what, sort: Column::Growth, filter: String::new(), selected: None }
    }

    /// Sorts by the next column, or the one before.
    pub(super) fn sort_by_next(&mut self, backwards: bool) {
        let sorts = columns::sorts(&self.what);
        let count = sorts.len();
        let Some(at) = sorts.iter().position(|sort| *sort == self.sort) else { return };
        self.sort = sorts[(at + if backwards { count - 1 } else { 1 }) % count];
    }

    /// The process that the page is about, if it is one.
    pub(super) const fn process(&self) -> Option<&ProcessIdentity> {
        match &self.what {
            What::Processes | What::AllStacks => None,
            What::Stacks(process) | What::Frames(process, _) => Some(process),
        }
    }
}
