//! `memtrace report`: reports of a recording.

mod aggregated;
mod args;
mod at;
mod growth;
mod info;
mod scope;

pub use args::ReportArgs;
pub(super) use at::facts_at;

use super::aggregated::reopen;
use super::exit::Exit;
use super::format::Format;
use super::log::{self, Verbosity};
use super::output::{Destination, OutputError};
use super::plan;
use super::recorded_names::{names_of, recorded_first};
use super::replaying::{
    Input, Played, learn, most, of_part, open, play, read_facts, unknown_facts,
};
use super::reporting::{ReportWishes, Reporting};
use super::terminal::stderr_color;
use super::view;
use crate::engine::snapshot::{Snapshot, SnapshotOptions};
use crate::recording::{Kind, Moment, Names, Replay};
use crate::report::{ReportOptions, TracerFacts, why_no_parts};
use crate::symbolize::BlazeSymbolizer;
use anyhow::bail;
use scope::Scope;
pub(super) use scope::place;
use std::ops::ControlFlow;
use std::time::Duration;

/// Makes the reports, or tells what is in the recording.
///
/// # Errors
/// When the recording cannot be read, or is none; when a report cannot be written.
pub fn run(args: &ReportArgs) -> anyhow::Result<Exit> {
    log::init(Verbosity::Normal, stderr_color(args.color));
    let mut reader = open(&args.file)?;
    let is_aggregated = reader.head().kind == Kind::Snapshots;
    if args.info && is_aggregated {
        return info::print_snapshots(&args.file, &mut reopen(&args.file)?);
    }
    if args.info {
        return info::print(&args.file, &mut reader);
    }
    scope::check(args)?;
    if is_aggregated {
        aggregated::check(args)?;
    }
    let of_blocks = view::of_blocks(args.min_age, args.min_size, args.max_size);
    let beside = view::Beside { top: args.top, sort: args.sort, of_blocks };
    let view = view::options(&args.view, args.format(), beside, scope::source(args))?;
    let growth = args.view.growth(args.format(), args.top, args.full_names)?;
    let name = plan::output(args.output.as_deref())?;
    let destination = Destination::of(name.as_ref(), args.format(), std::process::id())?;
    if let Some(layout) = growth.filter(|_| is_aggregated) {
        return aggregated::write_growth(args, layout, &view.filter, destination);
    }
    if let Some(layout) = growth {
        return growth::write(args, layout, &view.filter, destination);
    }
    let mut reporting = Reporting {
        destination,
        format: args.format(),
        color: args.color,
        view,
        growth: None,
        wishes: ReportWishes::default(),
    };
    if is_aggregated {
        return aggregated::make(args, reporting);
    }
    let scope = Scope::of(args, reporting.view.measure)?;
    reporting.view.stretch.from = scope.from.as_ref().map(|from| from.since_start);
    let names = names_of(&args.file);
    let symbolizer = BlazeSymbolizer::new();
    let mut reports = Reports { args, reporting, symbolizer, names, scope };
    match reports.scope.until.take() {
        Some(place) => reports.at(&place),
        None => reports.make(&mut reader),
    }
}

/// Reports that are made of it.
struct Reports<'a> {
    args: &'a ReportArgs,
    reporting: Reporting,
    symbolizer: BlazeSymbolizer,
    /// Names that the recording keeps.
    names: Names,
    /// Which part of the recording they are of.
    scope: Scope,
}

