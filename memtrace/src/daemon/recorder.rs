//! A recording that is being made. When it cannot be written any more tracing goes on without it, and says so.

use crate::recording::{Entry, Head, Note, RecordingError, Writer};
use jiff::Timestamp;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Where everything is recorded.
#[derive(Debug)]
pub struct Recording {
    /// The file's name, for people.
    pub path: PathBuf,
    /// New and empty.
    pub file: File,
    /// What the user wants to see, for those who read it.
    pub wishes: serde_json::Value,
}

/// See the file's head.
pub(super) struct Recorder {
    path: PathBuf,
    /// `None` after its end.
    writer: Option<Writer<File>>,
    failure: Option<String>,
}

impl Recorder {
    pub(super) fn new(Recording { path, file, wishes }: Recording) -> Self {
        let began = u64::try_from(Timestamp::now().as_nanosecond()).unwrap_or_default();
        let mut recorder = Self { path, writer: None, failure: None };
        match Writer::new(file, Head { began }) {
            Ok(writer) => recorder.writer = Some(writer),
            Err(error) => recorder.fail(&error),
        }
        recorder.note(&Note::Wishes(wishes));
        recorder
    }

    /// Adds a record of the ring.
    #[inline]
    pub(super) fn record(&mut self, record: &[u8]) {
        self.write(|writer| writer.push(Entry::Record(record)));
    }

    /// Adds what does not come through the ring.
    pub(super) fn note(&mut self, note: &Note) {
        match note.bytes() {
            Ok(bytes) => self.write(|writer| writer.push(Entry::Note(&bytes))),
            Err(error) => {
                self.fail(&RecordingError::Write(error.into()));
            }
        }
    }

    /// Writes what was added.
    pub(super) fn checkpoint(&mut self) {
        self.write(Writer::checkpoint);
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

    fn write(&mut self, write: impl FnOnce(&mut Writer<File>) -> Result<(), RecordingError>) {
        if let Some(writer) = &mut self.writer
            && let Err(error) = write(writer)
        {
            self.fail(&error);
        }
    }

    fn fail(&mut self, error: &RecordingError) {
        self.writer = None;
        let failure = told(&self.path, error);
        tracing::warn!("{failure}");
        self.failure = Some(failure);
    }
}

fn told(path: &Path, error: &RecordingError) -> String {
    format!("{path:?} is recorded no further, and can be read up to its last checkpoint: {error}")
}
