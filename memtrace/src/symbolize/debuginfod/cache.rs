//! The files that servers sent, as elfutils' client keeps them: `FOLDER/BUILDID/debuginfo`.

use crate::model::module::BuildId;
use crate::symbolize::elf::{ElfFile, open_regular};
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tempfile::NamedTempFile;

/// How the names of files begin that have not come wholly yet.
const UNFINISHED: &str = ".memtrace-";
/// A file that is unfinished for longer belongs to a run that ended in the middle.
const ABANDONED: Duration = Duration::from_secs(3600);

/// Why the folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// Others could put something in, or something in its place.
    #[error(
        "the folder {0} for what debuginfod servers send must belong to this user, and nobody else \
         may write to it: `chmod go-w` it, or name another one in DEBUGINFOD_CACHE_PATH"
    )]
    NotOurs(PathBuf),
    /// The system refused.
    #[error("cannot {what} {path}, where debuginfod's files are kept: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
}

impl CacheError {
    pub(super) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { what, path: path.to_owned(), source }
    }
}

/// A folder of files.
#[derive(Clone, Debug)]
pub(super) struct Cache(Arc<Path>);

impl Cache {
    /// Uses `folder`, which is made if need be.
    ///
    /// # Errors
    /// When it cannot be made, or belongs to somebody else.
    pub(super) fn open(folder: &Path) -> Result<Self, CacheError> {
        let failed = CacheError::io("make the folder", folder);
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        let metadata = fs::metadata(folder).map_err(CacheError::io("look at", folder))?;
        // SAFETY: cannot fail.
        let user = unsafe { libc::geteuid() };
        if metadata.uid() != user || metadata.mode() & 0o022 != 0 {
            return Err(CacheError::NotOurs(folder.to_owned()));
        }
        sweep(folder);
        Ok(Self(folder.into()))
    }

    pub(super) fn folder(&self) -> &Path {
        &self.0
    }

    /// The file for this build-id, if there is one that has it.
    pub(super) fn find(&self, build_id: &BuildId) -> Option<File> {
        let found = open_regular(&self.place(build_id))?;
        is_debug_file_of(&found, build_id).then_some(found)
    }

    fn place(&self, build_id: &BuildId) -> PathBuf {
        self.0.join(build_id.to_string()).join("debuginfo")
    }

    /// A file that is still to be filled; it vanishes unless it is kept.
    ///
    /// # Errors
    /// What the file system says.
    pub(super) fn begin(&self) -> io::Result<NamedTempFile> {
        tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(&self.0)
    }

    /// Puts a file that is whole into its place, where it appears at once.
    ///
    /// # Errors
    /// What the file system says.
    pub(super) fn keep(&self, file: NamedTempFile, build_id: &BuildId) -> io::Result<()> {
        let place = self.place(build_id);
        if let Some(folder) = place.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        file.persist(place).map(drop).map_err(|error| error.error)
    }
}

/// Whether `file` has debug information, and this build-id.
pub(super) fn is_debug_file_of(file: &File, build_id: &BuildId) -> bool {
    let elf = file.try_clone().ok().and_then(|file| ElfFile::of(file).ok());
    elf.is_some_and(|elf| elf.build_id.as_ref() == Some(build_id) && elf.sections.debug_info)
}

/// Removes what runs left that ended in the middle of a file.
fn sweep(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let is_unfinished = entry.file_name().as_encoded_bytes().starts_with(UNFINISHED.as_bytes());
        let age = entry.metadata().and_then(|metadata| metadata.modified());
        let age = age.ok().and_then(|modified| modified.elapsed().ok());
        if is_unfinished && age.is_some_and(|age| age > ABANDONED) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Cache, CacheError};
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_folder_that_others_may_write_to_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(Cache::open(folder.path()), Err(CacheError::NotOurs(_))));
        let below = folder.path().join("a/b");
        Cache::open(&below).unwrap();
        assert_eq!(below.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn leftovers_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        for (name, age) in [(".memtrace-old", 7200), (".memtrace-new", 0), ("theirs", 7200)] {
            let file = fs::File::create(folder.path().join(name)).unwrap();
            let time = std::time::SystemTime::now() - std::time::Duration::from_secs(age);
            file.set_modified(time).unwrap();
        }
        Cache::open(folder.path()).unwrap();
        assert!(!folder.path().join(".memtrace-old").exists());
        assert!(folder.path().join(".memtrace-new").exists());
        assert!(folder.path().join("theirs").exists());
    }
}
