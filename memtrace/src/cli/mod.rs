//! Floor 6: words for people. Reads the command line, hands a plan to whoever carries it out, and
//! says in one line how it went.

pub mod args;
pub mod doctor;
pub mod exit;
mod help;
pub mod log;
pub mod output;
mod pages;
pub mod plan;
pub mod privileges;
pub mod terminal;
#[cfg(feature = "live")]
pub mod trace;
pub mod values;

use args::{Cli, Command, TraceArgs};
use clap::Parser;
use exit::Exit;
use plan::TracePlan;
use std::process::ExitCode;

/// Runs memtrace with the arguments of this process.
#[must_use]
pub fn run() -> ExitCode {
    output::outlive_size_limits();
    exit::conclude(dispatch()).into()
}

fn dispatch() -> anyhow::Result<Exit> {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return exit::parse_failure(&error),
    };
    match cli.command {
        Some(Command::Doctor(args)) => doctor::run(&args),
        Some(Command::Completions { shell }) => print(&pages::completions(shell)),
        Some(Command::Man) => print(&pages::manual()?),
        None => trace(&cli.trace),
    }
}

fn print(text: &[u8]) -> anyhow::Result<Exit> {
    output::write_stdout(text)?;
    Ok(Exit::Success)
}

fn trace(args: &TraceArgs) -> anyhow::Result<Exit> {
    let plan = TracePlan::new(args)?;
    log::init(plan.verbosity, terminal::stderr_color(plan.color));
    carry_out(plan)
}

#[cfg(feature = "live")]
fn carry_out(plan: TracePlan) -> anyhow::Result<Exit> {
    privileges::check()?;
    trace::run(plan)
}

#[cfg(not(feature = "live"))]
fn carry_out(_plan: TracePlan) -> anyhow::Result<Exit> {
    anyhow::bail!(
        "this memtrace was built without live tracing: build it with the default feature `live`"
    )
}
