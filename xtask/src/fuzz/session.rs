//! One reader, fed for a while.

use super::build;
use super::outcome::{Finding, Outcome};
use super::seeds;
use crate::command::root;
use crate::elevate;
use anyhow::{Context as _, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Memory that a reader may take in all, MB: what it is given, what it reads of it, the fuzzer's own.
const MOST_MEMORY: u32 = 1024;
/// Longest that a reader may take for one input, seconds; milliseconds are usual.
const MOST_SECONDS: u32 = 10;
/// Longest input, bytes: twice the size of the seeds.
const MOST_BYTES: u32 = 128 << 10;

/// Feeds the reader `name`, by this program, for `time`: what once did harm, the seeds, then what the fuzzer makes of
/// them.
///
/// # Errors
/// When the fuzzer could not be run. That it found something is no error.
pub(super) fn run(name: &str, program: &Path, time: Duration) -> Result<Outcome> {
    let places = Places::make(name)?;
    seeds::make(name, &places.seeds)?;
    let mut command = places.command(program)?;
    command.arg(format!("-max_total_time={}", time.as_secs())).arg(&places.corpus);
    command.arg(&places.seeds).args(places.regressions.is_dir().then_some(&places.regressions));
    let log = fs::File::create(&places.log).context("cannot create the fuzzer's log")?;
    let status = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .status()
        .with_context(|| format!("cannot run {}", crate::command::shown(&command)))?;
    let said = fs::read(&places.log).context("cannot read the fuzzer's log")?;
    let said = String::from_utf8_lossy(&said);
    let finding = (!status.success()).then(|| Finding::new(program, &places.log, &said, status));
    Ok(Outcome::new(name, &said, finding))
}

/// Where things are kept.
struct Places {
    /// What the fuzzer kept of earlier runs.
    corpus: PathBuf,
    /// What it begins with.
    seeds: PathBuf,
    /// Where it puts what does harm.
    findings: PathBuf,
    /// What once did.
    regressions: PathBuf,
    log: PathBuf,
}

impl Places {
    fn make(name: &str) -> Result<Self> {
        let below = |folder: &str| build::folder().join(folder).join(name);
        let regressions = root().join("memtrace/fuzz/regressions").join(name);
        let log = build::folder().join(format!("{name}.log"));
        let places = Self {
            corpus: below("corpus"),
            seeds: below("seeds"),
            findings: below("findings"),
            regressions,
            log,
        };
        for folder in [&places.corpus, &places.seeds, &places.findings] {
            make_folder(folder)?;
        }
        Ok(places)
    }

    fn command(&self, program: &Path) -> Result<Command> {
        let mut command = elevate::as_user(program)?;
        command.arg(format!("-artifact_prefix={}/", self.findings.display()));
        command.arg(format!("-rss_limit_mb={MOST_MEMORY}"));
        command.arg(format!("-timeout={MOST_SECONDS}"));
        command.arg(format!("-max_len={MOST_BYTES}")).arg("-print_final_stats=1");
        Ok(command)
    }
}

fn make_folder(folder: &Path) -> Result<()> {
    crate::command::run(elevate::as_user("mkdir")?.arg("-p").arg(folder))
}
