//! What the tables held at one moment: immutable, cheap to share, without single blocks.
//!
//! Serialised without its lists, and stacks without their growth: aggregated recordings keep each row of a list by
//! itself, and growth where it does not follow from the series.

use super::alerts::Alert;
pub use super::detail::{Part, SizeClass};
use super::ended::Ended;
use super::heap::ranges::RangeKind;
pub use super::heap::touched::figures::TouchFigures;
pub use super::heap::usable::Usable;
use super::history::Point;
pub use super::marks::Marked;
use super::numbers;
pub use super::owners::{Owner, OwnerSum, Owners};
pub use super::placing::Bounds as ResidentBounds;
pub use super::sampling::{
    Confidence, OddConfidence, PartsConfidence, SampledConfidence, SumConfidence,
};
pub use super::sampling::{Oddities, Sum, Sums, Unseen};
use super::slices::Slice;
use super::trend::{Ages, Past};
pub use super::windows::Windows;
pub use super::zoom::{
    Found, FoundStack, Growing, LookSnapshot, Outcome, State as LookState, Story,
    Totals as LookTotals, TouchedGrowth,
};
use crate::model::frame::Frame;
use crate::model::ids::{ModuleId, Nanos, StackId};
use crate::model::module::Module;
use crate::model::picture::{PageKind, Picture};
use crate::model::process::{ProcessInfo, Usage};
use memtrace_common::classes::SizeClasses;
use memtrace_common::function::{BlockKind, FunctionId};
use memtrace_common::wire::{Loss, StackEnd};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Which blocks a snapshot singles out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotOptions {
    /// Blocks younger than this are summed apart (`young_*`). 0: none is young. Age is counted to the
    /// process's [`ProcessSnapshot::until`].
    pub min_age: Nanos,
    /// Blocks outside these sizes are summed apart (`filtered_*`).
    pub min_size: u64,
    /// … inclusive; `None`: no limit.
    pub max_size: Option<u64>,
    /// Addresses of the oldest blocks to list per stack.
    pub blocks_per_stack: usize,
}

/// Everything at one moment.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Snapshot {
    /// When, on the events' clock.
    pub time: Nanos,
    /// When tracing began.
    pub began: Nanos,
    /// The options it was made with.
    pub options: SnapshotOptions,
    /// One per process and program (an exec begins a new one), in order of first sight.
    #[serde(skip)]
    pub processes: Vec<ProcessSnapshot>,
    /// Modules by number.
    #[serde(skip)]
    pub modules: Arc<[Arc<Module>]>,
    /// What was lost, by cause, since tracing began; causes with 0 included.
    #[serde(with = "numbers::losses")]
    pub losses: Vec<(Loss, u64)>,
    /// Allocations whose stack's frames never arrived (their record was lost) or were evicted.
    pub unknown_stacks: u64,
    /// Records that could not be decoded.
    pub undecodable: u64,
    /// Records decoded since tracing began.
    pub events: u64,
    /// What the engine's bounded tables had no room for.
    pub bounds: Bounds,
    /// Those that have ended and are not among [`Self::processes`] any more.
    pub ended: Ended,
    /// Thresholds that were crossed, oldest first; the latest ones.
    #[serde(skip)]
    pub alerts: Vec<Alert>,
    /// Closer looks at processes that grow, where there are any.
    pub looks: Option<LookTotals>,
    /// Touched pages were taken at levels up to this one: one in up to 2 to the power of it
    /// ([`memtrace_common::touches`]). 0: each page.
    pub touch_level: u8,
    /// How many came before those.
    pub older_alerts: u64,
    /// Moments that the user has named, in the order in which they came; the latest ones.
    #[serde(skip)]
    pub marks: Vec<Marked>,
    /// How many came before those.
    pub dropped_marks: u64,
}

