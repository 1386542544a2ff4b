//! Which snapshot is meant.

use super::Input;
use crate::cli::values;
use crate::engine::snapshot::Marked;
use crate::model::ids::Nanos;
use crate::model::mark::MarkName;
use crate::recording::snapshots::{Brief, Held};
use crate::recording::{Ending, RecordingError, exactly};
use crate::report::clean;
use crate::report::units::span;
use anyhow::{Context as _, bail};
use std::path::Path;

/// Marks that a message lists.
const MOST_LISTED: usize = 20;

/// A moment, as it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Wanted {
    /// So long after the start.
    Since(Nanos),
    /// A mark, on the events' clock.
    Mark(Nanos),
    /// The snapshot in which most was alive.
    Peak,
    /// The first snapshot.
    First,
    /// The report of this number.
    Number(u64),
}

/// A snapshot that was found.
#[derive(Debug)]
pub(in crate::cli) struct Found {
    pub(in crate::cli) held: Held,
    pub(in crate::cli) brief: Brief,
    /// What is to be said of it.
    pub(in crate::cli) note: Option<String>,
}

impl Found {
    /// How long after the start it is.
    pub(in crate::cli) const fn since_start(&self) -> Nanos {
        self.brief.time.saturating_sub(self.brief.began)
    }
}

/// What was typed: a time, the name of a mark that the recording has, or `peak`.
///
/// # Errors
/// When it is none of them.
pub(in crate::cli) fn wanted(path: &Path, option: &str, typed: &str) -> anyhow::Result<Wanted> {
    let marks = marks(path)?;
    let named: Vec<&Marked> = marks.iter().filter(|mark| mark.name.as_str() == typed).collect();
    match named.as_slice() {
        [one] => return Ok(Wanted::Mark(one.time)),
        [] => {}
        _ => bail!(
            "{path:?}, {option} {typed}: several of its marks are called so, say which by its time (--info lists them)"
        ),
    }
    if typed == "peak" {
        return Ok(Wanted::Peak);
    }
    if let Ok(time) = values::duration(typed) {
        return Ok(Wanted::Since(Nanos::try_from(time.as_nanos()).unwrap_or(Nanos::MAX)));
    }
    MarkName::new(typed)
        .with_context(|| format!("{option} is neither a time such as 90s nor a mark"))?;
    bail!(
        "{path:?}, {option} {typed}: there is no such mark in it, and that is no time after its start such as 90s: it has {}",
        listed(&marks)
    )
}

fn listed(marks: &[Marked]) -> String {
    let names =
        marks.iter().rev().take(MOST_LISTED).map(|it| format!("`{}`", clean(it.name.as_str())));
    let names: Vec<String> = names.collect();
    if names.is_empty() { "no marks".to_owned() } else { names.join(", ") }
}

/// The marks that the last snapshot knows.
fn marks(path: &Path) -> anyhow::Result<Vec<Marked>> {
    let mut input = super::reopen(path)?;
    // Where it is damaged, what is before counts.
    while input.goes_on() {}
    if input.count() == 0 {
        return Ok(Vec::new());
    }
    Ok(input.shot()?.snapshot.marks.clone())
}

/// Finds a snapshot, of those in a part of the run.
///
/// # Errors
/// When there is none, or the recording is damaged before it is known which one is meant. (Where it is cut off, what is
/// there counts.)
pub(in crate::cli) fn find(path: &Path, wanted: &Wanted, within: Within) -> anyhow::Result<Found> {
    let mut input = super::reopen(path)?;
    let mut search = Search { wanted, within, first: None, last: None, best: None, done: false };
    search.read(&mut input).with_context(|| format!("{path:?}"))?;
    search.found(path)
}

/// The last snapshot. Says why it is not of the last report, if so.
///
/// # Errors
/// When there is none.
pub(in crate::cli) fn end(path: &Path) -> anyhow::Result<Found> {
    let mut input = super::reopen(path)?;
    while input.goes_on() {}
    let read = input.stopped();
    if input.count() == 0 {
        read.with_context(|| format!("{path:?}"))?;
        bail!("no snapshot was recorded yet when {path:?} ended");
    }
    let (held, brief) = (input.held(), input.brief()?);
    warn_of_end(path, brief.is_final, input.ending(), read);
    Ok(Found { held, brief, note: None })
}

