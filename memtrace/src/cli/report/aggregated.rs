//! Reports of recordings of snapshots.

use super::growth::{finish, named};
use super::scope::detail;
use super::{ReportArgs, settle};
use crate::cli::aggregated::{
    Found, Series, Wanted, Within, allocated_since, end, facts, find, learn, reopen, single_out,
    wanted, warn_of_end,
};
use crate::cli::diff::{Input as Side, Layout};
use crate::cli::exit::{Exit, UsageError};
use crate::cli::format::Format;
use crate::cli::output::Destination;
use crate::cli::recorded_names::{names_of, recorded_first};
use crate::cli::reporting::Reporting;
use crate::cli::view::Shown;
use crate::engine::snapshot::{Snapshot, SnapshotOptions, StackSnapshot};
use crate::recording::snapshots::{Plan, Shot};
use crate::recording::{Names, exactly};
use crate::report::view::{By, Filter, Measure};
use crate::symbolize::BlazeSymbolizer;
use anyhow::{Context as _, bail};

/// What of the typed options an aggregated recording cannot do.
///
/// # Errors
/// When something was typed that it cannot.
pub(super) fn check(args: &ReportArgs) -> Result<(), UsageError> {
    let cannot = match args.view.view {
        Some(Shown::Temporary) => {
            "how long single blocks lived is not in it: see --view lifetimes or --view allocated"
        }
        Some(Shown::Leaks | Shown::Lifetimes) if args.from.is_some() => {
            "when single blocks were allocated is not in it: see --view growth or --view allocated, or leave --from out"
        }
        _ if args.from.is_some() && args.format() == Format::Html => {
            "its pages are of the whole run, in which a window of time can be chosen: leave --from out"
        }
        _ => return Ok(()),
    };
    Err(UsageError(format!(
        "{:?} is an aggregated recording, of snapshots, and {cannot} (a recording without --record-every has it)",
        args.file
    )))
}

/// Makes the reports that are asked for.
///
/// # Errors
/// As [`super::run`].
pub(super) fn make(args: &ReportArgs, reporting: Reporting) -> anyhow::Result<Exit> {
    let path = &args.file;
    let input = reopen(path)?;
    let (plan, names) = (input.plan().clone(), names_of(path));
    let symbolizer = BlazeSymbolizer::new();
    let mut reports = Reports { args, plan, reporting, symbolizer, names };
    if args.all { reports.all() } else { reports.one() }
}

struct Reports<'a> {
    args: &'a ReportArgs,
    plan: Plan,
    reporting: Reporting,
    symbolizer: BlazeSymbolizer,
    names: Names,
}

