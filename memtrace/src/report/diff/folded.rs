//! Two sides as folded stacks with two counts, for programs that draw differential flame graphs.
//!
//! `PROCESS;FUNCTION;…;FUNCTION BEFORE AFTER`, the form that Brendan Gregg's `difffolded.pl` brought about: `flamegraph.pl`
//! and `inferno-flamegraph` draw what grew in red and what shrank in blue, as wide as it is after.

use super::grouping::{Diff, Key};
use super::side::Frame;
use crate::report::flat::NO_STACK;
use crate::report::flat::word;
use std::collections::BTreeMap;
use std::io;

/// Writes the live bytes of each stack, before and after. What was not listed counts as nothing.
///
/// # Errors
/// What `out` says.
pub fn write_folded(diff: &Diff, full_names: bool, out: &mut dyn io::Write) -> io::Result<()> {
    // Stacks that differ in lines alone are one line here.
    let mut lines: BTreeMap<String, [u64; 2]> = BTreeMap::new();
    for row in &diff.rows {
        let sums = lines.entry(line(&row.key, full_names)).or_default();
        for (sum, side) in sums.iter_mut().zip([row.before, row.after]) {
            *sum = sum.saturating_add(side.map_or(0, |amount| amount.bytes.value));
        }
    }
    for (line, [before, after]) in lines.iter().filter(|(_, sums)| **sums != [0, 0]) {
        writeln!(out, "{line} {before} {after}")?;
    }
    out.flush()
}

fn line(key: &Key, full_names: bool) -> String {
    let words: Vec<String> = path(key, full_names).iter().map(|name| word(name)).collect();
    words.join(";")
}

/// The process and its functions, outermost first.
pub(super) fn path(key: &Key, full_names: bool) -> Vec<String> {
    let name = |frame: &Frame| frame.name(full_names);
    match key {
        Key::Stack { process, frames, .. } => {
            let mut path = vec![process.clone()];
            path.extend(frames.iter().rev().map(name));
            path.extend(frames.is_empty().then(|| NO_STACK.to_owned()));
            path
        }
        Key::LeftOut { process, why } => {
            vec![process.clone().unwrap_or_else(|| "all".to_owned()), format!("({why})")]
        }
        Key::Process(name) => vec![name.clone()],
        Key::Caller(frame) => vec![frame.as_ref().map_or_else(|| NO_STACK.to_owned(), name)],
    }
}
