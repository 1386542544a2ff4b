//! What a run is to do: plain values, already validated.

use super::windowing::Window;
use crate::engine::alerts::Thresholds;
use crate::engine::detail::Detail;
use crate::engine::snapshot::SnapshotOptions;
use crate::engine::zoom;
use crate::probe::live::kernel_side::LoadOptions;
use crate::probe::live::sampling::{BYTES_PER_BLOCK, Sampling};
use crate::probe::signature::Signature;
use crate::selection::Selection;
use memtrace_common::config::{LinkKind, UnwindMode};
use memtrace_common::limits::{MAX_SENT_STACKS, MAX_TARGETS, USUAL_TARGETS};
use memtrace_common::sampling::NONE;
use memtrace_common::touches::PERIOD_BITS;
use std::path::PathBuf;
use std::time::Duration;

/// Wishes of the user, as far as they concern tracing (and not the look of reports).
#[derive(Clone, Debug)]
pub struct Settings {
    /// Processes or threads to trace.
    pub pids: Vec<u32>,
    /// They were looked for, and not named: one that cannot be traced is left out, and those that come to
    /// match later are traced, too.
    pub selection: Option<Selection>,
    /// How many more match than [`Self::pids`] names.
    pub beyond: usize,
    /// The target is a command that we started, and that waits for being announced: it hears the user's
    /// signals itself, and the run ends at once with it.
    pub started_here: bool,
    /// Reports would follow each other in one stream, where nobody could read them: there is only the final one.
    pub only_final: bool,
    /// Files that the command will map: they are probed before.
    pub foreseen: Vec<PathBuf>,
    /// Functions of the targets' own that allocate and free.
    pub user_functions: Vec<Signature>,
    /// Time between reports; `None`: only the final one.
    pub interval: Option<Duration>,
    /// Stop after this long.
    pub duration: Option<Duration>,
    /// Stop after this many reports, the last being the final one.
    pub count: Option<u64>,
    /// When there is an alert, and what is done then.
    pub alerts: AlertSettings,
    /// What snapshots single out.
    pub snapshot: SnapshotOptions,
    /// What the tables keep beyond that.
    pub detail: Detail,
    /// Read the targets' arguments.
    pub cmdline: bool,
    /// Trace the functions of allocators.
    pub heap: bool,
    /// Tell who maps memory.
    pub mappings: bool,
    /// Look at what the targets' resident memory is.
    pub pictures: bool,
    /// How many allocations are looked at.
    pub sampling: SamplingWish,
    /// Static probes by which targets tell of blocks that they sample.
    pub static_probes: StaticProbeWish,
    /// The heap of a process is traced only while it grows, and then for a while; `None`: all the time.
    pub zoom: Option<zoom::Settings>,
    /// Times in which allocations and frees are told; `None`: all the time, unless a budget cannot be held
    /// otherwise.
    pub window: Option<Window>,
    /// There are no others: a budget that cannot be held otherwise is not held.
    pub no_windows: bool,
    /// Pages that are touched are accounted for.
    pub faults: bool,
    /// Percent of each CPU's time that looking at page faults may cost; `None`: any.
    pub most_for_faults: Option<f64>,
    /// Percent of the targets' CPU time that tracing may cost; `None`: any.
    pub overhead_budget: Option<f64>,
    /// Bytes that memtrace may use, kernel maps included.
    pub max_memory: u64,
    /// Kind of link to use and no other.
    pub link: Option<LinkKind>,
    /// For whom links are.
    pub link_for: LinkFor,
    /// How call stacks are walked.
    pub unwind: UnwindMode,
    /// Walks of known stacks are not made again.
    pub cache_walks: bool,
    /// Children of the targets are traced.
    pub follow: bool,
    /// Bytes of all rings; `None`: to fit `max_memory`.
    pub ring_bytes: Option<u32>,
    /// Rings; `None`: by the number of CPUs.
    pub rings: Option<u32>,
    /// Level of the kernel programs' log, 0 to 5.
    pub log_level: u8,
    /// Where others can tell the tracer something.
    pub control: ControlWish,
}

/// Where the control socket is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ControlWish {
    /// In the user's usual folder.
    #[default]
    Usual,
    /// Here.
    At(PathBuf),
    /// Nowhere.
    No,
}

/// How many allocations are looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SamplingWish {
    /// Every one.
    #[default]
    Exact,
    /// One for so many bytes that are allocated, on average.
    Every(u64),
    /// Every one as long as that costs no more than the budget, else as many as fit it.
    Auto,
}

