//! What others publish of their formats, fetched to judge our files by: it is not ours, so it is not among ours.

use crate::command::{read, run, target};
use crate::elevate;
use anyhow::{Context as _, Result};
use std::path::PathBuf;

/// The version of speedscope whose schema judges.
const SPEEDSCOPE: &str = "1.25.0";
/// Where its package has the schema.
const IN_PACKAGE: &str = "package/dist/release/file-format-schema.json";

/// Where the schema is kept; `memtrace/tests/report_judges.rs` looks there.
pub(crate) fn schema() -> PathBuf {
    target().join("judges/speedscope.schema.json")
}

/// Fetches what is not there yet.
///
/// # Errors
/// When npm cannot fetch it (which checks that it is what was published), or it cannot be kept.
pub(crate) fn ensure() -> Result<()> {
    let file = schema();
    if file.is_file() {
        return Ok(());
    }
    let folder = target().join("judges");
    elevate::make_folder(&folder)?;
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
    std::fs::rename(&part, &file).with_context(|| format!("cannot keep {}", file.display()))?;
    std::fs::remove_file(&archive).with_context(|| format!("cannot remove {}", archive.display()))
}
