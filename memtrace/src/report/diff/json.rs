//! Differences as JSON: one object on a line, `memtrace.diff/1`, described in `docs/diff-json.md`.
//!
//! Keys are never left out; what is not known is `null`.

use super::figure::{Amount, Change, Figure};
use super::grouping::{By, Diff, Key, Row, Thread};
use super::side::{Frame, Side, span};
use crate::engine::detail::SizeClass;
use serde::Serialize;
use std::io;

/// Name and version of the schema.
pub const SCHEMA: &str = "memtrace.diff/1";

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    by: &'static str,
    before: Told<'a>,
    after: Told<'a>,
    span_s: Option<f64>,
    total: Figures,
    differences: Vec<Difference<'a>>,
    others: Others,
}

#[derive(Serialize)]
struct Told<'a> {
    file: &'a str,
    sequence: u64,
    time: Option<String>,
    watched_s: f64,
    processes: usize,
    sample_interval_bytes: u64,
    lost_events: u64,
    lost_stacks: u64,
    evicted_blocks: u64,
    unknown_bytes: u64,
    unknown_blocks: u64,
    left_out_stacks: u64,
    left_out_bytes: u64,
    left_out_blocks: u64,
    pages_instead_of_blocks: bool,
    degraded: &'a [String],
}

#[derive(Serialize)]
struct Figures {
    bytes_before: Option<u64>,
    bytes_after: Option<u64>,
    #[serde(flatten)]
    bytes: Bytes,
    blocks_before: Option<u64>,
    blocks_after: Option<u64>,
    #[serde(flatten)]
    blocks: Blocks,
    before_is_part: bool,
    after_is_part: bool,
}

#[derive(Serialize)]
struct Bytes {
    bytes_difference: Option<i128>,
    bytes_is_estimate: bool,
    bytes_difference_ci95: Option<[i128; 2]>,
    bytes_told_from_zero: Option<bool>,
}

#[derive(Serialize)]
struct Blocks {
    blocks_difference: Option<i128>,
    blocks_is_estimate: bool,
    blocks_difference_ci95: Option<[i128; 2]>,
    blocks_told_from_zero: Option<bool>,
}

#[derive(Serialize)]
struct Difference<'a> {
    #[serde(flatten)]
    figures: Figures,
    process: Option<&'a str>,
    allocator_function: Option<&'a str>,
    left_out: Option<&'static str>,
    thread: Option<String>,
    sizes: Option<(u64, u64)>,
    frames: Vec<FrameTold<'a>>,
}

#[derive(Serialize)]
struct FrameTold<'a> {
    function: Option<&'a str>,
    short: Option<&'a str>,
    module: Option<&'a str>,
    place: Option<&'a str>,
    file: Option<&'a str>,
    line: Option<u32>,
}

#[derive(Serialize)]
struct Others {
    differences: usize,
    bytes_before: u64,
    bytes_after: u64,
    blocks_before: u64,
    blocks_after: u64,
}

/// Writes the first `top` differences, 0: all, of the sides with these names.
///
/// # Errors
/// What `out` says.
pub fn write_json(
    diff: &Diff,
    sides: [(&str, &Side); 2],
    top: usize,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let [(_, before), (_, after)] = sides;
    let [told_before, told_after] = sides.map(|(file, side)| Told::of(file, side));
    let count = if top == 0 { diff.rows.len() } else { top.min(diff.rows.len()) };
    let (listed, others) = diff.rows.split_at(count);
    let document = Document {
        schema: SCHEMA,
        by: diff.by.name(),
        before: told_before,
        after: told_after,
        span_s: span(before, after).map(|span| span.as_secs_f64()),
        total: Figures::of(&diff.total),
        differences: listed.iter().map(Difference::of).collect(),
        others: Others::of(others),
    };
    let mut line = serde_json::to_vec(&document)?;
    line.push(b'\n');
    out.write_all(&line)?;
    out.flush()
}