/// What the engine's bounded tables had no room for, and what belonged to nothing they hold. Counts
/// since tracing began; evicted blocks are counted by process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounds {
    /// Events of processes that were never seen, or were refused or forgotten.
    pub foreign_events: u64,
    /// Processes that were not taken in because there were too many.
    pub refused_processes: u64,
    /// Entries of programs that had ended (exec, pid used again), dropped to make room.
    pub dropped_processes: u64,
    /// New call stacks that were not kept because there were too many.
    pub refused_stacks: u64,
    /// Allocations without their stack because there were too many.
    pub crowded_out: u64,
    /// Stack ids of the kernel side that were forgotten because there were too many.
    pub evicted_stack_ids: u64,
    /// Modules whose number is out of range.
    pub refused_modules: u64,
    /// Blocks not kept because address or size is too large for an entry; among the evicted ones.
    pub unsupported_blocks: u64,
}

/// How a process stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// It runs.
    #[default]
    Running,
    /// It has gone; status as `wait(2)` gives it, where it is known.
    Exited(Option<u32>),
    /// It runs another program now; its blocks went with its address space.
    Execed,
}

/// One process.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ProcessSnapshot {
    /// Who.
    pub info: Arc<ProcessInfo>,
    /// How it stands.
    pub state: State,
    /// When it was first seen.
    pub seen: Nanos,
    /// When its state was last `Running` (now, or its end).
    pub until: Nanos,
    /// How it grew and when it was looked at more closely, where that is done.
    pub story: Option<Box<Story>>,
    /// When its allocations and frees were told.
    pub windows: Windows,
    /// Heap totals.
    pub heap: HeapTotals,
    /// Mapping totals.
    pub mappings: MappingTotals,
    /// Memory when first seen.
    pub usage_first: Option<Usage>,
    /// Memory now (or last known).
    pub usage_last: Option<Usage>,
    /// What its resident memory was when that was last read.
    pub picture: Option<PictureSnapshot>,
    /// Marks since it was first seen, i.e. intervals watched. Its series may have fewer points.
    pub intervals: u32,
    /// What it held at some of the marks, oldest first.
    #[serde(skip)]
    pub history: Box<[Arc<Point>]>,
    /// What its stacks did by time, oldest first; empty where that is not kept.
    #[serde(skip)]
    pub slices: Vec<Slice>,
    /// Freed blocks whose age was not kept, for want of memory or because their stack is not known.
    pub untold_frees: u64,
    /// Growth of the whole live heap.
    pub growth: Growth,
    /// Growth of the resident set.
    pub resident_growth: Growth,
    /// Children that share its memory but are not traced (vfork windows).
    pub unseen_vforks: u64,
    /// Children with a copy of its memory, not traced.
    pub untraced_children: u64,
    /// Per call stack, those with any live block or any allocation; in no particular order.
    #[serde(skip)]
    pub stacks: Vec<StackSnapshot>,
    /// Per call stack that mapped memory; in no particular order.
    #[serde(skip)]
    pub mapped: Vec<MappedStack>,
    /// Pages that were touched, where that is told.
    pub touched: TouchTotals,
    /// By whom.
    #[serde(skip)]
    pub touched_stacks: Vec<TouchedStack>,
    /// What the functions that the user describes hold.
    pub pools: AccountSnapshot,
    /// Memory of devices, and memory of the host that is pinned for them.
    pub device: AccountSnapshot,
    /// What the program itself tells of blocks that it samples; `None` where it told of nothing.
    pub told: Option<Box<ToldSnapshot>>,
    /// What blocks without a known stack did in a period, where an account of that is kept.
    pub period: Option<Box<PeriodFigures>>,
}

/// Blocks that the program samples itself: estimates of blocks that may be the heap's, so never to be added to
/// those.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ToldSnapshot {
    /// All of them.
    pub totals: Sums,
    /// What there may be where no sample is.
    pub unseen: Unseen,
    /// What does not fit into sums.
    pub oddities: Oddities,
    /// Per call stack; in no particular order.
    #[serde(skip)]
    pub stacks: Vec<ToldStack>,
}

/// Such blocks of one call stack.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ToldStack {
    /// Its number in the engine.
    pub stack: StackId,
    /// From the function with the probe outwards; empty if the stack never arrived.
    pub frames: Arc<[Frame]>,
    /// How it ended.
    #[serde(with = "numbers::stack_end")]
    pub end: StackEnd,
    /// What it holds and has allocated.
    pub sums: Sums,
}

