//! Differences as one page for a browser: a flame graph, a table, and what the figures rest on.
//!
//! What the page's script gets is not promised to others (`memtrace.diff/1` is): a page has the script that belongs to it.

use super::figure::{Amount, Change, Figure};
use super::flat::{notes, path};
use super::grouping::{Diff, Key, Row};
use super::side::Side;
use crate::report::html::{DIFFERENCES, Frames, Functions, Nodes, Tables, page};
use crate::report::units::{bytes, count, duration};
use serde::Serialize;
use std::collections::HashMap;
use std::io;

/// Everything. A row is the same place of each column.
#[derive(Debug, Serialize)]
struct Document<'a> {
    by: &'static str,
    /// What the two sides are called.
    names: [&'a str; 2],
    /// What was compared, the totals, and each thing that makes them less than exact.
    notes: Vec<String>,
    degraded: Vec<String>,
    /// A word, and what there is to say of each side.
    sides: Vec<(&'static str, String, String)>,
    processes: Vec<String>,
    /// A process's number; −1: rows are not told apart by it.
    process: Vec<i64>,
    /// The innermost frame's node.
    node: Vec<u32>,
    /// The allocator function, a string; −1: of several.
    allocator: Vec<i64>,
    /// Of each side: it may have more of the row than it lists.
    is_part: [Vec<bool>; 2],
    bytes: Columns,
    blocks: Columns,
    strings: Vec<String>,
    functions: Functions,
    frames: Frames,
    nodes: Nodes,
}

/// One figure of all rows.
#[derive(Debug, Default, Serialize)]
struct Columns {
    /// `None`: not listed there, as below.
    before: Vec<Option<u64>>,
    after: Vec<Option<u64>>,
    /// The interval of the difference, where it has one.
    low: Vec<Option<i128>>,
    high: Vec<Option<i128>>,
    is_estimate: Vec<bool>,
    told_from_zero: Vec<bool>,
}

/// Writes a page of all differences of the sides with these names.
///
/// # Errors
/// What `out` says.
pub fn write_html(
    diff: &Diff,
    sides: [(&str, &Side); 2],
    full_names: bool,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let data = serde_json::to_string(&document(diff, sides, full_names))?;
    out.write_all(page(&DIFFERENCES, &data).as_bytes())?;
    out.flush()
}

fn document<'a>(diff: &Diff, sides: [(&'a str, &Side); 2], full_names: bool) -> Document<'a> {
    let mut rows = Rows { tables: Tables::new(full_names), ..Rows::default() };
    for row in &diff.rows {
        rows.add(row, full_names);
    }
    let degraded = ["A", "B"].into_iter().zip(sides).flat_map(|(name, (_, side))| {
        side.degraded
            .iter()
            .map(move |reason| format!("{name} is not what was asked for: {reason}"))
    });
    let Rows { tables, processes, process, node, allocator, is_part, bytes, blocks, .. } = rows;
    Document {
        by: diff.by.name(),
        names: sides.map(|(name, _)| name),
        notes: notes(diff, sides),
        degraded: degraded.collect(),
        sides: told(sides),
        processes,
        process,
        node,
        allocator,
        is_part,
        bytes,
        blocks,
        strings: tables.strings,
        functions: tables.functions,
        frames: tables.frames,
        nodes: tables.nodes,
    }
}

/// Rows as columns.
#[derive(Default)]
struct Rows {
    tables: Tables,
    processes: Vec<String>,
    numbers: HashMap<String, i64>,
    process: Vec<i64>,
    node: Vec<u32>,
    allocator: Vec<i64>,
    is_part: [Vec<bool>; 2],
    bytes: Columns,
    blocks: Columns,
}

impl Rows {
    fn add(&mut self, row: &Row, full_names: bool) {
        let (process, path) = path(&row.key, full_names);
        let process = process.map_or(-1, |process| self.number(process));
        self.process.push(process);
        self.node.push(self.tables.named(&path));
        let allocator = match &row.key {
            Key::Stack { function, .. } => self.tables.text(function),
            _ => -1,
        };
        self.allocator.push(allocator);
        for (all, is_part) in self.is_part.iter_mut().zip(row.is_part) {
            all.push(is_part);
        }
        self.bytes.add(row, |amount| amount.bytes, row.bytes());
        self.blocks.add(row, |amount| amount.blocks, row.blocks());
    }

    fn number(&mut self, process: &str) -> i64 {
        if let Some(known) = self.numbers.get(process) {
            return *known;
        }
        let number = i64::try_from(self.processes.len()).unwrap_or(i64::MAX);
        self.processes.push(process.to_owned());
        self.numbers.insert(process.to_owned(), number);
        number
    }
}

impl Columns {
    fn add(&mut self, row: &Row, of: fn(Amount) -> Figure, change: Option<Change>) {
        let interval = change.and_then(|change| change.interval());
        self.before.push(row.before.map(|side| of(side).value));
        self.after.push(row.after.map(|side| of(side).value));
        self.low.push(interval.map(|(low, _)| low));
        self.high.push(interval.map(|(_, high)| high));
        self.is_estimate.push(change.is_some_and(|change| change.is_estimate()));
        self.told_from_zero.push(change.is_some_and(|change| change.is_told_from_zero()));
    }
}

/// What is said of both sides beside each other.
fn told(sides: [(&str, &Side); 2]) -> Vec<(&'static str, String, String)> {
    let figure = |figure: Figure, write: fn(u64) -> String| {
        let about = if figure.is_estimate() { "about " } else { "" };
        format!("{about}{}", write(figure.value))
    };
    let row = |word, of: &dyn Fn(&Side) -> String| {
        let [before, after] = sides.map(|(_, side)| of(side));
        (word, before, after)
    };
    let time = |side: &Side| side.time.map_or_else(|| "not known".to_owned(), |it| it.to_string());
    let watched = |side: &Side| duration((side.watched_s.clamp(0.0, 1e9) * 1e9) as u64);
    let sampled = |side: &Side| match side.sample_interval {
        0 => "no: every allocation was looked at".to_owned(),
        interval => format!("yes: one for {} on average", bytes(interval)),
    };
    vec![
        ("name", sides[0].0.to_owned(), sides[1].0.to_owned()),
        row("report", &|side| side.sequence.to_string()),
        row("time", &time),
        row("watched", &watched),
        row("processes", &|side| count(side.processes.len() as u64)),
        row("live bytes", &|side| figure(side.live().bytes, bytes)),
        row("live blocks", &|side| figure(side.live().blocks, count)),
        row("sampled", &sampled),
        row("events lost", &|side| count(side.lost.events)),
        row("stacks lost", &|side| count(side.lost.stacks)),
        row("blocks lost for want of memory", &|side| count(side.lost.evicted_blocks)),
    ]
}
