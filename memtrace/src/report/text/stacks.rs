//! Stacks with their frames in columns, and the lines for what is not listed.

use super::{TextStyle, edges};
use crate::engine::snapshot::SumConfidence;
use crate::report::doubt;
use crate::report::evidence;
use crate::report::layout::{
    clip, pack, shorten_function, shorten_path, width_of, wrap, wrap_hanging,
};
use crate::report::model::{FrameReport, Place, ProcessReport, Report, StackReport, Sum};
use crate::report::units::{
    bytes, counted, duration, estimated_bytes, estimated_count, exact_bytes, percent, share, span,
};
use memtrace_common::wire::StackEnd;

/// Columns before a frame.
const INDENT: usize = 6;
/// Least columns for which the three columns of a frame stand beside each other.
const BESIDE: usize = 80;

/// All listed stacks, then what is not listed.
pub(super) fn stacks(report: &Report, process: &ProcessReport, style: TextStyle) -> Vec<String> {
    let mut lines = Vec::new();
    let shown = process.stacks.iter().filter(|stack| is_shown(stack));
    for (number, stack) in (1..).zip(shown) {
        lines.extend(one(number, stack, process.heap.live_bytes, report, style));
    }
    if process.heap.allocated_blocks == 0 {
        lines.push("No allocation was seen.".to_owned());
    } else if lines.is_empty() && process.heap.unknown_blocks > 0 {
        lines.push("What lived when the last window closed may have been freed since.".to_owned());
    } else if lines.is_empty() && process.heap.live_blocks == 0 {
        let what = if process.heap.confidence.is_some() { "sampled" } else { "allocated" };
        lines.push(format!("Nothing that was {what} is still alive."));
    }
    lines.extend(unlisted(report, process, style));
    lines
}

/// It holds something, or may.
const fn is_shown(stack: &StackReport) -> bool {
    stack.live_blocks > 0 || stack.unknown.1 > 0
}

/// A stack, `total` being what all like it hold.
pub(super) fn one(
    number: usize,
    stack: &StackReport,
    total: u64,
    report: &Report,
    style: TextStyle,
) -> Vec<String> {
    let mut lines = head(number, stack, total, report, style);
    let shown = stack.shown(report.options.show_internals);
    lines.extend(shown.flat_map(|each| frame(each, report.options.full_names, style)));
    lines.extend(ending(stack.end, stack.frames.is_empty()));
    lines.extend(stack.blocks.iter().map(|block| {
        let age = duration(block.age);
        format!("    block {:#x}  {}  {age} old", block.address, exact_bytes(block.size))
    }));
    lines
}

fn head(
    number: usize,
    stack: &StackReport,
    total: u64,
    report: &Report,
    style: TextStyle,
) -> Vec<String> {
    let columns = style.columns();
    let of_live = percent(share(stack.live_bytes, total));
    let verdict = stack.verdict();
    let mut parts = Vec::new();
    if stack.live_blocks > 0 {
        let mut evidence = evidence::beside(&stack.judgement, &stack.growth, stack.live_bytes);
        parts.push(held_by(stack));
        parts.extend(samples_of(stack));
        parts.extend(young_too(stack, report));
        parts.push(format!("{of_live} of live"));
        if let Some(first) = evidence.first_mut() {
            *first = format!("{} {first}", verdict.words());
        }
        parts.extend(evidence);
    }
    if stack.perhaps_freed > 0 {
        let blocks = doubt::blocks(stack.perhaps_freed, stack.confidence.is_some());
        parts.push(format!("up to {blocks} perhaps freed unseen"));
    }
    if stack.unknown.1 > 0 {
        let about = if stack.confidence.is_some() { "about " } else { "" };
        let blocks = counted(stack.unknown.1, "block");
        parts.push(format!("{about}{} in {blocks} unknown, perhaps freed", bytes(stack.unknown.0)));
    }
    let prefix = format!("{:<4}", format!("#{number} "));
    let mut lines = pack(&prefix, 4, &parts, "   ", columns);
    if let Some(line) = lines.last_mut() {
        *line = style.paint(std::mem::take(line), verdict);
    }
    let (left, right) =
        (format!("    {}", details(stack).join("; ")), format!("stack {}", stack.id.short()));
    match edges(&left, &right, columns) {
        Some(line) => lines.push(line),
        None => {
            lines.extend(wrap("    ", left.trim_start(), columns));
            lines.push(format!("    {right}"));
        }
    }
    lines
}

