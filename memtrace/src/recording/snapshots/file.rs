//! A recording of snapshots on disk that becomes no larger than it may.
//!
//! When it is full it is written anew without some of them, beside the old one, and then takes its name: whatever
//! happens meanwhile, one of the two is there, and whole.

use super::thinning::{Measure, Place, Thinned, bytes};
use super::{Plan, Shot, SnapshotWriter, Snapshots};
use crate::recording::{Reader, RecordingError};
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Seek as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// Of the limit so much may be taken when it has been thinned, in quarters: less would thin more than is needed, and
/// more would thin again soon.
const FILLED: u64 = 3;

/// What became of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It is in the file.
    Added,
    /// It is, and others are not any more.
    Thinned,
}

/// A file of snapshots.
#[derive(Debug)]
pub struct SnapshotFile {
    path: PathBuf,
    began: u64,
    plan: Plan,
    /// `None` after it could not be written.
    writer: Option<SnapshotWriter<File>>,
    places: Vec<Place>,
    /// Bytes of names in it.
    pub(super) names: u64,
}

impl SnapshotFile {
    /// Begins a recording in a new and empty file. `began`: ns since 1970.
    ///
    /// # Errors
    /// When its beginning cannot be written.
    pub fn new(path: PathBuf, file: File, began: u64, plan: Plan) -> Result<Self, RecordingError> {
        let writer = Some(SnapshotWriter::new(file, began, &plan)?);
        Ok(Self { path, began, plan, writer, places: Vec::new(), names: 0 })
    }

    /// What was left out until now.
    pub const fn thinned(&self) -> Thinned {
        self.plan.thinned
    }

    /// Adds a snapshot, at once.
    ///
    /// # Errors
    /// When the file cannot be written, nor written anew: all before is in it, and nothing more is added.
    /// [`RecordingError::Full`] when the snapshot has no room in it even so.
    pub fn push(&mut self, shot: &Shot) -> Result<Kept, RecordingError> {
        let mut kept = Kept::Added;
        loop {
            let before = self.writer()?.written();
            match self.writer()?.push(shot) {
                Ok(()) => {
                    let bytes = self.writer()?.written() - before;
                    let (time, is_mark) = (shot.snapshot.time, shot.is_mark);
                    self.places.push(Place { time, is_mark, bytes });
                    return Ok(kept);
                }
                Err(RecordingError::Full) => self.thin()?,
                Err(error) => {
                    self.writer = None;
                    return Err(error);
                }
            }
            kept = Kept::Thinned;
        }
    }

