//! Whether the program on page faults can tell those apart that come to nothing.

use super::btf::KernelTypes;
use super::error::LiveError;
use super::namespace::read_own;
use memtrace_common::limits::REASONS_WHILE_READING;
use std::io;

/// Reads, as that program does, how many reasons there are to leave page faults alone, where there is none. The
/// program relies on that: else it would count pages that nobody touched, and call itself without end.
///
/// # Errors
/// When it is another number than expected, or cannot be read.
pub(super) fn check(types: &KernelTypes) -> Result<(), LiveError> {
    let read = read_own(&[types.offset("task_struct", "pagefault_disabled")?])?;
    if read == REASONS_WHILE_READING {
        return Ok(());
    }
    let unlike = format!(
        "this kernel counts {read} reasons to leave page faults alone where {REASONS_WHILE_READING} is \
         expected, so that faults cannot be told apart; leave --tier pages out"
    );
    Err(LiveError::Link { what: "page faults".to_owned(), source: io::Error::other(unlike) })
}
