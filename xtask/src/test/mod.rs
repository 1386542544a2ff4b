//! `cargo xtask test`: sets the machine up and checks everything, stage by stage.

pub(crate) mod complaints;
pub(crate) mod programs;
mod side_by_side;
mod stages;
mod summary;
pub(crate) mod tally;

use crate::{elevate, setup};
use anyhow::Result;
use stages::{Needs, Stage};
use std::process::ExitCode;
use std::time::Instant;
use summary::{Line, Summary, Verdict};

/// What was asked for.
pub(crate) struct Options {
    pub(crate) no_install: bool,
    pub(crate) unprivileged: bool,
    pub(crate) no_kernels: bool,
    pub(crate) filter: Option<String>,
}

/// Runs all stages, also after one that fails, prints the summary, and says whether all is well.
pub(crate) fn test(options: &Options) -> Result<ExitCode> {
    setup::ensure(setup::Purpose::Test, options.no_install)?;
    if !options.no_kernels && options.filter.is_none() {
        setup::ensure(setup::Purpose::Kernels, options.no_install)?;
    }
    let mut summary = Summary::default();
    let begin = Instant::now();
    for stage in stages::all(options.filter.as_deref()) {
        summary.add(perform(&stage, options, begin));
    }
    for complaint in complaints::take() {
        println!("\n!! {}", complaint.trim_end());
    }
    print!("\n{summary}");
    Ok(if summary.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One stage of a run that began then.
fn perform(stage: &Stage, options: &Options, run: Instant) -> Line {
    if let Some(verdict) = left_out(stage, options) {
        return Line::new(stage.name, verdict);
    }
    // A run that is stopped from outside prints no summary: its log shows where the time went all the same.
    println!("\n── {} ── ({} s)", stage.name, run.elapsed().as_secs());
    let begin = Instant::now();
    let verdict = match (stage.work)(options.filter.as_deref()) {
        Ok(tally) => Verdict::Ran(tally),
        Err(error) => {
            let complaint = format!("{} failed: {error:#}", stage.name);
            println!("{complaint}");
            complaints::note(complaint);
            Verdict::Broken
        }
    };
    Line { stage: stage.name, verdict, seconds: begin.elapsed().as_secs_f64() }
}

/// Says loudly what is not done. Unless that was asked for, it is a failure.
fn left_out(stage: &Stage, options: &Options) -> Option<Verdict> {
    let (because, verdict) = match stage.needs {
        Needs::Root if options.unprivileged => ("--unprivileged was given", Verdict::NotRun),
        Needs::Root if !elevate::can_be_root() => (NO_ROOT, Verdict::Broken),
        Needs::Guests if options.no_kernels => ("--no-kernels was given", Verdict::NotRun),
        Needs::Nothing | Needs::Root | Needs::Guests => return None,
    };
    let complaint = format!("NOT RUN: {}, because {because}.", stage.name);
    println!("\n── {} ──\n!! {complaint}", stage.name);
    if verdict == Verdict::Broken {
        complaints::note(complaint);
    }
    Some(verdict)
}

const NO_ROOT: &str = "we are not root, and there is no sudo to ask.\n\
    !! Run `cargo xtask test` as root, or give --unprivileged to do without them";
