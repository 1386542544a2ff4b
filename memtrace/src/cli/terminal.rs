//! Width and colours of what is printed.

use super::args::Color;
use std::io::{self, IsTerminal};

/// Widest line that is printed, columns.
pub const WIDEST: usize = 100;
/// Narrowest width that is laid out for, columns; narrower terminals fold by themselves.
pub const NARROWEST: usize = 40;

/// How to lay a text out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Columns to use, [`NARROWEST`] to [`WIDEST`].
    pub columns: usize,
    /// Whether to use ANSI colours.
    pub color: bool,
}

impl Style {
    /// For standard output.
    #[must_use]
    pub fn stdout(color: Color) -> Self {
        let terminal = io::stdout().is_terminal();
        let columns = if terminal { terminal_columns(libc::STDOUT_FILENO) } else { None };
        Self { columns: clamp(columns), color: wants_color(color, terminal, variable) }
    }

    /// For standard error.
    #[must_use]
    pub fn stderr(color: Color) -> Self {
        let terminal = io::stderr().is_terminal();
        let columns = if terminal { terminal_columns(libc::STDERR_FILENO) } else { None };
        Self { columns: clamp(columns), color: stderr_color(color) }
    }

    /// For a file.
    #[must_use]
    pub fn file(color: Color) -> Self {
        Self { columns: WIDEST, color: wants_color(color, false, variable) }
    }
}

/// Whether log lines on standard error have colours.
#[must_use]
pub fn stderr_color(color: Color) -> bool {
    wants_color(color, io::stderr().is_terminal(), variable)
}

fn variable(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// `NO_COLOR`: <https://no-color.org>, set and not empty; a terminal called `dumb` has no colours.
fn wants_color(
    color: Color,
    terminal: bool,
    variable: impl Fn(&str) -> Option<std::ffi::OsString>,
) -> bool {
    match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => {
            let dumb = variable("TERM").is_some_and(|term| term == "dumb");
            terminal && !dumb && variable("NO_COLOR").is_none()
        }
    }
}

fn clamp(columns: Option<usize>) -> usize {
    columns.unwrap_or(WIDEST).clamp(NARROWEST, WIDEST)
}

/// Columns of the terminal at a descriptor: what it says, else what `COLUMNS` says.
fn terminal_columns(descriptor: libc::c_int) -> Option<usize> {
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: TIOCGWINSZ writes one `winsize`, which `size` is (ioctl_tty(2)).
    let done = unsafe { libc::ioctl(descriptor, libc::TIOCGWINSZ, &raw mut size) };
    if done == 0 && size.ws_col > 0 {
        return Some(size.ws_col.into());
    }
    variable("COLUMNS")?.to_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{Color, NARROWEST, WIDEST, clamp, wants_color};

    #[test]
    fn automatic_colours_need_a_terminal_that_has_them() {
        let none = |_: &str| None;
        let dumb = |name: &str| (name == "TERM").then(|| "dumb".into());
        let refused = |name: &str| (name == "NO_COLOR").then(|| "1".into());
        assert!(wants_color(Color::Auto, true, none));
        assert!(!wants_color(Color::Auto, false, none));
        assert!(!wants_color(Color::Auto, true, dumb));
        assert!(!wants_color(Color::Auto, true, refused));
        assert!(wants_color(Color::Always, false, refused));
        assert!(!wants_color(Color::Never, true, none));
    }

    #[test]
    fn widths_stay_in_bounds() {
        assert_eq!(clamp(None), WIDEST);
        assert_eq!(clamp(Some(80)), 80);
        assert_eq!(clamp(Some(3)), NARROWEST);
        assert_eq!(clamp(Some(usize::MAX)), WIDEST);
    }
}
