//! `cargo xtask test`: sets the machine up and checks everything, stage by stage.

mod stages;
mod summary;
mod tally;

use crate::{elevate, setup};
use anyhow::Result;
use stages::Stage;
use std::process::ExitCode;
use std::time::Instant;
use summary::{Line, Summary, Verdict};

/// What was asked for.
pub(crate) struct Options {
    pub(crate) no_install: bool,
    pub(crate) unprivileged: bool,
    pub(crate) filter: Option<String>,
}

/// Runs all stages, also after one that fails, prints the summary, and says whether all is well.
pub(crate) fn test(options: &Options) -> Result<ExitCode> {
    setup::ensure(setup::Purpose::Test, options.no_install)?;
    let mut summary = Summary::default();
    for stage in stages::all(options.filter.as_deref()) {
        summary.add(perform(&stage, options));
    }
    print!("\n{summary}");
    Ok(if summary.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn perform(stage: &Stage, options: &Options) -> Line {
    if stage.needs_root && (options.unprivileged || !elevate::can_be_root()) {
        return Line::new(stage.name, without_root(stage.name, options.unprivileged));
    }
    println!("\n── {} ──", stage.name);
    let begin = Instant::now();
    let verdict = match (stage.work)(options.filter.as_deref()) {
        Ok(tally) => Verdict::Ran(tally),
        Err(error) => {
            println!("{} failed: {error:#}", stage.name);
            Verdict::Broken
        }
    };
    Line { stage: stage.name, verdict, seconds: begin.elapsed().as_secs_f64() }
}

/// Says loudly what is not done. Unless that was asked for, it is a failure.
fn without_root(name: &str, asked_for: bool) -> Verdict {
    println!("\n── {name} ──");
    if asked_for {
        println!("!! NOT RUN: {name}, because --unprivileged was given.");
        return Verdict::NotRun;
    }
    println!("!! NOT RUN: {name}: we are not root, and there is no sudo to ask.");
    println!("!! Run `cargo xtask test` as root, or give --unprivileged to do without them.");
    Verdict::Broken
}
