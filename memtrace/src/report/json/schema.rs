//! The keys of `memtrace.report/1`, in their order. `docs/report-json.md` says what they mean.

use super::left_out::LeftOut;
use super::marks::Mark;
use super::series::Series;
use super::told::Told;
use super::touched::Touched;
use super::watch::{Totals, Watch};
use super::windows::{Window, WindowChange, Windows};
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

/// There are no such blocks.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference over")]
const fn is_none(figure: &u64) -> bool {
    *figure == 0
}

#[derive(Serialize)]
pub(super) struct Document<'a> {
    pub(super) schema: &'static str,
    pub(super) kind: &'static str,
    pub(super) sequence: u64,
    pub(super) time: String,
    pub(super) uptime_s: f64,
    #[serde(rename = "final")]
    pub(super) is_final: bool,
    pub(super) began: String,
    pub(super) min_age_s: f64,
    pub(super) min_size: u64,
    pub(super) max_size: Option<u64>,
    pub(super) tracer: Tracer<'a>,
    pub(super) processes: Vec<Process<'a>>,
    pub(super) ended: Ended,
    pub(super) loss: Loss<'a>,
    /// Only where thresholds were set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) alerts: Option<Vec<Alert<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) older_alerts: Option<u64>,
    /// Only where the user has named moments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) marks: Option<Vec<Mark<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) dropped_marks: Option<u64>,
}

#[derive(Serialize)]
pub(super) struct Alert<'a> {
    pub(super) kind: &'static str,
    /// `process`, or `total` for all that are traced together.
    pub(super) scope: &'static str,
    /// How many there were, of all together.
    pub(super) processes: Option<u64>,
    pub(super) pid: Option<u32>,
    pub(super) start_time: Option<u64>,
    pub(super) comm: Option<&'a str>,
    pub(super) container: Option<&'a str>,
    pub(super) pod: Option<&'a str>,
    pub(super) time: String,
    pub(super) age_s: f64,
    pub(super) value: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) value_ci95: Option<[i64; 2]>,
    pub(super) threshold: u64,
}

#[derive(Serialize)]
pub(super) struct Tracer<'a> {
    pub(super) version: &'a str,
    pub(super) kernel: &'a str,
    pub(super) link: Option<&'static str>,
    pub(super) links: Vec<Link<'a>>,
    pub(super) sample_interval_bytes: u64,
    pub(super) sampling_changes: Vec<SamplingChange<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sampling_changes_left_out: Option<u64>,
    /// Only where blocks are, or were, not watched all the time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) window: Option<Window>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) window_changes: Vec<WindowChange<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) window_changes_left_out: Option<u64>,
    pub(super) unwind: &'a str,
    pub(super) unwind_tables: Option<Tables>,
    pub(super) cpu_s: f64,
    pub(super) rss_bytes: u64,
    pub(super) events: u64,
    pub(super) events_per_s: f64,
    pub(super) target_cost_cores: Option<f64>,
    pub(super) target_cost_percent: Option<f64>,
    pub(super) hits_per_s: Option<f64>,
    pub(super) hit_cost_ns: Option<f64>,
    pub(super) overhead_budget_percent: Option<f64>,
    pub(super) overhead_budget_from_cores: f64,
    pub(super) walks_made: u64,
    pub(super) walks_checked: u64,
    pub(super) walks_differed: u64,
    pub(super) longest_gap_ms: f64,
    pub(super) stacks_copied: u64,
    pub(super) stacks_finished: u64,
    pub(super) skipped_reports: u64,
    pub(super) blind_windows: u64,
    pub(super) notes: &'a [String],
    pub(super) degraded: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) watch: Option<Totals>,
}

#[derive(Serialize)]
pub(super) struct SamplingChange<'a> {
    pub(super) time: String,
    pub(super) sample_interval_bytes: u64,
    pub(super) reason: &'a str,
}

#[derive(Serialize)]
pub(super) struct Link<'a> {
    pub(super) allocator: &'a str,
    #[serde(rename = "for")]
    pub(super) whom: &'static str,
    pub(super) processes: usize,
    pub(super) other_processes: usize,
}

#[derive(Serialize)]
pub(super) struct Tables {
    pub(super) files: u64,
    pub(super) no_information: u64,
    pub(super) foreign: u64,
    pub(super) unreadable: u64,
    pub(super) malformed: u64,
    pub(super) too_large: u64,
    pub(super) no_room: u64,
}

