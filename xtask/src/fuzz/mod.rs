//! `cargo xtask fuzz`: feeds every reader of hostile bytes for a bounded time.
//!
//! The fuzzer is LLVM's libFuzzer, by the crate libfuzzer-sys. Its instruments are LLVM passes that
//! the stable compiler has as well, so cargo builds the programs of `memtrace/fuzz` itself; without
//! a sanitizer, which would need nightly and finds little where nearly all code is safe.

mod build;
mod outcome;
mod seeds;
mod session;

use crate::setup;
use crate::test::complaints;
use crate::test::tally::Tally;
use crate::workers::{WORKERS, share_out};
use anyhow::{Result, bail};
use build::Build;
use outcome::Outcome;
use std::process::ExitCode;
use std::time::Duration;

/// What was asked for.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Options {
    /// The reader to feed, such as `debug_files`; all, one after the other, if none is named
    target: Option<String>,
    /// Seconds for each reader; below 30 they are built in less time, with instruments in our own code only
    #[arg(long, default_value_t = 60)]
    seconds: u64,
}

/// Time for each reader in `cargo xtask test`.
const SECONDS_IN_TEST: u64 = 4;

/// `cargo xtask fuzz`.
pub(crate) fn fuzz(no_install: bool, options: &Options) -> Result<ExitCode> {
    setup::ensure(setup::Purpose::Test, no_install)?;
    let targets = match &options.target {
        Some(name) => vec![name.clone()],
        None => build::targets()?,
    };
    // One after the other: each has a processor to itself.
    let outcomes = feed(&targets, Duration::from_secs(options.seconds), 1)?;
    let clean = outcomes.iter().all(|outcome| outcome.finding.is_none());
    Ok(if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The stage of `cargo xtask test`.
pub(crate) fn stage() -> Result<Tally> {
    let time = Duration::from_secs(SECONDS_IN_TEST);
    let outcomes = feed(&build::targets()?, time, WORKERS)?;
    let findings: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.finding.as_ref()).collect();
    let failed = findings.len() as u32;
    findings.iter().for_each(|finding| complaints::note(finding.in_full()));
    Ok(Tally { passed: outcomes.len() as u32 - failed, failed })
}

/// Feeds these readers, so many at a time, for `time` each.
fn feed(targets: &[String], time: Duration, workers: usize) -> Result<Vec<Outcome>> {
    let known = build::targets()?;
    if let Some(unknown) = targets.iter().find(|name| !known.contains(name)) {
        bail!("no reader is called {unknown}; there are {}", known.join(", "));
    }
    let build = Build::for_time(time);
    build.run()?;
    println!("{}", Outcome::HEAD);
    let mut outcomes = Vec::new();
    share_out(
        workers,
        targets,
        |target| session::run(target, &build.program(target), time),
        |outcome| {
            if let Ok(outcome) = &outcome {
                println!("{outcome}");
            }
            outcomes.push(outcome);
        },
    );
    let outcomes = outcomes.into_iter().collect::<Result<Vec<_>>>()?;
    for finding in outcomes.iter().filter_map(|outcome| outcome.finding.as_ref()) {
        println!("\n{finding}");
    }
    Ok(outcomes)
}
