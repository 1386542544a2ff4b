//! `--install-peers`: what apt and pip have of the peers, and of the programs that they trace.

use super::headers;
use super::shop::{folder, python_with_memray};
use crate::command::{find, run, succeeds};
use crate::{elevate, setup};
use anyhow::{Context as _, Result};
use std::path::Path;
use std::process::Command;

/// Files that must be there, and the packages that bring them.
const NEEDED: [(&str, &str); 12] = [
    ("/usr/bin/bpftrace", "bpftrace"),
    ("/usr/sbin/memleak-bpfcc", "bpfcc-tools"),
    // Its memleak, which newer releases have, needs no headers; older ones have other tools.
    ("/usr/sbin/syscount", "libbpf-tools"),
    ("/usr/bin/heaptrack", "heaptrack"),
    ("/usr/bin/valgrind", "valgrind"),
    ("/usr/lib/x86_64-linux-gnu/libjemalloc.so.2", "libjemalloc2"),
    ("/usr/lib/x86_64-linux-gnu/libtcmalloc.so.4", "libgoogle-perftools4"),
    ("/usr/bin/sqlite3", "sqlite3"),
    ("/usr/bin/g++", "g++"),
    ("/usr/bin/redis-server", "redis-server"),
    ("/usr/sbin/nginx", "nginx-light"),
    ("/usr/bin/wrk", "wrk"),
];

/// The release of memray that is measured.
const MEMRAY: &str = "memray==1.20.0";

/// Installs what is not there. memray gets a folder of its own, and is left out where there is no Python:
/// the table says so.
pub(super) fn install(no_install: bool) -> Result<()> {
    let is_missing = |file: &str| !Path::new(file).exists();
    let missing = NEEDED.iter().filter(|(file, _)| is_missing(file));
    let missing: Vec<&'static str> = missing.map(|(_, package)| *package).collect();
    setup::ensure_packages(&missing, no_install)?;
    if !no_install && let Err(error) = headers::install() {
        eprintln!("xtask: bcc has no headers, so its memleak will not be measured: {error:#}");
    }
    memray(no_install)
}

/// Installs the two peers whose totals are compared with ours.
pub(in crate::bench) fn for_totals(no_install: bool) -> Result<()> {
    if find("heaptrack").is_none() {
        setup::ensure_packages(&["heaptrack"], no_install)?;
    }
    memray(no_install)
}

fn memray(no_install: bool) -> Result<()> {
    if python_with_memray()?.exists() || find("python3").is_none() {
        return Ok(());
    }
    // Debian's Python comes without what makes such folders.
    if !succeeds(Command::new("python3").args(["-c", "import ensurepip"])) {
        setup::ensure_packages(&["python3-venv"], no_install)?;
    }
    install_memray()
}

fn install_memray() -> Result<()> {
    let own = folder()?.join("memray");
    elevate::make_folder(&own)?;
    run(elevate::as_user("python3")?.args(["-m", "venv"]).arg(&own))
        .context("making a folder for memray")?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", MEMRAY];
    run(elevate::as_user(python_with_memray()?)?.args(pip)).context("installing memray")
}
