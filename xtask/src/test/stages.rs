//! The stages of `cargo xtask test`.

use super::tally::{self, Tally};
use super::{programs, side_by_side};
use crate::command::{run, target};
use crate::{elevate, fixtures, fuzz, kernels, tidy};
use anyhow::Result;
use std::process::Command;

/// A stage: what it is called, and what it does with the filter that was given.
pub(super) struct Stage {
    pub(super) name: &'static str,
    pub(super) needs: Needs,
    pub(super) work: fn(Option<&str>) -> Result<Tally>,
}

/// What a stage cannot do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    Nothing,
    Root,
    /// Other kernels, and a machine to boot them in.
    Guests,
}

const CHECKS: [Stage; 6] = [
    stage("format", |_| check(&["fmt", "--all", "--check"])),
    stage("clippy", |_| check(&["clippy", "--all-targets", "--", "-D", "warnings"])),
    stage("clippy without live", |_| clippy_without_live()),
    stage("clippy of the eBPF programs", |_| clippy_of_ebpf()),
    stage("tidy", |_| tidy_stage()),
    stage("documentation", |_| documentation()),
];

const TESTS: [Stage; 3] = [
    stage("unit and property tests", unit_tests),
    stage("documentation tests", documentation_tests),
    Stage { needs: Needs::Root, ..stage(PRIVILEGED, privileged_tests) },
];

/// After the tests, whose build they have most of their libraries from.
const JUDGES: [Stage; 2] = [
    stage("C programs against valgrind", |_| fixtures::check_all().map(|()| Tally::ONE)),
    stage("fuzzing", |_| fuzz::stage()),
];

/// The last one, as it takes longest. Not with a filter: who looks for one failing test does not want
/// to wait for three guests, and has `cargo xtask kernels -- FILTER`.
const KERNELS: Stage =
    Stage { needs: Needs::Guests, ..stage("other kernels", |_| kernels::stage()) };

/// The stage that traces real processes.
const PRIVILEGED: &str = "privileged end-to-end tests";

const fn stage(name: &'static str, work: fn(Option<&str>) -> Result<Tally>) -> Stage {
    Stage { name, needs: Needs::Nothing, work }
}

/// All stages; with a filter only those that run tests.
pub(super) fn all(filter: Option<&str>) -> Vec<Stage> {
    let checks = filter.is_none().then_some(CHECKS);
    let last = filter.is_none().then(|| JUDGES.into_iter().chain([KERNELS]));
    checks.into_iter().flatten().chain(TESTS).chain(last.into_iter().flatten()).collect()
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
    tidy::check().map(|()| Tally::ONE)
}

fn documentation() -> Result<Tally> {
    let mut cargo = cargo_without_object()?;
    run(cargo.args(["doc", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings")).map(|()| Tally::ONE)
}

fn unit_tests(filter: Option<&str>) -> Result<Tally> {
    let mut cargo = elevate::cargo()?;
    cargo.args(["test", "--no-fail-fast", "--lib", "--bins"]);
    for name in programs::integration_tests(|name| !programs::is_privileged(name))? {
        cargo.args(["--test", &name]);
    }
    tally::run(cargo.arg("--").args(filter))
}

fn documentation_tests(filter: Option<&str>) -> Result<Tally> {
    tally::run(elevate::cargo()?.args(["test", "--no-fail-fast", "--doc", "--"]).args(filter))
}

/// Builds as the user, runs as root.
fn privileged_tests(filter: Option<&str>) -> Result<Tally> {
    let tally = side_by_side::run(&programs::build_privileged()?.tests, filter)?;
    elevate::give_back_target()?;
    Ok(tally)
}

#[cfg(test)]
mod tests {
    use super::{Needs, all};

    #[test]
    fn a_filter_leaves_only_tests() {
        assert!(all(None).iter().any(|stage| stage.name == "format"));
        assert!(all(Some("x")).iter().all(|stage| stage.name.ends_with("tests")));
        let with = |needs| all(None).iter().filter(|stage| stage.needs == needs).count();
        assert_eq!((with(Needs::Root), with(Needs::Guests)), (1, 1));
    }
}
