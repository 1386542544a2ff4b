//! Debian's packages, from the archives that the machine itself uses, without touching what the
//! machine's own apt knows or has installed.

mod choice;
mod config;
mod version;

use crate::command::{find, read, run, shown};
use crate::elevate;
use anyhow::{Context as _, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(super) use choice::Package;

/// An apt of our own.
#[derive(Debug)]
pub(super) struct Apt {
    folder: PathBuf,
    suites: Vec<&'static str>,
}

impl Apt {
    /// Sets it up in this folder, which is empty, and reads what these suites have.
    ///
    /// # Errors
    /// When the machine has no apt or no archive of Debian, or the archive cannot be reached.
    pub(super) fn new(folder: &Path, suites: &[&'static str]) -> Result<Self> {
        for program in ["apt-get", "apt-cache", "dpkg-deb"] {
            if find(program).is_none() {
                bail!(
                    "kernels come as Debian's packages, and {program} is missing: install apt and dpkg"
                );
            }
        }
        let targets = ["indextargets", "--format", config::INDEX_FORMAT, "Created-By: Packages"];
        let known = read(elevate::as_user("apt-get")?.args(targets))
            .context("cannot ask apt for this machine's archives")?;
        let sources = config::Archives::read(&known)?.sources(suites)?;
        if !Path::new(config::KEYRING).is_file() {
            bail!("there is no {}: install the package debian-archive-keyring", config::KEYRING);
        }
        for sub in ["state/lists/partial", "cache/archives/partial"] {
            let sub = folder.join(sub);
            fs::create_dir_all(&sub).with_context(|| format!("cannot make {}", sub.display()))?;
        }
        let files = [
            ("sources.list", sources),
            ("apt.conf", config::configuration(folder)),
            ("state/status", String::new()),
        ];
        for (name, text) in files {
            let file = folder.join(name);
            fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
        }
        elevate::give_back(folder)?;
        let apt = Self { folder: folder.to_owned(), suites: suites.to_vec() };
        read(apt.command("apt-get")?.arg("update"))
            .with_context(|| format!("cannot read the lists of {}", suites.join(", ")))?;
        Ok(apt)
    }

    /// The newest package with a kernel of this series.
    ///
    /// # Errors
    /// When the suites have none.
    pub(super) fn newest_kernel(&self, series: &str) -> Result<Package> {
        let missing = || {
            let suites = self.suites.join(", ");
            format!("Debian's {suites} have no kernel {series} for clouds (any more)")
        };
        let names = read(self.command("apt-cache")?.args(["pkgnames", "linux-"]))?;
        let names = names.lines().filter(|name| choice::is_kernel(name, series));
        let names: Vec<&str> = names.collect();
        if names.is_empty() {
            bail!(missing());
        }
        let stanzas = read(self.command("apt-cache")?.arg("show").args(names))?;
        choice::newest(&stanzas, series).with_context(missing)
    }

    /// Downloads a package into `folder`, takes it apart there, and returns where.
    ///
    /// # Errors
    /// When it cannot be had, or is not what the archive's list says.
    pub(super) fn unpack(&self, package: &Package, folder: &Path) -> Result<PathBuf> {
        let wanted = format!("{}={}", package.name, package.version);
        run(self.command("apt-get")?.args(["--quiet=2", "download", &wanted]).current_dir(folder))?;
        let file = downloaded(folder)?;
        verify(&file, package)?;
        let content = folder.join("content");
        run(elevate::as_user("dpkg-deb")?.arg("-x").arg(&file).arg(&content))?;
        fs::remove_file(&file).with_context(|| format!("cannot remove {}", file.display()))?;
        Ok(content)
    }

    fn command(&self, program: &str) -> Result<Command> {
        let mut command = elevate::as_user(program)?;
        command.env("LC_ALL", "C").arg("-c").arg(self.folder.join("apt.conf"));
        Ok(command)
    }
}

/// The only package in the folder. Its file's name has the version in apt's spelling.
fn downloaded(folder: &Path) -> Result<PathBuf> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut files = entries.filter_map(|entry| Some(entry.ok()?.path()));
    files
        .find(|file| file.extension().is_some_and(|extension| extension == "deb"))
        .with_context(|| format!("apt downloaded no package into {}", folder.display()))
}

/// apt has looked as well; but this is what we are about to boot.
fn verify(file: &Path, package: &Package) -> Result<()> {
    let size = file.metadata().with_context(|| format!("cannot read {}", file.display()))?.len();
    if size != package.size {
        bail!("{} has {size} bytes instead of {}", file.display(), package.size);
    }
    let sum = sha256(file)?;
    if sum != package.sha256 {
        bail!("{} has the SHA-256 {sum} instead of {}", file.display(), package.sha256);
    }
    Ok(())
}

/// A file's SHA-256, as lower-case digits.
pub(super) fn sha256(file: &Path) -> Result<String> {
    let mut command = Command::new("sha256sum");
    let output = read(command.arg("--").arg(file))?;
    let sum = output.split_whitespace().next().unwrap_or_default();
    // A backslash stands before the sum if the name has characters that had to be escaped.
    let sum = sum.trim_start_matches('\\');
    if sum.len() != 64 {
        bail!("{} printed no sum, but {output:?}", shown(&command));
    }
    Ok(sum.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{Package, downloaded, sha256, verify};

    #[test]
    fn a_package_that_is_not_as_listed_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(downloaded(folder.path()).is_err());
        let file = folder.path().join("a.deb");
        std::fs::write(&file, "abc").unwrap();
        assert_eq!(downloaded(folder.path()).unwrap(), file);
        // FIPS 180-2, B.1.
        let sha256_of_abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256(&file).unwrap(), sha256_of_abc);
        let package = |size, sha256: &str| Package {
            name: "a".to_owned(),
            version: "1".to_owned(),
            size,
            unpacked: 0,
            sha256: sha256.to_owned(),
        };
        assert!(verify(&file, &package(3, sha256_of_abc)).is_ok());
        assert!(verify(&file, &package(4, sha256_of_abc)).unwrap_err().to_string().contains('4'));
        let error = verify(&file, &package(3, "ff")).unwrap_err().to_string();
        assert!(error.contains("SHA-256"), "{error}");
    }
}
