//! `cargo xtask tidy`: the rules of the house that neither the compiler nor clippy knows.

mod floors;
mod licences;
mod paths;
mod shape;
mod spdx;
mod tokens;

use crate::command::root;
use anyhow::{Context as _, Result, ensure};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// A broken rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// The file, from the workspace's root.
    file: PathBuf,
    /// The line, from 1.
    line: usize,
    /// What is wrong, and what would be right.
    message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file.display(), self.line, self.message)
    }
}

/// A source file, read and taken apart.
struct Source {
    /// From the workspace's root.
    path: PathBuf,
    text: String,
    tokens: tokens::Tokens,
}

impl Source {
    fn new(path: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { path: path.into(), tokens: tokens::Tokens::of(&text), text }
    }

    fn finding(&self, line: usize, message: impl Into<String>) -> Finding {
        Finding { file: self.path.clone(), line, message: message.into() }
    }
}

/// Checks everything and prints what was found.
pub(crate) fn tidy() -> Result<ExitCode> {
    let findings = find_all()?;
    for finding in &findings {
        eprintln!("{finding}");
    }
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The stage of `cargo xtask test`.
///
/// # Errors
/// When a rule is broken: with all that was found.
pub(crate) fn check() -> Result<()> {
    let findings: Vec<String> = find_all()?.iter().map(ToString::to_string).collect();
    ensure!(findings.is_empty(), "{}", findings.join("\n"));
    Ok(())
}

fn find_all() -> Result<Vec<Finding>> {
    let root = root();
    let mut files = Vec::new();
    collect(&root, &mut files)?;
    let mut findings = Vec::new();
    for path in files {
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let source = Source::new(path.strip_prefix(&root).unwrap_or(&path), text);
        findings.extend(shape::check(&source));
        findings.extend(floors::check(&source));
    }
    findings.extend(licences::check(&root)?);
    findings.sort();
    Ok(findings)
}

/// Lists the Rust files below `folder`, without what cargo and git keep there.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let unreadable = || format!("cannot read {}", folder.display());
    for entry in fs::read_dir(folder).with_context(unreadable)? {
        let entry = entry.with_context(unreadable)?;
        let (path, name) = (entry.path(), entry.file_name());
        if entry.file_type().with_context(unreadable)?.is_dir() {
            if name != "target" && !name.as_encoded_bytes().starts_with(b".") {
                collect(&path, files)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}
