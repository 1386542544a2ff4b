//! Builds the programs of `memtrace/fuzz` with the fuzzer's instruments.

use crate::command::{root, run, target};
use crate::elevate;
use anyhow::{Context as _, Result};
use std::path::{Path, PathBuf};

/// The platform; named, so that the instruments stay out of build scripts and macros.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";

/// What libFuzzer needs to see where an input led and what it was compared with
/// (clang's documentation, `SanitizerCoverage`), and arithmetic that is checked.
const INSTRUMENTS: &str = "--cfg fuzzing -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

fn package() -> PathBuf {
    root().join("memtrace/fuzz")
}

/// Names of the readers: one program each.
pub(super) fn targets() -> Result<Vec<String>> {
    let folder = package().join("fuzz_targets");
    let failed = || format!("cannot read {}", folder.display());
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&folder).with_context(failed)? {
        let path = entry.with_context(failed)?.path();
        names.extend(path.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned));
    }
    names.sort();
    Ok(names)
}

/// Where all that belongs to fuzzing is built and kept.
pub(super) fn folder() -> PathBuf {
    target().join("fuzz")
}

/// The program that feeds a reader.
pub(super) fn program(name: &str) -> PathBuf {
    folder().join(PLATFORM).join("release").join(name)
}

/// What a session of seconds does without: our own code optimized, which takes longer than the session.
const UNOPTIMIZED: [&str; 2] = ["--config", "profile.release.package.memtrace.opt-level=0"];

/// Builds all programs; for `brief` sessions what takes the least time altogether.
///
/// # Errors
/// When cargo does not.
pub(super) fn build(brief: bool) -> Result<()> {
    same_dependencies(&package())?;
    let mut cargo = elevate::cargo()?;
    cargo.current_dir(package()).env("RUSTFLAGS", INSTRUMENTS).env("AYA_BUILD_SKIP", "1");
    cargo.args(["build", "--release", "--target", PLATFORM, "--target-dir"]).arg(folder());
    if brief {
        cargo.args(UNOPTIMIZED);
    }
    run(&mut cargo)
}

/// Has the programs use the versions of libraries that memtrace is built with: cargo adds to this file
/// only what is the fuzzer's own.
fn same_dependencies(package: &Path) -> Result<()> {
    let (from, to) = (root().join("Cargo.lock"), package.join("Cargo.lock"));
    let is_newer = |to: &Path| {
        Some(to.metadata().ok()?.modified().ok()? >= from.metadata().ok()?.modified().ok()?)
    };
    if is_newer(&to) == Some(true) {
        return Ok(());
    }
    run(elevate::as_user("cp")?.arg(&from).arg(&to))
}
