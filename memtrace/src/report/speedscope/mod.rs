//! Reports as files of speedscope: two profiles per process, of what is alive and of all that was allocated, or one of
//! what the report is measured by.

mod changes;
mod schema;

use super::ReportWriter;
use super::flat::{Shown, Weighed, doubts, live_doubts, remarks};
use super::model::{ProcessReport, Report};
use super::place::name_of;
use super::view::Measure;
pub(super) use changes::write_changes;
use schema::{File, Frames, Profile};
use std::io;

/// Writes one JSON document.
#[derive(Clone, Copy, Debug)]
pub struct SpeedscopeWriter {
    /// Frames of allocators and start code, too.
    pub internals: bool,
    /// Functions by their full names.
    pub full_names: bool,
}

impl ReportWriter for SpeedscopeWriter {
    fn write(&self, report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
        let mut frames = Frames::default();
        let profiles = report.processes.iter().flat_map(|it| match report.measure {
            Some(measure) => vec![self.measured(report, it, measure, &mut frames)],
            None => self.profiles(it, &mut frames).into(),
        });
        let profiles = profiles.collect();
        let exporter = format!("memtrace {}", report.tracer.version);
        serde_json::to_writer(&mut *out, &File::new(exporter, remarks(report), frames, profiles))?;
        writeln!(out)?;
        out.flush()
    }
}

impl SpeedscopeWriter {
    /// One profile, where the report has a measure of its own.
    fn measured(
        self,
        report: &Report,
        process: &ProcessReport,
        measure: Measure,
        frames: &mut Frames,
    ) -> Profile {
        let Self { internals, full_names } = self;
        let measured = Shown { internals, full_names }.measured(report, process, measure);
        let words = measure.words();
        let name = format!("{}: bytes {words}{}", name_of(process), measured.doubts());
        let mut profile = Profile::new(name);
        for (path, bytes) in &measured.weights {
            profile.add(path.iter().map(|named| frames.number(named)).collect(), *bytes);
        }
        profile
    }

    fn profiles(self, process: &ProcessReport, frames: &mut Frames) -> [Profile; 2] {
        let Self { internals, full_names } = self;
        let weights = Shown { internals, full_names }.weights(process);
        let allocated = match &process.touched {
            None => process.heap.confidence.map(|it| it.allocated_bytes),
            Some(touched) => touched.totals.confidence.map(|it| it.touched_bytes),
        };
        let (live, all) = match process.touched {
            None => ("live bytes", "allocated bytes"),
            Some(_) => ("touched bytes that are there", "touched bytes"),
        };
        let name = name_of(process);
        [
            profile(format!("{name}: {live}{}", live_doubts(process)), &weights, frames, |it| {
                it.live
            }),
            profile(format!("{name}: {all}{}", doubts(allocated)), &weights, frames, |it| {
                it.allocated
            }),
        ]
    }
}

fn profile(
    name: String,
    weights: &[Weighed],
    frames: &mut Frames,
    weight: fn(&Weighed) -> u64,
) -> Profile {
    let mut profile = Profile::new(name);
    for stack in weights.iter().filter(|stack| weight(stack) > 0) {
        let path = stack.path.iter().map(|named| frames.number(named)).collect();
        profile.add(path, weight(stack));
    }
    profile
}

#[cfg(test)]
mod tests;
