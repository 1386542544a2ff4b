//! What grew, when it was looked at more closely, what was found, and what that cost.

use super::TextStyle;
use super::stacks::{ending, frame};
use crate::engine::snapshot::{Found, Growing, Outcome};
use crate::engine::trend::Band;
use crate::report::identity::StackDigest;
use crate::report::layout::{clip, pack, wrap, wrap_hanging};
use crate::report::model::{FrameReport, ProcessReport, Report};
use crate::report::units::{bytes, clock, counted, duration, estimated_bytes, percent, rate};
use crate::report::watch::{FoundReport, LookReport, WatchReport, WatchState};
use memtrace_common::wire::StackEnd;
use std::collections::BTreeSet;

/// Processes of whom a brief report tells.
const BRIEF: usize = 3;
/// Functions that a brief report names.
const NAMED: usize = 4;

/// How many grow, and how many were looked at.
pub(super) fn totals(report: &Report, style: TextStyle) -> Vec<String> {
    let Some(looks) = report.looks else { return Vec::new() };
    let grow = report.processes.iter().filter(|it| story(it).is_some_and(grows)).count();
    let looked = counted(looks.looks, "closer look");
    let text = format!(
        "{grow} of {} grow; {looked} so far, {} now, {} waiting",
        counted(report.processes.len() as u64, "process"),
        looks.looking,
        looks.waiting
    );
    wrap("WATCH   ", &text, style.columns())
}

/// A line for each of the first few that grew.
pub(super) fn lines(report: &Report, style: TextStyle) -> Vec<String> {
    let told = report.processes.iter().filter_map(|process| {
        let last = story(process)?.looks.last()?;
        let found = last.found.first().map_or_else(
            || result(last),
            |found| format!("{} by {}", rate(found.rate.middle), names(&found.frames)),
        );
        let (comm, pid) = (&process.comm, process.pid);
        Some(format!("  {comm} (pid {pid}): grew {}; {found}", rate(last.growth.rate.middle)))
    });
    told.take(BRIEF).map(|line| clip(&line, style.columns())).collect()
}

/// The story of a process; nothing of one that never grew.
pub(super) fn watch(report: &Report, process: &ProcessReport, style: TextStyle) -> Vec<String> {
    let Some(watch) = story(process).filter(|watch| grows(watch) || !watch.looks.is_empty()) else {
        return Vec::new();
    };
    let columns = style.columns();
    let mut lines = wrap("WATCH   ", &standing(watch), columns);
    let mut told = BTreeSet::new();
    for (number, look) in watch.looks.iter().enumerate() {
        if number == 1 && watch.dropped > 0 {
            lines.push(format!("  {} not listed here", counted(watch.dropped, "further look")));
        }
        lines.extend(one(look, &mut told, report, style));
    }
    lines
}

fn story(process: &ProcessReport) -> Option<&WatchReport> {
    process.watch.as_ref()
}

const fn grows(watch: &WatchReport) -> bool {
    watch.growing.is_some()
}

fn standing(watch: &WatchReport) -> String {
    let growth = match &watch.growing {
        Some(growing) => format!("it grows {}", grown(growing)),
        None => "it does not grow now".to_owned(),
    };
    let next = match watch.state {
        WatchState::Watching => return growth,
        WatchState::Waiting => "it waits for its turn to be looked at".to_owned(),
        WatchState::Looking => "its heap is being traced".to_owned(),
        WatchState::Resting(0) => "it is looked at again as soon as it grows".to_owned(),
        WatchState::Resting(time) => {
            format!("if it grows on, it is looked at again in {}", duration(time))
        }
    };
    format!("{growth}; {next}")
}

/// `+20.5 KiB/s (95 %: +19.8 KiB/s to +21.0 KiB/s), from 40.0 MiB to 41.1 MiB in 55.0 s`.
fn grown(growing: &Growing) -> String {
    format!(
        "{}, from {} to {} of anonymous memory in {}",
        banded(growing.rate),
        bytes(growing.from),
        bytes(growing.to),
        duration(growing.span)
    )
}

