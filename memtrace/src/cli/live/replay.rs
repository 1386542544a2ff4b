//! A recording's reports, one after the other.

use super::LiveArgs;
use super::messages::{Update, WAITING};
use super::show::{Showing, Shown, Signals};
use crate::cli::aggregated;
use crate::cli::plan::SCREEN_TOP;
use crate::cli::recorded_names::{names_of, recorded_first};
use crate::cli::replaying::{
    Input, Played, learn, most, of_part, open, play, read_facts, unknown_facts,
};
use crate::engine::snapshot::{Snapshot, SnapshotOptions};
use crate::model::ids::Nanos;
use crate::recording::snapshots::{Plan, Shot, Snapshots};
use crate::recording::{Kind, Moment, Names, Replay};
use crate::report::ReportOptions;
use crate::screen::Look;
use crate::symbolize::BlazeSymbolizer;
use anyhow::Context as _;
use std::io::Read;
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
    let names = names_of(file);
    let signals = Signals::listen()?;
    let (sender, updates) = sync_channel(WAITING);
    let wishes = Chosen::new(args);
    let player = thread::Builder::new().name("memtrace-replay".to_owned());
    let player = player.spawn(move || {
        let mut played =
            Player { wishes, sender: sender.clone(), symbolizer: BlazeSymbolizer::new(), names };
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

    fn change(&self, recorded: &mut ReportOptions) {
        recorded.top = self.top.unwrap_or(SCREEN_TOP);
        recorded.full_names |= self.full_names;
        recorded.show_internals |= self.internals;
    }
}

struct Player {
    wishes: Chosen,
    sender: SyncSender<Update>,
    symbolizer: BlazeSymbolizer,
    names: Names,
}

impl Player {
    fn play(&mut self, mut input: Input) -> anyhow::Result<()> {
        if input.head().kind == Kind::Snapshots {
            return self.show_snapshots(Snapshots::new(input)?);
        }
        let mut replay = Replay::new(most());
        let played = play(&mut replay, &mut input, &mut |replay, moment| {
            self.report(replay, moment, Some(moment.time), moment.is_final)
        })?;
        self.end(&mut replay, played)
    }

    /// Shows the snapshots of an aggregated recording, one after the other.
    fn show_snapshots<R: Read>(&mut self, mut input: Snapshots<R>) -> anyhow::Result<()> {
        let mut is_whole = false;
        while input.goes_on() {
            let shot = input.shot()?;
            is_whole = shot.is_final;
            if self.show(&shot, input.plan())?.is_break() {
                return Ok(());
            }
        }
        let read = input.stopped();
        if input.count() == 0 {
            read?;
            anyhow::bail!("no snapshot was recorded yet when it ended");
        }
        let why = match read {
            _ if is_whole => "the recording is over".to_owned(),
            Ok(()) => "the recording ends before its run did".to_owned(),
            Err(error) => error.to_string(),
        };
        let _ = self.sender.send(Update::Ended(why));
        Ok(())
    }

    fn show(&mut self, shot: &Shot, plan: &Plan) -> anyhow::Result<ControlFlow<()>> {
        let mut wishes = aggregated::learn(shot, plan, &mut self.symbolizer)?;
        self.wishes.change(&mut wishes.options);
        let mut facts = aggregated::facts(shot)?;
        let mut snapshot = Snapshot::clone(&shot.snapshot);
        let blocks = self.wishes.blocks(shot.snapshot.options);
        // Where the run singled out others, those are shown: the report says which.
        let note = aggregated::single_out(&mut snapshot, &blocks).ok().flatten();
        facts.notes.extend(note.map(str::to_owned));
        let mut symbolizer = recorded_first(&self.names, snapshot.time, &mut self.symbolizer);
        let report = wishes.report(&snapshot, &facts, shot.is_final, &mut symbolizer);
        let sent = self.sender.send(Update::Report(Arc::new(report)));
        Ok(if sent.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    }

    /// Says how the recording ends, after a report of its end if the run made none.
    fn end(&mut self, replay: &mut Replay, played: Played) -> anyhow::Result<()> {
        let is_whole = played.is_whole();
        if played.is_empty(replay) {
            played.ended?;
            anyhow::bail!("nothing was recorded yet when it ended");
        }
        if !is_whole {
            let last = match played.newest {
                Some(newest) => newest,
                None => Moment {
                    time: 0,
                    options: SnapshotOptions::default(),
                    is_final: true,
                    facts: serde_json::to_value(unknown_facts())?,
                },
            };
            let _ = self.report(replay, &last, None, true)?;
        }
        let why = match played.ended {
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
        let mut wishes = learn(replay, &mut self.symbolizer)?.unwrap_or_default();
        self.wishes.change(&mut wishes.options);
        let facts = of_part(read_facts(moment.facts.clone())?, replay);
        let snapshot = replay.snapshot(time, &self.wishes.blocks(moment.options));
        let mut symbolizer = recorded_first(&self.names, snapshot.time, &mut self.symbolizer);
        let report = wishes.report(&snapshot, &facts, is_final, &mut symbolizer);
        let sent = self.sender.send(Update::Report(Arc::new(report)));
        Ok(if sent.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    }
}