impl ProcessSnapshot {
    /// The stacks of one account.
    pub(super) const fn stacks_of(&mut self, kind: BlockKind) -> &mut Vec<StackSnapshot> {
        match kind {
            BlockKind::Heap => &mut self.stacks,
            BlockKind::Device => &mut self.device.stacks,
            BlockKind::UserDefined => &mut self.pools.stacks,
        }
    }
}

/// An account of blocks beside the heap's, never to be added to that: what functions that the user describes
/// gave out lies in the heap or in mappings, and what a device's driver gave out in neither.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct AccountSnapshot {
    /// Totals of their blocks.
    pub totals: HeapTotals,
    /// Growth of what is live.
    pub growth: Growth,
    /// Per call stack, as [`ProcessSnapshot::stacks`].
    #[serde(skip)]
    pub stacks: Vec<StackSnapshot>,
}

/// Heap totals of a process since it was first seen.
///
/// In bytes and in blocks: `live = inherited + allocated − freed − missed − evicted − unknown`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeapTotals {
    /// Bytes alive.
    pub live_bytes: u64,
    /// Blocks alive.
    pub live_blocks: u64,
    /// Bytes of blocks whose frees may not have been seen: they were alive when a window closed
    /// ([`Windows::last_close`]), and neither was a free of them seen since, nor their address given out again.
    /// Not among the live ones.
    pub unknown_bytes: u64,
    /// Those blocks.
    pub unknown_blocks: u64,
    /// What the blocks alive take.
    pub usable: Usable,
    /// Most bytes ever alive at once.
    pub peak_bytes: u64,
    /// Bytes of all successful allocations; a realloc counts its full new size.
    pub allocated_bytes: u64,
    /// Successful allocations; a realloc counts as one.
    pub allocated_blocks: u64,
    /// Bytes of all frees of known blocks; a realloc frees its old block.
    pub freed_bytes: u64,
    /// Frees of known blocks.
    pub freed_blocks: u64,
    /// Frees of blocks never seen: allocated before we attached, or lost.
    pub unknown_frees: u64,
    /// Blocks whose address was handed out again without a free that we saw. They are not live any
    /// more, and not among the freed ones.
    pub missed_frees: u64,
    /// Their bytes.
    pub missed_bytes: u64,
    /// Frees that may have been lost and have not shown as [missed ones](Self::missed_frees) since. So many of the
    /// [doubtful](StackSnapshot::doubtful) blocks may be gone. Counted one by one where blocks are samples, too.
    pub lost_frees: u64,
    /// Frees by the allocator itself of blocks that were free already.
    pub internal_frees: u64,
    /// Allocations that returned NULL.
    pub failed: u64,
    /// Blocks that were not kept for want of memory.
    pub evicted_blocks: u64,
    /// Their bytes.
    pub evicted_bytes: u64,
    /// Blocks that were live in the parent when this process was forked.
    pub inherited_blocks: u64,
    /// Their bytes.
    pub inherited_bytes: u64,
    /// Where the true figures lie, where these are estimates.
    pub confidence: Option<SampledConfidence>,
    /// The same of those that tell of something odd.
    pub odd_confidence: Option<OddConfidence>,
}

/// Mapping totals of a process since it was first seen, in whole pages.
///
/// `live = inherited + mapped − unmapped − evicted`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MappingTotals {
    /// Bytes mapped since and still mapped.
    pub live_bytes: u64,
    /// Separate ranges of them.
    pub live_ranges: u64,
    /// Bytes mapped by all calls.
    pub mapped_bytes: u64,
    /// Bytes unmapped of those.
    pub unmapped_bytes: u64,
    /// Bytes unmapped that were mapped before we attached.
    pub unknown_unmapped_bytes: u64,
    /// Live bytes by kind, with [`RangeKind`]'s numbers.
    pub live_by_kind: [u64; RangeKind::COUNT],
    /// Live bytes of the parent when this process was forked.
    pub inherited_bytes: u64,
    /// Bytes that were not kept for want of memory.
    pub evicted_bytes: u64,
}

/// Pages touched in a process since it was first seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TouchTotals {
    /// What page faults tell.
    pub sums: TouchFigures<u64>,
    /// Bytes of `madvise(MADV_FREE)`: nobody tells whether the kernel has taken them yet, so that what was
    /// touched of them counts as live.
    pub lazily_freed_bytes: u64,
    /// Bytes of mappings that the kernel filled at once (`MAP_POPULATE`): they make no faults, and are not live here.
    pub populated_bytes: u64,
    /// Where [`Self::sums`] lie, where not every page was looked at; the others are exact then, too.
    pub confidence: Option<TouchFigures<Confidence>>,
}

