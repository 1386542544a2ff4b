//! Why a run could not begin, or ended without its last report.

use crate::model::ids::Pid;
use crate::probe::allocator::{AllocatorError, UserFunctionError};
use crate::probe::live::LiveError;
use crate::procfs::ProcfsError;
use crate::symbolize::ThreadError;
use std::io;

/// A run's failure, on one line.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// A target cannot be looked at.
    #[error(transparent)]
    Process(#[from] ProcfsError),
    /// A target has nothing that we could probe.
    #[error("pid {pid} ({comm}): {source}")]
    NoAllocator {
        /// Which process.
        pid: Pid,
        /// Its name.
        comm: String,
        /// What was looked for.
        source: AllocatorError,
    },
    /// A function that the user describes is nowhere.
    #[error(transparent)]
    UserFunction(#[from] UserFunctionError),
    /// Of all the processes that match none can be traced.
    #[error("none of the processes that match can be traced: {0}")]
    AllLeftOut(String),
    /// A process that came to match cannot be traced.
    #[error("{0}")]
    Refused(String),
    /// The kernel side failed.
    #[error(transparent)]
    Kernel(#[from] LiveError),
    /// There is no thread for symbols.
    #[error(transparent)]
    Symbolizer(#[from] ThreadError),
    /// A target filters its system calls in a way that probing would make fatal.
    #[error(
        "pid {0} filters its system calls (seccomp), and on this kernel such a filter kills a \
         process that has return probes: not traced; Linux 6.14 and newer stable updates let them by"
    )]
    Seccomp(Pid),
    /// It could be seen only by links for all processes, of which some may filter their system calls.
    #[error(
        "the main thread of pid {0} has ended, so its probes would have to be for every process that maps the \
         same file, and on this kernel return probes kill those that filter their system calls (seccomp): not \
         traced; Linux 6.14 and newer stable updates let them by"
    )]
    UnsafeForAll(Pid),
    /// Something that the event loop needs.
    #[error("cannot {what}: {source}")]
    Loop {
        /// What was tried.
        what: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// The ring failed.
    #[error("the ring buffer cannot be read: {0}")]
    Ring(Box<dyn std::error::Error + Send + Sync>),
    /// The last report could not be written.
    #[error("{0}")]
    Unwritten(String),
    /// The user would not wait for it.
    #[error("left before the final report was written, as asked")]
    Left,
}

impl DaemonError {
    /// For a failure of the event loop to do `what`.
    pub(super) fn cannot(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Loop { what, source }
    }
}
