//! Why a process cannot be read, or not be traced.

use crate::model::ids::Pid;
use std::io;
use std::path::{Path, PathBuf};

/// Each says what was tried, on what, why it failed, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ProcfsError {
    /// There is none, or no more.
    #[error("no process or thread with id {pid}: check the id (it is one of this PID namespace)")]
    NoSuchProcess {
        /// The id asked for.
        pid: Pid,
    },
    /// It has no user memory.
    #[error("pid {pid} ({comm}) is a kernel thread: it has no heap of its own to trace")]
    KernelThread {
        /// The process.
        pid: Pid,
        /// Its name.
        comm: String,
    },
    /// All its threads have ended.
    #[error(
        "pid {pid} ({comm}) has exited and waits for its parent: there is nothing left to trace"
    )]
    Zombie {
        /// The process.
        pid: Pid,
        /// Its name.
        comm: String,
    },
    /// 32-bit code.
    #[error(
        "pid {pid} runs a 32-bit program ({}): only 64-bit programs can be traced",
        .exe.display()
    )]
    Bits32 {
        /// The process.
        pid: Pid,
        /// Its program.
        exe: PathBuf,
    },
    /// Another user's process.
    #[error(
        "no permission to read {} of pid {pid}: run as root (sudo), or with CAP_SYS_PTRACE",
        .path.display()
    )]
    Permission {
        /// The process.
        pid: Pid,
        /// What was to be read.
        path: PathBuf,
    },
    /// Reading failed for another reason.
    #[error("cannot read {}: {source}; is /proc mounted?", .path.display())]
    Io {
        /// What was to be read.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The kernel's text is not what we know.
    #[error("{} has no {what}: this kernel writes it in another way", .path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// What was looked for.
        what: &'static str,
    },
    /// More text than any process should have.
    #[error("{} is over {limit} bytes: not read any further", .path.display())]
    TooLarge {
        /// Which file.
        path: PathBuf,
        /// The most we read.
        limit: u64,
    },
}

impl ProcfsError {
    /// The error for a failed read of `path`, which belongs to process `pid`.
    pub(super) fn reading(pid: Pid, path: &Path, source: io::Error) -> Self {
        match source.raw_os_error() {
            Some(libc::ENOENT | libc::ESRCH) => Self::NoSuchProcess { pid },
            Some(libc::EACCES | libc::EPERM) => Self::Permission { pid, path: path.into() },
            _ => Self::Io { path: path.into(), source },
        }
    }
}
