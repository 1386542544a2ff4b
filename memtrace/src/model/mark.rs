//! Moments that the user names.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// Longest name of a mark, bytes.
pub const LONGEST_NAME: usize = 128;

/// The name of a mark: some text, without characters that steer a terminal or break lines.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MarkName(Arc<str>);

/// Why a text is no name of a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MarkNameError {
    /// It is empty, or nothing but blanks.
    #[error("a mark needs a name")]
    Empty,
    /// It is longer than [`LONGEST_NAME`].
    #[error("the name of a mark has {0} bytes: at most {LONGEST_NAME} are kept")]
    TooLong(usize),
    /// It has a line break, an escape or another control character.
    #[error("the name of a mark has the control character {0:?}")]
    Control(char),
}

impl MarkName {
    /// The name, if it is one.
    ///
    /// # Errors
    /// Why it is none.
    pub fn new(name: &str) -> Result<Self, MarkNameError> {
        if name.trim().is_empty() {
            return Err(MarkNameError::Empty);
        }
        if name.len() > LONGEST_NAME {
            return Err(MarkNameError::TooLong(name.len()));
        }
        match name.chars().find(|character| character.is_control()) {
            Some(character) => Err(MarkNameError::Control(character)),
            None => Ok(Self(name.into())),
        }
    }

    /// The name of a mark to which the user gave none, by its number among those.
    #[must_use]
    pub fn numbered(number: u64) -> Self {
        Self(format!("mark {number}").into())
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MarkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for MarkName {
    type Error = MarkNameError;

    fn try_from(name: String) -> Result<Self, MarkNameError> {
        Self::new(&name)
    }
}

impl From<MarkName> for String {
    fn from(name: MarkName) -> Self {
        name.as_str().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::{LONGEST_NAME, MarkName, MarkNameError};

    #[test]
    fn names_are_short_and_harmless() {
        let longest = "x".repeat(LONGEST_NAME);
        for name in ["deploy", "after the 2nd load", "größer", &longest] {
            assert_eq!(MarkName::new(name).unwrap().as_str(), name);
        }
        // 43 characters of three bytes.
        let wide = "€".repeat(43);
        for (name, error) in [
            ("", MarkNameError::Empty),
            (" \u{a0}", MarkNameError::Empty),
            (&*wide, MarkNameError::TooLong(129)),
            ("a\nb", MarkNameError::Control('\n')),
            ("\x1b[2J", MarkNameError::Control('\x1b')),
            ("a\u{9b}b", MarkNameError::Control('\u{9b}')),
        ] {
            assert_eq!(MarkName::new(name), Err(error), "{name:?}");
        }
        assert_eq!(MarkName::new("mark 3"), Ok(MarkName::numbered(3)));
    }

    #[test]
    fn what_is_read_is_checked() {
        let name = MarkName::new("größer \"x\"").unwrap();
        let text = serde_json::to_string(&name).unwrap();
        assert_eq!(serde_json::from_str::<MarkName>(&text).unwrap(), name);
        for text in ["\"\"", "\"\\u001b\"", "7", "\"a\\u0000\""] {
            assert!(serde_json::from_str::<MarkName>(text).is_err(), "{text}");
        }
    }
}
