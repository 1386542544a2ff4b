//! The state → a picture. Laid out for 80 by 24; what is less important goes first on smaller screens.

mod below;
mod help;
mod last;
mod style;
mod table;
mod top;

use super::model::Screen;
use super::rows::Row;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};

/// Rows from which on there is room for sparklines, and for details.
const ROOM_FOR_SPARKLINES: u16 = 14;
const ROOM_FOR_DETAILS: u16 = 18;
/// Fewer rows or columns show nothing that is of use.
const LEAST: (u16, u16) = (20, 5);

/// Draws the screen.
pub fn draw(screen: &Screen, frame: &mut Frame<'_>) {
    let area = frame.area();
    if area.width < LEAST.0 || area.height < LEAST.1 {
        frame.render_widget("too small", area);
        return;
    }
    let sparklines = if area.height < ROOM_FOR_SPARKLINES { 0 } else { 2 };
    let details = if area.height < ROOM_FOR_DETAILS { 0 } else { 3 };
    let parts = [1, sparklines, 1, 0, details, 2, 1].map(Constraint::Length);
    let mut parts = parts.to_vec();
    parts[3] = Constraint::Min(1);
    let places = Layout::vertical(parts).split(area);
    let [title, sparklines, path, list, details, worth, last] = places[..] else { return };
    let rows = screen.rows();
    let selected = rows.get(screen.position(&rows));
    top::title(screen, frame, title);
    top::sparklines(screen, selected, frame, sparklines);
    top::path(screen, &rows, frame, path);
    middle(screen, &rows, frame, list);
    below::details(screen, selected, frame, details);
    below::worth(screen, frame, worth);
    last::line(screen, frame, last);
}

fn middle(screen: &Screen, rows: &[Row], frame: &mut Frame<'_>, area: Rect) {
    if screen.helps {
        help::show(frame, area);
    } else {
        table::show(screen, rows, frame, area);
    }
}
