//! The vDSO: a small library that the kernel maps into every process, and that is in no file (vdso(7)).

use super::maps::Mapping;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsRawFd as _, FromRawFd as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// The largest that is looked at, bytes; Linux 6.18's has 8 KiB.
const MAX_BYTES: u64 = 64 << 10;

/// Whether a mapping is the vDSO's code. Only the kernel gives mappings without a file this name.
pub(super) fn is(mapping: &Mapping) -> bool {
    mapping.execute && mapping.inode == 0 && mapping.path.as_os_str() == "[vdso]"
}

/// Its bytes in the process whose `/proc` directory this is. A process can write to its copy, so they
/// may be anything.
pub(super) fn read(directory: &Path, mapping: &Mapping) -> Option<Vec<u8>> {
    let length = mapping.end.checked_sub(mapping.start).filter(|length| *length <= MAX_BYTES)?;
    let mut bytes = vec![0; usize::try_from(length).ok()?];
    let memory = File::open(directory.join("mem")).ok()?;
    memory.read_exact_at(&mut bytes, mapping.start).ok()?;
    Some(bytes)
}

/// A file in memory with these bytes, for those who look into files (`memfd_create(2)`, Linux 3.17).
/// Everybody may write to it, so nobody believes a build-id in it to be the one of another file.
pub(super) fn file(bytes: &[u8]) -> Option<File> {
    let mut file = memory_file(libc::MFD_CLOEXEC | libc::MFD_NOEXEC_SEAL)
        // Before Linux 6.3.
        .or_else(|| memory_file(libc::MFD_CLOEXEC))?;
    // SAFETY: the descriptor is ours.
    if unsafe { libc::fchmod(file.as_raw_fd(), 0o666) } != 0 {
        return None;
    }
    file.write_all(bytes).ok()?;
    Some(file)
}

fn memory_file(flags: libc::c_uint) -> Option<File> {
    // SAFETY: the name is a C string.
    let descriptor = unsafe { libc::memfd_create(c"vdso".as_ptr(), flags) };
    // SAFETY: the kernel has just made it for us.
    (descriptor >= 0).then(|| unsafe { File::from_raw_fd(descriptor) })
}

#[cfg(test)]
mod tests {
    use super::{MAX_BYTES, file, is, read};
    use crate::procfs::Mapping;
    use crate::procfs::maps::parse;
    use std::os::unix::fs::{FileExt as _, MetadataExt as _};
    use std::path::Path;

    fn own() -> Option<Mapping> {
        parse(&std::fs::read("/proc/self/maps").unwrap()).into_iter().find(is)
    }

    #[test]
    fn our_own_is_a_library() {
        // A kernel may be told to give none (vdso=0).
        let Some(mapping) = own() else { return };
        let bytes = read(Path::new("/proc/self"), &mapping).unwrap();
        assert!(bytes.starts_with(b"\x7fELF") && bytes.len() as u64 <= MAX_BYTES);
        let file = file(&bytes).unwrap();
        let mut copy = vec![0; bytes.len()];
        file.read_exact_at(&mut copy, 0).unwrap();
        assert_eq!(copy, bytes);
        // What others may write is not cached by its build-id.
        assert_eq!(file.metadata().unwrap().mode() & 0o022, 0o022);
    }

    #[test]
    fn what_only_has_its_name_is_not_it() {
        let Some(mapping) = own() else { return };
        let huge = Mapping { end: mapping.start + MAX_BYTES + 1, ..mapping.clone() };
        assert_eq!(read(Path::new("/proc/self"), &huge), None);
        let unmapped = Mapping { start: 1 << 20, end: (1 << 20) + 4096, ..mapping.clone() };
        assert_eq!(read(Path::new("/proc/self"), &unmapped), None);
        assert!(!is(&Mapping { inode: 7, ..mapping }));
    }
}
