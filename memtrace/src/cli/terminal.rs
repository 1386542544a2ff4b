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
    /// Whether to draw with ASCII characters alone: on terminals whose locale has no others.
    pub ascii: bool,
}

impl Style {
    /// For standard output.
    #[must_use]
    pub fn stdout(color: Color) -> Self {
        let terminal = io::stdout().is_terminal();
        let columns = if terminal { terminal_columns(libc::STDOUT_FILENO) } else { None };
        Self {
            columns: clamp(columns),
            color: wants_color(color, terminal, variable),
            ascii: terminal && !is_utf8(variable),
        }
    }

    /// For standard error.
    #[must_use]
    pub fn stderr(color: Color) -> Self {
        let terminal = io::stderr().is_terminal();
        let columns = if terminal { terminal_columns(libc::STDERR_FILENO) } else { None };
        Self {
            columns: clamp(columns),
            color: stderr_color(color),
            ascii: terminal && !is_utf8(variable),
        }
    }

    /// For a file.
    #[must_use]
    pub fn file(color: Color) -> Self {
        Self { columns: WIDEST, color: wants_color(color, false, variable), ascii: false }
    }
}

/// Whether log lines on standard error have colours.
#[must_use]
pub fn stderr_color(color: Color) -> bool {
    wants_color(color, io::stderr().is_terminal(), variable)
}

/// The first of these that is set says which encoding the terminal has (locale(7)).
fn is_utf8(variable: impl Fn(&str) -> Option<std::ffi::OsString>) -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(variable);
    let locale = locale.map(|it| it.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    locale.contains("utf-8") || locale.contains("utf8")
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

/// The terminal cannot move its cursor, by its own word.
#[must_use]
pub fn is_dumb() -> bool {
    variable("TERM").is_some_and(|term| term == "dumb")
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
    use super::{Color, NARROWEST, WIDEST, clamp, is_utf8, wants_color};

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
    fn the_strongest_variable_of_the_locale_decides() {
        let lang = |name: &str| (name == "LANG").then(|| "de_DE.UTF-8".into());
        assert!(is_utf8(lang) && !is_utf8(|_| None));
        let all = |name: &str| match name {
            "LC_ALL" => Some("C".into()),
            other => lang(other),
        };
        assert!(!is_utf8(all));
        assert!(is_utf8(|name| (name == "LC_CTYPE").then(|| "C.utf8".into())));
    }

    #[test]
    fn widths_stay_in_bounds() {
        assert_eq!(clamp(None), WIDEST);
        assert_eq!(clamp(Some(80)), 80);
        assert_eq!(clamp(Some(3)), NARROWEST);
        assert_eq!(clamp(Some(usize::MAX)), WIDEST);
    }
}
