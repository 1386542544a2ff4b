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
    let tracer = Tracer::start_as_child(&mut inside(workshop, options.processes))?;
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
    let percent = used / f64::from(options.seconds) * 100.0;
    Ok(format!(
        "## All processes, idle\n\n\
         `--all` in a PID namespace in which {} processes wait, for {} s, from {} s after tracing began; {seen} \
         are in its report.\n\n\
         | | % of a core |\n|---|---:|\n\
         | all processes | {percent:.2}; target under {MOST}: {} |\n",
        options.processes,
        options.seconds,
        SETTLE.as_secs(),
        verdict(percent < MOST && seen == options.processes),
    ))
}

/// The processes and memtrace, in namespaces that end with memtrace, which is the first process there.
fn inside(workshop: &Workshop, processes: usize) -> Command {
    let script = format!("{}; exec \"$@\"", workshop.crowd.waiting_inside(processes));
    let tracer = workshop.tracer(&["--all"]);
    let mut command = Command::new("unshare");
    command.args(["--pid", "--mount", "--fork", "--mount-proc", "--kill-child"]);
    command.args(["sh", "-ec", &script, "sh"]).arg(tracer.get_program()).args(tracer.get_args());
    command
}
