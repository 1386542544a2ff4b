//! Floor 3: what a running tracer can be told, where its socket is, and how it is asked.
//!
//! A tracer listens at a UNIX socket of its own, `PID.sock` in `/run/memtrace` or, where it is not root's, in
//! `memtrace` in the user's runtime directory. The folder is its user's alone, the socket has mode 0600, and
//! the kernel says who asks (`SO_PEERCRED`, `unix(7)`): nobody but root and that user is answered. A client
//! sends one line of JSON, a [`Request`], and gets one, an [`Answer`]; then the connection is closed.

mod client;
mod error;
mod place;
mod protocol;

pub use client::{ask, find};
pub use error::ControlError;
pub use place::{Claim, own_folder, socket_of};
pub use protocol::{Answer, LONGEST_ANSWER, LONGEST_REQUEST, Request, Status, line};
