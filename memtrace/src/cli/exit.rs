//! How a run ends: exit codes, and the one line on standard error that explains a failure.

use super::output::OutputError;
use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::ExitCode;
use thiserror::Error;

/// What the process exits with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// All went as asked; also when the user or the targets ended it.
    Success = 0,
    /// Something failed.
    Error = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// Complete but degraded: the overhead budget was exceeded, or over 1 % of events were lost.
    Degraded = 3,
}

impl Exit {
    /// All of them, in order of their numbers.
    pub const ALL: [Self; 4] = [Self::Success, Self::Error, Self::Usage, Self::Degraded];
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// The command line makes no sense. Exits with [`Exit::Usage`].
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{0}")]
pub struct UsageError(pub String);

/// Says what went wrong, if anything did, and gives the exit code for it.
///
/// A reader that closed standard output has seen what it wanted: that is success and silent.
#[must_use]
pub fn conclude(outcome: anyhow::Result<Exit>) -> Exit {
    match outcome {
        Ok(exit) => exit,
        Err(error) => {
            let exit = code(&error);
            if exit != Exit::Success {
                complain(&error);
            }
            exit
        }
    }
}

/// Says what went wrong, in one line; below it a typed text with a caret under the place, if the error ends
/// with such.
pub fn complain(error: &anyhow::Error) {
    let text = with_causes(error.as_ref());
    let (message, picture) = pictured(&text);
    let mut told = format!("memtrace: error: {}\n", printable(&message.join(" ")));
    for line in picture {
        told.push_str(&printable(line));
        told.push('\n');
    }
    // Nobody is left to tell when standard error is closed, too.
    let _ = io::stderr().write_all(told.as_bytes());
}

/// The lines of a message, and the last two of them by themselves if they are a text with a caret below.
fn pictured(text: &str) -> (Vec<&str>, Vec<&str>) {
    let mut message: Vec<&str> = text.lines().collect();
    let is_picture = message.len() > 2 && message.last().is_some_and(|line| is_caret(line));
    let picture = if is_picture { message.split_off(message.len() - 2) } else { Vec::new() };
    (message, picture)
}

fn is_caret(line: &str) -> bool {
    line.trim() == "^"
}

/// The exit code for an error.
fn code(error: &anyhow::Error) -> Exit {
    if error.is::<UsageError>() {
        Exit::Usage
    } else if matches!(error.downcast_ref(), Some(OutputError::Closed)) {
        Exit::Success
    } else {
        Exit::Error
    }
}

/// An error and its causes in one line that is safe for a terminal.
#[must_use]
pub fn one_line(error: &(dyn Error + 'static)) -> String {
    printable(&with_causes(error))
}

fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        // Many errors already quote their cause.
        if !line.contains(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        cause = error.source();
    }
    line
}

/// `text` in one line: names from outside may hold line breaks and terminal escapes.
#[must_use]
pub fn printable(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.trim_end().chars() {
        if character == '\n' {
            line.push(' ');
        } else if character.is_control() {
            let _ = write!(line, "{}", character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}

/// Turns what clap says into one line, or prints it where help or the version was asked for.
///
/// # Errors
/// [`UsageError`]; a failure to print.
pub fn parse_failure(error: &clap::Error) -> anyhow::Result<Exit> {
    if !error.use_stderr() {
        error.print().map_err(OutputError::stdout)?;
        return Ok(Exit::Success);
    }
    Err(UsageError(summary(&error.render().to_string())).into())
}

/// The message and the tips of clap's text, without the usage that follows. A text with a caret below comes
/// last, on lines of its own.
fn summary(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let caret = lines.iter().rposition(|line| is_caret(line)).unwrap_or(0);
    let is_picture = |at: &usize| caret > 1 && (caret - 1..=caret).contains(at);
    let mut parts = (0..)
        .zip(lines.iter().copied())
        .filter(|(at, _)| !is_picture(at))
        .map(|(_, line)| line)
        .map(str::trim)
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"))
        // Nobody means an option's name as a value.
        .filter(|line| !line.is_empty() && !line.starts_with("tip: to pass "));
    let first = parts.next().unwrap_or_default();
    let mut line = first.strip_prefix("error: ").unwrap_or(first).to_owned();
    for part in parts {
        let _ = match part.strip_prefix("tip: ") {
            Some(tip) => write!(line, "; {tip}"),
            None => write!(line, " {part}"),
        };
    }
    line.push_str("; see `memtrace --help`");
    for (_, shown) in (0..).zip(&lines).filter(|(at, _)| is_picture(at)) {
        line.push('\n');
        line.push_str(shown);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::{Exit, OutputError, UsageError, code, one_line, pictured, printable, summary};
    use anyhow::Context;
    use std::io;

    #[test]
    fn causes_follow_in_one_line_and_once() {
        let error = Err::<(), _>(io::Error::other("disk on fire"))
            .context("cannot read\nthe map")
            .context("cannot attach to pid 7")
            .unwrap_err();
        assert_eq!(
            one_line(error.as_ref()),
            "cannot attach to pid 7: cannot read the map: disk on fire"
        );
        let quoting = anyhow::Error::new(io::Error::other("disk on fire"))
            .context("cannot attach: disk on fire");
        assert_eq!(one_line(quoting.as_ref()), "cannot attach: disk on fire");
    }

    #[test]
    fn a_caret_stays_under_its_place() {
        let text = "error: invalid value 'a:f' for '--x': expected `(`\n  a:f\n     ^\n\nFor more information";
        let line = summary(text);
        let (message, picture) = pictured(&line);
        assert_eq!(message, ["invalid value 'a:f' for '--x': expected `(`; see `memtrace --help`"]);
        assert_eq!(picture, ["  a:f", "     ^"]);
        assert_eq!(pictured("no\npicture"), (vec!["no", "picture"], vec![]));
        assert_eq!(pictured("x\n^"), (vec!["x", "^"], vec![]));
    }

    #[test]
    fn terminal_escapes_are_disarmed() {
        assert_eq!(printable("a\u{1b}[2Jb\r\u{9b}c\n"), "a\\u{1b}[2Jb\\r\\u{9b}c");
    }

    #[test]
    fn codes_follow_the_kind_of_error() {
        assert_eq!(code(&UsageError("no".to_owned()).into()), Exit::Usage);
        assert_eq!(code(&OutputError::Closed.into()), Exit::Success);
        assert_eq!(code(&anyhow::Error::from(OutputError::Closed).context("x")), Exit::Success);
        assert_eq!(code(&anyhow::anyhow!("x")), Exit::Error);
    }

    #[test]
    fn tips_stay_and_usage_goes() {
        let text = "error: unexpected argument '--ful' found\n\n  tip: a similar argument exists: \
                    '--full'\n\nUsage: memtrace\n\nFor more information, try '--help'.\n";
        assert_eq!(
            summary(text),
            "unexpected argument '--ful' found; a similar argument exists: '--full'; \
             see `memtrace --help`"
        );
        assert_eq!(summary(""), "; see `memtrace --help`");
    }
}
