//! Which report of which file is meant.

use crate::report::diff::Which;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

/// A file, and one of the reports in it, or a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) file: PathBuf,
    pub(super) at: At,
}

/// What is meant of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum At {
    Report(Which),
    /// A time after the start, a mark, or `peak`: of recordings alone.
    Moment(String),
}

impl Place {
    /// `FILE`, `FILE@N`, `FILE@first`, `FILE@last`, `FILE@90s`, `FILE@MARK`, `FILE@peak`. A file that is called so is
    /// meant by itself; a moment is meant only where the file without it is there.
    pub(super) fn of(typed: &OsStr) -> Self {
        Self::split(typed, |file| file.symlink_metadata().is_ok())
    }

    fn split(typed: &OsStr, is_there: impl Fn(&Path) -> bool) -> Self {
        let whole = Self { file: PathBuf::from(typed), at: At::Report(Which::Last) };
        if is_there(&whole.file) {
            return whole;
        }
        let bytes = typed.as_bytes();
        let at = bytes.iter().rposition(|byte| *byte == b'@');
        let Some((file, word)) = at.map(|at| (&bytes[..at], &bytes[at + 1..])) else {
            return whole;
        };
        let file = PathBuf::from(OsString::from_vec(file.to_vec()));
        if let Some(which) = which(word) {
            return Self { file, at: At::Report(which) };
        }
        match std::str::from_utf8(word) {
            Ok(word) if !word.is_empty() && is_there(&file) => {
                Self { file, at: At::Moment(word.to_owned()) }
            }
            _ => whole,
        }
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
    use super::{At, Place, Which};
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
            let at = At::Report(which);
            assert_eq!((place.file.as_path(), place.at), (Path::new(file), at), "{typed}");
        }
        let there = Place::split(OsStr::new("run@12"), |_| true);
        assert_eq!(
            (there.file.as_path(), there.at),
            (Path::new("run@12"), At::Report(Which::Last))
        );
        let is_run = |path: &Path| path == Path::new("run");
        for moment in ["90s", "deploy", "peak", "+1"] {
            let place = Place::split(OsStr::new(&format!("run@{moment}")), is_run);
            let at = At::Moment(moment.to_owned());
            assert_eq!((place.file.as_path(), place.at), (Path::new("run"), at));
        }
    }
}
