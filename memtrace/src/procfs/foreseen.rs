//! Files before anybody maps them, known by what `/proc/PID/maps` will say of them.

use super::maps;
use super::modules::{MappedFile, state_of};
use crate::lookup::{by_name, own_path};
use std::fs::{self, File};
use std::os::fd::AsRawFd as _;
use std::path::Path;

/// A file that will be mapped, kept open.
#[derive(Debug)]
pub struct Foreseen {
    /// As it will be known.
    pub file: MappedFile,
    pub(super) open: File,
}

impl Foreseen {
    /// The file at this path; `None` if it cannot be opened or mapped.
    ///
    /// Its device is asked of a mapping: some file systems (btrfs, overlayfs) have another one in
    /// `stat(2)` than in `/proc/PID/maps`.
    #[must_use]
    pub fn at(path: &Path) -> Option<Self> {
        let handle = by_name(path).ok()?;
        if !handle.metadata().ok()?.is_file() {
            return None;
        }
        let open = File::open(own_path(&handle)).ok()?;
        let (device, inode) = as_mapped(&open)?;
        let (path, open_path) = (path.to_owned(), own_path(&open));
        let file = MappedFile { path, device, inode, state: state_of(&open)?, open_path };
        Some(Self { file, open })
    }
}

/// Device and inode that a mapping of this file shows.
fn as_mapped(file: &File) -> Option<((u32, u32), u64)> {
    // Nothing is read through the mapping, so it may be longer than the file.
    const LENGTH: usize = 1;
    // SAFETY: a new mapping at an address of the kernel's choice, of a file that we hold.
    let address = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            LENGTH,
            libc::PROT_READ,
            libc::MAP_PRIVATE,
            file.as_raw_fd(),
            0,
        )
    };
    if address == libc::MAP_FAILED {
        return None;
    }
    let text = fs::read("/proc/self/maps");
    // SAFETY: the mapping is ours, and nothing refers to it.
    unsafe { libc::munmap(address, LENGTH) };
    let start = address as u64;
    let mapping =
        maps::parse(&text.ok()?).into_iter().find(|it| (it.start..it.end).contains(&start))?;
    (mapping.inode != 0).then_some((mapping.device, mapping.inode))
}

#[cfg(test)]
mod tests {
    use super::Foreseen;
    use crate::procfs::maps;
    use std::path::Path;

    #[test]
    fn a_file_is_known_as_its_mappings_show_it() {
        let us = std::env::current_exe().unwrap();
        let kept = Foreseen::at(&us).unwrap();
        let foreseen = &kept.file;
        let mappings = maps::parse(&std::fs::read("/proc/self/maps").unwrap());
        let ours = mappings.iter().find(|mapping| mapping.path == us).unwrap();
        assert_eq!((foreseen.device, foreseen.inode), (ours.device, ours.inode));
        assert!(foreseen.open_path.exists());
    }

    #[test]
    fn only_files_are_foreseen() {
        for path in ["/dev/null", "/", "/no/such/file"] {
            assert!(Foreseen::at(Path::new(path)).is_none(), "{path}");
        }
    }
}
