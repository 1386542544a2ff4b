//! The files that a command will map before its first own instruction runs: itself, its interpreters,
//! the dynamic loader, and all libraries that it needs. Found as `execve(2)` and `ld.so(8)` find them,
//! without running anything. It is a forecast: what only the loader can know (`LD_AUDIT`, a processor's
//! `glibc-hwcaps`) is named as well when it may be meant, and what is missing is met later.

mod cache;
mod elf;
mod libraries;
mod script;

use super::program::find_program;
use libraries::Loader;
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Most files that are named.
const MOST_FILES: usize = 512;
/// Interpreters of interpreters that the kernel follows (`fs/exec.c`, `exec_binprm`).
const MOST_INTERPRETERS: usize = 5;

/// The files that a command will map, its program first. Paths are canonical; each file is named once.
/// `variable` gives what the command's environment will hold.
#[must_use]
pub fn files_of(command: &OsStr, variable: impl Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    let path = variable("PATH");
    match find_program(command, path.as_deref()) {
        Ok(program) => files_below(Path::new("/"), &program, variable),
        Err(_) => Vec::new(),
    }
}

/// The same for a program whose root directory is `root`; `program` is its path there.
#[must_use]
pub fn files_below(
    root: &Path,
    program: &Path,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Vec<PathBuf> {
    let mut found = Found::default();
    let mut program = program.to_owned();
    for _ in 0..=MOST_INTERPRETERS {
        let file = within(root, &program);
        found.add(&file);
        match script::interpreter(&file) {
            Some(interpreter) => program = interpreter,
            None => break,
        }
    }
    Loader::new(root, &program, &variable).load(&mut found);
    found.files
}

/// A path of a process whose root this is, as we see it.
fn within(root: &Path, path: &Path) -> PathBuf {
    if root == Path::new("/") {
        return path.to_owned();
    }
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// Files, each once, whatever its names.
#[derive(Debug, Default)]
struct Found {
    files: Vec<PathBuf>,
    seen: BTreeSet<(u64, u64)>,
}

impl Found {
    /// Adds a file. `false` if there is none, or it is there already, or there are too many.
    fn add(&mut self, file: &Path) -> bool {
        let Ok(metadata) = fs::metadata(file) else { return false };
        let is_new = metadata.is_file()
            && self.files.len() < MOST_FILES
            && self.seen.insert((metadata.dev(), metadata.ino()));
        if is_new {
            self.files.push(file.canonicalize().unwrap_or_else(|_| file.to_owned()));
        }
        is_new
    }
}

#[cfg(test)]
mod tests;