#[derive(Serialize)]
pub(super) struct Process<'a> {
    pub(super) pid: u32,
    pub(super) start_time: u64,
    pub(super) comm: &'a str,
    pub(super) exe: Option<&'a str>,
    pub(super) cmdline: Option<&'a [String]>,
    pub(super) uid: Option<u32>,
    pub(super) cgroup: Option<&'a str>,
    pub(super) container: Option<&'a str>,
    pub(super) pod_uid: Option<&'a str>,
    pub(super) pod: Option<&'a str>,
    pub(super) state: &'static str,
    pub(super) exit_status: Option<u32>,
    pub(super) heap: Heap,
    pub(super) mappings: Mappings,
    pub(super) rss_bytes: Option<u64>,
    pub(super) rss_at_attach_bytes: Option<u64>,
    pub(super) verdict: &'static str,
    #[serde(flatten)]
    pub(super) trend: Trend,
    pub(super) untold_frees: u64,
    pub(super) explanation: &'a [String],
    pub(super) end: Option<&'static str>,
    pub(super) exit_signal: Option<u8>,
    pub(super) started: Option<String>,
    pub(super) watched_s: f64,
    pub(super) intervals: u32,
    pub(super) allocators: &'a [String],
    pub(super) growth_bytes: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) growth_bytes_ci95: Option<[i64; 2]>,
    pub(super) growth_bytes_per_s: Option<f64>,
    pub(super) memory_at_attach: Option<Memory>,
    pub(super) memory: Option<Memory>,
    pub(super) picture: Option<Picture>,
    pub(super) cgroup_limit_bytes: Option<u64>,
    pub(super) unseen_vforks: u64,
    pub(super) untraced_children: u64,
    pub(super) incomplete_blocks: u64,
    pub(super) no_table_yet_blocks: u64,
    pub(super) no_table_yet_stacks: u64,
    pub(super) others: Sums,
    pub(super) young: Sums,
    pub(super) filtered: Sums,
    pub(super) modules: Vec<Module<'a>>,
    pub(super) stacks: Vec<Stack<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) left_out: Vec<LeftOut>,
    pub(super) pools: Option<Account<'a>>,
    pub(super) device: Option<Device<'a>>,
    pub(super) mapped_stacks: Vec<MappedStack<'a>>,
    pub(super) mapped_others: MappedSums,
    pub(super) allocator_mappings: Vec<AllocatorMappings<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) touched: Option<Touched<'a>>,
    /// Only of a process that told of something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) told: Option<Told<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) watch: Option<Watch<'a>>,
    /// Only of a process whose blocks were not watched all the time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) windows: Option<Windows>,
    pub(super) memory_over_time: Series,
}

/// What an allocator mapped since the process was first seen, whose code is in the file `module`: address space.
#[derive(Serialize)]
pub(super) struct AllocatorMappings<'a> {
    pub(super) module: &'a str,
    /// Still mapped.
    pub(super) live_bytes: u64,
    pub(super) live_ranges: u64,
    pub(super) calls: u64,
    /// Ever mapped, and what of it was unmapped again: the difference is the growth.
    pub(super) mapped_bytes: u64,
    pub(super) unmapped_bytes: u64,
}

/// Mappings by stacks that are not listed.
#[derive(Serialize)]
pub(super) struct MappedSums {
    pub(super) stacks: u64,
    pub(super) ranges: u64,
    pub(super) bytes: u64,
}

#[derive(Serialize)]
pub(super) struct Device<'a> {
    #[serde(flatten)]
    pub(super) account: Account<'a>,
    pub(super) pinned_host: Sums,
}

#[derive(Serialize)]
pub(super) struct Account<'a> {
    pub(super) functions: &'a [String],
    pub(super) totals: Heap,
    pub(super) growth_bytes: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) growth_bytes_ci95: Option<[i64; 2]>,
    pub(super) growth_bytes_per_s: Option<f64>,
    pub(super) others: Sums,
    pub(super) stacks: Vec<Stack<'a>>,
}

