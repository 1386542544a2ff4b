//! What the page's script gets: columns of figures, and tables that they refer to by number. Not promised to others
//! (`memtrace.report/1` is): a page has the script that belongs to it.

use crate::engine::snapshot::Confidence;
use serde::Serialize;

/// Everything.
#[derive(Debug, Serialize)]
pub(super) struct Document<'a> {
    pub(super) version: &'a str,
    pub(super) time: String,
    pub(super) sequence: u64,
    /// The figures are not what was asked for, and why.
    pub(super) degraded: &'a [String],
    /// What was watched, and how.
    pub(super) how: Vec<String>,
    /// What the figures rest on: a word and what there is to say under it.
    pub(super) sentences: Vec<(&'static str, String)>,
    /// All causes of loss, those with 0 included.
    pub(super) losses: Vec<(&'static str, u64)>,
    pub(super) processes: Vec<Process<'a>>,
    pub(super) accounts: Vec<Account>,
    /// The view that is shown at first, by its key.
    pub(super) first_view: &'static str,
    pub(super) timeline: Timeline<'a>,
    pub(super) strings: Vec<String>,
    pub(super) functions: Functions,
    pub(super) frames: Frames,
    pub(super) nodes: Nodes,
}

/// A process, by whose number stacks refer to it.
#[derive(Debug, Serialize)]
pub(super) struct Process<'a> {
    pub(super) pid: u32,
    pub(super) comm: &'a str,
    pub(super) exe: Option<&'a str>,
    pub(super) command: Option<String>,
    pub(super) verdict: &'static str,
    /// How it is coloured.
    pub(super) verdict_key: &'static str,
    pub(super) explanation: &'a [String],
    pub(super) facts: Vec<String>,
    pub(super) totals: Vec<Total>,
    pub(super) memory: Memory,
}

/// Memory of a process at some moments, as columns; a column of which nothing is known is empty. Bytes.
#[derive(Debug, Serialize)]
pub(super) struct Memory {
    /// After tracing began, s.
    pub(super) time: Vec<f64>,
    pub(super) resident: Vec<Option<u64>>,
    pub(super) heap: Vec<Option<u64>>,
    pub(super) mapped: Vec<Option<u64>>,
    /// The heap's are estimates.
    pub(super) is_estimate: bool,
}

/// What is known of the run's time.
#[derive(Debug, Serialize)]
pub(super) struct Timeline<'a> {
    /// How long tracing had lasted, s.
    pub(super) watched: f64,
    pub(super) ticks: Vec<Tick>,
    /// The ends of the parts of which stacks' figures are known, s after tracing began; empty where there are none.
    pub(super) ends: Vec<f64>,
    /// Why there are none.
    pub(super) missing: Option<&'a str>,
    /// The page is of what follows that, s after tracing began.
    pub(super) from: Option<f64>,
}

/// Something that happened.
#[derive(Debug, Serialize)]
pub(super) struct Tick {
    /// s after tracing began.
    pub(super) time: f64,
    /// `mark` or `alert`.
    pub(super) kind: &'static str,
    pub(super) name: String,
}

/// By how much rows of an account changed in a part of the run; rows that did not are left out.
#[derive(Debug, Default, Serialize)]
pub(super) struct Part {
    pub(super) row: Vec<u32>,
    /// Bytes and blocks; both are empty where nothing changed.
    pub(super) live: (Vec<i64>, Vec<i64>),
    pub(super) allocated: (Vec<i64>, Vec<i64>),
    pub(super) freed: (Vec<i64>, Vec<i64>),
    pub(super) temporary: (Vec<i64>, Vec<i64>),
    pub(super) ranges: PartRanges,
}

/// Where what rows did in a part lies, if it is an estimate. The columns have a place for each row, or are empty where all
/// is exact; of a row without ranges it is exact.
#[derive(Debug, Default, Serialize)]
pub(super) struct PartRanges {
    /// What is alive at the part's end.
    pub(super) live: RangeColumns,
    pub(super) allocated: RangeColumns,
    pub(super) freed: RangeColumns,
}

