//! `cargo xtask dist`: what packagers and users without a compiler want.

mod archive;

use crate::command::{read, root, run, target};
use crate::{elevate, setup};
use anyhow::{Context as _, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Shells that have completions, and what their files are called.
const SHELLS: [(&str, &str); 3] =
    [("bash", "memtrace.bash"), ("zsh", "_memtrace"), ("fish", "memtrace.fish")];
/// Files of the repository that go along.
const TEXTS: [&str; 5] =
    ["README.md", "CHANGELOG.md", "LICENSE-MIT", "LICENSE-APACHE", "LICENSE-GPL2"];

/// Makes the release, or only its pages and completions.
pub(crate) fn dist(no_install: bool, no_build: bool) -> Result<()> {
    let folder = target().join("dist");
    if no_build {
        let program = built()?;
        eprintln!("xtask: pages and completions come from {}", program.display());
        emptied(&folder)?;
        pages(&program, &folder)?;
        completions(&program, &folder)?;
        println!("{}", folder.display());
        return elevate::give_back_target();
    }
    setup::ensure(setup::Purpose::Build, no_install)?;
    let program = crate::run::build()?;
    emptied(&folder)?;
    let name = format!("memtrace-{}-{}", env!("CARGO_PKG_VERSION"), triple()?);
    let release = folder.join(&name);
    collect(&program, &release)?;
    // Four fifths of it would be line tables: of a crash the functions' names tell enough.
    run(Command::new("strip").arg("--strip-debug").arg(release.join("memtrace")))?;
    let packed = archive::pack(&folder, &name)?;
    let sums = archive::sums(&folder)?;
    for path in [release, packed, sums] {
        println!("{}", path.display());
    }
    elevate::give_back_target()
}

/// Everything of a release, in a folder.
fn collect(program: &Path, release: &Path) -> Result<()> {
    fs::create_dir_all(release).with_context(|| format!("cannot make {}", release.display()))?;
    copy(program, &release.join("memtrace"))?;
    for text in TEXTS {
        copy(&root().join(text), &release.join(text))?;
    }
    pages(program, release)?;
    completions(program, release)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let copied = fs::copy(from, to);
    copied.with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    Ok(())
}

/// A folder without what was in it.
fn emptied(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)
            .with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))
}

/// memtrace(1), and a page for each command.
fn pages(program: &Path, folder: &Path) -> Result<()> {
    let folder = made(folder, "man/man1")?;
    let page = |words: &[&str], name: &str| {
        let text = read(Command::new(program).arg("man").args(words))?;
        write(&folder.join(name), &text)
    };
    page(&[], "memtrace.1")?;
    let names = read(Command::new(program).args(["man", "--list"]))?;
    if names.lines().next().is_none() {
        bail!("{} names no command that has a manual page", program.display());
    }
    names.lines().try_for_each(|name| page(&[name], &format!("memtrace-{name}.1")))
}

fn completions(program: &Path, folder: &Path) -> Result<()> {
    let folder = made(folder, "completions")?;
    for (shell, name) in SHELLS {
        let script = read(Command::new(program).args(["completions", shell]))?;
        write(&folder.join(name), &script)?;
    }
    Ok(())
}

fn made(folder: &Path, below: &str) -> Result<PathBuf> {
    let folder = folder.join(below);
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

/// Writes a text that must not be empty.
fn write(path: &Path, text: &str) -> Result<()> {
    if text.trim().is_empty() {
        bail!("nothing was printed for {}", path.display());
    }
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// The newest memtrace that is built.
fn built() -> Result<PathBuf> {
    let programs = ["release", "debug"].map(|profile| target().join(profile).join("memtrace"));
    let age = |program: &PathBuf| program.metadata().and_then(|about| about.modified()).ok();
    let newest = programs.into_iter().filter(|program| age(program).is_some()).max_by_key(age);
    newest.context(
        "no memtrace is built, which prints the pages: leave out --no-build, or `cargo build` first",
    )
}

/// What the release runs on, as the compiler calls it.
fn triple() -> Result<String> {
    let about = read(elevate::as_user("rustc")?.arg("-vV"))?;
    let host = about.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("the compiler does not say for which machine it compiles")
}

#[cfg(test)]
mod tests;
