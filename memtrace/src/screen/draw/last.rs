//! The last line: keys, what is typed, what was told.

use super::super::model::{Screen, Typing};
use crate::report::{clip, width_of};
use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::text::Line;

const KEYS: &str = "↵ into  Esc back  Tab list  s sort  / filter  p pause  w write  ? help  q quit";
const ASCII_KEYS: &str =
    "Enter  Esc back  Tab list  s sort  / filter  p pause  w write  ? help  q quit";

pub(super) fn line(screen: &Screen, frame: &mut Frame<'_>, area: Rect) {
    let width = usize::from(area.width);
    match (&screen.typing, &screen.told) {
        (Some(Typing::Filter(_)), _) => {
            let text = format!("/{}", screen.page().filter);
            typed(&text, "  (Enter keeps it, Esc undoes it)", frame, area);
        }
        (Some(Typing::Path(path)), _) => {
            typed(&format!("write to: {path}"), "  (.json .txt .html .csv …)", frame, area);
        }
        (None, Some(told)) => {
            frame.render_widget(Line::styled(clip(&told.text, width), screen.look.warning()), area);
        }
        (None, None) => {
            let keys = if screen.look.ascii { ASCII_KEYS } else { KEYS };
            frame.render_widget(Line::styled(clip(keys, width), screen.look.quiet()), area);
        }
    }
}

/// The text with the cursor behind it.
fn typed(text: &str, hint: &str, frame: &mut Frame<'_>, area: Rect) {
    let at = u16::try_from(width_of(text)).unwrap_or(u16::MAX).min(area.width.saturating_sub(1));
    let line = clip(&format!("{text}{hint}"), area.width.into());
    frame.render_widget(Line::from(line), area);
    frame.set_cursor_position(Position::new(area.x + at, area.y));
}