/// At least so many bytes, at most so many; at least so many blocks, at most so many.
pub(super) type RangeColumns = [Vec<Option<u64>>; 4];

/// A figure of a process.
#[derive(Debug, Default, Serialize)]
pub(super) struct Total {
    pub(super) name: &'static str,
    pub(super) bytes: Option<u64>,
    pub(super) count: Option<u64>,
    /// Where the bytes lie, if they are an estimate.
    pub(super) range: Option<Range>,
    /// Where the number lies, likewise.
    pub(super) count_range: Option<Range>,
}

/// An interval of 95 %.
#[derive(Debug, Serialize)]
pub(super) struct Range(u64, u64);

impl From<Confidence> for Range {
    fn from(it: Confidence) -> Self {
        Self(it.low, it.high)
    }
}

/// Stacks and their figures, never to be added to those of another account. A row is the same place of each column.
#[derive(Debug, Default, Serialize)]
pub(super) struct Account {
    pub(super) key: &'static str,
    pub(super) name: &'static str,
    /// What must be known of it.
    pub(super) note: &'static str,
    /// What `count` counts, in the plural.
    pub(super) unit: &'static str,
    pub(super) views: Vec<View>,
    /// By the ends in [`Timeline`]; empty where that is not known.
    pub(super) parts: Vec<Part>,
    pub(super) process: Vec<u32>,
    /// The innermost frame's node.
    pub(super) node: Vec<u32>,
    /// Age of the oldest that is live, s.
    pub(super) oldest: Vec<Option<f64>>,
    /// Why the outermost frame is not the program's first function: a string; −1 if it is.
    pub(super) end: Vec<i64>,
    /// The thread that allocated; −1: not told. Empty where threads are not told apart.
    pub(super) thread: Vec<i64>,
    /// Live blocks that may have been freed unseen, at most; of samples so many samples. Empty where there are none.
    pub(super) doubtful: Vec<u64>,
}

/// One way to look at an account.
#[derive(Debug, Default, Serialize)]
pub(super) struct View {
    pub(super) key: &'static str,
    pub(super) name: &'static str,
    /// What must be known of it.
    pub(super) note: String,
    /// It is known how many there are.
    #[serde(skip)]
    pub(super) is_counted: bool,
    pub(super) bytes: Vec<u64>,
    /// Empty where it is not known.
    pub(super) count: Vec<u64>,
    /// Where the bytes lie; empty where figures are exact.
    pub(super) low: Vec<u64>,
    pub(super) high: Vec<u64>,
    /// Where the numbers lie, likewise.
    pub(super) count_low: Vec<u64>,
    pub(super) count_high: Vec<u64>,
}

/// Functions as columns: numbers of strings; −1: none.
#[derive(Debug, Default, Serialize)]
pub(in crate::report) struct Functions {
    pub(super) name: Vec<i64>,
    /// Where it is another one.
    pub(super) full: Vec<i64>,
    pub(super) module: Vec<i64>,
}

/// Frames as columns.
#[derive(Debug, Default, Serialize)]
pub(in crate::report) struct Frames {
    pub(super) function: Vec<u32>,
    /// Source file, a string; −1: not known.
    pub(super) file: Vec<i64>,
    /// 0: not known.
    pub(super) line: Vec<u32>,
    /// 1: inlined into its caller; 2: of allocators or start code; 4: no frame, but what stands for some; 8: it loads
    /// code.
    pub(super) flags: Vec<u8>,
}

/// A frame and its callers. A caller's number is smaller.
#[derive(Debug, Default, Serialize)]
pub(in crate::report) struct Nodes {
    /// The caller's; −1: there is none.
    pub(super) parent: Vec<i64>,
    pub(super) frame: Vec<u32>,
}
