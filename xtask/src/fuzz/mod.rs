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
use std::sync::{Mutex, PoisonError};
use std::thread;
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
    let outcomes =
        feed(&targets, &Session { time: Duration::from_secs(options.seconds), brief: false })?;
    let clean = outcomes.iter().all(|outcome| outcome.finding.is_none());
    Ok(if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The stage of `cargo xtask test`.
pub(crate) fn stage() -> Result<Tally> {
    let session = Session { time: Duration::from_secs(SECONDS_IN_TEST), brief: true };
    let outcomes = feed(&build::targets()?, &session)?;
    let failed = outcomes.iter().filter(|outcome| outcome.finding.is_some()).count() as u32;
    Ok(Tally { passed: outcomes.len() as u32 - failed, failed })
}

/// How long each reader is fed.
struct Session {
    time: Duration,
    /// So short that building takes longer: for tests.
    brief: bool,
}

fn feed(targets: &[String], session: &Session) -> Result<Vec<Outcome>> {
    let known = build::targets()?;
    if let Some(unknown) = targets.iter().find(|name| !known.contains(name)) {
        bail!("no reader is called {unknown}; there are {}", known.join(", "));
    }
    build::build(session.brief)?;
    println!("{}", Outcome::HEAD);
    let waiting = Mutex::new(targets.iter());
    let outcomes = Mutex::new(Vec::new());
    let next = || waiting.lock().ok()?.next();
    let work = || {
        while let Some(target) = next() {
            let outcome = session::run(target, session.time);
            if let Ok(outcome) = &outcome {
                println!("{outcome}");
            }
            outcomes.lock().unwrap_or_else(PoisonError::into_inner).push(outcome);
        }
    };
    thread::scope(|scope| {
        for _ in 0..if session.brief { 2 } else { 1 } {
            scope.spawn(work);
        }
    });
    let outcomes = outcomes.into_inner().unwrap_or_else(PoisonError::into_inner);
    let outcomes = outcomes.into_iter().collect::<Result<Vec<_>>>()?;
    for finding in outcomes.iter().filter_map(|outcome| outcome.finding.as_ref()) {
        println!("\n{finding}");
    }
    Ok(outcomes)
}
