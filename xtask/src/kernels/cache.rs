//! Kernels that were downloaded once, kept outside the work tree and checked at each use.
//!
//! An entry is a folder with the image and a note of where it is from. It is made under another name
//! and appears by being renamed, so a run that is interrupted leaves nothing that looks like one.

use super::list::Kernel;
use super::packages::{Apt, Package, sha256};
use crate::elevate;
use anyhow::{Context as _, Result, bail};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// Overrides the place of the cache.
const VARIABLE: &str = "MEMTRACE_KERNELS_CACHE";
/// What unfinished work's folders begin with.
const UNFINISHED: &str = "unfinished-";
const IMAGE: &str = "vmlinuz";
const NOTE: &str = "package";
/// What a suite's list of packages takes, with the tables that apt makes of it. Bytes.
const PER_SUITE: u64 = 100 << 20;

/// A kernel that can be booted.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Image {
    /// The kernel.
    pub(super) file: PathBuf,
    /// The package that it is from, and its version.
    pub(super) package: String,
}

/// Images of all these kernels, in order; what is not in the cache, or all with `refresh`, is
/// downloaded.
///
/// # Errors
/// When one cannot be had.
pub(super) fn images(kernels: &[&Kernel], refresh: bool) -> Result<Vec<Image>> {
    let folder = folder()?;
    elevate::make_folder(&folder)?;
    // Two runs at once would fetch the same kernels, and each would take away the other's.
    let lock = folder.join("lock");
    let lock = File::create(&lock).with_context(|| format!("cannot write {}", lock.display()))?;
    lock.lock().context("cannot lock the cache of kernels")?;
    let missing: Vec<&Kernel> =
        kernels.iter().copied().filter(|kernel| refresh || !is_cached(&folder, kernel)).collect();
    if !missing.is_empty() {
        let fetched = fetch_all(&folder, &missing);
        elevate::give_back(&folder)?;
        fetched?;
    }
    kernels.iter().map(|kernel| entry(&folder.join(kernel.name))).collect()
}

fn folder() -> Result<PathBuf> {
    match std::env::var_os(VARIABLE) {
        Some(folder) if !folder.is_empty() => std::path::absolute(folder)
            .with_context(|| format!("the folder in {VARIABLE} cannot be used")),
        _ => Ok(elevate::cache_home()?.join("memtrace-kernels")),
    }
}

/// Whether there is an entry, and a good one; says which it is.
fn is_cached(folder: &Path, kernel: &Kernel) -> bool {
    let place = folder.join(kernel.name);
    if !place.exists() {
        return false;
    }
    match entry(&place) {
        Ok(image) => {
            eprintln!("xtask: kernel {}: {}, from the cache", kernel.name, image.package);
            true
        }
        Err(error) => {
            eprintln!("xtask: kernel {}: fetching it again: {error:#}", kernel.name);
            false
        }
    }
}

/// Reads an entry and checks its image.
fn entry(place: &Path) -> Result<Image> {
    let (file, note) = (place.join(IMAGE), place.join(NOTE));
    let text =
        fs::read_to_string(&note).with_context(|| format!("cannot read {}", note.display()))?;
    let (package, sum) =
        read_note(&text).with_context(|| format!("{} is damaged", note.display()))?;
    if sha256(&file)? != sum {
        bail!("{} is damaged: it is not the file that was unpacked", file.display());
    }
    Ok(Image { file, package: package.to_owned() })
}

fn note(package: &Package, sum: &str) -> String {
    format!("{} {}\nSHA-256 of {IMAGE}: {sum}\n", package.name, package.version)
}

/// The package and the image's sum.
fn read_note(text: &str) -> Option<(&str, &str)> {
    let (package, rest) = text.split_once('\n')?;
    let (_, sum) = rest.strip_suffix('\n')?.split_once(": ")?;
    (sum.len() == 64).then_some((package, sum))
}

fn fetch_all(folder: &Path, kernels: &[&Kernel]) -> Result<()> {
    sweep(folder)?;
    let mut suites: Vec<&str> = kernels.iter().flat_map(|kernel| kernel.suites).copied().collect();
    suites.sort_unstable();
    suites.dedup();
    let suites_count = u64::try_from(suites.len()).unwrap_or(u64::MAX);
    require_space(folder, suites_count.saturating_mul(PER_SUITE))?;
    let work = tempfile::Builder::new()
        .prefix(UNFINISHED)
        .tempdir_in(folder)
        .with_context(|| format!("cannot make a folder in {}", folder.display()))?;
    eprintln!("xtask: reading the lists of Debian's {}", suites.join(", "));
    let apt = Apt::new(work.path(), &suites)?;
    for kernel in kernels {
        fetch(folder, work.path(), &apt, kernel)
            .with_context(|| format!("cannot fetch the kernel {}", kernel.name))?;
    }
    work.close().context("cannot remove what was needed for downloading")
}

/// Removes what interrupted runs left; we have the lock, so there is no other run.
fn sweep(folder: &Path) -> Result<()> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let name = path.file_name().and_then(OsStr::to_str);
        if name.is_some_and(|name| name.starts_with(UNFINISHED)) {
            fs::remove_dir_all(&path)
                .with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(())
}

