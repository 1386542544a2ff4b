//! Floor 3: starts a command that waits before its first instruction, so that it can be watched from
//! there on. No ptrace: a child of ours blocks on a pipe before `execve`.
//!
//! The child shares terminal, process group, working directory, standard streams and environment with
//! us, as if the shell had started it; [`user`] says what is different under sudo. Signals: those of
//! the terminal reach both, as both are in its foreground group; those that somebody sends to us alone
//! are passed on ([`signals`]). It is always waited for.

mod child;
mod error;
pub mod files;
pub mod program;
pub mod signals;
pub mod user;

pub use child::{Launched, Order, Watcher};
pub use error::LaunchError;
pub use files::files_of;
pub use program::find_program;