#[derive(Serialize)]
pub(super) struct Heap {
    pub(super) live_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) live_bytes_ci95: Option<[u64; 2]>,
    pub(super) live_blocks: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) live_blocks_ci95: Option<[u64; 2]>,
    pub(super) peak_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) peak_bytes_ci95: Option<[u64; 2]>,
    pub(super) allocated_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) allocated_bytes_ci95: Option<[u64; 2]>,
    pub(super) allocated_blocks: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) allocated_blocks_ci95: Option<[u64; 2]>,
    pub(super) freed_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) freed_bytes_ci95: Option<[u64; 2]>,
    pub(super) freed_blocks: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) freed_blocks_ci95: Option<[u64; 2]>,
    /// Of blocks whose frees may have come in no window; left out where there are none.
    #[serde(skip_serializing_if = "is_none")]
    pub(super) unknown_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) unknown_bytes_ci95: Option<[u64; 2]>,
    #[serde(skip_serializing_if = "is_none")]
    pub(super) unknown_blocks: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) unknown_blocks_ci95: Option<[u64; 2]>,
    pub(super) unknown_frees: u64,
    pub(super) missed_frees: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) missed_frees_ci95: Option<[u64; 2]>,
    pub(super) lost_frees: u64,
    pub(super) perhaps_freed_blocks: u64,
    pub(super) failed: u64,
    pub(super) internal_frees: u64,
    pub(super) evicted_blocks: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) evicted_blocks_ci95: Option<[u64; 2]>,
    pub(super) evicted_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) evicted_bytes_ci95: Option<[u64; 2]>,
    pub(super) usable_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) usable_bytes_ci95: Option<[u64; 2]>,
    pub(super) usable_exact: bool,
    pub(super) usable_unknown_blocks: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) usable_unknown_blocks_ci95: Option<[u64; 2]>,
    pub(super) usable_unknown_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) usable_unknown_bytes_ci95: Option<[u64; 2]>,
    pub(super) usable_classes: Vec<&'static str>,
    pub(super) usable_missing: Option<&'static str>,
}

#[derive(Serialize)]
pub(super) struct Mappings {
    pub(super) live_bytes: u64,
    pub(super) live_ranges: u64,
    pub(super) mapped_bytes: u64,
    pub(super) unmapped_bytes: u64,
    pub(super) unknown_unmapped_bytes: u64,
    pub(super) live_anonymous_bytes: u64,
    pub(super) live_file_bytes: u64,
    pub(super) live_stack_bytes: u64,
    pub(super) live_heap_segment_bytes: u64,
    pub(super) live_reserved_bytes: u64,
    pub(super) live_shared_bytes: u64,
    pub(super) live_code_bytes: u64,
    pub(super) inherited_bytes: u64,
    pub(super) evicted_bytes: u64,
}

/// Live bytes by kind.
#[derive(Serialize)]
pub(super) struct Kinds {
    pub(super) anonymous: u64,
    pub(super) file: u64,
    pub(super) stack: u64,
    pub(super) heap_segment: u64,
    pub(super) reserved: u64,
    pub(super) shared: u64,
    pub(super) code: u64,
}

#[derive(Serialize)]
pub(super) struct MappedStack<'a> {
    pub(super) id: String,
    pub(super) function: &'a str,
    pub(super) by_allocator: bool,
    pub(super) live_bytes: u64,
    pub(super) live_ranges: u64,
    pub(super) live_bytes_by_kind: Kinds,
    pub(super) calls: u64,
    pub(super) mapped_bytes: u64,
    pub(super) unmapped_bytes: u64,
    pub(super) resident_of_bytes: Option<u64>,
    pub(super) resident_least_bytes: Option<u64>,
    pub(super) resident_most_bytes: Option<u64>,
    pub(super) oldest_age_s: Option<f64>,
    pub(super) complete: bool,
    pub(super) end: &'static str,
    pub(super) frames: Vec<Frame<'a>>,
}

#[derive(Serialize)]
pub(super) struct Memory {
    pub(super) resident_bytes: u64,
    pub(super) resident_anonymous_bytes: u64,
    pub(super) resident_file_bytes: u64,
    pub(super) swap_bytes: u64,
    pub(super) cgroup_bytes: Option<u64>,
    pub(super) oom_kills: Option<u64>,
    pub(super) cpu_s: f64,
}

#[derive(Serialize)]
pub(super) struct Picture {
    pub(super) age_s: f64,
    pub(super) whole: bool,
    pub(super) resident_bytes: u64,
    pub(super) counted_resident_bytes: u64,
    pub(super) difference_bytes: i64,
    pub(super) mapped_bytes: u64,
    pub(super) swap_bytes: u64,
    pub(super) hugetlb_bytes: u64,
    pub(super) live_bytes: Option<u64>,
    pub(super) elsewhere_bytes: Option<u64>,
    pub(super) touched_least_bytes: Option<u64>,
    pub(super) touched_most_bytes: Option<u64>,
    pub(super) not_attributable_least_bytes: Option<u64>,
    pub(super) not_attributable_most_bytes: Option<u64>,
    pub(super) threads: u64,
    pub(super) threads_placed: u64,
    pub(super) kinds: Vec<PageKind>,
    /// `null` where blocks are not traced.
    pub(super) owners: Option<Owners>,
}

