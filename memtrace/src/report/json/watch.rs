//! Watch and zoom in JSON.

use super::convert::stack_end;
use super::schema::Frame;
use crate::engine::snapshot::{Found, Growing, LookTotals, Outcome};
use crate::report::model::Report;
use crate::report::units::seconds;
use crate::report::watch::{FoundReport, LookReport, TouchedGrowthReport, WatchReport, WatchState};
use memtrace_common::wire::StackEnd;
use serde::Serialize;

/// All processes together.
#[derive(Serialize)]
pub(super) struct Totals {
    growing: u64,
    looking: usize,
    waiting: usize,
    looks: u64,
}

/// One process.
#[derive(Serialize)]
pub(super) struct Watch<'a> {
    state: &'static str,
    /// Seconds until it is looked at again if it grows as it did; `null` where it is not let alone.
    next_look_s: Option<f64>,
    growing: Option<Growth>,
    looks: Vec<Look<'a>>,
    dropped_looks: u64,
}

#[derive(Serialize)]
struct Growth {
    bytes_per_s: f64,
    bytes_per_s_ci95: [f64; 2],
    span_s: f64,
    from_bytes: u64,
    to_bytes: u64,
}

#[derive(Serialize)]
struct Look<'a> {
    time: String,
    age_s: f64,
    growth: Growth,
    lasted_s: f64,
    sample_interval_bytes: u64,
    outcome: &'static str,
    reason: Option<&'a str>,
    stacks: Vec<Stack<'a>>,
    touched: Vec<Touched<'a>>,
    hits: Option<u64>,
    cpu_s: Option<f64>,
    cost_is_shared: Option<bool>,
}

#[derive(Serialize)]
struct Stack<'a> {
    id: String,
    function: &'a str,
    bytes_per_s: f64,
    bytes_per_s_ci95: [f64; 2],
    gained_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    gained_bytes_ci95: Option<[u64; 2]>,
    share: f64,
    complete: bool,
    end: &'static str,
    frames: Vec<Frame<'a>>,
}

#[derive(Serialize)]
struct Touched<'a> {
    id: String,
    gained_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    gained_bytes_ci95: Option<[u64; 2]>,
    complete: bool,
    end: &'static str,
    frames: Vec<Frame<'a>>,
}

impl Totals {
    pub(super) fn of(report: &Report) -> Option<Self> {
        let LookTotals { looking, waiting, looks } = report.looks?;
        let grows = |it: &&WatchReport| it.growing.is_some();
        let stories = report.processes.iter().filter_map(|process| process.watch.as_ref());
        Some(Self { growing: stories.filter(grows).count() as u64, looking, waiting, looks })
    }
}

impl<'a> Watch<'a> {
    pub(super) fn of(watch: &'a WatchReport) -> Self {
        let (state, next) = match watch.state {
            WatchState::Watching => ("watching", None),
            WatchState::Waiting => ("waiting", None),
            WatchState::Looking => ("looking", None),
            WatchState::Resting(time) => ("resting", Some(seconds(time))),
        };
        Self {
            state,
            next_look_s: next,
            growing: watch.growing.as_ref().map(Growth::of),
            looks: watch.looks.iter().map(Look::of).collect(),
            dropped_looks: watch.dropped,
        }
    }
}

impl Growth {
    fn of(growing: &Growing) -> Self {
        Self {
            bytes_per_s: growing.rate.middle,
            bytes_per_s_ci95: [growing.rate.low, growing.rate.high],
            span_s: seconds(growing.span),
            from_bytes: growing.from,
            to_bytes: growing.to,
        }
    }
}

impl<'a> Look<'a> {
    fn of(look: &'a LookReport) -> Self {
        let (outcome, reason) = match &look.outcome {
            Outcome::Underway => ("underway", None),
            Outcome::CutShort => ("cut_short", None),
            Outcome::Refused(reason) => ("refused", Some(&**reason)),
            Outcome::Found(Found::Heap) => ("heap", None),
            Outcome::Found(Found::NotTheHeap) => ("not_the_heap", None),
        };
        Self {
            time: look.time.to_string(),
            age_s: seconds(look.age),
            growth: Growth::of(&look.growth),
            lasted_s: seconds(look.lasted),
            sample_interval_bytes: look.interval,
            outcome,
            reason,
            stacks: look.found.iter().map(Stack::of).collect(),
            touched: look.touched.iter().map(Touched::of).collect(),
            hits: look.cost.map(|cost| cost.hits),
            cpu_s: look.cost.and_then(|cost| cost.cpu).map(seconds),
            cost_is_shared: look.cost.map(|cost| cost.shared),
        }
    }
}

impl<'a> Stack<'a> {
    fn of(stack: &'a FoundReport) -> Self {
        Self {
            id: stack.id.to_string(),
            function: &stack.function,
            bytes_per_s: stack.rate.middle,
            bytes_per_s_ci95: [stack.rate.low, stack.rate.high],
            gained_bytes: stack.gained,
            gained_bytes_ci95: stack.range.map(|it| [it.low, it.high]),
            share: stack.share,
            complete: stack.end == StackEnd::Complete,
            end: stack_end(stack.end),
            frames: stack.frames.iter().map(Frame::of).collect(),
        }
    }
}

impl<'a> Touched<'a> {
    fn of(stack: &'a TouchedGrowthReport) -> Self {
        Self {
            id: stack.id.to_string(),
            gained_bytes: stack.gained,
            gained_bytes_ci95: stack.confidence.map(|it| [it.low, it.high]),
            complete: stack.end == StackEnd::Complete,
            end: stack_end(stack.end),
            frames: stack.frames.iter().map(Frame::of).collect(),
        }
    }
}
