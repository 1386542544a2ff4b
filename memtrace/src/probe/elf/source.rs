//! Where an ELF image's bytes come from.

use super::ElfError;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Bytes that can be read at any offset.
pub trait Source {
    /// Fills `buffer` from `offset`.
    ///
    /// # Errors
    /// When fewer bytes are there, or reading fails.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
}

impl Source for File {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        FileExt::read_exact_at(self, buffer, offset)
    }
}

impl Source for [u8] {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let bytes = usize::try_from(offset)
            .ok()
            .and_then(|start| self.get(start..)?.get(..buffer.len()))
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(bytes);
        Ok(())
    }
}

/// Reads `size` bytes of the table `what`, at most `limit`.
///
/// Memory is taken only as bytes arrive: a header may claim what the file does not have.
pub(super) fn read(
    source: &(impl Source + ?Sized),
    what: &'static str,
    offset: u64,
    size: u64,
    limit: u64,
) -> Result<Vec<u8>, ElfError> {
    const PIECE: usize = 1 << 20;
    if size > limit {
        return Err(ElfError::TooLarge { what, size, limit });
    }
    let size = usize::try_from(size).map_err(|_| ElfError::Malformed { what })?;
    let mut bytes = Vec::new();
    while bytes.len() < size {
        let begin = bytes.len();
        bytes.resize(size.min(begin + PIECE), 0);
        let at = offset.checked_add(begin as u64).ok_or(ElfError::Malformed { what })?;
        let piece = bytes.get_mut(begin..).unwrap_or_default();
        source.read_exact_at(piece, at).map_err(|source| ElfError::Io { what, source })?;
    }
    Ok(bytes)
}
