//! Where reports go: standard output, one file for all, or a file per report.
//!
//! memtrace runs as root in directories where others may write, so symbolic links are never
//! followed, files of others in such directories are refused, and new files have mode 0600.

mod append;
mod create;
mod each;
mod name;

pub use create::{create, numbered};
pub use name::{Label, NameError, OutputName};

use super::args::Color;
use super::format::Format;
use super::terminal::Style;
use std::io::{self, ErrorKind, IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why a report could not be written, or will not be.
#[derive(Debug, Error)]
pub enum OutputError {
    /// The reader of standard output has gone. Not a failure: it has seen what it wanted.
    #[error("standard output was closed")]
    Closed,
    /// Standard output failed.
    #[error("cannot write to standard output: {0}; free space there, or redirect it elsewhere")]
    Stdout(#[source] io::Error),
    /// Standard error failed.
    #[error("cannot write to standard error: {0}; redirect it elsewhere, or use --output")]
    Stderr(#[source] io::Error),
    /// The file cannot be opened or created.
    #[error("cannot open --output {path:?}: {source}; {remedy}")]
    Open {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
        /// What to do.
        remedy: &'static str,
    },
    /// A report could not be written; nothing of it is left in the file.
    #[error("cannot write report to {path:?}: {source}; no part of it was kept, {remedy}")]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
        /// What to do.
        remedy: &'static str,
    },
    /// A report was written in part, and the part could not be taken back.
    #[error(
        "cannot write report to {path:?}: {source}; a part of it is left in the file, {remedy}"
    )]
    Torn {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
        /// What to do.
        remedy: &'static str,
    },
    /// A symbolic link.
    #[error(
        "--output {0:?} is a symbolic link, which is not followed because another user could have \
         made it: name the file that it leads to"
    )]
    Link(PathBuf),
    /// Somebody else's file, or one with a second name, in a directory where anybody can write.
    #[error(
        "--output {0:?} belongs to another user or has a second name, in a directory where anybody \
         may write: remove it or choose another name"
    )]
    Untrusted(PathBuf),
    /// A report that is no text was to go to a terminal.
    #[error("this form of report is not for terminals: name a file with --output, or redirect it")]
    Binary,
    /// It is to be made, and is there.
    #[error("{0:?} exists already: remove it, or choose another name")]
    Exists(PathBuf),
    /// Another memtrace writes to it.
    #[error("--output {0:?} is being written by another memtrace: choose another name")]
    Busy(PathBuf),
}

impl OutputError {
    /// A failure of standard output.
    #[must_use]
    pub fn stdout(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::BrokenPipe => Self::Closed,
            _ => Self::Stdout(error),
        }
    }

    /// A failure of standard error.
    fn stderr(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::BrokenPipe => Self::Closed,
            _ => Self::Stderr(error),
        }
    }

    /// A failure to open `path`.
    fn open(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        // What open(2) says to O_NOFOLLOW.
        if source.raw_os_error() == Some(libc::ELOOP) {
            return Self::Link(path);
        }
        let remedy = match source.kind() {
            // What open(2) says of a pipe that nobody reads.
            _ if source.raw_os_error() == Some(libc::ENXIO) => "start the pipe's reader first",
            ErrorKind::NotFound => "create its directory first",
            ErrorKind::IsADirectory => "give a file's name, such as report-{seq}.json",
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                "choose a directory that you may write to"
            }
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "free some space first",
            _ => "choose another file",
        };
        Self::Open { path, source, remedy }
    }

    /// A failure to write to `path`, of which nothing is left.
    fn write(path: &Path, source: io::Error) -> Self {
        let remedy = remedy_for_writing(&source);
        Self::Write { path: path.to_owned(), source, remedy }
    }

    /// A failure to write to `path`, of which something is left.
    fn torn(path: &Path, source: io::Error) -> Self {
        if source.kind() == ErrorKind::BrokenPipe {
            return Self::Closed;
        }
        let remedy = remedy_for_writing(&source);
        Self::Torn { path: path.to_owned(), source, remedy }
    }
}

fn remedy_for_writing(source: &io::Error) -> &'static str {
    match source.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "free some space there",
        ErrorKind::FileTooLarge => "raise the limit on file sizes (ulimit -f)",
        _ => "check the file system",
    }
}

