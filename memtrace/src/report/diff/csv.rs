//! Differences as a table of comma-separated values: a line per difference, unchanged ones included, under a line that
//! names the columns.
//!
//! Columns are called as the keys of the same differences in JSON are.

use super::figure::{Amount, Change, Figure};
use super::flat::{notes, path};
use super::grouping::{Diff, Key, Row};
use super::side::{Frame, Side};
use crate::report::csv::{Cell, line};
use crate::report::flat::word;
use std::io;

/// Of the comparison and the process.
const ABOUT: [&str; 8] =
    ["before", "after", "time_before", "time_after", "by", "process", "estimated", "remarks"];
/// Of each side: whether it lists all of the row.
const PARTS: [&str; 2] = ["before_is_part", "after_is_part"];
/// Each of bytes and of blocks.
const FIGURES: [&str; 6] = [
    "before",
    "after",
    "difference",
    "difference_ci95_low",
    "difference_ci95_high",
    "told_from_zero",
];
/// Of the row.
const PLACE: [&str; 6] = ["left_out", "function", "module", "file", "line", "stack"];

/// Writes all differences of the sides with these names. What is not known, or is no figure of such a line, is an
/// empty cell.
///
/// # Errors
/// What `out` says.
pub fn write_csv(
    diff: &Diff,
    sides: [(&str, &Side); 2],
    full_names: bool,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    line(out, columns().into_iter().map(Cell::Text))?;
    // What was compared has columns of its own, and totals are sums of the others.
    let remarks = notes(diff, sides).split_off(2).join("; ");
    let time = |side: &Side| Cell::maybe(side.time, |time| Cell::Text(time.to_string()));
    let [(before, one), (after, other)] = sides;
    let compared = [Cell::text(before), Cell::text(after), time(one), time(other)];
    for row in &diff.rows {
        let (process, _) = path(&row.key, full_names);
        let process = match &row.key {
            Key::Process(name) => Some(name.as_str()),
            _ => process,
        };
        let about = [
            Cell::text(diff.by.name()),
            Cell::maybe(process, Cell::text),
            told(is_estimated(row)),
            Cell::text(&remarks),
        ];
        let cells = compared.clone().into_iter().chain(about).chain(parts(row)).chain(figures(row));
        line(out, cells.chain(place(&row.key, full_names)))?;
    }
    out.flush()
}

fn columns() -> Vec<String> {
    let figures = ["bytes", "blocks"]
        .iter()
        .flat_map(|unit| FIGURES.iter().map(move |figure| format!("{unit}_{figure}")));
    let plain = |names: &'static [&str]| names.iter().map(|name| (*name).to_owned());
    plain(&ABOUT).chain(plain(&PARTS)).chain(figures).chain(plain(&PLACE)).collect()
}

fn told(is_so: bool) -> Cell {
    Cell::text(if is_so { "true" } else { "false" })
}

fn parts(row: &Row) -> [Cell; 2] {
    row.is_part.map(told)
}

fn is_estimated(row: &Row) -> bool {
    let is_estimate = |amount: Amount| amount.bytes.is_estimate() || amount.blocks.is_estimate();
    [row.before, row.after].into_iter().flatten().any(is_estimate)
}

fn figures(row: &Row) -> impl Iterator<Item = Cell> {
    let of = |figure: fn(Amount) -> Figure, change: Option<Change>| {
        let side =
            |side: Option<Amount>| Cell::maybe(side, |amount| Cell::Count(figure(amount).value));
        let interval = change.and_then(|change| change.interval());
        [
            side(row.before),
            side(row.after),
            Cell::maybe(change, |change| Cell::Difference(change.value)),
            Cell::maybe(interval, |(low, _)| Cell::Difference(low)),
            Cell::maybe(interval, |(_, high)| Cell::Difference(high)),
            Cell::maybe(change, |change| told(change.is_told_from_zero())),
        ]
    };
    let bytes = of(|amount| amount.bytes, row.bytes());
    bytes.into_iter().chain(of(|amount| amount.blocks, row.blocks()))
}

/// What the row is about. `function` is the allocator's where rows are call stacks, else that of the row.
fn place(key: &Key, full_names: bool) -> [Cell; 6] {
    let known = |text: Option<&str>| Cell::maybe(text, Cell::text);
    let (why, function, frame) = match key {
        Key::Stack { function, frames, .. } => (None, Some(function.clone()), frames.first()),
        Key::Caller(Some(frame)) => (None, function(frame, full_names), Some(frame)),
        Key::LeftOut { why, .. } => (Some(*why), None, None),
        Key::Caller(None) | Key::Process(_) | Key::Thread { .. } | Key::SizeClass(_) => {
            (None, None, None)
        }
    };
    let stack: Vec<String> = match key {
        Key::Process(_) => Vec::new(),
        _ => path(key, full_names).1.iter().map(|step| word(&step.named.name)).collect(),
    };
    [
        known(why),
        known(function.as_deref()),
        known(frame.and_then(|frame| frame.module.as_deref())),
        known(frame.and_then(|frame| frame.file.as_deref())),
        Cell::maybe(frame.and_then(|frame| frame.line), |line| Cell::Count(line.into())),
        Cell::Quoted(stack.join(";")),
    ]
}

fn function(frame: &Frame, full_names: bool) -> Option<String> {
    frame.function.as_ref().map(|_| frame.name(full_names))
}
