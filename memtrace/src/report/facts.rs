//! What a report needs besides the snapshot: the user's wishes and the tracer's own figures.

use jiff::Timestamp;
use memtrace_common::config::LinkKind;
use memtrace_common::function::{BlockKind, FunctionId};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The order of stacks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sort {
    /// Most bytes gained over the watch first.
    #[default]
    Growth,
    /// Most live bytes first.
    Bytes,
    /// Most live blocks first.
    Blocks,
    /// Oldest live block first.
    Age,
}

/// What was accounted for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ledgers {
    /// Blocks of allocators.
    Heap,
    /// Mappings.
    Mappings,
    /// Both.
    #[default]
    Both,
}

/// What the user wants to see. Ages, sizes and blocks per stack were wishes to the snapshot
/// ([`crate::engine::snapshot::SnapshotOptions`]).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportOptions {
    /// Stacks per process; 0: all, also those with nothing alive.
    pub top: usize,
    /// Their order.
    pub sort: Sort,
    /// Addresses of the oldest blocks to print per stack.
    pub show_blocks: usize,
    /// Periodic text reports show everything, too.
    pub full: bool,
    /// Text reports list frames of allocators and start code, too.
    pub show_internals: bool,
    /// What was accounted for: text reports say nothing of the other.
    pub ledger: Ledgers,
    /// Touched pages were accounted for.
    pub touches: bool,
    /// The processes were traced from their first instruction: there are no older blocks.
    pub from_start: bool,
    /// Text reports name functions in full.
    pub full_names: bool,
    /// This is the last report.
    pub is_final: bool,
    /// Time between two points of the growth series; `None` when the user wants no periodic
    /// reports. Only used to say how long to wait.
    pub interval: Option<Duration>,
}

/// How stacks were found where walks by tables are kept for the next time; zeroes where they are not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Walks {
    /// By walking.
    pub made: u64,
    /// By walking though the stack was known, to see whether it was right.
    pub checked: u64,
    /// Those of the latter that were not. There should be none.
    pub differed: u64,
    /// Stacks that lead through code of which the kernel side had not been told: it copied them.
    pub copied: u64,
    /// Those of them that were walked to their end afterwards.
    pub finished: u64,
}

/// How many files with code were met, and how many of them have no unwinding table, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableFacts {
    /// All of them.
    pub files: u64,
    /// They have no unwinding information.
    pub no_information: u64,
    /// No ELF files for x86-64, or without code.
    pub foreign: u64,
    /// They could not be opened or read.
    pub unreadable: u64,
    /// Their headers make no sense.
    pub malformed: u64,
    /// They have more unwinding information than is looked at.
    pub too_large: u64,
    /// There was no room on the kernel side, at some time.
    pub no_room: u64,
}

impl TableFacts {
    /// Files without a table.
    #[must_use]
    pub const fn without(&self) -> u64 {
        let Self { no_information, foreign, unreadable, malformed, too_large, no_room, .. } = *self;
        no_information + foreign + unreadable + malformed + too_large + no_room
    }

    /// Each reason in words, with its number.
    #[must_use]
    pub const fn reasons(&self) -> [(&'static str, u64); 6] {
        [
            ("no unwinding information", self.no_information),
            ("not ELF for x86-64", self.foreign),
            ("unreadable", self.unreadable),
            ("malformed", self.malformed),
            ("too large", self.too_large),
            ("no room", self.no_room),
        ]
    }
}

/// The links of an allocator.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkFacts {
    /// Which.
    pub allocator: String,
    /// One for all processes that map its file, or one for each target.
    pub for_all: bool,
    /// Traced processes that use it and have not ended.
    pub processes: usize,
    /// Processes that are not traced and pay for the probes, as of the last look, some seconds ago.
    pub others: usize,
}

/// How many allocations are looked at has changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SamplingChange {
    /// When.
    pub time: Timestamp,
    /// Mean bytes between samples from then on.
    pub interval: u64,
    /// Why, for people.
    pub reason: String,
}

/// When blocks are watched has changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowChange {
    /// When.
    pub time: Timestamp,
    /// For how long they are watched, and how often, from then on; `None`: all the time.
    pub window: Option<(Duration, Duration)>,
    /// Why, for people.
    pub reason: String,
}

/// Runs of the probes' programs in targets, at entries and returns, over all the time of tracing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Hits {
    /// How many there are per second.
    pub per_second: f64,
    /// What one costs the targets on average, its trap included, ns.
    pub cost: f64,
}