/// Whose the resident memory of the heap segment, of arenas and of anonymous mappings is. It adds up:
/// `touched_least + rounding_least + allocator_slack_least + older_or_slack_least + program_mapped_least +
/// older_least + unknown_least + undecided` is what is resident of the three kinds. Least and most differ where
/// pages came or went while they were looked at, or could not be looked at; then `undecided` is not 0.
#[derive(Serialize)]
pub(super) struct Owners {
    /// Address space that allocators mapped since tracing began, and is still mapped: of `allocator_mappings`, and
    /// of the heap segment what has no whole stack.
    pub(super) allocator_mapped_bytes: u64,
    /// … of it that may be written to.
    pub(super) allocator_writable_bytes: u64,
    /// … of that resident.
    pub(super) allocator_resident_least_bytes: u64,
    pub(super) allocator_resident_most_bytes: u64,
    /// … of that in no live block: free in the allocator, or its own.
    pub(super) allocator_slack_least_bytes: u64,
    pub(super) allocator_slack_most_bytes: u64,
    /// What live blocks take beyond what was asked for: by size classes, which only those of jemalloc settle.
    pub(super) rounding_least_bytes: u64,
    pub(super) rounding_most_bytes: u64,
    /// As slack, but in mappings older than tracing: older blocks are among it.
    pub(super) older_or_slack_least_bytes: u64,
    pub(super) older_or_slack_most_bytes: u64,
    /// Mapped by others than allocators that are traced, or by the kernel for the program.
    pub(super) program_mapped_least_bytes: u64,
    pub(super) program_mapped_most_bytes: u64,
    /// Mapped before tracing began, by whom is not known.
    pub(super) older_least_bytes: u64,
    pub(super) older_most_bytes: u64,
    /// Mapped since, by a call whose stack is not whole.
    pub(super) unknown_least_bytes: u64,
    pub(super) unknown_most_bytes: u64,
    pub(super) undecided_bytes: u64,
}

#[derive(Serialize)]
pub(super) struct PageKind {
    pub(super) kind: &'static str,
    pub(super) mappings: u64,
    pub(super) mapped_bytes: u64,
    pub(super) resident_bytes: u64,
    pub(super) swap_bytes: u64,
    pub(super) hugetlb_bytes: u64,
    pub(super) live_bytes: Option<u64>,
}

#[derive(Serialize)]
pub(super) struct Sums {
    pub(super) stacks: u64,
    pub(super) blocks: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) blocks_ci95: Option<[u64; 2]>,
    pub(super) bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bytes_ci95: Option<[u64; 2]>,
}

#[derive(Serialize)]
pub(super) struct Module<'a> {
    pub(super) name: &'a str,
    pub(super) path: &'a str,
    pub(super) build_id: Option<&'a str>,
    pub(super) debug_lines: Option<bool>,
    pub(super) missing: Option<&'static str>,
}

#[derive(Serialize)]
pub(super) struct Stack<'a> {
    pub(super) id: String,
    pub(super) function: &'a str,
    pub(super) live_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) live_bytes_ci95: Option<[u64; 2]>,
    pub(super) live_blocks: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) live_blocks_ci95: Option<[u64; 2]>,
    #[serde(skip_serializing_if = "is_none")]
    pub(super) unknown_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) unknown_bytes_ci95: Option<[u64; 2]>,
    #[serde(skip_serializing_if = "is_none")]
    pub(super) unknown_blocks: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) unknown_blocks_ci95: Option<[u64; 2]>,
    pub(super) perhaps_freed_blocks: u64,
    pub(super) peak_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) peak_bytes_ci95: Option<[u64; 2]>,
    pub(super) allocated_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) allocated_bytes_ci95: Option<[u64; 2]>,
    pub(super) allocated_blocks: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) allocated_blocks_ci95: Option<[u64; 2]>,
    pub(super) oldest_age_s: Option<f64>,
    pub(super) newest_age_s: Option<f64>,
    pub(super) growth_bytes_per_s: Option<f64>,
    pub(super) verdict: &'static str,
    #[serde(flatten)]
    pub(super) trend: Trend,
    pub(super) complete: bool,
    pub(super) end: &'static str,
    pub(super) freed_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) freed_bytes_ci95: Option<[u64; 2]>,
    pub(super) freed_blocks: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) freed_blocks_ci95: Option<[u64; 2]>,
    pub(super) growth_bytes: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) growth_bytes_ci95: Option<[i64; 2]>,
    pub(super) up_intervals: u32,
    pub(super) intervals: u32,
    pub(super) smallest_block_bytes: Option<u64>,
    pub(super) largest_block_bytes: Option<u64>,
    pub(super) young_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) young_bytes_ci95: Option<[u64; 2]>,
    pub(super) young_blocks: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) young_blocks_ci95: Option<[u64; 2]>,
    pub(super) filtered_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) filtered_bytes_ci95: Option<[u64; 2]>,
    pub(super) filtered_blocks: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) filtered_blocks_ci95: Option<[u64; 2]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) samples: Option<u64>,
    pub(super) blocks: Vec<Block>,
    pub(super) frames: Vec<Frame<'a>>,
}

