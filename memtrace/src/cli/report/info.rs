//! What is in a recording, and whether it is whole.

mod snapshots;

pub(super) use snapshots::print as print_snapshots;

use super::Input;
use crate::cli::exit::Exit;
use crate::cli::output::write_stdout;
use crate::model::ids::{Nanos, ProcessKey};
use crate::model::mark::MarkName;
use crate::recording::{Ending, Entry, Note, RecordingError, Told, exactly, time_of};
use crate::report::clean;
use crate::report::units::counted;
use jiff::Timestamp;
use std::collections::{HashSet, VecDeque};
use std::fmt::Write as _;
use std::path::Path;

/// Sums over all entries.
#[derive(Debug, Default)]
struct Sums {
    chunks: u64,
    records: u64,
    notes: u64,
    processes: HashSet<ProcessKey>,
    files: u64,
    reports: u64,
    from: Option<u64>,
    to: u64,
    /// The number of the file, where it goes on where another one ended.
    part: Option<u64>,
    /// Records of what lived when it began.
    carried: u64,
    /// When the first event was.
    first: Option<Nanos>,
    marks: u64,
    /// The latest ones, with their times after the start.
    listed: VecDeque<(String, Nanos)>,
}

/// Marks that are listed.
const MOST_LISTED: usize = 1000;

/// Reads all of it, which also checks it.
///
/// # Errors
/// When it is damaged, after saying what is there before.
pub(super) fn print(path: &Path, reader: &mut Input) -> anyhow::Result<Exit> {
    let began = i128::from(reader.head().began);
    let mut sums = Sums::default();
    let ended = sums.read(reader);
    let mut text = String::new();
    // A string takes everything.
    let _ = sums.tell(path, began, &ended, &mut text);
    write_stdout(text.as_bytes())?;
    Ok(match ended? {
        Ending::Whole => Exit::Success,
        Ending::Cut | Ending::Limit => Exit::Degraded,
    })
}

impl Sums {
    fn read(&mut self, reader: &mut Input) -> anyhow::Result<Ending> {
        while let Some(mut chunk) = reader.next_chunk()? {
            self.chunks += 1;
            if chunk.to > 0 {
                self.from = Some(self.from.map_or(chunk.from, |from| from.min(chunk.from)));
                self.to = self.to.max(chunk.to);
            }
            while let Some(entry) = chunk.next_entry()? {
                self.count(entry)?;
            }
        }
        Ok(reader.ending().unwrap_or(Ending::Cut))
    }

    /// # Errors
    /// Of a note that a report would stop at, too.
    fn count(&mut self, entry: Entry<'_>) -> Result<(), RecordingError> {
        if self.first.is_none() {
            self.first = time_of(entry);
        }
        let Entry::Note(note) = entry else {
            self.records += 1;
            return Ok(());
        };
        self.notes += 1;
        match Note::read(note).map_err(RecordingError::Senseless)? {
            Note::Moment(_) => self.reports += 1,
            Note::Continues { number, .. } => self.part = Some(number),
            Note::Event { process: 0, what: Told::CarriedOver, time, .. } => {
                self.carried = std::mem::take(&mut self.records);
                (self.from, self.to) = (Some(time), self.to.max(time));
            }
            Note::Event { what: Told::ModuleSeen(_), .. } => self.files += 1,
            Note::Event { what: Told::Named(name), time, .. } => self.mark(&name, time),
            Note::Event { what: Told::ProcessSeen(info) | Told::ProcessBegan(info), .. } => {
                self.processes.insert(info.key);
            }
            _ => {}
        }
        Ok(())
    }

    fn mark(&mut self, name: &MarkName, time: Nanos) {
        self.marks += 1;
        if self.listed.len() == MOST_LISTED {
            self.listed.pop_front();
        }
        let since = time.saturating_sub(self.first.unwrap_or(time));
        self.listed.push_back((clean(name.as_str()), since));
    }

    fn tell(
        &self,
        path: &Path,
        began: i128,
        ended: &anyhow::Result<Ending>,
        text: &mut String,
    ) -> std::fmt::Result {
        let state = match ended {
            Ok(Ending::Whole) => "whole".to_owned(),
            Ok(Ending::Cut) => "cut off: its run was killed, or the disk was full".to_owned(),
            Ok(Ending::Limit) => "full by --record-limit, and its run went on".to_owned(),
            Err(error) => error.to_string(),
        };
        let bytes = path.metadata().map_or(0, |about| about.len());
        let seconds = self.to.saturating_sub(self.from.unwrap_or(self.to)) as f64 / 1e9;
        let began = Timestamp::from_nanosecond(began).map(|time| time.to_string());
        let each = bytes as f64 / self.records.max(1) as f64;
        writeln!(text, "state      {state}")?;
        writeln!(text, "began      {}", began.as_deref().unwrap_or("not known"))?;
        if let Some(number) = self.part {
            let carried = counted(self.carried, "record");
            writeln!(
                text,
                "continues  file {number} of its run; {carried} of what lived when it began"
            )?;
        }
        writeln!(text, "events     {} over {seconds:.1} s", self.records)?;
        writeln!(text, "size       {bytes} bytes, {each:.1} per event, in {} parts", self.chunks)?;
        writeln!(text, "processes  {}", self.processes.len())?;
        writeln!(text, "files      {}", self.files)?;
        writeln!(text, "reports    {}", self.reports)?;
        writeln!(text, "marks      {}", self.marks)?;
        list_marks(self.marks, self.listed.iter(), text)
    }
}

/// Of so many marks the latest ones, with their times after the start.
fn list_marks<'a>(
    all: u64,
    mut listed: impl ExactSizeIterator<Item = &'a (String, Nanos)>,
    text: &mut String,
) -> std::fmt::Result {
    let unlisted = all.saturating_sub(listed.len() as u64);
    if unlisted > 0 {
        writeln!(text, "  {} not listed here", counted(unlisted, "earlier one"))?;
    }
    listed.try_for_each(|(name, since)| writeln!(text, "  {:>9}  {name}", exactly(*since)))
}
