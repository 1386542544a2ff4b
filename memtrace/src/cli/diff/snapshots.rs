//! A recording of snapshots → the report of one of them, complete.

use super::Grain;
use crate::cli::aggregated::{Found, Wanted, Within, end, facts, find, learn, reopen, single_out};
use crate::cli::recorded_names::{names_of, recorded_first};
use crate::engine::detail::Part;
use crate::engine::snapshot::{Snapshot, SnapshotOptions};
use crate::report::diff::{By, Side, Which};
use crate::report::view::Filter;
use crate::symbolize::BlazeSymbolizer;
use anyhow::anyhow;
use std::path::Path;

/// The snapshot that is meant. Gives whether the recording has it: else it is at its end.
///
/// # Errors
/// When there is none, or the recording cannot be read so far.
pub(super) fn side(
    path: &Path,
    which: Which,
    filter: &Filter,
    grain: Grain,
) -> anyhow::Result<(Side, bool)> {
    let wanted = match which {
        Which::First => Wanted::First,
        Which::Number(number) => Wanted::Number(number),
        Which::Last => {
            let found = end(path)?;
            return Ok((side_of(path, &found, filter, grain)?, found.brief.is_final));
        }
    };
    let found = find(path, &wanted, Within::default())?;
    Ok((side_of(path, &found, filter, grain)?, true))
}

/// What was alive in a snapshot, of the stacks that `filter` admits.
///
/// # Errors
/// When the snapshot makes no sense.
pub(super) fn side_of(
    path: &Path,
    found: &Found,
    filter: &Filter,
    grain: Grain,
) -> anyhow::Result<Side> {
    let input = reopen(path)?;
    let shot = found.held.shot()?;
    let mut snapshot = Snapshot::clone(&shot.snapshot);
    let all = SnapshotOptions { min_age: 0, min_size: 0, max_size: None, ..snapshot.options };
    single_out(&mut snapshot, &all).map_err(|why| anyhow!("{path:?}: {why}"))?;
    tells_apart(&snapshot, grain.by).map_err(|why| anyhow!("{path:?} {why}"))?;
    let mut facts = facts(&shot)?;
    facts.notes.extend(found.note.clone());
    let mut symbolizer = BlazeSymbolizer::new();
    let mut wishes = learn(&shot, input.plan(), &mut symbolizer)?;
    wishes.options.top = 0;
    let names = names_of(path);
    let mut symbolizer = recorded_first(&names, snapshot.time, &mut symbolizer);
    let mut report = wishes.report(&snapshot, &facts, true, &mut symbolizer);
    filter.leave_out(&mut report);
    Ok(Side::of(&report))
}

/// The run told apart what is asked for.
///
/// # Errors
/// It did not, and why that matters.
fn tells_apart(snapshot: &Snapshot, by: By) -> Result<(), String> {
    let (what, is_told): (_, fn(&Part) -> bool) = match by {
        By::Thread => ("threads", |part| part.thread.is_some()),
        By::SizeClass => ("sizes", |part| part.size.is_some()),
        _ => return Ok(()),
    };
    let mut stacks = snapshot.processes.iter().flat_map(|process| &process.stacks);
    if stacks.clone().next().is_none() || stacks.any(|stack| is_told(&stack.part)) {
        return Ok(());
    }
    Err(format!(
        "is an aggregated recording, and its run did not tell {what} apart: trace with the same --by, or record without \
         --record-every"
    ))
}