/// `3.00 MiB in 104 blocks`.
pub(super) fn held_by(stack: &StackReport) -> String {
    let confidence = stack.confidence.as_ref();
    let size = estimated_bytes(stack.live_bytes, confidence.map(|it| it.live_bytes));
    let blocks = estimated_count(stack.live_blocks, "block", confidence.map(|it| it.live_blocks));
    format!("{size} in {blocks}")
}

/// Of an estimate, how many samples it is made of.
pub(super) fn samples_of(stack: &StackReport) -> Option<String> {
    Some(format!("from {}", counted(stack.confidence.as_ref()?.samples, "sample")))
}

/// What it holds besides that is too young to be listed: a stack's growth is that of all its blocks, which may be
/// many times of what is older.
pub(super) fn young_too(stack: &StackReport, report: &Report) -> Option<String> {
    let (size, blocks) = stack.young;
    let about = if stack.confidence.is_some() { "about " } else { "" };
    let age = span(report.blocks.min_age);
    (blocks > 0).then(|| format!("and {about}{} younger than {age}", bytes(size)))
}

fn details(stack: &StackReport) -> Vec<String> {
    let mut details = vec![
        stack.function.clone(),
        format!("{} freed", percent(share(stack.freed_blocks, stack.allocated_blocks))),
    ];
    details.extend(stack.oldest_age.map(|age| format!("oldest {}", duration(age))));
    details.extend(stack.sizes.map(|(smallest, largest)| {
        if smallest == largest {
            format!("block size {}", exact_bytes(smallest))
        } else {
            format!("block sizes {} to {}", exact_bytes(smallest), exact_bytes(largest))
        }
    }));
    details.extend(evidence::lifetimes(&stack.judgement));
    details
}

/// A frame in three columns: function, place, module. A full name that does not fit has lines of its own.
pub(super) fn frame(frame: &FrameReport, full: bool, style: TextStyle) -> Vec<String> {
    let columns = style.columns();
    let (function, place, module) = (function(frame, full), place(frame), module(frame));
    let room = columns - INDENT - 4;
    let (module_width, place_width) = (room / 5, room / 4);
    let width = room - module_width - place_width;
    if full && (columns < BESIDE || width_of(&function) > width) {
        let mut lines = wrap_hanging(&format!("{:INDENT$}", ""), INDENT + 4, &function, columns);
        let below = clip(format!("{place}  {module}").trim(), columns - INDENT - 2);
        lines.push(format!("{:INDENT$}  {below}", ""));
        return lines;
    }
    if columns < BESIDE {
        let line = shorten_function(&function, columns - INDENT);
        let below = format!("{place}  {module}");
        let below = clip(below.trim(), columns - INDENT - 2);
        return vec![format!("{:INDENT$}{line}", ""), format!("{:INDENT$}  {below}", "")];
    }
    let inlined = if frame.inlined { " [inlined]" } else { "" };
    let name = function.strip_suffix(inlined).unwrap_or(&function);
    let name = shorten_function(name, width - width_of(inlined));
    let line = format!(
        "{:INDENT$}{:<width$}  {:<place_width$}  {}",
        "",
        format!("{name}{inlined}"),
        shorten_path(&place, place_width),
        clip(&module, module_width)
    );
    vec![line.trim_end().to_owned()]
}

/// The function of a frame, or why it is not known.
#[must_use]
pub fn function(frame: &FrameReport, full: bool) -> String {
    let inlined = if frame.inlined { " [inlined]" } else { "" };
    match (frame.name(full), frame.missing, frame.place) {
        (Some(function), ..) => format!("{function}{inlined}"),
        (None, Some(missing), _) => format!("({})", missing.reason()),
        (None, None, Place::Address(_)) => "(not in a file)".to_owned(),
        (None, None, Place::Offset(_)) => "(no name)".to_owned(),
        (None, None, Place::Unknown) => "(gone before its mappings could be read)".to_owned(),
    }
}

/// The line of a frame, or else its offset or address.
#[must_use]
pub fn place(frame: &FrameReport) -> String {
    match (&frame.file, frame.line, frame.place) {
        (Some(file), Some(line), _) => format!("{file}:{line}"),
        (_, _, Place::Offset(offset)) => format!("+{offset:#x}"),
        (_, _, Place::Address(address)) => format!("{address:#x}"),
        (_, _, Place::Unknown) => String::new(),
    }
}

