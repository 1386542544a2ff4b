//! One of the two that are compared: what a report says, as far as it matters here.

use super::figure::{Amount, Figure};
use crate::engine::detail::Part;
use crate::engine::snapshot::{HeapTotals, SampledConfidence};
use crate::report::model::{FrameReport, Place, ProcessReport, Report, StackReport, Sum};
use crate::report::place::workload_of;
use jiff::{SignedDuration, Timestamp};

/// A report, however it came here.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Side {
    /// Number of the report in its run.
    pub sequence: u64,
    /// When it was taken, where that is known.
    pub time: Option<Timestamp>,
    /// For how long its run had watched, seconds.
    pub watched_s: f64,
    /// Mean bytes between samples; 0: every allocation.
    pub sample_interval: u64,
    /// Its processes.
    pub processes: Vec<Process>,
    /// What was lost until then.
    pub lost: Lost,
    /// Why its figures are not what was asked for.
    pub degraded: Vec<String>,
}

/// What never came to be counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Events.
    pub events: u64,
    /// Stacks that are not known.
    pub stacks: u64,
    /// Blocks that were not kept for want of memory.
    pub evicted_blocks: u64,
}

/// A process of a report.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Process {
    /// Process id.
    pub pid: u32,
    /// Clock ticks from boot to its start.
    pub start_time: u64,
    /// Its name.
    pub comm: String,
    /// Its container and pod.
    pub workload: Option<String>,
    /// What is alive in it.
    pub live: Amount,
    /// What it ever did.
    pub account: Account,
    /// Bytes and blocks of which it is not known whether they live; in none of the other figures.
    pub unknown: (u64, u64),
    /// Its figures are estimates.
    pub is_sampled: bool,
    /// Pages were told instead of blocks.
    pub has_pages: bool,
    /// The stacks that the report lists.
    pub stacks: Vec<Stack>,
    /// What the report does not list by stack, and why.
    pub left_out: [LeftOut; REASONS.len()],
}

/// What a process did since it was first seen; `None`: the report does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Account {
    /// Allocated.
    pub allocated: Option<Amount>,
    /// Freed of that.
    pub freed: Option<Amount>,
    /// Most bytes alive at once.
    pub peak: Option<Figure>,
}

/// Live blocks that the report sums up.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LeftOut {
    /// Why.
    pub why: &'static str,
    /// Stacks that have such blocks.
    pub stacks: u64,
    /// How much they are.
    pub amount: Amount,
}

/// A call stack of a process.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stack {
    /// The allocator function.
    pub function: String,
    /// What it holds.
    pub amount: Amount,
    /// Which of its blocks these are, where they are told apart.
    pub part: Part,
    /// From the caller outwards, without layers of allocators and start code.
    pub frames: Vec<Frame>,
}

/// A frame by its names.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Frame {
    /// Source file.
    pub file: Option<String>,
    /// Line in it.
    pub line: Option<u32>,
    /// Function.
    pub function: Option<String>,
    /// Its short form.
    pub short: Option<String>,
    /// File name of the program or library.
    pub module: Option<String>,
    /// Offset in the module, or address outside of all, where the function is not known.
    pub place: Option<String>,
}

/// The reasons why something is not listed, in the order of [`Process::left_out`].
pub(super) const REASONS: [&str; 4] = [
    "stacks that are not listed",
    "younger than --min-age",
    "of other sizes",
    "left out by --include or --exclude",
];
/// The last one is as was wished: what is not in a report for any of these reasons may be in it all the same.
const UNWISHED: usize = 3;

impl Side {
    /// What `report` says.
    #[must_use]
    pub fn of(report: &Report) -> Self {
        Self {
            sequence: report.tracer.sequence,
            time: known(report.tracer.time),
            watched_s: crate::report::units::seconds(report.watched),
            sample_interval: report.tracer.sample_interval_bytes,
            processes: report.processes.iter().map(Process::of).collect(),
            lost: Lost {
                events: report.loss.events,
                stacks: report.loss.stacks,
                evicted_blocks: report.loss.evicted_blocks,
            },
            degraded: report.degraded.clone(),
        }
    }

    /// All that is alive.
    #[must_use]
    pub fn live(&self) -> Amount {
        self.processes.iter().fold(Amount::default(), |sum, process| sum.plus(process.live))
    }

    /// What is alive and not listed by stack, and was not left out as was wished, over all processes.
    #[must_use]
    pub fn left_out(&self) -> LeftOut {
        let all = self.processes.iter().flat_map(|process| process.left_out.iter().take(UNWISHED));
        all.fold(LeftOut::default(), |sum, part| LeftOut {
            why: "",
            stacks: sum.stacks.saturating_add(part.stacks),
            amount: sum.amount.plus(part.amount),
        })
    }

    /// Bytes and blocks of which it is not known whether they live.
    #[must_use]
    pub fn unknown(&self) -> (u64, u64) {
        self.processes.iter().fold((0, 0), |(bytes, blocks), process| {
            let (more_bytes, more_blocks) = process.unknown;
            (bytes.saturating_add(more_bytes), blocks.saturating_add(more_blocks))
        })
    }

