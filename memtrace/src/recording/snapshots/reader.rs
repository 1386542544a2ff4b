//! A file → snapshots. The file may be anybody's: nothing in it makes a reader take more than a few times
//! [`MOST_STATE`].

use super::delta::{MOST_STATE, applied};
use super::state::{About, State};
use super::words::WordsError;
use super::{Plan, Shot};
use crate::model::ids::Nanos;
use crate::recording::layout::{Content, Kind};
use crate::recording::{Ending, Head, Reader, RecordingError};
use std::io::Read;

/// Most snapshots of a file that are read: at one a second those of ten years.
const MOST_SNAPSHOTS: u64 = 1 << 28;

/// What a snapshot is chosen by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Brief {
    /// Its moment.
    pub time: Nanos,
    /// When tracing began.
    pub began: Nanos,
    /// See [`Shot`], and the next two.
    pub is_final: bool,
    /// See [`Shot`].
    pub is_report: bool,
    /// See [`Shot`].
    pub is_mark: bool,
    /// Live bytes of the heaps of all processes that ran.
    pub live_bytes: u64,
}

/// Reads a recording of snapshots, oldest first.
pub struct Snapshots<R> {
    reader: Reader<R>,
    plan: Plan,
    state: State,
    /// Where the latest snapshot is in the file.
    offset: u64,
    count: u64,
    /// Why reading stopped, if it was not the end.
    failed: Option<RecordingError>,
}

impl<R> std::fmt::Debug for Snapshots<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshots").field("count", &self.count).finish_non_exhaustive()
    }
}

impl<R: Read> Snapshots<R> {
    /// Begins to read.
    ///
    /// # Errors
    /// When it is none of snapshots, or is damaged at its beginning.
    pub fn new(mut reader: Reader<R>) -> Result<Self, RecordingError> {
        if reader.head().kind != Kind::Snapshots {
            return Err(RecordingError::Foreign);
        }
        let offset = reader.offset();
        let damaged = |what| RecordingError::Damaged { offset, what };
        let plan = match reader.next_content()? {
            Some((head, bytes)) if head.content == Content::Plan => {
                serde_json::from_slice(bytes).map_err(|_| damaged("a plan that makes no sense"))?
            }
            // Whoever wrote it had no time for more.
            None => Plan::default(),
            Some(_) => return Err(damaged("snapshots without a plan")),
        };
        Ok(Self { reader, plan, state: State::default(), offset, count: 0, failed: None })
    }

    /// How the file began.
    pub const fn head(&self) -> Head {
        self.reader.head()
    }

    /// How snapshots were recorded.
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// How it ended; `None` before that was read.
    pub const fn ending(&self) -> Option<Ending> {
        self.reader.ending()
    }

    /// Snapshots so far.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Goes on to the next snapshot; false at the end, where the latest one stays.
    ///
    /// # Errors
    /// When the file cannot be read, or is damaged: the snapshots before are good.
    pub fn advance(&mut self) -> Result<bool, RecordingError> {
        let offset = self.reader.offset();
        let Some(delta) = self.delta()? else { return Ok(false) };
        let damaged = |what| RecordingError::Damaged { offset, what };
        if self.count == MOST_SNAPSHOTS {
            return Err(damaged("more snapshots than any file has"));
        }
        self.state = applied(&self.state, &delta).map_err(damaged)?;
        self.offset = offset;
        self.count += 1;
        Ok(true)
    }

    /// As [`Self::advance`], and false where it fails: what was read before is good whatever comes later, and
    /// [`Self::stopped`] tells why.
    pub fn goes_on(&mut self) -> bool {
        self.failed.is_none()
            && self.advance().unwrap_or_else(|error| {
                self.failed = Some(error);
                false
            })
    }

    /// Why there are no more snapshots.
    ///
    /// # Errors
    /// When it was not the end of the file.
    pub fn stopped(&mut self) -> Result<(), RecordingError> {
        self.failed.take().map_or(Ok(()), Err)
    }

    /// All parts of the next snapshot.
    fn delta(&mut self) -> Result<Option<Vec<u8>>, RecordingError> {
        let mut delta = Vec::new();
        let mut left = None;
        loop {
            let offset = self.reader.offset();
            let damaged = |what| RecordingError::Damaged { offset, what };
            let Some((head, bytes)) = self.reader.next_content()? else { return Ok(None) };
            match head.content {
                Content::Snapshot => {}
                Content::Names if left.is_none() => continue,
                _ => return Err(damaged("a chunk that does not belong here")),
            }
            if left.is_some_and(|left| head.entries != left) {
                return Err(damaged("a part of a snapshot is missing"));
            }
            if delta.len() + bytes.len() > MOST_STATE {
                return Err(damaged("a snapshot that is larger than any that was written"));
            }
            delta.extend_from_slice(bytes);
            match head.entries.checked_sub(1) {
                None => return Ok(Some(delta)),
                next => left = next,
            }
        }
    }

    /// The latest snapshot, to be kept while others are read: of what is the same in both there is one copy.
    pub fn held(&self) -> Held {
        Held { state: self.state.clone(), offset: self.offset }
    }

    /// See [`Held::brief`].
    ///
    /// # Errors
    /// When its rows make no sense.
    pub fn brief(&self) -> Result<Brief, RecordingError> {
        brief(&self.state, self.offset)
    }

    /// See [`Held::shot`].
    ///
    /// # Errors
    /// When its rows make no sense.
    pub fn shot(&self) -> Result<Shot, RecordingError> {
        shot(&self.state, self.offset)
    }

    pub(super) const fn state(&self) -> &State {
        &self.state
    }
}

/// A snapshot that was read.
#[derive(Clone, Debug)]
pub struct Held {
    state: State,
    /// Where it is in the file.
    offset: u64,
}

impl Held {
    /// Bytes that it takes beside another one, with which it may have rows in common.
    #[must_use]
    pub fn bytes_beside(&self, other: Option<&Self>) -> usize {
        other.map_or_else(|| self.state.bytes(), |other| self.state.bytes_beside(&other.state))
    }

    /// What it is.
    ///
    /// # Errors
    /// When its rows make no sense.
    pub fn brief(&self) -> Result<Brief, RecordingError> {
        brief(&self.state, self.offset)
    }

    /// All of it.
    ///
    /// # Errors
    /// When its rows make no sense.
    pub fn shot(&self) -> Result<Shot, RecordingError> {
        shot(&self.state, self.offset)
    }
}

fn brief(state: &State, offset: u64) -> Result<Brief, RecordingError> {
    let (about, snapshot) = state.head().map_err(|error| damaged(offset, error))?;
    let About { is_final, is_report, is_mark } = about;
    let live_bytes = state.live_bytes().map_err(|error| damaged(offset, error))?;
    let (time, began) = (snapshot.time, snapshot.began);
    Ok(Brief { time, began, is_final, is_report, is_mark, live_bytes })
}

fn shot(state: &State, offset: u64) -> Result<Shot, RecordingError> {
    state.shot().map_err(|error| damaged(offset, error))
}

const fn damaged(offset: u64, WordsError(what): WordsError) -> RecordingError {
    RecordingError::Damaged { offset, what }
}
