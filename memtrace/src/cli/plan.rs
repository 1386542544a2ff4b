//! The validated plan of a tracing run: what was typed, with defaults filled in and contradictions
//! refused. Plain data, named as the options; also the factory for the parts that follow from it.

use super::args::{BpfLog, Color, Ledger, LinkFor, PositionalArgs, Sort, TraceArgs};
use super::diff::Layout;
use super::exit::UsageError;
use super::format::Format;
use super::log::Verbosity;
use super::output::{Destination, OutputError, OutputName};
use super::tier::Tier;
use super::values::{SampleInterval, Window};
use super::view;
use super::who::{SelectArgs, Wishes};
use crate::engine::detail::Detail;
use crate::engine::snapshot::SnapshotOptions;
use crate::engine::zoom;
use crate::probe::signature::Signature;
use crate::report::ViewOptions;
use crate::report::view::Measure;
use alerts::Alerts;
use memtrace_common::config::{LinkKind, UnwindMode};
use memtrace_common::limits::MAX_RINGS;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Duration;

pub mod alerts;
mod check;
pub(super) mod functions;
mod watching;

/// Time between reports when the user names none.
pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(10);
/// … and on a screen.
pub const SCREEN_INTERVAL: Duration = Duration::from_secs(2);
/// Call stacks per process that a screen lists, where the user names no number: more than anybody scrolls through, and
/// few enough for hundreds of processes.
pub const SCREEN_TOP: usize = 200;
/// Mean bytes between samples where sampling is wished without saying how often.
const USUAL_SAMPLES: u64 = 512 << 10;
/// Call stacks that reports show.
pub const DEFAULT_TOP: u64 = 10;
/// Percent of each CPU that looking at page faults may cost.
const MOST_FOR_FAULTS: f64 = 2.0;
/// Age from which a block counts as old, where there are no intervals.
pub const DEFAULT_MIN_AGE: Duration = Duration::from_secs(10);
/// Shortest time between reports; resolving and writing one takes a good part of it.
pub const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);
/// Least memory that memtrace can work in: the kernel maps, a small ring, symbols of one process.
pub const LEAST_MEMORY: u64 = 32 << 20;
/// Most addresses that a report lists per call stack.
pub const MOST_BLOCKS: u64 = 10_000;
/// Smallest ring: one page. The kernel wants a power of two that is a multiple of the page size.
pub const SMALLEST_RING: u64 = 4096;
/// Largest ring that is accepted, bytes.
pub const LARGEST_RING: u64 = 1 << 30;

