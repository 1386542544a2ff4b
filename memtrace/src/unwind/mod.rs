//! Floor 3: tables for unwinding without frame pointers, made from files' unwind information.
//!
//! A file's `.eh_frame` says for each instruction where the caller's registers are. [`Table::build`]
//! turns it into the rows and rules of [`memtrace_common::unwind`], which a walker finds by file
//! offset. What has no unwind information is a gap in the table, what rules cannot express is
//! marked, both are counted. Files are the traced process's and may be hostile: sizes are bounded,
//! work is linear in them, and what is damaged is an error or a gap, never a panic.

pub mod cache;
mod calls;
mod collect;
pub mod copy;
mod elf;
mod error;
mod file;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod hostile;
mod interner;
mod merge;
mod origins;
pub mod reference;
mod stats;
mod table;
mod translate;

pub use error::UnwindError;
pub use interner::Rules;
pub use stats::{Reason, Stats};
pub use table::{Page, Table};