/// The tracer's own figures at the moment of the snapshot.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TracerFacts {
    /// Version of memtrace.
    pub version: String,
    /// Release of the running kernel (`uname -r`).
    pub kernel: String,
    /// How the probes are attached; `None` without probes.
    #[serde(with = "link_kind")]
    pub link: Option<LinkKind>,
    /// For whom links are, by allocator.
    pub links: Vec<LinkFacts>,
    /// How stacks are walked: `auto`, `dwarf` or `fp`.
    pub unwind: String,
    /// Files' unwinding tables; `None` where stacks are walked without.
    pub tables: Option<TableFacts>,
    /// Mean bytes between samples; 0: every allocation.
    pub sample_interval_bytes: u64,
    /// What was changed of that under way: the first changes and the latest.
    pub sampling_changes: Vec<SamplingChange>,
    /// Changes between these.
    #[serde(default)]
    pub sampling_changes_left_out: u64,
    /// For how long blocks are watched, and how often; `None`: all the time.
    pub window: Option<(Duration, Duration)>,
    /// What was changed of that under way: the first changes and the latest.
    pub window_changes: Vec<WindowChange>,
    /// Changes between these.
    #[serde(default)]
    pub window_changes_left_out: u64,
    /// CPU time of the tracer itself, seconds.
    pub cpu_seconds: f64,
    /// Resident memory of the tracer itself, bytes, kernel maps included.
    pub rss_bytes: u64,
    /// Records per second, over the last interval.
    pub events_per_second: f64,
    /// Estimated CPU that tracing costs the targets, in cores; `None`: not measured.
    pub target_cost_cores: Option<f64>,
    /// … in percent of the CPU that they would use without being traced.
    pub target_cost_percent: Option<f64>,
    /// What that is the product of.
    #[serde(default)]
    pub hits: Option<Hits>,
    /// What that is to be at most, percent; `None` if any cost is accepted.
    pub overhead_budget: Option<f64>,
    /// A cost below so many cores is not held to that.
    #[serde(default)]
    pub budget_from_cores: f64,
    /// How stacks were found.
    pub walks: Walks,
    /// The longest time between two looks at the ring: what was in it waited so long.
    pub longest_gap: Duration,
    /// Number of the report, from 1.
    pub sequence: u64,
    /// Periodic reports that were left out until then, as the one before was still being made or written.
    #[serde(default)]
    pub skipped_reports: u64,
    /// How often an allocator could be used before it was probed, as its file came unforeseen.
    #[serde(default)]
    pub blind_windows: u64,
    /// Wall clock at the snapshot.
    pub time: Timestamp,
    /// Wall clock when tracing began.
    pub began: Timestamp,
    /// Names of the functions that the user describes, by number from
    /// [`FunctionId::FIRST_USER_DEFINED`] on. Empty where the user describes none.
    pub user_functions: Vec<String>,
    /// What the reader must know besides: blind windows, runtimes with allocators of their own.
    pub notes: Vec<String>,
    /// The user has set thresholds for alerts.
    pub has_thresholds: bool,
    /// Why the figures are not what was asked for, such as a budget that ended tracing early.
    /// Lost events are not repeated here: they are counted in the snapshot.
    pub degraded: Vec<String>,
}

impl TracerFacts {
    /// The function's name, as it was written or is known to everybody.
    #[must_use]
    pub fn function_name(&self, function: FunctionId) -> &str {
        if function.kind() != BlockKind::UserDefined {
            return function.name();
        }
        let index = usize::from(function.0 - FunctionId::FIRST_USER_DEFINED);
        self.user_functions.get(index).map_or("unknown", String::as_str)
    }
}

/// Kinds of links in recordings: by their numbers, which stay what they are.
mod link_kind {
    use memtrace_common::config::LinkKind;
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    const ALL: [LinkKind; 3] = [LinkKind::Session, LinkKind::Multi, LinkKind::Perf];

    #[expect(clippy::ref_option, reason = "what serde hands over")]
    pub(super) fn serialize<S: Serializer>(
        link: &Option<LinkKind>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        link.map(|link| link as u8).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<LinkKind>, D::Error> {
        let number = Option::<u8>::deserialize(from)?;
        Ok(number.and_then(|number| ALL.into_iter().find(|link| *link as u8 == number)))
    }
}