/// What to trace, for how long, what to report, where to.
#[derive(Clone, Debug, PartialEq)]
pub struct TracePlan {
    /// Whom to trace. Empty only where a command is started.
    pub who: Wishes,
    /// Time between reports; `None`: only the final report.
    pub interval: Option<Duration>,
    /// Stop after this long.
    pub duration: Option<Duration>,
    /// Stop after this many reports, the last being the final one. At least 1.
    pub count: Option<u64>,
    /// Blocks younger than this are summed apart. Zero: none is young.
    pub min_age: Duration,
    /// Call stacks to show; `None`: all.
    pub top: Option<usize>,
    /// Blocks smaller than this are left out, bytes.
    pub min_size: u64,
    /// Blocks larger than this are left out, bytes.
    pub max_size: Option<u64>,
    /// Order of call stacks.
    pub sort: Sort,
    /// Every text report is complete.
    pub full: bool,
    /// Addresses to list per call stack.
    pub show_blocks: usize,
    /// Functions are named in full.
    pub full_names: bool,
    /// Frames of allocators and start code are listed.
    pub show_internals: bool,
    /// How closely targets are looked at.
    pub tier: Tier,
    /// When to look closer, where processes are watched for growth.
    pub zoom: Option<zoom::Settings>,
    /// What is accounted for.
    pub ledger: Ledger,
    /// Debug information that this machine has not may be fetched.
    pub debuginfod: bool,
    /// The targets' arguments may be read and shown.
    pub cmdline: bool,
    /// Form of the reports.
    pub format: Format,
    /// File for the reports; `None`: standard output.
    pub output: Option<OutputName>,
    /// Where the run is recorded, if it is.
    pub record: Option<RecordPlan>,
    /// When to use colours in reports.
    pub color: Color,
    /// How much to say on standard error.
    pub verbosity: Verbosity,
    /// The user said that every allocation is to be traced, whatever it costs.
    pub exact: bool,
    /// How many allocations are looked at.
    pub sample_interval: SampleInterval,
    /// Times in which blocks are watched; `None`: all the time.
    pub window: Option<Window>,
    /// There are to be none for the sake of a budget.
    pub no_windows: bool,
    /// Share of the target's CPU time that tracing may cost, percent; `None`: any.
    pub overhead_budget: Option<f64>,
    /// Memory that memtrace may use, kernel maps included, bytes.
    pub max_memory: u64,
    /// Kind of link to use and no other; `None`: the best there is.
    pub link: Option<LinkKind>,
    /// For whom links are.
    pub link_for: LinkFor,
    /// Static probes by which programs tell of blocks that they sample are used.
    pub usdt: bool,
    /// … also those for which the kernel must write to the target.
    pub usdt_semaphores: bool,
    /// How call stacks are walked.
    pub unwind: UnwindMode,
    /// Walks of known stacks are not made again.
    pub cache_walks: bool,
    /// Bytes of the ring buffer; `None`: to be chosen.
    pub ring_size: Option<u32>,
    /// Rings; `None`: by the number of CPUs.
    pub rings: Option<u32>,
    /// What the programs in the kernel log.
    pub bpf_log: BpfLog,
    /// Others can tell the tracer something.
    pub has_control: bool,
    /// … here; `None`: at the usual place.
    pub control: Option<PathBuf>,
    /// What a view of a report shows.
    pub view: ViewOptions,
    /// How growth from report to report is shown, where that is the view.
    pub(super) growth: Option<Layout>,
    /// What the tables keep for a view.
    pub detail: Detail,
    /// When there is an alert, and what happens then.
    pub alerts: Alerts,
    /// Functions of the targets' own that allocate and free.
    pub user_functions: Vec<Signature>,
    /// Remarks on what was typed: legal, but perhaps not what was meant. One line each.
    pub notes: Vec<String>,
}

/// What holds where nothing was typed.
#[derive(Clone, Copy, Debug)]
struct Defaults {
    /// Time between reports; `None`: only the final one.
    interval: Option<Duration>,
    /// Age from which a block counts as old, where there are no intervals.
    min_age: Duration,
    /// How many allocations are looked at, if no budget is named.
    sampling: SampleInterval,
}

/// A recording of the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordPlan {
    /// The first file.
    pub path: PathBuf,
    /// Most bytes of a file; `None`: any number.
    pub limit: Option<u64>,
    /// Most files.
    pub files: u32,
    /// Snapshots so often, instead of events.
    pub every: Option<Duration>,
}

impl TracePlan {
    /// Whether reports would follow each other in one stream, where nobody could read them.
    #[must_use]
    pub fn has_one_report(&self) -> bool {
        self.format.is_whole_file() && self.output.is_none()
    }

    /// The plan for what was typed.
    ///
    /// # Errors
    /// One line that names the contradiction and the remedy.
    pub fn new(
        select: &SelectArgs,
        args: &TraceArgs,
        positional: &PositionalArgs,
    ) -> Result<Self, UsageError> {
        check::contradictions(args)?;
        let who = Wishes::new(select)?;
        let interval = one_of("--interval", args.interval, positional.interval)?;
        let count = one_of("--count", args.count, positional.count)?;
        let defaults = Defaults {
            interval: Some(DEFAULT_INTERVAL),
            min_age: DEFAULT_MIN_AGE,
            sampling: SampleInterval::Auto,
        };
        let plan = Self::with(who, args, interval, count, defaults)?;
        check::names_somebody(&plan, positional.interval.is_some())?;
        Ok(plan)
    }

