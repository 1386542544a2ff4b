//! A recording → its report at one of its moments, complete: all stacks, all blocks.

use super::Grain;
use crate::cli::aggregated::{Within, find, wanted};
use crate::cli::recorded_names::{names_of, recorded_first};
use crate::cli::replaying::{learn, most, of_part, open, play, read_facts, unknown_facts};
use crate::cli::report::{facts_at, place};
use crate::engine::detail::Detail;
use crate::engine::snapshot::{Snapshot, SnapshotOptions};
use crate::model::ids::Nanos;
use crate::recording::{Kind, Names, Place, Reader, Replay};
use crate::report::TracerFacts;
use crate::report::diff::{By, Side, Which};
use crate::report::view::Filter;
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
    input: impl Read + Send,
    name: &Path,
    which: Which,
    filter: &Filter,
    grain: Grain,
) -> anyhow::Result<(Side, bool)> {
    let mut reader = Reader::new(input).with_context(|| format!("{name:?}"))?;
    if reader.head().kind == Kind::Snapshots {
        return super::snapshots::side(name, which, filter, grain);
    }
    let mut replay = Replay::with_detail(most(), detail(grain));
    let names = names_of(name);
    let (mut newest, mut found) = (None, None);
    let played = play(&mut replay, &mut reader, &mut |replay, moment| {
        let facts = of_part(read_facts(moment.facts.clone())?, replay);
        let is_meant = match which {
            Which::First => true,
            Which::Last => moment.is_final,
            Which::Number(number) => facts.sequence == number,
        };
        if !is_meant {
            newest = Some((moment.time, facts));
            return Ok(ControlFlow::Continue(()));
        }
        let snapshot = replay.snapshot(Some(moment.time), &ALL);
        found = Some(resolved(replay, &snapshot, &facts, &names, filter)?);
        Ok(ControlFlow::Break(()))
    })?;
    if let Some(found) = found {
        return Ok((found, true));
    }
    if let Which::Number(number) = which {
        let last = newest.map_or(0, |(_, facts)| facts.sequence);
        bail!("{name:?} has no report {number}: the last one in it is {last}");
    }
    played.warn_of_end(name);
    if played.is_empty(&replay) {
        bail!("nothing was recorded yet when {name:?} ended");
    }
    let snapshot = replay.snapshot(None, &ALL);
    let facts = newest.map_or_else(unknown_facts, |(time, facts)| {
        later(facts, snapshot.time.saturating_sub(time))
    });
    Ok((resolved(&mut replay, &snapshot, &facts, &names, filter)?, false))
}

/// What was alive at a moment as it was typed, a time after the start, a mark, or `peak`, of the stacks that `filter`
/// admits.
///
/// # Errors
/// When there is none, or the recording cannot be read so far.
pub(super) fn side_at_moment(
    path: &Path,
    typed: &str,
    filter: &Filter,
    grain: Grain,
) -> anyhow::Result<Side> {
    const WHAT: &str = "what follows @";
    if open(path)?.head().kind == Kind::Snapshots {
        let found = find(path, &wanted(path, WHAT, typed)?, Within::default())?;
        return super::snapshots::side_of(path, &found, filter, grain);
    }
    side_at(path, &place(path, WHAT, typed)?, filter, grain)
}

/// What was alive at a place, of the stacks that `filter` admits.
///
/// # Errors
/// When the recording cannot be read so far.
pub(super) fn side_at(
    path: &Path,
    place: &Place,
    filter: &Filter,
    grain: Grain,
) -> anyhow::Result<Side> {
    let mut reader = open(path)?;
    let began = reader.head().began;
    let mut replay = Replay::with_detail(most(), detail(grain));
    replay.play_to(&mut reader, place).with_context(|| format!("{path:?}"))?;
    let (_, facts) = facts_at(place, began)?;
    let snapshot = replay.snapshot(Some(place.time), &ALL);
    let names = names_of(path);
    resolved(&mut replay, &snapshot, &facts, &names, filter)
}

/// What the tables keep for it.
fn detail(Grain { by, has_sizes }: Grain) -> Detail {
    let by_size = has_sizes || by == By::SizeClass;
    Detail { by_thread: by == By::Thread, by_size, ..Detail::default() }
}

/// The tracer's figures are the last ones known, the moment is that of the snapshot.
fn later(facts: TracerFacts, by: Nanos) -> TracerFacts {
    let by = SignedDuration::from_nanos(i64::try_from(by).unwrap_or(i64::MAX));
    TracerFacts { time: facts.time.saturating_add(by).unwrap_or(facts.time), ..facts }
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
    let mut wishes = learn(replay, &mut symbolizer)?.unwrap_or_default();
    wishes.options.top = 0;
    let mut symbolizer = recorded_first(names, snapshot.time, &mut symbolizer);
    let mut report = wishes.report(snapshot, facts, true, &mut symbolizer);
    filter.leave_out(&mut report);
    Ok(Side::of(&report))
}
