//! `--view growth`: what changed from one moment of a recording to another, as `memtrace diff` has it.

use super::ReportArgs;
use super::scope::moments;
use crate::cli::diff::{Input, Layout, written};
use crate::cli::exit::Exit;
use crate::cli::output::{Destination, Label};
use crate::cli::replaying::open;
use crate::model::ids::Nanos;
use crate::recording::{Wanted, exactly, locate};
use crate::report::view::Filter;
use jiff::Timestamp;

/// Writes the differences.
///
/// # Errors
/// When there are no such moments, or it cannot be written.
pub(super) fn write(
    args: &ReportArgs,
    layout: Layout,
    filter: &Filter,
    destination: Destination,
) -> anyhow::Result<Exit> {
    let (from, until) = moments(args)?;
    let path = &args.file;
    let from = match from {
        Some(from) => from,
        None => locate(&mut open(path)?, &Wanted { name: None, since_start: Some(0) })?,
    };
    let before = Input::at(
        path,
        &from,
        filter,
        layout.grain(),
        named(args.from.as_deref(), "start", from.since_start),
    )?;
    let after = match until {
        Some(until) => {
            let name = named(args.until(), "end", until.since_start);
            Input::at(path, &until, filter, layout.grain(), name)?
        }
        None => Input::at_end(path, filter, layout.grain())?,
    };
    finish(args, layout, destination, [&before, &after], false)
}

/// Writes what changed between two sides. `is_cut`: the later one is not the run's end, where that was asked for.
///
/// # Errors
/// When it cannot be written.
pub(super) fn finish(
    args: &ReportArgs,
    layout: Layout,
    mut destination: Destination,
    [before, after]: [&Input; 2],
    is_cut: bool,
) -> anyhow::Result<Exit> {
    let text = written(layout, destination.style(args.color), before, after)?;
    let time = after.side.time.unwrap_or(Timestamp::UNIX_EPOCH);
    destination.write(Label { sequence: after.side.sequence, time }, &text)?;
    let is_degraded = is_cut || before.is_degraded() || after.is_degraded();
    Ok(if is_degraded { Exit::Degraded } else { Exit::Success })
}

/// A moment's name in what is written.
pub(super) fn named(typed: Option<&str>, usual: &str, since_start: Nanos) -> String {
    let name = crate::report::clean(typed.unwrap_or(usual));
    format!("{name} ({})", exactly(since_start))
}
