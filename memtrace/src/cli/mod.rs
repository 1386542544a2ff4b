//! Floor 6: words for people. Reads the command line, hands a plan to whoever carries it out, and
//! says in one line how it went.

mod aggregated;
pub mod args;
pub mod ctl;
pub mod diff;
pub mod doctor;
pub mod exit;
pub mod format;
mod help;
pub mod live;
pub mod log;
pub mod output;
mod pages;
pub mod plan;
pub mod privileges;
mod recorded_names;
mod replaying;
pub mod report;
mod reporting;
pub mod run;
pub mod terminal;
pub mod tier;
#[cfg(feature = "live")]
pub mod trace;
pub mod values;
pub mod view;
pub mod who;

use crate::launch::signals::Ignored;
use args::{Cli, Command};
use clap::Parser;
use exit::{Exit, UsageError};
use plan::TracePlan;
use std::process::ExitCode;

/// Runs memtrace with the arguments of this process.
#[must_use]
pub fn run() -> ExitCode {
    // Before anything is done about signals.
    let ignored = Ignored::now();
    output::outlive_size_limits();
    match Cli::try_parse() {
        Ok(cli) => dispatch(&cli, ignored),
        Err(error) => exit::conclude(exit::parse_failure(&error)).into(),
    }
}

fn dispatch(cli: &Cli, ignored: Ignored) -> ExitCode {
    let outcome = match &cli.command {
        // Its status is the command's.
        Some(Command::Run(args)) => return run::run(args, ignored).into(),
        Some(Command::Live(args)) => live::run(args),
        Some(Command::Report(args)) => report::run(args),
        Some(Command::Diff(args)) => diff::run(args),
        Some(Command::Ctl(args)) => ctl::run(args),
        Some(Command::Doctor(args)) => doctor::run(args),
        Some(Command::Completions { shell }) => print(&pages::completions(*shell)),
        Some(Command::Man { list: true, .. }) => print(&pages::names()),
        Some(Command::Man { command, .. }) => manual(command.as_deref()),
        None => trace(cli),
    };
    exit::conclude(outcome).into()
}

fn print(text: &[u8]) -> anyhow::Result<Exit> {
    output::write_stdout(text)?;
    Ok(Exit::Success)
}

fn manual(command: Option<&str>) -> anyhow::Result<Exit> {
    let page = match command {
        None => Some(pages::manual()?),
        Some(name) => pages::manual_of(name)?,
    };
    match page {
        Some(page) => print(&page),
        None => Err(UsageError(format!(
            "memtrace has no command {:?}: `memtrace man` names all of them",
            command.unwrap_or_default()
        ))
        .into()),
    }
}

fn trace(cli: &Cli) -> anyhow::Result<Exit> {
    let plan = TracePlan::new(&cli.select, &cli.trace, &cli.positional)?;
    log::init(plan.verbosity, terminal::stderr_color(plan.color));
    carry_out(&plan)
}

#[cfg(feature = "live")]
fn carry_out(plan: &TracePlan) -> anyhow::Result<Exit> {
    privileges::check()?;
    let found = who::find::find(&plan.who, &mut log::announce)?;
    trace::run(plan, found)
}

#[cfg(not(feature = "live"))]
fn carry_out(_plan: &TracePlan) -> anyhow::Result<Exit> {
    Err(without_live())
}

#[cfg(not(feature = "live"))]
fn without_live() -> anyhow::Error {
    anyhow::anyhow!(
        "this memtrace was built without live tracing: build it with the default feature `live`"
    )
}
