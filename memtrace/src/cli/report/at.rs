//! `--at`: the report of a moment that is not the last.

use super::{Reports, most, open, read_facts, unknown_facts};
use crate::cli::exit::Exit;
use crate::cli::values;
use crate::engine::snapshot::SnapshotOptions;
use crate::model::ids::Nanos;
use crate::model::mark::MarkName;
use crate::recording::{Moment, Place, Replay, Wanted, locate};
use crate::report::TracerFacts;
use crate::report::units::span;
use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};

/// What was typed, as either.
fn wanted(typed: &str) -> anyhow::Result<Wanted> {
    let since_start = values::duration(typed).ok();
    let since_start =
        since_start.map(|time| Nanos::try_from(time.as_nanos()).unwrap_or(Nanos::MAX));
    let name = MarkName::new(typed);
    if since_start.is_none() && name.is_err() {
        name.clone().context("--at is neither a time such as 90s nor a mark")?;
    }
    Ok(Wanted { name: name.ok(), since_start })
}

impl Reports<'_> {
    /// Makes the report of the moment that was typed.
    ///
    /// # Errors
    /// When there is no such moment, or the report cannot be written.
    pub(super) fn at(mut self, typed: &str) -> anyhow::Result<Exit> {
        let wanted = wanted(typed)?;
        let path = &self.args.file;
        let context = || format!("{path:?}, --at {typed}");
        // It is read twice: whether an entry counts is known only when all have been seen.
        let mut reader = open(path)?;
        let began = reader.head().began;
        let place = locate(&mut reader, &wanted).with_context(context)?;
        let mut replay = Replay::new(most());
        replay.play_to(&mut open(path)?, &place).with_context(context)?;
        let degraded = self.report_place(&mut replay, place, began)?;
        Ok(if degraded { Exit::Degraded } else { Exit::Success })
    }

    fn report_place(
        &mut self,
        replay: &mut Replay,
        place: Place,
        began: u64,
    ) -> anyhow::Result<bool> {
        let Place { time, since_start, nearest, .. } = place;
        let (options, facts) = match nearest {
            Some(moment) => (moment.options, facts_near(&moment, time)?),
            None => (SnapshotOptions::default(), facts_without(began, since_start)?),
        };
        self.prepare(replay)?;
        // It is the only one, so all of it is wanted.
        self.reporting.wishes.options.full = true;
        let snapshot = replay.snapshot(Some(time), &self.blocks(options));
        let Self { reporting, symbolizer, .. } = self;
        Ok(reporting.write(&snapshot, &facts, false, symbolizer)?.0)
    }
}

/// The tracer's figures at a moment, from those of one near it.
fn facts_near(moment: &Moment, time: Nanos) -> anyhow::Result<TracerFacts> {
    let mut facts = read_facts(moment.facts.clone())?;
    let later = i128::from(time) - i128::from(moment.time);
    facts.time = facts.time.checked_add(signed(later)).unwrap_or(facts.time);
    let apart = span(time.abs_diff(moment.time));
    if later != 0 {
        let side = if later > 0 { "before" } else { "after" };
        facts.notes.push(format!(
            "the tracer's own figures, and these notes, are those of {apart} {side} this moment"
        ));
    }
    Ok(facts)
}

/// What little is known where nothing was recorded of the tracer.
fn facts_without(began: u64, since_start: Nanos) -> anyhow::Result<TracerFacts> {
    let mut facts = read_facts(unknown_facts())?;
    facts.began = Timestamp::from_nanosecond(i128::from(began)).unwrap_or(facts.began);
    facts.time = facts.began.checked_add(signed(since_start.into())).unwrap_or(facts.began);
    facts.notes.push("the tracer's own figures were not recorded".to_owned());
    Ok(facts)
}

fn signed(nanos: i128) -> SignedDuration {
    SignedDuration::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::wanted;

    #[test]
    fn a_time_may_be_a_name_too() {
        let both = wanted("90s").unwrap();
        assert_eq!(both.since_start, Some(90_000_000_000));
        assert_eq!(both.name.unwrap().as_str(), "90s");
        assert_eq!(wanted("deploy").unwrap().since_start, None);
        assert_eq!(wanted("12.346s").unwrap().since_start, Some(12_346_000_000));
        assert!(wanted("").is_err());
        assert!(wanted("a\nb").is_err());
    }
}
