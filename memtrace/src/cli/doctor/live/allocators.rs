//! The allocators of a process: which functions, where each is probed, what one hit costs.

use super::super::model::{Cell, Column, Line, Section, State, Table, Topic};
use super::hits::Count;
use super::prices::{how, nanoseconds};
use super::trial::Trial;
use crate::probe::allocator::{Discovery, FoundAllocator, PlannedFunction, Skipped};
use crate::procfs::Process;

/// A section for each allocator, and one for files that look like one and are not probed.
pub(super) fn sections(
    process: &Process,
    discovery: &Discovery,
    trial: &Trial,
    count: Option<&Count>,
) -> Vec<Section> {
    let mut sections = Vec::new();
    let mut first = 0;
    for allocator in &discovery.allocators {
        let rows = allocator.functions.iter().zip(first..);
        let rows = rows.map(|(it, number)| row(it, trial, count.map(|count| count.rate(number))));
        let table = Table { columns: columns(), rows: rows.collect() };
        let title = format!("{} in process {}", allocator.name, process.pid());
        sections.push(Section::new(Topic::Allocator, title, lines(allocator)).table(table));
        first += allocator.functions.len();
    }
    sections.extend(unknown(process, &discovery.not_probed));
    sections
}

fn columns() -> Vec<Column> {
    vec![
        Column { key: "function", title: "function" },
        Column { key: "offset", title: "site" },
        Column { key: "instruction", title: "instruction" },
        Column { key: "trap", title: "trap" },
        Column { key: "probe", title: "probe" },
        Column { key: "traced_ns", title: "ns/hit" },
        Column { key: "hits_per_s", title: "hits/s" },
    ]
}

fn row(function: &PlannedFunction, trial: &Trial, rate: Option<f64>) -> Vec<Cell> {
    let (returns, emulated) = (function.wants_return, function.emulated);
    vec![
        function.symbol.as_str().into(),
        Cell::Text(format!("+{:#x}", function.offset_in_function)),
        // gdb's blanks between mnemonic and operands would tear the column apart.
        Cell::Text(function.instruction.split_whitespace().collect::<Vec<_>>().join(" ")),
        how(emulated).into(),
        if returns { "call+return" } else { "entry" }.into(),
        nanoseconds(trial.traced.as_ref(), returns, emulated),
        rate.map_or(Cell::Unknown, |rate| Cell::Number(rate.round() as u64)),
    ]
}

fn lines(allocator: &FoundAllocator) -> Vec<Line> {
    let path = allocator.file.path.display().to_string();
    let mut lines = vec![Line::new("file", State::Ok, path)];
    let aliased = allocator.functions.iter().filter(|function| !function.aliases.is_empty());
    let same: Vec<String> =
        aliased.map(|it| format!("{} is {}", it.aliases.join(", "), it.symbol)).collect();
    if !same.is_empty() {
        lines.push(Line::new("same code", State::Ok, same.join("; ")));
    }
    let chosen = allocator.functions.iter().filter_map(|it| {
        it.implementation.as_ref().map(|chosen| format!("{} stands for {chosen}", it.symbol))
    });
    let chosen: Vec<String> = chosen.collect();
    if !chosen.is_empty() {
        lines.push(Line::new("IFUNC", State::Ok, chosen.join("; ")));
    }
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for Skipped { name, reason } in allocator.skipped.iter().filter(|it| it.reason != NOT_DEFINED) {
        match reasons.iter_mut().find(|(known, _)| known == reason) {
            Some((_, names)) => names.push(name),
            None => reasons.push((reason, vec![name])),
        }
    }
    lines.extend(reasons.into_iter().map(|(reason, names)| skipped(reason, &names)));
    lines
}

/// Why a function is skipped that this build of the allocator does not have.
const NOT_DEFINED: &str = "not defined here";

/// Functions that are not probed. Where their work is done by another that is, nothing is missed.
fn skipped(reason: &str, names: &[&str]) -> Line {
    let harmless = reason.starts_with("ends in ") || reason.starts_with("resizes ");
    let state = if harmless { State::Ok } else { State::Hazard };
    let line = Line::new("not probed", state, format!("{}: {reason}", names.join(", ")));
    if harmless { line } else { line.remedy("blocks from there, or given to it, are not seen") }
}

fn unknown(process: &Process, files: &[Skipped]) -> Option<Section> {
    let line = |file: &Skipped| {
        Line::new(&file.name, State::Hazard, file.reason.as_str())
            .remedy("what is allocated there is not seen")
    };
    let title = format!("Other allocators in process {}", process.pid());
    (!files.is_empty())
        .then(|| Section::new(Topic::Allocator, title, files.iter().map(line).collect()))
}
