//! `cargo xtask setup`: finds out what the build needs and lacks, and installs that.
//!
//! What is looked for is the thing itself, not the package that usually brings it; so rustup's
//! nightly with `rust-src` is as good as a distribution's compiler with its sources.

use crate::command::{find, read, run, succeeds};
use crate::{elevate, judges, kernels};
use anyhow::{Result, bail};
use std::path::Path;
use std::process::Command;

/// The linker of the eBPF programs; its LLVM must be at least the compiler's.
const BPF_LINKER: &str = "0.13.0";
/// The LLVM that [`BPF_LINKER`] is built with.
const LLVM: &str = "22";

/// What a machine is set up for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Building memtrace and the demonstration's C program.
    Build,
    /// Running the tests, too: stock programs to trace, an outside judge of our C programs.
    Test,
    /// Running them on other kernels.
    Kernels,
}

/// What the machine has. Each field: there, and usable.
#[derive(Clone, Debug, Default)]
struct Found {
    apt: bool,
    compiler: bool,
    linker: bool,
    c_compiler: bool,
    guests: bool,
    /// Packages that bring what the tests need and do not find.
    for_tests: Vec<&'static str>,
}

/// What has to be done.
#[derive(Debug, Default, PartialEq, Eq)]
struct Missing {
    packages: Vec<&'static str>,
    linker: bool,
}

impl Missing {
    fn is_empty(&self) -> bool {
        self.packages.is_empty() && !self.linker
    }
}

/// Makes sure that the machine has what `purpose` needs; says and does nothing if it has.
///
/// # Errors
/// With a list of what is missing, if `no_install` is set or the machine has no apt; or when an
/// installation fails.
pub(crate) fn ensure(purpose: Purpose, no_install: bool) -> Result<()> {
    if elevate::is_root() {
        elevate::give_back_target()?;
    }
    let found = look(purpose)?;
    let missing = missing(purpose, &found);
    if missing.is_empty() {
        return published(purpose, no_install);
    }
    if no_install {
        bail!("missing, and --no-install was given:\n{}", listed(&missing));
    }
    if !found.apt {
        bail!("{}", by_hand(purpose, &found));
    }
    eprintln!("xtask: about to install, as it is missing here:\n{}", listed(&missing));
    install_packages(&missing.packages)?;
    if missing.linker {
        install_linker()?;
    }
    verify(purpose)?;
    published(purpose, no_install)
}

/// Makes sure that what others publish of formats is there for the tests.
fn published(purpose: Purpose, no_install: bool) -> Result<()> {
    let missing = judges::missing();
    if purpose != Purpose::Test || missing.is_empty() {
        return Ok(());
    }
    if no_install {
        bail!("missing, and --no-install was given: {missing:?}");
    }
    judges::ensure()
}

/// Makes sure that these packages are installed.
///
/// # Errors
/// With their names, if `no_install` is set or the machine has no apt; or when an installation fails.
pub(crate) fn ensure_packages(packages: &[&'static str], no_install: bool) -> Result<()> {
    if packages.is_empty() {
        return Ok(());
    }
    let names = packages.join(", ");
    if no_install {
        bail!("missing, and --no-install was given: {names}");
    }
    if find("apt-get").is_none() {
        bail!("this machine has no apt; please install what is missing: {names}");
    }
    eprintln!("xtask: about to install, as it is missing here: {names}");
    install_packages(packages)
}

fn verify(purpose: Purpose) -> Result<()> {
    let found = look(purpose)?;
    let left = missing(purpose, &found);
    if left.is_empty() {
        return Ok(());
    }
    bail!("the installation went through, but these still do not work:\n{}", listed(&left))
}

fn look(purpose: Purpose) -> Result<Found> {
    Ok(Found {
        apt: find("apt-get").is_some() && find("dpkg-query").is_some(),
        compiler: has_nightly_sources()? || has_system_sources(),
        linker: has_linker()?,
        c_compiler: find("cc").is_some() && find("gcc").is_some() && has_c_headers(),
        guests: purpose != Purpose::Kernels || kernels::can_boot(),
        for_tests: if purpose == Purpose::Test { lacked_by_tests() } else { Vec::new() },
    })
}

/// Only what is not there is asked for: a program may have come from elsewhere than Debian's
/// package, and keep that out (`NodeSource`'s nodejs brings npm, and conflicts with the package npm).
fn lacked_by_tests() -> Vec<&'static str> {
    let programs = TEST_PROGRAMS.iter().filter(|(program, _)| find(program).is_none());
    let libraries = TEST_LIBRARIES.iter().filter(|(library, _)| !has_library(library));
    programs.chain(libraries).map(|(_, package)| *package).collect()
}

