//! Columns, and the lines of a process.

use super::CsvWriter;
use super::cell::Cell;
use crate::engine::heap::ranges::PAGE;
use crate::engine::snapshot::{Confidence, SampledConfidence};
use crate::report::flat::{
    OTHERS_ALLOCATED, OTHERS_TOUCHED, Shown, others_allocated, remarks, rest, word,
};
use crate::report::identity::StackDigest;
use crate::report::model::{FrameReport, ProcessReport, Report, StackReport, TouchedStackReport};
use crate::report::touched::in_pages;
use crate::report::units::seconds;
use crate::report::view::{Amount, Measure, Rest, Subject, nameless, subject};

/// Of the report and the process.
const ABOUT: [&str; 9] =
    ["time", "pid", "process", "executable", "container", "pod", "cgroup", "estimated", "remarks"];
/// Figures, each with the ends of its 95 % interval where it is an estimate.
const FIGURES: [&str; 7] = [
    "live_bytes",
    "live_blocks",
    "allocated_bytes",
    "allocated_blocks",
    "freed_bytes",
    "freed_blocks",
    "peak_bytes",
];
/// Figures of what the report is measured by, where it has a measure of its own.
const OF_VIEW: [&str; 2] = ["view_bytes", "view_blocks"];
/// Of the stack.
const STACK: [&str; 7] =
    ["unknown_bytes", "unknown_blocks", "oldest_age_s", "kind", "function", "stack_id", "stack"];

/// Names of the columns.
pub(super) fn columns(measure: Option<Measure>) -> Vec<String> {
    let of_view = if measure.is_some() { &OF_VIEW[..] } else { &[] };
    let figures = FIGURES.iter().chain(of_view).flat_map(|name| {
        [(*name).to_owned(), format!("{name}_ci95_low"), format!("{name}_ci95_high")]
    });
    let plain = |names: &'static [&str]| names.iter().map(|name| (*name).to_owned());
    plain(&ABOUT).chain(figures).chain(plain(&STACK)).collect()
}

/// A figure, and where it lies if it is an estimate.
type Figure = Option<(u64, Option<Confidence>)>;

/// What is particular to a line.
#[derive(Default)]
struct Line {
    figures: [Figure; FIGURES.len()],
    /// By the measure of the report, where it has one.
    view: Option<Amount>,
    unknown: Option<(u64, u64)>,
    oldest_age: Option<u64>,
    /// `heap`: blocks; `pages`: pages that were touched.
    kind: &'static str,
    function: Option<String>,
    id: Option<String>,
    stack: String,
}

/// Makes lines of a report.
pub(super) struct Rows {
    time: String,
    remarks: String,
    shown: Shown,
    /// The report's own measure, and what it weighs.
    measure: Option<(Measure, Subject)>,
}

/// What lines of touched pages are called.
const PAGES: &str = "pages";

impl Rows {
    pub(super) fn new(report: &Report, writer: CsvWriter) -> Self {
        let CsvWriter { internals, full_names } = writer;
        let shown = Shown { internals, full_names };
        let measure = report.measure.map(|measure| (measure, subject(report, measure)));
        Self { time: report.tracer.time.to_string(), remarks: remarks(report), shown, measure }
    }

    /// The lines of a process.
    pub(super) fn of(&self, process: &ProcessReport) -> Vec<Vec<Cell>> {
        let heap = process.all_stacks().map(|stack| Line {
            view: self.viewed(process, Subject::Blocks, |measure| measure.of_stack(stack)),
            ..self.heap(stack)
        });
        let pages = process.touched.iter().flat_map(|touched| &touched.stacks);
        let pages = pages.map(|stack| Line {
            view: self.viewed(process, Subject::Pages, |_| of_pages(stack)),
            ..self.pages(stack)
        });
        let lines = heap.chain(pages).chain(others(process)).chain(self.rests(process));
        lines.map(|line| self.row(process, line)).collect()
    }

    /// What stacks of this kind come to by the report's own measure.
    fn viewed(
        &self,
        process: &ProcessReport,
        kind: Subject,
        amount: impl Fn(Measure) -> Amount,
    ) -> Option<Amount> {
        let (measure, subject) = self.measure?;
        (subject == kind && measure.counts(process)).then(|| amount(measure))
    }

