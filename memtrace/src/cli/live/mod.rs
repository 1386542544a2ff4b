//! `memtrace live`: reports on a screen, of what is traced or of a recording.

mod args;
mod messages;
mod replay;
mod save;
mod show;
mod terminal;
#[cfg(feature = "live")]
mod tracing_run;

pub use args::LiveArgs;

use super::exit::{Exit, UsageError};
use super::plan::TracePlan;
use super::terminal::{Style, is_dumb};
use super::who::Wishes;
use crate::screen::Look;
use anyhow::bail;
use std::io::{self, IsTerminal as _};

/// Shows reports until the user has had enough.
///
/// # Errors
/// When the command line makes no sense, standard output is no terminal, or there is nothing to show.
pub fn run(args: &LiveArgs) -> anyhow::Result<Exit> {
    let shown = match &args.replay {
        Some(file) => {
            if !Wishes::new(&args.select)?.is_empty() {
                return Err(UsageError(
                    "--replay shows a recording, and --pid and its like say whom to trace: give only one".to_owned(),
                )
                .into());
            }
            let plan = TracePlan::for_replay(&args.trace)?;
            let look = look(&plan)?;
            replay::run(file, args, look)?
        }
        None => {
            let plan = TracePlan::for_screen(&args.select, &args.trace)?;
            let look = look(&plan)?;
            trace(&plan, look)?
        }
    };
    Ok(if shown.degraded { Exit::Degraded } else { Exit::Success })
}

#[cfg(feature = "live")]
fn trace(plan: &TracePlan, look: Look) -> anyhow::Result<show::Shown> {
    super::privileges::check()?;
    tracing_run::run(plan, look)
}

#[cfg(not(feature = "live"))]
fn trace(_plan: &TracePlan, _look: Look) -> anyhow::Result<show::Shown> {
    Err(super::without_live())
}

/// What the terminal can do.
///
/// # Errors
/// When there is none.
fn look(plan: &TracePlan) -> anyhow::Result<Look> {
    if !io::stdout().is_terminal() {
        bail!(
            "cannot show a screen: standard output is not a terminal; leave out `live` for reports as text, or \
             run it in a terminal"
        );
    }
    if !io::stdin().is_terminal() {
        bail!(
            "cannot show a screen: standard input, where keys come from, is not a terminal; leave out `live` for \
             reports as text, or run it in a terminal"
        );
    }
    if is_dumb() {
        bail!(
            "cannot show a screen: TERM says that this terminal cannot move its cursor; leave out `live` for \
             reports as text"
        );
    }
    let style = Style::stdout(plan.color);
    Ok(Look { color: style.color, ascii: style.ascii })
}