impl Reports<'_> {
    /// Of every snapshot. They are numbered anew, as not each was one of a report.
    fn all(&mut self) -> anyhow::Result<Exit> {
        let path = &self.args.file;
        let mut input = reopen(path)?;
        let mut last = None;
        while input.goes_on() {
            let shot = input.shot()?;
            let mut facts = facts(&shot)?;
            facts.sequence = input.count();
            let is_final = shot.is_final;
            let mut snapshot = Snapshot::clone(&shot.snapshot);
            facts.notes.extend(self.single_out(&mut snapshot)?);
            self.learn(&shot, &snapshot)?;
            match self.write(&snapshot, &facts, is_final) {
                Err(error) if super::is_closed(&error) => return Ok(Exit::Success),
                degraded => last = Some((is_final, degraded?)),
            }
        }
        let read = input.stopped();
        let Some((is_final, is_degraded)) = last else {
            read.with_context(|| format!("{path:?}"))?;
            bail!("no snapshot was recorded yet when {path:?} ended");
        };
        warn_of_end(path, is_final, input.ending(), read);
        Ok(if is_final && !is_degraded { Exit::Success } else { Exit::Degraded })
    }

    fn one(&mut self) -> anyhow::Result<Exit> {
        let path = &self.args.file;
        let (from, until) = moments(self.args)?;
        let after = from.as_ref().map(|from| from.brief.time);
        let until = if self.reporting.view.measure == Some(Measure::Peak) {
            let until = until.as_ref().map(|until| until.brief.time);
            find(path, &Wanted::Peak, Within { after, until })?
        } else {
            match until {
                Some(until) => until,
                None => end(path)?,
            }
        };
        let is_end = self.args.until().is_none() && self.args.view.view != Some(Shown::Peak);
        self.reporting.view.stretch.from = from.as_ref().map(Found::since_start);
        let shot = until.held.shot()?;
        let mut snapshot = Snapshot::clone(&shot.snapshot);
        if let Some(from) = &from {
            let note = from.note.clone().map(|note| format!("of --from: {note}"));
            self.since(from, &mut snapshot)?;
            let singled = self.single_out(&mut snapshot)?;
            return self.finish(&shot, &snapshot, [until.note, note, singled], is_end);
        }
        if self.args.format() == Format::Html {
            self.tell_by_time(&until, &mut snapshot)?;
        }
        self.finish_singled(&shot, snapshot, until.note, is_end)
    }

    fn finish_singled(
        &mut self,
        shot: &Shot,
        mut snapshot: Snapshot,
        note: Option<String>,
        is_end: bool,
    ) -> anyhow::Result<Exit> {
        let singled = self.single_out(&mut snapshot)?;
        self.finish(shot, &snapshot, [note, singled, None], is_end)
    }

    fn finish(
        &mut self,
        shot: &Shot,
        snapshot: &Snapshot,
        notes: [Option<String>; 3],
        is_end: bool,
    ) -> anyhow::Result<Exit> {
        let mut facts = facts(shot)?;
        facts.notes.extend(notes.into_iter().flatten());
        self.learn(shot, snapshot)?;
        // It is the only one, so all of it is wanted.
        self.reporting.wishes.options.full |= !is_end || !shot.is_final;
        let degraded = match self.write(snapshot, &facts, shot.is_final || is_end) {
            Err(error) if super::is_closed(&error) => return Ok(Exit::Success),
            degraded => degraded?,
        };
        let is_cut = is_end && !shot.is_final;
        Ok(if degraded || is_cut { Exit::Degraded } else { Exit::Success })
    }

    /// What was allocated after `from`.
    fn since(&self, from: &Found, snapshot: &mut Snapshot) -> anyhow::Result<()> {
        let path = &self.args.file;
        if from.brief.time >= snapshot.time {
            bail!(
                "{path:?}: --from and the end that is asked for are the same snapshot, {} after the start: choose others, \
                 --info says how far apart snapshots are",
                exactly(from.since_start())
            );
        }
        if self.args.view.view == Some(Shown::Allocated) {
            let before = from.held.shot()?;
            allocated_since(&before.snapshot, snapshot)
                .map_err(|why| anyhow::anyhow!("{path:?} is an aggregated recording: {why}"))?;
        }
        Ok(())
    }

    /// What a page shows of the run's time: the snapshots before.
    fn tell_by_time(&self, until: &Found, snapshot: &mut Snapshot) -> anyhow::Result<()> {
        let mut input = reopen(&self.args.file)?;
        let mut series = Series::default();
        // Where it is damaged, what is before counts.
        while input.goes_on() {
            if input.brief()?.time >= until.brief.time {
                break;
            }
            series.add(input.held());
        }
        series.tell(&until.brief, snapshot)
    }

    /// Which blocks are singled out: as the run did, or as is asked for now. Gives what is to be said of that.
    fn single_out(&self, snapshot: &mut Snapshot) -> anyhow::Result<Option<String>> {
        let args = self.args;
        let recorded = snapshot.options;
        let typed = args.min_age.is_some() || args.min_size.is_some() || args.max_size.is_some();
        let wanted = super::wanted_blocks(args, recorded);
        match single_out(
            snapshot,
            &SnapshotOptions { blocks_per_stack: recorded.blocks_per_stack, ..wanted },
        ) {
            Err(why) if typed => bail!("{:?} is an aggregated recording: {why}", args.file),
            Ok(note) => Ok(note.map(str::to_owned)),
            // As the run did, then: the report says so.
            Err(_) => Ok(None),
        }
    }

    /// Learns of files and wishes, and refuses what the snapshot does not tell apart.
    fn learn(&mut self, shot: &Shot, snapshot: &Snapshot) -> anyhow::Result<()> {
        self.tells_apart(snapshot)?;
        self.reporting.wishes = learn(shot, &self.plan, &mut self.symbolizer)?;
        settle(self.args, &mut self.reporting.wishes.options);
        Ok(())
    }

    fn tells_apart(&self, snapshot: &Snapshot) -> anyhow::Result<()> {
        let detail = detail(self.args, self.reporting.view.measure, None);
        let any = |of: fn(&StackSnapshot) -> bool| {
            let mut stacks = snapshot.processes.iter().flat_map(|process| &process.stacks);
            stacks.clone().next().is_none() || stacks.any(of)
        };
        let by = self.reporting.view.by;
        let missing = if detail.by_thread
            && by == Some(By::Thread)
            && !any(|it| it.part.thread.is_some())
        {
            "threads"
        } else if detail.by_size && by == Some(By::SizeClass) && !any(|it| it.part.size.is_some()) {
            "sizes"
        } else {
            return Ok(());
        };
        bail!(
            "{:?} is an aggregated recording, and its run did not tell {missing} apart: trace with the same --by, or record \
             without --record-every",
            self.args.file
        )
    }

    fn write(
        &mut self,
        snapshot: &Snapshot,
        facts: &crate::report::TracerFacts,
        is_final: bool,
    ) -> anyhow::Result<bool> {
        let mut symbolizer = recorded_first(&self.names, snapshot.time, &mut self.symbolizer);
        Ok(self.reporting.write(snapshot, facts, is_final, &mut symbolizer).map(|it| it.0)?)
    }
}