    /// Adds what a report learnt of names. `None`: they have no room, as all names may take a quarter of the file, so
    /// that there is room for what they are names in.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn push_names(&mut self, names: &[u8]) -> Result<Option<Kept>, RecordingError> {
        let packed = match self.writer()?.packed_names(names) {
            Err(RecordingError::TooLarge(_)) => return Ok(None),
            packed => packed?,
        };
        let size = packed.len() as u64;
        if self.names + size > self.plan.limit / 4 {
            return Ok(None);
        }
        let mut kept = Kept::Added;
        loop {
            match self.writer()?.put(&packed) {
                Ok(()) => {
                    self.names += size;
                    return Ok(Some(kept));
                }
                Err(RecordingError::Full) => {}
                Err(error) => {
                    self.writer = None;
                    return Err(error);
                }
            }
            match self.thin() {
                Err(RecordingError::Full) => return Ok(None),
                thinned => thinned?,
            }
            kept = Kept::Thinned;
        }
    }

    /// Says that nothing is missing.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn finish(mut self) -> Result<(), RecordingError> {
        match self.writer.take() {
            Some(writer) => writer.finish().map(drop),
            None => Ok(()),
        }
    }

    fn writer(&mut self) -> Result<&mut SnapshotWriter<File>, RecordingError> {
        let gone = || RecordingError::Write(io::Error::other("it could not be written before"));
        self.writer.as_mut().ok_or_else(gone)
    }

    /// Writes the file anew, without some snapshots.
    fn thin(&mut self) -> Result<(), RecordingError> {
        let spacing = self.plan.thinned.spacing.max(self.plan.every);
        let room = (self.plan.limit / 4 * FILLED).saturating_sub(self.names);
        // What is there is less where a large snapshot has no room: then as much is left out as it needs.
        let most = room / 3 * 2;
        let filled = if bytes(&self.places) > most { most } else { 0 };
        let mut measure = Measure::first(spacing, &self.places);
        let mut tried: Vec<Vec<bool>> = Vec::new();
        loop {
            // Steps over what is left out may be larger than was foreseen, and leave no room for more.
            for wanted in [filled, 0] {
                let measure = measure.filled(&self.places, wanted, room);
                let kept = measure.kept(&self.places);
                let goes = kept.contains(&false) && !tried.contains(&kept);
                if !goes || measure.bytes(&self.places) >= room {
                    continue;
                }
                match self.rewritten(measure, &kept) {
                    Err(RecordingError::Full) => tried.push(kept),
                    done => return done,
                }
            }
            measure = measure.more(&self.places).ok_or(RecordingError::Full)?;
        }
    }

    fn rewritten(&mut self, measure: Measure, kept: &[bool]) -> Result<(), RecordingError> {
        let thinned = self.thinned_by(measure, kept);
        let plan = Plan { thinned, ..self.plan.clone() };
        let old = self.old_file()?;
        let folder = match self.path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        // Mode 0600, as the old one.
        let new = tempfile::Builder::new().prefix(".memtrace-").suffix(".part").tempfile_in(folder);
        let new = new.map_err(RecordingError::Write)?;
        let (new, places, written) = self.copied(old, new, &plan, kept)?;
        new.as_file().sync_data().map_err(RecordingError::Write)?;
        // Somebody may have taken its name meanwhile.
        self.old_file()?;
        let file = new.persist(&self.path).map_err(|error| RecordingError::Write(error.error))?;
        let writer = self.writer.take().ok_or(RecordingError::Full)?;
        self.writer = Some(writer.go_on(file, written, plan.limit));
        (self.plan, self.places) = (plan, places);
        Ok(())
    }

    fn thinned_by(&self, measure: Measure, kept: &[bool]) -> Thinned {
        let dropped = || self.places.iter().zip(kept).filter(|(_, kept)| !**kept);
        let before = self.plan.thinned;
        let whole = self.places.len().saturating_sub(measure.latest);
        Thinned {
            times: before.times + 1,
            dropped: before.dropped + dropped().count() as u64,
            dropped_marks: before.dropped_marks
                + dropped().filter(|(place, _)| place.is_mark).count() as u64,
            spacing: measure.spacing,
            whole_from: self.places.get(whole).map_or(0, |place| place.time),
        }
    }

    /// The file as it is on disk, which has to be ours still.
    fn old_file(&self) -> Result<File, RecordingError> {
        let identity = |file: &File| file.metadata().map(|about| (about.dev(), about.ino()));
        let ours = match &self.writer {
            Some(writer) => identity(writer.get_ref()).map_err(RecordingError::Write)?,
            None => (0, 0),
        };
        // Whoever may write to the folder may have put anything there, and a pipe without a writer is not waited for.
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(&self.path)
            .map_err(RecordingError::Write)?;
        if identity(&file).map_err(RecordingError::Write)? != ours {
            let moved = "it is full, and another file has its name: it cannot be written anew";
            return Err(RecordingError::Write(io::Error::other(moved)));
        }
        Ok(file)
    }

    /// Copies names, and snapshots that stay.
    fn copied(
        &self,
        mut old: File,
        new: NamedTempFile,
        plan: &Plan,
        kept: &[bool],
    ) -> Result<(NamedTempFile, Vec<Place>, u64), RecordingError> {
        let mut writer = SnapshotWriter::new(BufWriter::new(new), self.began, plan)?;
        writer.set_limit(plan.limit / 4 * FILLED);
        let mut reader = Reader::new(BufReader::new(&old))?;
        while let Some(names) = reader.next_names()? {
            writer.push_names(names)?;
        }
        old.rewind().map_err(RecordingError::Write)?;
        let mut snapshots = Snapshots::new(Reader::new(BufReader::new(old))?)?;
        let mut places = Vec::new();
        for (place, kept) in self.places.iter().zip(kept) {
            if !snapshots.advance()? {
                let cut = "it has not all that was written to it";
                return Err(RecordingError::Write(io::Error::other(cut)));
            }
            if *kept {
                let before = writer.written();
                writer.push_state(snapshots.state().clone(), place.time)?;
                places.push(Place { bytes: writer.written() - before, ..*place });
            }
        }
        let written = writer.written();
        let new = writer.into_inner().into_inner();
        let mut new = new.map_err(|error| RecordingError::Write(error.into_error()))?;
        new.flush().map_err(RecordingError::Write)?;
        Ok((new, places, written))
    }
}
