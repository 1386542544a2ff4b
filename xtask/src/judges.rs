//! What others publish of their formats, fetched to judge our files by: it is not ours, so it is not among ours.

use crate::command::{read, run, target};
use crate::elevate;
use anyhow::{Context as _, Result};
use std::path::{Path, PathBuf};

/// The version of speedscope whose schema judges.
const SPEEDSCOPE: &str = "1.25.0";
/// Where its package has the schema.
const IN_PACKAGE: &str = "package/dist/release/file-format-schema.json";

/// The version of inferno that judges folded stacks. Its licence (CDDL) is none of those that we link with: it is installed
/// beside, as a program.
const INFERNO: &str = "0.12.3";

/// Where the schema is kept; `memtrace/tests/report_judges.rs` looks there.
pub(crate) fn schema() -> PathBuf {
    target().join("judges/speedscope.schema.json")
}

/// The program of inferno that draws flame graphs; the tests look there, too.
pub(crate) fn inferno() -> PathBuf {
    target().join("judges/bin/inferno-flamegraph")
}

/// What is not there yet.
pub(crate) fn missing() -> Vec<PathBuf> {
    [schema(), inferno()].into_iter().filter(|file| !file.is_file()).collect()
}

/// Fetches what is not there yet.
///
/// # Errors
/// When npm or cargo cannot fetch it (which check that it is what was published), or it cannot be kept.
pub(crate) fn ensure() -> Result<()> {
    elevate::make_folder(&target().join("judges"))?;
    if !schema().is_file() {
        fetch_schema(&schema())?;
    }
    if inferno().is_file() { Ok(()) } else { install_inferno() }
}

fn install_inferno() -> Result<()> {
    eprintln!("xtask: about to install inferno {INFERNO}, which judges folded stacks");
    let mut cargo = elevate::as_user("cargo")?;
    cargo.args(["install", "inferno", "--locked", "--quiet", "--version", INFERNO]);
    cargo.args(["--no-default-features", "--features", "cli", "--bin", "inferno-flamegraph"]);
    run(cargo.arg("--root").arg(target().join("judges")))
}

fn fetch_schema(file: &Path) -> Result<()> {
    let folder = target().join("judges");
    eprintln!("xtask: about to fetch speedscope {SPEEDSCOPE} for its schema");
    let package = format!("speedscope@{SPEEDSCOPE}");
    let mut npm = elevate::as_user("npm")?;
    run(npm.args(["pack", "--silent", "--pack-destination"]).arg(&folder).arg(package))?;
    let archive = folder.join(format!("speedscope-{SPEEDSCOPE}.tgz"));
    let mut tar = elevate::as_user("tar")?;
    let text = read(tar.arg("-xzOf").arg(&archive).arg(IN_PACKAGE))?;
    // A part of a file must not be taken for the whole.
    let part = folder.join("schema.part");
    std::fs::write(&part, text).with_context(|| format!("cannot write {}", part.display()))?;
    std::fs::rename(&part, file).with_context(|| format!("cannot keep {}", file.display()))?;
    std::fs::remove_file(&archive).with_context(|| format!("cannot remove {}", archive.display()))
}
