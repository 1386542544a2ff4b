//! Differences as a file of speedscope: its weights cannot be negative, so that there are two profiles, of what grew
//! and of what shrank.

use super::schema::{File, Frames, Profile};
use crate::report::differences::{Differences, WAYS, Way, maker};
use std::io;

/// Writes one JSON document.
///
/// # Errors
/// What `out` says.
pub(in crate::report) fn write_changes(
    changes: &Differences,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let mut frames = Frames::default();
    let profiles = WAYS.map(|way| profile(changes, way, &mut frames)).into();
    serde_json::to_writer(&mut *out, &File::new(maker(), changes.remarks(), frames, profiles))?;
    writeln!(out)?;
    out.flush()
}

fn profile(changes: &Differences, way: Way, frames: &mut Frames) -> Profile {
    let mut profile = Profile::new(changes.name_of(way));
    for (stack, bytes) in changes.that(way) {
        profile.add(stack.whole_path().iter().map(|named| frames.number(named)).collect(), bytes);
    }
    profile
}
