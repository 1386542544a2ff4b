//! A report: fully resolved, names only, nothing that must be looked up elsewhere.

use super::alerts::AlertReport;
use super::facts::{ReportOptions, TracerFacts};
use super::identity::StackDigest;
use super::left_out::LeftOutStacks;
use super::marks::MarkReport;
use super::timeline::{Changes, MemoryPoint, Parts};
use super::verdict::Verdict;
use super::view::Measure;
use super::watch::WatchReport;
use super::windows::WindowReport;
use crate::engine::ended::Ended;
use crate::engine::heap::ranges::RangeKind;
use crate::engine::ports::Missing;
use crate::engine::sampling::Oddities;
use crate::engine::snapshot::{
    Confidence, Growth, HeapTotals, LookTotals, MappingTotals, Owners, Part, PartsConfidence,
    PeriodFigures, PlacedBlocks, ResidentPart, SampledConfidence, SnapshotOptions, SumConfidence,
    TouchTotals,
};
use crate::engine::trend::{Ages, Band, Judgement};
use crate::model::ids::Nanos;
use crate::model::picture::Picture;
use crate::model::process::Usage;
use jiff::Timestamp;
use memtrace_common::wire::StackEnd;

/// Everything that a report says. All names are [`super::clean`].
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The tracer's own figures.
    pub tracer: TracerFacts,
    /// What the user asked for.
    pub options: ReportOptions,
    /// Which blocks were singled out.
    pub blocks: SnapshotOptions,
    /// Time since tracing began, ns.
    pub watched: Nanos,
    /// Records since tracing began.
    pub events: u64,
    /// The processes, most growth first.
    pub processes: Vec<ProcessReport>,
    /// Those that have ended and are not among the processes any more.
    pub ended: Ended,
    /// What was lost.
    pub loss: LossReport,
    /// Why the figures are not what was asked for.
    pub degraded: Vec<String>,
    /// Closer looks at processes that grow; `None` where there are none.
    pub looks: Option<LookTotals>,
    /// Thresholds that were crossed, oldest first; `None` where the user set none.
    pub alerts: Option<Vec<AlertReport>>,
    /// How many came before those.
    pub older_alerts: u64,
    /// Moments that the user has named, in the order in which they came.
    pub marks: Vec<MarkReport>,
    /// How many came before those, and are not kept.
    pub dropped_marks: u64,
    /// Which parts of the run stacks' figures are known of.
    pub parts: Parts,
    /// What formats with a figure per stack weigh stacks by; `None`: by what each of them usually does.
    pub measure: Option<Measure>,
}

impl Report {
    /// The figures are not what was asked for: exit status 3.
    #[must_use]
    pub fn is_degraded(&self) -> bool {
        !self.degraded.is_empty()
    }
}

/// What was lost since tracing began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LossReport {
    /// Events that never reached the tables.
    pub events: u64,
    /// Stacks that are not known: frames lost, or taken without a stack.
    pub stacks: u64,
    /// Blocks that were not kept for want of memory, over all processes.
    pub evicted_blocks: u64,
    /// `events` and `stacks` by cause, causes with 0 included.
    pub by_cause: Vec<(&'static str, u64)>,
}

/// The cause of allocations without their stack where there were more stacks than fit in memory.
pub(crate) const STACKS_FULL: &str = "stack_table_full";

impl LossReport {
    /// What was lost for a cause.
    #[must_use]
    pub fn count(&self, cause: &str) -> u64 {
        let found = self.by_cause.iter().find(|(name, _)| *name == cause);
        found.map_or(0, |(_, count)| *count)
    }

    /// Lost events as a share of all, 0 to 1, where `seen` arrived.
    #[must_use]
    pub fn share(&self, seen: u64) -> f64 {
        let all = self.events.saturating_add(seen);
        if all == 0 { 0.0 } else { self.events as f64 / all as f64 }
    }
}

/// How a process ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum End {
    /// It runs.
    #[default]
    Running,
    /// It returned from `main` or called `exit`: the code.
    Exited(u8),
    /// A signal ended it: the number.
    Killed(u8),
    /// It ended; how is not known.
    Unknown,
    /// It runs another program now.
    Execed,
}

/// Some stacks and what they hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// Stacks.
    pub stacks: u64,
    /// Their blocks.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Where sums over the stacks of a process lie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SumsAround {
    /// [`ProcessReport::others`].
    pub others: SumConfidence,
    /// [`ProcessReport::young`].
    pub young: SumConfidence,
    /// [`ProcessReport::filtered`].
    pub filtered: SumConfidence,
}

