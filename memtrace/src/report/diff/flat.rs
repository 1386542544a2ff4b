//! What formats of differences have in common: a row as a call stack, and what is said of the whole.

use super::grouping::{Diff, Key, Row};
use super::side::{Frame, Side};
use super::text::{compared, figures, heading, size_class, write_doubts};
use crate::report::differences::{Changed, Differences, Step};
use crate::report::flat::{NO_STACK, Named};
use std::io;

/// The process, where rows are told apart by it, and the functions, outermost first. What has no call stack is
/// a function of that name.
pub(super) fn path(key: &Key, full_names: bool) -> (Option<&str>, Vec<Step>) {
    let nowhere = |name: &str| vec![Step { named: Named::nowhere(name), full: None, module: None }];
    match key {
        Key::Stack { process, frames, .. } if frames.is_empty() => {
            (Some(process), nowhere(NO_STACK))
        }
        Key::Stack { process, frames, .. } => {
            let frames = frames.iter().rev();
            (Some(process), frames.map(|frame| step(frame, frame.name(full_names))).collect())
        }
        Key::LeftOut { process, why } => (process.as_deref(), nowhere(&format!("({why})"))),
        Key::Process(name) => (None, nowhere(name)),
        Key::Thread { process, thread } => (Some(process), nowhere(&thread.name())),
        Key::SizeClass(class) => (None, nowhere(&size_class(*class))),
        Key::Caller(None) => (None, nowhere(NO_STACK)),
        Key::Caller(Some(frame)) => (None, vec![step(frame, heading(key, full_names))]),
    }
}

fn step(frame: &Frame, name: String) -> Step {
    let full = frame.function.clone().filter(|full| *full != name);
    let named = Named { name, file: frame.file.clone(), line: frame.line };
    Step { named, full, module: frame.module.clone() }
}

/// The process and the functions of a row by their names, outermost first.
pub(super) fn names(key: &Key, full_names: bool) -> Vec<String> {
    let (process, path) = path(key, full_names);
    let process = match key {
        // It stands beside processes.
        Key::LeftOut { process: None, .. } => Some("all"),
        _ => process,
    };
    let functions = path.into_iter().map(|step| step.named.name);
    process.map(str::to_owned).into_iter().chain(functions).collect()
}

/// Live bytes before and after. What is not listed counts as nothing: it is in what is summed up.
pub(super) fn bytes(row: &Row) -> [u64; 2] {
    [row.before, row.after].map(|side| side.map_or(0, |amount| amount.bytes.value))
}

fn blocks(row: &Row) -> [u64; 2] {
    [row.before, row.after].map(|side| side.map_or(0, |amount| amount.blocks.value))
}

/// What was compared, the totals, and what is missing or may not be right: a line each.
pub(super) fn notes(diff: &Diff, sides: [(&str, &Side); 2]) -> Vec<String> {
    let total = format!("total: {}", figures(&diff.total));
    let mut notes = vec![compared(sides), total];
    let mut doubts = Vec::new();
    for (name, (_, side)) in ["A", "B"].into_iter().zip(sides) {
        // A vector takes everything.
        let _: io::Result<()> = write_doubts(name, side, &mut doubts);
    }
    notes.extend(String::from_utf8_lossy(&doubts).lines().map(str::to_owned));
    notes
}

/// The differences for formats of other programs.
pub(super) fn changes(diff: &Diff, sides: [(&str, &Side); 2], full_names: bool) -> Differences {
    let changed = |row: &Row| {
        let (process, path) = path(&row.key, full_names);
        let process = process.map(str::to_owned);
        Changed { process, path, bytes: bytes(row), blocks: blocks(row) }
    };
    let [(_, before), (_, after)] = sides;
    Differences {
        stacks: diff.rows.iter().map(changed).collect(),
        notes: notes(diff, sides),
        before: before.time,
        after: after.time,
        sample_interval: before.sample_interval.max(after.sample_interval),
        is_estimate: diff.total.bytes().is_some_and(|change| change.is_estimate()),
    }
}