impl AlertSettings {
    /// Whether there may be any.
    #[must_use]
    pub fn has_thresholds(&self) -> bool {
        [self.thresholds, self.total].iter().any(|it| *it != Thresholds::default())
    }
}

/// Which static probes are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StaticProbeWish {
    /// None.
    No,
    /// Those that fire by themselves.
    #[default]
    Unasked,
    /// Those, too, for which the kernel must write into the target's memory.
    Semaphores,
}

/// When there is an alert, and what is done then.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AlertSettings {
    /// When there is one for a process.
    pub thresholds: Thresholds,
    /// When there is one for all of them together.
    pub total: Thresholds,
    /// Words of the command to run; empty: none.
    pub command: Vec<String>,
    /// For so many of them a report is made and the command run.
    pub limit: u64,
}

/// For whom the probes of a file are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LinkFor {
    /// For all or for each, by who would pay.
    #[default]
    Auto,
    /// For all processes that map the file: those that are not traced pay a trap per call.
    All,
    /// For each target by itself: nobody else pays, and children are seen late.
    Each,
}

/// In less time than this every second counts.
const BRIEF: Duration = Duration::from_secs(4);

/// Largest ring chosen by ourselves: at 64 bytes a record and a million records per second a
/// quarter of a second of events.
const LARGEST_RING: u64 = 16 << 20;
const SMALLEST_RING: u64 = 256 << 10;
/// Share of the memory that the ring may take.
const RING_SHARE: u64 = 16;
/// The reader is woken when this share of the ring waits.
const WAKE_SHARE: u64 = 16;
/// The engine's stacks may take this share, at about a kilobyte and a quarter each (30 frames, a growth series
/// of 48 points, and freed blocks by age).
const STACK_SHARE: u64 = 4;
const STACK_BYTES: u64 = 1280;
/// Records may take this share while they wait outside of the ring: for seconds, and only where a recording has several
/// files.
const SPOOL_SHARE: u64 = 8;
/// The kernel side's table of sampled blocks may take this share.
const SAMPLED_SHARE: u64 = 16;
/// For the symbols of a report and mappings; the rest may go to the block tables.
const FIXED_SHARE: u64 = 8;
/// Bytes per live block, at most (`engine::heap::blocks`).
const BLOCK_BYTES: u64 = 40;

/// Share of the memory that processes may take, and how much each does, in the tables of the kernel side and
/// here (measured with 10,000 of them).
const TARGET_SHARE: u64 = 2;
const TARGET_BYTES: u64 = 10 << 10;
/// There is room for so many at least, however little memory there is.
const LEAST_TARGETS: u32 = 256;
/// So many times as many as there are at the beginning may come: room is not made later.
const GROWTH: usize = 2;

/// So many CPUs share a ring.
const CPUS_PER_RING: u32 = 4;
/// No more rings are chosen by ourselves: what the one task that reads them takes in comes from no more CPUs.
const MOST_RINGS: u32 = 16;

/// Rings for so many CPUs, of `bytes` together: one for up to four CPUs, and 16 from 64 on.
///
/// What a CPU tells takes a microsecond at least, of which its ring's lock is held for some tens of
/// nanoseconds (`__bpf_ringbuf_reserve` of `kernel/bpf/ringbuf.c`). So four CPUs do not wait long for each
/// other, and 64 would for most of the time.
fn usual_rings(cpus: u32, bytes: u64) -> u32 {
    let wanted = cpus.div_ceil(CPUS_PER_RING).next_power_of_two().min(MOST_RINGS);
    let fitting = u32::try_from(bytes / SMALLEST_RING).unwrap_or(MOST_RINGS).max(1);
    wanted.min(1 << fitting.ilog2())
}

/// So many percent of a CPU in ns per period of [`memtrace_common::touches`]; not 0, which would be any.
fn per_period(percent: f64) -> u64 {
    let period = (1_u64 << PERIOD_BITS) as f64;
    ((period * percent / 100.0) as u64).max(1)
}

/// CPUs that are there: targets may run on all of them, wherever memtrace may.
fn online_cpus() -> u32 {
    // SAFETY: no pointers.
    let cpus = unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) };
    u32::try_from(cpus).unwrap_or(1)
}