/// Programs that the tests need, and their packages.
const TEST_PROGRAMS: [(&str, &str); 16] = [
    // The fuzzer is C++.
    ("g++", "g++"),
    ("gdb", "gdb"),
    ("musl-gcc", "musl-tools"),
    ("git", "git"),
    ("sqlite3", "sqlite3"),
    ("redis-server", "redis-server"),
    ("python3", "python3"),
    ("perl", "perl"),
    ("valgrind", "valgrind"),
    ("dwz", "dwz"),
    ("xz", "xz-utils"),
    ("chromium", "chromium"),
    ("tmux", "tmux"),
    // Its pprof judges profiles.
    ("go", "golang-go"),
    // It fetches the schema of speedscope's files.
    ("npm", "npm"),
    // It judges those files by that.
    ("jsonschema", "python3-jsonschema"),
];

/// Allocators that the tests preload into programs of their own or link with them, and their packages.
const TEST_LIBRARIES: [(&str, &str); 5] = [
    ("libjemalloc.so.2", "libjemalloc2"),
    ("libtcmalloc_minimal.so.4", "libtcmalloc-minimal4"),
    ("libtcmalloc.so.4", "libgoogle-perftools4"),
    ("libmimalloc.so.2", "libmimalloc2.0"),
    ("libtcmalloc_minimal.a", "libgoogle-perftools-dev"),
];

/// Where Debian has libraries for this machine.
fn has_library(name: &str) -> bool {
    Path::new("/usr/lib/x86_64-linux-gnu").join(name).exists()
}

/// What other kernels are booted with: the machine, and the programs in it.
const GUEST_PACKAGES: [&str; 2] = ["qemu-system-x86", "busybox-static"];

fn missing(purpose: Purpose, found: &Found) -> Missing {
    let mut packages = Vec::new();
    if !found.c_compiler {
        packages.extend(["gcc", "libc6-dev"]);
    }
    if !found.compiler {
        packages.extend(["rustc-web", "rust-web-src"]);
    }
    if !found.linker {
        // LLVM's libraries are C++: linking them needs the library's development files.
        packages.extend(["llvm-22-dev", "g++"]);
    }
    if purpose == Purpose::Kernels && !found.guests {
        packages.extend(GUEST_PACKAGES);
    }
    packages.retain(|package| !is_installed(package));
    packages.extend(&found.for_tests);
    Missing { packages, linker: !found.linker }
}

fn is_installed(package: &str) -> bool {
    read(Command::new("dpkg-query").args(["-W", "-f", "${db:Status-Status}", package]))
        .is_ok_and(|status| status == "installed")
}

fn has_nightly_sources() -> Result<bool> {
    let mut rustc = elevate::as_user("rustup")?;
    rustc.args(["run", "nightly", "rustc", "--print", "sysroot"]).env_remove("RUSTUP_TOOLCHAIN");
    Ok(has_sources(&mut rustc))
}

fn has_system_sources() -> bool {
    has_sources(Command::new("/usr/bin/rustc").args(["--print", "sysroot"]))
}

/// Whether the compiler whose sysroot this prints has the library sources that cargo's
/// `-Z build-std` reads.
fn has_sources(rustc: &mut Command) -> bool {
    read(rustc).is_ok_and(|sysroot| {
        Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library/Cargo.lock").is_file()
    })
}

fn has_linker() -> Result<bool> {
    let version = read(elevate::as_user("bpf-linker")?.arg("--version"));
    Ok(version.is_ok_and(|text| text.trim() == format!("bpf-linker {BPF_LINKER}")))
}

/// Whether C programs compile, i.e. libc's headers are there as well.
fn has_c_headers() -> bool {
    let source = "printf '#include <stdlib.h>\\n' | gcc -fsyntax-only -x c -";
    succeeds(Command::new("sh").args(["-c", source]))
}

fn listed(missing: &Missing) -> String {
    let note = |package: &str| match package {
        "redis-server" => ", whose service will listen on localhost",
        _ => "",
    };
    let packages = missing.packages.iter();
    let mut lines: Vec<String> =
        packages.map(|package| format!("  package {package}{}", note(package))).collect();
    if missing.linker {
        lines.push(format!("  bpf-linker {BPF_LINKER}, compiled by cargo (a few minutes)"));
    }
    lines.join("\n")
}

