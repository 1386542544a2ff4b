//! What formats for other programs have in common: one name per frame, and what is alive beside the listed stacks.

use super::model::{FrameReport, Place, ProcessReport, Report, StackReport, Sum, TouchedReport};
use super::view::{Amount, Measure, of_process};
use crate::engine::snapshot::Confidence;

/// The function, or else the place.
pub(super) fn frame_name(frame: &FrameReport, full_names: bool) -> String {
    if let Some(name) = frame.name(full_names) {
        return name.to_owned();
    }
    match (&frame.module, frame.place) {
        (Some(module), Place::Offset(offset)) => format!("{module}+{offset:#x}"),
        (None, Place::Offset(offset)) => format!("+{offset:#x}"),
        (_, Place::Address(address)) => format!("{address:#x}"),
        (_, Place::Unknown) => "(gone before its mappings could be read)".to_owned(),
    }
}

/// A name without what separates frames and lines. (Names are clean of control characters already.)
pub(super) fn word(name: &str) -> String {
    name.replace(';', ":").replace(['\n', '\r'], " ")
}

/// What is alive and in no listed stack, so that the sum over all is what is alive.
pub(super) fn rest(process: &ProcessReport) -> impl Iterator<Item = (&'static str, Sum)> {
    whole_rest(process).into_iter().filter(|(_, sum)| sum.bytes > 0)
}

/// As `rest`, with what has no bytes: blocks may have none.
#[must_use]
pub const fn whole_rest(process: &ProcessReport) -> [(&'static str, Sum); 3] {
    [
        (NOT_LISTED, process.others),
        ("(younger than --min-age)", process.young),
        ("(of other sizes)", process.filtered),
    ]
}

/// The name of what is in stacks that are not listed.
pub const NOT_LISTED: &str = "(stacks that are not listed)";

/// The stack's name where there is none.
pub const NO_STACK: &str = "(no call stack)";

/// What was allocated by other stacks than those that are listed.
pub(super) const OTHERS_ALLOCATED: &str = "(allocated by stacks that are not listed)";
/// Touched pages of other stacks than those that are listed.
pub(super) const OTHERS_TOUCHED: &str = "(stacks that are not listed)";

/// Blocks allocated by stacks that are not listed: those are listed for what they hold, not for what they did.
pub(super) fn others_allocated(process: &ProcessReport) -> Sum {
    let listed =
        |of: fn(&StackReport) -> u64| process.all_stacks().map(of).fold(0, u64::saturating_add);
    let heap = &process.heap;
    Sum {
        blocks: heap.allocated_blocks.saturating_sub(listed(|stack| stack.allocated_blocks)),
        bytes: heap.allocated_bytes.saturating_sub(listed(|stack| stack.allocated_bytes)),
        ..Sum::default()
    }
}

/// A function in a call stack, or what stands in a stack's place.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) file: Option<String>,
    pub(super) line: Option<u32>,
}

impl Named {
    pub(super) fn nowhere(name: &str) -> Self {
        Self { name: name.to_owned(), file: None, line: None }
    }
}

/// A call stack and what it weighs, bytes.
#[derive(Clone, Debug)]
pub(super) struct Weighed {
    /// Outermost first; never empty.
    pub(super) path: Vec<Named>,
    pub(super) live: u64,
    pub(super) allocated: u64,
    /// Given back of that, as far as it is known.
    pub(super) freed: u64,
}

impl Weighed {
    fn nowhere(name: &str, live: u64, allocated: u64) -> Self {
        Self { path: vec![Named::nowhere(name)], live, allocated, freed: 0 }
    }
}

/// Call stacks that are weighed by one figure.
#[derive(Debug, Default)]
pub(super) struct Measured {
    /// Each with its path, outermost first, and bytes.
    pub(super) weights: Vec<(Vec<Named>, u64)>,
    pub(super) total: Amount,
}

impl Measured {
    /// What makes the sum less than exact, to be put behind a name; empty where it is exact.
    pub(super) fn doubts(&self) -> String {
        match self.total.bytes_around() {
            None if self.total.is_estimate() => ", estimated from samples".to_owned(),
            around => doubts(around),
        }
    }
}

/// How frames are shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown {
    /// Those of allocators and start code, too.
    pub(super) internals: bool,
    /// Functions by their full names.
    pub(super) full_names: bool,
}

