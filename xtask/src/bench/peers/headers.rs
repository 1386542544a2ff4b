//! Headers of a kernel for bcc, which compiles its programs when it runs.
//!
//! Where the running kernel's own are not to be had those of the distribution's kernel do: memleak reads nothing of the
//! kernel's but the registers at a probe, and those are the same in all.

use super::shop;
use crate::command::{read, run};
use crate::elevate;
use anyhow::{Context as _, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Depends on the headers of the kernel that it has now.
const PACKAGE: &str = "linux-headers-cloud-amd64";

/// Those that [`install`] has made, if they are there and needed.
pub(super) fn of_another_kernel() -> Result<Option<PathBuf>> {
    let folder = folder()?;
    Ok(folder.exists().then_some(folder).filter(|_| !has_own()))
}

/// Has them ready where they are needed.
pub(super) fn install() -> Result<()> {
    if has_own() || folder()?.exists() {
        return Ok(());
    }
    let parts = parts()?;
    let (whole, unpacked) = (folder()?, folder()?.with_extension("parts"));
    // What an earlier attempt left.
    run(elevate::as_user("rm")?.arg("-rf").arg(&unpacked))?;
    elevate::make_folder(&unpacked)?;
    run(elevate::as_user("apt-get")?
        .current_dir(&unpacked)
        .args(["-qq", "download"])
        .args(&parts))?;
    for file in std::fs::read_dir(&unpacked).context("cannot read what was downloaded")? {
        let file = file.context("cannot read what was downloaded")?.path();
        if file.extension().is_some_and(|extension| extension == "deb") {
            run(elevate::as_user("dpkg-deb")?.arg("-x").arg(file).arg(&unpacked))?;
        }
    }
    // bcc looks in one folder: what is made for one configuration goes over what all have in common.
    let [common, one] = parts.map(|part| unpacked.join("usr/src").join(part));
    for name in ["include", "arch"] {
        let copy = ["-r", "--no-target-directory", "--remove-destination"];
        run(elevate::as_user("cp")?.args(copy).args([one.join(name), common.join(name)]))?;
    }
    run(elevate::as_user("mv")?.args([&common, &whole]))?;
    run(elevate::as_user("rm")?.arg("-r").arg(&unpacked))
}

fn folder() -> Result<PathBuf> {
    Ok(shop::folder()?.join("headers"))
}

/// Whether bcc finds those of the running kernel by itself.
fn has_own() -> bool {
    let release = read(Command::new("uname").arg("-r")).unwrap_or_default();
    let built = Path::new("/lib/modules").join(release.trim()).join("build");
    built.exists() || Path::new("/sys/kernel/kheaders.tar.xz").exists()
}

/// The packages, what all configurations have in common first.
fn parts() -> Result<[String; 2]> {
    let one = dependency(PACKAGE, "linux-headers-")?;
    let common = dependency(&one, "linux-headers-")?;
    Ok([common, one])
}

/// The first dependency of a package whose name begins so.
fn dependency(package: &str, beginning: &str) -> Result<String> {
    let said = read(Command::new("apt-cache").args(["depends", "--important", package]))?;
    let mut names = said.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
    let found = names.find(|name| name.starts_with(beginning));
    found.map(str::to_owned).with_context(|| format!("{package} depends on no headers:\n{said}"))
}
