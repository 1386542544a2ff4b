//! `--at`: the report of a moment that is not the last.

use super::Reports;
use crate::cli::exit::Exit;
use crate::cli::replaying::{most, of_part, open, read_facts, unknown_facts};
use crate::engine::snapshot::SnapshotOptions;
use crate::model::ids::Nanos;
use crate::recording::{Moment, Place, Replay};
use crate::report::TracerFacts;
use crate::report::units::span;
use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};

impl Reports<'_> {
    /// Makes the report of a moment.
    ///
    /// # Errors
    /// When the recording cannot be read so far, or the report cannot be written.
    pub(super) fn at(mut self, place: &Place) -> anyhow::Result<Exit> {
        let path = &self.args.file;
        let mut replay = Replay::with_detail(most(), self.scope.detail);
        let mut reader = open(path)?;
        let began = reader.head().began;
        replay.play_to(&mut reader, place).with_context(|| format!("{path:?}"))?;
        let degraded = self.report_place(&mut replay, place, began)?;
        Ok(if degraded { Exit::Degraded } else { Exit::Success })
    }

    fn report_place(
        &mut self,
        replay: &mut Replay,
        place: &Place,
        began: u64,
    ) -> anyhow::Result<bool> {
        let time = place.time;
        let (options, facts) = facts_at(place, began)?;
        let facts = of_part(facts, replay);
        self.prepare(replay)?;
        // It is the only one, so all of it is wanted.
        self.reporting.wishes.options.full = true;
        let snapshot = replay.snapshot(Some(time), &self.blocks(options));
        Ok(self.write(&snapshot, &facts, false)?)
    }
}

/// The tracer's figures at a place, and which blocks its reports singled out there. `began`: when its recording did.
pub(in crate::cli) fn facts_at(
    place: &Place,
    began: u64,
) -> anyhow::Result<(SnapshotOptions, TracerFacts)> {
    match &place.nearest {
        Some(moment) => Ok((moment.options, facts_near(moment, place.time)?)),
        None => Ok((SnapshotOptions::default(), facts_without(began, place.since_start))),
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
fn facts_without(began: u64, since_start: Nanos) -> TracerFacts {
    let mut facts = unknown_facts();
    facts.began = Timestamp::from_nanosecond(i128::from(began)).unwrap_or(facts.began);
    facts.time = facts.began.checked_add(signed(since_start.into())).unwrap_or(facts.began);
    facts.notes.push("the tracer's own figures were not recorded".to_owned());
    facts
}

fn signed(nanos: i128) -> SignedDuration {
    SignedDuration::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX))
}
