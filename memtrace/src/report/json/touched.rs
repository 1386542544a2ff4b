//! Touched pages in JSON.

use super::schema::Frame;
use crate::engine::snapshot::{Confidence, TouchFigures};
use crate::report::model::{ProcessReport, TouchedReport, TouchedStackReport};
use crate::report::touched::{difference, huge};
use memtrace_common::wire::StackEnd;
use serde::Serialize;

/// Pages, not blocks. Where each was looked at there are no intervals.
#[derive(Serialize)]
pub(super) struct Touched<'a> {
    one_page_in_most: u64,
    live_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    live_bytes_ci95: Option<[u64; 2]>,
    touched_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    touched_bytes_ci95: Option<[u64; 2]>,
    given_back_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    given_back_bytes_ci95: Option<[u64; 2]>,
    inherited_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    inherited_bytes_ci95: Option<[u64; 2]>,
    evicted_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    evicted_bytes_ci95: Option<[u64; 2]>,
    lazily_freed_bytes: u64,
    populated_bytes: u64,
    locked_bytes: Option<u64>,
    pinned_bytes: Option<u64>,
    copied_faults: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    copied_faults_ci95: Option<[u64; 2]>,
    copied_older_faults: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    copied_older_faults_ci95: Option<[u64; 2]>,
    repeated_faults: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    repeated_faults_ci95: Option<[u64; 2]>,
    only_read_faults: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    only_read_faults_ci95: Option<[u64; 2]>,
    file_faults: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_faults_ci95: Option<[u64; 2]>,
    elsewhere_faults: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    elsewhere_faults_ci95: Option<[u64; 2]>,
    resident_change_bytes: Option<i64>,
    resident_not_touched_bytes: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resident_not_touched_bytes_ci95: Option<[i64; 2]>,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_ci95: Option<[u64; 2]>,
}

#[derive(Serialize)]
struct Stack<'a> {
    id: String,
    live_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    live_bytes_ci95: Option<[u64; 2]>,
    touched_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    touched_bytes_ci95: Option<[u64; 2]>,
    given_back_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    given_back_bytes_ci95: Option<[u64; 2]>,
    complete: bool,
    end: &'static str,
    frames: Vec<Frame<'a>>,
}

impl<'a> Touched<'a> {
    /// Of one process.
    pub(super) fn of(touched: &'a TouchedReport, process: &ProcessReport) -> Self {
        let (totals, others) = (&touched.totals, touched.others);
        let (difference, huge) = (difference(process), huge(process));
        let around = |of: fn(&TouchFigures<Confidence>) -> Confidence| {
            totals.confidence.as_ref().map(|all| ends(of(all)))
        };
        Self {
            one_page_in_most: touched.one_in,
            live_bytes: totals.sums.live_bytes,
            live_bytes_ci95: around(|it| it.live_bytes),
            touched_bytes: totals.sums.touched_bytes,
            touched_bytes_ci95: around(|it| it.touched_bytes),
            given_back_bytes: totals.sums.given_back_bytes,
            given_back_bytes_ci95: around(|it| it.given_back_bytes),
            inherited_bytes: totals.sums.inherited_bytes,
            inherited_bytes_ci95: around(|it| it.inherited_bytes),
            evicted_bytes: totals.sums.evicted_bytes,
            evicted_bytes_ci95: around(|it| it.evicted_bytes),
            lazily_freed_bytes: totals.lazily_freed_bytes,
            populated_bytes: totals.populated_bytes,
            locked_bytes: process.usage_last.map(|usage| usage.locked),
            pinned_bytes: process.usage_last.map(|usage| usage.pinned),
            copied_faults: totals.sums.copied,
            copied_faults_ci95: around(|it| it.copied),
            copied_older_faults: totals.sums.copied_older,
            copied_older_faults_ci95: around(|it| it.copied_older),
            repeated_faults: totals.sums.again,
            repeated_faults_ci95: around(|it| it.again),
            only_read_faults: totals.sums.only_read,
            only_read_faults_ci95: around(|it| it.only_read),
            file_faults: totals.sums.file_faults,
            file_faults_ci95: around(|it| it.file_faults),
            elsewhere_faults: totals.sums.elsewhere,
            elsewhere_faults_ci95: around(|it| it.elsewhere),
            resident_change_bytes: difference.map(|it| it.change),
            resident_not_touched_bytes: difference.map(|it| it.rest),
            resident_not_touched_bytes_ci95: difference.and_then(|it| it.around),
            huge_bytes: huge.map(|(all, _)| all),
            huge_not_touched_most_bytes: huge.map(|(_, further)| further),
            stacks: touched.stacks.iter().map(Stack::of).collect(),
            others: Others {
                stacks: others.stacks,
                pages: others.blocks,
                bytes: others.bytes,
                bytes_ci95: touched.others_confidence.map(ends),
            },
        }
    }
}

/// Both ends of an interval.
const fn ends(confidence: Confidence) -> [u64; 2] {
    [confidence.low, confidence.high]
}

impl<'a> Stack<'a> {
    fn of(stack: &'a TouchedStackReport) -> Self {
        let around = |number: usize| stack.confidence.map(|all| ends(all[number]));
        Self {
            id: stack.id.to_string(),
            live_bytes: stack.live_bytes,
            live_bytes_ci95: around(0),
            touched_bytes: stack.touched_bytes,
            touched_bytes_ci95: around(1),
            given_back_bytes: stack.given_back_bytes,
            given_back_bytes_ci95: around(2),
            complete: stack.end == StackEnd::Complete,
            end: super::convert::stack_end(stack.end),
            frames: stack.frames.iter().map(Frame::of).collect(),
        }
    }
}
