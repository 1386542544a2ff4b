//! Why a process cannot be looked at.

use std::io;

/// Each message names the process, the reason and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum ProcfsError {
    /// There is none.
    #[error("no process {0}: it has ended, or the number is wrong (`pgrep -l NAME` finds it)")]
    NoSuchProcess(u32),
    /// It ended between two looks.
    #[error("pid {0} ended while we looked at it")]
    Ended(u32),
    /// It has ended, but nobody has waited for it.
    #[error("pid {0} has ended already (a zombie): there is no memory to trace")]
    Zombie(u32),
    /// It has no memory of its own.
    #[error("pid {0} is a kernel thread: it has no user memory to trace")]
    KernelThread(u32),
    /// We will not trace ourselves: each event would make events.
    #[error("pid {0} is memtrace itself: name another process")]
    Ourselves(u32),
    /// The code is not of the kind that we know.
    #[error("pid {pid} runs {what}: only 64-bit x86 programs can be traced")]
    Foreign {
        /// Which process.
        pid: u32,
        /// What it runs.
        what: &'static str,
    },
    /// The kernel did not let us.
    #[error(
        "cannot read {what} of pid {pid}: {source}; run memtrace as root, or with CAP_SYS_PTRACE \
         and CAP_DAC_READ_SEARCH (where it is root already, a container or a security module \
         forbids it)"
    )]
    Denied {
        /// Which process.
        pid: u32,
        /// Which file.
        what: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// Anything else.
    #[error("cannot read {what} of pid {pid}: {source}")]
    Unreadable {
        /// Which process.
        pid: u32,
        /// Which file.
        what: String,
        /// The kernel's answer.
        source: io::Error,
    },
}

impl ProcfsError {
    /// The error for a failure to read file `what` of `pid`.
    pub(super) fn reading(pid: u32, what: &str, source: io::Error) -> Self {
        let what = what.to_owned();
        match source.kind() {
            io::ErrorKind::PermissionDenied => Self::Denied { pid, what, source },
            // ESRCH: gone between the opening and the reading.
            _ if source.raw_os_error() == Some(libc::ESRCH) => Self::Ended(pid),
            io::ErrorKind::NotFound => Self::Ended(pid),
            _ => Self::Unreadable { pid, what, source },
        }
    }
}
