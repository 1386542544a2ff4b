//! Recordings of snapshots: what was known at moments of a run, in a file that becomes no larger than it may.
//!
//! A snapshot is tables of rows (`state.rs`), each a value in words (`words.rs`). In the file it is what is different
//! from the snapshot before (`delta.rs`), so that it takes little where little has changed, and one is read by reading
//! all before it. When the file is full it is written anew (`file.rs`) without some of them (`thinning.rs`).

mod delta;
mod file;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod hostile;
mod reader;
mod state;
#[cfg(test)]
mod tests;
mod thinning;
mod words;
mod writer;

pub use file::{Kept, SnapshotFile};
pub use reader::{Brief, Held, Snapshots};
pub use thinning::Thinned;
pub use writer::SnapshotWriter;

use crate::engine::snapshot::Snapshot;
use crate::model::ids::Nanos;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A snapshot, and what else a report of its moment needs.
#[derive(Clone, Debug)]
pub struct Shot {
    /// The tables, without slices of the run's time.
    pub snapshot: Arc<Snapshot>,
    /// The tracer's own figures, as whoever makes reports writes them: a JSON object.
    pub facts: serde_json::Value,
    /// It is that of the last report.
    pub is_final: bool,
    /// The run made a report of it.
    pub is_report: bool,
    /// It was taken because the user named the moment: thinning takes it last.
    pub is_mark: bool,
}

/// How snapshots are recorded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Time between two of them, ns.
    pub every: Nanos,
    /// Most bytes of the file.
    pub limit: u64,
    /// What the user wanted to see, as whoever makes reports writes it.
    pub wishes: serde_json::Value,
    /// What was left out since, as the file was full.
    pub thinned: Thinned,
}
