//! Reports as profiles of pprof, compressed with gzip as pprof writes and reads them.
//!
//! Four values per call stack, named as Go's heap profiles name theirs: what was allocated and what is in use, in
//! blocks and in bytes; or two, where the report has a measure of its own. Processes are told apart by the labels
//! `process` and `pid`, and threads and sizes by `thread` and `size_class` where they are to be.

mod changes;
mod message;
mod tables;

use super::ReportWriter;
use super::flat::{NO_STACK, OTHERS_ALLOCATED, OTHERS_TOUCHED, others_allocated, rest};
use super::model::{ProcessReport, Report, StackReport, TouchedReport};
use super::view::{Measure, of_process, sizes};
use crate::engine::snapshot::Part;
pub(super) use changes::write_changes;
use flate2::Compression;
use flate2::write::GzEncoder;
use message::{Label, Profile, Sample, ValueType};
use prost::Message as _;
use std::io::{self, Write as _};
use tables::Tables;

/// The values of a sample, in order, and their units.
const VALUES: [(&str, &str); 4] = [
    ("alloc_objects", "count"),
    ("alloc_space", "bytes"),
    ("inuse_objects", "count"),
    ("inuse_space", "bytes"),
];

/// Writes a gzipped profile. Figures are those of the listed blocks and of the rest together: their sums are what is
/// alive, and what was allocated.
#[derive(Clone, Copy, Debug)]
pub struct PprofWriter {
    /// Frames of allocators and start code, too.
    pub internals: bool,
    /// Functions by their full names.
    pub full_names: bool,
}

impl ReportWriter for PprofWriter {
    fn write(&self, report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
        let mut tables = Tables::new(self.full_names);
        describe(report, &mut tables);
        for process in &report.processes {
            match report.measure {
                Some(measure) => self.measured(report, process, measure, &mut tables),
                None => self.process(process, &mut tables),
            }
        }
        write_packed(&tables.profile, out)
    }
}

fn write_packed(profile: &Profile, out: &mut dyn io::Write) -> io::Result<()> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(&profile.encode_to_vec())?;
    out.write_all(&packed.finish()?)?;
    out.flush()
}

impl PprofWriter {
    /// What the stacks of a process come to by the report's own measure.
    fn measured(
        &self,
        report: &Report,
        process: &ProcessReport,
        measure: Measure,
        tables: &mut Tables,
    ) {
        tables.program(process);
        let label = labels(process, tables);
        let (stacks, rests) = of_process(report, process, measure);
        for stack in stacks {
            let shown = stack.frames.iter().filter(|frame| self.internals || !frame.internal);
            let mut places = tables.stack(process, shown);
            if places.is_empty() {
                places.push(tables.nowhere(NO_STACK));
            }
            let label = with_part(&label, stack.part, tables);
            add(places, &[stack.amount.count, stack.amount.bytes], &label, tables);
        }
        for rest in rests {
            let place = tables.nowhere(rest.what);
            add(vec![place], &[rest.amount.count, rest.amount.bytes], &label, tables);
        }
    }

    fn process(&self, process: &ProcessReport, tables: &mut Tables) {
        tables.program(process);
        let label = labels(process, tables);
        if let Some(touched) = &process.touched {
            return self.touched(process, touched, &label, tables);
        }
        for stack in process.all_stacks() {
            self.stack(process, stack, &label, tables);
        }
        for (what, sum) in rest(process) {
            let place = tables.nowhere(what);
            let values = [0, 0, sum.blocks, sum.bytes];
            add(vec![place], &values, &label, tables);
        }
        let others = others_allocated(process);
        if others.blocks > 0 || others.bytes > 0 {
            let place = tables.nowhere(OTHERS_ALLOCATED);
            add(vec![place], &[others.blocks, others.bytes, 0, 0], &label, tables);
        }
    }

    /// Pages that were touched, in place of blocks: these lie in pages, and some are seen in looks alone.
    fn touched(
        &self,
        process: &ProcessReport,
        touched: &TouchedReport,
        label: &[Label],
        tables: &mut Tables,
    ) {
        for stack in &touched.stacks {
            let shown = stack.frames.iter().filter(|frame| self.internals || !frame.internal);
            let mut places = tables.stack(process, shown);
            if places.is_empty() {
                places.push(tables.nowhere(NO_STACK));
            }
            add(places, &[0, stack.touched_bytes, 0, stack.live_bytes], label, tables);
        }
        if touched.others.bytes > 0 {
            let place = tables.nowhere(OTHERS_TOUCHED);
            add(vec![place], &[0, 0, 0, touched.others.bytes], label, tables);
        }
    }

