//! The readers of what a traced process controls, for fuzzing: any bytes must do no harm.

use super::{build_id, maps, smaps};
use crate::model::module::BuildId;
use std::fs::File;
use std::io::Write as _;

/// `/proc/PID/maps` and `smaps`, whose paths are the process's own.
pub(crate) fn mappings(bytes: &[u8]) {
    let (_, areas) = smaps::parse(bytes);
    assert!(areas.iter().all(|area| area.start < area.end));
    let mappings = maps::parse(bytes);
    assert!(mappings.iter().all(|mapping| mapping.start < mapping.end));
    let _ = maps::heap_segment(&mappings);
}

/// A file's notes: alone, and where its headers say.
pub(crate) fn notes(bytes: &[u8]) {
    let found = BuildId::from_notes(bytes);
    assert!(found.is_none_or(|id| (1..=BuildId::MAX).contains(&id.bytes().len())));
    if let Some(file) = on_disk(bytes) {
        let _ = build_id::read(&file);
    }
}

fn on_disk(bytes: &[u8]) -> Option<File> {
    let mut file = tempfile::tempfile().ok()?;
    file.write_all(bytes).ok().map(|()| file)
}
