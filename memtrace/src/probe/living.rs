//! What is asked of a living process beside its files: where it maps code, and words of its memory.

use super::allocator::MappedFile;

/// A mapping of a file's code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MappedCode {
    /// First address.
    pub start: u64,
    /// First address after it.
    pub end: u64,
    /// Offset in the file, bytes.
    pub offset: u64,
    /// Device of the file, major and minor number.
    pub device: (u32, u32),
    /// Its inode number.
    pub inode: u64,
}

/// A process that can be looked at. Whatever it says may have changed since, and may be meant to mislead.
pub trait Living {
    /// The files whose code it maps.
    fn files(&self) -> Vec<MappedFile>;

    /// Where it maps the code of files, in order of address.
    fn code(&self) -> Vec<MappedCode>;

    /// The eight bytes at an address; `None` where it has none, or they cannot be read.
    fn word(&self, address: u64) -> Option<u64>;
}