impl Settings {
    /// Processes that can be traced at once. As many as are named, or as were found and may come later, if
    /// they fit.
    #[must_use]
    pub fn room_for_targets(&self) -> u32 {
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let wanted =
            count(self.pids.len().saturating_mul(GROWTH)).clamp(USUAL_TARGETS, MAX_TARGETS);
        if self.selection.is_none() {
            return wanted;
        }
        let fitting = self.max_memory / TARGET_SHARE / TARGET_BYTES;
        wanted.min(u32::try_from(fitting).unwrap_or(u32::MAX).max(LEAST_TARGETS))
    }

    /// Bytes of records that may wait outside of the ring.
    pub(super) fn spool_bytes(&self) -> usize {
        usize::try_from(self.max_memory / SPOOL_SHARE).unwrap_or(usize::MAX)
    }

    /// How to load the kernel side.
    #[must_use]
    pub fn load_options(&self) -> LoadOptions {
        let fitting = (self.max_memory / RING_SHARE).clamp(SMALLEST_RING, LARGEST_RING);
        let fitting = 1_u64 << fitting.ilog2();
        let ring = self.ring_bytes.map_or(fitting, u64::from);
        let rings = self.rings.unwrap_or_else(|| usual_rings(online_cpus(), ring));
        LoadOptions {
            rings,
            ring_bytes: u32::try_from(ring).unwrap_or(u32::MAX),
            wake_bytes: (ring / u64::from(rings.max(1)) / WAKE_SHARE).max(1024),
            log_level: self.log_level,
            link: self.link,
            unwind: self.unwind,
            cache_walks: self.cache_walks,
            follow: self.follow,
            watch: self.selection.is_some(),
            mapping_stacks: self.mappings,
            faults: self.faults,
            most_for_faults: self.most_for_faults.map_or(0, per_period),
            targets: self.room_for_targets(),
            sampling: self.sampling(),
            static_probes: self.static_probes() != StaticProbeWish::No,
            may_close: self.may_close(),
        }
    }

    /// Mean bytes between samples at the beginning; 0: every allocation is looked at; [`NONE`]: none is yet.
    #[must_use]
    pub fn sample_interval(&self) -> u64 {
        match self.sampling {
            SamplingWish::Auto if self.counts_first() => NONE,
            SamplingWish::Exact | SamplingWish::Auto => 0,
            SamplingWish::Every(interval) => interval,
        }
    }

