//! `cargo xtask fixtures`: the small C and C++ programs that the tests trace, and valgrind's view of them.

mod check;
#[path = "../../memtrace/tests/fixtures/recipe.rs"]
mod recipe;
mod running;

use crate::command::{root, run, target};
use crate::elevate;
use anyhow::{Context as _, Result, bail};
use recipe::Recipe;
use std::path::PathBuf;

pub(crate) use check::check_all;
pub(crate) use running::Running;

/// Programs that do without the protocol of `fixture.h`, and without an account of their own.
const PLAIN: &str = "plain";
/// Libraries that the programs load while they run.
const LIBRARY: &str = "library";

/// Compiles every program and returns their paths, in order of their names.
pub(crate) fn compile_all() -> Result<Vec<PathBuf>> {
    let mut all = names()?;
    for folder in [PLAIN, LIBRARY] {
        all.extend(names_in(folder)?.iter().map(|name| format!("{folder}/{name}")));
    }
    all.iter().map(|name| compile(name)).collect()
}

/// Compiles one program, unless it is newer than its sources, and returns its path.
pub(crate) fn compile(name: &str) -> Result<PathBuf> {
    let recipe = Recipe::new(name, &sources(), &target().join("fixtures"));
    if recipe.is_done() {
        return Ok(recipe.program);
    }
    let source = || format!("cannot read {}", recipe.source.display());
    let arguments = recipe.arguments().with_context(source)?;
    run(elevate::as_user("mkdir")?.arg("-p").args(recipe.program.parent()))?;
    run(elevate::as_user(recipe.compiler())?.args(arguments).arg("-o").arg(&recipe.program))?;
    Ok(recipe.program)
}

fn sources() -> PathBuf {
    root().join("memtrace/tests/fixtures")
}

/// Those that give an account of themselves.
fn names() -> Result<Vec<String>> {
    names_in("")
}

fn names_in(folder: &str) -> Result<Vec<String>> {
    let folder = sources().join(folder);
    let entries =
        std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| format!("cannot read {}", folder.display()))?.path();
        if Recipe::is_source(&path) {
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