/// The moments that were typed.
fn moments(args: &ReportArgs) -> anyhow::Result<(Option<Found>, Option<Found>)> {
    let path = &args.file;
    let option = if args.to.is_some() { "--to" } else { "--at" };
    let at = |option: &str, typed: &str| -> anyhow::Result<Found> {
        find(path, &wanted(path, option, typed)?, Within::default())
    };
    let from = args.from.as_deref().map(|typed| at("--from", typed)).transpose()?;
    let until = args.until().map(|typed| at(option, typed)).transpose()?;
    Ok((from, until))
}

/// Writes what changed from one snapshot to another.
///
/// # Errors
/// When there are no such snapshots, or it cannot be written.
pub(super) fn write_growth(
    args: &ReportArgs,
    layout: Layout,
    filter: &Filter,
    destination: Destination,
) -> anyhow::Result<Exit> {
    let path = &args.file;
    let (from, until) = moments(args)?;
    let from = match from {
        Some(from) => from,
        None => find(path, &Wanted::First, Within::default())?,
    };
    let until = match until {
        Some(until) => until,
        None => end(path)?,
    };
    if from.brief.time >= until.brief.time {
        bail!(
            "{path:?}: the snapshots to be compared are {} and {} after the start: there is nothing between them, choose others",
            exactly(from.since_start()),
            exactly(until.since_start())
        );
    }
    let before = Side::of_snapshot(
        path,
        &from,
        filter,
        layout.grain(),
        named(args.from.as_deref(), "start", from.since_start()),
    )?;
    let after = Side::of_snapshot(
        path,
        &until,
        filter,
        layout.grain(),
        named(args.until(), "end", until.since_start()),
    )?;
    let is_cut = args.until().is_none() && !until.brief.is_final;
    finish(args, layout, destination, [&before, &after], is_cut)
}
