//! A row per frame of a call stack, from the allocator's caller outwards.

use super::super::identity::{ProcessIdentity, RowIdentity};
use super::{Figures, Row};
use crate::report::view::Subject;
use crate::report::{
    End, FrameReport, Place, ProcessReport, Report, StackDigest, function, module, place,
    why_it_ends,
};
use memtrace_common::wire::StackEnd;

pub(super) fn rows(report: &Report, process: &ProcessReport, stack: StackDigest) -> Vec<Row> {
    let Some((frames, end)) = find(report, process, stack) else { return Vec::new() };
    let shown =
        (0..).zip(frames).filter(|(_, frame)| report.options.show_internals || !frame.internal);
    let mut rows: Vec<Row> = shown.map(|(at, frame)| row(report, process, at, frame)).collect();
    rows.extend(why_it_ends(end, frames.is_empty()).map(|why| Row {
        name: format!("({why})"),
        ..empty(process, RowIdentity::Rest(ProcessIdentity::of(process), "end"))
    }));
    rows
}

fn find<'a>(
    report: &Report,
    process: &'a ProcessReport,
    id: StackDigest,
) -> Option<(&'a [FrameReport], StackEnd)> {
    match Subject::of_process(report, process) {
        Subject::Blocks => {
            let stack = process.stacks.iter().find(|stack| stack.id == id)?;
            Some((&stack.frames, stack.end))
        }
        Subject::Pages => {
            let stack = process.touched.as_ref()?.stacks.iter().find(|stack| stack.id == id)?;
            Some((&stack.frames, stack.end))
        }
        Subject::Ranges => {
            let stack = process.mapped.iter().find(|stack| stack.id == id)?;
            Some((&stack.frames, stack.end))
        }
    }
}

fn empty(process: &ProcessReport, identity: RowIdentity) -> Row {
    Row {
        identity,
        pid: process.pid,
        name: String::new(),
        figures: Figures::default(),
        verdict: None,
        state: String::new(),
        ended: process.end != End::Running,
        place: Default::default(),
        details: Vec::new(),
    }
}

fn row(report: &Report, process: &ProcessReport, at: usize, frame: &FrameReport) -> Row {
    let full = function(frame, true);
    let build_id = frame
        .build_id
        .as_ref()
        .map_or("without build-id".to_owned(), |id| format!("build-id {id}"));
    let offset = match frame.place {
        Place::Offset(offset) => format!("{}+{offset:#x}, {build_id}", module(frame)),
        Place::Address(address) => format!("at {address:#x}, in no file"),
        Place::Unknown => String::new(),
    };
    Row {
        name: function(frame, report.options.full_names),
        place: [place(frame), module(frame)],
        details: vec![full, place(frame), offset],
        ..empty(process, RowIdentity::Frame(at))
    }
}