    /// The plan for a command that memtrace starts: one report at its end, which hides no block for its
    /// age, unless something else was typed.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn for_command(args: &TraceArgs) -> Result<Self, UsageError> {
        check::contradictions(args)?;
        // Who starts a command wants to know all of it.
        let sampling = SampleInterval::Bytes(0);
        let defaults = Defaults { interval: None, min_age: Duration::ZERO, sampling };
        let who = Wishes { follow: true, ..Wishes::default() };
        Self::with(who, args, args.interval, args.count, defaults)
    }

    /// The plan for a screen: a report every two seconds, which hides no block for its age.
    ///
    /// # Errors
    /// As [`Self::new`]; when an option is about reports that are written.
    pub fn for_screen(select: &SelectArgs, args: &TraceArgs) -> Result<Self, UsageError> {
        check::contradictions(args)?;
        check::fits_a_screen(args)?;
        let who = Wishes::new(select)?;
        let defaults = Defaults {
            interval: Some(SCREEN_INTERVAL),
            min_age: Duration::ZERO,
            sampling: SampleInterval::Auto,
        };
        let mut plan = Self::with(who, args, args.interval, args.count, defaults)?;
        check::names_somebody(&plan, false)?;
        plan.min_age = args.min_age.unwrap_or(Duration::ZERO);
        plan.top = args.top.map_or(Some(SCREEN_TOP), |_| plan.top);
        Ok(plan)
    }

    /// The plan for showing a recording on a screen: only what is about the screen counts.
    ///
    /// # Errors
    /// As [`Self::for_screen`].
    pub fn for_replay(args: &TraceArgs) -> Result<Self, UsageError> {
        check::contradictions(args)?;
        check::fits_a_screen(args)?;
        Self::for_command(args)
    }

    // long: a field per line
    fn with(
        who: Wishes,
        args: &TraceArgs,
        typed_interval: Option<Duration>,
        count: Option<u64>,
        defaults: Defaults,
    ) -> Result<Self, UsageError> {
        let interval = interval(args, typed_interval, defaults)?;
        check::end(args, interval, count)?;
        let tier = watching::tier(args, who.all);
        let view = view(args)?;
        let plan = Self {
            who,
            interval,
            duration: args.duration,
            count,
            min_age: min_age(args, interval, defaults),
            top: top(args),
            min_size: args.min_size.unwrap_or(0),
            max_size: args.max_size,
            sort: args.sort.unwrap_or_default(),
            full: args.full,
            show_blocks: show_blocks(args)?,
            full_names: args.full_names,
            show_internals: args.show_internals,
            tier,
            zoom: watching::settings(args, tier)?,
            ledger: if tier.has_touches() { Ledger::Pages } else { args.ledger },
            debuginfod: args.debuginfod,
            cmdline: args.cmdline,
            format: args.format(),
            output: output(args.output.as_deref())?,
            record: check::record(args, tier)?,
            color: args.color,
            verbosity: Verbosity::new(args.quiet, args.verbose),
            exact: args.exact,
            sample_interval: sample_interval(args, tier, defaults.sampling),
            window: args.window,
            no_windows: args.no_windows,
            overhead_budget: args.overhead_budget,
            max_memory: max_memory(args)?,
            link: args.link.map(Into::into),
            link_for: args.link_for,
            usdt: !args.no_usdt,
            usdt_semaphores: args.usdt_semaphores,
            unwind: args.unwind.into(),
            cache_walks: !args.no_walk_cache,
            ring_size: ring_size(args)?,
            rings: rings(args)?,
            bpf_log: args.bpf_log,
            has_control: !args.no_control,
            control: args.control.clone(),
            detail: detail(args, view.measure),
            growth: args.view.growth(args.format(), args.top, args.full_names)?,
            view,
            alerts: Alerts::new(&args.alerts, args.ledger, args.window)?,
            user_functions: functions::all(&args.functions)?,
            notes: Vec::new(),
        };
        plan.remarked(typed_interval.is_some())
    }

    /// With the remarks that there are on it. `interval_typed`: the user named one.
    fn remarked(mut self, interval_typed: bool) -> Result<Self, UsageError> {
        check::names_one_process(&self)?;
        check::alerts_have_a_place(&self)?;
        self.notes = check::notes(&self, interval_typed);
        Ok(self)
    }

    /// What a snapshot must single out for the reports.
    #[must_use]
    pub fn snapshot_options(&self) -> SnapshotOptions {
        SnapshotOptions {
            min_age: u64::try_from(self.min_age.as_nanos()).unwrap_or(u64::MAX),
            min_size: self.min_size,
            max_size: self.max_size,
            blocks_per_stack: self.show_blocks,
        }
    }

    /// Percent of each CPU's time that looking at page faults may cost; `None`: any.
    #[must_use]
    pub fn most_for_faults(&self) -> Option<f64> {
        match self.tier {
            Tier::Pages if self.exact => None,
            Tier::Pages => Some(self.overhead_budget.unwrap_or(MOST_FOR_FAULTS)),
            _ => Some(MOST_FOR_FAULTS),
        }
    }

    /// Opens the place where reports go, or checks that it can be written. To be called before
    /// tracing begins. `pid` is the (first) target's process number, for names with `{pid}`.
    ///
    /// # Errors
    /// One line that names the file, the reason and the remedy.
    pub fn open_destination(&self, pid: u32) -> Result<Destination, OutputError> {
        Destination::of(self.output.as_ref(), self.format, pid)
    }
}

