//! A recording → its report at one of its moments, complete: all stacks, all blocks.

use crate::cli::recorded_names::{RecordedNames, names_of};
use crate::cli::report::{facts_at, most, of_part, open, read_facts, unknown_facts, warn_of_end};
use crate::cli::reporting::ReportWishes;
use crate::engine::ports::Symbolizer as _;
use crate::engine::snapshot::{Snapshot, SnapshotOptions};
use crate::model::ids::Nanos;
use crate::recording::{Moment, Names, Place, Reader, Replay};
use crate::report::diff::{Side, Which};
use crate::report::view::Filter;
use crate::report::{self, ReportOptions, TracerFacts};
use crate::symbolize::BlazeSymbolizer;
use anyhow::{Context as _, bail};
use jiff::SignedDuration;
use std::io::Read;
use std::ops::ControlFlow;
use std::path::Path;

/// All blocks, whatever the run wanted to see.
const ALL: SnapshotOptions =
    SnapshotOptions { min_age: 0, min_size: 0, max_size: None, blocks_per_stack: 0 };

/// Replays up to the moment that is meant. Gives whether the recording has one, too: else it is at its end.
///
/// # Errors
/// When it is no recording, when it has no report of that number, when nothing was recorded.
pub(super) fn side(
    input: impl Read,
    name: &Path,
    which: Which,
    filter: &Filter,
) -> anyhow::Result<(Side, bool)> {
    let mut reader = Reader::new(input).with_context(|| format!("{name:?}"))?;
    let mut replay = Replay::new(most());
    let names = names_of(name);
    let names = &names;
    let mut looking = Looking { which, filter, names, newest: None, found: None };
    let ended = replay.play(&mut reader, &mut |replay, moment| looking.at(replay, moment));
    if let Some(found) = looking.found {
        return Ok((found?, true));
    }
    if let Which::Number(number) = which {
        let last = looking.newest.map_or(0, |(_, facts)| facts.sequence);
        bail!("{name:?} has no report {number}: the last one in it is {last}");
    }
    warn_of_end(name, &ended);
    if replay.records() == 0 && looking.newest.is_none() {
        bail!("nothing was recorded yet when {name:?} ended");
    }
    let snapshot = replay.snapshot(None, &ALL);
    let facts = match looking.newest {
        Some((time, facts)) => later(facts, snapshot.time.saturating_sub(time)),
        None => read_facts(unknown_facts())?,
    };
    Ok((resolved(&mut replay, &snapshot, &facts, names, filter)?, false))
}

/// What was alive at a place, of the stacks that `filter` admits.
///
/// # Errors
/// When the recording cannot be read so far.
pub(super) fn side_at(path: &Path, place: &Place, filter: &Filter) -> anyhow::Result<Side> {
    let mut reader = open(path)?;
    let began = reader.head().began;
    let mut replay = Replay::new(most());
    replay.play_to(&mut reader, place).with_context(|| format!("{path:?}"))?;
    let (_, facts) = facts_at(place, began)?;
    let snapshot = replay.snapshot(Some(place.time), &ALL);
    let names = names_of(path);
    resolved(&mut replay, &snapshot, &facts, &names, filter)
}

/// The tracer's figures are the last ones known, the moment is that of the snapshot.
fn later(facts: TracerFacts, by: Nanos) -> TracerFacts {
    let by = SignedDuration::from_nanos(i64::try_from(by).unwrap_or(i64::MAX));
    TracerFacts { time: facts.time.saturating_add(by).unwrap_or(facts.time), ..facts }
}

/// Until the moment comes.
struct Looking<'a> {
    which: Which,
    filter: &'a Filter,
    names: &'a Names,
    newest: Option<(Nanos, TracerFacts)>,
    found: Option<anyhow::Result<Side>>,
}

impl Looking<'_> {
    fn at(&mut self, replay: &mut Replay, moment: Moment) -> ControlFlow<()> {
        let facts = match read_facts(moment.facts) {
            Ok(facts) => of_part(facts, replay),
            Err(error) => {
                self.found = Some(Err(error));
                return ControlFlow::Break(());
            }
        };
        let is_meant = match self.which {
            Which::First => true,
            Which::Last => moment.is_final,
            Which::Number(number) => facts.sequence == number,
        };
        if !is_meant {
            self.newest = Some((moment.time, facts));
            return ControlFlow::Continue(());
        }
        let snapshot = replay.snapshot(Some(moment.time), &ALL);
        self.found = Some(resolved(replay, &snapshot, &facts, self.names, self.filter));
        ControlFlow::Break(())
    }
}

/// Names what was found.
fn resolved(
    replay: &mut Replay,
    snapshot: &Snapshot,
    facts: &TracerFacts,
    names: &Names,
    filter: &Filter,
) -> anyhow::Result<Side> {
    let mut symbolizer = BlazeSymbolizer::new();
    for module in replay.take_modules() {
        symbolizer.register(module.id, module.path.clone());
    }
    let time = snapshot.time;
    let mut symbolizer = RecordedNames { names, time, symbolizer: &mut symbolizer };
    let wishes = replay.wishes().cloned().map(serde_json::from_value::<ReportWishes>);
    let wishes = wishes.transpose().context("the recording's wishes make no sense")?;
    let ReportWishes { options, command } = wishes.unwrap_or_default();
    let options = ReportOptions { top: 0, ..options };
    let mut report = report::resolve(snapshot, &mut symbolizer, &options, facts);
    while symbolizer.await_names() {
        report = report::resolve(snapshot, &mut symbolizer, &options, facts);
    }
    if let Some(command) = command {
        command.tell(&mut report);
    }
    filter.leave_out(&mut report);
    Ok(Side::of(&report))
}