impl Reports<'_> {
    fn make(mut self, reader: &mut Input) -> anyhow::Result<Exit> {
        let mut replay = Replay::with_detail(most(), self.scope.detail);
        let mut last = None;
        let played = play(&mut replay, reader, &mut |replay, moment| {
            // Without --all the final one is all that is asked for, and it is the last.
            if self.args.all || moment.is_final {
                last = Some(self.report(replay, moment)?);
            }
            Ok(ControlFlow::Continue(()))
        });
        let played = match played {
            Err(error) if is_closed(&error) => return Ok(Exit::Success),
            played => played?,
        };
        match last {
            Some(true) if played.is_whole() => Ok(Exit::Degraded),
            Some(false) if played.is_whole() => Ok(Exit::Success),
            _ => self.report_end(&mut replay, played),
        }
    }

    /// The recorded run has no last report: what is known is shown as of the last event.
    fn report_end(&mut self, replay: &mut Replay, played: Played) -> anyhow::Result<Exit> {
        let name = &self.args.file;
        played.warn_of_end(name);
        if played.is_empty(replay) {
            bail!("nothing was recorded yet when {name:?} ended");
        }
        let (options, facts) = match played.newest {
            Some(moment) => (moment.options, read_facts(moment.facts)?),
            None => (SnapshotOptions::default(), unknown_facts()),
        };
        let facts = of_part(facts, replay);
        self.scope.is_before(replay.time())?;
        self.prepare(replay)?;
        let snapshot = replay.snapshot(None, &self.blocks(options));
        self.is_told(&snapshot)?;
        self.write(&snapshot, &facts, true)?;
        Ok(Exit::Degraded)
    }

    /// Makes the report of this moment; gives whether its figures are degraded.
    fn report(&mut self, replay: &mut Replay, moment: &Moment) -> anyhow::Result<bool> {
        let facts = of_part(read_facts(moment.facts.clone())?, replay);
        self.scope.is_before(moment.time)?;
        self.prepare(replay)?;
        let snapshot = replay.snapshot(Some(moment.time), &self.blocks(moment.options));
        self.is_told(&snapshot)?;
        Ok(self.write(&snapshot, &facts, moment.is_final)?)
    }

    /// Whether a page can be of the part that was typed.
    fn is_told(&self, snapshot: &Snapshot) -> anyhow::Result<()> {
        let is_page = self.args.from.is_some() && self.args.format() == Format::Html;
        match why_no_parts(snapshot).filter(|_| is_page) {
            Some(why) => bail!(
                "a page cannot be of a part of {:?}, {why}: leave --from out, or add another --format, such as svg",
                self.args.file
            ),
            None => Ok(()),
        }
    }

    /// Gives whether the figures are degraded.
    fn write(
        &mut self,
        snapshot: &Snapshot,
        facts: &TracerFacts,
        is_final: bool,
    ) -> Result<bool, OutputError> {
        let Self { reporting, symbolizer, names, .. } = self;
        let mut symbolizer = recorded_first(names, snapshot.time, symbolizer);
        reporting.write(snapshot, facts, is_final, &mut symbolizer).map(|(degraded, _)| degraded)
    }

    fn blocks(&self, recorded: SnapshotOptions) -> SnapshotOptions {
        wanted_blocks(self.args, recorded)
    }

    /// Learns what was recorded up to here of files and wishes.
    fn prepare(&mut self, replay: &mut Replay) -> anyhow::Result<()> {
        if let Some(wishes) = learn(replay, &mut self.symbolizer)? {
            self.reporting.wishes = wishes;
        }
        settle(self.args, &mut self.reporting.wishes.options);
        Ok(())
    }
}

/// What of a report was asked for now.
fn settle(args: &ReportArgs, options: &mut ReportOptions) {
    let usual = args.format().is_whole().then_some(0);
    // A view is of all stacks, and chooses itself what it shows of them.
    let typed = args.top.filter(|_| args.format().view().is_none());
    if let Some(top) = typed.or(usual) {
        options.top = usize::try_from(top).unwrap_or(usize::MAX);
    }
    if let Some(typed) = args.sort {
        options.sort = typed.into();
    }
    options.full |= args.full;
    options.full_names |= args.full_names;
    options.show_internals |= args.show_internals;
}

/// Which blocks are singled out: as the run did, or as is asked for now.
fn wanted_blocks(args: &ReportArgs, recorded: SnapshotOptions) -> SnapshotOptions {
    if !args.view.is_of_the_moment(scope::source(args)) {
        // What was done is told of all blocks.
        return SnapshotOptions { min_age: 0, min_size: 0, max_size: None, ..recorded };
    }
    let usual = args.format().is_whole().then_some(Duration::ZERO);
    let nanos = |age: Duration| u64::try_from(age.as_nanos()).unwrap_or(u64::MAX);
    SnapshotOptions {
        min_age: args.min_age.or(usual).map_or(recorded.min_age, nanos),
        min_size: args.min_size.unwrap_or(recorded.min_size),
        max_size: args.max_size.or(recorded.max_size),
        blocks_per_stack: recorded.blocks_per_stack,
    }
}

fn is_closed(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(OutputError::Closed))
}
