//! `doctor --programs`: the verifier's verdict on each program, as a table.

use super::super::model::{Cell, Column, Section, State, Table, Topic};
use super::failure;
use crate::probe::live::verdict::{Effort, Outcome, Verdict, verdicts};

/// The section.
pub(super) fn section() -> Section {
    let title = "Programs, as this kernel's verifier sees them";
    match verdicts() {
        Ok(verdicts) => {
            Section::new(Topic::Programs, title, Vec::new()).table(table(&verdicts)).note(NOTE)
        }
        Err(error) => Section::new(Topic::Programs, title, vec![failure("programs", &error)]),
    }
}

const NOTE: &str = "Instructions: how many the verifier went through, of a million that it allows. \
Stack: bytes, with everything that the program calls. Load: the whole system call, compilation \
included. What is absent on this kernel is done by another of the programs.";

fn table(verdicts: &[Verdict]) -> Table {
    let columns = [
        ("program", "program"),
        ("kind", "for"),
        ("instructions", "instructions"),
        ("stack_bytes", "stack"),
        ("load_us", "load µs"),
        ("verdict", "verdict"),
    ];
    Table {
        columns: columns.map(|(key, title)| Column { key, title }).into(),
        rows: verdicts.iter().map(row).collect(),
    }
}

fn row(verdict: &Verdict) -> Vec<Cell> {
    let (effort, word) = match &verdict.outcome {
        Outcome::Verified(effort) => (Some(*effort), State::Ok.word().to_owned()),
        Outcome::Absent(what) => (None, format!("absent: {what}")),
        Outcome::Refused(why) => (None, format!("REFUSED: {why}")),
    };
    let number = |of: fn(Effort) -> u64| effort.map_or(Cell::Unknown, |it| Cell::Number(of(it)));
    vec![
        verdict.program.as_str().into(),
        verdict.kind.into(),
        number(|effort| effort.instructions),
        number(|effort| effort.stack_bytes),
        number(|effort| effort.time.as_micros().try_into().unwrap_or(u64::MAX)),
        Cell::Text(word),
    ]
}
