//! Differences as text, in the form of Python's tracemalloc:
//! `file:line: size=… (+…), count=… (+…), average=…`.

use super::figure::Change;
use super::grouping::{By, Diff, Key, Row};
use super::held::{BLOCKS, BYTES, Both, Held, Moved, Told, Unit};
use super::side::{Frame, Side, span};
use crate::engine::detail::SizeClass;
use crate::report::units::{bytes, count, counted, duration, exact_bytes};
use crate::report::view::{Summed as _, sizes};
use std::io::{self, Write};

/// Innermost frames of a stack that are shown.
const FRAMES: usize = 16;
/// What the two sides are called.
const NAMES: [&str; 2] = ["A", "B"];

/// What the user wants to see.
#[derive(Clone, Copy, Debug)]
pub struct TextOptions {
    /// Differences; 0: all.
    pub top: usize,
    /// Functions by their full names.
    pub full_names: bool,
}

/// Writes the differences of the sides with these names.
///
/// # Errors
/// What `out` says.
pub fn write_text(
    diff: &Diff,
    sides: [(&str, &Side); 2],
    options: TextOptions,
    out: &mut dyn Write,
) -> io::Result<()> {
    writeln!(out, "{}", compared(sides))?;
    writeln!(out, "total: {}", figures(&diff.total))?;
    let changed: Vec<&Row> = diff.rows.iter().filter(|row| !row.is_unchanged()).collect();
    let top = if options.top == 0 { changed.len() } else { options.top.min(changed.len()) };
    let (listed, others) = changed.split_at(top);
    if listed.is_empty() {
        writeln!(out, "nothing has changed")?;
    }
    for row in listed {
        write_row(row, options.full_names, out)?;
    }
    write_rest(diff, others, &unchanged(diff), out)?;
    for (name, (_, side)) in NAMES.into_iter().zip(sides) {
        write_doubts(name, side, out)?;
    }
    out.flush()
}

/// What is compared: files, moments, and the time between.
pub(super) fn compared([before, after]: [(&str, &Side); 2]) -> String {
    let span = span(before.1, after.1).map_or_else(String::new, |span| {
        let apart = u64::try_from(span.abs().as_nanos()).unwrap_or(u64::MAX);
        let order = if span.is_negative() { "earlier" } else { "later" };
        format!(", {} {order}", duration(apart))
    });
    format!("from A ({}) to B ({}){span}", moment(before), moment(after))
}

fn moment((file, side): (&str, &Side)) -> String {
    let watched = duration((side.watched_s.clamp(0.0, 1e9) * 1e9) as u64);
    match side.time {
        // Before the run's first report.
        Some(time) if side.sequence == 0 => format!("{file}, {time}, {watched} watched"),
        Some(time) => format!("{file}, report {} of {time}, {watched} watched", side.sequence),
        None => format!("{file}, at its end, {watched} watched"),
    }
}

fn write_row(row: &Row, full_names: bool, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}: {}", heading(&row.key, full_names), figures(row))?;
    let Key::Stack { process, frames, function } = &row.key else { return Ok(()) };
    for frame in frames.iter().take(FRAMES) {
        writeln!(out, "    {}", frame_line(frame, full_names))?;
    }
    if frames.len() > FRAMES {
        writeln!(out, "    … and {}", counted((frames.len() - FRAMES) as u64, "more frame"))?;
    }
    writeln!(out, "    {function} in {process}")
}

/// What a row is called in one line.
pub(super) fn heading(key: &Key, full_names: bool) -> String {
    match key {
        Key::Stack { frames, .. } => place(frames.first(), full_names),
        Key::Caller(frame) => place(frame.as_ref(), full_names),
        Key::Process(name) => name.clone(),
        Key::Thread { process, thread } => format!("{} of {process}", thread.name()),
        Key::SizeClass(class) => size_class(*class),
        Key::LeftOut { process: Some(process), why } => format!("{process}, {why}"),
        Key::LeftOut { process: None, why } => (*why).to_owned(),
    }
}

/// `64 B to 127 B`.
pub(super) fn size_class(class: Option<SizeClass>) -> String {
    class.map_or_else(|| "(sizes are not told apart)".to_owned(), sizes)
}

/// The source line, as far as it is known, else the function or what else is known.
pub(super) fn place(frame: Option<&Frame>, full_names: bool) -> String {
    let Some(frame) = frame else { return "no call stack".to_owned() };
    source(frame).unwrap_or_else(|| {
        let name = frame.name(full_names);
        match (&frame.function, &frame.module) {
            (Some(_), Some(module)) => format!("{name} in {module}"),
            _ => name,
        }
    })
}

fn source(frame: &Frame) -> Option<String> {
    let file = frame.file.as_ref()?;
    Some(frame.line.map_or_else(|| file.clone(), |line| format!("{file}:{line}")))
}

fn frame_line(frame: &Frame, full_names: bool) -> String {
    let mut line = frame.name(full_names);
    if let Some(source) = source(frame) {
        line.push_str(" at ");
        line.push_str(&source);
    }
    if let Some(module) = frame.module.as_ref().filter(|_| frame.function.is_some()) {
        line.push_str(" in ");
        line.push_str(module);
    }
    line
}

/// `size=… (+…), count=… (+…), average=…`.
pub(super) fn figures(row: &Row) -> String {
    figures_of(Both::of(row))
}

/// Likewise of what may be listed in part.
pub(super) fn figures_of(both: Both) -> String {
    let size = SIZE.of(both, BYTES);
    let count = COUNT.of(both, BLOCKS);
    let Both([_, after]) = both;
    format!("{size}, {count}{}", average(after))
}

