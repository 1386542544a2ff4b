//! Keeping the cache in its bounds.

use super::{CacheError, SUFFIX};
use std::fs;
use std::path::Path;

/// Removes the oldest entries until all together have at most `limit` bytes; also what was left of
/// entries that were never finished.
pub(super) fn evict(folder: &Path, limit: u64) -> Result<(), CacheError> {
    let listing = fs::read_dir(folder).map_err(CacheError::io("list", folder))?;
    let mut entries: Vec<_> = listing
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().ends_with(SUFFIX))
        .filter_map(|entry| {
            let metadata = entry.metadata().ok()?;
            Some((metadata.modified().ok()?, metadata.len(), entry.path()))
        })
        .collect();
    entries.sort();
    let mut bytes: u64 = entries.iter().map(|(_, length, _)| length).sum();
    for (_, length, path) in entries {
        if bytes <= limit {
            break;
        }
        // Another memtrace may have removed it already.
        let _ = fs::remove_file(path);
        bytes -= length;
    }
    Ok(())
}
