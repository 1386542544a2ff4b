//! Differences as a flame graph.

use super::flat::{bytes, names, notes};
use super::grouping::{Diff, Row};
use super::side::Side;
use crate::report::svg::write_changes;
use std::io;

/// Draws the live bytes of each stack or group of the sides with these names. What was not listed counts as nothing.
///
/// # Errors
/// What `out` says.
pub fn write_svg(
    diff: &Diff,
    sides: [(&str, &Side); 2],
    full_names: bool,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let mut notes = notes(diff, sides);
    // Behind the totals.
    notes[1].push_str("; red grew, blue shrank");
    let stack = |row: &Row| (names(&row.key, full_names), bytes(row));
    write_changes(diff.rows.iter().map(stack), notes, out)
}
