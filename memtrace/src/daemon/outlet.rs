//! Where reports go: implemented by the command line, called on the symbolizer's thread.

use crate::engine::ports::Symbolizer;
use crate::engine::snapshot::Snapshot;
use crate::report::TracerFacts;
use std::path::PathBuf;
use std::sync::Arc;

/// All that a report is made of.
#[derive(Clone, Debug)]
pub struct Publication {
    /// The tables.
    pub snapshot: Arc<Snapshot>,
    /// The tracer's own figures.
    pub facts: TracerFacts,
    /// No other will follow.
    pub is_final: bool,
}

/// How publishing went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Published {
    /// Written; `degraded` if the report says that its figures are not what was asked for.
    Written {
        /// See [`crate::report::Report::is_degraded`].
        degraded: bool,
        /// The file that holds it, where that is one.
        file: Option<PathBuf>,
    },
    /// Nobody reads any more: stop without fuss.
    Closed,
    /// It could not be written. What and why, on one line. Later reports may succeed.
    Failed(String),
}

/// Turns publications into bytes somewhere.
pub trait Outlet: Send {
    /// Makes, writes and flushes a report. May take seconds; tracing goes on meanwhile.
    fn publish(&mut self, publication: &Publication, symbolizer: &mut dyn Symbolizer) -> Published;
}