/// One process, or one program in it where it called exec.
#[derive(Clone, Debug, Default)]
pub struct ProcessReport {
    /// Process id.
    pub pid: u32,
    /// Field 22 of `/proc/PID/stat`: clock ticks after boot. With `pid` unique until reboot.
    pub start_time: u64,
    /// When it started.
    pub started: Option<Timestamp>,
    /// `/proc/PID/comm`.
    pub comm: String,
    /// Path of its executable.
    pub exe: Option<String>,
    /// Its arguments, where the user asked for them.
    pub cmdline: Option<Vec<String>>,
    /// Real user id.
    pub uid: Option<u32>,
    /// cgroup path.
    pub cgroup: Option<String>,
    /// Id or name of the container that the cgroup belongs to.
    pub container: Option<String>,
    /// Uid of the Kubernetes pod that the cgroup belongs to.
    pub pod_uid: Option<String>,
    /// Namespace and name of that pod, `NAMESPACE/NAME`.
    pub pod: Option<String>,
    /// Memory limit that binds the cgroup, bytes.
    pub cgroup_limit: Option<u64>,
    /// Its allocators.
    pub allocators: Vec<String>,
    /// How it ended.
    pub end: End,
    /// When its blocks were watched; `None`: all the time.
    pub windows: Option<WindowReport>,
    /// For how long it was watched, ns.
    pub watched: Nanos,
    /// For how long it has run, ns.
    pub up: Option<Nanos>,
    /// Heap totals.
    pub heap: HeapTotals,
    /// Mapping totals.
    pub mappings: MappingTotals,
    /// Memory when first seen.
    pub usage_first: Option<Usage>,
    /// Memory now, or last known.
    pub usage_last: Option<Usage>,
    /// What its resident memory was when that was last read.
    pub picture: Option<PictureReport>,
    /// Intervals watched.
    pub intervals: u32,
    /// Growth of the live heap.
    pub growth: Growth,
    /// Growth of the resident set.
    pub resident_growth: Growth,
    /// Children that shared its memory unseen (vfork windows).
    pub unseen_vforks: u64,
    /// Children with a copy of its memory, not traced.
    pub untraced_children: u64,
    /// What the trend of its heap is, and what that rests on.
    pub judgement: Judgement,
    /// As of a stack, of all its blocks.
    pub survival: Vec<(Nanos, Band)>,
    /// Freed blocks whose age was not kept.
    pub untold_frees: u64,
    /// Of all its live blocks so many may have been freed unseen; of samples so many samples.
    pub perhaps_freed: u64,
    /// The verdict.
    pub verdict: Verdict,
    /// What the verdict rests on, in sentences without the last full stop.
    pub explanation: Vec<String>,
    /// The stacks that are listed.
    pub stacks: Vec<StackReport>,
    /// Stacks that are not listed as the user wished so, at most one entry for each reason.
    pub left_out: Vec<LeftOutStacks>,
    /// Stacks with blocks to show that are not listed because of `top`.
    pub others: Sum,
    /// … of them growing.
    pub others_growing: u64,
    /// Blocks younger than `min_age`; `stacks`: those that have some.
    pub young: Sum,
    /// Stacks all of whose live blocks are young: they are not listed.
    pub only_young: u64,
    /// Blocks of sizes that were filtered out; `stacks`: those that have some.
    pub filtered: Sum,
    /// Where these three lie, where they are estimates.
    pub around: Option<Box<SumsAround>>,
    /// Blocks of stacks that a view leaves out for their names, as is wished: nobody misses them.
    pub excluded: Sum,
    /// Stacks without any live block, listed only with `top` 0.
    pub empty_stacks: u64,
    /// Allocations whose stack is not complete, of all those of the stacks known.
    pub incomplete_blocks: u64,
    /// Stacks among those that ended at code whose unwinding table was not ready yet, with their
    /// allocations.
    pub early: Sum,
    /// Files that the listed stacks run through.
    pub modules: Vec<ModuleReport>,
    /// The stacks that mapped most, as far as they are listed; empty where nobody asked who maps.
    pub mapped: Vec<MappedReport>,
    /// What is mapped by other stacks, and by those that nobody knows; `blocks`: ranges.
    pub mapped_others: Sum,
    /// What each allocator mapped, by its file.
    pub allocator_mapped: Vec<AllocatorMapped>,
    /// Pages that were touched; `None` where nobody asked.
    pub touched: Option<TouchedReport>,
    /// How it grew and what closer looks found; `None` where processes are not watched for that.
    pub watch: Option<WatchReport>,
    /// What functions that the user describes gave out; `None` where none is described.
    pub pools: Option<AccountReport>,
    /// Memory of devices; `None` where no call for any was seen.
    pub device: Option<DeviceReport>,
    /// What the program itself tells of blocks that it samples; `None` where it told of nothing.
    pub told: Option<ToldReport>,
    /// What blocks without a known stack did in a period, where an account of that was kept.
    pub period: Option<PeriodFigures>,
    /// Its memory at some moments, oldest first.
    pub memory: Vec<MemoryPoint>,
    /// What blocks of stacks that are not listed, and those without one, did by part of the run.
    pub other_changes: Changes,
}

