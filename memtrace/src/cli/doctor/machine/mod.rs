//! What files in `/proc` and `/sys` tell about this machine; no program is loaded.

mod kernel;
mod privileges;

use super::model::Section;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Examines the kernel and our own privileges. What cannot be read is a finding, never an error.
#[must_use]
pub fn gather_machine() -> Vec<Section> {
    gather(&Machine::real())
}

fn gather(machine: &Machine) -> Vec<Section> {
    vec![kernel::section(machine), privileges::section(machine)]
}

/// Where `/proc` and `/sys` are; elsewhere in tests.
#[derive(Clone, Debug)]
struct Machine {
    root: PathBuf,
    architecture: String,
}

impl Machine {
    fn real() -> Self {
        Self { root: PathBuf::from("/"), architecture: std::env::consts::ARCH.to_owned() }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// A small file's text, without the line break at its end.
    fn read(&self, path: &str) -> io::Result<String> {
        fs::read(self.path(path)).map(|bytes| String::from_utf8_lossy(&bytes).trim_end().to_owned())
    }

    /// Whether the path exists; an error when that cannot be known.
    fn exists(&self, path: &str) -> io::Result<bool> {
        self.path(path).try_exists()
    }

    /// Where a symbolic link leads.
    fn link(&self, path: &str) -> Option<String> {
        let target = fs::read_link(self.path(path)).ok()?;
        target.to_str().map(str::to_owned)
    }

    /// Whether a file system of this type is mounted at `path`.
    fn is_mounted(&self, kind: &str, path: &Path) -> bool {
        let Ok(mounts) = self.read("/proc/self/mounts") else { return false };
        mounts.lines().any(|line| {
            let mut fields = line.split(' ').skip(1);
            fields.next().map(Path::new) == Some(path) && fields.next() == Some(kind)
        })
    }

    /// The kernel's release and its first two numbers.
    fn release(&self) -> Option<(String, (u32, u32))> {
        let release = self.read("/proc/sys/kernel/osrelease").ok()?;
        let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
        let version = (numbers.next()?.ok()?, numbers.next()?.ok()?);
        Some((release, version))
    }
}

#[cfg(test)]
mod tests;