    /// Every live block is in one of the stacks that are listed, or was not wanted.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.processes.iter().all(Process::is_whole)
    }

    /// Some processes were told of by pages, which are not compared.
    #[must_use]
    pub fn has_pages(&self) -> bool {
        self.processes.iter().any(|process| process.has_pages)
    }
}

impl Process {
    fn of(process: &ProcessReport) -> Self {
        let heap = &process.heap;
        let is_sampled = heap.confidence.is_some();
        let left_out = |why, sum: Sum| LeftOut {
            why,
            stacks: sum.stacks,
            amount: vague(is_sampled, sum.bytes, sum.blocks),
        };
        let [unlisted, young, other, excluded] = REASONS;
        Self {
            pid: process.pid,
            start_time: process.start_time,
            comm: process.comm.clone(),
            workload: workload_of(process),
            live: amount(is_sampled, heap.live_bytes, heap.live_blocks, heap.confidence.as_ref()),
            is_sampled,
            account: Account::of(heap),
            unknown: (heap.unknown_bytes, heap.unknown_blocks),
            has_pages: process.touched.is_some(),
            stacks: process.stacks.iter().map(|stack| Stack::of(stack, is_sampled)).collect(),
            left_out: [
                left_out(unlisted, process.others),
                left_out(young, process.young),
                left_out(other, process.filtered),
                left_out(excluded, process.excluded),
            ],
        }
    }

    /// Every live block is in one of the stacks that are listed, or was not wanted.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.left_out
            .iter()
            .take(UNWISHED)
            .all(|part| part.stacks == 0 && part.amount.blocks.value == 0)
    }
}

impl Account {
    fn of(heap: &HeapTotals) -> Self {
        let is_sampled = heap.confidence.is_some();
        let around = heap.confidence.as_ref();
        let allocated = [
            (heap.allocated_bytes, around.map(|it| it.allocated_bytes)),
            (heap.allocated_blocks, around.map(|it| it.allocated_blocks)),
        ];
        let freed = [
            (heap.freed_bytes, around.map(|it| it.freed_bytes)),
            (heap.freed_blocks, around.map(|it| it.freed_blocks)),
        ];
        let figure = |(value, ci)| Figure::told(is_sampled, value, ci);
        let amount =
            |[bytes, blocks]: [_; 2]| Amount { bytes: figure(bytes), blocks: figure(blocks) };
        Self {
            allocated: Some(amount(allocated)),
            freed: Some(amount(freed)),
            peak: Some(figure((heap.peak_bytes, around.map(|it| it.peak_bytes)))),
        }
    }
}

impl Stack {
    fn of(stack: &StackReport, is_sampled: bool) -> Self {
        let confidence = stack.confidence.as_ref();
        Self {
            function: stack.function.clone(),
            part: stack.part,
            amount: amount(is_sampled, stack.live_bytes, stack.live_blocks, confidence),
            frames: stack.shown(false).map(Frame::of).collect(),
        }
    }
}

impl Frame {
    fn of(frame: &FrameReport) -> Self {
        Self {
            file: frame.file.clone(),
            line: frame.line,
            function: frame.function.clone(),
            short: frame.short.clone().or_else(|| frame.function.clone()),
            module: frame.module.clone(),
            place: match frame.place {
                _ if frame.function.is_some() => None,
                Place::Offset(offset) => Some(format!("{offset:#x}")),
                Place::Address(address) => Some(format!("{address:#x}")),
                Place::Unknown => None,
            },
        }
    }

    /// The function, in full or in short, or else the place.
    #[must_use]
    pub fn name(&self, full: bool) -> String {
        let short = self.short.as_ref().filter(|_| !full);
        if let Some(name) = short.or(self.function.as_ref()) {
            return name.clone();
        }
        match (&self.module, &self.place) {
            (Some(module), Some(place)) => format!("{module}+{place}"),
            (Some(module), None) => module.clone(),
            (None, Some(place)) => place.clone(),
            (None, None) => "(gone before its mappings could be read)".to_owned(),
        }
    }
}

/// The time from one side to the other, where both are known.
pub(super) fn span(before: &Side, after: &Side) -> Option<SignedDuration> {
    Some(after.time?.duration_since(before.time?))
}

/// What was cut off before its first report has the beginning of time for a time.
pub(super) fn known(time: Timestamp) -> Option<Timestamp> {
    (time != Timestamp::UNIX_EPOCH).then_some(time)
}

fn amount(
    is_sampled: bool,
    bytes: u64,
    blocks: u64,
    confidence: Option<&SampledConfidence>,
) -> Amount {
    confidence.map_or_else(
        || vague(is_sampled, bytes, blocks),
        |ci| Amount {
            bytes: Figure::estimated(bytes, ci.live_bytes),
            blocks: Figure::estimated(blocks, ci.live_blocks),
        },
    )
}

/// What has no interval: where others have one, it is an estimate all the same.
pub(super) const fn vague(is_sampled: bool, bytes: u64, blocks: u64) -> Amount {
    if is_sampled {
        return Amount { bytes: Figure::vague(bytes), blocks: Figure::vague(blocks) };
    }
    Amount { bytes: Figure::exact(bytes), blocks: Figure::exact(blocks) }
}