    fn stack(
        &self,
        process: &ProcessReport,
        stack: &StackReport,
        label: &[Label],
        tables: &mut Tables,
    ) {
        let mut places = tables.stack(process, stack.shown(self.internals));
        if places.is_empty() {
            places.push(tables.nowhere(NO_STACK));
        }
        let values =
            [stack.allocated_blocks, stack.allocated_bytes, stack.live_blocks, stack.live_bytes];
        add(places, &values, &with_part(label, stack.part, tables), tables);
    }
}

fn add(location_id: Vec<u64>, values: &[u64], label: &[Label], tables: &mut Tables) {
    let value = values.iter().map(|value| i64::try_from(*value).unwrap_or(i64::MAX)).collect();
    if values.iter().any(|value| *value != 0) {
        tables.profile.sample.push(Sample { location_id, value, label: label.to_vec() });
    }
}

fn labels(process: &ProcessReport, tables: &mut Tables) -> Vec<Label> {
    let (process_key, pid_key) = (tables.text("process"), tables.text("pid"));
    let name = tables.text(&process.comm);
    let mut labels = vec![
        Label { key: process_key, str: name, num: 0 },
        Label { key: pid_key, str: 0, num: process.pid.into() },
    ];
    let places = [
        ("container", &process.container),
        ("pod", &process.pod),
        ("pod_uid", &process.pod_uid),
        ("cgroup", &process.cgroup),
    ];
    for (key, place) in places {
        let Some(place) = place else { continue };
        labels.push(Label { key: tables.text(key), str: tables.text(place), num: 0 });
    }
    labels
}

/// With which of a stack's blocks these are, where they are told apart.
fn with_part(label: &[Label], part: Part, tables: &mut Tables) -> Vec<Label> {
    let mut labels = label.to_vec();
    if let Some(thread) = part.thread {
        labels.push(Label { key: tables.text("thread"), str: 0, num: thread.into() });
    }
    if let Some(class) = part.size {
        let (key, size) = (tables.text("size_class"), tables.text(&sizes(class)));
        labels.push(Label { key, str: size, num: 0 });
    }
    labels
}

/// The values of a sample, in order, their units, and which of them is shown at first.
fn values(report: &Report) -> (Vec<(&'static str, &'static str)>, &'static str) {
    let (objects, space) = match report.measure {
        None => return (VALUES.to_vec(), "inuse_space"),
        Some(Measure::Allocated) => ("alloc_objects", "alloc_space"),
        Some(Measure::Temporary(_)) => ("temporary_objects", "temporary_space"),
        Some(Measure::Peak | Measure::OwnPeaks) => ("peak_objects", "peak_space"),
        Some(Measure::Leaks | Measure::Lifetimes) => ("inuse_objects", "inuse_space"),
    };
    (vec![(objects, "count"), (space, "bytes")], space)
}

/// What is said of the whole: kinds of values, times, and what makes the figures less than exact.
fn describe(report: &Report, tables: &mut Tables) {
    let (all, first) = values(report);
    for (kind, unit) in all {
        let value = ValueType { r#type: tables.text(kind), unit: tables.text(unit) };
        tables.profile.sample_type.push(value);
    }
    let period = ValueType { r#type: tables.text("space"), unit: tables.text("bytes") };
    tables.profile.period_type = Some(period);
    // Every byte, where every allocation was looked at.
    let interval = report.tracer.sample_interval_bytes.max(1);
    tables.profile.period = i64::try_from(interval).unwrap_or(i64::MAX);
    tables.profile.default_sample_type = tables.text(first);
    let time = report.tracer.time.as_nanosecond();
    tables.profile.time_nanos = i64::try_from(time).unwrap_or_default();
    tables.profile.duration_nanos = i64::try_from(report.watched).unwrap_or(i64::MAX);
    let made = format!("memtrace {}", report.tracer.version);
    let lost = (report.loss.events > 0).then(|| format!("{} events were lost", report.loss.events));
    let pages = pages_looked_at(report);
    let measured = report.measure.map(|measure| format!("bytes {}", measure.words()));
    for comment in [made].iter().chain(&measured).chain(&lost).chain(&pages).chain(&report.degraded)
    {
        let comment = tables.text(comment);
        tables.profile.comment.push(comment);
    }
}

/// That figures of touched pages are estimates, where they are.
fn pages_looked_at(report: &Report) -> Option<String> {
    let touched = report.processes.iter().filter_map(|process| process.touched.as_ref());
    let most = touched.map(|touched| touched.one_in).max().filter(|most| *most > 1)?;
    Some(format!("of pages, one in up to {most} was looked at: bytes are estimates"))
}

#[cfg(test)]
mod tests;