/// Blocks that the program samples itself: its own estimates, never to be added to the heap, in which the same
/// blocks may be.
#[derive(Clone, Debug, Default)]
pub struct ToldReport {
    /// What lives.
    pub live: ToldFigures,
    /// What was allocated since the process was first seen.
    pub allocated: ToldFigures,
    /// What does not fit into sums.
    pub oddities: Oddities,
    /// The stacks that are listed.
    pub stacks: Vec<ToldStackReport>,
    /// What lives of others.
    pub others: ToldOthers,
}

/// An estimate, and what it rests on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ToldFigures {
    /// Bytes.
    pub bytes: u64,
    /// Where they lie.
    pub bytes_ci: Confidence,
    /// Blocks.
    pub blocks: u64,
    /// Where they lie.
    pub blocks_ci: Confidence,
    /// How many were told of.
    pub samples: u64,
}

/// Samples that live and are of no listed stack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ToldOthers {
    /// Stacks that are not listed.
    pub stacks: u64,
    /// Their samples, and those without a stack.
    pub samples: u64,
    /// What these stand for.
    pub bytes: u64,
}

/// One call stack that a program tells of.
#[derive(Clone, Debug, Default)]
pub struct ToldStackReport {
    /// Identity.
    pub id: StackDigest,
    /// What lives.
    pub live: ToldFigures,
    /// What it allocated.
    pub allocated: ToldFigures,
    /// How the stack ended.
    pub end: StackEnd,
    /// From the function with the probe outwards.
    pub frames: Vec<FrameReport>,
}

/// Memory that a device's driver gave out. It is no part of the heap and of no mapping that was seen.
#[derive(Clone, Debug, Default)]
pub struct DeviceReport {
    /// All of it.
    pub account: AccountReport,
    /// What of it is memory of the host that is pinned for the device: live, by the stacks that are known.
    pub pinned: Sum,
}

/// An account of blocks beside the heap's, never to be added to that: what functions that the user describes
/// gave out lies in the heap or in mappings, and what a device's driver gave out in neither.
#[derive(Clone, Debug, Default)]
pub struct AccountReport {
    /// Names of the functions: all that the user describes, of a device's those that allocated.
    pub functions: Vec<String>,
    /// Totals of their blocks.
    pub totals: HeapTotals,
    /// Growth of what is live.
    pub growth: Growth,
    /// As [`ProcessReport::perhaps_freed`].
    pub perhaps_freed: u64,
    /// The stacks that are listed.
    pub stacks: Vec<StackReport>,
    /// Live blocks that are not in the listed stacks, young and filtered ones among them; `stacks`: those
    /// that are not listed.
    pub others: Sum,
    /// Where these lie, where they are estimates.
    pub others_around: Option<SumConfidence>,
}

/// What resident memory was, and which of it the live blocks were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PictureReport {
    /// How long before the snapshot, ns.
    pub age: Nanos,
    /// The reading.
    pub picture: Picture,
    /// As in [`crate::engine::snapshot::PictureSnapshot`].
    pub is_sampled: bool,
    /// Where the live blocks lay.
    pub blocks: PlacedBlocks,
    /// Whose the memory was that may hold blocks.
    pub owners: Owners,
}

impl PictureReport {
    /// Resident in mappings that may hold blocks, beyond the live blocks that were seen: at least and at
    /// most, bytes.
    #[must_use]
    pub fn not_attributable(&self) -> (u64, u64) {
        let resident = self.picture.resident_with_blocks();
        let without = |touched| resident.saturating_sub(touched);
        (without(self.blocks.touched_most), without(self.blocks.touched_least))
    }
}

