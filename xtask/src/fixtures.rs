//! `cargo xtask fixtures`: the small C programs that the tests trace, and valgrind's view of them.

mod check;
mod running;

use crate::command::{root, run, target};
use crate::elevate;
use anyhow::{Context as _, Result, bail};
use std::path::{Path, PathBuf};

pub(crate) use check::check_all;
pub(crate) use running::Running;

/// As the tests compile them: optimised enough to be real, with frame pointers and lines.
const FLAGS: [&str; 6] = ["-O1", "-g", "-fno-omit-frame-pointer", "-pthread", "-Wall", "-Werror"];

/// Compiles every program and returns their paths, in order of their names.
pub(crate) fn compile_all() -> Result<Vec<PathBuf>> {
    names()?.iter().map(|name| compile(name)).collect()
}

/// Compiles one program, unless it is newer than its sources, and returns its path.
pub(crate) fn compile(name: &str) -> Result<PathBuf> {
    let folder = target().join("fixtures");
    let program = folder.join(name);
    let source = sources().join(name).with_extension("c");
    if is_newer(&program, &[&source, &sources().join("fixture.h")]) {
        return Ok(program);
    }
    run(elevate::as_user("mkdir")?.arg("-p").arg(&folder))?;
    run(elevate::as_user("gcc")?.args(FLAGS).arg("-o").arg(&program).arg(source))?;
    Ok(program)
}

fn sources() -> PathBuf {
    root().join("memtrace/tests/fixtures")
}

fn names() -> Result<Vec<String>> {
    let folder = sources();
    let entries =
        std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| format!("cannot read {}", folder.display()))?.path();
        if path.extension().is_some_and(|extension| extension == "c") {
            let stem = path.file_stem().and_then(|stem| stem.to_str());
            names.push(stem.context("a fixture's name is not UTF-8")?.to_owned());
        }
    }
    names.sort();
    if names.is_empty() {
        bail!("there are no C programs in {}", folder.display());
    }
    Ok(names)
}

fn is_newer(product: &Path, sources: &[&Path]) -> bool {
    let time = |path: &Path| path.metadata().and_then(|file| file.modified()).ok();
    let Some(built) = time(product) else { return false };
    sources.iter().all(|source| time(source).is_some_and(|changed| changed < built))
}
