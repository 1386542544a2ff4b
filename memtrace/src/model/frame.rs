//! Frames of call stacks.

use super::ids::ModuleId;
use serde::{Deserialize, Serialize};

/// One frame: the address after a call.
///
/// In a mapped file it is a file offset, so it means the same in every process and every run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Frame {
    /// A place in a file: the offset of the byte *after* the call instruction.
    InFile {
        /// Which file.
        module: ModuleId,
        /// Offset in the file, bytes.
        offset: u64,
    },
    /// A virtual address that no file's executable mapping held when the frame was seen.
    Unmapped(u64),
}
