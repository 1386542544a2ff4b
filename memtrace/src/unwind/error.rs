//! Why a file has no table.

use std::io;

/// Each message says what was looked at, why it failed and what follows.
#[derive(Debug, thiserror::Error)]
pub enum UnwindError {
    /// Not a file that the processor could run.
    #[error("cannot make an unwinding table: not a 64-bit ELF program or library for x86-64")]
    Foreign,
    /// The headers contradict themselves or the file is cut short.
    #[error(
        "cannot read {what} of an ELF file: {source}; its functions are walked by frame pointers"
    )]
    Malformed {
        /// Which part.
        what: &'static str,
        /// What is wrong with it.
        source: object::read::Error,
    },
    /// A part is larger than any that we know.
    #[error(
        "{what} of an ELF file has {size} bytes, more than the {limit} that are looked at; its \
         functions are walked by frame pointers"
    )]
    TooLarge {
        /// Which part.
        what: &'static str,
        /// What the file says, bytes.
        size: u64,
        /// What we accept, bytes.
        limit: u64,
    },
    /// The table would take too much memory.
    #[error(
        "an ELF file's unwind information has more than {limit} rows; its functions are walked by \
         frame pointers"
    )]
    TooManyRows {
        /// What we accept.
        limit: usize,
    },
    /// There is no executable segment.
    #[error("cannot make an unwinding table: the ELF file has no executable code")]
    NoText,
    /// The file itself cannot be looked at.
    #[error("cannot read the size of a file to make its unwinding table: {0}")]
    Unreadable(#[source] io::Error),
}

impl UnwindError {
    /// Makes the error of a failure to read `what`.
    pub(super) fn malformed(what: &'static str) -> impl Fn(object::read::Error) -> Self {
        move |source| Self::Malformed { what, source }
    }
}
