//! A tree of files as a guest is to see it, and its archive: cpio in the form `newc`, which is what
//! the kernel unpacks (Documentation/driver-api/early-userspace/buffer-format.rst).

use anyhow::{Context as _, Result, bail};
use cpio::newc::{Builder, ModeFileType, trailer};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};
use std::time::UNIX_EPOCH;

/// As many links as Linux follows in a path: `path_resolution(7)`.
const MOST_LINKS: usize = 40;

/// What is at a path.
#[derive(Debug, PartialEq, Eq)]
enum Entry {
    Folder,
    Link(PathBuf),
    /// A copy of a file of this machine.
    Copy(PathBuf),
    Text(String),
    Script(String),
}

/// Files by their absolute paths. In the order of paths a folder comes before what is in it.
#[derive(Debug, Default)]
pub(super) struct Tree(BTreeMap<PathBuf, Entry>);

impl Tree {
    /// Puts a file of this machine where it is on this machine, with the links that lead to it.
    pub(super) fn add(&mut self, path: &Path) -> Result<()> {
        self.add_from(path, path)
    }

    /// As [`Self::add`], with the content of another file.
    pub(super) fn add_from(&mut self, path: &Path, content: &Path) -> Result<()> {
        let place = self.resolve(path)?;
        self.0.insert(place, Entry::Copy(content.to_owned()));
        Ok(())
    }

    /// Puts a text file where this machine has, or would have, a path.
    pub(super) fn add_text(&mut self, path: &str, text: impl Into<String>) -> Result<()> {
        let place = self.resolve(Path::new(path))?;
        self.0.insert(place, Entry::Text(text.into()));
        Ok(())
    }

    /// Puts a script there.
    pub(super) fn add_script(&mut self, path: &str, text: impl Into<String>) -> Result<()> {
        let place = self.resolve(Path::new(path))?;
        self.0.insert(place, Entry::Script(text.into()));
        Ok(())
    }

    /// Puts an empty folder there.
    pub(super) fn add_folder(&mut self, path: &str) -> Result<()> {
        let place = self.resolve(Path::new(path))?;
        self.0.entry(place).or_insert(Entry::Folder);
        Ok(())
    }

    /// Whether there is anything at or below a path.
    pub(super) fn has_below(&self, folder: &Path) -> bool {
        self.0.keys().any(|path| path.starts_with(folder) && path != folder)
    }

    /// Where a path leads on this machine; puts the folders and links on the way into the tree.
    fn resolve(&mut self, path: &Path) -> Result<PathBuf> {
        let mut links = 0;
        let mut place = PathBuf::from("/");
        let mut ahead: Vec<PathBuf> = components(path)?;
        while let Some(name) = ahead.pop() {
            if name == Path::new("..") {
                place.pop();
                continue;
            }
            let next = place.join(&name);
            if let Ok(target) = fs::read_link(&next) {
                links += 1;
                if links > MOST_LINKS {
                    bail!("too many symbolic links on the way to {}", path.display());
                }
                if target.is_absolute() {
                    place = PathBuf::from("/");
                }
                ahead.extend(components(&target)?);
                self.0.insert(next, Entry::Link(target));
            } else {
                if !ahead.is_empty() {
                    self.0.entry(next.clone()).or_insert(Entry::Folder);
                }
                place = next;
            }
        }
        Ok(place)
    }

    /// Writes the archive.
    pub(super) fn write(&self, mut output: impl Write) -> Result<()> {
        for (path, entry) in &self.0 {
            output = entry
                .write(path, output)
                .with_context(|| format!("cannot put {} into the archive", path.display()))?;
        }
        trailer(output)?.flush().context("cannot write the end of the archive")
    }
}

/// The parts of a path, last one first.
fn components(path: &Path) -> Result<Vec<PathBuf>> {
    let mut parts = Vec::new();
    for component in path.components().rev() {
        match component {
            Component::Normal(name) => parts.push(name.into()),
            Component::ParentDir => parts.push("..".into()),
            Component::RootDir | Component::CurDir => {}
            Component::Prefix(_) => bail!("{} is no path of this system", path.display()),
        }
    }
    Ok(parts)
}

impl Entry {
    fn write<W: Write>(&self, path: &Path, output: W) -> Result<W> {
        let name = path.strip_prefix("/").unwrap_or(path).to_str().context("it is not UTF-8")?;
        let entry = Builder::new(name);
        match self {
            Self::Folder => {
                append(entry, ModeFileType::Directory, 0o755, &mut io::empty(), 0, output)
            }
            Self::Link(target) => {
                let target = target.to_str().context("the link's target is not UTF-8")?;
                append_text(entry, ModeFileType::Symlink, 0o777, target, output)
            }
            Self::Text(text) => append_text(entry, ModeFileType::Regular, 0o644, text, output),
            Self::Script(text) => append_text(entry, ModeFileType::Regular, 0o755, text, output),
            Self::Copy(file) => append_copy(entry, file, output),
        }
    }
}