/// Pages that one call stack touched first.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TouchedStack {
    /// Its number in the engine.
    pub stack: StackId,
    /// From the function that touched outwards; empty if the stack never arrived.
    pub frames: Arc<[Frame]>,
    /// How it ended.
    #[serde(with = "numbers::stack_end")]
    pub end: StackEnd,
    /// Bytes still there, those of the parent at a fork among them.
    pub live_bytes: u64,
    /// Bytes that it touched, since this process was first seen.
    pub touched_bytes: u64,
    /// Of those given back, by whomever.
    pub given_back_bytes: u64,
    /// Where these lie, where not every page was looked at: live bytes, touched ones, those given back.
    pub confidence: Option<[Confidence; 3]>,
}

/// What one call stack mapped: address space, not memory.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MappedStack {
    /// Its number in the engine.
    pub stack: StackId,
    /// [`FunctionId::MMAP`], [`FunctionId::MREMAP`] or [`FunctionId::BRK`].
    #[serde(with = "numbers::function")]
    pub function: FunctionId,
    /// The file of the allocator that made the call, if it was one that is traced.
    pub allocator: Option<ModuleId>,
    /// From the system call's wrapper outwards; empty if the stack never arrived.
    pub frames: Arc<[Frame]>,
    /// How it ended.
    #[serde(with = "numbers::stack_end")]
    pub end: StackEnd,
    /// Bytes still mapped, those of the parent at a fork among them.
    pub live_bytes: u64,
    /// Separate ranges of them.
    pub live_ranges: u64,
    /// Live bytes by kind, with [`RangeKind`]'s numbers.
    pub live_by_kind: [u64; RangeKind::COUNT],
    /// Calls that added pages, since this process was first seen.
    pub calls: u64,
    /// Bytes that they added.
    pub mapped_bytes: u64,
    /// Of those unmapped, by whomever.
    pub unmapped_bytes: u64,
    /// What was resident of it when that was last read.
    pub resident: Option<ResidentPart>,
    /// When the oldest live range was mapped; `None` without live ranges, and of the heap segment.
    pub oldest: Option<Nanos>,
}

/// What was resident of some mappings, bytes. As for blocks ([`PlacedBlocks`]), exact where a mapping is
/// theirs alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResidentPart {
    /// Bytes of address space that were looked at: of anonymous mappings and the heap segment.
    pub of: u64,
    /// Resident at least.
    pub least: u64,
    /// Resident at most.
    pub most: u64,
}

/// What resident memory was, and which of it the live blocks were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PictureSnapshot {
    /// When the blocks were looked up in it.
    pub time: Nanos,
    /// The reading.
    pub picture: Picture,
    /// Blocks are samples: where the others lie is not known, and neither what is resident of them.
    pub is_sampled: bool,
    /// The blocks; none if they are samples.
    pub blocks: PlacedBlocks,
    /// Whose the memory is that may hold blocks, as far as it holds none.
    pub owners: Owners,
}

/// Where the live blocks lay in a [`Picture`], bytes.
///
/// Which of a block's pages are resident `/proc/PID/smaps` does not tell, but the pages themselves do
/// ([`ResidentBounds`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlacedBlocks {
    /// All live blocks.
    pub live: u64,
    /// … of them in mappings of the kinds that may hold blocks, with [`PageKind`]'s numbers.
    pub by_kind: [u64; PageKind::COUNT],
    /// … of them in no such mapping: made or unmapped while the picture was read, or elsewhere.
    pub elsewhere: u64,
    /// Resident pages of the former, at least.
    pub touched_least: u64,
    /// … at most.
    pub touched_most: u64,
}

/// Growth over the watch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Growth {
    /// Bytes per second over the whole watch; `None` before two points exist.
    pub bytes_per_second: Option<f64>,
    /// Difference between the last and the first point.
    pub bytes: i64,
    /// Intervals in which it grew.
    pub up: u32,
    /// Intervals that were looked at.
    pub of: u32,
}

