//! Reading a recording to its end: the moments of its reports, what was recorded beside them, how it ends.

use super::reporting::ReportWishes;
use crate::engine::limits::Limits;
use crate::recording::{Ending, Moment, Reader, RecordingError, Replay};
use crate::report::TracerFacts;
use crate::symbolize::BlazeSymbolizer;
use anyhow::Context as _;
use jiff::Timestamp;
use memtrace_common::limits::MAX_TARGETS;
use std::fs::File;
use std::io::{BufReader, Read};
use std::ops::ControlFlow;
use std::path::Path;

/// A recording that is read.
pub(super) type Input = Reader<BufReader<File>>;

/// Opens a recording.
///
/// # Errors
/// When it cannot be opened, or is none.
pub(super) fn open(path: &Path) -> anyhow::Result<Input> {
    let file = File::open(path).with_context(|| format!("cannot open {path:?}"))?;
    Reader::new(BufReader::new(file)).with_context(|| format!("{path:?}"))
}

/// Bytes of a block and of a stack in the tables, at most ([`Limits`]).
const BLOCK_BYTES: usize = 40;
const STACK_BYTES: usize = 3584;

/// Room for as much as a run on this machine may have had: who can say anything in a recording is not to take all of
/// the memory. What has no room is counted, as it is while tracing.
pub(super) fn most() -> Limits {
    let memory = physical_memory();
    Limits {
        max_blocks: memory / 2 / BLOCK_BYTES,
        max_stacks: memory / 8 / STACK_BYTES,
        // Those that run, and those that have ended.
        max_processes: 2 * MAX_TARGETS as usize,
        ..Limits::default()
    }
}

/// Of the machine, bytes.
fn physical_memory() -> usize {
    // SAFETY: no pointers.
    let [pages, size] =
        [libc::_SC_PHYS_PAGES, libc::_SC_PAGESIZE].map(|it| unsafe { libc::sysconf(it) });
    let [pages, size] = [pages, size].map(|it| usize::try_from(it).unwrap_or_default());
    match pages.saturating_mul(size) {
        0 => 1 << 30,
        memory => memory,
    }
}

/// How far a recording was played.
pub(super) struct Played {
    /// The last moment at which the run made a report.
    pub(super) newest: Option<Moment>,
    /// How it ends; `Ok(None)`: it is cut off, or was not played to its end.
    pub(super) ended: Result<Option<Ending>, RecordingError>,
}

/// Plays a recording to its end, or as far as `at` wants, which is called at each moment at which a report was made.
///
/// # Errors
/// Those of `at`. That the recording is damaged is none: what is there before counts.
pub(super) fn play<R: Read + Send>(
    replay: &mut Replay,
    reader: &mut Reader<R>,
    at: &mut dyn FnMut(&mut Replay, &Moment) -> anyhow::Result<ControlFlow<()>>,
) -> anyhow::Result<Played> {
    let (mut newest, mut failure) = (None, None);
    let ended = replay.play(reader, &mut |replay, moment| {
        let step = at(replay, &moment).unwrap_or_else(|error| {
            failure = Some(error);
            ControlFlow::Break(())
        });
        newest = Some(moment);
        step
    });
    match failure {
        Some(error) => Err(error),
        None => Ok(Played { newest, ended }),
    }
}

impl Played {
    /// The run made its last report.
    pub(super) fn is_whole(&self) -> bool {
        self.newest.as_ref().is_some_and(|moment| moment.is_final)
    }

    /// Nothing is known of what was traced.
    pub(super) const fn is_empty(&self, replay: &Replay) -> bool {
        self.newest.is_none() && replay.records() == 0
    }

    /// Says why a recording has no last report.
    pub(super) fn warn_of_end(&self, name: &Path) {
        match &self.ended {
            Ok(Some(Ending::Whole)) => tracing::warn!("{name:?} has no last report"),
            Ok(Some(Ending::Limit)) => tracing::warn!(
                "{name:?} is full by --record-limit, and its run went on: this is what it had until then"
            ),
            Ok(_) => {
                tracing::warn!("{name:?} ends before its run did: this is what it had until then");
            }
            Err(error) => tracing::warn!("{name:?}: {error}: this is what was there before"),
        }
    }
}

/// Learns what was recorded up to here of files and, where it was, of what the user wanted to see.
///
/// # Errors
/// When the latter makes no sense.
pub(super) fn learn(
    replay: &mut Replay,
    symbolizer: &mut BlazeSymbolizer,
) -> anyhow::Result<Option<ReportWishes>> {
    for module in replay.take_modules() {
        symbolizer.register(module.id, module.path.clone());
    }
    let wishes = replay.wishes().cloned().map(serde_json::from_value);
    wishes.transpose().context("the recording's wishes make no sense")
}

/// The tracer's own figures.
///
/// # Errors
/// When they make no sense.
pub(super) fn read_facts(facts: serde_json::Value) -> anyhow::Result<TracerFacts> {
    serde_json::from_value(facts).context("the recording's figures of the tracer make no sense")
}

/// The tracer's figures, where a file goes on where another one of its run ended.
pub(super) fn of_part(mut facts: TracerFacts, replay: &Replay) -> TracerFacts {
    let Some((number, began)) = replay.continues() else { return facts };
    facts.began = Timestamp::from_nanosecond(i128::from(began)).unwrap_or(facts.began);
    facts.notes.push(format!(
        "this is of file {number} of a recording, and goes on where the one before ended: what lived then counts as \
         inherited, and all else from there on"
    ));
    facts
}

/// The tracer's own figures where none were recorded.
pub(super) fn unknown_facts() -> TracerFacts {
    TracerFacts {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        time: Timestamp::UNIX_EPOCH,
        began: Timestamp::UNIX_EPOCH,
        ..TracerFacts::default()
    }
}
