//! What it costs to watch for processes where nothing happens.

use super::{Options, Workshop};
use crate::bench::sections::verdict;
use crate::bench::tracer::Tracer;
use anyhow::{Context as _, Result};
use std::time::Duration;

/// Time for what follows the beginning: calibration, tables.
const SETTLE: Duration = Duration::from_secs(5);
/// The most that it may cost, % of a core.
const MOST: f64 = 1.0;

/// The section.
pub(super) fn section(workshop: &Workshop, options: &Options) -> Result<String> {
    let members = workshop.crowd.waiting(options.processes)?;
    let program = workshop.crowd.program();
    let path = program.to_str().context("the folder's name is no text")?;
    let few = cost(workshop, &["--pid", &members[0].pid()], options)?;
    let many = cost(workshop, &["--exe", path], options)?;
    let watched = cost(workshop, &["--exe", path, "--tier", "watch"], options)?;
    let [few, many, watched] = [few, many, watched].map(|cores| cores * 100.0);
    Ok(format!(
        "## Idle processes\n\n\
         {} processes that wait, for {} s, from {} s after tracing began. memtrace looks for more of them \
         (`--exe`), and so hears of every program that is executed on the machine and every process that is \
         renamed or moved. Beside it, the same by their pages (`--tier watch`, as `--all` does), and one of them, \
         named (`--pid`).\n\n\
         | | % of a core |\n|---|---:|\n\
         | looking for processes | {many:.2}; target under {MOST}: {} |\n\
         | the same by their pages | {watched:.2}; target under {MOST}: {} |\n\
         | one process, named | {few:.2} |\n",
        members.len(),
        options.seconds,
        SETTLE.as_secs(),
        verdict(many < MOST),
        verdict(watched < MOST),
    ))
}

/// Cores that memtrace uses.
fn cost(workshop: &Workshop, words: &[&str], options: &Options) -> Result<f64> {
    let tracer = Tracer::start(&mut workshop.tracer(words), true)?;
    std::thread::sleep(SETTLE);
    let before = tracer.cpu()?;
    std::thread::sleep(Duration::from_secs(u64::from(options.seconds)));
    let used = tracer.cpu()? - before;
    tracer.end()?;
    Ok(used / f64::from(options.seconds))
}
