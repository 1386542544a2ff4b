//! What `--all` costs where nothing happens, in a PID namespace, so that nobody else is meant.

use super::{Options, Workshop};
use crate::bench::sections::verdict;
use crate::bench::tracer::Tracer;
use anyhow::{Context as _, Result, bail};
use std::process::Command;
use std::time::Duration;

/// Time for what follows the beginning: calibration, tables.
const SETTLE: Duration = Duration::from_secs(5);
/// The most that it may cost, % of a core.
const MOST: f64 = 1.0;

/// The section.
pub(super) fn section(workshop: &Workshop, options: &Options) -> Result<String> {
    let usual = cost(workshop, &workshop.usual(&["--all"]), options)?;
    let exact = cost(workshop, &workshop.tracer(&["--all"]), options)?;
    Ok(format!(
        "## All processes, idle\n\n\
         `--all` in a PID namespace in which {} processes wait, for {} s, from {} s after tracing began; all of \
         them are in its report. It watches pages, and blocks of who grows; `--exact` probes each process.\n\n\
         | | % of a core |\n|---|---:|\n\
         | `--all` | {usual:.2}; target under {MOST}: {} |\n\
         | `--all --exact` | {exact:.2}; target under {MOST}: {} |\n",
        options.processes,
        options.seconds,
        SETTLE.as_secs(),
        verdict(usual < MOST),
        verdict(exact < MOST),
    ))
}

/// What it uses, % of a core.
fn cost(workshop: &Workshop, memtrace: &Command, options: &Options) -> Result<f64> {
    let tracer = Tracer::start_as_child(&mut inside(workshop, memtrace, options.processes))?;
    let expected = format!("{} processes", options.processes);
    if !tracer.announcement.contains(&expected) {
        bail!("not {expected} are traced: {}", tracer.announcement);
    }
    std::thread::sleep(SETTLE);
    let before = tracer.cpu()?;
    std::thread::sleep(Duration::from_secs(u64::from(options.seconds)));
    let used = tracer.cpu()? - before;
    let report = tracer.end()?.report.context("memtrace made no report")?;
    let seen = report["processes"].as_array().map_or(0, Vec::len);
    if seen != options.processes {
        bail!("{seen} of {expected} are in the report");
    }
    Ok(used / f64::from(options.seconds) * 100.0)
}

/// The processes and memtrace, in namespaces that end with memtrace, which is the first process there.
fn inside(workshop: &Workshop, tracer: &Command, processes: usize) -> Command {
    let script = format!("{}; exec \"$@\"", workshop.crowd.waiting_inside(processes));
    let mut command = Command::new("unshare");
    command.args(["--pid", "--mount", "--fork", "--mount-proc", "--kill-child"]);
    command.args(["sh", "-ec", &script, "sh"]).arg(tracer.get_program()).args(tracer.get_args());
    command
}
