//! What is in a recording of snapshots, and whether it is whole.

use super::{MOST_LISTED, list_marks};
use crate::cli::aggregated::Input;
use crate::cli::exit::Exit;
use crate::cli::output::write_stdout;
use crate::engine::snapshot::Marked;
use crate::model::ids::{Nanos, SECOND};
use crate::recording::snapshots::{Brief, Plan, Thinned};
use crate::recording::{Ending, RecordingError, exactly};
use crate::report::clean;
use crate::report::units::{counted, span};
use jiff::Timestamp;
use std::fmt::Write as _;
use std::path::Path;

/// Sums over all snapshots.
#[derive(Debug, Default)]
struct Sums {
    snapshots: u64,
    reports: u64,
    first: Option<Brief>,
    last: Option<Brief>,
    peak: Option<Brief>,
    /// The longest time between two.
    widest: Nanos,
    processes: usize,
    files: usize,
    marks: Vec<Marked>,
    dropped_marks: u64,
}

/// Reads all of it, which also checks it.
///
/// # Errors
/// When it is damaged, after saying what is there before.
pub(in crate::cli::report) fn print(path: &Path, input: &mut Input) -> anyhow::Result<Exit> {
    let began = i128::from(input.head().began);
    let mut sums = Sums::default();
    let ended = sums.read(input);
    let mut text = String::new();
    // A string takes everything.
    let _ = sums.tell(path, began, input.plan(), &ended, &mut text);
    write_stdout(text.as_bytes())?;
    Ok(match ended? {
        Ending::Whole => Exit::Success,
        Ending::Cut | Ending::Limit => Exit::Degraded,
    })
}

impl Sums {
    fn read(&mut self, input: &mut Input) -> Result<Ending, RecordingError> {
        while input.advance()? {
            let brief = input.brief()?;
            self.snapshots += 1;
            self.reports += u64::from(brief.is_report);
            self.first.get_or_insert(brief);
            if let Some(last) = &self.last {
                self.widest = self.widest.max(brief.time.saturating_sub(last.time));
            }
            if self.peak.is_none_or(|peak| brief.live_bytes > peak.live_bytes) {
                self.peak = Some(brief);
            }
            self.last = Some(brief);
        }
        if self.snapshots > 0 {
            let shot = input.shot()?;
            self.processes = shot.snapshot.processes.len();
            self.files = shot.snapshot.modules.len();
            self.marks.clone_from(&shot.snapshot.marks);
            self.dropped_marks = shot.snapshot.dropped_marks;
        }
        Ok(input.ending().unwrap_or(Ending::Cut))
    }

    fn tell(
        &self,
        path: &Path,
        began: i128,
        plan: &Plan,
        ended: &Result<Ending, RecordingError>,
        text: &mut String,
    ) -> std::fmt::Result {
        let state = match ended {
            Ok(Ending::Whole) => "whole".to_owned(),
            Ok(Ending::Cut | Ending::Limit) => {
                "cut off: its run was killed, goes on, or could not write".to_owned()
            }
            Err(error) => error.to_string(),
        };
        let bytes = path.metadata().map_or(0, |about| about.len());
        let each = bytes / self.snapshots.max(1);
        let began = Timestamp::from_nanosecond(began).map(|time| time.to_string());
        let since = |brief: &Brief| brief.time.saturating_sub(brief.began);
        writeln!(text, "state      {state}")?;
        writeln!(text, "began      {}", began.as_deref().unwrap_or("not known"))?;
        writeln!(
            text,
            "kind       aggregated: a snapshot every {}, no single events",
            span(plan.every)
        )?;
        let spanned = self.last.as_ref().map_or(0, since) as f64 / SECOND as f64;
        writeln!(
            text,
            "snapshots  {} over {spanned:.1} s, of reports {}",
            self.snapshots, self.reports
        )?;
        if let Some(first) = &self.first {
            let widest = exactly(self.widest);
            writeln!(
                text,
                "           the first {} after the start, at most {widest} apart",
                exactly(since(first))
            )?;
        }
        tell_thinned(&plan.thinned, self.last.as_ref(), text)?;
        writeln!(text, "size       {bytes} bytes of at most {}, {each} per snapshot", plan.limit)?;
        if let Some(peak) = &self.peak {
            writeln!(
                text,
                "peak       {} live bytes, {} after the start",
                peak.live_bytes,
                exactly(since(peak))
            )?;
        }
        writeln!(text, "processes  {} in the last snapshot", self.processes)?;
        writeln!(text, "files      {}", self.files)?;
        self.tell_marks(text)
    }

    fn tell_marks(&self, text: &mut String) -> std::fmt::Result {
        let all = self.marks.len() as u64 + self.dropped_marks;
        writeln!(text, "marks      {all}")?;
        let latest = self.marks.iter().rev().take(MOST_LISTED).rev();
        let began = self.first.map_or(0, |first| first.began);
        let listed: Vec<_> = latest
            .map(|mark| (clean(mark.name.as_str()), mark.time.saturating_sub(began)))
            .collect();
        list_marks(all, listed.iter(), text)
    }
}

fn tell_thinned(thinned: &Thinned, last: Option<&Brief>, text: &mut String) -> std::fmt::Result {
    if thinned.times == 0 {
        return Ok(());
    }
    let times = counted(thinned.times, "time");
    let whole = last.map_or(0, |last| thinned.whole_from.saturating_sub(last.began));
    writeln!(
        text,
        "thinned    {times}: {} left out, one in each {} is kept up to {} after the start, and all from there on",
        counted(thinned.dropped, "snapshot"),
        span(thinned.spacing),
        exactly(whole)
    )?;
    if thinned.dropped_marks > 0 {
        writeln!(text, "           of them {} of marks", thinned.dropped_marks)?;
    }
    Ok(())
}