fn banded(band: Band) -> String {
    format!("{} (95 %: {} to {})", rate(band.middle), rate(band.low), rate(band.high))
}

fn one(
    look: &LookReport,
    told: &mut BTreeSet<StackDigest>,
    report: &Report,
    style: TextStyle,
) -> Vec<String> {
    let columns = style.columns();
    let head = format!("{}  grew {}; {}", clock(look.time), grown(&look.growth), result(look));
    let mut lines = wrap_hanging("  ", 4, &head, columns);
    for stack in &look.found {
        lines.extend(pack("    ", 6, &found(stack, look, told), "   ", columns));
        if told.insert(stack.id) {
            lines.extend(named(&stack.frames, stack.end, report, style));
        }
    }
    if look.found.is_empty()
        && let Some(most) = look.touched.first()
    {
        let text = format!(
            "{} of pages were touched first by",
            estimated_bytes(most.gained, most.confidence)
        );
        let again = !told.insert(most.id);
        let parts = [text, format!("stack {}{}", most.id.short(), seen(again))];
        lines.extend(pack("    ", 6, &parts, " ", columns));
        if !again {
            lines.extend(named(&most.frames, most.end, report, style));
        }
    }
    lines.extend(cost(look).iter().flat_map(|text| wrap_hanging("    ", 2, text, columns)));
    lines
}

fn found(stack: &FoundReport, look: &LookReport, told: &BTreeSet<StackDigest>) -> [String; 4] {
    let about = if look.interval > 0 { "about " } else { "" };
    [
        banded(stack.rate),
        format!("{about}{} of the growth", percent(stack.share)),
        format!("{about}{} more alive, by {}", bytes(stack.gained), stack.function),
        format!("stack {}{}", stack.id.short(), seen(told.contains(&stack.id))),
    ]
}

const fn seen(again: bool) -> &'static str {
    if again { ", see above" } else { "" }
}

fn named(frames: &[FrameReport], end: StackEnd, report: &Report, style: TextStyle) -> Vec<String> {
    let internals = report.options.show_internals;
    let shown = frames.iter().filter(|frame| internals || !frame.internal);
    let lines = shown.flat_map(|each| frame(each, report.options.full_names, style));
    lines.chain(ending(end, frames.is_empty())).collect()
}

/// What came of a look, in words.
fn result(look: &LookReport) -> String {
    let how = match look.interval {
        0 => "every allocation".to_owned(),
        interval => format!("one sample in {}", bytes(interval)),
    };
    let traced = format!("heap traced for {}, {how}", duration(look.lasted));
    match &look.outcome {
        Outcome::Underway => format!("{traced}, until now"),
        Outcome::CutShort => format!("{traced}, until the program ended"),
        Outcome::Refused(reason) => format!("its heap could not be traced: {reason}"),
        Outcome::Found(Found::Heap) => traced,
        Outcome::Found(Found::NotTheHeap) => {
            format!("{traced}: no stack of it grew, so this is not the heap, or grows in steps")
        }
    }
}

fn cost(look: &LookReport) -> Option<String> {
    let cost = look.cost?;
    let time = match cost.cpu {
        None => "CPU time not measured".to_owned(),
        Some(cpu) => {
            let share = cpu as f64 / (look.lasted as f64).max(1.0);
            format!("about {} of CPU time, {} of a core", duration(cpu), percent(share))
        }
    };
    let shared = if cost.shared { ", with looks at others meanwhile" } else { "" };
    Some(format!("cost: {} caught, {time}{shared}", counted(cost.hits, "call")))
}

fn names(frames: &[FrameReport]) -> String {
    let names = frames.iter().filter(|frame| !frame.internal);
    let names: Vec<&str> = names.filter_map(|frame| frame.name(false)).take(NAMED).collect();
    names.join(" < ")
}
