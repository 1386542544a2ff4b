//! Why a command was not started.

use std::io;
use std::path::PathBuf;

/// Each message names the command, the reason and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// There is none.
    #[error("{0:?}: command not found: give a path with a slash, or look at PATH{1}")]
    NotFound(PathBuf, &'static str),
    /// There is one that cannot be executed.
    #[error("{command:?} cannot be executed: {source}")]
    NotExecutable {
        /// The command, or what it was found to be.
        command: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The child could not be made, or not become the user.
    #[error("cannot prepare a process for the command{as_whom}: {source}")]
    Prepare {
        /// As whom it was to run, for people.
        as_whom: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// Signals could not be listened for.
    #[error("cannot listen for signals: {0}")]
    Signals(io::Error),
}

impl LaunchError {
    /// The status that shells give in its place: 127 for what is not there, 126 for what cannot be
    /// executed (POSIX, "Exit Status for Commands"), 125 for a failure of the launcher, as `env(1)`,
    /// `timeout(1)` and others have it.
    #[must_use]
    pub fn status(&self) -> u8 {
        match self {
            Self::NotFound(..) => 127,
            Self::NotExecutable { source, .. } if source.kind() == io::ErrorKind::NotFound => 127,
            Self::NotExecutable { .. } => 126,
            Self::Prepare { .. } | Self::Signals(_) => 125,
        }
    }
}
