//! The archive and its check sums, by the system's own tools.

use crate::command::{read, run};
use anyhow::{Context as _, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Packs the folder `name` in `folder`: the same bytes from the same files, whoever packs them when.
pub(super) fn pack(folder: &Path, name: &str) -> Result<PathBuf> {
    let file = format!("{name}.tar.gz");
    let mut tar = Command::new("tar");
    tar.current_dir(folder).args([
        "--create",
        "--gzip",
        "--sort=name",
        "--owner=0",
        "--group=0",
        "--numeric-owner",
        "--mtime=@0",
        "--mode=u=rwX,go=rX",
        "--file",
    ]);
    run(tar.arg(&file).arg(name))?;
    Ok(folder.join(file))
}

/// Writes `SHA256SUMS` of all files in `folder` and below, as `sha256sum --check` reads it.
pub(super) fn sums(folder: &Path) -> Result<PathBuf> {
    let mut names = Vec::new();
    list(folder, folder, &mut names)?;
    names.sort();
    let text = read(Command::new("sha256sum").current_dir(folder).arg("--").args(&names))?;
    let path = folder.join("SHA256SUMS");
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

fn list(root: &Path, folder: &Path, names: &mut Vec<PathBuf>) -> Result<()> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            list(root, &path, names)?;
        } else {
            names.push(path.strip_prefix(root)?.to_path_buf());
        }
    }
    Ok(())
}
