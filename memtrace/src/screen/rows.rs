//! Reports → rows of the visible page, filtered and in order.

mod frames;
mod processes;
mod stacks;

use super::cells;
use super::columns::Column;
use super::identity::RowIdentity;
use super::page::{Page, What};
use crate::engine::snapshot::Confidence;
use crate::report::{Report, Verdict};
use std::cmp::{Ordering, Reverse};

/// A row, and all that can be said of it.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) identity: RowIdentity,
    pub(super) pid: u32,
    /// Of a process its name, of a call stack its functions.
    pub(super) name: String,
    pub(super) figures: Figures,
    pub(super) verdict: Option<Verdict>,
    /// In the column for states.
    pub(super) state: String,
    /// What it is about lives no more.
    pub(super) ended: bool,
    /// Where it is, of a frame: line and file.
    pub(super) place: [String; 2],
    /// Sentences about it, for the lines below the table.
    pub(super) details: Vec<String>,
}

/// Figures of a row. What is not known is absent.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Figures {
    pub(super) live: Option<u64>,
    pub(super) confidence: Option<Confidence>,
    /// It is an estimate, and nobody knows how far it may be off.
    pub(super) is_vague: bool,
    pub(super) peak: Option<u64>,
    pub(super) growth: Option<i64>,
    /// Bytes per second.
    pub(super) rate: Option<f64>,
    pub(super) blocks: Option<u64>,
    pub(super) resident: Option<u64>,
}

impl Row {
    /// What stands in a column.
    pub(super) fn cell(&self, column: Column) -> String {
        let Figures { live, confidence, is_vague, peak, growth, rate, blocks, resident } =
            self.figures;
        match column {
            Column::Pid => self.pid.to_string(),
            Column::Name => self.name.clone(),
            Column::Live => cells::size(live),
            Column::Doubt if is_vague => "?".to_owned(),
            Column::Doubt => live.map_or_else(String::new, |live| cells::doubt(live, confidence)),
            Column::Peak => cells::size(peak),
            Column::Growth => cells::change(growth),
            Column::Rate => cells::speed(rate),
            Column::Blocks => blocks.map_or_else(|| "-".to_owned(), crate::report::units::count),
            Column::Resident => cells::size(resident),
            Column::State => self.state.clone(),
        }
    }

    fn contains(&self, filter: &str) -> bool {
        let has = |text: &str| text.to_lowercase().contains(filter);
        has(&self.name)
            || has(&self.state)
            || self.place.iter().any(|it| has(it))
            || self.pid.to_string() == filter
    }

    /// The largest first, what is not known last, what is only a rest after all others.
    fn compare(&self, other: &Self, column: Column) -> Ordering {
        let (mine, theirs) = (&self.figures, &other.figures);
        let rest = |row: &Self| matches!(row.identity, RowIdentity::Rest(..));
        let rate = |figures: &Figures| figures.rate.unwrap_or(f64::NEG_INFINITY);
        let first = match column {
            Column::Name => self.name.cmp(&other.name),
            Column::Growth => Reverse(mine.growth).cmp(&Reverse(theirs.growth)),
            Column::Rate => rate(theirs).total_cmp(&rate(mine)),
            Column::Peak => Reverse(mine.peak).cmp(&Reverse(theirs.peak)),
            Column::Blocks => Reverse(mine.blocks).cmp(&Reverse(theirs.blocks)),
            Column::Resident => Reverse(mine.resident).cmp(&Reverse(theirs.resident)),
            _ => Reverse(mine.live).cmp(&Reverse(theirs.live)),
        };
        let then = || Reverse(mine.live).cmp(&Reverse(theirs.live));
        rest(self).cmp(&rest(other)).then(first).then_with(then).then(self.pid.cmp(&other.pid))
    }
}

/// The rows of a page.
pub(super) fn rows(report: &Report, page: &Page) -> Vec<Row> {
    let mut rows = match &page.what {
        What::Processes => processes::rows(report),
        What::AllStacks => {
            report.processes.iter().flat_map(|process| stacks::rows(report, process)).collect()
        }
        What::Stacks(process) => {
            process.find(report).map_or_else(Vec::new, |process| stacks::rows(report, process))
        }
        What::Frames(process, stack) => process
            .find(report)
            .map_or_else(Vec::new, |process| frames::rows(report, process, *stack)),
    };
    if !page.filter.is_empty() {
        let filter = page.filter.to_lowercase();
        rows.retain(|row| row.contains(&filter));
    }
    // Frames stay in the order of calls.
    if !matches!(page.what, What::Frames(..)) {
        rows.sort_by(|one, other| one.compare(other, page.sort));
    }
    rows
}
