//! The socket in the file system.

use crate::control::{Claim, ControlError};
use rustix::fs::{Mode, fchmod};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use tokio::net::{UnixListener, UnixSocket};

/// Connections that wait to be heard; more are refused.
const QUEUE: u32 = 16;

/// Removes the socket's name when it is dropped, unless another file has it by then.
pub(super) struct Socket {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl Socket {
    /// Makes it, with mode 0600 from the beginning: its name takes the mode that the socket had before it had a
    /// name (`unix_bind_bsd` of the kernel's `net/unix/af_unix.c`).
    pub(super) fn make(claim: &Claim) -> Result<(Self, UnixListener), ControlError> {
        let path = claim.path().to_owned();
        let make = || -> io::Result<(Self, UnixListener)> {
            let socket = UnixSocket::new_stream()?;
            fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
            socket.bind(&path)?;
            let about = fs::symlink_metadata(&path)?;
            let (device, inode) = (about.dev(), about.ino());
            let made = Self { path: path.clone(), device, inode };
            Ok((made, socket.listen(QUEUE)?))
        };
        make().map_err(|source| ControlError::Make { path: path.clone(), source })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let is_ours =
            |about: &fs::Metadata| (about.dev(), about.ino()) == (self.device, self.inode);
        if fs::symlink_metadata(&self.path).is_ok_and(|about| is_ours(&about)) {
            // Nothing else can be done about it; the next tracer tries again.
            let _ = fs::remove_file(&self.path);
        }
    }
}
