//! `memtrace report`: reports of a recording.

mod args;
mod at;
mod growth;
mod info;
mod scope;

pub use args::ReportArgs;
pub(super) use at::facts_at;

use super::exit::Exit;
use super::log::{self, Verbosity};
use super::output::{Destination, OutputError};
use super::plan;
use super::reporting::{ReportWishes, Reporting};
use super::terminal::stderr_color;
use super::view::{self, Shown};
use crate::engine::limits::Limits;
use crate::engine::snapshot::SnapshotOptions;
use crate::recording::{Ending, Moment, Reader, RecordingError, Replay};
use crate::report::TracerFacts;
use crate::symbolize::BlazeSymbolizer;
use anyhow::{Context as _, bail};
use jiff::Timestamp;
use scope::Scope;
use std::fs::File;
use std::io::BufReader;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

/// A recording that is read.
pub(super) type Input = Reader<BufReader<File>>;

/// Makes the reports, or tells what is in the recording.
///
/// # Errors
/// When the recording cannot be read, or is none; when a report cannot be written.
pub fn run(args: &ReportArgs) -> anyhow::Result<Exit> {
    log::init(Verbosity::Normal, stderr_color(args.color));
    let mut reader = open(&args.file)?;
    if args.info {
        return info::print(&args.file, &mut reader);
    }
    scope::check(args)?;
    let beside = view::Beside { top: args.top, sort: args.sort };
    let view = view::options(&args.view, args.format(), beside, scope::source(args))?;
    let name = plan::output(args.output.as_deref())?;
    let destination = Destination::of(name.as_ref(), args.format(), std::process::id())?;
    if args.view.view == Some(Shown::Growth) {
        return growth::write(args, &view.filter, destination);
    }
    let mut reporting = Reporting {
        destination,
        format: args.format(),
        color: args.color,
        view,
        wishes: ReportWishes::default(),
    };
    let scope = Scope::of(args, reporting.view.measure)?;
    reporting.view.stretch.from = scope.from.as_ref().map(|from| from.since_start);
    let mut reports =
        Reports { args, reporting, symbolizer: BlazeSymbolizer::new(), last: None, scope };
    match reports.scope.until.take() {
        Some(place) => reports.at(&place),
        None => reports.make(&mut reader),
    }
}

/// Opens a recording.
///
/// # Errors
/// When it cannot be opened, or is none.
pub(super) fn open(path: &Path) -> anyhow::Result<Input> {
    let file = File::open(path).with_context(|| format!("cannot open {path:?}"))?;
    Reader::new(BufReader::new(file)).with_context(|| format!("{path:?}"))
}

/// Room for as much as the largest run may have had.
pub(super) fn most() -> Limits {
    Limits { max_blocks: usize::MAX, max_stacks: usize::MAX, ..Limits::default() }
}

/// A report as it was made: the moment and what the snapshot held.
struct Reports<'a> {
    args: &'a ReportArgs,
    reporting: Reporting,
    symbolizer: BlazeSymbolizer,
    /// Which part of the recording they are of.
    scope: Scope,
    /// How the last report went.
    last: Option<Result<bool, anyhow::Error>>,
}

