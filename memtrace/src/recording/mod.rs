//! Floor 3: recordings. What the tracer learnt, in order, in a file that survives a tracer that is killed.
//!
//! A recording is a [`Head`], then chunks, each compressed and checked by itself. A chunk is a checkpoint: a
//! file that ends in the middle of one is read up to the one before. The last chunk says that nothing is
//! missing. All numbers are little-endian; `docs/recording-format.md` has the layout of all of it.
//!
//! An [`Entry`] is a record of the ring buffer, as it was there, or a [`Note`]: what the tracer learnt from
//! elsewhere, and did, in JSON.

mod columns;
mod error;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod hostile;
mod layout;
mod locate;
mod names;
mod note;
mod peak;
mod read_ahead;
mod reader;
mod replay;
pub mod snapshots;
mod writer;

pub use error::RecordingError;
pub use layout::{Head, Kind};
pub use locate::{LocateError, Place, Wanted, exactly, locate, time_of};
pub use names::{Learnt, Name, Names};
pub use note::{Moment, Note, Told};
pub use peak::{Peak, PeakError, peak};
pub use reader::{Ending, Reader};
pub use replay::Replay;
pub use writer::Writer;

/// One thing that was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry<'a> {
    /// A record of the ring buffer (`memtrace_common::wire`), byte for byte.
    Record(&'a [u8]),
    /// A [`Note`].
    Note(&'a [u8]),
}

impl<'a> Entry<'a> {
    /// Its bytes.
    #[must_use]
    pub const fn bytes(self) -> &'a [u8] {
        match self {
            Self::Record(bytes) | Self::Note(bytes) => bytes,
        }
    }
}