    /// What is in no listed stack, by the report's own measure.
    fn rests(&self, process: &ProcessReport) -> Vec<Line> {
        let Some((measure, subject)) = self.measure.filter(|it| it.0.counts(process)) else {
            return Vec::new();
        };
        let kind = if subject == Subject::Pages { PAGES } else { "heap" };
        let line = |it: Rest<'_>| {
            let (view, stack) = (Some(it.amount), it.what.to_owned());
            Line { kind, view, stack, ..Line::default() }
        };
        nameless(process, subject, measure).into_iter().map(line).collect()
    }

    fn heap(&self, stack: &StackReport) -> Line {
        let of = |value, part: fn(&SampledConfidence) -> Confidence| {
            Some((value, stack.confidence.as_ref().map(part)))
        };
        Line {
            figures: [
                of(stack.live_bytes, |it| it.live_bytes),
                of(stack.live_blocks, |it| it.live_blocks),
                of(stack.allocated_bytes, |it| it.allocated_bytes),
                of(stack.allocated_blocks, |it| it.allocated_blocks),
                of(stack.freed_bytes, |it| it.freed_bytes),
                of(stack.freed_blocks, |it| it.freed_blocks),
                of(stack.peak_bytes, |it| it.peak_bytes),
            ],
            unknown: Some(stack.unknown),
            oldest_age: stack.oldest_age,
            kind: "heap",
            function: Some(stack.function.clone()).filter(|name| !name.is_empty()),
            id: identity(stack.id),
            stack: self.folded(&stack.frames),
            view: None,
        }
    }

    fn pages(&self, stack: &TouchedStackReport) -> Line {
        let mut line = Line {
            kind: PAGES,
            id: identity(stack.id),
            stack: self.folded(&stack.frames),
            ..Line::default()
        };
        let around = |number: usize| stack.confidence.map(|all| all[number]);
        line.figures[0] = Some((stack.live_bytes, around(0)));
        line.figures[2] = Some((stack.touched_bytes, around(1)));
        line.figures[4] = Some((stack.given_back_bytes, around(2)));
        line
    }

    /// Names, outermost first, as folded stacks have them.
    fn folded(&self, frames: &[FrameReport]) -> String {
        let path = self.shown.path(frames, None);
        path.iter().map(|named| word(&named.name)).collect::<Vec<_>>().join(";")
    }

    fn row(&self, process: &ProcessReport, line: Line) -> Vec<Cell> {
        let known = |text: &Option<String>| Cell::maybe(text.as_deref(), Cell::text);
        let mut row = vec![
            Cell::text(&self.time),
            Cell::Count(process.pid.into()),
            Cell::text(&process.comm),
            known(&process.exe),
            known(&process.container),
            known(&process.pod),
            known(&process.cgroup),
            Cell::text(if is_estimated(process, &line) { "true" } else { "false" }),
            Cell::text(&self.remarks),
        ];
        row.extend(line.figures.into_iter().flat_map(cells));
        if let Some((measure, _)) = self.measure {
            let view = line.view;
            row.extend(cells(view.map(|it| (it.bytes, it.bytes_around()))));
            let counted = view.filter(|_| measure.has_count());
            row.extend(cells(counted.map(|it| (it.count, it.count_around()))));
        }
        row.extend([
            Cell::maybe(line.unknown, |(bytes, _)| Cell::Count(bytes)),
            Cell::maybe(line.unknown, |(_, blocks)| Cell::Count(blocks)),
            Cell::maybe(line.oldest_age, |age| Cell::Seconds(seconds(age))),
            Cell::text(line.kind),
            known(&line.function),
            known(&line.id),
            Cell::Quoted(line.stack),
        ]);
        row
    }
}

/// Several stacks in one line have none.
fn identity(id: StackDigest) -> Option<String> {
    (id != StackDigest::default()).then(|| id.to_string())
}

/// The bytes that are there of pages that a stack touched.
fn of_pages(stack: &TouchedStackReport) -> Amount {
    let around = stack.confidence.map(|[live, ..]| (live, in_pages(live)));
    Amount::new(stack.live_bytes, stack.live_bytes / PAGE, around)
}

/// Whether the line's figures are estimates: of touched pages and of blocks they may be, or not, by themselves.
fn is_estimated(process: &ProcessReport, line: &Line) -> bool {
    match &process.touched {
        Some(touched) if line.kind == PAGES => touched.totals.confidence.is_some(),
        _ => process.heap.confidence.is_some(),
    }
}

/// What is in no listed stack, so that each column of bytes adds up to the process's sum.
fn others(process: &ProcessReport) -> impl Iterator<Item = Line> {
    let blocks = rest(process).map(|(what, sum)| {
        let mut line = Line { kind: "heap", stack: what.to_owned(), ..Line::default() };
        line.figures[0] = Some((sum.bytes, None));
        line.figures[1] = Some((sum.blocks, None));
        line
    });
    let allocated = Some(others_allocated(process).bytes).filter(|bytes| *bytes > 0).map(|bytes| {
        let stack = OTHERS_ALLOCATED.to_owned();
        let mut line = Line { kind: "heap", stack, ..Line::default() };
        line.figures[2] = Some((bytes, None));
        line
    });
    let touched = process.touched.as_ref().filter(|touched| touched.others.bytes > 0);
    let pages = touched.map(|touched| {
        let stack = OTHERS_TOUCHED.to_owned();
        let mut line = Line { kind: PAGES, stack, ..Line::default() };
        line.figures[0] = Some((touched.others.bytes, touched.others_confidence));
        line
    });
    blocks.chain(allocated).chain(pages)
}

fn cells(figure: Figure) -> [Cell; 3] {
    let confidence = figure.and_then(|(_, confidence)| confidence);
    [
        Cell::maybe(figure, |(value, _)| Cell::Count(value)),
        Cell::maybe(confidence, |it| Cell::Count(it.low)),
        Cell::maybe(confidence, |it| Cell::Count(it.high)),
    ]
}
