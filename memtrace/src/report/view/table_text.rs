//! The table of functions, laid out.

use super::ViewWriter;
use super::amount::Amount;
use super::figures::{is_wide, label, number, part, range_of_bytes, ranges, size};
use super::group::Naming;
use super::measure;
use super::table::{Row, rows};
use super::weigh::Weighed;
use crate::report::layout::{width_of, wrap};
use crate::report::model::Report;
use crate::report::units::counted;

/// Before the ranges of estimates, which are too long to stand beside them.
const RANGES: &str = "            ";

/// The table's title and rows.
pub(super) fn lines(
    report: &Report,
    weighed: &Weighed<'_>,
    naming: Naming,
    view: &ViewWriter,
) -> Vec<String> {
    let title = title(report, weighed, naming, view);
    let mut lines = wrap("SUMMARY ", &title, view.style.columns());
    let rows = rows(weighed, naming);
    if rows.is_empty() {
        return lines;
    }
    let table = Table { weighed, naming, view };
    lines.push(String::new());
    lines.push(table.heading());
    let (shown, hidden) = view.options.choose(rows);
    lines.extend(shown.iter().flat_map(|row| table.row(row)));
    lines.extend(table.hidden(&hidden));
    lines
}

fn title(report: &Report, weighed: &Weighed<'_>, naming: Naming, view: &ViewWriter) -> String {
    let measure = view.options.measure.unwrap_or_default();
    format!(
        "{}: OWN is what it asked for itself, TOTAL what it and all that it called did",
        measure::title(report, weighed, naming, measure, view.options.stretch)
    )
}

struct Table<'a> {
    weighed: &'a Weighed<'a>,
    naming: Naming,
    view: &'a ViewWriter,
}

impl Table<'_> {
    fn columns(&self, [own, own_part, total, total_part, number]: [&str; 5]) -> String {
        if is_wide(self.view.style) {
            format!("{own:>10} {own_part:>7} {total:>10} {total_part:>7} {number:>12}  ")
        } else {
            format!("{own:>10} {own_part:>7} {total:>10}  ")
        }
    }

    fn has_count(&self) -> bool {
        self.view.options.measure.unwrap_or_default().has_count()
    }

    fn heading(&self) -> String {
        let nouns = match self.has_count() {
            true => format!("{}S", self.weighed.subject.noun().to_uppercase()),
            false => String::new(),
        };
        let figures = self.columns(["OWN", "%", "TOTAL", "%", &nouns]);
        format!("{figures}{}", self.naming.by.noun().to_uppercase())
    }

    fn row(&self, row: &Row) -> Vec<String> {
        let of_all = |amount: &Amount| part(amount, &self.weighed.total);
        let figures = self.columns([
            &size(&row.own),
            &of_all(&row.own),
            &size(&row.total),
            &of_all(&row.total),
            &if self.has_count() { number(&row.total) } else { String::new() },
        ]);
        let room = self.view.style.columns().saturating_sub(width_of(&figures));
        let mut lines = vec![format!("{figures}{}", label(&row.entry, self.naming, room))];
        lines.extend(self.ranges(row));
        lines
    }

    /// Where the figures of a row lie, below it.
    fn ranges(&self, row: &Row) -> Vec<String> {
        let total = match self.has_count() {
            true => ranges(&row.total, self.weighed.subject.noun()),
            false => row.total.bytes_around().map(range_of_bytes),
        };
        let Some(total) = total else { return Vec::new() };
        let own = row.own.bytes_around().map(|own| format!("own {}; ", range_of_bytes(own)));
        let text = format!("{}total {total}", own.unwrap_or_default());
        wrap(RANGES, &text, self.view.style.columns())
    }

    /// What is not shown holds of its own; totals of several may be of the same stacks.
    fn hidden(&self, hidden: &[Row]) -> Vec<String> {
        if hidden.is_empty() {
            return Vec::new();
        }
        let mut own = Amount::default();
        hidden.iter().for_each(|row| own.add(&row.own));
        let figures = self.columns([&size(&own), &part(&own, &self.weighed.total), "", "", ""]);
        let noun = format!("other {}", self.naming.by.noun());
        let mut lines = vec![format!("{figures}({})", counted(hidden.len() as u64, &noun))];
        if let Some(range) = own.bytes_around() {
            lines.push(format!("{RANGES}own {}", range_of_bytes(range)));
        }
        lines
    }
}