/// What a verdict rests on; its keys are among those of the process or stack.
#[derive(Serialize)]
pub(super) struct Trend {
    /// Over the later half of the watch.
    pub(super) slope_bytes_per_second: Option<f64>,
    pub(super) slope_bytes_per_second_ci95: Option<[f64; 2]>,
    /// Moments at which it was looked at.
    pub(super) points: usize,
    /// The share of blocks that stay for good, where the survival curve is flat.
    pub(super) staying_share: Option<f64>,
    pub(super) staying_share_ci95: Option<[f64; 2]>,
    pub(super) half_life_s: Option<f64>,
    pub(super) none_freed_from_s: Option<f64>,
    pub(super) older_blocks: u64,
    pub(super) survival: Vec<Survival>,
}

/// The share of blocks that live at least so long.
#[derive(Serialize)]
pub(super) struct Survival {
    pub(super) age_s: f64,
    pub(super) share: f64,
    pub(super) share_ci95: [f64; 2],
}

#[derive(Serialize)]
pub(super) struct Block {
    pub(super) address: String,
    pub(super) size: u64,
    pub(super) age_s: f64,
}

#[derive(Serialize)]
pub(super) struct Frame<'a> {
    pub(super) function: Option<&'a str>,
    pub(super) module: Option<&'a str>,
    pub(super) build_id: Option<&'a str>,
    pub(super) offset: Option<u64>,
    pub(super) file: Option<&'a str>,
    pub(super) line: Option<u32>,
    pub(super) inlined: bool,
    pub(super) address: Option<String>,
    pub(super) missing: Option<&'static str>,
    pub(super) short: Option<&'a str>,
    pub(super) internal: bool,
}

#[derive(Serialize)]
pub(super) struct Ended {
    pub(super) processes: u64,
    pub(super) heap: EndedSums,
    pub(super) pools: EndedSums,
    pub(super) device: EndedSums,
}

#[derive(Serialize)]
pub(super) struct EndedSums {
    pub(super) allocated_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) allocated_bytes_ci95: Option<[u64; 2]>,
    pub(super) allocated_blocks: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) allocated_blocks_ci95: Option<[u64; 2]>,
    pub(super) freed_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) freed_bytes_ci95: Option<[u64; 2]>,
    pub(super) freed_blocks: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) freed_blocks_ci95: Option<[u64; 2]>,
    pub(super) live_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) live_bytes_ci95: Option<[u64; 2]>,
    pub(super) live_blocks: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) live_blocks_ci95: Option<[u64; 2]>,
    pub(super) missed_frees: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) missed_frees_ci95: Option<[u64; 2]>,
    pub(super) evicted_blocks: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) evicted_blocks_ci95: Option<[u64; 2]>,
    pub(super) lost_frees: u64,
    pub(super) perhaps_freed_blocks: u64,
}

#[derive(Serialize)]
pub(super) struct Loss<'a> {
    pub(super) events: u64,
    pub(super) stacks: u64,
    pub(super) evicted_blocks: u64,
    pub(super) by_cause: Causes<'a>,
}

/// An object with a key per cause.
pub(super) struct Causes<'a>(pub(super) &'a [(&'static str, u64)]);

impl Serialize for Causes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (cause, count) in self.0 {
            map.serialize_entry(cause, count)?;
        }
        map.end()
    }
}