fn view(args: &TraceArgs) -> Result<ViewOptions, UsageError> {
    let of_blocks = view::of_blocks(args.min_age, args.min_size, args.max_size);
    let beside = view::Beside { top: args.top, sort: args.sort, of_blocks };
    view::options(&args.view, args.format(), beside, view::Source::Live)
}

/// What tables keep for what is shown.
fn detail(args: &TraceArgs, measure: Option<Measure>) -> Detail {
    let detail = args.view.detail(measure, None);
    let has_sizes = args.view.is_growth() && args.format() == Format::Stats;
    Detail { by_size: detail.by_size || has_sizes, ..detail }
}

fn usage<T>(message: impl Into<String>) -> Result<T, UsageError> {
    Err(UsageError(message.into()))
}

/// One value for an option that can also be given by position.
fn one_of<T>(option: &str, named: Option<T>, placed: Option<T>) -> Result<Option<T>, UsageError> {
    if named.is_some() && placed.is_some() {
        let word = option.trim_start_matches('-').to_ascii_uppercase();
        return usage(format!("{option} and the positional {word} say the same: give only one"));
    }
    Ok(named.or(placed))
}

fn sample_interval(args: &TraceArgs, tier: Tier, usual: SampleInterval) -> SampleInterval {
    let usual = if args.overhead_budget.is_some() { SampleInterval::Auto } else { usual };
    match tier {
        Tier::Watch => watching::samples(args),
        Tier::Exact => SampleInterval::Bytes(0),
        _ if args.exact => SampleInterval::Bytes(0),
        Tier::Sampled => args.sample_interval.unwrap_or(SampleInterval::Bytes(USUAL_SAMPLES)),
        Tier::Pages | Tier::Auto => args.sample_interval.unwrap_or(usual),
    }
}

/// Age from which a block counts as old.
fn min_age(args: &TraceArgs, interval: Option<Duration>, defaults: Defaults) -> Duration {
    let usual = interval.unwrap_or(defaults.min_age);
    let is_whole = args.format().is_whole() || args.view.is_growth();
    // No block would become that old: who watches for so short a time wants to see what was found.
    let is_brief = args.duration.is_some_and(|duration| duration <= usual);
    let usual = if is_whole || is_brief { Duration::ZERO } else { usual };
    args.min_age.unwrap_or(usual)
}

/// Call stacks that are shown; `None`: all.
fn top(args: &TraceArgs) -> Option<usize> {
    let is_view = args.format().view().is_some() || args.view.is_growth();
    let usual = if args.format().is_whole() || is_view { 0 } else { DEFAULT_TOP };
    // A view is of all stacks, and chooses itself what it shows of them.
    let typed = args.top.filter(|_| !is_view);
    match typed.unwrap_or(usual) {
        0 => None,
        top => Some(usize::try_from(top).unwrap_or(usize::MAX)),
    }
}

