//! A row per call stack, and one for what is not listed.

use super::super::identity::{ProcessIdentity, RowIdentity};
use super::{Figures, Row};
use crate::report::units::{counted, duration, estimated_bytes, estimated_count, percent, share};
use crate::report::view::Subject;
use crate::report::{
    End, FrameReport, NO_STACK, NOT_LISTED, ProcessReport, Report, StackDigest, StackReport, Sum,
    evidence, function, whole_rest,
};

/// Functions that are named in a row, and below the table.
const NAMED: usize = 12;

pub(super) fn rows(report: &Report, process: &ProcessReport) -> Vec<Row> {
    let mut rows: Vec<Row> = match Subject::of_process(report, process) {
        Subject::Blocks => {
            process.stacks.iter().map(|stack| of_heap(report, process, stack)).collect()
        }
        Subject::Pages => of_touched(report, process),
        Subject::Ranges => of_mapped(report, process),
    };
    rows.extend(
        rests(report, process).into_iter().filter_map(|(name, sum)| rest(process, name, sum)),
    );
    rows
}

/// What is in no listed stack, so that the column adds up to what lives.
fn rests(report: &Report, process: &ProcessReport) -> Vec<(&'static str, Sum)> {
    match Subject::of_process(report, process) {
        Subject::Blocks => {
            let names = [NOT_LISTED, "(blocks younger than --min-age)", "(blocks of other sizes)"];
            names.into_iter().zip(whole_rest(process).map(|(_, sum)| sum)).collect()
        }
        Subject::Pages => {
            let others = process.touched.as_ref().map(|touched| touched.others);
            vec![(NOT_LISTED, others.unwrap_or_default())]
        }
        Subject::Ranges => vec![(NOT_LISTED, process.mapped_others)],
    }
}

fn rest(process: &ProcessReport, name: &'static str, sum: Sum) -> Option<Row> {
    let figures = Figures {
        live: Some(sum.bytes),
        is_vague: process.heap.confidence.is_some(),
        blocks: Some(sum.blocks),
        ..Figures::default()
    };
    let about = format!("{name}: {}", counted(sum.stacks, "stack"));
    (sum.bytes > 0 || sum.blocks > 0).then(|| Row {
        identity: RowIdentity::Rest(ProcessIdentity::of(process), name),
        pid: process.pid,
        name: name.to_owned(),
        figures,
        verdict: None,
        state: String::new(),
        ended: process.end != End::Running,
        place: Default::default(),
        details: vec![about],
    })
}

fn plain(report: &Report, process: &ProcessReport, id: StackDigest, frames: &[FrameReport]) -> Row {
    Row {
        identity: RowIdentity::Stack(ProcessIdentity::of(process), id),
        pid: process.pid,
        name: names(report, frames),
        figures: Figures::default(),
        verdict: None,
        state: String::new(),
        ended: process.end != End::Running,
        place: Default::default(),
        details: Vec::new(),
    }
}

fn of_heap(report: &Report, process: &ProcessReport, stack: &StackReport) -> Row {
    let rate = stack.judgement.speed().or(stack.growth.bytes_per_second);
    let confidence = stack.confidence.map(|it| it.live_bytes);
    let size = estimated_bytes(stack.live_bytes, confidence);
    let freed = percent(share(stack.freed_blocks, stack.allocated_blocks));
    let verdict = stack.verdict();
    let beside = evidence::beside(&stack.judgement, &stack.growth, stack.live_bytes).join("; ");
    let blocks = stack.confidence.map(|it| it.live_blocks);
    let blocks = estimated_count(stack.live_blocks, "block", blocks);
    let mut facts = vec![format!("{size} in {blocks}"), format!("{freed} freed")];
    facts.extend(stack.oldest_age.map(|age| format!("oldest {}", duration(age))));
    if stack.perhaps_freed > 0 {
        facts.push(format!("up to {} perhaps freed unseen", counted(stack.perhaps_freed, "block")));
    }
    let row = plain(report, process, stack.id, &stack.frames);
    Row {
        figures: Figures {
            live: Some(stack.live_bytes),
            confidence,
            peak: Some(stack.peak_bytes),
            growth: Some(stack.growth.bytes),
            rate,
            blocks: Some(stack.live_blocks),
            ..Figures::default()
        },
        verdict: Some(verdict),
        state: verdict.words().to_owned(),
        details: vec![
            format!("stack {}  {} {beside}", stack.id.short(), verdict.words()),
            format!("{}: {}", stack.function, facts.join("; ")),
            row.name.clone(),
        ],
        ..row
    }
}

fn of_touched(report: &Report, process: &ProcessReport) -> Vec<Row> {
    let stacks = process.touched.iter().flat_map(|touched| &touched.stacks);
    let row = |stack: &crate::report::TouchedStackReport| {
        let row = plain(report, process, stack.id, &stack.frames);
        let around = stack.confidence.map(|[live, ..]| live);
        let size = estimated_bytes(stack.live_bytes, around);
        Row {
            figures: Figures {
                live: Some(stack.live_bytes),
                confidence: around,
                ..Figures::default()
            },
            details: vec![
                format!("stack {}  touched {size} that is still there", stack.id.short()),
                row.name.clone(),
            ],
            ..row
        }
    };
    stacks.map(row).collect()
}

fn of_mapped(report: &Report, process: &ProcessReport) -> Vec<Row> {
    let row = |stack: &crate::report::MappedReport| {
        let row = plain(report, process, stack.id, &stack.frames);
        let size = estimated_bytes(stack.live_bytes, None);
        let ranges = counted(stack.live_ranges, "range");
        Row {
            figures: Figures { live: Some(stack.live_bytes), ..Figures::default() },
            details: vec![
                format!("stack {}  {}: {size} in {ranges}", stack.id.short(), stack.function),
                row.name.clone(),
            ],
            ..row
        }
    };
    process.mapped.iter().map(row).collect()
}

/// The innermost functions.
fn names(report: &Report, frames: &[FrameReport]) -> String {
    let internals = report.options.show_internals;
    let shown = frames.iter().filter(|frame| internals || !frame.internal);
    let names: Vec<String> =
        shown.take(NAMED).map(|frame| function(frame, report.options.full_names)).collect();
    if names.is_empty() { NO_STACK.to_owned() } else { names.join(" < ") }
}
