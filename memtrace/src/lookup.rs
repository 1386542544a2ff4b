//! Files found by name only (`O_PATH`): what they are can be asked, but nothing happens to them. Opening
//! a device or a FIFO in earnest may act or block.

use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Which symbolic links a lookup below a directory follows. None ever leads out of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Links {
    /// Those of the file system, where absolute ones and `..` lead no further than to the directory.
    Inside,
    /// None at all: `ELOOP`.
    Refused,
}

/// Finds a file.
///
/// # Errors
/// As `open(2)`.
pub fn by_name(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_PATH | libc::O_CLOEXEC).open(path)
}

/// Finds a file below `root`, as if that were the root directory (`openat2(2)`, Linux 5.6).
///
/// # Errors
/// As `openat2(2)`.
pub fn below(root: &File, path: &Path, links: Links) -> io::Result<File> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let refused = match links {
        Links::Inside => 0,
        Links::Refused => libc::RESOLVE_NO_SYMLINKS,
    };
    // SAFETY: plain integers, of which zero is valid.
    let mut how: libc::open_how = unsafe { std::mem::zeroed() };
    how.flags = u64::from((libc::O_PATH | libc::O_CLOEXEC).unsigned_abs());
    how.resolve = libc::RESOLVE_IN_ROOT | libc::RESOLVE_NO_MAGICLINKS | refused;
    // SAFETY: the path is a C string and `how` has the size that is given; both outlive the call.
    let descriptor = unsafe {
        libc::syscall(
            libc::SYS_openat2,
            root.as_raw_fd(),
            path.as_ptr(),
            &raw const how,
            size_of::<libc::open_how>(),
        )
    };
    match i32::try_from(descriptor) {
        // SAFETY: the kernel has just made it for us.
        Ok(descriptor @ 0..) => Ok(unsafe { File::from_raw_fd(descriptor) }),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Where we, and nobody else, can open a file that we hold, whatever happens to its name.
#[must_use]
pub fn own_path(file: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

#[cfg(test)]
mod tests {
    use super::{Links, below, by_name, own_path};
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    #[test]
    fn nothing_leads_out_of_the_directory() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "inside").unwrap();
        symlink("/../../file", folder.path().join("link")).unwrap();
        symlink("/etc/passwd", folder.path().join("out")).unwrap();
        let root = by_name(folder.path()).unwrap();
        for name in ["/file", "../../file", "link"] {
            let found = below(&root, Path::new(name), Links::Inside).unwrap();
            assert_eq!(fs::read_to_string(own_path(&found)).unwrap(), "inside");
        }
        let error = below(&root, Path::new("out"), Links::Inside).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOENT));
        let error = below(&root, Path::new("link"), Links::Refused).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ELOOP));
        assert!(below(&root, Path::new("/file"), Links::Refused).is_ok());
    }
}
