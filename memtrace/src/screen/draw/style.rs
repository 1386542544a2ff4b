//! Colours and emphasis. Nothing is said by colour alone.

use super::super::model::Look;
use crate::report::Verdict;
use ratatui::style::{Color, Modifier, Style};

impl Look {
    fn colored(self, color: Color) -> Style {
        if self.color { Style::new().fg(color) } else { Style::new() }
    }

    pub(super) fn heading(self) -> Style {
        self.colored(Color::Cyan).add_modifier(Modifier::BOLD)
    }

    pub(super) fn warning(self) -> Style {
        self.colored(Color::Red).add_modifier(Modifier::BOLD)
    }

    pub(super) fn quiet(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    pub(super) fn bars(self, resident: bool) -> Style {
        self.colored(if resident { Color::Blue } else { Color::Green })
    }

    pub(super) fn selected(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// As in reports.
    pub(super) fn verdict(self, verdict: Verdict) -> Style {
        match verdict {
            Verdict::Growing => self.colored(Color::Red).add_modifier(Modifier::BOLD),
            Verdict::Stable | Verdict::Draining => self.colored(Color::Green),
            Verdict::NotTheHeap | Verdict::Degraded => self.colored(Color::Magenta),
            Verdict::TooShort | Verdict::Ended | Verdict::New => self.colored(Color::Yellow),
        }
    }
}