/// Says why the last snapshot is not that of the last report.
pub(in crate::cli) fn warn_of_end(
    path: &Path,
    is_final: bool,
    ending: Option<Ending>,
    read: Result<(), RecordingError>,
) {
    match read {
        Err(error) => tracing::warn!("{path:?}: {error}: this is what was there before"),
        Ok(()) if is_final => {}
        Ok(()) if ending == Some(Ending::Whole) => tracing::warn!("{path:?} has no last report"),
        Ok(()) => tracing::warn!("{path:?} ends before its run did: this is its last snapshot"),
    }
}

/// A part of a run, on the events' clock.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::cli) struct Within {
    /// Snapshots up to then are not in it.
    pub(in crate::cli) after: Option<Nanos>,
    /// Snapshots after that are not in it.
    pub(in crate::cli) until: Option<Nanos>,
}

struct Search<'a> {
    wanted: &'a Wanted,
    within: Within,
    first: Option<Brief>,
    last: Option<Brief>,
    best: Option<(Held, Brief)>,
    done: bool,
}

impl Search<'_> {
    fn read(&mut self, input: &mut Input) -> anyhow::Result<()> {
        while !self.done && input.advance()? {
            let brief = input.brief()?;
            self.first.get_or_insert(brief);
            let Within { after, until } = self.within;
            if until.is_some_and(|until| brief.time > until) {
                break;
            }
            if after.is_none_or(|after| brief.time > after) && self.takes(input, &brief)? {
                self.best = Some((input.held(), brief));
            }
            self.last = Some(brief);
        }
        Ok(())
    }

    /// Whether this one is better than those before.
    fn takes(&mut self, input: &Input, brief: &Brief) -> anyhow::Result<bool> {
        let best = self.best.as_ref().map(|(_, brief)| brief);
        Ok(match self.wanted {
            Wanted::Since(since) => {
                let is_before = brief.time <= brief.began.saturating_add(*since);
                self.done = !is_before;
                is_before
            }
            Wanted::Mark(time) => {
                self.done = brief.time >= *time;
                true
            }
            Wanted::Peak => best.is_none_or(|best| brief.live_bytes > best.live_bytes),
            Wanted::First => {
                self.done = true;
                true
            }
            Wanted::Number(number) => {
                // Others have the number of the report before them.
                let is_meant = brief.is_report && super::facts(&input.shot()?)?.sequence == *number;
                self.done = is_meant;
                is_meant
            }
        })
    }

    fn found(self, path: &Path) -> anyhow::Result<Found> {
        let Some(first) = self.first else {
            bail!("no snapshot was recorded yet when {path:?} ended");
        };
        let since = |brief: &Brief| brief.time.saturating_sub(brief.began);
        if let (Wanted::Since(wanted), Some(last)) = (self.wanted, &self.last)
            && !self.done
            && *wanted > since(last)
        {
            bail!("{path:?}: its last snapshot is {} after its start", exactly(since(last)));
        }
        let Some((held, brief)) = self.best else {
            match self.wanted {
                Wanted::Number(number) => bail!("{path:?} has no snapshot of report {number}"),
                _ if self.within.after.is_some() => {
                    bail!(
                        "{path:?}: there is no snapshot of it after --from and before the end that is asked for"
                    )
                }
                _ => bail!(
                    "{path:?}: its first snapshot is {} after its start",
                    exactly(since(&first))
                ),
            }
        };
        let note = note(self.wanted, &brief);
        Ok(Found { held, brief, note })
    }
}

/// What is to be said where a snapshot is not the moment that was asked for.
fn note(wanted: &Wanted, brief: &Brief) -> Option<String> {
    let asked = match wanted {
        Wanted::First | Wanted::Number(_) => return None,
        Wanted::Peak => {
            return Some(
                "this is the snapshot in which most was alive; between two snapshots it may have been more".to_owned(),
            );
        }
        Wanted::Since(since) => brief.began.saturating_add(*since),
        Wanted::Mark(time) => *time,
    };
    if asked == brief.time {
        return None;
    }
    let which = if brief.time < asked { "latest snapshot before" } else { "first snapshot after" };
    Some(format!(
        "this is the {which} the moment that was asked for, by {}",
        span(asked.abs_diff(brief.time))
    ))
}

#[cfg(test)]
mod tests;
