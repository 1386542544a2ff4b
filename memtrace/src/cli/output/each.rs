//! A file per report, which appears under its name only once it is complete.

use super::{Label, OutputError, OutputName, sync};
use jiff::Timestamp;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use tempfile::{Builder, NamedTempFile};

/// Files in one directory.
#[derive(Debug)]
pub(super) struct Each {
    name: OutputName,
    pid: u32,
    /// The file written last: two reports may be taken within the second that `{time}` shows.
    last: Option<PathBuf>,
    /// The latest time of a report: a clock that is set back comes to the same times again.
    latest: Option<Timestamp>,
    /// One of the same name is replaced.
    replaces: bool,
}

impl Each {
    /// Makes sure that files can be made in the directory.
    pub(super) fn open(name: OutputName, pid: u32) -> Result<Self, OutputError> {
        let first = name.path(pid, Label { sequence: 1, time: Timestamp::now() });
        let failed = |error| OutputError::open(&first, error);
        drop(temporary(name.directory()).map_err(failed)?);
        match first.symlink_metadata() {
            Ok(found) if found.is_dir() => Err(failed(io::ErrorKind::IsADirectory.into())),
            // Also a name that is too long comes to light here.
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(error)),
            _ => Ok(Self { name, pid, last: None, latest: None, replaces: false }),
        }
    }

    /// As [`Self::open`], of a name that may be that of each report: the last one stays.
    pub(super) fn open_replacing(name: OutputName, pid: u32) -> Result<Self, OutputError> {
        let replaces = !name.is_per_report();
        Ok(Self { replaces, ..Self::open(name, pid)? })
    }

    /// Writes a report to a file of its own. Gives its path.
    pub(super) fn write(&mut self, label: Label, report: &[u8]) -> Result<PathBuf, OutputError> {
        let mut path = self.name.path(self.pid, label);
        let comes_again = self.last.as_ref() == Some(&path) || self.is_named_by_past_time(label);
        self.latest = self.latest.max(Some(label.time));
        if comes_again && !self.replaces {
            path.as_mut_os_string().push(format!(".{}", label.sequence));
        } else {
            self.last = Some(path.clone());
        }
        match self.place(&path, report) {
            Ok(()) => Ok(path),
            Err(error) => Err(OutputError::write(&path, error)),
        }
    }

    /// Whether its name has a time in it that is before that of an earlier report.
    fn is_named_by_past_time(&self, label: Label) -> bool {
        let name = |time| self.name.path(self.pid, Label { time, ..label });
        Some(label.time) < self.latest && name(label.time) != name(Timestamp::UNIX_EPOCH)
    }

    /// The temporary file goes away by itself when any step fails. Renaming replaces a symbolic
    /// link instead of following it.
    fn place(&self, path: &Path, report: &[u8]) -> io::Result<()> {
        let mut file = temporary(self.name.directory())?;
        file.as_file_mut().write_all(report)?;
        sync(file.as_file())?;
        file.persist(path).map(drop).map_err(|failure| failure.error)
    }
}

/// A new file that only its owner can read. Made by ourselves because the library's errors name a
/// file that the user never saw.
fn temporary(directory: &Path) -> io::Result<NamedTempFile> {
    let create =
        |path: &Path| OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    Builder::new().prefix(".memtrace-").suffix(".tmp").make_in(directory, create)
}
