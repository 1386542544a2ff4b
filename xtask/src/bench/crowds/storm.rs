//! Whether short-lived children are lost.

use super::{Options, Workshop};
use crate::bench::Thousands;
use crate::bench::sections::verdict;
use crate::bench::tracer::Tracer;
use crate::bench::workload::figure;
use anyhow::{Context as _, Result};

/// Records that each child makes: forked, two blocks, one of them freed, ended.
const EACH: u64 = 5;

/// The section.
pub(super) fn section(workshop: &Workshop, options: &Options) -> Result<String> {
    let children = u64::from(options.rate) * u64::from(options.seconds);
    let words = ["storm", &children.to_string(), &options.rate.to_string()];
    let mut parent = workshop.crowd.start(0, &words)?;
    let tracer = Tracer::start(&mut workshop.tracer(&["--pid", &parent.pid()]), true)?;
    let before = tracer.cpu()?;
    parent.go()?;
    let seconds: f64 = parent.line()?.parse().context("the children did not end well")?;
    // What waits in the ring at most.
    std::thread::sleep(std::time::Duration::from_secs(1));
    let (cores, memory) = ((tracer.cpu()? - before) / seconds, tracer.peak_resident());
    let report = tracer.end()?.report.context("memtrace made no report")?;
    let (events, lost) = (figure(&report, "/tracer/events"), figure(&report, "/loss/events"));
    let is_met = lost == 0 && events >= EACH * children;
    Ok(format!(
        "## Short-lived children\n\n\
         A process forks {} children, each of which allocates two blocks, frees one, and ends; it waits for \
         each before it forks the next. They make {EACH} records each.\n\n\
         | | |\n|---|---:|\n\
         | children per second | {:.0} for {seconds:.1} s |\n\
         | records expected | {} |\n\
         | records received | {}, {} lost: {} |\n\
         | memtrace's CPU | {cores:.2} cores |\n\
         | memtrace's memory at most | {:.0} MiB |\n",
        Thousands(children),
        children as f64 / seconds,
        Thousands(EACH * children),
        Thousands(events),
        Thousands(lost),
        verdict(is_met),
        memory.unwrap_or_default(),
    ))
}
