//! Periodic reports: at most a dozen lines, none folded.

use super::{
    TextStyle, alerts, footer, header, many, mapped, marks, picture, stacks, touched, watch,
};
use crate::report::facts::Ledgers;
use crate::report::layout::{clip, shorten_function};
use crate::report::model::{AccountReport, FrameReport, ProcessReport, Report, StackReport};
use crate::report::place::place_of;
use crate::report::units::{bytes, counted, difference, estimated_bytes, rate, signed_bytes};

/// Stacks that are listed of a single process; processes that are listed of several.
const LISTED: usize = 3;
/// Functions named per stack.
const NAMED: usize = 3;
/// Columns for each, so that several fit on the line.
const NAME_WIDTH: usize = 24;

/// The lines of a brief report.
pub(super) fn brief(report: &Report, style: TextStyle) -> Vec<String> {
    let columns = style.columns();
    let mut lines: Vec<String> = header::header(report, TextStyle { width: 400, ..style })
        .into_iter()
        .take(2)
        .map(|line| clip(&line, columns))
        .collect();
    lines.extend(alerts::line(report, style));
    lines.extend(marks::line(report, style));
    lines.extend(watch::totals(report, style));
    lines.extend(watch::lines(report, style));
    match many::in_order(report).as_slice() {
        [process] => lines.extend(single(report, process, style)),
        several => {
            lines.extend(
                several
                    .iter()
                    .take(LISTED)
                    .flat_map(|process| one_of_several(report, process, style)),
            );
            if several.len() > LISTED {
                lines.push(format!(
                    "and {}",
                    counted((several.len() - LISTED) as u64, "more process")
                ));
            }
        }
    }
    if report.loss.by_cause.iter().any(|(_, number)| *number > 0) || report.loss.evicted_blocks > 0
    {
        lines.push(clip(&format!("LOST    {}", footer::lost(report)), columns));
    }
    lines
}

fn single(report: &Report, process: &ProcessReport, style: TextStyle) -> Vec<String> {
    let columns = style.columns();
    let mut lines = vec![
        style.paint(clip(&verdict(process), columns), process.verdict),
        clip(&memory(report, process), columns),
    ];
    lines.extend(process.picture.iter().map(|it| clip(&picture::line(it), columns)));
    let shown = process.stacks.iter().filter(|stack| stack.live_blocks > 0);
    for (number, stack) in (1..=LISTED).zip(shown) {
        lines.push(one_line(number, stack, report, style));
    }
    let touched = process.touched.as_ref().and_then(touched::line);
    lines.extend(touched.map(|line| clip(&line, columns)));
    if report.options.ledger != Ledgers::Heap {
        lines.extend(mapped::line(process).map(|line| clip(&line, columns)));
    }
    lines
}

fn one_of_several(report: &Report, process: &ProcessReport, style: TextStyle) -> Vec<String> {
    let columns = style.columns();
    let head = format!("{}  {}", header::name(process), verdict(process));
    let place = place_of(process).map_or_else(String::new, |place| format!("; {place}"));
    let mut lines = vec![
        style.paint(clip(&head, columns), process.verdict),
        clip(&format!("  {}{place}", memory(report, process)), columns),
    ];
    let shown = process.stacks.iter().find(|stack| stack.live_blocks > 0);
    lines.extend(shown.map(|stack| clip(&format!("  {}", plain(1, stack, report)), columns)));
    lines
}

fn verdict(process: &ProcessReport) -> String {
    let first = process.explanation.first().map_or("", String::as_str);
    let end = header::end(process).map_or_else(String::new, |end| format!(" ({end})"));
    format!("{}{end}: {first}.", process.verdict.words())
}

fn memory(report: &Report, process: &ProcessReport) -> String {
    let (heap, mappings) = (&process.heap, &process.mappings);
    let mut seen = if report.options.ledger == Ledgers::Mappings {
        let ranges = counted(mappings.live_ranges, "range");
        format!("mapped, seen {} in {ranges}", bytes(mappings.live_bytes))
    } else {
        let confidence = heap.confidence.as_ref();
        let size = estimated_bytes(heap.live_bytes, confidence.map(|it| it.live_bytes));
        let about = if confidence.is_some() { "about " } else { "" };
        format!("heap seen {size} in {about}{}", counted(heap.live_blocks, "block"))
    };
    let device = process.device.as_ref().map(|device| &device.account);
    for (name, account) in [("pools", process.pools.as_ref()), ("device", device)] {
        let Some(AccountReport { totals, .. }) = account else { continue };
        let blocks = counted(totals.live_blocks, "block");
        seen.push_str(&format!("; {name} {} in {blocks}", bytes(totals.live_bytes)));
    }
    if let Some(told) = &process.told {
        let live = estimated_bytes(told.live.bytes, Some(told.live.bytes_ci));
        seen.push_str(&format!("; the program tells of {live}"));
    }
    match process.usage_first.zip(process.usage_last) {
        None => seen,
        Some((first, last)) => {
            let change = signed_bytes(difference(last.resident, first.resident));
            format!("resident {} ({change}); {seen}", bytes(last.resident))
        }
    }
}

fn one_line(number: usize, stack: &StackReport, report: &Report, style: TextStyle) -> String {
    style.paint(clip(&plain(number, stack, report), style.columns()), stack.verdict())
}

fn plain(number: usize, stack: &StackReport, report: &Report) -> String {
    let speed = stack.judgement.speed().or(stack.growth.bytes_per_second);
    let speed = speed.map_or_else(String::new, |speed| format!("  {}", rate(speed)));
    let about = if stack.confidence.is_some() { "about " } else { "" };
    // Where that is most of what it holds, the line would be of another heap than the one above it.
    let young = stacks::young_too(stack, report).filter(|_| stack.young.0 > stack.live_bytes);
    let young = young.map_or_else(String::new, |young| format!(" {young}"));
    let names: Vec<String> =
        stack.shown(report.options.show_internals).take(NAMED).map(name).collect();
    format!(
        "#{number}  {} in {about}{}{young}{speed}  {}  {}",
        estimated_bytes(stack.live_bytes, stack.confidence.map(|it| it.live_bytes)),
        counted(stack.live_blocks, "block"),
        stack.verdict().words(),
        names.join(" < ")
    )
}

/// A function's name, short, or its module where it has none.
fn name(frame: &FrameReport) -> String {
    match (frame.name(false), &frame.module) {
        (Some(function), _) => shorten_function(function, NAME_WIDTH),
        (None, Some(module)) => format!("({module})"),
        (None, None) => "?".to_owned(),
    }
}
