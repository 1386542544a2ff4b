//! Where in a recording a moment is: at a mark, or so long after its start.

use super::read_ahead::each_entry;
use super::{Entry, Moment, Note, Reader, RecordingError, Told};
use crate::engine::decode::decode;
use crate::model::ids::Nanos;
use crate::model::mark::MarkName;
use std::collections::VecDeque;
use std::fmt;
use std::io::Read;
use std::ops::ControlFlow;

/// Marks that a message lists.
const MOST_LISTED: usize = 20;

/// The moment that is asked for. What reads as either is the mark's name, if there is such a mark.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// A mark's name.
    pub name: Option<MarkName>,
    /// How long after the first event.
    pub since_start: Option<Nanos>,
}

/// A moment's place.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// The number of the last entry that counts, from 0. Records before it count if they are not later than
    /// [`Self::time`].
    pub entry: u64,
    /// The moment, on the events' clock.
    pub time: Nanos,
    /// How long that is after the first event.
    pub since_start: Nanos,
    /// What was recorded of the tracer nearest to it: at a mark that of the mark; else the latest before, or the
    /// first one after.
    pub nearest: Option<Moment>,
}

/// Marks as a message lists them: the latest ones, with their times.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    marks: VecDeque<(String, Nanos)>,
    others: u64,
}

/// Why there is no such moment.
#[derive(Debug, thiserror::Error)]
pub enum LocateError {
    /// The recording cannot be read that far.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// There is no such mark, and it is no time either.
    #[error(
        "there is no mark `{wanted}` in it, and that is no time after its start such as 90s: it has {marks}"
    )]
    NoSuchMark {
        /// What was asked for.
        wanted: String,
        /// What there is.
        marks: Listed,
    },
    /// Several have the name.
    #[error("several of its marks are called `{wanted}`: say which by its time, {marks}")]
    Several {
        /// What was asked for.
        wanted: String,
        /// Those that have it.
        marks: Listed,
    },
    /// It had ended before.
    #[error("it ends {} after its start", exactly(*.0))]
    Ended(Nanos),
    /// It has no events.
    #[error("nothing was recorded")]
    Empty,
}

impl Listed {
    fn add(&mut self, name: &str, since_start: Nanos) {
        if self.marks.len() == MOST_LISTED {
            self.marks.pop_front();
            self.others += 1;
        }
        self.marks.push_back((name.to_owned(), since_start));
    }
}

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.marks.is_empty() {
            return f.write_str("no marks");
        }
        let words = self.marks.iter().map(|(name, time)| format!("`{name}` ({})", exactly(*time)));
        f.write_str(&words.collect::<Vec<_>>().join(", "))?;
        if self.others > 0 { write!(f, " and {} earlier ones", self.others) } else { Ok(()) }
    }
}

/// A time after the start, such that it is not before it when it is typed.
#[must_use]
pub fn exactly(since_start: Nanos) -> String {
    let millis = since_start.div_ceil(1_000_000);
    format!("{}.{:03}s", millis / 1000, millis % 1000)
}

/// When an entry's event was; `None` of what is none.
#[must_use]
pub fn time_of(entry: Entry<'_>) -> Option<Nanos> {
    match entry {
        Entry::Record(record) => decode(record).ok().map(|event| event.time),
        Entry::Note(note) => match Note::read(note) {
            Ok(Note::Event { time, .. }) => Some(time),
            _ => None,
        },
    }
}

/// Reads a recording through and finds the moment.
///
/// # Errors
/// When there is none, or it cannot be read up to there.
pub fn locate<R: Read + Send>(
    reader: &mut Reader<R>,
    wanted: &Wanted,
) -> Result<Place, LocateError> {
    let mut search = Search::new(wanted);
    let read = search.read(reader);
    search.found(read)
}