impl Shown {
    /// What a process's stacks weigh, in a report that has no measure of its own. The sum of what lives is what is
    /// alive, that of what was allocated all that was.
    pub(super) fn weights(self, process: &ProcessReport) -> Vec<Weighed> {
        if let Some(touched) = &process.touched {
            return self.touched(touched);
        }
        let mut all: Vec<_> = process
            .all_stacks()
            .map(|stack| {
                let function = self.called(&stack.function);
                Weighed {
                    path: self.path(&stack.frames, function),
                    live: stack.live_bytes,
                    allocated: stack.allocated_bytes,
                    freed: stack.freed_bytes,
                }
            })
            .collect();
        all.extend(rest(process).map(|(what, sum)| Weighed::nowhere(what, sum.bytes, 0)));
        let listed = process.all_stacks().map(|stack| stack.freed_bytes);
        let listed = listed.fold(0, u64::saturating_add);
        all.push(Weighed {
            freed: process.heap.freed_bytes.saturating_sub(listed),
            ..Weighed::nowhere(OTHERS_ALLOCATED, 0, others_allocated(process).bytes)
        });
        all
    }

    /// What a process's stacks weigh by one figure: what is alive, or what the report is measured by.
    pub(super) fn figure(self, report: &Report, process: &ProcessReport) -> Vec<(Vec<Named>, u64)> {
        match report.measure {
            Some(measure) => self.measured(report, process, measure).weights,
            None => {
                let weights = self.weights(process).into_iter().filter(|it| it.live > 0);
                weights.map(|it| (it.path, it.live)).collect()
            }
        }
    }

    /// What a process's stacks weigh by `measure`.
    pub(super) fn measured(
        self,
        report: &Report,
        process: &ProcessReport,
        measure: Measure,
    ) -> Measured {
        let (stacks, rests) = of_process(report, process, measure);
        let stacks = stacks.iter().map(|it| {
            let called = it.called.and_then(|function| self.called(function));
            (self.path(it.frames, called), it.amount)
        });
        let rests = rests.iter().map(|it| (vec![Named::nowhere(it.what)], it.amount));
        let mut measured = Measured::default();
        for (path, amount) in stacks.chain(rests) {
            measured.total.add(&amount);
            if amount.bytes > 0 {
                measured.weights.push((path, amount.bytes));
            }
        }
        measured
    }

    /// The function that a stack called, if it is shown.
    fn called(self, function: &str) -> Option<Named> {
        (self.internals && !function.is_empty()).then(|| Named::nowhere(function))
    }

    /// Pages that were touched, in place of blocks: these lie in pages, and some are seen in looks alone.
    fn touched(self, touched: &TouchedReport) -> Vec<Weighed> {
        let mut all: Vec<_> = touched
            .stacks
            .iter()
            .map(|stack| Weighed {
                path: self.path(&stack.frames, None),
                live: stack.live_bytes,
                allocated: stack.touched_bytes,
                freed: stack.given_back_bytes,
            })
            .collect();
        all.push(Weighed::nowhere(OTHERS_TOUCHED, touched.others.bytes, 0));
        all
    }

    pub(super) fn path(self, frames: &[FrameReport], called: Option<Named>) -> Vec<Named> {
        let shown = frames.iter().rev().filter(|frame| self.internals || !frame.internal);
        let mut path: Vec<_> = shown.map(|frame| self.named(frame)).collect();
        if path.is_empty() {
            path.push(Named::nowhere(NO_STACK));
        }
        path.extend(called);
        path
    }

    fn named(self, frame: &FrameReport) -> Named {
        let name = frame_name(frame, self.full_names);
        Named { name, file: frame.file.clone(), line: frame.line }
    }
}

/// Who made the report, what was lost, and why the figures are not what was asked for.
pub(super) fn remarks(report: &Report) -> String {
    let loss = &report.loss;
    let mut text = format!(
        "memtrace {}; lost: {} events, {} stacks, {} blocks",
        report.tracer.version, loss.events, loss.stacks, loss.evicted_blocks
    );
    for reason in &report.degraded {
        text.push_str("; ");
        text.push_str(reason);
    }
    text
}

/// What makes the figure of a process less than exact, likewise.
pub(super) fn figure_doubts(report: &Report, process: &ProcessReport, shown: Shown) -> String {
    match report.measure {
        Some(measure) => shown.measured(report, process, measure).doubts(),
        None => live_doubts(process),
    }
}

/// What makes a process's live bytes less than exact, to be put behind its name; empty where they are exact.
pub(super) fn live_doubts(process: &ProcessReport) -> String {
    if let Some(touched) = &process.touched {
        return doubts(touched.totals.confidence.map(|it| it.live_bytes));
    }
    let mut text = doubts(process.heap.confidence.map(|it| it.live_bytes));
    let unknown = process.heap.unknown_bytes;
    if unknown > 0 {
        text.push_str(&format!(", {unknown} bytes more may be alive"));
    }
    text
}

/// Says that a sum is an estimate, and where it lies, if it is one.
pub(super) fn doubts(confidence: Option<Confidence>) -> String {
    confidence.map_or_else(String::new, |Confidence { low, high }| {
        format!(", estimated from samples: {low} to {high} (95 %)")
    })
}
