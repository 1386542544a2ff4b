//! Numbers of tracepoints, which the kernel tells in tracefs only.
//!
//! Where tracefs is mounted it is read there. Where it is not, it is mounted for us alone, attached
//! to no directory (`fsopen(2)`, Linux 5.2), so that the machine is left as it was.

use std::ffi::CStr;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::PathBuf;

/// Usual places, the newer one first.
const MOUNTS: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];
/// `FSCONFIG_CMD_CREATE` of `linux/mount.h`.
const CREATE: libc::c_long = 6;
/// `FSOPEN_CLOEXEC` and `FSMOUNT_CLOEXEC` of `linux/mount.h`.
const CLOEXEC: libc::c_long = 1;

/// A readable tracefs.
pub(super) struct Tracefs {
    root: PathBuf,
    /// Keeps a mount of our own alive.
    _mount: Option<OwnedFd>,
}

impl Tracefs {
    /// Finds it, or mounts it for us.
    pub(super) fn open() -> io::Result<Self> {
        let mounted = MOUNTS.iter().map(PathBuf::from).find(|root| root.join("events").is_dir());
        if let Some(root) = mounted {
            return Ok(Self { root, _mount: None });
        }
        let mount = private_mount(c"tracefs")?;
        let root = PathBuf::from(format!("/proc/self/fd/{}", mount.as_raw_fd()));
        Ok(Self { root, _mount: Some(mount) })
    }

    /// The number of a tracepoint.
    pub(super) fn number(&self, category: &str, name: &str) -> io::Result<u64> {
        let path = self.root.join("events").join(category).join(name).join("id");
        fs::read_to_string(path)?.trim().parse().map_err(io::Error::other)
    }
}

fn descriptor(result: libc::c_long) -> io::Result<OwnedFd> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    let number = i32::try_from(result).map_err(io::Error::other)?;
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

fn private_mount(filesystem: &CStr) -> io::Result<OwnedFd> {
    // SAFETY: the name is a C string; the call keeps no reference to it.
    let context =
        descriptor(unsafe { libc::syscall(libc::SYS_fsopen, filesystem.as_ptr(), CLOEXEC) })?;
    let none = std::ptr::null::<libc::c_char>();
    // SAFETY: this command takes neither key nor value.
    let created = unsafe {
        libc::syscall(libc::SYS_fsconfig, context.as_raw_fd(), CREATE, none, none, 0_i64)
    };
    if created < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: plain numbers.
    descriptor(unsafe { libc::syscall(libc::SYS_fsmount, context.as_raw_fd(), CLOEXEC, 0_i64) })
}
