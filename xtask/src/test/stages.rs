//! The stages of `cargo xtask test`.

use super::tally::{self, Tally};
use crate::command::{root, run, target};
use crate::{elevate, fixtures, tidy};
use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

/// A stage: what it is called, and what it does with the filter that was given.
pub(super) struct Stage {
    pub(super) name: &'static str,
    pub(super) needs_root: bool,
    pub(super) work: fn(Option<&str>) -> Result<Tally>,
}

const CHECKS: [Stage; 7] = [
    stage("format", |_| check(&["fmt", "--all", "--check"])),
    stage("clippy", |_| check(&["clippy", "--all-targets", "--", "-D", "warnings"])),
    stage("clippy without live", |_| clippy_without_live()),
    stage("clippy of the eBPF programs", |_| clippy_of_ebpf()),
    stage("tidy", |_| tidy_stage()),
    stage("documentation", |_| documentation()),
    stage("C programs against valgrind", |_| fixtures::check_all().map(|()| Tally::ONE)),
];

const TESTS: [Stage; 3] = [
    stage("unit and property tests", unit_tests),
    stage("documentation tests", documentation_tests),
    Stage { name: PRIVILEGED, needs_root: true, work: privileged_tests },
];

/// The stage that traces real processes.
const PRIVILEGED: &str = "privileged end-to-end tests";

/// Tells the tests of [`PRIVILEGED`] that they may trace.
const PRIVILEGED_VARIABLE: (&str, &str) = ("MEMTRACE_PRIVILEGED", "1");

/// How much longer than usual those tests wait, where the user says so; sudo would drop it.
const PATIENCE_VARIABLE: &str = "MEMTRACE_TEST_PATIENCE";

const fn stage(name: &'static str, work: fn(Option<&str>) -> Result<Tally>) -> Stage {
    Stage { name, needs_root: false, work }
}

/// All stages; with a filter only those that run tests.
pub(super) fn all(filter: Option<&str>) -> Vec<Stage> {
    let checks = filter.is_none().then_some(CHECKS);
    checks.into_iter().flatten().chain(TESTS).collect()
}

fn check(arguments: &[&str]) -> Result<Tally> {
    run(cargo_without_object()?.args(arguments)).map(|()| Tally::ONE)
}

/// For what only looks at the code: cargo keeps a build of its own for clippy and for documentation,
/// and each would have an eBPF object of its own, made from `core` up.
fn cargo_without_object() -> Result<Command> {
    let mut cargo = elevate::cargo()?;
    cargo.env("AYA_BUILD_SKIP", "1");
    Ok(cargo)
}

fn clippy_without_live() -> Result<Tally> {
    let package = ["--package", "memtrace", "--no-default-features", "--all-targets"];
    check(&[&["clippy"], package.as_slice(), &["--", "-D", "warnings"]].concat())
}

/// The kernel side is linted as a program for this machine: any toolchain's clippy can do that,
/// while for the BPF target it would need to build `core` itself. Without std there is no unwinding.
fn clippy_of_ebpf() -> Result<Tally> {
    let mut cargo = elevate::cargo()?;
    // Its unstable features, as in the real build. Other packages look at this variable, too, so
    // without a folder of its own this stage and the others would undo each other's builds.
    cargo.env("RUSTC_BOOTSTRAP", "memtrace_ebpf");
    // cargo would not pass on to clippy what stands before its name.
    cargo.args(["clippy", "--package", "memtrace-ebpf", "--target-dir"]).arg(target().join("ebpf"));
    cargo.args(["--config", "profile.dev.panic=\"abort\"", "--", "-D", "warnings"]);
    run(&mut cargo).map(|()| Tally::ONE)
}

fn tidy_stage() -> Result<Tally> {
    if tidy::tidy()? != ExitCode::SUCCESS {
        bail!("see above");
    }
    Ok(Tally::ONE)
}