/// What to do where packages have other names than Debian's.
fn by_hand(purpose: Purpose, found: &Found) -> String {
    let mut lines = vec!["this machine has no apt; please install what is missing:".to_owned()];
    if !found.c_compiler {
        lines.push("  gcc and the C library's headers".to_owned());
    }
    if !found.compiler {
        lines.push(
            "  a compiler for eBPF: rustup toolchain install nightly --component rust-src".into(),
        );
        lines
            .push("    (or the distribution's rustc with its library sources, in /usr)".to_owned());
    }
    if !found.linker {
        lines.push(format!("  LLVM {LLVM} with development files, and bpf-linker {BPF_LINKER}:"));
        lines.push(format!(
            "    LLVM_PREFIX=<where llvm-{LLVM} is> {}",
            linker_arguments().join(" ")
        ));
    }
    if !found.for_tests.is_empty() {
        let of_debian = found.for_tests.join(", ");
        lines.push(format!("  for the tests, what Debian has in the packages {of_debian}"));
    }
    if purpose == Purpose::Kernels && !found.guests {
        lines.push("  for other kernels: qemu for x86-64, and a busybox linked statically".into());
    }
    lines.join("\n")
}

fn install_packages(packages: &[&str]) -> Result<()> {
    if packages.is_empty() {
        return Ok(());
    }
    run(apt()?.arg("update"))?;
    if let Some(unknown) = packages.iter().find(|package| !is_available(package)) {
        bail!(
            "this distribution has no package {unknown}. For the compiler, rustup's nightly does as \
             well: rustup toolchain install nightly --component rust-src; the linker needs LLVM \
             {LLVM}, from wherever you have it"
        );
    }
    run(apt()?.args(["install", "--yes", "--no-install-recommends"]).args(packages))
}

/// apt-get as root, asking nothing, and waiting for another apt to finish.
fn apt() -> Result<Command> {
    let quiet = [("DEBIAN_FRONTEND", "noninteractive")];
    let mut command = elevate::as_root(Path::new("apt-get"), &quiet)?;
    command.args(["--quiet", "-o", "DPkg::Lock::Timeout=300"]);
    Ok(command)
}

fn is_available(package: &str) -> bool {
    succeeds(Command::new("apt-cache").args(["show", "--no-all-versions", package]))
}

fn install_linker() -> Result<()> {
    // Without the prefix, llvm-sys takes whichever llvm-config is first, or /usr/lib64, which
    // Debian's LLVM packages do not use.
    let prefix = format!("/usr/lib/llvm-{LLVM}");
    let [_, arguments @ ..] = &linker_arguments();
    run(elevate::cargo()?.args(arguments).env("LLVM_PREFIX", prefix))
}

fn linker_arguments() -> [String; 8] {
    let feature = format!("llvm-{LLVM}");
    let words = ["cargo", "install", "bpf-linker", "--locked", "--no-default-features"];
    let [cargo, install, package, locked, features] = words.map(str::to_owned);
    let version = format!("--version={BPF_LINKER}");
    [cargo, install, package, version, locked, features, "--features".to_owned(), feature]
}

#[cfg(test)]
mod tests {
    use super::{Found, Missing, Purpose, by_hand, linker_arguments, listed, missing};

    fn all() -> Found {
        let for_tests = Vec::new();
        Found { apt: true, compiler: true, linker: true, c_compiler: true, guests: true, for_tests }
    }

    #[test]
    fn nothing_is_missing_where_all_is_there() {
        assert!(missing(Purpose::Build, &all()).is_empty());
        assert!(missing(Purpose::Test, &all()).is_empty());
    }

    #[test]
    fn what_the_tests_lack_is_asked_for_and_nothing_else() {
        let found = Found { for_tests: vec!["dwz"], ..all() };
        assert_eq!(missing(Purpose::Test, &found).packages, ["dwz"]);
    }

    #[test]
    fn the_linker_is_missing_by_itself() {
        assert!(missing(Purpose::Build, &Found { linker: false, ..all() }).linker);
        assert!(!missing(Purpose::Build, &Found { compiler: false, ..all() }).linker);
    }

    #[test]
    fn other_kernels_need_a_machine_to_run_in() {
        assert!(missing(Purpose::Kernels, &all()).is_empty());
        let without = Found { guests: false, ..all() };
        assert!(missing(Purpose::Test, &without).is_empty());
        let text = by_hand(Purpose::Kernels, &without);
        assert!(text.contains("qemu") && text.contains("busybox"), "{text}");
    }

    #[test]
    fn a_list_names_each_thing() {
        let list = listed(&Missing { packages: vec!["gcc", "redis-server"], linker: true });
        for word in ["package gcc", "redis-server, whose service", "bpf-linker 0."] {
            assert!(list.contains(word), "{list}");
        }
    }

    #[test]
    fn other_distributions_are_told_only_what_they_lack() {
        let text = by_hand(Purpose::Test, &Found { compiler: false, ..all() });
        assert!(text.contains("rust-src") && !text.contains("bpf-linker") && !text.contains("gcc"));
        let found = Found { linker: false, for_tests: vec!["valgrind"], ..all() };
        let text = by_hand(Purpose::Test, &found);
        assert!(text.contains(&linker_arguments().join(" ")) && text.contains("valgrind"));
        assert!(!text.contains("chromium"), "{text}");
    }
}
