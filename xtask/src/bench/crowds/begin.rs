//! How long tracing takes to begin with many processes.

use super::program::LIBRARIES;
use super::{Options, Workshop};
use crate::bench::sample::Sample;
use crate::bench::sections::verdict;
use crate::bench::tracer::Tracer;
use anyhow::{Context as _, Result, bail};
use std::time::Instant;

/// The longest that it may last with 500 processes, s.
const LONGEST: f64 = 2.0;

/// The section.
pub(super) fn section(workshop: &Workshop, options: &Options) -> Result<String> {
    let members = workshop.crowd.waiting(options.processes)?;
    let program = workshop.crowd.program();
    let path = program.to_str().context("the folder's name is no text")?;
    let (mut took, mut exit) = (Sample::default(), Sample::default());
    for _ in 0..options.rounds {
        let began = Instant::now();
        let tracer = Tracer::start(&mut workshop.tracer(&["--exe", path]), true)?;
        took.add(began.elapsed().as_secs_f64());
        let expected = format!("{} processes", members.len());
        if !tracer.announcement.contains(&expected) {
            bail!("not all of {expected} are traced: {}", tracer.announcement);
        }
        exit.add(tracer.end()?.exit.as_secs_f64());
    }
    let is_met = took.median().is_some_and(|took| took < LONGEST);
    Ok(format!(
        "## Beginning and ending\n\n\
         {} processes of one program share {LIBRARIES} copies of the C library. From starting memtrace to \
         its line that says that it traces; then from Ctrl-C to its end, with a report.\n\n\
         | | s |\n|---|---:|\n\
         | beginning | {}; target under {LONGEST}: {} |\n\
         | ending | {} |\n",
        members.len(),
        took.shown(2),
        verdict(is_met),
        exit.shown(2),
    ))
}
