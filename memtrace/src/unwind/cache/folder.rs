//! Where the cache is, and whether it can be trusted.

use super::CacheError;
use std::fs::{DirBuilder, Metadata};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

/// Root's cache. Root does not look into the environment, which may be another user's.
const SYSTEM: &str = "/var/cache/memtrace/unwind";

/// Where this user's tables are kept: for root `/var/cache/memtrace/unwind`, for others below `$XDG_CACHE_HOME` or
/// `~/.cache`. `None` without a home.
#[must_use]
pub fn default_folder() -> Option<PathBuf> {
    place(user(), |name| std::env::var_os(name).map(PathBuf::from))
}

/// Relative paths in the environment do not count (XDG Base Directory Specification).
fn place(user: u32, variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    if user == 0 {
        return Some(PathBuf::from(SYSTEM));
    }
    let absolute = |name: &str| variable(name).filter(|path| path.is_absolute());
    let caches = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")));
    Some(caches?.join("memtrace/unwind"))
}

/// Makes the folder, for this user alone, unless it is there; and checks it.
pub(super) fn make(folder: &Path) -> Result<(), CacheError> {
    let mut builder = DirBuilder::new();
    let made = builder.recursive(true).mode(0o700).create(folder);
    made.map_err(CacheError::io("create", folder))?;
    let metadata = folder.symlink_metadata().map_err(CacheError::io("look at", folder))?;
    if metadata.is_dir() && is_trusted(&metadata) {
        Ok(())
    } else {
        Err(CacheError::NotTrusted(folder.to_owned()))
    }
}

/// Only root and this user can have written it.
pub(super) fn is_trusted(metadata: &Metadata) -> bool {
    is_ours(metadata.uid(), metadata.mode(), user())
}

const fn is_ours(owner: u32, mode: u32, user: u32) -> bool {
    (owner == 0 || owner == user) && mode & 0o022 == 0
}

fn user() -> u32 {
    // SAFETY: geteuid(2) has no arguments and always succeeds.
    unsafe { libc::geteuid() }
}

#[cfg(test)]
mod tests {
    use super::{SYSTEM, is_ours, place};
    use std::path::PathBuf;

    #[test]
    fn each_user_has_a_place() {
        let home = |name: &str| (name == "HOME").then(|| PathBuf::from("/home/u"));
        let caches = |name: &str| (name == "XDG_CACHE_HOME").then(|| PathBuf::from("/c"));
        let relative = |_: &str| Some(PathBuf::from("c"));
        assert_eq!(place(7, home), Some("/home/u/.cache/memtrace/unwind".into()));
        assert_eq!(place(7, caches), Some("/c/memtrace/unwind".into()));
        assert_eq!(place(7, relative), None);
        assert_eq!(place(7, |_| None), None);
        assert_eq!(place(0, caches), Some(SYSTEM.into()));
    }

    #[test]
    fn what_others_can_write_is_not_trusted() {
        assert!(is_ours(7, 0o100_644, 7) && is_ours(0, 0o40_755, 7));
        assert!(!is_ours(8, 0o100_600, 7) && !is_ours(7, 0o100_600, 0));
        assert!(!is_ours(7, 0o100_620, 7) && !is_ours(7, 0o41_777, 7));
    }
}
