//! Columns, and the lines of a process.

use super::CsvWriter;
use super::cell::Cell;
use crate::engine::snapshot::{Confidence, SampledConfidence};
use crate::report::flat::{
    OTHERS_ALLOCATED, OTHERS_TOUCHED, Shown, others_allocated, remarks, rest, word,
};
use crate::report::model::{FrameReport, ProcessReport, Report, StackReport, TouchedStackReport};
use crate::report::units::seconds;

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
/// Of the stack.
const STACK: [&str; 7] =
    ["unknown_bytes", "unknown_blocks", "oldest_age_s", "kind", "function", "stack_id", "stack"];

/// Names of the columns.
pub(super) fn columns() -> Vec<String> {
    let figures = FIGURES.iter().flat_map(|name| {
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
}

/// What lines of touched pages are called.
const PAGES: &str = "pages";

impl Rows {
    pub(super) fn new(report: &Report, writer: CsvWriter) -> Self {
        let CsvWriter { internals, full_names } = writer;
        let shown = Shown { internals, full_names };
        Self { time: report.tracer.time.to_string(), remarks: remarks(report), shown }
    }

    /// The lines of a process.
    pub(super) fn of(&self, process: &ProcessReport) -> Vec<Vec<Cell>> {
        let heap = process.stacks.iter().map(|stack| self.heap(stack));
        let pages = process.touched.iter().flat_map(|touched| &touched.stacks);
        let lines = heap.chain(pages.map(|stack| self.pages(stack))).chain(others(process));
        lines.map(|line| self.row(process, line)).collect()
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
            function: Some(stack.function.clone()),
            id: Some(stack.id.to_string()),
            stack: self.folded(&stack.frames),
        }
    }

    fn pages(&self, stack: &TouchedStackReport) -> Line {
        let mut line = Line {
            kind: PAGES,
            id: Some(stack.id.to_string()),
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

/// What is in no listed stack, so that each column of bytes adds up to the process's sum.
/// Whether the line's figures are estimates: of touched pages and of blocks they may be, or not, by themselves.
fn is_estimated(process: &ProcessReport, line: &Line) -> bool {
    match &process.touched {
        Some(touched) if line.kind == PAGES => touched.totals.confidence.is_some(),
        _ => process.heap.confidence.is_some(),
    }
}

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
