//! One cell: figures as they are, names so that no program takes them for anything else.

use std::borrow::Cow;
use std::fmt::{self, Display, Formatter, Write as _};

/// What a cell holds.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::report) enum Cell {
    /// Nothing is known, or there is no such thing.
    Empty,
    /// A whole number.
    Count(u64),
    /// By how much one number is more, or with a sign less, than another.
    Difference(i128),
    /// A time, seconds.
    Seconds(f64),
    /// Words.
    Text(String),
    /// Words that are quoted even where they need not be.
    Quoted(String),
}

impl Cell {
    pub(in crate::report) fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    pub(in crate::report) fn maybe<T>(value: Option<T>, cell: impl Fn(T) -> Self) -> Self {
        value.map_or(Self::Empty, cell)
    }
}

impl Display for Cell {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => Ok(()),
            Self::Count(count) => count.fmt(out),
            Self::Difference(difference) => difference.fmt(out),
            Self::Seconds(seconds) => seconds.fmt(out),
            Self::Text(text) if !text.contains([',', ';', '"', '\r', '\n']) => {
                out.write_str(&guarded(text))
            }
            Self::Text(text) | Self::Quoted(text) => quoted(text, out),
        }
    }
}

fn quoted(text: &str, out: &mut Formatter<'_>) -> fmt::Result {
    out.write_char('"')?;
    out.write_str(&guarded(text).replace('"', "\"\""))?;
    out.write_char('"')
}

/// With what keeps a spreadsheet from taking a name for a formula, which it would run: a traced program chooses its
/// names. (OWASP, "CSV Injection".) Some take a semicolon for the beginning of the next cell, wherever it stands.
fn guarded(text: &str) -> Cow<'_, str> {
    const FIRST: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];
    if !text.split(';').any(|part| part.starts_with(FIRST)) {
        return Cow::Borrowed(text);
    }
    let guard = |part: &str| if part.starts_with(FIRST) { format!("'{part}") } else { part.into() };
    Cow::Owned(text.split(';').map(guard).collect::<Vec<String>>().join(";"))
}

#[cfg(test)]
mod tests {
    use super::Cell;

    fn written(text: &str) -> String {
        Cell::text(text).to_string()
    }

    #[test]
    fn what_separates_is_quoted() {
        assert_eq!(written("f(int, char)"), "\"f(int, char)\"");
        assert_eq!(written("operator\"\" _s"), "\"operator\"\"\"\" _s\"");
        assert_eq!(written("two\r\nlines"), "\"two\r\nlines\"");
        assert_eq!(written("plain name"), "plain name");
        assert_eq!(Cell::Quoted("main".to_owned()).to_string(), "\"main\"");
    }

    #[test]
    fn no_name_is_a_formula() {
        assert_eq!(written("=1+1"), "'=1+1");
        assert_eq!(written("+0x10"), "'+0x10");
        assert_eq!(written("-[NSObject init]"), "'-[NSObject init]");
        assert_eq!(written("@SUM(A1,A2)"), "\"'@SUM(A1,A2)\"");
        assert_eq!(
            Cell::Quoted("=HYPERLINK(\"x\")".to_owned()).to_string(),
            "\"'=HYPERLINK(\"\"x\"\")\""
        );
        assert_eq!(written("a=b"), "a=b");
        assert_eq!(written("a;=1+1"), "\"a;'=1+1\"");
        assert_eq!(Cell::Quoted("main;f;-x".to_owned()).to_string(), "\"main;f;'-x\"");
    }

    #[test]
    fn figures_are_plain_and_what_is_not_known_is_empty() {
        assert_eq!(Cell::Count(7).to_string(), "7");
        assert_eq!(Cell::Difference(-7).to_string(), "-7");
        assert_eq!(Cell::Seconds(1.5).to_string(), "1.5");
        assert_eq!(Cell::maybe(None, Cell::Count).to_string(), "");
    }
}
