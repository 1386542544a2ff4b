//! One file that all reports are appended to.

use super::{OutputError, sync};
use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// An open file, terminal, pipe or device.
#[derive(Debug)]
pub(super) struct Appended {
    path: PathBuf,
    file: File,
    /// A regular file, from which a half report can be cut off again.
    regular: bool,
    /// We made it, and no report is in it yet.
    empty_and_ours: bool,
    /// What was there before does not end with a line break.
    unfinished: bool,
}

impl Appended {
    /// Opens or creates `path`. What is in it stays.
    pub(super) fn open(path: PathBuf) -> Result<Self, OutputError> {
        let failed = |error| OutputError::open(&path, error);
        let (file, created) = open_or_create(&path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        let regular = metadata.is_file();
        if !created && (regular || metadata.file_type().is_fifo()) {
            check_trust(&path, &metadata)?;
        }
        if regular && matches!(file.try_lock(), Err(TryLockError::WouldBlock)) {
            return Err(OutputError::Busy(path));
        }
        block(&file).map_err(failed)?;
        let unfinished = regular && ends_in_mid_line(&file, metadata.len());
        Ok(Self { path, file, regular, empty_and_ours: created, unfinished })
    }

    /// Appends a report, whole or not at all. Gives the file's path.
    pub(super) fn write(&mut self, report: &[u8]) -> Result<&Path, OutputError> {
        if !self.regular {
            return self
                .file
                .write_all(report)
                .map(|()| self.path.as_path())
                .map_err(|error| OutputError::torn(&self.path, error));
        }
        // Asked anew each time: a log rotation may have emptied the file.
        let length = match self.file.metadata() {
            Ok(metadata) => metadata.len(),
            Err(error) => return Err(OutputError::write(&self.path, error)),
        };
        match self.append(report) {
            Ok(()) => {
                self.unfinished = false;
                self.empty_and_ours = false;
                Ok(&self.path)
            }
            Err(error) => match self.file.set_len(length) {
                Ok(()) => Err(OutputError::write(&self.path, error)),
                Err(_) => Err(OutputError::torn(&self.path, error)),
            },
        }
    }

    fn append(&mut self, report: &[u8]) -> io::Result<()> {
        if self.unfinished {
            self.file.write_all(b"\n")?;
        }
        self.file.write_all(report)?;
        sync(&self.file)
    }
}

impl Drop for Appended {
    /// A run that failed before its first report leaves no empty file behind.
    fn drop(&mut self) {
        if self.empty_and_ours && is_still(&self.path, &self.file) {
            // Nothing can be done about a failure, and an empty file does no harm.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Opens `path` for appending; the second value says whether it was created.
fn open_or_create(path: &Path) -> io::Result<(File, bool)> {
    let mut options = OpenOptions::new();
    // O_NONBLOCK: a pipe without a reader must give an error instead of waiting for one.
    options
        .append(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY);
    match options.clone().create_new(true).open(path) {
        Ok(file) => Ok((file, true)),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            options.open(path).map(|file| (file, false))
        }
        Err(error) => Err(error),
    }
}

/// In a directory where anybody can write, a file that was there before must be ours and have no
/// second name: it could be a trap set for the next root process that writes there.
fn check_trust(path: &Path, file: &Metadata) -> Result<(), OutputError> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let directory = directory.metadata().map_err(|error| OutputError::open(path, error))?;
    // SAFETY: geteuid(2) takes nothing and cannot fail.
    let own = unsafe { libc::geteuid() };
    let anybody_writes = directory.mode() & 0o002 != 0;
    if anybody_writes && (file.uid() != own || file.nlink() > 1) {
        return Err(OutputError::Untrusted(path.to_owned()));
    }
    Ok(())
}

/// Takes `O_NONBLOCK` off again, so that a slow reader of a pipe does not tear reports.
fn block(file: &File) -> io::Result<()> {
    let descriptor = file.as_raw_fd();
    // SAFETY: the descriptor is open as long as `file` lives; F_GETFL and F_SETFL touch no memory.
    let done = unsafe {
        match libc::fcntl(descriptor, libc::F_GETFL) {
            -1 => -1,
            flags => libc::fcntl(descriptor, libc::F_SETFL, flags & !libc::O_NONBLOCK),
        }
    };
    if done == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Whether the last byte is something other than a line break, as after a run that was killed.
fn ends_in_mid_line(file: &File, length: u64) -> bool {
    let Some(last) = length.checked_sub(1) else { return false };
    let mut byte = [b'\n'];
    // `file` is open for writing only; the link in /proc leads to the very same file.
    let reader = File::open(format!("/proc/self/fd/{}", file.as_raw_fd()));
    let _ = reader.and_then(|reader| reader.read_exact_at(&mut byte, last));
    byte != *b"\n"
}

/// Whether `path` still leads to `file`, and it is empty.
fn is_still(path: &Path, file: &File) -> bool {
    match (path.symlink_metadata(), file.metadata()) {
        (Ok(named), Ok(open)) => {
            (named.dev(), named.ino()) == (open.dev(), open.ino()) && open.len() == 0
        }
        _ => false,
    }
}