/// What an allocator mapped since the process was first seen: address space, not memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllocatorMapped {
    /// Name of the file that its code is in.
    pub module: String,
    /// Bytes still mapped, those of the parent at a fork among them.
    pub live_bytes: u64,
    /// Separate ranges of them.
    pub live_ranges: u64,
    /// Calls that added pages.
    pub calls: u64,
    /// Bytes that they added.
    pub mapped_bytes: u64,
    /// Of those unmapped.
    pub unmapped_bytes: u64,
}

/// Pages that were touched first since the process was first seen.
#[derive(Clone, Debug, Default)]
pub struct TouchedReport {
    /// All of them, and page faults that were no first touches.
    pub totals: TouchTotals,
    /// The stacks that touched most, as far as they are listed.
    pub stacks: Vec<TouchedStackReport>,
    /// Pages touched by other stacks, and by those that nobody knows; `blocks`: pages.
    pub others: Sum,
    /// Where the bytes of those lie, where not every page was looked at.
    pub others_confidence: Option<Confidence>,
    /// One page in up to so many was looked at while faults were many; 1: each was.
    pub one_in: u64,
}

/// One call stack and the pages that it touched first.
#[derive(Clone, Debug, Default)]
pub struct TouchedStackReport {
    /// Identity.
    pub id: StackDigest,
    /// Bytes still there.
    pub live_bytes: u64,
    /// Bytes that it touched.
    pub touched_bytes: u64,
    /// Of those given back.
    pub given_back_bytes: u64,
    /// Where these three lie, where not every page was looked at.
    pub confidence: Option<[Confidence; 3]>,
    /// How the stack ended.
    pub end: StackEnd,
    /// From the function that touched outwards.
    pub frames: Vec<FrameReport>,
}

/// One call stack and what it mapped: address space, not memory.
#[derive(Clone, Debug, Default)]
pub struct MappedReport {
    /// Identity.
    pub id: StackDigest,
    /// `mmap`, `mremap` or `brk`.
    pub function: String,
    /// The memory is for an allocator, whose blocks lie in it: not to be added to the heap.
    pub by_allocator: bool,
    /// Bytes still mapped.
    pub live_bytes: u64,
    /// Separate ranges of them.
    pub live_ranges: u64,
    /// Live bytes by kind.
    pub live_by_kind: [u64; RangeKind::COUNT],
    /// Calls that added pages.
    pub calls: u64,
    /// Bytes that they added.
    pub mapped_bytes: u64,
    /// Of those unmapped.
    pub unmapped_bytes: u64,
    /// What was resident of it when that was last read.
    pub resident: Option<ResidentPart>,
    /// Age of the oldest live range, ns.
    pub oldest_age: Option<Nanos>,
    /// How the stack ended.
    pub end: StackEnd,
    /// From the system call's wrapper outwards.
    pub frames: Vec<FrameReport>,
}

/// A file that listed stacks run through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModuleReport {
    /// File name.
    pub name: String,
    /// Path as the process sees it.
    pub path: String,
    /// Build-id, hexadecimal.
    pub build_id: Option<String>,
    /// Has line tables; `None`: not known.
    pub debug_lines: Option<bool>,
    /// Why it gave no names, if it gave none at all.
    pub missing: Option<Missing>,
}