/// Live blocks that may have been freed unseen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doubtful {
    /// How many; of samples so many samples.
    pub blocks: u64,
    /// What they hold, or stand for, bytes.
    pub bytes: u64,
    /// What the largest of them holds, or stands for, bytes.
    pub largest: u64,
}

/// One call stack in one process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StackSnapshot {
    /// Its number in the engine.
    pub stack: StackId,
    /// The allocator function called.
    #[serde(with = "numbers::function")]
    pub function: FunctionId,
    /// Whose size classes its blocks have.
    #[serde(with = "numbers::classes")]
    pub classes: SizeClasses,
    /// From the allocator's caller outwards; empty if the stack never arrived.
    pub frames: Arc<[Frame]>,
    /// How it ended.
    #[serde(with = "numbers::stack_end")]
    pub end: StackEnd,
    /// All live bytes.
    pub live_bytes: u64,
    /// All live blocks.
    pub live_blocks: u64,
    /// Bytes of its blocks of which it is not known whether they live ([`HeapTotals::unknown_bytes`]).
    pub unknown_bytes: u64,
    /// Those blocks.
    pub unknown_blocks: u64,
    /// Of the live ones younger than the options' `min_age`.
    pub young_bytes: u64,
    /// … of them younger than the options' `min_age`.
    pub young_blocks: u64,
    /// … of them not young, but of a size that was filtered out.
    pub filtered_bytes: u64,
    /// … of them not young, but of a size that was filtered out.
    pub filtered_blocks: u64,
    /// What it held when the process was at its peak.
    pub peak_bytes: u64,
    /// Bytes of its successful allocations.
    pub allocated_bytes: u64,
    /// Its successful allocations.
    pub allocated_blocks: u64,
    /// Of them freed.
    pub freed_bytes: u64,
    /// Of them freed.
    pub freed_blocks: u64,
    /// Live blocks that were born before the latest loss of a free.
    pub doubtful: Doubtful,
    /// Birth of the oldest live block, `None` without live blocks.
    pub oldest: Option<Nanos>,
    /// Birth of the newest live block.
    pub newest: Option<Nanos>,
    /// Smallest and largest live block, bytes; `None` without live blocks.
    pub sizes: Option<(u64, u64)>,
    /// Growth of its live bytes.
    #[serde(skip)]
    pub growth: Growth,
    /// Where the figures lie, where they are estimates.
    pub confidence: Option<SampledConfidence>,
    /// Where bytes and blocks alive lie with those that are young or filtered, where they are estimates.
    pub all_live: Option<(Confidence, Confidence)>,
    /// Where those that are young or filtered lie, where they are estimates.
    pub parts: Option<PartsConfidence>,
    /// Which of its blocks these are, where they are told apart.
    pub part: Part,
    /// What it did in a period, where an account of that is kept, with the ages of blocks freed in it; those of
    /// blocks that are alive are in [`Self::past`].
    pub period: Option<Box<(PeriodFigures, Option<Ages>)>>,
    /// What else is known of its past.
    pub past: Past,
    /// The oldest live blocks, where asked for.
    pub blocks: Vec<BlockSnapshot>,
}

/// Bytes and blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeriodSum {
    /// Bytes.
    pub bytes: u64,
    /// Blocks.
    pub blocks: u64,
    /// Where both lie, where they are estimates.
    pub around: Option<(Confidence, Confidence)>,
}

/// What was done in a [`Period`](super::detail::Period).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeriodFigures {
    /// Allocated in it.
    pub allocated: PeriodSum,
    /// … and alive at its end, as far as is known.
    pub kept: PeriodSum,
    /// … and temporary.
    pub temporary: PeriodSum,
    /// Which blocks are temporary is known: not where threads' allocations are to be counted and are samples.
    pub knows_temporary: bool,
    /// Of the whole heap: allocations of which it is not known whether they were temporary, as there was no room.
    pub unfollowed: u64,
    /// Of the whole heap: blocks freed in it whose age was not kept.
    pub untold_frees: u64,
}

/// One live block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockSnapshot {
    /// Where.
    pub address: u64,
    /// Bytes.
    pub size: u64,
    /// Born.
    pub born: Nanos,
}
