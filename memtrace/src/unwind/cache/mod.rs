//! Tables on disk, by build-id, so that a file's unwind information is read once.
//!
//! An entry is believed only if nobody but root and we could have written it, and if its checksum is
//! right. Only files that root or we own are cached: another user's file may carry any build-id, and
//! would then stand in for the real one.

mod entry;
mod evict;
mod folder;

pub use folder::default_folder;

use super::error::UnwindError;
use super::table::Table;
use crate::model::module::BuildId;
use folder::is_trusted;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// How the names of entries end, also those of entries being written.
const SUFFIX: &str = ".unwind";

/// Why a folder cannot be used, or an entry not be written.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// Others could put something in.
    #[error(
        "the cache of unwinding tables {0} is not used: it must belong to root or to this user, and \
         nobody else may write to it (`chmod go-w`, or remove it)"
    )]
    NotTrusted(PathBuf),
    /// The system refused.
    #[error("cannot {what} the cache of unwinding tables {path}: {source}")]
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
    fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { what, path: path.to_owned(), source }
    }
}

/// What an entry is for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Key {
    build_id: BuildId,
    /// Bytes of the file; one that was stripped keeps its build-id.
    length: u64,
}

impl Key {
    fn file_name(&self) -> String {
        format!("{}-{:x}{SUFFIX}", self.build_id, self.length)
    }
}

/// A folder of tables.
#[derive(Debug)]
pub struct TableCache {
    folder: PathBuf,
    /// Most bytes of all entries.
    limit: u64,
}

impl TableCache {
    /// Bytes that all entries may take unless somebody says otherwise. The tables of a whole
    /// distribution take some 80 MB.
    pub const DEFAULT_LIMIT: u64 = 256 << 20;

    /// Uses `folder`, which is made if need be, for at most `limit` bytes of tables.
    ///
    /// # Errors
    /// When it cannot be made, or when others could write to it.
    pub fn open(folder: &Path, limit: u64) -> Result<Self, CacheError> {
        folder::make(folder)?;
        Ok(Self { folder: folder.to_owned(), limit })
    }

    /// The table of `file`: from the cache or, if that has none that can be believed, built and kept.
    /// That it could not be kept is no error.
    ///
    /// # Errors
    /// As [`Table::build`].
    pub fn table(&self, file: &File) -> Result<Table, UnwindError> {
        let Some(key) = key(file) else { return Table::build(file) };
        if let Some(table) = self.load(&key) {
            return Ok(table);
        }
        let table = Table::build(file)?;
        if let Err(error) = self.store(&key, &table) {
            tracing::debug!("{error}");
        }
        Ok(table)
    }

    fn load(&self, key: &Key) -> Option<Table> {
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(self.folder.join(key.file_name()))
            .ok()?;
        let metadata = file.metadata().ok()?;
        if !metadata.is_file() || !is_trusted(&metadata) || metadata.len() > self.limit {
            return None;
        }
        let mut bytes = Vec::new();
        file.take(self.limit).read_to_end(&mut bytes).ok()?;
        entry::decode(&bytes, key)
    }

    /// Writes an entry under a temporary name, readable by this user alone, and renames it, so that no half entry is ever seen.
    fn store(&self, key: &Key, table: &Table) -> Result<(), CacheError> {
        let bytes = entry::encode(table, key);
        if bytes.len() as u64 > self.limit {
            return Ok(());
        }
        let path = self.folder.join(key.file_name());
        let mut file = tempfile::Builder::new()
            .prefix("new-")
            .suffix(SUFFIX)
            .tempfile_in(&self.folder)
            .map_err(CacheError::io("create a file in", &self.folder))?;
        file.write_all(&bytes).map_err(CacheError::io("write to", &self.folder))?;
        let persisted = file.persist(&path);
        persisted.map_err(|error| CacheError::io("rename a file in", &path)(error.error))?;
        evict::evict(&self.folder, self.limit)
    }
}

/// What the file's table is kept under; `None` if it is not to be kept.
fn key(file: &File) -> Option<Key> {
    let metadata = file.metadata().ok()?;
    if !is_trusted(&metadata) {
        return None;
    }
    Some(Key { build_id: super::table::build_id(file)?, length: metadata.len() })
}

/// The table in an entry, whatever file it is for.
#[cfg(any(test, feature = "fuzzing"))]
pub(super) fn decode_any(bytes: &[u8]) -> Option<Table> {
    entry::decode(bytes, &entry::key(bytes)?)
}

/// The entry with the checksum that its contents have, which random bytes never do.
#[cfg(any(test, feature = "fuzzing"))]
pub(super) fn with_right_checksum(bytes: &[u8]) -> Option<Vec<u8>> {
    entry::with_right_checksum(bytes)
}

#[cfg(test)]
mod tests;
