//! `cargo xtask run`: memtrace, built and started as root.

use crate::command::{shown, target};
use crate::{command, elevate, setup};
use anyhow::{Context as _, Result};
use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::ExitCode;

/// Sets the machine up, builds the release, and becomes it, so that signals and the exit status are
/// memtrace's own. Returns only if that fails.
pub(crate) fn run(no_install: bool, arguments: &[OsString]) -> Result<ExitCode> {
    setup::ensure(setup::Purpose::Build, no_install)?;
    let mut memtrace = elevate::as_root(&build()?, &[])?;
    memtrace.args(arguments);
    let error = memtrace.exec();
    Err(error).with_context(|| format!("cannot run {}", shown(&memtrace)))
}

/// Builds the release and returns the program's path.
pub(crate) fn build() -> Result<PathBuf> {
    eprintln!("xtask: building memtrace (release)");
    command::run(elevate::cargo()?.args(["build", "--release", "--package", "memtrace"]))?;
    Ok(target().join("release/memtrace"))
}
