//! Differences as files of pprof, speedscope and the Firefox Profiler.

use super::flat::changes;
use super::grouping::Diff;
use super::side::Side;
use crate::report::{firefox, pprof, speedscope};
use std::io;

/// Writes a gzipped profile for pprof: live blocks and bytes after less those before, negative where they shrank.
///
/// # Errors
/// What `out` says.
pub fn write_pprof(
    diff: &Diff,
    sides: [(&str, &Side); 2],
    full_names: bool,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    pprof::write_changes(&changes(diff, sides, full_names), out)
}

/// Writes a file for speedscope: a profile of the bytes by which stacks grew, and one of those by which they shrank.
///
/// # Errors
/// What `out` says.
pub fn write_speedscope(
    diff: &Diff,
    sides: [(&str, &Side); 2],
    full_names: bool,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    speedscope::write_changes(&changes(diff, sides, full_names), out)
}

/// Writes a file for the Firefox Profiler: the same two, a process each.
///
/// # Errors
/// What `out` says.
pub fn write_firefox(
    diff: &Diff,
    sides: [(&str, &Side); 2],
    full_names: bool,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    firefox::write_changes(&changes(diff, sides, full_names), out)
}
