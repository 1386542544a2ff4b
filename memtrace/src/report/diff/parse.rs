//! A JSON report, which may be anybody's → a side of the comparison.
//!
//! The schema promises that keys may be added and none is taken away, so keys that are not known are passed over and
//! a missing one makes the report a malformed one. What is built takes a few times as much memory as the text.

use super::figure::{Amount, Figure};
use super::side::{Account, Frame, LeftOut, Lost, Process, REASONS, Side, Stack, known, vague};
use crate::engine::detail::Part;
use crate::engine::snapshot::Confidence;
use crate::report::json::SCHEMA;
use crate::report::names::clean;
use crate::report::place::workload;
use crate::report::view::{Filter, Names};
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;
use thiserror::Error;

/// Why a text is not read as a report.
#[derive(Debug, Error)]
pub enum ReadError {
    /// It is something else.
    #[error(
        "this is neither a recording nor a report of --format json: {0}; give a file that \
         memtrace --record or memtrace --format json has written"
    )]
    Foreign(#[source] serde_json::Error),
    /// Its schema is another one.
    #[error(
        "this has the schema {found:?}, and this memtrace reads {SCHEMA:?}: compare reports with the memtrace \
         that made them, or make them again"
    )]
    Version {
        /// What it says of itself.
        found: String,
    },
    /// It says that it is a report and is none.
    #[error("this report is damaged: {0}; was it changed, or written only in part?")]
    Malformed(#[source] serde_json::Error),
}

/// Which report of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Which {
    /// The first.
    First,
    /// The last.
    #[default]
    Last,
    /// The one with this number.
    Number(u64),
}

/// What every version says.
#[derive(Deserialize)]
struct Head {
    schema: String,
}

#[derive(Deserialize)]
struct Numbered {
    sequence: u64,
}

/// The number of a report in its run.
///
/// # Errors
/// When it is none, or one of another version.
pub fn sequence_of(text: &[u8]) -> Result<u64, ReadError> {
    check(text)?;
    let numbered: Numbered = serde_json::from_slice(text).map_err(ReadError::Malformed)?;
    Ok(numbered.sequence)
}

/// Reads one report. Stacks that `filter` does not admit are summed up.
///
/// # Errors
/// When it is none, or one of another version, or damaged.
pub fn read_report(text: &[u8], filter: &Filter) -> Result<Side, ReadError> {
    check(text)?;
    let document: Document = serde_json::from_slice(text).map_err(ReadError::Malformed)?;
    Ok(document.side(filter))
}

fn check(text: &[u8]) -> Result<(), ReadError> {
    let head: Head = serde_json::from_slice(text).map_err(ReadError::Foreign)?;
    match head.schema {
        schema if schema == SCHEMA => Ok(()),
        // It may be as long as the file, and hold anything.
        other => {
            Err(ReadError::Version { found: clean(&other.chars().take(64).collect::<String>()) })
        }
    }
}

#[derive(Deserialize)]
struct Document {
    sequence: u64,
    time: Timestamp,
    uptime_s: f64,
    tracer: Tracer,
    processes: Vec<ProcessRead>,
    loss: Loss,
}

#[derive(Deserialize)]
struct Tracer {
    sample_interval_bytes: u64,
    degraded: Vec<String>,
}

#[derive(Deserialize)]
struct Loss {
    events: u64,
    stacks: u64,
    evicted_blocks: u64,
}

