//! How a user writes an allocation function of the program's own: `libpool.so:pool_alloc(size=1)->ret`.
//!
//! The text says in which file the function is, how it is called, and where its arguments are; nothing is
//! looked up here.

mod parse;

#[cfg(test)]
mod tests;

use crate::selection::Pattern;
use memtrace_common::site::{Argument, NO_ARGUMENT, Role};
use std::fmt;

/// A function, or several of them, that allocate, resize or free.
#[derive(Clone, Debug, PartialEq)]
pub struct Signature {
    /// As it was written.
    pub text: String,
    /// Which files.
    pub file: Pattern,
    /// `file` is of whole paths, else of their last parts.
    pub whole_path: bool,
    /// Which functions in them.
    pub function: Which,
    /// What they do.
    pub role: Role,
    /// Where their arguments are.
    pub places: Places,
}

/// Which functions of a file are meant.
#[derive(Clone, Debug, PartialEq)]
pub enum Which {
    /// Those with such a symbol.
    Named(Pattern),
    /// The one that begins at this offset in the file, bytes.
    At(u64),
}

/// Where a function has its arguments and its result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Places {
    /// The size.
    pub size: Argument,
    /// A second factor of the size.
    pub count: Argument,
    /// The block given, or the place for the result.
    pub pointer: Argument,
    /// The result is stored through `pointer`, and the function returns 0 for success.
    pub result_by_pointer: bool,
}

impl Places {
    /// Nothing said yet.
    const NONE: Self = Self {
        size: NO_ARGUMENT,
        count: NO_ARGUMENT,
        pointer: NO_ARGUMENT,
        result_by_pointer: false,
    };

    /// The argument positions that a program reads.
    #[must_use]
    pub const fn arguments(&self) -> [Argument; 3] {
        [self.size, self.count, self.pointer]
    }
}

/// Why a signature makes no sense: where, and what should stand there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct SignatureError {
    /// As it was written.
    pub text: String,
    /// The byte of it that was not expected.
    pub at: usize,
    /// What was, or what is wrong with it.
    pub reason: String,
}

impl fmt::Display for SignatureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Under the character, not the byte. What would move the cursor is shown as it is escaped.
        let column = |text: &str| text.chars().map(shown).map(|shown| shown.chars().count()).sum();
        let before: usize = column(self.text.get(..self.at).unwrap_or(&self.text));
        let text: String = self.text.chars().map(shown).collect();
        write!(f, "{}\n  {text}\n  {:before$}^", self.reason, "")
    }
}

/// A character as it may stand on a terminal.
fn shown(character: char) -> String {
    if character.is_control() {
        character.escape_default().to_string()
    } else {
        character.to_string()
    }
}

impl Signature {
    /// Reads a signature of a function that does `role`.
    ///
    /// # Errors
    /// Where it makes no sense, with what was expected there.
    pub fn parse(text: &str, role: Role) -> Result<Self, SignatureError> {
        parse::signature(text, role)
    }

    /// Whether a file of this path is meant.
    #[must_use]
    pub fn is_in(&self, path: &std::path::Path) -> bool {
        use std::os::unix::ffi::OsStrExt as _;
        let name = if self.whole_path { Some(path.as_os_str()) } else { path.file_name() };
        name.is_some_and(|name| self.file.matches(name.as_bytes()))
    }
}
