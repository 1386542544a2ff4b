//! Where sockets are, and that they are their user's alone.

use super::ControlError;
use crate::model::ids::Pid;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use rustix::process::{geteuid, test_kill_process};
use std::ffi::OsString;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

/// Root's folder.
const OF_ROOT: &str = "/run/memtrace";
/// How the names of sockets end, after the tracer's pid.
const END: &str = ".sock";
/// Entries of a folder that are looked at.
const MOST_ENTRIES: usize = 4096;

/// The folder for the sockets of this user's tracers.
///
/// # Errors
/// When there is no place for one.
pub fn own_folder() -> Result<PathBuf, ControlError> {
    folder(geteuid().is_root(), std::env::var_os("XDG_RUNTIME_DIR"))
}

fn folder(is_root: bool, runtime: Option<OsString>) -> Result<PathBuf, ControlError> {
    if is_root {
        return Ok(OF_ROOT.into());
    }
    // The specification of XDG base directories has relative paths ignored.
    let runtime = runtime.map(PathBuf::from).filter(|path| path.is_absolute());
    runtime.map(|path| path.join("memtrace")).ok_or(ControlError::NoFolder)
}

/// The place of a tracer's socket in a folder.
#[must_use]
pub fn socket_of(folder: &Path, pid: Pid) -> PathBuf {
    folder.join(format!("{pid}{END}"))
}

/// A place for a socket that is free for us.
#[derive(Debug)]
pub struct Claim(PathBuf);

impl Claim {
    /// In the usual folder, which is made if need be.
    ///
    /// # Errors
    /// When the folder cannot be had for ourselves alone.
    pub fn usual(folder: &Path, pid: Pid) -> Result<Self, ControlError> {
        make_folder(folder)?;
        remove_stale(folder);
        Self::at(&socket_of(folder, pid))
    }

    /// Where the user wants it. A socket that nobody listens at any more is removed, and nothing else.
    ///
    /// # Errors
    /// When something else is there.
    pub fn at(path: &Path) -> Result<Self, ControlError> {
        if let Ok(about) = fs::symlink_metadata(path) {
            let is_left = about.file_type().is_socket() && about.uid() == geteuid().as_raw();
            if !is_left || knock(path).err() != Some(io::ErrorKind::ConnectionRefused) {
                return Err(ControlError::Taken(path.to_owned()));
            }
            let removed = fs::remove_file(path);
            removed.map_err(|source| ControlError::Make { path: path.to_owned(), source })?;
        }
        Ok(Self(path.to_owned()))
    }

    /// Where.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

/// Makes the folder, with mode 0700, or sees that nobody else can write to the one that is there.
fn make_folder(folder: &Path) -> Result<(), ControlError> {
    let failed = |source| ControlError::Folder { folder: folder.to_owned(), source };
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
        _ => {}
    }
    let about = fs::symlink_metadata(folder).map_err(failed)?;
    let is_ours = about.is_dir() && about.uid() == geteuid().as_raw() && about.mode() & 0o022 == 0;
    if is_ours { Ok(()) } else { Err(ControlError::OpenFolder(folder.to_owned())) }
}

/// The sockets in a folder, by the pids in their names, in order.
pub(super) fn sockets(folder: &Path) -> io::Result<Vec<(Pid, PathBuf)>> {
    let mut found: Vec<_> = fs::read_dir(folder)?
        .take(MOST_ENTRIES)
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let pid = entry.file_name().to_str()?.strip_suffix(END)?.parse().ok()?;
            entry.file_type().ok()?.is_socket().then(|| (pid, entry.path()))
        })
        .collect();
    found.sort_unstable();
    Ok(found)
}

/// Removes the sockets of tracers that have ended without doing so: nobody listens, and there is no such
/// process. (One that has just been made may not be listened at yet.)
fn remove_stale(folder: &Path) {
    let own = std::process::id();
    for (pid, path) in sockets(folder).unwrap_or_default() {
        let has_gone = pid == own || !is_there(pid);
        if has_gone && knock(&path).err() == Some(io::ErrorKind::ConnectionRefused) {
            // Another tracer may have been faster.
            let _ = fs::remove_file(&path);
        }
    }
}

fn is_there(pid: Pid) -> bool {
    let number = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    number.is_some_and(|pid| test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}

/// Connects to a socket without waiting, which `connect(2)` would do at one of a process that is stopped.
pub(super) fn knock(path: &Path) -> Result<OwnedFd, io::ErrorKind> {
    let connect = || {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket =
            rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
        Ok(socket)
    };
    connect().map_err(|error: rustix::io::Errno| io::Error::from(error).kind())
}

#[cfg(test)]
mod tests {
    use super::{Claim, ControlError, END, folder, knock, make_folder, sockets};
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::os::unix::net::UnixListener;
    use std::path::Path;

    /// A socket at which nobody listens any more.
    fn leave(path: &Path) {
        drop(UnixListener::bind(path).unwrap());
    }

    #[test]
    fn each_user_has_a_folder() {
        assert_eq!(folder(true, Some("/run/user/5".into())).unwrap(), Path::new("/run/memtrace"));
        let own = folder(false, Some("/run/user/5".into())).unwrap();
        assert_eq!(own, Path::new("/run/user/5/memtrace"));
        for none in [None, Some("".into()), Some("user".into())] {
            assert!(matches!(folder(false, none), Err(ControlError::NoFolder)));
        }
    }

    #[test]
    fn the_folder_is_its_users_alone() {
        let all = tempfile::tempdir().unwrap();
        let folder = all.path().join("memtrace");
        make_folder(&folder).unwrap();
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
        make_folder(&folder).unwrap();
        let link = all.path().join("link");
        symlink(&folder, &link).unwrap();
        assert!(matches!(make_folder(&link), Err(ControlError::OpenFolder(_))));
        fs::set_permissions(&folder, Permissions::from_mode(0o770)).unwrap();
        assert!(matches!(make_folder(&folder), Err(ControlError::OpenFolder(_))));
        assert!(matches!(make_folder(&link.join("a/b")), Err(ControlError::Folder { .. })));
    }

    #[test]
    fn what_tracers_left_goes_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        // No process has a number this large; the first one has not ended.
        let gone = format!("4194999{END}");
        for name in [gone.as_str(), "1.sock", "a.sock"] {
            leave(&at(name));
        }
        fs::write(at("4194998.sock"), "no socket").unwrap();
        let _listener = UnixListener::bind(at("4194997.sock")).unwrap();
        let own = std::process::id();
        leave(&at(&format!("{own}.sock")));
        let claim = Claim::usual(folder.path(), own).unwrap();
        assert_eq!(claim.path(), at(&format!("{own}.sock")));
        let left: Vec<_> = sockets(folder.path()).unwrap().into_iter().map(|it| it.0).collect();
        assert_eq!(left, [1, 4_194_997]);
        assert!(at("4194998.sock").exists() && at("a.sock").exists());
    }

    #[test]
    fn a_place_that_is_taken_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control");
        let listener = UnixListener::bind(&path).unwrap();
        assert!(matches!(Claim::at(&path), Err(ControlError::Taken(_))));
        assert!(knock(&path).is_ok());
        drop(listener);
        assert!(Claim::at(&path).is_ok());
        fs::write(&path, "a file").unwrap();
        assert!(matches!(Claim::at(&path), Err(ControlError::Taken(_))));
        assert_eq!(fs::read(&path).unwrap(), b"a file");
    }
}
