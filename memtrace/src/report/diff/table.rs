//! Differences as a table: what each function holds itself, and with all that it calls.

use super::grouping::{By, Diff};
use super::held::{BLOCKS, BYTES, Both, Held};
use super::side::Side;
use super::text::figures_of;
use super::view::{
    INDENT, Rank, ViewOptions, above, choose, compare, counts, details, legend, path, sizes, write,
};
use crate::report::layout::{width_of, wrap};
use crate::report::units::{count, counted};
use crate::report::view::{Entry, Rows, Summed as _, label};
use std::cmp::Reverse;
use std::io;

/// From so many columns on there is room for all figures, and for those of the bytes.
const WIDE: usize = 96;
const MIDDLE: usize = 72;

/// Writes what functions, or what else is summed by, hold of the sides with these names.
///
/// # Errors
/// What `out` says.
pub fn write_summary(
    sides: [(&str, &Side); 2],
    by: By,
    options: &ViewOptions,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let diff = compare(sides, by);
    let rows = rows(&diff, by, options.full_names);
    let [shown, others, unchanged] = choose(rows, options.most(), |row| {
        Rank::of(&row.entry, row.total, row.is_changed(), options.least)
    });
    let table = Table { by, options };
    let title = table.title(shown.iter().chain(&others));
    let mut lines = above(&diff, sides, ("SUMMARY", &title), options.columns());
    if !shown.iter().any(Row::is_changed) {
        lines.push("nothing has changed".to_owned());
    }
    lines.extend([String::new(), table.heading()]);
    lines.extend(shown.iter().flat_map(|row| table.row(row)));
    lines.extend(table.sum(&others, &format!("{} changed", counted(others.len() as u64, "other"))));
    lines.extend(table.sum(&unchanged, &format!("{} unchanged", count(unchanged.len() as u64))));
    write(&lines, &diff, sides, options.columns(), out)
}

/// What one entry holds: itself, and with what it calls.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) entry: Entry,
    pub(super) own: Held,
    total: Both,
}

impl Row {
    fn is_changed(&self) -> bool {
        !self.own.both().is_unchanged() || !self.total.is_unchanged()
    }
}

/// All that hold something on a side, largest change of the total first. Their own figures add up to the whole.
pub(super) fn rows(diff: &Diff, by: By, full_names: bool) -> Vec<Row> {
    let mut rows = Rows::<Held>::default();
    for row in &diff.rows {
        let held = Held::of(row);
        if !held.is_nothing() {
            rows.add(path(&row.key, by, full_names), &held);
        }
    }
    let row = |row: crate::report::view::Row<Held>| Row {
        entry: row.entry,
        own: row.own,
        total: row.total.both(),
    };
    let mut rows: Vec<Row> = rows.into_rows().into_iter().map(row).collect();
    let weights = |row: &Row| {
        let of = |both: Both| (both.weight(BYTES), both.weight(BLOCKS));
        Reverse((of(row.total), of(row.own.both())))
    };
    rows.sort_by(|a, b| weights(a).cmp(&weights(b)).then_with(|| a.entry.cmp(&b.entry)));
    rows
}

struct Table<'a> {
    by: By,
    options: &'a ViewOptions,
}

impl Table<'_> {
    fn title<'a>(&self, rows: impl Iterator<Item = &'a Row>) -> String {
        format!(
            "what is alive after, and how it changed, by {}: OWN is what it asked for itself, TOTAL what it and all that it \
             called did; largest change of TOTAL first{}",
            self.by.of_views().noun(),
            legend(rows.flat_map(|row| [row.own.both(), row.total]))
        )
    }

    fn heading(&self) -> String {
        let cells = ["TOTAL", "CHANGE", "OWN", "CHANGE", "BLOCKS", "CHANGE"];
        let noun = self.by.of_views().noun().to_uppercase();
        format!("{}{noun}", self.columns(cells.map(str::to_owned)))
    }

    fn columns(&self, cells: [String; 6]) -> String {
        let [total, grown, own, own_grown, number, more] = cells;
        let totals = format!("{total:>10} {grown:>11}");
        let own = format!("{own:>10} {own_grown:>11}");
        match self.options.columns() {
            WIDE.. => format!("{totals} {own} {number:>11} {more:>11}  "),
            MIDDLE.. => format!("{totals} {own}  "),
            _ => format!("{totals}  "),
        }
    }

    fn row(&self, row: &Row) -> Vec<String> {
        let [total, grown] = sizes(row.total);
        let [own, own_grown] = sizes(row.own.both());
        let [number, more] = counts(row.total);
        let figures = self.columns([total, grown, own, own_grown, number, more]);
        let room = self.options.columns().saturating_sub(width_of(&figures));
        let name = label(&row.entry, self.options.naming(self.by), room);
        let mut lines = vec![format!("{figures}{name}")];
        let total = details(row.total).map(|it| format!("total {it}"));
        let own = details(row.own.both()).filter(|_| row.own.both() != row.total);
        let own = own.map(|it| format!("own {it}"));
        let text = total.into_iter().chain(own).collect::<Vec<_>>().join("; ");
        if !text.is_empty() {
            lines.extend(wrap(INDENT, &text, self.options.columns()));
        }
        lines
    }

    /// What is not shown holds of its own; totals of several may be of the same stacks.
    fn sum(&self, rows: &[Row], what: &str) -> Vec<String> {
        if rows.is_empty() {
            return Vec::new();
        }
        let mut own = Held::default();
        rows.iter().for_each(|row| own.add(&row.own));
        let own = own.both();
        let [now, grown] = sizes(own);
        let cells = [String::new(), String::new(), now, grown, String::new(), String::new()];
        let mut lines = vec![format!("{}({what})", self.columns(cells))];
        // Without a column for it, too.
        if !own.is_plain() || self.options.columns() < MIDDLE {
            let text = format!("own {}", figures_of(own));
            lines.extend(wrap(INDENT, &text, self.options.columns()));
        }
        lines
    }
}
