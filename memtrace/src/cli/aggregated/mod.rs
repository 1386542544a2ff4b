//! Recordings of snapshots, for those who make reports: which snapshot is meant, and what it cannot tell.

mod find;
mod period;
mod singled;

pub(super) use find::{Found, Wanted, Within, end, find, wanted, warn_of_end};
pub(super) use period::{Series, allocated_since};
pub(super) use singled::single_out;

use super::replaying;
use super::reporting::ReportWishes;
use crate::recording::Kind;
use crate::recording::snapshots::{Plan, Shot, Snapshots};
use crate::report::TracerFacts;
use crate::symbolize::BlazeSymbolizer;
use anyhow::Context as _;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

/// A recording of snapshots that is read.
pub(super) type Input = Snapshots<BufReader<File>>;

/// Opens a recording of snapshots; `None` if it is one of events.
///
/// # Errors
/// When it cannot be opened, or is no recording.
pub(super) fn open(path: &Path) -> anyhow::Result<Option<Input>> {
    let reader = replaying::open(path)?;
    if reader.head().kind == Kind::Events {
        return Ok(None);
    }
    Snapshots::new(reader).with_context(|| format!("{path:?}")).map(Some)
}

/// Opens a recording of snapshots once more.
///
/// # Errors
/// When it cannot be opened, or is another file now.
pub(super) fn reopen(path: &Path) -> anyhow::Result<Input> {
    open(path)?.with_context(|| format!("{path:?} is another file now"))
}

/// Learns of a snapshot where its files are, and what the user of its run wanted to see.
///
/// # Errors
/// When the latter makes no sense.
pub(super) fn learn(
    shot: &Shot,
    plan: &Plan,
    symbolizer: &mut BlazeSymbolizer,
) -> anyhow::Result<ReportWishes> {
    for module in shot.snapshot.modules.iter() {
        symbolizer.register(module.id, module.path.clone());
    }
    serde_json::from_value(plan.wishes.clone()).context("the recording's wishes make no sense")
}

/// The tracer's own figures.
///
/// # Errors
/// When they make no sense.
pub(super) fn facts(shot: &Shot) -> anyhow::Result<TracerFacts> {
    replaying::read_facts(shot.facts.clone())
}
