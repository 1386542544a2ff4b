//! Whether short-lived children are lost.

use super::{Options, Workshop};
use crate::bench::Thousands;
use crate::bench::sections::verdict;
use crate::bench::tracer::Tracer;
use crate::bench::workload::figure;
use anyhow::{Context as _, Result};
use std::time::Duration;

/// Records that each child makes: forked, two blocks, one of them freed, ended.
const EACH: u64 = 5;

/// Memory that memtrace may gain while the second half of the children comes, MiB: what an allocator does not give
/// back at once. Were anything kept of each, 15,000 would have taken a kilobyte each.
const MOST_GROWTH: f64 = 15.0;

/// The section.
pub(super) fn section(workshop: &Workshop, options: &Options) -> Result<String> {
    let children = u64::from(options.rate) * u64::from(options.seconds);
    let words = ["storm", &children.to_string(), &options.rate.to_string()];
    let mut parent = workshop.crowd.start(0, &words)?;
    let tracer = Tracer::start(&mut workshop.tracer(&["--pid", &parent.pid()]), true)?;
    let before = tracer.cpu()?;
    parent.go()?;
    // They keep to their rate, so this is when half of them have come.
    std::thread::sleep(Duration::from_secs(u64::from(options.seconds)) / 2);
    let half_way = tracer.resident().context("memtrace's memory cannot be read")?;
    let seconds: f64 = parent.line()?.parse().context("the children did not end well")?;
    // What waits in the ring at most.
    std::thread::sleep(Duration::from_secs(1));
    let cores = (tracer.cpu()? - before) / seconds;
    let memory = tracer.resident().context("memtrace's memory cannot be read")?;
    let is_bounded = memory - half_way < MOST_GROWTH;
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
         | memtrace's memory half-way, and in the end | {half_way:.0} and {memory:.0} MiB; target: less than \
         {MOST_GROWTH} MiB between: {} |\n",
        Thousands(children),
        children as f64 / seconds,
        Thousands(EACH * children),
        Thousands(events),
        Thousands(lost),
        verdict(is_met),
        verdict(is_bounded),
    ))
}
