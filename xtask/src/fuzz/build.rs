//! Builds the programs of `memtrace/fuzz` with the fuzzer's instruments.

use crate::command::{root, run, target};
use crate::elevate;
use anyhow::{Context as _, Result};
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

/// The platform; named, so that the instruments stay out of build scripts and macros.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";

/// What libFuzzer needs to see where an input led and what it was compared with
/// (clang's documentation, `SanitizerCoverage`), and arithmetic that is checked.
const INSTRUMENTS: &str = "--cfg fuzzing -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

fn package() -> PathBuf {
    root().join("memtrace/fuzz")
}

/// Names of the readers: one program each.
pub(super) fn targets() -> Result<Vec<String>> {
    let folder = package().join("fuzz_targets");
    let failed = || format!("cannot read {}", folder.display());
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&folder).with_context(failed)? {
        let path = entry.with_context(failed)?.path();
        names.extend(path.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned));
    }
    names.sort();
    Ok(names)
}

/// Where all that belongs to fuzzing is built and kept.
pub(super) fn folder() -> PathBuf {
    target().join("fuzz")
}

/// The script that adds the instruments. Cargo knows it by its name alone, so that has what it holds.
fn wrapper() -> Result<PathBuf> {
    let script = include_str!("instrumented.sh").replace("INSTRUMENTS", INSTRUMENTS);
    let mut hash = DefaultHasher::new();
    script.hash(&mut hash);
    elevate::make_folder(&folder())?;
    let path = folder().join(format!("instrumented-{:016x}.sh", hash.finish()));
    let failed = || format!("cannot write {}", path.display());
    fs::write(&path, script).with_context(failed)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).with_context(failed)?;
    Ok(path)
}

/// How the programs are built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Build {
    /// For sessions of seconds: instruments in our own code only, and none of it optimized, as that takes longer than
    /// the session. The libraries are those of the development build.
    Brief,
    /// For sessions of minutes: instruments in all libraries, too.
    Thorough,
}

/// Sessions that take at least so long are worth a thorough build, which takes minutes.
const THOROUGH: Duration = Duration::from_secs(30);

impl Build {
    /// For sessions of `time`.
    pub(super) fn for_time(time: Duration) -> Self {
        if time < THOROUGH { Self::Brief } else { Self::Thorough }
    }

    /// Builds all programs.
    ///
    /// # Errors
    /// When cargo does not.
    pub(super) fn run(self) -> Result<()> {
        let mut cargo = elevate::cargo()?;
        cargo.env("AYA_BUILD_SKIP", "1").args(["build", "--package", "memtrace-fuzz"]);
        match self {
            Self::Brief => {
                cargo.env("RUSTC_WORKSPACE_WRAPPER", wrapper()?);
                cargo.args(["--config", "profile.dev.package.memtrace.opt-level=0"]);
            }
            Self::Thorough => {
                cargo.env("RUSTFLAGS", INSTRUMENTS).args(["--profile", "fuzz"]);
                cargo.args(["--target", PLATFORM, "--target-dir"]).arg(folder());
            }
        }
        run(&mut cargo)
    }

    /// The program that feeds a reader.
    pub(super) fn program(self, name: &str) -> PathBuf {
        match self {
            Self::Brief => target().join("debug"),
            Self::Thorough => folder().join(PLATFORM).join("fuzz"),
        }
        .join(name)
    }
}
