//! Whether programs that match by name, and end at once, are seen whole.

use super::{Options, Workshop};
use crate::bench::Thousands;
use crate::bench::sections::verdict;
use crate::bench::tracer::Tracer;
use crate::bench::workload::figure;
use anyhow::{Context as _, Result};
use serde_json::Value;
use std::time::Duration;

/// How long programs are started for, s.
const SECONDS: u64 = 10;
/// Blocks that each of them allocates.
const BLOCKS: u64 = 2;
/// What waits in the ring at most.
const REST: Duration = Duration::from_secs(1);

/// The section.
pub(super) fn section(workshop: &Workshop, options: &Options) -> Result<String> {
    let programs = u64::from(options.rate) * SECONDS;
    // 15 bytes at most, and unlike any other name on this machine.
    let name = format!("mt{}brief", std::process::id());
    let file = workshop.crowd.named(&name)?;
    let path = file.to_str().context("the folder's name is no text")?;
    // The tracer begins with this one.
    let stay = workshop.crowd.start_file(&file, 0, &["wait"])?;
    let library = workshop.crowd.library(0);
    let library = library.to_str().context("the folder's name is no text")?;
    let words = ["execs", &programs.to_string(), &options.rate.to_string(), path, library];
    // With another library: where nobody else maps a file its probes are for all who do.
    let mut starter = workshop.crowd.start(1, &words)?;
    let tracer = Tracer::start(&mut workshop.tracer(&["--comm", &name]), true)?;
    let before = tracer.cpu()?;
    starter.go()?;
    let seconds: f64 = starter.line()?.parse().context("the programs did not end well")?;
    std::thread::sleep(REST);
    let (cores, memory) = ((tracer.cpu()? - before) / seconds, tracer.peak_resident());
    let report = tracer.end()?.report.context("memtrace made no report")?;
    drop(stay);
    let (seen, blocks) = counted(&report);
    let lost = figure(&report, "/loss/events");
    let is_met = lost == 0 && seen == programs && blocks == BLOCKS * programs;
    Ok(format!(
        "## Programs that are looked for by name\n\n\
         A process that is not meant starts {} programs that are (`--comm`), each of which allocates two \
         blocks, frees one, and ends; it waits for each before it starts the next. The kernel side lets them \
         in before their first instruction.\n\n\
         | | |\n|---|---:|\n\
         | programs per second | {:.0} for {seconds:.1} s |\n\
         | programs seen | {} of {} |\n\
         | blocks counted | {} of {}, {} events lost: {} |\n\
         | memtrace's CPU | {cores:.2} cores |\n\
         | memtrace's memory at most | {:.0} MiB |\n",
        Thousands(programs),
        programs as f64 / seconds,
        Thousands(seen),
        Thousands(programs),
        Thousands(blocks),
        Thousands(BLOCKS * programs),
        Thousands(lost),
        verdict(is_met),
        memory.unwrap_or_default(),
    ))
}

/// Processes but the first, and blocks that they allocated: those that are listed and those that ended too
/// early for that.
fn counted(report: &Value) -> (u64, u64) {
    let listed = report["processes"].as_array().map(Vec::as_slice).unwrap_or_default();
    let blocks: u64 = listed.iter().map(|process| figure(process, "/heap/allocated_blocks")).sum();
    let all = listed.len() as u64 + figure(report, "/ended/processes");
    (all.saturating_sub(1), blocks + figure(report, "/ended/heap/allocated_blocks"))
}

#[cfg(test)]
mod tests {
    use super::counted;
    use serde_json::json;

    #[test]
    fn those_that_are_not_listed_count_too() {
        let listed = json!({"heap": {"allocated_blocks": 2}});
        let idle = json!({"heap": {"allocated_blocks": 0}});
        let ended = json!({"processes": 5, "heap": {"allocated_blocks": 10}});
        let report = json!({"processes": [listed, idle], "ended": ended});
        assert_eq!(counted(&report), (6, 12));
        assert_eq!(counted(&json!({})), (0, 0));
    }
}