fn append_text<W: Write>(
    entry: Builder,
    kind: ModeFileType,
    mode: u32,
    text: &str,
    output: W,
) -> Result<W> {
    append(entry, kind, mode, &mut text.as_bytes(), text.len().try_into()?, output)
}

/// A file of this machine, as old as it is.
fn append_copy<W: Write>(entry: Builder, file: &Path, output: W) -> Result<W> {
    let mut content =
        File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    let about = content.metadata()?;
    let changed = about.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    let entry = entry.mtime(changed.as_secs().try_into()?);
    let mode = about.permissions().mode() & 0o777;
    append(entry, ModeFileType::Regular, mode, &mut content, about.len(), output)
}

fn append<W: Write>(
    entry: Builder,
    kind: ModeFileType,
    mode: u32,
    content: &mut impl Read,
    size: u64,
    output: W,
) -> Result<W> {
    let size = size.try_into().context("it is larger than such an archive can hold")?;
    let mut writer = entry.mode(mode).set_mode_file_type(kind).nlink(1).write(output, size);
    io::copy(content, &mut writer)?;
    Ok(writer.finish()?)
}

#[cfg(test)]
mod tests {
    use super::Tree;
    use cpio::NewcReader;
    use std::fs;
    use std::io::Read as _;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    /// Name, mode and content of each entry.
    fn content(tree: &Tree) -> Vec<(String, u32, String)> {
        let mut archive = Vec::new();
        tree.write(&mut archive).unwrap();
        let (mut rest, mut entries) = (archive.as_slice(), Vec::new());
        loop {
            let mut reader = NewcReader::new(rest).unwrap();
            if reader.entry().is_trailer() {
                return entries;
            }
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            entries.push((reader.entry().name().to_owned(), reader.entry().mode(), text));
            rest = reader.finish().unwrap();
        }
    }

    #[test]
    fn the_archive_has_folders_before_files_and_scripts_that_run() {
        let mut tree = Tree::default();
        tree.add_script("/nowhere/init", "#!/bin/sh\n").unwrap();
        tree.add_text("/nowhere/etc/passwd", "root").unwrap();
        tree.add_folder("/nowhere/proc").unwrap();
        let entry = |name: &str, mode: u32, text: &str| (name.to_owned(), mode, text.to_owned());
        let expected = [
            entry("nowhere", 0o040_755, ""),
            entry("nowhere/etc", 0o040_755, ""),
            entry("nowhere/etc/passwd", 0o100_644, "root"),
            entry("nowhere/init", 0o100_755, "#!/bin/sh\n"),
            entry("nowhere/proc", 0o040_755, ""),
        ];
        assert_eq!(content(&tree), expected);
        assert!(tree.has_below(Path::new("/nowhere/etc")));
        assert!(!tree.has_below(Path::new("/nowhere/proc")));
    }

    #[test]
    fn a_file_comes_with_the_links_that_lead_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        fs::create_dir(root.join("usr")).unwrap();
        fs::write(root.join("usr/lib-1"), "library").unwrap();
        symlink("usr", root.join("lib")).unwrap();
        symlink("../lib/lib-1", root.join("usr/lib")).unwrap();
        let mut tree = Tree::default();
        tree.add(&root.join("lib/lib")).unwrap();
        let start = format!("{}/", root.strip_prefix("/").unwrap().display());
        let found: Vec<_> = content(&tree)
            .into_iter()
            .filter_map(|(name, mode, text)| {
                Some((name.strip_prefix(&start)?.to_owned(), mode & 0o170_000, text))
            })
            .collect();
        let entry = |name: &str, kind: u32, text: &str| (name.to_owned(), kind, text.to_owned());
        let expected = [
            entry("lib", 0o120_000, "usr"),
            entry("usr", 0o040_000, ""),
            entry("usr/lib", 0o120_000, "../lib/lib-1"),
            entry("usr/lib-1", 0o100_000, "library"),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn links_that_lead_in_a_circle_are_an_error() {
        let folder = tempfile::tempdir().unwrap();
        symlink("b", folder.path().join("a")).unwrap();
        symlink("a", folder.path().join("b")).unwrap();
        let error = Tree::default().add(&folder.path().join("a")).unwrap_err().to_string();
        assert!(error.contains("too many symbolic links"), "{error}");
    }

    #[test]
    fn a_file_that_is_gone_is_named() {
        let mut tree = Tree::default();
        tree.add(Path::new("/nonexistent/file")).unwrap();
        let error = format!("{:#}", tree.write(Vec::new()).unwrap_err());
        assert!(error.contains("/nonexistent/file"), "{error}");
    }
}