/// Likewise of one figure, without its name.
pub(super) fn text_of(both: Both, unit: Unit, write: fn(u64) -> String) -> String {
    Columns { name: "", write }.of(both, unit).trim_start_matches('=').to_owned()
}

/// tracemalloc leaves it out where there are no blocks.
fn average(after: Told) -> String {
    let amount = after.amount.filter(|_| after.is_all).unwrap_or_default();
    let each = amount.bytes.value.checked_div(amount.blocks.value);
    each.map_or_else(String::new, |each| format!(", average={}", bytes(each)))
}

/// How one figure is written.
struct Columns {
    name: &'static str,
    write: fn(u64) -> String,
}

const SIZE: Columns = Columns { name: "size", write: size_of };
const COUNT: Columns = Columns { name: "count", write: |number| number.to_string() };

impl Columns {
    fn of(&self, both: Both, unit: Unit) -> String {
        let Both([before, after]) = both;
        let now = self.now(after, unit);
        let listed =
            |side: Told| if side.amount.is_some() { "not all listed" } else { "not listed" };
        let (in_a, in_b) = (listed(before), listed(after));
        let moved = match both.moved(unit) {
            Moved::By(change) => self.change(change),
            Moved::AtMost(most) => format!("at most {}: {in_a} in A", self.signed(most)),
            Moved::AtLeast(least) => format!("at least {}: {in_b} in B", self.signed(least)),
            Moved::Unknown if before.amount.is_some() && after.amount.is_some() => {
                format!("{} of what is listed", self.signed(both.listed(unit)))
            }
            Moved::Unknown if in_a == in_b => in_a.to_owned(),
            Moved::Unknown => format!("{in_a} in A, {in_b} in B"),
        };
        format!("{}={now} ({moved})", self.name)
    }

    fn now(&self, after: Told, unit: Unit) -> String {
        let Some(figure) = after.amount.map(unit) else { return "?".to_owned() };
        let about = if figure.is_estimate() { "about " } else { "" };
        let least = if after.is_all { "" } else { "at least " };
        format!("{least}{about}{}", (self.write)(figure.value))
    }

    fn change(&self, change: Change) -> String {
        let mut text = self.signed(change.value);
        if let Some((low, high)) = change.interval() {
            text = format!("{text}, 95 %: {} to {}", self.signed(low), self.signed(high));
        } else if change.is_estimate() {
            text.push_str(", an estimate without interval");
        }
        if change.is_estimate() && !change.is_told_from_zero() {
            text.push_str(": not told from 0");
        }
        text
    }

    fn signed(&self, value: i128) -> String {
        let sign = if value < 0 { '-' } else { '+' };
        let size = u64::try_from(value.unsigned_abs()).unwrap_or(u64::MAX);
        format!("{sign}{}", (self.write)(size))
    }
}

fn size_of(size: u64) -> String {
    bytes(size)
}

/// Rows that are the same on both sides; what is left out by a report is none of the stacks, lines and so on.
fn unchanged(diff: &Diff) -> Vec<&Row> {
    let is_one = |row: &&Row| row.is_unchanged() && !matches!(row.key, Key::LeftOut { .. });
    diff.rows.iter().filter(is_one).collect()
}

/// What is not listed, and what is the same.
fn write_rest(
    diff: &Diff,
    others: &[&Row],
    unchanged: &[&Row],
    out: &mut dyn Write,
) -> io::Result<()> {
    let what = match diff.by {
        By::Stack => "call stack",
        By::Process => "process",
        By::Function => "function",
        By::Line => "line",
        By::File => "file",
        By::Module => "module",
        By::Thread => "thread",
        By::SizeClass => "size class",
    };
    if !others.is_empty() {
        let mut sum = Held::default();
        others.iter().for_each(|row| sum.add(&Held::of(row)));
        let number = counted(others.len() as u64, &format!("more {what}"));
        writeln!(out, "{number} changed: {}", figures_of(sum.both()))?;
    }
    if !unchanged.is_empty() {
        let is_part = unchanged.iter().any(|row| row.is_part.contains(&true));
        let far = if is_part { ", as far as they are listed" } else { "" };
        writeln!(out, "{} unchanged{far}", counted(unchanged.len() as u64, what))?;
    }
    Ok(())
}

/// What is missing of a side, and why its figures may not be right.
pub(super) fn write_doubts(name: &str, side: &Side, out: &mut dyn Write) -> io::Result<()> {
    let lost = side.lost;
    writeln!(
        out,
        "{name} lost {}, {}, {} for want of memory",
        counted(lost.events, "event"),
        counted(lost.stacks, "stack"),
        counted(lost.evicted_blocks, "block"),
    )?;
    if side.sample_interval > 0 {
        let interval = bytes(side.sample_interval);
        writeln!(out, "{name} is estimated from samples, one for {interval} on average")?;
    }
    let left_out = side.left_out();
    if !side.is_whole() {
        let (stacks, blocks) = (left_out.stacks, left_out.amount.blocks.value);
        writeln!(
            out,
            "{name} does not list all its blocks by stack: {} in {} of {} are only summed up; reports of --top 0 \
             --min-age 0 list all",
            exact_bytes(left_out.amount.bytes.value),
            counted(blocks, "block"),
            counted(stacks, "stack"),
        )?;
    }
    let (unknown_bytes, unknown_blocks) = side.unknown();
    if unknown_blocks > 0 {
        let (size, blocks) = (exact_bytes(unknown_bytes), count(unknown_blocks));
        writeln!(out, "{name} does not know of {blocks} blocks, {size}, whether they live")?;
    }
    if side.has_pages() {
        writeln!(out, "{name} has processes with pages instead of blocks: these are not compared")?;
    }
    for reason in &side.degraded {
        writeln!(out, "{name} is degraded: {reason}")?;
    }
    Ok(())
}