/// Where reports go. Opened before tracing begins.
#[derive(Debug)]
pub struct Destination(Kind);

#[derive(Debug)]
enum Kind {
    Stdout,
    Stderr,
    Append(append::Appended),
    Each(each::Each),
}

impl Destination {
    /// Standard output.
    #[must_use]
    pub const fn stdout() -> Self {
        Self(Kind::Stdout)
    }

    /// Standard error.
    #[must_use]
    pub const fn stderr() -> Self {
        Self(Kind::Stderr)
    }

    /// The file, or files, of this name. `pid` fills in `{pid}`.
    ///
    /// # Errors
    /// When reports could not be written there, as far as that can be known beforehand.
    pub fn open(name: &OutputName, pid: u32) -> Result<Self, OutputError> {
        if name.is_per_report() {
            return Ok(Self(Kind::Each(each::Each::open(name.clone(), pid)?)));
        }
        let label = Label { sequence: 1, time: jiff::Timestamp::UNIX_EPOCH };
        Ok(Self(Kind::Append(append::Appended::open(name.path(pid, label))?)))
    }

    /// Where reports of this form go: standard output, if no file is named.
    ///
    /// # Errors
    /// As [`Self::open`]; when it is binary and standard output is a terminal.
    pub fn of(name: Option<&OutputName>, format: Format, pid: u32) -> Result<Self, OutputError> {
        match name {
            None if format.is_binary() && io::stdout().is_terminal() => Err(OutputError::Binary),
            None => Ok(Self::stdout()),
            Some(name) if format.is_whole_file() => Self::replace(name, pid),
            Some(name) => Self::open(name, pid),
        }
    }

    /// As [`Self::open`], for reports that cannot be appended: one replaces the file of its name.
    fn replace(name: &OutputName, pid: u32) -> Result<Self, OutputError> {
        let label = Label { sequence: 1, time: jiff::Timestamp::UNIX_EPOCH };
        let is_other = |about: std::fs::Metadata| !about.is_file() && !about.is_symlink();
        if name.path(pid, label).symlink_metadata().is_ok_and(is_other) {
            // A pipe or a device.
            return Self::open(name, pid);
        }
        Ok(Self(Kind::Each(each::Each::open_replacing(name.clone(), pid)?)))
    }

    /// Writes one whole report: a text that ends with a line break, or a line of JSON. Gives the absolute path
    /// of the file that it is in.
    ///
    /// # Errors
    /// [`OutputError::Closed`] when nobody reads any more; else why it failed. A file then holds the
    /// whole reports written before, and the next report may be tried.
    pub fn write(&mut self, label: Label, report: &[u8]) -> Result<Option<PathBuf>, OutputError> {
        let path = match &mut self.0 {
            Kind::Stdout => return write_stdout(report).map(|()| None),
            Kind::Stderr => {
                let written = io::stderr().lock().write_all(report);
                return written.map(|()| None).map_err(OutputError::stderr);
            }
            Kind::Append(file) => file.write(report)?.to_owned(),
            Kind::Each(files) => files.write(label, report)?,
        };
        // Without a working directory it is of no use to anybody.
        Ok(std::path::absolute(path).ok())
    }

    /// Width and colours that suit it.
    #[must_use]
    pub fn style(&self, color: Color) -> Style {
        match self.0 {
            Kind::Stdout => Style::stdout(color),
            Kind::Stderr => Style::stderr(color),
            Kind::Append(_) | Kind::Each(_) => Style::file(color),
        }
    }
}

/// Writes all of `bytes` to standard output.
///
/// # Errors
/// [`OutputError::Closed`] when nobody reads any more; else why it failed.
pub fn write_stdout(bytes: &[u8]) -> Result<(), OutputError> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(OutputError::stdout)
}

/// Makes a limit on file sizes (`ulimit -f`) an error of the write instead of our death by SIGXFSZ,
/// which would leave half a report behind.
pub fn outlive_size_limits() {
    // SAFETY: no handler is installed, the signal is only ignored; nothing else sets it.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

/// Makes sure that a full disk is noticed now. Files that cannot be synced need not be.
fn sync(file: &std::fs::File) -> io::Result<()> {
    match file.sync_data() {
        Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => {
            Ok(())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests;
