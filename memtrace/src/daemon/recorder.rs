//! A recording that is being made. When it cannot be written any more tracing goes on without it, and says so.

use super::heard::{Heard, Known};
use crate::engine::encode::encode;
use crate::model::event::Event;
use crate::model::ids::Nanos;
use crate::recording::{Entry, Head, Note, RecordingError, Writer};
use jiff::Timestamp;
use std::collections::VecDeque;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Makes a later file of a recording, from the name of the first and the number.
pub type NextFile = fn(&Path, u64) -> Result<(PathBuf, File), String>;

/// Where everything is recorded.
#[derive(Debug)]
pub struct Recording {
    /// The file's name, for people.
    pub path: PathBuf,
    /// New and empty.
    pub file: File,
    /// What the user wants to see, for those who read it.
    pub wishes: serde_json::Value,
    /// Most bytes of a file; `None`: any number.
    pub limit: Option<u64>,
    /// Most files: when one is full, or nearly, the next begins, and the oldest goes; 1: recording ends with the first.
    pub files: u32,
    /// Makes the file with this number, new and empty, beside the first. The error is one line for people.
    pub next: NextFile,
    /// Snapshots are recorded so often, instead of events.
    pub every: Option<Duration>,
}

/// Bytes that are left of a file that is nearly full. What is taken in at once takes a third of that as a rule.
const NEARLY_FULL: u64 = 1 << 20;

/// What became of something that was to be recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Recorded {
    /// It is in the file, or will be with the next checkpoint; or nothing is recorded any more.
    Done,
    /// It is not, as the file may become no larger. All before is.
    Full,
}

/// See the file's head.
pub(super) struct Recorder {
    /// As in [`Recording`], and the next four.
    path: PathBuf,
    wishes: serde_json::Value,
    limit: Option<u64>,
    files: u32,
    next: NextFile,
    /// The file that is written, and those before it that are kept, oldest first: names and identities.
    kept: VecDeque<(PathBuf, Option<(u64, u64)>)>,
    /// Of the file that is written, from 0.
    number: u64,
    /// Names that the file has.
    known: Known,
    /// `None` after its end.
    writer: Option<Writer<File>>,
    failure: Option<String>,
    /// Why nothing more is recorded, as was wished.
    stop: Option<String>,
}

impl Recorder {
    pub(super) fn new(recording: Recording) -> Self {
        let Recording { path, file, wishes, limit, files, next, .. } = recording;
        let mut recorder = Self {
            path: path.clone(),
            wishes: wishes.clone(),
            limit,
            files,
            next,
            kept: VecDeque::new(),
            number: 0,
            known: Known::default(),
            writer: None,
            failure: None,
            stop: None,
        };
        recorder.open(path, file);
        // The smallest file has room for that.
        let _ = recorder.note(&Note::Wishes(wishes));
        recorder
    }

    /// Adds a record of the ring.
    #[inline]
    pub(super) fn record(&mut self, record: &[u8]) -> Recorded {
        self.push(Entry::Record(record))
    }

    /// Adds what does not come through the ring.
    pub(super) fn note(&mut self, note: &Note) -> Recorded {
        match note.bytes() {
            Ok(bytes) => self.push(Entry::Note(&bytes)),
            Err(error) => {
                self.fail(&RecordingError::Write(error.into()));
                Recorded::Done
            }
        }
    }

    /// Adds what the report of a moment was told of generated code, as far as the file has it not.
    pub(super) fn names(&mut self, time: Nanos, heard: &Heard) -> Recorded {
        let (Some(writer), Some(learnt)) = (&mut self.writer, self.known.new_of(time, heard))
        else {
            return Recorded::Done;
        };
        // More than a chunk takes would be millions of names.
        let Some(bytes) = learnt.bytes() else { return Recorded::Done };
        match writer.push_names(&bytes) {
            Ok(()) => self.known.add(learnt),
            Err(RecordingError::Full) => return Recorded::Full,
            Err(error) => self.fail(&error),
        }
        Recorded::Done
    }

    /// Adds an event of our own making.
    pub(super) fn event(&mut self, event: &Event<'_>) -> Recorded {
        if let Some(note) = Note::of(event) {
            return self.note(&note);
        }
        let mut record = Vec::new();
        encode(event, &mut record);
        self.record(&record)
    }

    /// Whether the file is nearly full, where another one follows: that is best begun between two events. It begins
    /// before one that has no room all the same.
    pub(super) fn wants_next(&mut self) -> bool {
        let Some(limit) = self.limit.filter(|_| self.files > 1) else { return false };
        let reserve = (limit / 8).min(NEARLY_FULL);
        let is_nearly_full = |writer: &Writer<File>| writer.at_most() > limit - reserve;
        if !self.writer.as_ref().is_some_and(is_nearly_full) {
            return false;
        }
        // Compressed it may be a fraction of that. Where it is little already no more is to be had.
        if self.writer.as_ref().is_some_and(|writer| writer.waiting() >= reserve) {
            self.checkpoint();
        }
        self.writer.as_ref().is_some_and(is_nearly_full)
    }

