//! Progress and log lines, on standard error.
//!
//! Ordinary lines (`info`) are printed bare, so that they read like sentences; the others begin with
//! `memtrace: warning:` and the like.

use super::exit::printable;
use std::fmt;
use std::io::{self, Write as _};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

/// How much is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verbosity {
    /// Warnings, errors, and that tracing has begun (`-q`).
    Quiet,
    /// What a user wants to know.
    #[default]
    Normal,
    /// Also what was decided and why (`-v`).
    Verbose,
    /// All there is, other libraries included (`-vv`).
    Everything,
}

impl Verbosity {
    /// The verbosity that `-q` and the number of `-v` ask for.
    #[must_use]
    pub const fn new(quiet: bool, verbose: u8) -> Self {
        match (quiet, verbose) {
            (true, _) => Self::Quiet,
            (false, 0) => Self::Normal,
            (false, 1) => Self::Verbose,
            (false, _) => Self::Everything,
        }
    }

    /// Which lines are printed: our own, and those of libraries.
    fn filter(self) -> Targets {
        let (ours, theirs) = match self {
            Self::Quiet => (LevelFilter::WARN, LevelFilter::ERROR),
            Self::Normal => (LevelFilter::INFO, LevelFilter::ERROR),
            Self::Verbose => (LevelFilter::DEBUG, LevelFilter::WARN),
            Self::Everything => (LevelFilter::TRACE, LevelFilter::DEBUG),
        };
        Targets::new().with_default(theirs).with_target("memtrace", ours)
    }
}

/// Sends log lines to standard error from now on. A second call changes nothing.
pub fn init(verbosity: Verbosity, color: bool) {
    let lines = tracing_subscriber::fmt::layer()
        .event_format(Lines { color })
        // Its way of complaining would panic when standard error is closed.
        .log_internal_errors(false)
        .with_writer(io::stderr)
        .with_filter(verbosity.filter());
    // Fails only where a subscriber is set already.
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(lines));
}

/// As [`init`], to what `writer` makes instead of standard error, without colours.
#[cfg(feature = "live")]
pub(super) fn init_to<W: io::Write + 'static>(
    verbosity: Verbosity,
    writer: impl Fn() -> W + Send + Sync + 'static,
) {
    let lines = tracing_subscriber::fmt::layer()
        .event_format(Lines { color: false })
        .log_internal_errors(false)
        .with_writer(writer)
        .with_filter(verbosity.filter());
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(lines));
}

/// Prints a line whatever the verbosity: scripts wait for the one that begins `tracing`.
pub fn announce(line: &str) {
    // Nobody is left to tell when standard error is closed.
    let _ = writeln!(io::stderr(), "{}", printable(line));
}

/// One event, one line.
struct Lines {
    color: bool,
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut text = String::new();
        context.format_fields(Writer::new(&mut text), event)?;
        writer.write_str(&prefix(*event.metadata().level(), self.color))?;
        writeln!(writer, "{}", printable(&text))
    }
}

fn prefix(level: Level, color: bool) -> String {
    let (word, code) = match level {
        Level::ERROR => ("error", 31),
        Level::WARN => ("warning", 33),
        Level::INFO => return String::new(),
        Level::DEBUG => ("debug", 2),
        Level::TRACE => ("trace", 2),
    };
    if color {
        format!("memtrace: \x1b[{code}m{word}:\x1b[0m ")
    } else {
        format!("memtrace: {word}: ")
    }
}

#[cfg(test)]
mod tests {
    use super::{Level, Lines, Verbosity, prefix};
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};
    use tracing_subscriber::layer::{Layer, SubscriberExt};

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(verbosity: Verbosity) -> String {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let lines = tracing_subscriber::fmt::layer()
            .event_format(Lines { color: false })
            .with_writer(move || writer.clone())
            .with_filter(verbosity.filter());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), || {
            tracing::info!(pid = 7, "attached");
            tracing::warn!("odd\nname \x1b[2J");
            tracing::debug!("site chosen");
            tracing::warn!(target: "blazesym", "theirs");
        });
        let bytes = buffer.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn lines_read_like_sentences() {
        assert_eq!(
            logged(Verbosity::Normal),
            "attached pid=7\nmemtrace: warning: odd name \\x1b[2J\n"
        );
    }

    #[test]
    fn verbosity_chooses_lines() {
        assert!(!logged(Verbosity::Quiet).contains("attached"));
        assert!(logged(Verbosity::Quiet).contains("odd"));
        let verbose = logged(Verbosity::Verbose);
        assert!(verbose.contains("debug: site chosen") && verbose.contains("theirs"));
    }

    #[test]
    fn switches_give_verbosity() {
        assert_eq!(Verbosity::new(true, 0), Verbosity::Quiet);
        assert_eq!(Verbosity::new(false, 0), Verbosity::Normal);
        assert_eq!(Verbosity::new(false, 200), Verbosity::Everything);
        assert!(prefix(Level::WARN, true).contains("\x1b[33m"));
    }
}
