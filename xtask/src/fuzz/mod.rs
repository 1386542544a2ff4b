//! `cargo xtask fuzz`: feeds every reader of hostile bytes for a bounded time.
//!
//! The fuzzer is LLVM's libFuzzer, by the crate libfuzzer-sys. Its instruments are LLVM passes that
//! the stable compiler has as well, so cargo builds the programs of `memtrace/fuzz` directly; without
//! a sanitizer, which would need nightly and finds little where nearly all code is safe.

mod build;
mod outcome;
mod seeds;
mod session;

use crate::setup;
use crate::test::tally::Tally;
use anyhow::{Result, bail};
use outcome::Outcome;
use std::process::ExitCode;
use std::time::Duration;

/// What was asked for.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Options {
    /// The reader to feed, such as `debug_files`; all, one after the other, if none is named
    target: Option<String>,
    /// Seconds for each reader
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
    let outcomes = feed(&targets, Duration::from_secs(options.seconds))?;
    let clean = outcomes.iter().all(|outcome| outcome.finding.is_none());
    Ok(if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The stage of `cargo xtask test`.
pub(crate) fn stage() -> Result<Tally> {
    let outcomes = feed(&build::targets()?, Duration::from_secs(SECONDS_IN_TEST))?;
    let failed = outcomes.iter().filter(|outcome| outcome.finding.is_some()).count() as u32;
    Ok(Tally { passed: outcomes.len() as u32 - failed, failed })
}

fn feed(targets: &[String], time: Duration) -> Result<Vec<Outcome>> {
    let known = build::targets()?;
    if let Some(unknown) = targets.iter().find(|name| !known.contains(name)) {
        bail!("no reader is called {unknown}; there are {}", known.join(", "));
    }
    build::build()?;
    println!("{}", Outcome::HEAD);
    let mut outcomes = Vec::new();
    for target in targets {
        let outcome = session::run(target, time)?;
        println!("{outcome}");
        outcomes.push(outcome);
    }
    for finding in outcomes.iter().filter_map(|outcome| outcome.finding.as_ref()) {
        println!("\n{finding}");
    }
    Ok(outcomes)
}