    /// Begins the next file, or ends the recording, as is wished; gives whether there is one. What it begins with is
    /// to be told, and then [`Self::has_begun`].
    pub(super) fn begin_next(&mut self) -> bool {
        let Some(writer) = self.writer.take() else { return false };
        if let Err(error) = writer.finish_at_limit() {
            self.fail(&error);
            return false;
        }
        if self.files < 2 {
            let limit = self.limit.unwrap_or_default();
            let path = &self.path;
            self.end_with(format!(
                "{path:?} has the {limit} bytes of --record-limit: it is recorded no further, and can be read up to \
                 here; --record-files begins further files"
            ));
            return false;
        }
        match (self.next)(&self.path, self.number + 1) {
            Ok((path, file)) => {
                self.number += 1;
                self.known.clear();
                self.open(path, file);
            }
            Err(reason) => {
                self.failure = Some(format!("nothing more is recorded: {reason}"));
                self.warn_of_failure();
                return false;
            }
        }
        let begin = Note::Continues { number: self.number, began: now() };
        let wishes = Note::Wishes(self.wishes.clone());
        self.writer.is_some()
            && self.note(&begin) == Recorded::Done
            && self.note(&wishes) == Recorded::Done
    }

    /// All was told that the file begins with, or had no room: then recording ends, as most files would hold little
    /// else. Gives whether it goes on.
    pub(super) fn has_begun(&mut self, is_whole: bool) -> bool {
        let limit = self.limit.unwrap_or(u64::MAX);
        self.checkpoint();
        let Some(writer) = &self.writer else { return false };
        if !is_whole || writer.written() > limit / 2 {
            self.writer = None;
            if let Some((path, identity)) = self.kept.pop_back() {
                remove(&path, identity);
            }
            self.end_with(format!(
                "what lives takes more than half of the {limit} bytes of --record-limit, and each file begins with it: \
                 nothing more is recorded; give a larger limit"
            ));
            return false;
        }
        while self.kept.len() > self.files as usize
            && let Some((path, identity)) = self.kept.pop_front()
        {
            remove(&path, identity);
        }
        true
    }

    /// Writes what was added.
    pub(super) fn checkpoint(&mut self) {
        if let Some(writer) = &mut self.writer
            && let Err(error) = writer.checkpoint()
        {
            self.fail(&error);
        }
    }

    /// Writes what was added, and that this is all.
    pub(super) fn end(&mut self) {
        if let Some(Err(error)) = self.writer.take().map(Writer::finish) {
            self.fail(&error);
        }
    }

    /// Why it is not whole, if so.
    pub(super) fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// Why it goes no further, where that is as was wished.
    pub(super) fn stop(&self) -> Option<&str> {
        self.stop.as_deref()
    }

    fn open(&mut self, path: PathBuf, file: File) {
        let identity = file.metadata().ok().map(|about| (about.dev(), about.ino()));
        self.kept.push_back((path, identity));
        match Writer::new(file, Head { began: now(), ..Head::default() }) {
            Ok(writer) => {
                let limit = self.limit.unwrap_or(u64::MAX);
                self.writer = Some(writer.with_limit(limit));
            }
            Err(error) => self.fail(&error),
        }
    }

    fn push(&mut self, entry: Entry<'_>) -> Recorded {
        let Some(writer) = &mut self.writer else { return Recorded::Done };
        match writer.push(entry) {
            Ok(()) => {}
            Err(RecordingError::Full) => return Recorded::Full,
            Err(error) => self.fail(&error),
        }
        Recorded::Done
    }

    fn fail(&mut self, error: &RecordingError) {
        self.writer = None;
        let path = self.kept.back().map_or(&self.path, |(path, _)| path);
        self.failure = Some(told(path, error));
        self.warn_of_failure();
    }

    fn warn_of_failure(&self) {
        if let Some(failure) = &self.failure {
            tracing::warn!("{failure}");
        }
    }

    fn end_with(&mut self, why: String) {
        tracing::warn!("{why}");
        self.stop = Some(why);
    }
}

fn told(path: &Path, error: &RecordingError) -> String {
    format!("{path:?} is recorded no further, and can be read up to its last checkpoint: {error}")
}

/// Nanoseconds since 1970.
pub(super) fn now() -> u64 {
    u64::try_from(Timestamp::now().as_nanosecond()).unwrap_or_default()
}

/// Removes a file of ours, if it is still that file.
fn remove(path: &Path, identity: Option<(u64, u64)>) {
    let there = path.symlink_metadata().ok().map(|about| (about.dev(), about.ino()));
    if there.is_none() || there != identity {
        return;
    }
    if let Err(error) = fs::remove_file(path) {
        tracing::warn!("cannot remove {path:?}, which is older than --record-files keeps: {error}");
    }
}
