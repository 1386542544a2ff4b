//! Patterns of names, as shells have them.

use globset::{GlobBuilder, GlobMatcher};
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// Most bytes of a thread's name: `TASK_COMM_LEN` of `linux/sched.h` without the zero.
pub const COMM_BYTES: usize = 15;
/// Longest pattern that is read.
const MOST_BYTES: usize = 4096;
/// Longest regular expression that a pattern may become, bytes. It has no counted repetitions, so the
/// compiled form stays far below the size at which `globset` would panic (10 MiB).
const MOST_EXPRESSION: usize = 16 << 10;

/// Why a pattern was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Nothing has no name.
    #[error("a pattern cannot be empty: `*` matches every name")]
    Empty,
    /// It makes no sense.
    #[error(
        "pattern {pattern:?} makes no sense: {reason}; `\\` before a character takes it literally"
    )]
    Senseless {
        /// What was typed.
        pattern: String,
        /// What is wrong.
        reason: String,
    },
    /// It is beyond all use.
    #[error(
        "the pattern is too long or too intricate: at most {MOST_BYTES} bytes, few alternatives"
    )]
    TooLarge,
    /// No name can be like that.
    #[error(
        "no process can be called {pattern:?}: the kernel cuts names after {COMM_BYTES} bytes, so write \
         {cut:?}; the whole name of the program is for --exe, as in --exe '**/{pattern}'"
    )]
    TooLong {
        /// What was typed.
        pattern: String,
        /// What the kernel makes of it.
        cut: String,
    },
}

/// A pattern: `*` any bytes, `?` one, `[a-z]` one of these, `{one,other}` one of these, `\` takes the
/// next character literally.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    matcher: GlobMatcher,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Pattern {
    /// A pattern of the whole name of a process's main thread, as the kernel cut it.
    ///
    /// # Errors
    /// When it makes no sense, or no name can be like that.
    pub fn of_comm(text: &str) -> Result<Self, PatternError> {
        let pattern = Self::new(text, false)?;
        if pattern.least_bytes() > COMM_BYTES {
            let cut: String = text.chars().scan(0, cut_to_comm).collect();
            return Err(PatternError::TooLong { pattern: text.to_owned(), cut });
        }
        Ok(pattern)
    }

    /// A pattern of whole names of any length: functions, files. `*` and `?` stand for `/`, too.
    ///
    /// # Errors
    /// When it makes no sense.
    pub fn of_name(text: &str) -> Result<Self, PatternError> {
        Self::new(text, false)
    }

    /// A pattern of whole paths.
    ///
    /// # Errors
    /// When it makes no sense.
    pub fn of_path(text: &str) -> Result<Self, PatternError> {
        Self::new(text, true)
    }

    /// Whether `text` is a pattern, and not a plain name.
    #[must_use]
    pub fn is_one(text: &str) -> bool {
        text.contains(['*', '?', '[', '{'])
    }

    fn new(text: &str, is_path: bool) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        if text.len() > MOST_BYTES {
            return Err(PatternError::TooLarge);
        }
        let glob = GlobBuilder::new(text)
            .literal_separator(is_path)
            .backslash_escape(true)
            .build()
            .map_err(|error| senseless(text, &error))?;
        if glob.regex().len() > MOST_EXPRESSION {
            return Err(PatternError::TooLarge);
        }
        Ok(Self { text: text.to_owned(), matcher: glob.compile_matcher() })
    }

    /// What was typed.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Whether these bytes are like that.
    #[must_use]
    pub fn matches(&self, name: &[u8]) -> bool {
        self.matcher.is_match(Path::new(OsStr::from_bytes(name)))
    }

    /// Bytes of the shortest name that it matches.
    fn least_bytes(&self) -> usize {
        let mut parser = regex_syntax::ParserBuilder::new().utf8(false).build();
        let parsed = parser.parse(self.matcher.glob().regex());
        parsed.ok().and_then(|parsed| parsed.properties().minimum_len()).unwrap_or(0)
    }
}

fn senseless(text: &str, error: &globset::Error) -> PatternError {
    PatternError::Senseless { pattern: text.to_owned(), reason: error.kind().to_string() }
}

/// Passes characters on while they fit a name.
fn cut_to_comm(used: &mut usize, character: char) -> Option<char> {
    *used += character.len_utf8();
    (*used <= COMM_BYTES).then_some(character)
}

/// Whether one of them matches.
pub fn names(patterns: &[Pattern], name: &[u8]) -> bool {
    patterns.iter().any(|pattern| pattern.matches(name))
}

#[cfg(test)]
mod tests {
    use super::{Pattern, PatternError};
    use proptest::prelude::proptest;

    #[test]
    fn whole_names_match() {
        for (pattern, name, matches) in [
            ("nginx", "nginx", true),
            ("nginx", "nginx-worker", false),
            ("nginx*", "nginx-worker", true),
            ("kworker/*", "kworker/0:1", true),
            ("*:1", "kworker/0:1", true),
            ("w?rk[a-e]r", "worker", true),
            ("{redis,valkey}-*", "valkey-server", true),
            ("a\\*b", "a*b", true),
            ("a\\*b", "axb", false),
            ("Nginx", "nginx", false),
        ] {
            assert_eq!(
                Pattern::of_comm(pattern).unwrap().matches(name.as_bytes()),
                matches,
                "{pattern}"
            );
        }
        assert!(Pattern::of_comm("*").unwrap().matches(b"\xff\x1b[2J\n"));
        assert!(Pattern::of_comm("?x").unwrap().matches(b"\xffx"));
    }

    #[test]
    fn paths_have_parts() {
        let one = Pattern::of_path("/usr/*/nginx").unwrap();
        assert!(one.matches(b"/usr/sbin/nginx") && !one.matches(b"/usr/local/sbin/nginx"));
        let any = Pattern::of_path("/usr/**/nginx").unwrap();
        assert!(any.matches(b"/usr/sbin/nginx") && any.matches(b"/usr/local/sbin/nginx"));
    }

    #[test]
    fn what_no_name_can_be_is_refused() {
        let error = Pattern::of_comm("systemd-journald").unwrap_err();
        let PatternError::TooLong { cut, .. } = &error else { panic!("{error}") };
        assert_eq!(cut, "systemd-journal");
        assert!(Pattern::of_comm("systemd-journal").is_ok());
        assert!(Pattern::of_comm("systemd-journal*").is_ok());
        assert!(Pattern::of_comm("{systemd-journald,x}").is_ok());
        assert!(matches!(Pattern::of_comm("?????????????????"), Err(PatternError::TooLong { .. })));
        assert_eq!(Pattern::of_comm(""), Err(PatternError::Empty));
        assert!(matches!(Pattern::of_comm("a["), Err(PatternError::Senseless { .. })));
        assert_eq!(Pattern::of_comm(&"a".repeat(5000)), Err(PatternError::TooLarge));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,40}", glob in "[*?\\[\\]{},a-c!\\\\-]{0,40}") {
            for text in [text, glob] {
                if let Ok(pattern) = Pattern::of_comm(&text) {
                    let _ = pattern.matches(text.as_bytes());
                }
            }
        }
    }
}
