//! memtrace's integration tests: which there are, and their programs, built.

use crate::command::{root, shown};
use crate::elevate;
use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Tells the privileged tests that they may trace.
pub(crate) const PRIVILEGED_VARIABLE: (&str, &str) = ("MEMTRACE_PRIVILEGED", "1");

/// How much longer than usual those tests wait, where the user says so.
pub(crate) const PATIENCE_VARIABLE: &str = "MEMTRACE_TEST_PATIENCE";

/// A command that runs as root and may trace. What the user says of the tests' patience is passed on,
/// as sudo would drop it.
pub(crate) fn as_root(program: &Path) -> Result<Command> {
    let patience = std::env::var(PATIENCE_VARIABLE).unwrap_or_else(|_| "1".to_owned());
    elevate::as_root(program, &[PRIVILEGED_VARIABLE, (PATIENCE_VARIABLE, &patience)])
}

/// A program that cargo built.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Program {
    /// The target's name, such as `live_links`.
    pub(crate) name: String,
    /// The program itself.
    pub(crate) file: PathBuf,
}

/// The privileged tests, and what they run.
#[derive(Debug)]
pub(crate) struct Privileged {
    /// One program per `memtrace/tests/live_*.rs`, in order of their names.
    pub(crate) tests: Vec<Program>,
    /// `memtrace` itself, as the tests start it.
    pub(crate) memtrace: PathBuf,
}

/// Whether this test traces real processes.
pub(crate) fn is_privileged(name: &str) -> bool {
    name.starts_with("live_")
}

/// Names of memtrace's integration tests that `wanted` takes, in order.
pub(crate) fn integration_tests(wanted: fn(&str) -> bool) -> Result<Vec<String>> {
    let folder = root().join("memtrace/tests");
    let entries =
        std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| format!("cannot read {}", folder.display()))?.path();
        let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        if path.extension().is_some_and(|extension| extension == "rs") && wanted(name) {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Builds the tests that trace real processes.
///
/// # Errors
/// When there are none, or cargo did not build them all.
pub(crate) fn build_privileged() -> Result<Privileged> {
    let names = integration_tests(is_privileged)?;
    if names.is_empty() {
        bail!("there are no memtrace/tests/live_*.rs");
    }
    let mut cargo = elevate::cargo()?;
    // The same packages as for the unit tests, or cargo would configure and build it all anew.
    cargo.args(["test", "--no-run", "--message-format=json-render-diagnostics"]);
    for name in &names {
        cargo.args(["--test", name]);
    }
    let messages = read_aloud(&mut cargo)?;
    let mut tests = programs(&messages, true);
    tests.sort_by(|one, other| one.name.cmp(&other.name));
    if tests.len() != names.len() {
        bail!("cargo built {} test programs instead of {}", tests.len(), names.len());
    }
    let others = programs(&messages, false);
    let memtrace = others.into_iter().find(|program| program.name == "memtrace");
    let memtrace = memtrace.context("cargo did not say where it built memtrace")?.file;
    Ok(Privileged { tests, memtrace })
}

/// Takes a command's output; what goes to the standard error output is seen at once.
fn read_aloud(command: &mut Command) -> Result<String> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot run {}", shown(command)))?;
    if !output.status.success() {
        bail!("{} failed: {}", shown(command), output.status);
    }
    String::from_utf8(output.stdout).context("cargo's messages are not UTF-8")
}

/// The programs that cargo's messages name: tests, or others.
fn programs(messages: &str, tests: bool) -> Vec<Program> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["profile"]["test"] == tests)
        .filter_map(|message| {
            let name = message["target"]["name"].as_str()?.to_owned();
            Some(Program { name, file: PathBuf::from(message["executable"].as_str()?) })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Program, is_privileged, programs};

    #[test]
    fn programs_are_taken_from_the_messages() {
        let messages = r#"{"target":{"name":"live_a"},"profile":{"test":true},"executable":"/a"}
            {"target":{"name":"memtrace"},"profile":{"test":false},"executable":"/b"}
            {"target":{"name":"lib"},"profile":{"test":true},"executable":null}
            no json"#;
        let program = |name: &str, file: &str| Program { name: name.to_owned(), file: file.into() };
        assert_eq!(programs(messages, true), [program("live_a", "/a")]);
        assert_eq!(programs(messages, false), [program("memtrace", "/b")]);
    }

    #[test]
    fn privileged_tests_are_known_by_name() {
        assert!(is_privileged("live_heap") && !is_privileged("schema"));
    }
}
