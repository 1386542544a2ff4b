//! What may be wrong with a recording.

use std::io;

/// Why a recording cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The file could not be written.
    #[error("cannot write the recording: {0}")]
    Write(#[source] io::Error),
    /// The file could not be read.
    #[error("cannot read the recording: {0}")]
    Read(#[source] io::Error),
    /// It begins with something else.
    #[error("this is no recording of memtrace")]
    Foreign,
    /// It is of another version of the format, or of the records in it.
    #[error(
        "the recording is of format {format} with records of version {records}, this memtrace reads \
         format {own_format} with records of version {own_records}: read it with the memtrace that wrote it"
    )]
    Version {
        /// The format.
        format: u16,
        /// The records (`memtrace_common::wire::VERSION`).
        records: u16,
        /// What this program reads.
        own_format: u16,
        /// What this program reads.
        own_records: u16,
    },
    /// A chunk is damaged, or was made to do harm.
    #[error("the recording is damaged at byte {offset}: {what}")]
    Damaged {
        /// Where the chunk begins in the file.
        offset: u64,
        /// What does not fit.
        what: &'static str,
    },
    /// An entry is none that this program knows.
    #[error("the recording holds {0}: it is damaged, or of a newer memtrace")]
    Senseless(&'static str),
    /// It holds snapshots, and whoever reads it wants events.
    #[error("it is an aggregated recording: it holds snapshots, and no single events")]
    Aggregated,
    /// The file may not become larger. What was added before is in it.
    #[error("the recording has the size that it is allowed")]
    Full,
    /// More in one entry than a chunk may hold.
    #[error("an entry of {0} bytes is larger than a recording takes")]
    TooLarge(usize),
}
