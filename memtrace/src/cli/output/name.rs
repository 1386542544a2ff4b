//! Names of report files, with their placeholders.

use jiff::Timestamp;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why a name was refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum NameError {
    /// Nothing was given.
    #[error("--output has an empty name: give a file's name, or - for standard output")]
    Empty,
    /// It names a directory.
    #[error("--output {0:?} names a directory: add a file's name, such as report-{{seq}}.json")]
    Directory(OsString),
    /// A placeholder that does not exist.
    #[error("--output has {0:?} in its name: only {{pid}}, {{seq}} and {{time}} are filled in")]
    Placeholder(String),
    /// A placeholder in the directory part, which must exist before tracing begins.
    #[error(
        "--output {0:?} has a placeholder in its directory: use {{pid}}, {{seq}} and {{time}} in \
         the file's name only"
    )]
    InDirectory(OsString),
}

/// What tells reports of one run apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label {
    /// Number of the report, from 1.
    pub sequence: u64,
    /// When it was taken.
    pub time: Timestamp,
}

/// A part of a file's name.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(Vec<u8>),
    Pid,
    Sequence,
    Time,
}

/// The name given to `--output`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputName {
    directory: PathBuf,
    parts: Vec<Part>,
}

impl OutputName {
    /// Reads a name. `{pid}`, `{seq}` and `{time}` in its last part are placeholders.
    ///
    /// # Errors
    /// See [`NameError`].
    pub fn parse(typed: &OsStr) -> Result<Self, NameError> {
        let bytes = typed.as_bytes();
        if bytes.is_empty() {
            return Err(NameError::Empty);
        }
        let (directory, file) = match bytes.iter().rposition(|&byte| byte == b'/') {
            Some(slash) => bytes.split_at(slash + 1),
            None => (&b"./"[..], bytes),
        };
        if matches!(file, b"" | b"." | b"..") {
            return Err(NameError::Directory(typed.to_owned()));
        }
        if ["{pid}", "{seq}", "{time}"].iter().any(|name| find(directory, name.as_bytes())) {
            return Err(NameError::InDirectory(typed.to_owned()));
        }
        Ok(Self { directory: OsStr::from_bytes(directory).into(), parts: parts(file)? })
    }

    /// The directory that the files are in.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Whether each report has a name of its own. Otherwise all go to one file.
    #[must_use]
    pub fn is_per_report(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Sequence | Part::Time))
    }

    /// Whether the process number is part of the name.
    #[must_use]
    pub fn has_pid(&self) -> bool {
        self.parts.contains(&Part::Pid)
    }

    /// The file for a report.
    #[must_use]
    pub fn path(&self, pid: u32, label: Label) -> PathBuf {
        let mut name = Vec::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => name.extend_from_slice(text),
                Part::Pid => name.extend_from_slice(pid.to_string().as_bytes()),
                Part::Sequence => name.extend_from_slice(label.sequence.to_string().as_bytes()),
                Part::Time => name.extend_from_slice(compact(label.time).as_bytes()),
            }
        }
        self.directory.join(OsString::from_vec(name))
    }
}

/// ISO 8601's basic form in UTC, which sorts and has no colons: `20260102T030405Z`.
fn compact(time: Timestamp) -> String {
    time.strftime("%Y%m%dT%H%M%SZ").to_string()
}

fn find(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// Splits a file's name at its placeholders. Braces around anything but a word are plain text.
fn parts(mut name: &[u8]) -> Result<Vec<Part>, NameError> {
    let mut parts = Vec::new();
    let mut text = Vec::new();
    while let Some((&first, rest)) = name.split_first() {
        name = rest;
        let Some(word) = placeholder(first, rest) else {
            text.push(first);
            continue;
        };
        name = &rest[word.len() + 1..];
        let part = match word {
            b"pid" => Part::Pid,
            b"seq" => Part::Sequence,
            b"time" => Part::Time,
            other => {
                let other = String::from_utf8_lossy(other);
                return Err(NameError::Placeholder(format!("{{{other}}}")));
            }
        };
        parts.extend((!text.is_empty()).then(|| Part::Text(std::mem::take(&mut text))));
        parts.push(part);
    }
    parts.extend((!text.is_empty()).then_some(Part::Text(text)));
    Ok(parts)
}

/// The word between `{` and `}`.
fn placeholder(first: u8, rest: &[u8]) -> Option<&[u8]> {
    let end = rest.iter().position(|&byte| byte == b'}')?;
    let word = rest.get(..end)?;
    (first == b'{' && !word.is_empty() && word.iter().all(u8::is_ascii_alphabetic)).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::{Label, NameError, OutputName};
    use proptest::prelude::{any, prop_assert, proptest};
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    fn label() -> Label {
        Label { sequence: 3, time: "2026-01-02T03:04:05.9Z".parse().unwrap() }
    }

    fn parse(text: &str) -> Result<OutputName, NameError> {
        OutputName::parse(OsStr::new(text))
    }

    #[test]
    fn placeholders_are_filled_in() {
        let name = parse("/var/tmp/r-{pid}-{seq}-{time}.json").unwrap();
        assert_eq!(name.path(12, label()).to_str(), Some("/var/tmp/r-12-3-20260102T030405Z.json"));
        assert_eq!(name.directory().to_str(), Some("/var/tmp/"));
        assert!(name.is_per_report() && name.has_pid());
    }

    #[test]
    fn a_plain_name_is_one_file_for_all() {
        let name = parse("leaks.txt").unwrap();
        assert_eq!(name.path(12, label()).to_str(), Some("./leaks.txt"));
        assert!(!name.is_per_report() && !name.has_pid());
        assert!(!parse("{pid}.txt").unwrap().is_per_report());
        assert_eq!(
            parse("a{}b{1}{ x}c{").unwrap().path(1, label()).to_str(),
            Some("./a{}b{1}{ x}c{")
        );
    }

    #[test]
    fn names_that_cannot_work_are_refused() {
        assert_eq!(parse(""), Err(NameError::Empty));
        assert_eq!(parse("r-{host}.json"), Err(NameError::Placeholder("{host}".to_owned())));
        for name in ["/tmp/", "..", "a/.", "/"] {
            assert_eq!(parse(name), Err(NameError::Directory(name.into())));
        }
        assert_eq!(parse("{pid}/r"), Err(NameError::InDirectory("{pid}/r".into())));
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_name_in_the_directory_or_a_reason(bytes in any::<Vec<u8>>()) {
            if let Ok(name) = OutputName::parse(OsStr::from_bytes(&bytes)) {
                prop_assert!(name.path(1, label()).starts_with(name.directory()));
            }
        }
    }
}
