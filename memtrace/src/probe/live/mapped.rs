//! An array map of the kernel side, mapped into our memory (Linux 5.5).

use super::error::LiveError;
use super::object::map_data;
use aya::Ebpf;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::ptr::NonNull;

/// The map, as a slice of `T` that programs read while we write.
pub(super) struct Mapped<T> {
    start: NonNull<T>,
    bytes: usize,
    length: usize,
}

// SAFETY: the mapping belongs to this value alone, like a box of plain data.
unsafe impl<T: Copy + Send> Send for Mapped<T> {}

impl<T: Copy> Mapped<T> {
    /// Maps the array `name`, whose values take `values` bytes in all.
    pub(super) fn new(loaded: &Ebpf, name: &'static str, values: usize) -> Result<Self, LiveError> {
        let failed = |reason: String| LiveError::Map { name, reason };
        let data = loaded.map(name).and_then(map_data);
        let data = data.ok_or_else(|| failed("not in the object, or of another type".into()))?;
        let length = values / size_of::<T>();
        let bytes = values.next_multiple_of(PAGE);
        // SAFETY: a new mapping at an address of the kernel's choice, which nothing else refers to.
        let address = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                data.fd().as_fd().as_raw_fd(),
                0,
            )
        };
        let start = NonNull::new(address.cast::<T>()).filter(|_| address != libc::MAP_FAILED);
        let start = start.ok_or_else(|| failed(std::io::Error::last_os_error().to_string()))?;
        Ok(Self { start, bytes, length })
    }

    pub(super) const fn len(&self) -> usize {
        self.length
    }

    /// The value at `index`, which programs may write; `None` behind the end.
    pub(super) fn read(&self, index: usize) -> Option<T> {
        // SAFETY: below the length, which the mapping holds.
        (index < self.length).then(|| unsafe { self.start.add(index).read_volatile() })
    }

    /// Writes values from `index` on; `false`, and nothing is written, if they do not fit.
    pub(super) fn write(&mut self, index: usize, values: impl ExactSizeIterator<Item = T>) -> bool {
        if index.checked_add(values.len()).is_none_or(|end| end > self.length) {
            return false;
        }
        for (place, value) in (index..self.length).zip(values) {
            // SAFETY: `place` is below the length, which the mapping holds; programs may read there
            // meanwhile, as they may in any map, and are told of it only when it is whole.
            unsafe { self.start.add(place).write_volatile(value) };
        }
        true
    }
}

impl<T> Drop for Mapped<T> {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, of this size, and used no more.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.bytes) };
    }
}

/// On x86-64.
const PAGE: usize = 4096;