/// Downloads a kernel and puts it in its place.
fn fetch(folder: &Path, work: &Path, apt: &Apt, kernel: &Kernel) -> Result<()> {
    let package = apt.newest_kernel(kernel.name)?;
    require_space(folder, package.size.saturating_add(package.unpacked.saturating_mul(2)))?;
    eprintln!(
        "xtask: kernel {}: downloading {} {}, {:.1} MiB",
        kernel.name,
        package.name,
        package.version,
        mebibytes(package.size)
    );
    let work = work.join(kernel.name);
    let half = work.join("entry");
    fs::create_dir_all(&half).with_context(|| format!("cannot make {}", half.display()))?;
    elevate::give_back(&work)?;
    let content = apt.unpack(&package, &work)?;
    let image = half.join(IMAGE);
    let found = find_image(&content)
        .with_context(|| format!("the package {} has no kernel in it", package.name))?;
    fs::rename(found, &image).with_context(|| format!("cannot move to {}", image.display()))?;
    let file = half.join(NOTE);
    fs::write(&file, note(&package, &sha256(&image)?))
        .with_context(|| format!("cannot write {}", file.display()))?;
    replace(&folder.join(kernel.name), &half)?;
    // The modules, most of what the package has.
    fs::remove_dir_all(&work).with_context(|| format!("cannot remove {}", work.display()))
}

/// Puts a finished entry where an older or damaged one may be.
fn replace(place: &Path, half: &Path) -> Result<()> {
    if place.is_dir() {
        fs::remove_dir_all(place).with_context(|| format!("cannot remove {}", place.display()))?;
    } else if place.exists() {
        fs::remove_file(place).with_context(|| format!("cannot remove {}", place.display()))?;
    }
    fs::rename(half, place).with_context(|| format!("cannot make {}", place.display()))
}

/// The kernel in an unpacked package: `boot/vmlinuz-*`, or from 7.2 on
/// `usr/lib/modules/*/vmlinuz`.
fn find_image(content: &Path) -> Option<PathBuf> {
    let files = |folder: PathBuf| {
        let entries = fs::read_dir(folder).into_iter().flatten();
        entries.filter_map(|entry| Some(entry.ok()?.path()))
    };
    let is_image = |path: &PathBuf| {
        path.file_name().and_then(OsStr::to_str).is_some_and(|name| name.starts_with("vmlinuz-"))
    };
    let modules = files(content.join("usr/lib/modules")).map(|folder| folder.join(IMAGE));
    files(content.join("boot")).filter(is_image).chain(modules).find(|path| path.is_file())
}

/// Checks that the file system of `folder` has this many bytes to spare.
fn require_space(folder: &Path, needed: u64) -> Result<()> {
    let system = rustix::fs::statvfs(folder)
        .with_context(|| format!("cannot ask for the free space of {}", folder.display()))?;
    is_enough(folder, needed, system.f_bavail.saturating_mul(system.f_frsize))
}

fn is_enough(folder: &Path, needed: u64, free: u64) -> Result<()> {
    if free < needed {
        bail!(
            "{} has {:.0} MiB free, and {:.0} MiB are needed to download kernels: make room, or let \
             {VARIABLE} name another folder",
            folder.display(),
            mebibytes(free),
            mebibytes(needed)
        );
    }
    Ok(())
}

/// For people to read.
#[expect(clippy::cast_precision_loss, reason = "sizes of packages are far below 2^53")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

#[cfg(test)]
mod tests {
    use super::{Package, entry, find_image, is_enough, note, replace, sha256, sweep};
    use std::fs;
    use std::path::Path;

    fn package() -> Package {
        Package {
            name: "linux-image-6.1.0-1-cloud-amd64".to_owned(),
            version: "6.1.2-1".to_owned(),
            size: 1,
            unpacked: 1,
            sha256: String::new(),
        }
    }

    fn make_entry(place: &Path, content: &str) {
        fs::create_dir_all(place).unwrap();
        fs::write(place.join("vmlinuz"), content).unwrap();
        let sum = sha256(&place.join("vmlinuz")).unwrap();
        fs::write(place.join("package"), note(&package(), &sum)).unwrap();
    }

    #[test]
    fn an_entry_is_good_until_it_is_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("6.1");
        make_entry(&place, "kernel");
        assert_eq!(entry(&place).unwrap().package, "linux-image-6.1.0-1-cloud-amd64 6.1.2-1");
        fs::write(place.join("vmlinuz"), "kern").unwrap();
        assert!(format!("{:#}", entry(&place).unwrap_err()).contains("vmlinuz is damaged"));
        make_entry(&place, "kernel");
        fs::write(place.join("package"), "half a no").unwrap();
        assert!(format!("{:#}", entry(&place).unwrap_err()).contains("package is damaged"));
        fs::remove_file(place.join("package")).unwrap();
        assert!(entry(&place).is_err());
    }

    #[test]
    fn a_new_entry_takes_the_place_of_an_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let (place, half) = (folder.path().join("6.1"), folder.path().join("unfinished-a"));
        make_entry(&place, "old");
        make_entry(&half, "new");
        replace(&place, &half).unwrap();
        assert_eq!(fs::read_to_string(place.join("vmlinuz")).unwrap(), "new");
        fs::create_dir(folder.path().join("unfinished-b")).unwrap();
        sweep(folder.path()).unwrap();
        assert!(place.exists() && !folder.path().join("unfinished-b").exists());
    }

    #[test]
    fn the_image_is_found_in_either_place() {
        for file in ["boot/vmlinuz-6.1.0", "usr/lib/modules/7.2.12/vmlinuz"] {
            let folder = tempfile::tempdir().unwrap();
            assert_eq!(find_image(folder.path()), None);
            let file = folder.path().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file.with_file_name("config-6.1.0"), "").unwrap();
            fs::write(&file, "").unwrap();
            assert_eq!(find_image(folder.path()), Some(file));
        }
    }

    #[test]
    fn too_little_space_is_told_in_figures() {
        let error = is_enough(Path::new("/x"), 300 << 20, 12 << 20).unwrap_err().to_string();
        for word in ["/x", "12 MiB free", "300 MiB", "MEMTRACE_KERNELS_CACHE"] {
            assert!(error.contains(word), "{error}");
        }
        assert!(is_enough(Path::new("/x"), 1, 1).is_ok());
    }
}
