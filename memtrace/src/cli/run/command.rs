//! The command: prepared, probed, let go, waited for.

use super::super::output::Destination;
use super::super::plan::TracePlan;
use super::super::trace::{self, Job};
use super::super::who::find::Found;
use super::super::{log, who};
use super::RunArgs;
use crate::launch::signals::Ignored;
use crate::launch::user::{Runner, variable};
use crate::launch::{Launched, Order, files_of, find_program};
use std::ffi::{OsStr, OsString};
use std::path::Path;

/// Traces the command to its end; gives its status.
///
/// # Errors
/// When it cannot be executed; when it cannot be traced, and then it was not run; when its report
/// cannot be written, after its end.
pub(super) fn trace(plan: &TracePlan, args: &RunArgs, ignored: Ignored) -> anyhow::Result<u8> {
    let runner = runner(args)?;
    let environment =
        |name: &str| variable(runner.as_ref(), name, |name: &OsStr| std::env::var_os(name));
    let word = args.words.first().map(OsString::as_os_str).unwrap_or_default();
    let program = find_program(word, environment("PATH").as_deref())?;
    let files = files_of(program.as_os_str(), environment);
    tracing::debug!("{} will map {} files: {files:?}", program.display(), files.len());
    let name = name(&program);
    let order = Order { program, words: args.words.clone(), runner, ignored };
    let mut launched = Launched::prepare(&order)?;
    let destination = destination(plan, args, launched.pid())?;
    let job = Job {
        started: Some(trace::Started {
            pid: launched.pid(),
            name: name.clone(),
            watcher: launched.watcher(),
        }),
        foreseen: files,
        found: Found { pids: vec![launched.pid()], selection: None, beyond: 0 },
    };
    let line = format!("tracing pid {} ({name})", launched.pid());
    let outcome = trace::carry_out(plan, job, destination, &mut |_| {
        log::announce(&line);
        launched.go();
    });
    if !launched.has_gone() {
        // It ends without having become the command.
        drop(launched);
        return match outcome {
            Ok(_) => anyhow::bail!("{name} was not run: tracing ended before it had begun"),
            Err(error) => Err(error.context(format!("{name} was not run"))),
        };
    }
    // Tracing may have ended first: its time was up, or it failed.
    let status = launched.wait()?;
    outcome?;
    Ok(status)
}

fn runner(args: &RunArgs) -> anyhow::Result<Option<Runner>> {
    let runner = match &args.user {
        Some(name) => Some(Runner::of(&who::users::find(name)?)),
        None => Runner::behind_sudo(|name| std::env::var_os(name)),
    };
    let runner = runner.filter(|runner| !runner.is_us());
    if let (Some(runner), None) = (&runner, &args.user) {
        tracing::info!(
            "the command runs as {}, who called sudo; --user root leaves it root",
            runner.describe()
        );
    }
    Ok(runner)
}

/// Standard output is the command's.
fn destination(plan: &TracePlan, args: &RunArgs, pid: u32) -> anyhow::Result<Destination> {
    if args.trace.output.is_none() {
        return Ok(Destination::stderr());
    }
    Ok(plan.open_destination(pid)?)
}

/// As the kernel will call the process (`TASK_COMM_LEN`).
fn name(program: &Path) -> String {
    let name = program.file_name().unwrap_or_default().as_encoded_bytes();
    String::from_utf8_lossy(name.get(..name.len().min(15)).unwrap_or_default()).into_owned()
}