/// One call stack. Figures are without young and filtered blocks, except where they say "all".
#[derive(Clone, Debug, Default)]
pub struct StackReport {
    /// Identity.
    pub id: StackDigest,
    /// The allocator function.
    pub function: String,
    /// The allocator, where that is known.
    pub allocator: Option<&'static str>,
    /// Live bytes.
    pub live_bytes: u64,
    /// Live blocks.
    pub live_blocks: u64,
    /// Young bytes and blocks, which are not in `live`.
    pub young: (u64, u64),
    /// Filtered bytes and blocks, which are not in `live`.
    pub filtered: (u64, u64),
    /// Where these two lie, where they are estimates.
    pub parts: Option<PartsConfidence>,
    /// Bytes and blocks of which it is not known whether they live, all; none of them is in `live`.
    pub unknown: (u64, u64),
    /// Of all its live blocks so many may have been freed unseen; of samples so many samples.
    pub perhaps_freed: u64,
    /// They may be all that it gained.
    pub may_not_grow: bool,
    /// Bytes held when the process was at its peak, all.
    pub peak_bytes: u64,
    /// Bytes allocated, all.
    pub allocated_bytes: u64,
    /// Blocks allocated, all.
    pub allocated_blocks: u64,
    /// Bytes of them freed, all.
    pub freed_bytes: u64,
    /// Blocks of them freed, all.
    pub freed_blocks: u64,
    /// Age of the oldest live block, all, ns.
    pub oldest_age: Option<Nanos>,
    /// Age of the newest live block, all, ns.
    pub newest_age: Option<Nanos>,
    /// Smallest and largest live block, all, bytes.
    pub sizes: Option<(u64, u64)>,
    /// Growth of all its live bytes.
    pub growth: Growth,
    /// Where the figures lie, where they are estimates: those without young and filtered blocks, and those of
    /// all.
    pub confidence: Option<SampledConfidence>,
    /// Where bytes alive of all lie.
    pub all_live: Option<Confidence>,
    /// What its trend is, and what that rests on.
    pub judgement: Judgement,
    /// The share of its blocks that live at least so long, where that changes: ages, ns.
    pub survival: Vec<(Nanos, Band)>,
    /// Which of its blocks these are, where they are told apart.
    pub part: Part,
    /// What it did in a period, where an account of that was kept.
    pub period: Option<PeriodFigures>,
    /// What it did by part of the run: all its blocks, of whatever age and size.
    pub changes: Changes,
    /// How old its blocks were when they were freed, in that period or ever, and how old those are that are alive;
    /// `None`: not known.
    pub ages: Option<Ages>,
    /// How the stack ended.
    pub end: StackEnd,
    /// From the allocator's caller outwards; inlined functions have frames of their own.
    pub frames: Vec<FrameReport>,
    /// Its oldest blocks.
    pub blocks: Vec<BlockReport>,
}

impl StackReport {
    /// What its figures say, as far as they are to be relied on.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match Verdict::from(self.judgement.trend) {
            Verdict::Growing if self.may_not_grow => Verdict::Degraded,
            verdict => verdict,
        }
    }

    /// The frames to show: with those of allocators and start code, or without.
    pub fn shown(&self, internals: bool) -> impl Iterator<Item = &FrameReport> {
        self.frames.iter().filter(move |frame| internals || !frame.internal)
    }
}

/// Where a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A file offset, bytes.
    Offset(u64),
    /// An address outside files.
    Address(u64),
    /// It was an address, but what that meant is not known any more.
    Unknown,
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameReport {
    /// Function; `None`: not known.
    pub function: Option<String>,
    /// Its short form, where it has another.
    pub short: Option<String>,
    /// File name of the module; `None`: not known.
    pub module: Option<String>,
    /// Its build-id, hexadecimal.
    pub build_id: Option<String>,
    /// Of the instruction after the call.
    pub place: Place,
    /// Source file.
    pub file: Option<String>,
    /// Line.
    pub line: Option<u32>,
    /// Inlined into the next frame.
    pub inlined: bool,
    /// Of the allocator's wrappers or of start code; text reports leave it out.
    pub internal: bool,
    /// Why the function is not known.
    pub missing: Option<Missing>,
}

impl FrameReport {
    /// What stands in place of frames and is no code.
    #[must_use]
    pub fn standing_for(name: &str) -> Self {
        Self {
            function: Some(name.to_owned()),
            short: None,
            module: None,
            build_id: None,
            place: Place::Unknown,
            file: None,
            line: None,
            inlined: false,
            internal: false,
            missing: None,
        }
    }

    /// The function's name, in full or in short.
    #[must_use]
    pub fn name(&self, full: bool) -> Option<&str> {
        let short = self.short.as_deref().filter(|_| !full);
        short.or(self.function.as_deref())
    }
}

/// One live block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockReport {
    /// Address.
    pub address: u64,
    /// Bytes.
    pub size: u64,
    /// Age, ns.
    pub age: Nanos,
}

#[cfg(test)]
impl FrameReport {
    /// A frame of which nothing is known but its place.
    pub(super) const fn nameless() -> Self {
        Self {
            function: None,
            short: None,
            module: None,
            build_id: None,
            place: Place::Offset(1),
            file: None,
            line: None,
            inlined: false,
            internal: false,
            missing: None,
        }
    }

    /// A frame in the function `name`.
    pub(super) fn called(name: &str) -> Self {
        Self { function: Some(name.to_owned()), ..Self::nameless() }
    }
}
