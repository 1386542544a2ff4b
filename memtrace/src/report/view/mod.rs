//! Views of a report for people: its call stacks as a tree, as a table of functions, as statistics; grouped and
//! filtered.
//!
//! All are made of the same list of stacks with what they hold ([`Weighed`]), and whatever a view does not show is
//! summed in it: its figures add up to all that is held.

mod amount;
mod figures;
mod filter;
mod group;
mod json;
mod lifetimes;
mod lifetimes_text;
mod measure;
mod narrow;
mod page;
mod regroup;
mod stats;
mod stats_text;
mod table;
mod table_text;
#[cfg(test)]
mod tests;
mod tree;
mod tree_text;
mod weigh;

pub use amount::{Amount, Order, Ranked, Summed};
pub(super) use figures::label;
pub use filter::Filter;
pub(super) use filter::Names;
pub(super) use group::sizes;
pub use group::{By, Entry, Naming};
pub use json::SCHEMA;
pub use lifetimes::{Life, lives};
pub use measure::{Measure, Stretch};
pub use stats::{Called, SizeClass, Sizes, allocators, apart, called};
pub(super) use table::Rows;
pub use table::{Row, rows};
pub(super) use tree::Maker;
pub use tree::{Branch, Tree, What};
pub(super) use tree_text::Drawing;
pub use weigh::{LeftOut, Rest, Subject, Weighed, Weighted};
pub(super) use weigh::{nameless, of_process, subject};

use super::ReportWriter;
use super::model::Report;
use super::text::TextStyle;
use std::io;

/// What a view shows. Whether functions have their full names, and whether frames of allocators are there, is
/// among the report's own options.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ViewOptions {
    /// By what it sums; `None`: by what is usual.
    pub by: Option<By>,
    /// The innermost functions are the roots of the tree.
    pub inverted: bool,
    /// Most entries from a root of the tree to an end; `None`: any number.
    pub depth: Option<usize>,
    /// Rows, or ends of branches, to show; `None`: all.
    pub top: Option<usize>,
    /// What holds less is not shown by itself.
    pub least: Least,
    /// Which stacks it is of.
    pub filter: Filter,
    /// What it measures; `None`: what is alive, as that is what reports are about.
    pub measure: Option<Measure>,
    /// Of which part of the run.
    pub stretch: Stretch,
}

impl ViewOptions {
    fn naming(&self, report: &Report) -> Naming {
        let usual = match self.measure {
            Some(Measure::Lifetimes) => By::Stack,
            _ => By::default(),
        };
        Naming {
            by: self.by.unwrap_or(usual),
            full_names: report.options.full_names,
            internals: report.options.show_internals,
        }
    }

    /// Rows to show, and those that are summed. What is not known is always shown.
    fn choose(&self, rows: Vec<Row>) -> (Vec<Row>, Vec<Row>) {
        self.chosen(rows, |row| (row.entry.is_rest, row.total))
    }

    /// Likewise of how old blocks become: those of an entry without a call stack are known, too.
    fn choose_lives(&self, lives: Vec<Life>) -> (Vec<Life>, Vec<Life>) {
        self.chosen(lives, |life| (false, Amount::exact(0, life.blocks())))
    }

    /// `of`: whether it is shown in any case, and what it holds.
    fn chosen<T>(&self, rows: Vec<T>, of: impl Fn(&T) -> (bool, Amount)) -> (Vec<T>, Vec<T>) {
        let mut left = self.top.unwrap_or(usize::MAX);
        rows.into_iter().partition(|row| {
            let (is_rest, held) = of(row);
            if is_rest {
                return true;
            }
            let shown = left > 0 && self.least.holds(&held);
            left -= usize::from(shown);
            shown
        })
    }
}

/// The least that something must hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Least {
    /// Bytes.
    pub bytes: u64,
    /// Blocks, pages or ranges.
    pub count: u64,
}

impl Least {
    const fn holds(self, amount: &Amount) -> bool {
        amount.bytes >= self.bytes && amount.count >= self.count
    }
}

/// Kinds of views.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum View {
    /// Call stacks as a tree.
    #[default]
    Tree,
    /// A row per function.
    Summary,
    /// Totals, sizes, allocators and their functions, places, modules, lifetimes.
    Stats,
    /// For programs.
    Json,
}

/// Writes a view of a report as text.
#[derive(Clone, Debug, Default)]
pub struct ViewWriter {
    /// Which.
    pub view: View,
    /// What it shows.
    pub options: ViewOptions,
    /// How it looks.
    pub style: TextStyle,
    /// The tree is drawn with ASCII characters alone.
    pub ascii: bool,
}

impl ReportWriter for ViewWriter {
    fn write(&self, report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
        let measure = self.options.measure.unwrap_or_default();
        let weighed = Weighed::measured(report, &self.options.filter, measure);
        let naming = self.options.naming(report);
        let body = match self.view {
            View::Json => return json::write(report, &self.options, out),
            _ if measure == Measure::Lifetimes => {
                lifetimes_text::lines(report, &weighed, naming, self)
            }
            View::Tree => tree_text::lines(report, &weighed, naming, self),
            View::Summary => table_text::lines(report, &weighed, naming, self),
            View::Stats => stats_text::lines(report, &weighed, naming, self),
        };
        let mut lines = page::above(report, self.style);
        lines.extend(body);
        lines.extend(page::below(report, &weighed, measure, self.style));
        // Reports follow each other on a terminal.
        lines.push(String::new());
        let mut text = lines.join("\n");
        text.push('\n');
        out.write_all(text.as_bytes())?;
        out.flush()
    }
}
