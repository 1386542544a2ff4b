//! What a probe costs on this machine, as a table.

use super::super::model::{Cell, Column, Section, Table, Topic};
use super::trial::Trial;
use crate::probe::live::calibrate::{Prices, TRACED_FRAMES};

/// Price of one hit.
pub(super) const fn price(prices: &Prices, returns: bool, emulated: bool) -> f64 {
    match (returns, emulated) {
        (true, true) => prices.call,
        (true, false) => prices.call_stepped,
        (false, true) => prices.entry,
        (false, false) => prices.entry_stepped,
    }
}

/// The section; `None` when nothing was measured.
pub(super) fn section(trial: &Trial) -> Option<Section> {
    let link = trial.link()?;
    trial.empty?;
    let note = format!(
        "Empty: the trap alone, with a program that does nothing. Traced: with memtrace's own \
         program, a call stack of {TRACED_FRAMES} frames and its record. The kernel emulates some \
         instructions at a probe and single-steps the others. Measured just now with {} links, on \
         functions of memtrace's own.",
        link.name()
    );
    let section =
        Section::new(Topic::Prices, "What a probe costs here, in nanoseconds per hit", Vec::new());
    Some(section.table(table(trial)).note(note))
}

fn table(trial: &Trial) -> Table {
    let columns = vec![
        Column { key: "probe", title: "probe" },
        Column { key: "trap", title: "trap" },
        Column { key: "empty_ns", title: "empty" },
        Column { key: "traced_ns", title: "traced" },
    ];
    let kinds = [(false, true), (false, false), (true, true), (true, false)];
    let rows = kinds
        .into_iter()
        .map(|(returns, emulated)| {
            vec![
                if returns { "call and return" } else { "entry only" }.into(),
                how(emulated).into(),
                nanoseconds(trial.empty.as_ref(), returns, emulated),
                nanoseconds(trial.traced.as_ref(), returns, emulated),
            ]
        })
        .collect();
    Table { columns, rows }
}

/// How the kernel treats the probed instruction.
pub(super) const fn how(emulated: bool) -> &'static str {
    if emulated { "emulated" } else { "single-stepped" }
}

/// The price of one hit, if it was measured.
pub(super) fn nanoseconds(prices: Option<&Prices>, returns: bool, emulated: bool) -> Cell {
    // A price is a time that was measured: it fits, and is not negative.
    prices.map_or(Cell::Unknown, |it| Cell::Number(price(it, returns, emulated).round() as u64))
}
