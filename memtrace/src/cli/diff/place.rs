//! Which report of which file is meant.

use crate::report::diff::Which;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

/// A file, and one of the reports in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) file: PathBuf,
    pub(super) which: Which,
}

impl Place {
    /// `FILE`, `FILE@N`, `FILE@first`, `FILE@last`. A file that is called so is meant by itself.
    pub(super) fn of(typed: &OsStr) -> Self {
        Self::split(typed, |file| file.symlink_metadata().is_ok())
    }

    fn split(typed: &OsStr, is_there: impl Fn(&Path) -> bool) -> Self {
        let whole = Self { file: PathBuf::from(typed), which: Which::Last };
        if is_there(&whole.file) {
            return whole;
        }
        let bytes = typed.as_bytes();
        let at = bytes.iter().rposition(|byte| *byte == b'@');
        let split = at.and_then(|at| Some((&bytes[..at], which(&bytes[at + 1..])?)));
        split.map_or(whole, |(file, which)| Self {
            file: PathBuf::from(OsString::from_vec(file.to_vec())),
            which,
        })
    }

    /// As it is named in what is written.
    pub(super) fn name(&self) -> String {
        crate::report::clean(&self.file.to_string_lossy())
    }
}

fn which(word: &[u8]) -> Option<Which> {
    match word {
        b"first" => Some(Which::First),
        b"last" => Some(Which::Last),
        // No sign, which `parse` would take.
        _ if !word.iter().all(u8::is_ascii_digit) => None,
        number => std::str::from_utf8(number).ok()?.parse().ok().map(Which::Number),
    }
}

#[cfg(test)]
mod tests {
    use super::{Place, Which};
    use std::ffi::OsStr;
    use std::path::Path;

    #[test]
    fn what_follows_the_last_at_sign_tells_which() {
        let cases = [
            ("run", "run", Which::Last),
            ("run@first", "run", Which::First),
            ("run@last", "run", Which::Last),
            ("run@12", "run", Which::Number(12)),
            ("a@b@3", "a@b", Which::Number(3)),
            ("run@", "run@", Which::Last),
            ("run@+1", "run@+1", Which::Last),
            ("run@-1", "run@-1", Which::Last),
            ("run@99999999999999999999", "run@99999999999999999999", Which::Last),
            ("run@second", "run@second", Which::Last),
        ];
        for (typed, file, which) in cases {
            let place = Place::split(OsStr::new(typed), |_| false);
            assert_eq!((place.file.as_path(), place.which), (Path::new(file), which), "{typed}");
        }
        let there = Place::split(OsStr::new("run@12"), |_| true);
        assert_eq!((there.file.as_path(), there.which), (Path::new("run@12"), Which::Last));
    }
}
