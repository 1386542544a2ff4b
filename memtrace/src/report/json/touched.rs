//! Touched pages in JSON.

use super::schema::Frame;
use crate::report::model::{ProcessReport, TouchedReport, TouchedStackReport};
use crate::report::touched::{difference, huge};
use memtrace_common::wire::StackEnd;
use serde::Serialize;

/// Pages, not blocks.
#[derive(Serialize)]
pub(super) struct Touched<'a> {
    live_bytes: u64,
    touched_bytes: u64,
    given_back_bytes: u64,
    inherited_bytes: u64,
    evicted_bytes: u64,
    lazily_freed_bytes: u64,
    populated_bytes: u64,
    locked_bytes: Option<u64>,
    pinned_bytes: Option<u64>,
    copied_faults: u64,
    copied_older_faults: u64,
    repeated_faults: u64,
    only_read_faults: u64,
    file_faults: u64,
    elsewhere_faults: u64,
    resident_change_bytes: Option<i64>,
    resident_not_touched_bytes: Option<i64>,
    huge_bytes: Option<u64>,
    huge_not_touched_most_bytes: Option<u64>,
    stacks: Vec<Stack<'a>>,
    others: Others,
}

#[derive(Serialize)]
struct Others {
    stacks: u64,
    pages: u64,
    bytes: u64,
}

#[derive(Serialize)]
struct Stack<'a> {
    id: String,
    live_bytes: u64,
    touched_bytes: u64,
    given_back_bytes: u64,
    complete: bool,
    end: &'static str,
    frames: Vec<Frame<'a>>,
}

impl<'a> Touched<'a> {
    /// Of one process.
    pub(super) fn of(touched: &'a TouchedReport, process: &ProcessReport) -> Self {
        let (totals, others) = (&touched.totals, touched.others);
        let (difference, huge) = (difference(process), huge(process));
        Self {
            live_bytes: totals.live_bytes,
            touched_bytes: totals.touched_bytes,
            given_back_bytes: totals.given_back_bytes,
            inherited_bytes: totals.inherited_bytes,
            evicted_bytes: totals.evicted_bytes,
            lazily_freed_bytes: totals.lazily_freed_bytes,
            populated_bytes: totals.populated_bytes,
            locked_bytes: process.usage_last.map(|usage| usage.locked),
            pinned_bytes: process.usage_last.map(|usage| usage.pinned),
            copied_faults: totals.copied,
            copied_older_faults: totals.copied_older,
            repeated_faults: totals.again,
            only_read_faults: totals.only_read,
            file_faults: totals.file_faults,
            elsewhere_faults: totals.elsewhere,
            resident_change_bytes: difference.map(|(change, _)| change),
            resident_not_touched_bytes: difference.map(|(_, rest)| rest),
            huge_bytes: huge.map(|(all, _)| all),
            huge_not_touched_most_bytes: huge.map(|(_, further)| further),
            stacks: touched.stacks.iter().map(Stack::of).collect(),
            others: Others { stacks: others.stacks, pages: others.blocks, bytes: others.bytes },
        }
    }
}

impl<'a> Stack<'a> {
    fn of(stack: &'a TouchedStackReport) -> Self {
        Self {
            id: stack.id.to_string(),
            live_bytes: stack.live_bytes,
            touched_bytes: stack.touched_bytes,
            given_back_bytes: stack.given_back_bytes,
            complete: stack.end == StackEnd::Complete,
            end: super::convert::stack_end(stack.end),
            frames: stack.frames.iter().map(Frame::of).collect(),
        }
    }
}
