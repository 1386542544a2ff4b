//! Bounded reading of ELF files that somebody else controls.
//!
//! Files are read in pieces and never mapped: the owner of a mapped file could truncate it and so
//! kill us with SIGBUS. Every table has a limit, so that a forged header cannot take our memory.

mod dynamic;
mod image;
mod source;
mod symbols;

#[cfg(test)]
mod tests;

pub use dynamic::Filling;
pub use image::{Image, Section, Segment};
pub use source::Source;
pub use symbols::{Binding, Kind, Symbol, Table};

/// Why an ELF file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ElfError {
    /// The file itself.
    #[error("cannot read {what}: {source}")]
    Io {
        /// What was to be read.
        what: &'static str,
        /// Why not.
        source: std::io::Error,
    },
    /// No ELF magic.
    #[error("not an ELF file")]
    NotElf,
    /// 32-bit or big-endian, or for another machine.
    #[error("not a little-endian 64-bit x86-64 file")]
    Foreign,
    /// A table that is larger than any real one.
    #[error("{what} of {size} bytes is over the limit of {limit}")]
    TooLarge {
        /// Which table.
        what: &'static str,
        /// Its size, as the header says.
        size: u64,
        /// The most we read.
        limit: u64,
    },
    /// A table whose size or place makes no sense.
    #[error("{what} is malformed")]
    Malformed {
        /// Which table.
        what: &'static str,
    },
}
