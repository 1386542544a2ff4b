//! A table as text: in columns where the page is wide enough, else a paragraph for each row.

use super::super::exit::printable;
use super::super::terminal::Style;
use super::model::{Cell, Table};
use super::render::fold;
use crate::report::units::count;
use std::fmt::Write as _;

/// Blanks before a row.
const INDENT: usize = 2;
/// Blanks between columns.
const GAP: usize = 2;

/// Adds the table to `text`.
pub(super) fn render(text: &mut String, table: &Table, style: Style) {
    let rows: Vec<Vec<String>> =
        table.rows.iter().map(|row| row.iter().map(words).collect()).collect();
    let widths = widths(table, &rows);
    let width = INDENT + widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1);
    if width <= style.columns {
        in_columns(text, table, &rows, &widths, style.color);
    } else {
        in_paragraphs(text, table, &rows, style.columns);
    }
}

fn words(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) => printable(text),
        Cell::Number(number) => count(*number),
        Cell::Decimal(number) => format!("{number:.2}"),
        Cell::Unknown => "?".to_owned(),
    }
}

fn widths(table: &Table, rows: &[Vec<String>]) -> Vec<usize> {
    let cell = |row: &Vec<String>, at: usize| row.get(at).map_or(0, |text| text.chars().count());
    let widest = |at| rows.iter().map(|row| cell(row, at)).max().unwrap_or(0);
    let columns = table.columns.iter().enumerate();
    columns.map(|(at, column)| widest(at).max(column.title.chars().count())).collect()
}

/// Figures are aligned to the right, and so is their title.
fn is_figures(table: &Table, at: usize) -> bool {
    !table.rows.iter().any(|row| matches!(row.get(at), Some(Cell::Text(_))))
}

fn in_columns(
    text: &mut String,
    table: &Table,
    rows: &[Vec<String>],
    widths: &[usize],
    color: bool,
) {
    let titles: Vec<String> = table.columns.iter().map(|it| it.title.to_owned()).collect();
    for (number, row) in std::iter::once(&titles).chain(rows).enumerate() {
        let mut line = " ".repeat(INDENT);
        for (at, (cell, &width)) in row.iter().zip(widths).enumerate() {
            let gap = if at == 0 { 0 } else { GAP };
            let _ = match is_figures(table, at) {
                true => write!(line, "{:gap$}{cell:>width$}", ""),
                false => write!(line, "{:gap$}{cell:<width$}", ""),
            };
        }
        let line = line.trim_end();
        let _ = match color && number == 0 {
            true => writeln!(text, "\x1b[2m{line}\x1b[0m"),
            false => writeln!(text, "{line}"),
        };
    }
}

/// The first cell on a line of its own, the others below it with their titles.
fn in_paragraphs(text: &mut String, table: &Table, rows: &[Vec<String>], columns: usize) {
    for row in rows {
        let mut cells = table.columns.iter().zip(row);
        if let Some((_, name)) = cells.next() {
            fold(text, name, INDENT, INDENT, columns);
        }
        let rest: Vec<String> = cells.map(|(it, cell)| format!("{}: {cell}", it.title)).collect();
        fold(text, &rest.join("; "), 2 * INDENT, 2 * INDENT, columns);
    }
}

#[cfg(test)]
mod tests {
    use super::super::model::{Cell, Column, Table};
    use super::{Style, render};

    fn table() -> Table {
        let columns = vec![
            Column { key: "function", title: "function" },
            Column { key: "how", title: "how" },
            Column { key: "ns", title: "ns/hit" },
            Column { key: "cores", title: "cores" },
        ];
        let rows = vec![
            vec!["malloc".into(), "emulated".into(), Cell::Number(12_345), Cell::Decimal(0.256)],
            vec!["aligned_alloc\x1b".into(), "steps".into(), Cell::Number(7), Cell::Unknown],
        ];
        Table { columns, rows }
    }

    #[test]
    fn figures_stand_right_and_words_left() {
        let mut text = String::new();
        render(&mut text, &table(), Style { columns: 100, color: false, ascii: false });
        let expected = "  \
  function             how       ns/hit  cores
  malloc               emulated  12,345   0.26
  aligned_alloc\\u{1b}  steps          7      ?
";
        assert_eq!(text, expected);
    }

    #[test]
    fn narrow_pages_get_paragraphs() {
        let mut text = String::new();
        render(&mut text, &table(), Style { columns: 40, color: false, ascii: false });
        let expected = "  \
  malloc
    how: emulated; ns/hit: 12,345;
    cores: 0.26
";
        assert!(text.starts_with(expected), "{text}");
    }

    #[test]
    fn json_has_an_object_per_row() {
        let json = serde_json::to_value(table()).unwrap();
        assert_eq!(json[0]["ns"], 12_345);
        assert_eq!(json[0]["cores"], 0.256);
        assert_eq!(json[1]["cores"], serde_json::Value::Null);
    }
}
