//! Why a tracer cannot be told anything, or not listen.

use crate::model::ids::Pid;
use std::io;
use std::path::PathBuf;

/// Each message names the place, the reason and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Only root's sockets have a place of their own.
    #[error(
        "XDG_RUNTIME_DIR is not set, so that there is no usual place for a control socket: give --control PATH"
    )]
    NoFolder,
    /// The folder could not be made or looked at.
    #[error("the folder {folder:?} for control sockets: {source}")]
    Folder {
        /// Which.
        folder: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// Others could put their sockets in the place of ours.
    #[error(
        "{0:?} is to hold control sockets, and is no folder that only its user can write to: make it so (mode \
         0700), or give --control PATH"
    )]
    OpenFolder(PathBuf),
    /// The socket could not be made.
    #[error("cannot make the control socket {path:?}: {source}")]
    Make {
        /// Where.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// Something else is there.
    #[error("cannot make the control socket {0:?}: something is there already")]
    Taken(PathBuf),
    /// There is no tracer.
    #[error(
        "no tracer of this user listens in {0:?}: begin to trace, or use the user that traces (sudo), or give \
         --control PATH if it was given there"
    )]
    NoTracer(PathBuf),
    /// There are several.
    #[error("several tracers listen: name one with --pid, which are {}", listed(.0))]
    Several(Vec<Pid>),
    /// Others are there.
    #[error("no tracer with pid {pid} listens, but {}", listed(.others))]
    NotThat {
        /// Who was meant.
        pid: Pid,
        /// Who listens.
        others: Vec<Pid>,
    },
    /// It could not be connected to.
    #[error("cannot reach the tracer at {path:?}: {source}")]
    Reach {
        /// Its socket.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// It says nothing.
    #[error("the tracer at {0:?} does not answer: is it stopped?")]
    Silent(PathBuf),
    /// It says something else than an answer.
    #[error(
        "the tracer at {0:?} closed the connection without an answer that is understood: is it another version, or another user's?"
    )]
    Strange(PathBuf),
    /// It says why not.
    #[error("the tracer says: {0}")]
    Refused(String),
}

fn listed(pids: &[Pid]) -> String {
    let words: Vec<String> = pids.iter().map(|pid| format!("pid {pid}")).collect();
    words.join(", ")
}