impl Reports<'_> {
    fn make(mut self, reader: &mut Input) -> anyhow::Result<Exit> {
        let mut replay = Replay::with_detail(most(), self.scope.detail);
        let mut newest: Option<Moment> = None;
        let ended = replay.play(reader, &mut |replay, moment| {
            // Without --all the final one is all that is asked for, and it is the last.
            if self.args.all || moment.is_final {
                let last = self.report(replay, &moment);
                let goes_on = last.is_ok();
                self.last = Some(last);
                if !goes_on {
                    return ControlFlow::Break(());
                }
            }
            newest = Some(moment);
            ControlFlow::Continue(())
        });
        match self.last.take() {
            Some(Err(error)) if is_closed(&error) => return Ok(Exit::Success),
            Some(Err(error)) => return Err(error),
            Some(Ok(degraded)) if newest.as_ref().is_some_and(|moment| moment.is_final) => {
                return Ok(if degraded { Exit::Degraded } else { Exit::Success });
            }
            _ => {}
        }
        self.report_end(&mut replay, newest, &ended)
    }

    /// The recorded run has no last report: what is known is shown as of the last event.
    fn report_end(
        &mut self,
        replay: &mut Replay,
        newest: Option<Moment>,
        ended: &Result<Option<Ending>, RecordingError>,
    ) -> anyhow::Result<Exit> {
        let name = &self.args.file;
        warn_of_end(name, ended);
        let (options, facts) = newest.map_or_else(
            || (SnapshotOptions::default(), unknown_facts()),
            |moment| (moment.options, moment.facts),
        );
        let facts: TracerFacts = read_facts(facts)?;
        if replay.records() == 0 && facts.sequence == 0 {
            bail!("nothing was recorded yet when {name:?} ended");
        }
        self.scope.is_before(replay.time())?;
        self.prepare(replay)?;
        let snapshot = replay.snapshot(None, &self.blocks(options));
        self.reporting.write(&snapshot, &facts, true, &mut self.symbolizer)?;
        Ok(Exit::Degraded)
    }

    /// Makes the report of this moment; gives whether its figures are degraded.
    fn report(&mut self, replay: &mut Replay, moment: &Moment) -> anyhow::Result<bool> {
        let facts = read_facts(moment.facts.clone())?;
        self.scope.is_before(moment.time)?;
        self.prepare(replay)?;
        let snapshot = replay.snapshot(Some(moment.time), &self.blocks(moment.options));
        let Self { reporting, symbolizer, .. } = self;
        let written = reporting.write(&snapshot, &facts, moment.is_final, symbolizer);
        Ok(written.map(|(degraded, _)| degraded)?)
    }

    /// Which blocks are singled out: as the run did, or as is asked for now.
    fn blocks(&self, recorded: SnapshotOptions) -> SnapshotOptions {
        let args = self.args;
        if !scope::is_of_the_moment(args) {
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

    /// Learns what was recorded up to here of files and wishes.
    fn prepare(&mut self, replay: &mut Replay) -> anyhow::Result<()> {
        for module in replay.take_modules() {
            self.symbolizer.register(module.id, module.path.clone());
        }
        if let Some(wishes) = replay.wishes() {
            let wishes = serde_json::from_value(wishes.clone());
            self.reporting.wishes = wishes.context("the recording's wishes make no sense")?;
        }
        let options = &mut self.reporting.wishes.options;
        let usual = self.args.format().is_whole().then_some(0);
        // A view is of all stacks, and chooses itself what it shows of them.
        let typed = self.args.top.filter(|_| self.args.format().view().is_none());
        if let Some(top) = typed.or(usual) {
            options.top = usize::try_from(top).unwrap_or(usize::MAX);
        }
        if let Some(typed) = self.args.sort {
            options.sort = typed.into();
        }
        options.full |= self.args.full;
        options.full_names |= self.args.full_names;
        options.show_internals |= self.args.show_internals;
        Ok(())
    }
}

/// Says why a recording has no last report.
pub(super) fn warn_of_end(name: &Path, ended: &Result<Option<Ending>, RecordingError>) {
    match ended {
        Ok(Some(Ending::Whole)) => tracing::warn!("{name:?} has no last report"),
        Ok(_) => {
            tracing::warn!("{name:?} ends before its run did: this is what it had until then");
        }
        Err(error) => tracing::warn!("{name:?}: {error}: this is what was there before"),
    }
}

fn is_closed(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(OutputError::Closed))
}

pub(super) fn read_facts(facts: serde_json::Value) -> anyhow::Result<TracerFacts> {
    serde_json::from_value(facts).context("the recording's figures of the tracer make no sense")
}

/// The tracer's own figures where none were recorded.
pub(super) fn unknown_facts() -> serde_json::Value {
    let facts = TracerFacts {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        time: Timestamp::UNIX_EPOCH,
        began: Timestamp::UNIX_EPOCH,
        ..TracerFacts::default()
    };
    serde_json::to_value(facts).unwrap_or_default()
}
