//! A recording's reports, one after the other.

use super::LiveArgs;
use super::messages::{Update, WAITING};
use super::show::{Showing, Shown, Signals};
use crate::cli::plan::SCREEN_TOP;
use crate::cli::report::{Input, most, open, read_facts, unknown_facts};
use crate::cli::reporting::ReportWishes;
use crate::engine::snapshot::SnapshotOptions;
use crate::model::ids::Nanos;
use crate::recording::{Ending, Moment, RecordingError, Replay};
use crate::report::{ReportOptions, resolve};
use crate::screen::Look;
use crate::symbolize::BlazeSymbolizer;
use anyhow::Context as _;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

/// Shows the reports of a recording.
///
/// # Errors
/// When it cannot be read, or the terminal not be used.
pub(super) fn run(file: &Path, args: &LiveArgs, look: Look) -> anyhow::Result<Shown> {
    let input = open(file)?;
    let signals = Signals::listen()?;
    let (sender, updates) = sync_channel(WAITING);
    let wishes = Chosen::new(args);
    let player = thread::Builder::new().name("memtrace-replay".to_owned());
    let player = player.spawn(move || {
        let mut played =
            Player { wishes, sender: sender.clone(), symbolizer: BlazeSymbolizer::new() };
        let outcome = played.play(input);
        let last = if outcome.is_ok() { None } else { Some(Update::Failed) };
        // The screen may have been left.
        let _ = last.map_or(Ok(()), |last| sender.send(last));
        outcome
    });
    let player = player.context("cannot start a thread for the recording")?;
    let shown = Showing::begin(updates, look, signals.clone(), ())?.wait();
    if signals.came() {
        return shown;
    }
    // It has nobody to play to any more, and ends after the report that it makes.
    let played = player.join();
    let shown = shown?;
    match played {
        Ok(outcome) => outcome.with_context(|| format!("{file:?}"))?,
        Err(_) => anyhow::bail!("reading {file:?} failed in an unforeseen way; please report this"),
    }
    Ok(shown)
}

/// What was typed that holds for reports, too.
struct Chosen {
    top: Option<usize>,
    min_age: Nanos,
    min_size: Option<u64>,
    max_size: Option<u64>,
    full_names: bool,
    internals: bool,
}

impl Chosen {
    fn new(args: &LiveArgs) -> Self {
        let trace = &args.trace;
        let min_age = trace.min_age.unwrap_or(Duration::ZERO).as_nanos();
        Self {
            top: trace.top.map(|top| usize::try_from(top).unwrap_or(usize::MAX)),
            min_age: Nanos::try_from(min_age).unwrap_or(Nanos::MAX),
            min_size: trace.min_size,
            max_size: trace.max_size,
            full_names: trace.full_names,
            internals: trace.show_internals,
        }
    }

    fn blocks(&self, recorded: SnapshotOptions) -> SnapshotOptions {
        SnapshotOptions {
            min_age: self.min_age,
            min_size: self.min_size.unwrap_or(recorded.min_size),
            max_size: self.max_size.or(recorded.max_size),
            ..recorded
        }
    }

    fn options(&self, recorded: &ReportOptions, is_final: bool) -> ReportOptions {
        ReportOptions {
            top: self.top.unwrap_or(SCREEN_TOP),
            full_names: recorded.full_names || self.full_names,
            show_internals: recorded.show_internals || self.internals,
            is_final,
            ..recorded.clone()
        }
    }
}

struct Player {
    wishes: Chosen,
    sender: SyncSender<Update>,
    symbolizer: BlazeSymbolizer,
}

impl Player {
    fn play(&mut self, mut input: Input) -> anyhow::Result<()> {
        let mut replay = Replay::new(most());
        let mut failure = None;
        let mut newest: Option<Moment> = None;
        let ended = replay.play(&mut input, &mut |replay, moment| {
            let step = self.report(replay, &moment, Some(moment.time), moment.is_final);
            newest = Some(moment);
            match step {
                Ok(step) => step,
                Err(error) => {
                    failure = Some(error);
                    ControlFlow::Break(())
                }
            }
        });
        match failure {
            Some(error) => Err(error),
            None => self.end(&mut replay, newest, ended),
        }
    }

    /// Says how the recording ends, after a report of its end if the run made none.
    fn end(
        &mut self,
        replay: &mut Replay,
        newest: Option<Moment>,
        ended: Result<Option<Ending>, RecordingError>,
    ) -> anyhow::Result<()> {
        let is_whole = newest.as_ref().is_some_and(|moment| moment.is_final);
        if !is_whole && replay.records() == 0 && newest.is_none() {
            ended?;
            anyhow::bail!("nothing was recorded yet when it ended");
        }
        if !is_whole {
            let options = SnapshotOptions::default();
            let last = newest.unwrap_or(Moment {
                time: 0,
                options,
                is_final: true,
                facts: unknown_facts(),
            });
            let _ = self.report(replay, &last, None, true)?;
        }
        let why = match ended {
            _ if is_whole => "the recording is over".to_owned(),
            Ok(_) => "the recording ends before its run did".to_owned(),
            Err(error) => error.to_string(),
        };
        let _ = self.sender.send(Update::Ended(why));
        Ok(())
    }

    /// Makes a report and waits until the screen has room for it.
    fn report(
        &mut self,
        replay: &mut Replay,
        moment: &Moment,
        time: Option<Nanos>,
        is_final: bool,
    ) -> anyhow::Result<ControlFlow<()>> {
        for module in replay.take_modules() {
            self.symbolizer.register(module.id, module.path.clone());
        }
        let recorded = replay.wishes().map(|wishes| serde_json::from_value(wishes.clone()));
        let recorded: Option<ReportWishes> =
            recorded.transpose().context("the recording's wishes make no sense")?;
        let recorded = recorded.unwrap_or_default();
        let facts = read_facts(moment.facts.clone())?;
        let blocks = self.wishes.blocks(moment.options);
        let snapshot = replay.snapshot(time, &blocks);
        let options = self.wishes.options(&recorded.options, is_final);
        let mut report = resolve(&snapshot, &mut self.symbolizer, &options, &facts);
        if let Some(command) = &recorded.command {
            command.tell(&mut report);
        }
        let sent = self.sender.send(Update::Report(Arc::new(report)));
        Ok(if sent.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    }
}
