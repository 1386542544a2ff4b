//! Where the benchmark works: its folder, and the programs that are measured.

use crate::bench::crowds::own_libc;
use crate::bench::tracer::Programs;
use crate::command::{find, target};
use crate::elevate;
use anyhow::{Context as _, Result};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Allocators that programs of the distribution are linked with.
const ALLOCATORS: [&str; 1] = ["libjemalloc.so.2"];
/// Where Debian has them.
const LIBRARIES: &str = "/usr/lib/x86_64-linux-gnu";

/// See the file's head. What it holds is removed in the end, but for memray.
pub(in crate::bench) struct Shop {
    pub(in crate::bench) programs: Programs,
    folder: PathBuf,
}

impl Shop {
    /// An empty one, with copies of the C library and of other allocators, so that nobody but the programs
    /// that are measured pays for probes in them.
    pub(in crate::bench) fn open(programs: Programs) -> Result<Self> {
        let folder = folder()?.join("work");
        remove(&folder)?;
        elevate::make_folder(&folder)?;
        let shop = Self { programs, folder };
        let libraries = shop.libraries();
        elevate::make_folder(&libraries)?;
        let copy = |from: &Path, name: &str| {
            fs::copy(from, libraries.join(name))
                .with_context(|| format!("cannot copy {}", from.display()))
        };
        copy(&own_libc()?, "libc.so.6")?;
        for name in ALLOCATORS {
            let file = Path::new(LIBRARIES).join(name);
            if file.exists() {
                copy(&file, name)?;
            }
        }
        Ok(shop)
    }

    fn libraries(&self) -> PathBuf {
        self.folder.join("libraries")
    }

    /// Where a file of this name is.
    pub(in crate::bench) fn path(&self, name: &str) -> Result<String> {
        let path = self.folder.join(name);
        Ok(path.to_str().context("the folder's path is not UTF-8")?.to_owned())
    }

    /// Writes a file.
    pub(in crate::bench) fn file(&self, name: &str, text: &str) -> Result<String> {
        let path = self.path(name)?;
        fs::write(&path, text).with_context(|| format!("cannot write {path}"))?;
        Ok(path)
    }

    /// Where the next program writes its errors.
    pub(super) fn errors(&self) -> Result<File> {
        let path = self.path("errors")?;
        File::create(&path).with_context(|| format!("cannot write {path}"))
    }

    /// The end of what the last program wrote there.
    pub(super) fn last_error(&self) -> Option<String> {
        let text = fs::read(self.folder.join("errors")).ok()?;
        let text = String::from_utf8_lossy(&text).into_owned();
        text.lines().rev().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned)
    }

    /// Removes the files whose names begin so, and says whether there were any.
    pub(in crate::bench) fn take(&self, prefix: &str) -> Result<bool> {
        let failed = || format!("cannot look for what begins with {prefix}");
        let mut is_there = false;
        for entry in fs::read_dir(&self.folder).with_context(failed)? {
            let entry = entry.with_context(failed)?;
            if entry.file_name().to_string_lossy().starts_with(prefix) {
                fs::remove_file(entry.path()).with_context(failed)?;
                is_there = true;
            }
        }
        Ok(is_there)
    }

    /// A program that has libraries of its own.
    pub(in crate::bench) fn program(&self, words: &[&str]) -> Result<Program> {
        let libraries = self.libraries();
        let libraries = libraries.to_str().context("the folder's path is not UTF-8")?;
        Ok(Program {
            words: words.iter().copied().map(str::to_owned).collect(),
            variables: vec![("LD_LIBRARY_PATH", libraries.to_owned())],
        })
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        // The next run removes it, or says why not.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)
            .with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    Ok(())
}

/// All that the benchmark keeps is in here.
pub(super) fn folder() -> Result<PathBuf> {
    std::path::absolute(target().join("peers")).context("no current folder")
}

/// Python with memray, where `--install-peers` has put it.
pub(in crate::bench) fn python_with_memray() -> Result<PathBuf> {
    Ok(folder()?.join("memray/bin/python"))
}

/// The Python that is measured: memray's own if there is one, so that all trace the same.
pub(in crate::bench) fn python() -> Result<String> {
    let own = python_with_memray()?;
    let python = if own.exists() { Some(own) } else { find("python3") };
    let python = python.context("python3 is not installed: apt-get install python3")?;
    Ok(python.to_str().context("python's path is not UTF-8")?.to_owned())
}

/// A program to measure, before a peer wraps it.
#[derive(Clone, Debug)]
pub(in crate::bench) struct Program {
    pub(in crate::bench) words: Vec<String>,
    pub(in crate::bench) variables: Vec<(&'static str, String)>,
}

impl Program {
    /// The name that its process has.
    pub(super) fn name(&self) -> String {
        let program = self.words.first().map(Path::new).and_then(Path::file_name);
        program.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// The same with words in front.
    pub(super) fn under(mut self, words: &[&str]) -> Self {
        self.words.splice(0..0, words.iter().copied().map(str::to_owned));
        self
    }

    /// The same with an environment variable.
    pub(super) fn with(mut self, name: &'static str, value: String) -> Self {
        self.variables.push((name, value));
        self
    }

    /// What starts it, as the person who builds.
    pub(in crate::bench) fn command(&self, shop: &Shop) -> Result<Command> {
        let [program, arguments @ ..] = self.words.as_slice() else {
            anyhow::bail!("a command without a program")
        };
        let mut command = elevate::as_user(program)?;
        command.args(arguments).current_dir(&shop.folder).stderr(shop.errors()?);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        Ok(command)
    }
}

#[cfg(test)]
mod tests {
    use super::Program;

    #[test]
    fn a_program_keeps_its_name_until_it_is_wrapped() {
        let words = ["/usr/bin/sqlite3", "-batch"].map(str::to_owned).into();
        let program = Program { words, variables: Vec::new() };
        assert_eq!(program.name(), "sqlite3");
        let wrapped = program.under(&["valgrind", "--tool=massif"]);
        assert_eq!(wrapped.words, ["valgrind", "--tool=massif", "/usr/bin/sqlite3", "-batch"]);
    }
}
