//! Two sides as folded stacks with two counts, for programs that draw differential flame graphs.
//!
//! `PROCESS;FUNCTION;…;FUNCTION BEFORE AFTER`, the form that Brendan Gregg's `difffolded.pl` brought about: `flamegraph.pl`
//! and `inferno-flamegraph` draw what grew in red and what shrank in blue, as wide as it is after.

use super::flat::{bytes, names};
use super::grouping::{Diff, Key};
use crate::report::flat::word;
use std::collections::BTreeMap;
use std::io;

/// Writes the live bytes of each stack or group, before and after. What was not listed counts as nothing.
///
/// # Errors
/// What `out` says.
pub fn write_folded(diff: &Diff, full_names: bool, out: &mut dyn io::Write) -> io::Result<()> {
    // Stacks that differ in lines alone are one line here.
    let mut lines: BTreeMap<String, [u64; 2]> = BTreeMap::new();
    for row in &diff.rows {
        let sums = lines.entry(line(&row.key, full_names)).or_default();
        for (sum, bytes) in sums.iter_mut().zip(bytes(row)) {
            *sum = sum.saturating_add(bytes);
        }
    }
    for (line, [before, after]) in lines.iter().filter(|(_, sums)| **sums != [0, 0]) {
        writeln!(out, "{line} {before} {after}")?;
    }
    out.flush()
}

fn line(key: &Key, full_names: bool) -> String {
    let words: Vec<String> = names(key, full_names).iter().map(|name| word(name)).collect();
    words.join(";")
}