/// What was seen of the recording until now.
struct Search<'a> {
    wanted: &'a Wanted,
    /// Of the entry that comes next.
    number: u64,
    began: Option<Nanos>,
    last: Nanos,
    marks: Listed,
    named: Listed,
    /// The first mark of the name, and what was recorded of the tracer there.
    mark: Option<(u64, Nanos)>,
    at_mark: Option<Moment>,
    /// The last entry that is not later than the time.
    until: Option<u64>,
    before: Option<Moment>,
    after: Option<Moment>,
}

impl<'a> Search<'a> {
    fn new(wanted: &'a Wanted) -> Self {
        Self {
            wanted,
            number: 0,
            began: None,
            last: 0,
            marks: Listed::default(),
            named: Listed::default(),
            mark: None,
            at_mark: None,
            until: None,
            before: None,
            after: None,
        }
    }

    fn read<R: Read + Send>(&mut self, reader: &mut Reader<R>) -> Result<(), RecordingError> {
        each_entry(reader, &mut |entry| {
            self.take(entry)?;
            self.number += 1;
            Ok(ControlFlow::Continue(()))
        })
        .map(|_| ())
    }

    fn take(&mut self, entry: Entry<'_>) -> Result<(), &'static str> {
        match entry {
            Entry::Record(_) => {
                if let Some(time) = time_of(entry) {
                    self.event(time);
                }
            }
            Entry::Note(note) => match Note::read(note)? {
                Note::Event { time, what, .. } => {
                    self.event(time);
                    if let Told::Named(name) = what {
                        self.mark(&name, time);
                    }
                }
                Note::Moment(moment) => self.moment(*moment),
                Note::Marked(moment) => {
                    // It follows its mark.
                    if self.at_mark.is_none()
                        && self.mark.is_some_and(|(_, time)| time == moment.time)
                    {
                        self.at_mark = Some((*moment).clone());
                    }
                    self.moment(*moment);
                }
                _ => {}
            },
        }
        Ok(())
    }

    fn event(&mut self, time: Nanos) {
        let began = *self.began.get_or_insert(time);
        self.last = self.last.max(time);
        if self.wanted.since_start.is_some_and(|since| time <= began.saturating_add(since)) {
            self.until = Some(self.number);
        }
    }

    fn mark(&mut self, name: &MarkName, time: Nanos) {
        let since = time.saturating_sub(self.began.unwrap_or(time));
        self.marks.add(name.as_str(), since);
        if self.wanted.name.as_ref() == Some(name) {
            self.named.add(name.as_str(), since);
            self.mark.get_or_insert((self.number, time));
        }
    }

    fn moment(&mut self, moment: Moment) {
        let Some((began, since)) = self.began.zip(self.wanted.since_start) else { return };
        if moment.time <= began.saturating_add(since) {
            self.before = Some(moment);
        } else {
            self.after.get_or_insert(moment);
        }
    }

    /// `read` is how reading it went: what is before the place is good, whatever comes later.
    fn found(self, read: Result<(), RecordingError>) -> Result<Place, LocateError> {
        let name = || self.wanted.name.as_ref().map_or_else(String::new, MarkName::to_string);
        if self.named.marks.len() > 1 {
            return Err(LocateError::Several { wanted: name(), marks: self.named });
        }
        let Some(began) = self.began else {
            read?;
            return Err(LocateError::Empty);
        };
        if let Some((entry, time)) = self.mark {
            let since_start = time.saturating_sub(began);
            return Ok(Place { entry, time, since_start, nearest: self.at_mark });
        }
        let Some((since_start, entry)) = self.wanted.since_start.zip(self.until) else {
            read?;
            return Err(LocateError::NoSuchMark { wanted: name(), marks: self.marks });
        };
        let time = began.saturating_add(since_start);
        if time > self.last {
            read?;
            return Err(LocateError::Ended(self.last.saturating_sub(began)));
        }
        Ok(Place { entry, time, since_start, nearest: self.before.or(self.after) })
    }
}

#[cfg(test)]
mod tests;