/// The file that a frame is in.
#[must_use]
pub fn module(frame: &FrameReport) -> String {
    match (&frame.module, frame.place) {
        (Some(module), _) => module.clone(),
        (None, Place::Offset(_)) => "(unknown file)".to_owned(),
        (None, Place::Address(_) | Place::Unknown) => String::new(),
    }
}

/// Why the outermost frame is not the program's first function.
pub(super) fn ending(end: StackEnd, is_lost: bool) -> Option<String> {
    why_it_ends(end, is_lost).map(|why| format!("{:INDENT$}({why})", ""))
}

/// The same in words alone.
#[must_use]
pub const fn why_it_ends(end: StackEnd, is_lost: bool) -> Option<&'static str> {
    Some(match end {
        StackEnd::Complete => return None,
        StackEnd::Depth => "deeper than is followed",
        StackEnd::NoMapping => "the next caller is in no file",
        StackEnd::Unreadable => "the stack could not be read further",
        StackEnd::NoFramePointer => "the caller has no frame pointer",
        StackEnd::NoTable => "the code there has no unwinding information",
        StackEnd::NoTableYet => "the code there was new, its unwinding table not ready yet",
        StackEnd::Unknown if is_lost => "the stack was lost",
        StackEnd::Unknown => "how it goes on is not known",
    })
}

fn unlisted(report: &Report, process: &ProcessReport, style: TextStyle) -> Vec<String> {
    let mut lines = Vec::new();
    let columns = style.columns();
    lines.extend(hidden(report, process, columns));
    if report.blocks.min_age > 0 {
        lines.extend(wrap("YOUNG   ", &young(report, process), columns));
    }
    if report.blocks.min_size > 0 || report.blocks.max_size.is_some() {
        let text = format!(
            "{}, left out by their size (--min-size, --max-size)",
            part(process.filtered, process.around.as_ref().map(|it| it.filtered))
        );
        lines.extend(wrap("SIZE    ", &text, columns));
    }
    for left in process.left_out.iter().filter(|left| left.sum.live_blocks > 0) {
        let stacks = counted(left.stacks, "stack");
        let text = format!("{}; {stacks} {}", held_by(&left.sum), left.reason.label());
        lines.extend(wrap("LEFT    ", &text, columns));
    }
    if process.others.stacks > 0 {
        lines.extend(wrap("OTHER   ", &other(process), columns));
    }
    lines
}

/// How many frames of the listed stacks are not shown.
fn hidden(report: &Report, process: &ProcessReport, columns: usize) -> Vec<String> {
    let stacks = process.stacks.iter().filter(|stack| is_shown(stack));
    let frames = stacks.flat_map(|stack| &stack.frames).filter(|frame| frame.internal).count();
    if frames == 0 || report.options.show_internals {
        return Vec::new();
    }
    let text = format!(
        "{} of allocators and start code (--show-internals lists them)",
        counted(frames as u64, "frame")
    );
    wrap("HIDDEN  ", &text, columns)
}

fn young(report: &Report, process: &ProcessReport) -> String {
    let age = span(report.blocks.min_age);
    let sum = process.young;
    if sum.blocks == 0 {
        return format!("none: no block is younger than {age}");
    }
    let stacks = match process.only_young {
        0 => "all in stacks that hold older ones".to_owned(),
        number => format!("{} with nothing older", counted(number, "stack")),
    };
    format!(
        "{} younger than {age}; {stacks} (--min-age 0 lists them)",
        part(sum, process.around.as_ref().map(|it| it.young))
    )
}

fn other(process: &ProcessReport) -> String {
    let growing = match process.others_growing {
        0 => "none growing".to_owned(),
        number => format!("{number} of them growing"),
    };
    let stacks = counted(process.others.stacks, "stack");
    format!(
        "{}; {stacks}, {growing} (--top 0 lists them)",
        part(process.others, process.around.as_ref().map(|it| it.others))
    )
}

/// A part of a process's blocks.
fn part(sum: Sum, around: Option<SumConfidence>) -> String {
    match around {
        None => held(sum),
        Some(around) => format!(
            "{} in about {}",
            estimated_bytes(sum.bytes, Some(around.bytes)),
            counted(sum.blocks, "block")
        ),
    }
}

pub(super) fn held(sum: Sum) -> String {
    format!("{} in {}", bytes(sum.bytes), counted(sum.blocks, "block"))
}