impl<'a> Told<'a> {
    fn of(file: &'a str, side: &'a Side) -> Self {
        let left_out = side.left_out();
        let (unknown_bytes, unknown_blocks) = side.unknown();
        Self {
            file,
            sequence: side.sequence,
            time: side.time.map(|time| time.to_string()),
            watched_s: side.watched_s,
            processes: side.processes.len(),
            sample_interval_bytes: side.sample_interval,
            lost_events: side.lost.events,
            lost_stacks: side.lost.stacks,
            evicted_blocks: side.lost.evicted_blocks,
            unknown_bytes,
            unknown_blocks,
            left_out_stacks: left_out.stacks,
            left_out_bytes: left_out.amount.bytes.value,
            left_out_blocks: left_out.amount.blocks.value,
            pages_instead_of_blocks: side.has_pages(),
            degraded: &side.degraded,
        }
    }
}

impl Figures {
    fn of(row: &Row) -> Self {
        let value = |side: Option<Amount>, figure: fn(Amount) -> Figure| Some(figure(side?).value);
        let (bytes, blocks) = (Parts::of(row.bytes()), Parts::of(row.blocks()));
        let [before_is_part, after_is_part] = row.is_part;
        Self {
            bytes_before: value(row.before, |amount| amount.bytes),
            bytes_after: value(row.after, |amount| amount.bytes),
            bytes: Bytes {
                bytes_difference: bytes.difference,
                bytes_is_estimate: bytes.is_estimate,
                bytes_difference_ci95: bytes.interval,
                bytes_told_from_zero: bytes.told,
            },
            blocks_before: value(row.before, |amount| amount.blocks),
            blocks_after: value(row.after, |amount| amount.blocks),
            blocks: Blocks {
                blocks_difference: blocks.difference,
                blocks_is_estimate: blocks.is_estimate,
                blocks_difference_ci95: blocks.interval,
                blocks_told_from_zero: blocks.told,
            },
            before_is_part,
            after_is_part,
        }
    }
}

struct Parts {
    difference: Option<i128>,
    is_estimate: bool,
    interval: Option<[i128; 2]>,
    told: Option<bool>,
}

impl Parts {
    fn of(change: Option<Change>) -> Self {
        Self {
            difference: change.map(|change| change.value),
            is_estimate: change.is_some_and(|change| change.is_estimate()),
            interval: change.and_then(|change| change.interval()).map(|(low, high)| [low, high]),
            told: change.map(|change| change.is_told_from_zero()),
        }
    }
}

impl<'a> Difference<'a> {
    fn of(row: &'a Row) -> Self {
        let mut told = Self {
            figures: Figures::of(row),
            process: None,
            allocator_function: None,
            left_out: None,
            thread: None,
            sizes: None,
            frames: Vec::new(),
        };
        match &row.key {
            Key::Stack { process, frames, function } => {
                told.process = Some(process);
                told.allocator_function = Some(function);
                told.frames = frames.iter().map(FrameTold::of).collect();
            }
            Key::Caller(frame) => told.frames = frame.iter().map(FrameTold::of).collect(),
            Key::Process(name) => told.process = Some(name),
            Key::Thread { process, thread } => {
                told.process = Some(process);
                told.thread = match thread {
                    Thread::Main => Some("main".to_owned()),
                    Thread::Number(thread) => Some(thread.to_string()),
                    Thread::Unknown => None,
                };
            }
            Key::SizeClass(class) => told.sizes = class.map(SizeClass::sizes),
            Key::LeftOut { process, why } => {
                told.process = process.as_deref();
                told.left_out = Some(why);
            }
        }
        told
    }
}

impl<'a> FrameTold<'a> {
    fn of(frame: &'a Frame) -> Self {
        Self {
            function: frame.function.as_deref(),
            short: frame.short.as_deref(),
            module: frame.module.as_deref(),
            place: frame.place.as_deref(),
            file: frame.file.as_deref(),
            line: frame.line,
        }
    }
}

impl Others {
    fn of(rows: &[Row]) -> Self {
        let sum = |side: fn(&Row) -> Option<Amount>| {
            rows.iter().filter_map(side).fold(Amount::default(), Amount::plus)
        };
        let (before, after) = (sum(|row| row.before), sum(|row| row.after));
        Self {
            differences: rows.len(),
            bytes_before: before.bytes.value,
            bytes_after: after.bytes.value,
            blocks_before: before.blocks.value,
            blocks_after: after.blocks.value,
        }
    }
}

impl By {
    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stack => "stack",
            Self::Function => "function",
            Self::Line => "line",
            Self::File => "file",
            Self::Module => "module",
            Self::Process => "process",
            Self::Thread => "thread",
            Self::SizeClass => "size_class",
        }
    }
}
