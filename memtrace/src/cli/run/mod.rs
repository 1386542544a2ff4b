//! `memtrace run`: starts a command, traces it from its first instruction to its end, and ends as it did.
//!
//! The status is the command's, as a shell's `$?` has it, whatever the report says. Where memtrace itself
//! fails it is 125, and 126 or 127 where the command cannot be executed or is not there: the
//! convention of `env(1)`, `timeout(1)` and others. A command line that makes no sense gives 2, and
//! nothing was run.

pub mod args;
#[cfg(feature = "live")]
mod command;

pub use args::RunArgs;

use super::exit::{self, UsageError};
use super::plan::TracePlan;
use crate::launch::LaunchError;
use crate::launch::signals::Ignored;

/// The status for a failure of memtrace itself.
const OWN_FAILURE: u8 = 125;

/// Runs the command; gives the status to exit with. `ignored` is what was so before memtrace did anything
/// about signals.
#[must_use]
pub fn run(args: &RunArgs, ignored: Ignored) -> u8 {
    match plan(args).and_then(|plan| carry_out(&plan, args, ignored)) {
        Ok(status) => status,
        Err(error) => {
            exit::complain(&error);
            status(&error)
        }
    }
}

fn plan(args: &RunArgs) -> anyhow::Result<TracePlan> {
    Ok(TracePlan::for_command(&args.trace)?)
}

fn status(error: &anyhow::Error) -> u8 {
    if error.is::<UsageError>() {
        return exit::Exit::Usage as u8;
    }
    error.downcast_ref().map_or(OWN_FAILURE, LaunchError::status)
}

#[cfg(feature = "live")]
fn carry_out(plan: &TracePlan, args: &RunArgs, ignored: Ignored) -> anyhow::Result<u8> {
    super::log::init(plan.verbosity, super::terminal::stderr_color(plan.color));
    super::privileges::check()?;
    command::trace(plan, args, ignored)
}

#[cfg(not(feature = "live"))]
fn carry_out(_plan: &TracePlan, _args: &RunArgs, _ignored: Ignored) -> anyhow::Result<u8> {
    Err(super::without_live())
}

#[cfg(test)]
mod tests {
    use super::{UsageError, status};
    use crate::cli::args::{Cli, Command};
    use crate::cli::plan::TracePlan;
    use crate::launch::LaunchError;
    use clap::Parser as _;
    use std::time::Duration;

    fn typed(line: &str) -> super::RunArgs {
        let words = std::iter::once("memtrace").chain(line.split(' '));
        match Cli::try_parse_from(words).unwrap().command {
            Some(Command::Run(args)) => *args,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_follows_the_command_is_its_own() {
        for line in ["run -i 5 ls -l -i", "run -i 5 -- ls -l -i"] {
            let args = typed(line);
            assert_eq!(args.words, ["ls", "-l", "-i"], "{line}");
            assert_eq!(args.trace.interval, Some(Duration::from_secs(5)));
        }
        assert!(Cli::try_parse_from(["memtrace", "run", "--bogus", "ls"]).is_err());
        assert!(Cli::try_parse_from(["memtrace", "run"]).is_err());
        assert_eq!(typed("run --user www-data x").user.as_deref(), Some("www-data"));
    }

    #[test]
    fn there_is_one_report_and_nothing_is_young_unless_asked_for() {
        let plan = |line| TracePlan::for_command(&typed(line).trace).unwrap();
        let usual = plan("run ls");
        assert_eq!((usual.interval, usual.min_age), (None, Duration::ZERO));
        let periodic = plan("run -i 5 ls");
        assert_eq!(periodic.interval, Some(Duration::from_secs(5)));
        assert!(TracePlan::for_command(&typed("run -c 3 ls").trace).is_err());
    }

    #[test]
    fn statuses_are_those_of_other_launchers() {
        let missing = LaunchError::NotFound("x".into(), "");
        assert_eq!(status(&missing.into()), 127);
        assert_eq!(status(&anyhow::anyhow!("x")), 125);
        assert_eq!(status(&UsageError("x".to_owned()).into()), 2);
    }
}
