//! The list of processes, call stacks or frames.

use super::super::columns::{Column, that_fit};
use super::super::model::Screen;
use super::super::page::What;
use super::super::rows::Row;
use crate::report::{clip, clip_front, shorten_function};
use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::text::Text;
use ratatui::widgets::{Cell, Row as TableRow, Table, TableState};

pub(super) fn show(screen: &Screen, rows: &[Row], frame: &mut Frame<'_>, area: Rect) {
    if rows.is_empty() {
        frame.render_widget(Text::styled(nothing(screen), screen.look.quiet()), area);
        return;
    }
    let selected = screen.position(rows);
    let table = if matches!(screen.page().what, What::Frames(..)) {
        frames(screen, rows, area.width)
    } else {
        figures(screen, rows, area.width)
    };
    // One row is the heading.
    let height = usize::from(area.height.saturating_sub(1));
    // The selection stays in the middle, except near both ends.
    let last = rows.len().saturating_sub(height);
    let offset = selected.saturating_sub(height / 2).min(last);
    let mut state = TableState::new().with_offset(offset).with_selected(Some(selected));
    let table = table.row_highlight_style(screen.look.selected());
    frame.render_stateful_widget(table, area, &mut state);
}

fn nothing(screen: &Screen) -> &'static str {
    match &screen.shown {
        None => "",
        Some(_) if !screen.page().filter.is_empty() => "nothing matches the filter (Esc clears it)",
        Some(_) => match screen.page().what {
            What::Processes => "no process yet",
            What::AllStacks | What::Stacks(_) => "no call stack yet",
            What::Frames(..) => "nothing lives of this call stack any more, or it is not listed",
        },
    }
}

fn figures<'a>(screen: &Screen, rows: &[Row], width: u16) -> Table<'a> {
    let estimated = rows.iter().any(|row| row.figures.confidence.is_some());
    let columns = that_fit(&screen.page().what, width, estimated);
    let taken: u16 = columns.iter().map(|column| column.width() + 1).sum();
    let name = width.saturating_sub(taken);
    let widths = columns.iter().map(|column| match column {
        Column::Name => Constraint::Length(name),
        other => Constraint::Length(other.width()),
    });
    let widths: Vec<Constraint> = widths.collect();
    let header = columns.iter().map(|column| titled(screen, *column));
    let lines = rows.iter().map(|row| {
        let cells = columns.iter().map(|column| cell(screen, row, *column, name.into()));
        let line = TableRow::new(cells.collect::<Vec<Cell<'_>>>());
        if row.ended { line.style(screen.look.quiet()) } else { line }
    });
    let header = TableRow::new(header.collect::<Vec<Cell<'_>>>());
    Table::new(lines.collect::<Vec<_>>(), widths).header(header)
}

fn titled<'a>(screen: &Screen, column: Column) -> Cell<'a> {
    let is_sort = screen.page().sort == column;
    let mark = match (is_sort, screen.look.ascii) {
        (false, _) => "",
        (true, false) => "▾",
        (true, true) => "*",
    };
    let title = format!(
        "{}{mark}",
        if column == Column::Doubt && screen.look.ascii { "+-95%" } else { column.title() }
    );
    Cell::from(placed(title, column)).style(screen.look.heading())
}

fn cell<'a>(screen: &Screen, row: &Row, column: Column, name: usize) -> Cell<'a> {
    let text = row.cell(column);
    let text = if column == Column::Name { clip(&text, name) } else { text };
    let cell = Cell::from(placed(text, column));
    match (column, row.verdict) {
        (Column::State | Column::Rate, Some(verdict)) if !row.ended => {
            cell.style(screen.look.verdict(verdict))
        }
        _ => cell,
    }
}

fn placed<'a>(text: String, column: Column) -> Text<'a> {
    let text = Text::from(text);
    if column.is_text() { text } else { text.right_aligned() }
}

/// Function, line, file.
fn frames<'a>(screen: &Screen, rows: &[Row], width: u16) -> Table<'a> {
    let width = usize::from(width);
    let (place, module) = (width * 3 / 10, width / 5);
    let name = width.saturating_sub(place + module + 2);
    let columns =
        [name, place, module].map(|it| Constraint::Length(u16::try_from(it).unwrap_or(u16::MAX)));
    let lines = rows.iter().map(|row| {
        let [at, file] = &row.place;
        TableRow::new([
            shorten_function(&row.name, name),
            clip_front(at, place),
            clip(file, module),
        ])
    });
    let heading = TableRow::new(["FUNCTION", "LINE", "FILE"]).style(screen.look.heading());
    Table::new(lines.collect::<Vec<_>>(), columns).header(heading)
}
