//! Why a function that the user describes is not there, and what is there instead.

use super::super::MappedFile;
use super::file_name;
use crate::probe::signature::Signature;

/// Most names that a message lists.
const MOST: usize = 3;
/// Names that are less alike are of no help (`strsim::jaro_winkler`, 0 to 1).
const ALIKE: f64 = 0.7;

/// Why there is nothing to probe for a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// No file of this name is mapped.
    File {
        /// Names of files that are.
        mapped: Vec<String>,
    },
    /// The file has no such function.
    Function {
        /// Which file.
        file: String,
        /// Names of functions that it has, the most alike first.
        near: Vec<String>,
        /// It has no symbols at all, and whether it is statically linked.
        stripped: Option<bool>,
    },
    /// There is an IFUNC, of which it is not known yet for which function it stands.
    Unbound {
        /// Which IFUNC.
        function: String,
        /// Why not.
        reason: String,
    },
    /// There is one, which cannot be probed.
    Refused {
        /// Which function.
        function: String,
        /// Why not.
        reason: String,
    },
}

/// A function that the user describes cannot be probed in any of the processes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{signature:?}: {}", .missing.describe(.signature))]
pub struct UserFunctionError {
    /// As it was written.
    pub signature: String,
    /// What is missing.
    pub missing: Missing,
}

impl Missing {
    pub(super) fn file(files: &[MappedFile]) -> Self {
        Self::File { mapped: files.iter().map(file_name).collect() }
    }

    /// The error for the signature.
    #[must_use]
    pub fn error(self, signature: &Signature) -> UserFunctionError {
        UserFunctionError { signature: signature.text.clone(), missing: self }
    }

    /// What is wrong with the signature as it was written, and what to do.
    #[must_use]
    pub fn describe(&self, signature: &str) -> String {
        match self {
            Self::File { mapped } => no_file(signature, mapped),
            Self::Function { file, stripped: Some(is_static), .. } => format!(
                "{file} is {}stripped: it has no names of functions; give the function's offset in the file \
                 instead, as in {file}:+0x1a2b(…), as a build with symbols or a disassembler shows it",
                if *is_static { "statically linked and " } else { "" }
            ),
            Self::Function { file, near, .. } => match near.as_slice() {
                [] => format!("{file} has no such function, and none with a name like that"),
                near => format!("{file} has no such function; it has {}", near.join(", ")),
            },
            Self::Unbound { function, reason } | Self::Refused { function, reason } => {
                format!("{function} cannot be probed: {reason}")
            }
        }
    }
}

fn no_file(signature: &str, mapped: &[String]) -> String {
    let wanted = signature.split(':').next().unwrap_or_default();
    let wanted = wanted.rsplit('/').next().unwrap_or_default();
    let mut nearest = Nearest::new(wanted);
    mapped.iter().for_each(|name| nearest.offer(name));
    match nearest.names() {
        names if names.is_empty() => "no such file is mapped; it may be given as a pattern, as in \
             'libpool.so*', or with its path"
            .to_owned(),
        names => format!("no such file is mapped; {} is", names.join(", ")),
    }
}

/// The names that are most like another one.
pub(super) struct Nearest<'a> {
    wanted: &'a str,
    found: Vec<(f64, String)>,
}

impl<'a> Nearest<'a> {
    pub(super) const fn new(wanted: &'a str) -> Self {
        Self { wanted, found: Vec::new() }
    }

    /// Keeps the name if it is among the nearest so far.
    pub(super) fn offer(&mut self, name: &str) {
        let alike = strsim::jaro_winkler(self.wanted, name);
        let is_new = || self.found.iter().all(|(_, known)| known != name);
        if alike < ALIKE || !is_new() {
            return;
        }
        let place = self.found.partition_point(|(other, _)| *other >= alike);
        if place < MOST {
            self.found.insert(place, (alike, name.to_owned()));
            self.found.truncate(MOST);
        }
    }

    pub(super) fn names(self) -> Vec<String> {
        self.found.into_iter().map(|(_, name)| name).collect()
    }
}
