//! Differences as a flame graph.

use super::folded::path;
use super::grouping::{Diff, Row};
use super::side::Side;
use super::text::{compared, figures, write_doubts};
use crate::report::svg::write_changes;
use std::io;

/// Draws the live bytes of each stack of the sides with these names. What was not listed counts as nothing.
///
/// # Errors
/// What `out` says.
pub fn write_svg(
    diff: &Diff,
    sides: [(&str, &Side); 2],
    full_names: bool,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let mut doubts = Vec::new();
    for (name, (_, side)) in ["A", "B"].into_iter().zip(sides) {
        write_doubts(name, side, &mut doubts)?;
    }
    let total = format!("total: {}; red grew, blue shrank", figures(&diff.total));
    let doubts = String::from_utf8_lossy(&doubts);
    let compared = compared(sides);
    let notes =
        [compared.as_str(), &total].into_iter().chain(doubts.lines()).map(str::to_owned).collect();
    let stack = |row: &Row| {
        let bytes = [row.before, row.after].map(|side| side.map_or(0, |it| it.bytes.value));
        (path(&row.key, full_names), bytes)
    };
    write_changes(diff.rows.iter().map(stack), notes, out)
}