fn interval(
    args: &TraceArgs,
    typed: Option<Duration>,
    defaults: Defaults,
) -> Result<Option<Duration>, UsageError> {
    // Folded stacks of several moments in a row would count what is alive several times, and views are long.
    let usual = defaults.interval.filter(|_| !args.format().is_whole());
    match typed.or(usual).unwrap_or(Duration::ZERO) {
        Duration::ZERO => Ok(None),
        interval if interval < SHORTEST_INTERVAL => usage(
            "--interval is shorter than 100ms, in which no report can be made: give at least \
             100ms, or 0 for only the final report",
        ),
        _ if args.format().is_one_only(args.output.as_deref()) => usage(
            "reports of this form cannot follow each other on standard output: name a file with -o, \
             which the next report replaces (or `-o NAME-{seq}`, for a file each), or leave --interval out",
        ),
        interval => Ok(Some(interval)),
    }
}

fn show_blocks(args: &TraceArgs) -> Result<usize, UsageError> {
    match usize::try_from(args.show_blocks) {
        Ok(blocks) if args.show_blocks <= MOST_BLOCKS => Ok(blocks),
        _ => usage(format!("--show-blocks lists at most {MOST_BLOCKS} blocks per call stack")),
    }
}

pub(super) fn output(typed: Option<&OsStr>) -> Result<Option<OutputName>, UsageError> {
    let Some(typed) = typed else { return Ok(None) };
    if typed == "-" || typed == "/dev/stdout" {
        return Ok(None);
    }
    if typed.to_str().is_some_and(is_digits) {
        let name = typed.to_string_lossy();
        return usage(format!(
            "--output {name} looks like memleak's -o, which is --min-age {name}ms here: write \
             ./{name} if a file is meant"
        ));
    }
    OutputName::parse(typed).map(Some).map_err(|error| UsageError(error.to_string()))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn max_memory(args: &TraceArgs) -> Result<u64, UsageError> {
    if args.max_memory < LEAST_MEMORY {
        return usage("--max-memory is below 32MiB, in which memtrace cannot work: give more");
    }
    Ok(args.max_memory)
}

fn ring_size(args: &TraceArgs) -> Result<Option<u32>, UsageError> {
    let Some(size) = args.ring_size else { return Ok(None) };
    if !size.is_power_of_two() || !(SMALLEST_RING..=LARGEST_RING).contains(&size) {
        return usage("--ring-size must be a power of two from 4KiB to 1GiB, such as 8MiB");
    }
    if size > args.max_memory / 2 {
        return usage(
            "--ring-size is more than half of --max-memory, which includes the ring: raise \
             --max-memory or lower --ring-size",
        );
    }
    Ok(u32::try_from(size).ok())
}

fn rings(args: &TraceArgs) -> Result<Option<u32>, UsageError> {
    let Some(rings) = args.rings else { return Ok(None) };
    match u32::try_from(rings) {
        Ok(rings) if rings.is_power_of_two() && rings <= MAX_RINGS => Ok(Some(rings)),
        _ => usage(format!("--rings must be a power of two up to {MAX_RINGS}, such as 4")),
    }
}

impl From<super::args::Unwind> for UnwindMode {
    fn from(mode: super::args::Unwind) -> Self {
        match mode {
            super::args::Unwind::Auto => Self::Auto,
            super::args::Unwind::Dwarf => Self::Tables,
            super::args::Unwind::Fp => Self::FramePointers,
        }
    }
}

impl From<super::args::Link> for LinkKind {
    fn from(link: super::args::Link) -> Self {
        match link {
            super::args::Link::Session => Self::Session,
            super::args::Link::Multi => Self::Multi,
            super::args::Link::Perf => Self::Perf,
        }
    }
}

#[cfg(test)]
mod tests;