    /// Whether calls are only counted at first, so that the cost of more is known before it is paid. Not of a program
    /// that is started for this, whose beginning would be missed; nor where time is short; nor where windows bound the
    /// cost anyway.
    #[must_use]
    pub fn counts_first(&self) -> bool {
        let by_reports = self.interval.zip(self.count);
        let by_reports = by_reports.map(|(interval, count)| {
            interval.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX))
        });
        let is_brief = [self.duration, by_reports].iter().flatten().any(|time| *time < BRIEF);
        let is_whole = self.window.is_none() && self.zoom.is_none();
        self.heap
            && self.sampling == SamplingWish::Auto
            && is_whole
            && !self.started_here
            && !is_brief
    }

    /// Whether there may be times in which allocations and frees are not told: the user wishes it, or a budget cannot
    /// be held otherwise.
    #[must_use]
    pub fn may_close(&self) -> bool {
        let is_wished = self.window.is_some() || self.zoom.is_some();
        self.heap && (is_wished || self.sampling == SamplingWish::Auto && !self.no_windows)
    }

    /// Static probes that are used. None where blocks are watched in windows: a free between two of them would
    /// not be seen, and what lives by these probes' account would be more and more. Where nobody has asked for windows,
    /// nor named a budget that may need them, these probes are used, and there are no windows where some are.
    #[must_use]
    pub fn static_probes(&self) -> StaticProbeWish {
        let is_asked = self.window.is_some() || self.zoom.is_some();
        let is_named = self.overhead_budget.is_some()
            && self.sampling == SamplingWish::Auto
            && !self.no_windows;
        if self.heap && !is_asked && !is_named { self.static_probes } else { StaticProbeWish::No }
    }

    fn sampling(&self) -> Option<Sampling> {
        if self.sampling == SamplingWish::Exact || !self.heap {
            return None;
        }
        let interval = self.sample_interval();
        let fitting = self.max_memory / SAMPLED_SHARE / BYTES_PER_BLOCK;
        let room = u32::try_from(fitting.clamp(1 << 10, 1 << 24)).unwrap_or(1 << 24);
        Some(Sampling { interval, room })
    }

    /// Distinct call stacks that fit, given what the kernel maps and the program itself take already.
    #[must_use]
    pub fn max_stacks(&self, used: u64) -> usize {
        let left = self.max_memory.saturating_sub(used);
        let stacks = left / STACK_SHARE / STACK_BYTES;
        usize::try_from(stacks).unwrap_or(usize::MAX).clamp(1000, MAX_SENT_STACKS as usize)
    }

    /// Live blocks that fit, given the same.
    #[must_use]
    pub fn max_blocks(&self, used: u64) -> usize {
        let left = self.max_memory.saturating_sub(used);
        let blocks = (left - left / STACK_SHARE - left / FIXED_SHARE) / BLOCK_BYTES;
        usize::try_from(blocks.max(1000)).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::{
        AlertSettings, ControlWish, LinkFor, SamplingWish, Settings, StaticProbeWish, usual_rings,
    };
    use crate::engine::detail::Detail;
    use crate::engine::snapshot::SnapshotOptions;
    use crate::selection::Selection;
    use memtrace_common::config::UnwindMode;

    fn with_memory(max_memory: u64) -> Settings {
        Settings {
            control: ControlWish::No,
            pids: vec![1],
            selection: None,
            beyond: 0,
            started_here: false,
            only_final: false,
            foreseen: Vec::new(),
            user_functions: Vec::new(),
            interval: None,
            duration: None,
            count: None,
            alerts: AlertSettings::default(),
            snapshot: SnapshotOptions::default(),
            detail: Detail::default(),
            cmdline: false,
            heap: true,
            mappings: true,
            pictures: true,
            sampling: SamplingWish::Exact,
            static_probes: StaticProbeWish::Unasked,
            zoom: None,
            window: None,
            no_windows: false,
            faults: false,
            most_for_faults: None,
            overhead_budget: None,
            max_memory,
            link: None,
            link_for: LinkFor::Auto,
            unwind: UnwindMode::Auto,
            cache_walks: true,
            follow: true,
            ring_bytes: None,
            rings: None,
            log_level: 0,
        }
    }

    #[test]
    fn memory_is_shared_out() {
        let usual = with_memory(256 << 20);
        assert_eq!(usual.load_options().ring_bytes, 16 << 20);
        let one = Settings { rings: Some(1), ..usual.clone() };
        assert_eq!(one.load_options().wake_bytes, 1 << 20);
        let blocks = usual.max_blocks(28 << 20) as u64;
        assert!(blocks * 40 < (256 - 28) << 20 && blocks > 3_500_000);
        assert_eq!(usual.max_stacks(28 << 20), 46_694);
        assert_eq!(usual.load_options().targets, 4096);
        let small = with_memory(32 << 20);
        assert_eq!(small.load_options().ring_bytes, 2 << 20);
        assert_eq!(small.max_blocks(64 << 20), 1000);
    }

    #[test]
    fn rings_are_as_many_as_cpus_need_and_memory_has_room_for() {
        let rings = |cpus| usual_rings(cpus, 16 << 20);
        assert_eq!([0, 1, 4, 5, 9, 32, 64, 512].map(rings), [1, 1, 1, 2, 4, 8, 16, 16]);
        assert_eq!([1 << 16, 1 << 20, 2 << 20].map(|bytes| usual_rings(64, bytes)), [1, 4, 8]);
        let asked = Settings { rings: Some(4), ..with_memory(256 << 20) }.load_options();
        assert_eq!((asked.rings, asked.ring_bytes, asked.wake_bytes), (4, 16 << 20, 256 << 10));
    }

    #[test]
    fn there_is_room_for_a_crowd_if_it_fits() {
        let room = |memory, count| {
            let pids = (1..=count).collect();
            let selection = Some(Selection::default());
            Settings { pids, selection, ..with_memory(memory) }.room_for_targets()
        };
        assert_eq!(room(256 << 20, 10), 4096);
        assert_eq!(room(256 << 20, 3000), 6000);
        assert_eq!(room(256 << 20, 10_000), 13_107);
        assert_eq!(room(2 << 30, 60_000), 65_536);
        assert_eq!(room(32 << 20, 10_000), 1638);
        assert_eq!(room(64 << 20, 10), 3276, "no more than fit");
        assert_eq!(room(1 << 20, 10), 256);
        let named = Settings { pids: (1..=10_000).collect(), ..with_memory(32 << 20) };
        assert_eq!(named.room_for_targets(), 20_000);
    }
}