fn documentation() -> Result<Tally> {
    let mut cargo = cargo_without_object()?;
    run(cargo.args(["doc", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings")).map(|()| Tally::ONE)
}

fn unit_tests(filter: Option<&str>) -> Result<Tally> {
    let mut cargo = elevate::cargo()?;
    cargo.args(["test", "--no-fail-fast", "--lib", "--bins"]);
    for name in integration_tests(|name| !is_privileged(name))? {
        cargo.args(["--test", &name]);
    }
    tally::run(cargo.arg("--").args(filter))
}

fn documentation_tests(filter: Option<&str>) -> Result<Tally> {
    tally::run(elevate::cargo()?.args(["test", "--no-fail-fast", "--doc", "--"]).args(filter))
}

/// Builds as the user, runs as root: one test at a time, because a traced program is slower for
/// everyone and the tests count events.
fn privileged_tests(filter: Option<&str>) -> Result<Tally> {
    let names = integration_tests(is_privileged)?;
    if names.is_empty() {
        bail!("there are no memtrace/tests/live_*.rs");
    }
    let patience = std::env::var(PATIENCE_VARIABLE).unwrap_or_else(|_| "1".to_owned());
    let variables = [PRIVILEGED_VARIABLE, (PATIENCE_VARIABLE, &patience)];
    let mut tally = Tally::default();
    for program in build_tests(&names)? {
        let mut command = elevate::as_root(&program, &variables)?;
        command.current_dir(root().join("memtrace")).arg("--test-threads=1").args(filter);
        tally = tally.plus(tally::run(&mut command)?);
    }
    elevate::give_back_target()?;
    Ok(tally)
}

fn is_privileged(name: &str) -> bool {
    name.starts_with("live_")
}

/// Names of memtrace's integration tests that `wanted` takes, in order.
fn integration_tests(wanted: fn(&str) -> bool) -> Result<Vec<String>> {
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

/// Builds these tests of memtrace and returns their programs.
fn build_tests(names: &[String]) -> Result<Vec<PathBuf>> {
    let mut cargo = elevate::cargo()?;
    // The same packages as for the unit tests, or cargo would configure and build it all anew.
    cargo.args(["test", "--no-run", "--message-format=json-render-diagnostics"]);
    for name in names {
        cargo.args(["--test", name]);
    }
    let programs = programs(&read_aloud(&mut cargo)?);
    if programs.len() != names.len() {
        bail!("cargo built {} test programs instead of {}", programs.len(), names.len());
    }
    Ok(programs)
}

/// Takes a command's output; what goes to the standard error output is seen at once.
fn read_aloud(command: &mut Command) -> Result<String> {
    let output =
        command.stderr(std::process::Stdio::inherit()).output().context("cannot run cargo test")?;
    if !output.status.success() {
        bail!("{} failed: {}", crate::command::shown(command), output.status);
    }
    String::from_utf8(output.stdout).context("cargo's messages are not UTF-8")
}

/// The test programs that cargo's messages name.
fn programs(messages: &str) -> Vec<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["profile"]["test"] == true)
        .filter_map(|message| Some(PathBuf::from(message["executable"].as_str()?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{all, is_privileged, programs};

    #[test]
    fn a_filter_leaves_only_tests() {
        assert!(all(None).iter().any(|stage| stage.name == "format"));
        assert!(all(Some("x")).iter().all(|stage| stage.name.ends_with("tests")));
        assert_eq!(all(None).iter().filter(|stage| stage.needs_root).count(), 1);
    }

    #[test]
    fn only_test_programs_are_taken_from_the_messages() {
        let messages = "{\"profile\":{\"test\":true},\"executable\":\"/a\"}\n\
                        {\"profile\":{\"test\":false},\"executable\":\"/b\"}\n\
                        {\"profile\":{\"test\":true},\"executable\":null}\nno json\n";
        assert_eq!(programs(messages), [std::path::PathBuf::from("/a")]);
    }

    #[test]
    fn privileged_tests_are_known_by_name() {
        assert!(is_privileged("live_heap") && !is_privileged("schema"));
    }
}
