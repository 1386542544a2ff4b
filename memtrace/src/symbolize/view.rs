//! A mapping of a sealed copy: looking through it takes no memory of its own.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;

/// A whole file, mapped for reading.
pub(super) struct View {
    start: *mut libc::c_void,
    length: usize,
}

impl View {
    /// Maps the first `bytes` of `file`, which must be a sealed copy: of a file that somebody could
    /// shorten, reading the mapping could end us (`mmap(2)`, SIGBUS).
    ///
    /// # Errors
    /// The kernel has no room, or `file` has no seal against shrinking and writing, or is shorter.
    pub(super) fn of(file: &File, bytes: u64) -> io::Result<Self> {
        let needed = libc::F_SEAL_SHRINK | libc::F_SEAL_WRITE;
        // SAFETY: no pointers are passed; the descriptor is open.
        let seals = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GET_SEALS) };
        if seals < 0 || seals & needed != needed || file.metadata()?.len() < bytes {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let length = usize::try_from(bytes).map_err(io::Error::other)?;
        let (place, rights) = (std::ptr::null_mut(), libc::PROT_READ);
        let descriptor = file.as_raw_fd();
        // SAFETY: a new mapping at a place of the kernel's choice touches no other memory.
        let start = unsafe { libc::mmap(place, length, rights, libc::MAP_PRIVATE, descriptor, 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { start, length })
    }

    /// `size` bytes from `offset`, if they are there.
    pub(super) fn part(&self, offset: u64, size: u64) -> Option<&[u8]> {
        // SAFETY: the mapping has `length` readable bytes until it is dropped; the file behind it is
        // sealed, so they neither change nor vanish.
        let whole = unsafe { std::slice::from_raw_parts(self.start.cast::<u8>(), self.length) };
        let (offset, size) = (usize::try_from(offset).ok()?, usize::try_from(size).ok()?);
        whole.get(offset..offset.checked_add(size)?)
    }
}

impl Drop for View {
    fn drop(&mut self) {
        // SAFETY: we made this mapping, and no slice of it outlives us.
        unsafe { libc::munmap(self.start, self.length) };
    }
}

#[cfg(test)]
mod tests {
    use super::View;
    use std::io::Write as _;

    #[test]
    fn only_what_is_sealed_is_mapped() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"not sealed").unwrap();
        assert!(View::of(&file, 4).is_err());
    }
}