#[derive(Deserialize)]
struct ProcessRead {
    pid: u32,
    start_time: u64,
    comm: String,
    container: Option<String>,
    pod: Option<String>,
    pod_uid: Option<String>,
    heap: Heap,
    others: Sums,
    young: Sums,
    filtered: Sums,
    // Left out where there are none.
    #[serde(default)]
    left_out: Vec<LeftOutRead>,
    stacks: Vec<StackRead>,
    touched: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Heap {
    live_bytes: u64,
    live_bytes_ci95: Option<[u64; 2]>,
    live_blocks: u64,
    live_blocks_ci95: Option<[u64; 2]>,
    allocated_bytes: Option<u64>,
    allocated_bytes_ci95: Option<[u64; 2]>,
    allocated_blocks: Option<u64>,
    allocated_blocks_ci95: Option<[u64; 2]>,
    freed_bytes: Option<u64>,
    freed_bytes_ci95: Option<[u64; 2]>,
    freed_blocks: Option<u64>,
    freed_blocks_ci95: Option<[u64; 2]>,
    peak_bytes: Option<u64>,
    peak_bytes_ci95: Option<[u64; 2]>,
    // Left out where there are none.
    #[serde(default)]
    unknown_bytes: u64,
    #[serde(default)]
    unknown_blocks: u64,
}

#[derive(Default, Deserialize)]
struct Sums {
    stacks: u64,
    blocks: u64,
    bytes: u64,
}

impl Sums {
    const fn and(self, stacks: u64, blocks: u64, bytes: u64) -> Self {
        Self {
            stacks: self.stacks.saturating_add(stacks),
            blocks: self.blocks.saturating_add(blocks),
            bytes: self.bytes.saturating_add(bytes),
        }
    }
}

/// Stacks that the report leaves out for what was wished of it. The other report may have them all the same.
#[derive(Deserialize)]
struct LeftOutRead {
    stacks: u64,
    live_bytes: u64,
    live_blocks: u64,
}

#[derive(Deserialize)]
struct StackRead {
    function: String,
    live_bytes: u64,
    live_bytes_ci95: Option<[u64; 2]>,
    live_blocks: u64,
    live_blocks_ci95: Option<[u64; 2]>,
    frames: Vec<FrameRead>,
}

/// Keys that are never left out are required: without them it is no report.
#[derive(Deserialize)]
struct FrameRead {
    #[serde(deserialize_with = "Option::deserialize")]
    function: Option<String>,
    #[serde(deserialize_with = "Option::deserialize")]
    short: Option<String>,
    #[serde(deserialize_with = "Option::deserialize")]
    module: Option<String>,
    #[serde(deserialize_with = "Option::deserialize")]
    offset: Option<u64>,
    #[serde(deserialize_with = "Option::deserialize")]
    address: Option<String>,
    #[serde(deserialize_with = "Option::deserialize")]
    file: Option<String>,
    #[serde(deserialize_with = "Option::deserialize")]
    line: Option<u32>,
    internal: bool,
}

impl Document {
    fn side(self, filter: &Filter) -> Side {
        let Loss { events, stacks, evicted_blocks } = self.loss;
        Side {
            sequence: self.sequence,
            time: known(self.time),
            watched_s: self.uptime_s,
            sample_interval: self.tracer.sample_interval_bytes,
            processes: self.processes.into_iter().map(|it| it.process(filter)).collect(),
            lost: Lost { events, stacks, evicted_blocks },
            degraded: self.tracer.degraded.iter().map(|reason| clean(reason)).collect(),
        }
    }
}

impl ProcessRead {
    fn process(self, filter: &Filter) -> Process {
        let is_admitted =
            |stack: &StackRead| filter.admits_names(|| stack.frames.iter().map(FrameRead::names));
        let (stacks, unwanted): (Vec<_>, Vec<_>) = self.stacks.into_iter().partition(is_admitted);
        let is_sampled = self.heap.live_bytes_ci95.is_some();
        let left_out = |why, sum: &Sums| LeftOut {
            why,
            stacks: sum.stacks,
            amount: vague(is_sampled, sum.bytes, sum.blocks),
        };
        let [unlisted, young, other, excluded] = REASONS;
        let others = self
            .left_out
            .iter()
            .fold(self.others, |sum, left| sum.and(left.stacks, left.live_blocks, left.live_bytes));
        let alive = unwanted.iter().filter(|stack| stack.live_blocks > 0);
        let unwanted = alive
            .fold(Sums::default(), |sum, stack| sum.and(1, stack.live_blocks, stack.live_bytes));
        let container = self.container.as_deref().map(clean);
        let pod = self.pod.as_deref().or(self.pod_uid.as_deref()).map(clean);
        Process {
            pid: self.pid,
            start_time: self.start_time,
            comm: clean(&self.comm),
            workload: workload(container.as_deref(), pod.as_deref(), None),
            live: amount(
                is_sampled,
                (self.heap.live_bytes, self.heap.live_bytes_ci95),
                (self.heap.live_blocks, self.heap.live_blocks_ci95),
            ),
            account: self.heap.account(is_sampled),
            unknown: (self.heap.unknown_bytes, self.heap.unknown_blocks),
            is_sampled,
            has_pages: self.touched.is_some(),
            left_out: [
                left_out(unlisted, &others),
                left_out(young, &self.young),
                left_out(other, &self.filtered),
                left_out(excluded, &unwanted),
            ],
            stacks: stacks.into_iter().map(|stack| stack.stack(is_sampled)).collect(),
        }
    }
}

/// A value and its interval, if it has one.
type Told = (u64, Option<[u64; 2]>);

fn amount(is_sampled: bool, bytes: Told, blocks: Told) -> Amount {
    let vague = vague(is_sampled, bytes.0, blocks.0);
    let figure = |(value, ci): Told, vague| {
        ci.map_or(vague, |[low, high]| Figure::estimated(value, Confidence { low, high }))
    };
    Amount { bytes: figure(bytes, vague.bytes), blocks: figure(blocks, vague.blocks) }
}

impl Heap {
    fn account(&self, is_sampled: bool) -> Account {
        let figure = |value: Option<u64>, ci: Option<[u64; 2]>| {
            let ci = ci.map(|[low, high]| Confidence { low, high });
            Some(Figure::told(is_sampled, value?, ci))
        };
        let amount = |bytes: Option<Figure>, blocks: Option<Figure>| {
            Some(Amount { bytes: bytes?, blocks: blocks? })
        };
        Account {
            allocated: amount(
                figure(self.allocated_bytes, self.allocated_bytes_ci95),
                figure(self.allocated_blocks, self.allocated_blocks_ci95),
            ),
            freed: amount(
                figure(self.freed_bytes, self.freed_bytes_ci95),
                figure(self.freed_blocks, self.freed_blocks_ci95),
            ),
            peak: figure(self.peak_bytes, self.peak_bytes_ci95),
        }
    }
}

impl StackRead {
    fn stack(self, is_sampled: bool) -> Stack {
        let shown = self.frames.into_iter().filter(|frame| !frame.internal);
        Stack {
            amount: amount(
                is_sampled,
                (self.live_bytes, self.live_bytes_ci95),
                (self.live_blocks, self.live_blocks_ci95),
            ),
            function: clean(&self.function),
            // Reports in JSON do not tell them apart.
            part: Part::default(),
            frames: shown.map(FrameRead::frame).collect(),
        }
    }
}

impl FrameRead {
    fn names(&self) -> Names<'_> {
        Names {
            function: self.function.as_deref(),
            short: self.short.as_deref(),
            file: self.file.as_deref(),
            module: self.module.as_deref(),
        }
    }

    fn frame(self) -> Frame {
        let name = |name: Option<String>| name.map(|name| clean(&name));
        let place = self.offset.map(|offset| format!("{offset:#x}")).or(name(self.address));
        Frame {
            place: place.filter(|_| self.function.is_none()),
            short: name(self.short),
            function: name(self.function),
            module: name(self.module),
            file: name(self.file),
            line: self.line,
        }
    }
}
