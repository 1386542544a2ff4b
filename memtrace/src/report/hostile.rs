//! The way from the kernel's records to reports, for fuzzing: any bytes must do no harm.
//!
//! The bytes are a program of steps. What a step says of a process, a file or a name is what a
//! traced process could have made it.

use super::diff::{self, By, Diff, Side, TextOptions};
use super::names::clean;
use super::view::{self, Filter, Least, Measure, ViewOptions};
use super::{
    CsvWriter, FirefoxWriter, JsonWriter, Report, ReportOptions, ReportWriter as _,
    SpeedscopeWriter, TextStyle, TextWriter, TracerFacts, View, ViewWriter,
};
use crate::engine::alerts::{Rate, Thresholds};
use crate::engine::decode::{Arrived, arrived, decode};
use crate::engine::limits::Limits;
use crate::engine::ports::{Missing, Resolved, SourceFrame, Symbolizer};
use crate::engine::snapshot::{Snapshot, SnapshotOptions};
use crate::engine::tracker::Tracker;
use crate::engine::zoom;
use crate::model::event::{CodeMapping, Event, What};
use crate::model::ids::{ModuleId, ProcessKey};
use crate::model::module::{BuildId, Module};
use crate::model::process::ProcessInfo;
use crate::recording::snapshots::hostile::shots;
use std::path::PathBuf;
use std::sync::Arc;

const THRESHOLDS: Thresholds =
    Thresholds { live: Some(1), resident: Some(1), growth: Some(Rate { bytes: 1, per: 1 }) };

/// Tables that are soon full.
const LIMITS: Limits = Limits {
    max_told_blocks: 7,
    max_told_stacks: 3,
    max_blocks: 64,
    max_stacks: 32,
    max_stack_ids: 32,
    max_processes: 4,
    max_closed: 4,
    max_ranges: 16,
    max_modules: 8,
    closing: SnapshotOptions { min_age: 0, min_size: 0, max_size: None, blocks_per_stack: 2 },
    alerts: THRESHOLDS,
    total_alerts: THRESHOLDS,
    zoom: Some(zoom::Settings { growth: Rate { bytes: 1, per: 1 }, pace: 1, budget: Some(1) }),
};

/// Records, and what `/proc` says between them, → tables → a report in its forms.
pub(crate) fn records(bytes: &[u8]) {
    publish(&snapshot(bytes), bytes);
}

/// A recording of snapshots, which may be anybody's, → a report of each in its forms.
pub(crate) fn snapshots(bytes: &[u8]) {
    for shot in shots(bytes).iter().take(4) {
        publish(&shot.snapshot, bytes);
    }
}

/// A JSON report, which may be anybody's, → what changed between it and others, in every form.
pub(crate) fn report(bytes: &[u8]) {
    let Ok(side) = diff::read_report(bytes, &Filter::default()) else { return };
    for (before, after) in [(&Side::default(), &side), (&side, &Side::default()), (&side, &side)] {
        let of_callers = [By::Function, By::Line, By::File, By::Module];
        for by in of_callers.into_iter().chain([By::Stack, By::Process, By::Thread, By::SizeClass])
        {
            compare(before, after, by);
        }
    }
}

fn compare(before: &Side, after: &Side, by: By) {
    let diff = Diff::between(before, after, by);
    let sides = [("a", before), ("b", after)];
    let options = TextOptions { top: 1, full_names: false };
    // Vectors take everything.
    let mut out = Vec::new();
    let _ = diff::write_text(&diff, sides, options, &mut out);
    assert!(String::from_utf8(out).is_ok_and(|text| text.lines().all(is_clean)));
    let mut out = Vec::new();
    let _ = diff::write_json(&diff, sides, 0, &mut out);
    assert!(serde_json::from_slice::<serde::de::IgnoredAny>(&out).is_ok());
    let _ = diff::write_folded(&diff, true, &mut Vec::new());
    let _ = diff::write_svg(&diff, sides, true, &mut Vec::new());
    let _ = diff::write_pprof(&diff, sides, true, &mut Vec::new());
    for write in [diff::write_speedscope, diff::write_firefox] {
        let mut out = Vec::new();
        let _ = write(&diff, sides, true, &mut out);
        assert!(serde_json::from_slice::<serde::de::IgnoredAny>(&out).is_ok());
    }
    let mut out = Vec::new();
    let _ = diff::write_csv(&diff, sides, true, &mut out);
    assert!(String::from_utf8(out).is_ok_and(|text| text.split("\r\n").all(is_clean)));
    let mut out = Vec::new();
    let _ = diff::write_html(&diff, sides, true, &mut out);
    assert!(String::from_utf8(out).is_ok_and(|page| page.matches("<script").count() == 2));
}

/// Nothing in it steers a terminal. (A line may be longer than [`clean`] lets a name be.)
fn is_clean(line: &str) -> bool {
    let characters = line.chars().collect::<Vec<_>>();
    characters.chunks(1000).map(String::from_iter).all(|part| clean(&part) == part)
}

fn snapshot(bytes: &[u8]) -> Snapshot {
    let mut tracker = Tracker::new(LIMITS);
    let mut steps = Steps(bytes);
    while let Some(number) = steps.byte() {
        step(number, &mut steps, &mut tracker);
    }
    tracker.snapshot(u64::MAX, &LIMITS.closing)
}

fn step(number: u8, steps: &mut Steps<'_>, tracker: &mut Tracker) {
    let what = match number % 8 {
        5 => process_seen(steps),
        6 => module_seen(steps),
        7 => mappings(steps),
        _ => return record(steps, tracker),
    };
    // Those that the records of the seeds are about.
    let process = u32::from(number / 8 % 4);
    tracker.apply(&Event { time: u64::from(number), process, thread: process, what });
}

fn record(steps: &mut Steps<'_>, tracker: &mut Tracker) {
    let length = usize::from(u16::from_le_bytes([
        steps.0.first().copied().unwrap_or(0),
        steps.0.get(1).copied().unwrap_or(0),
    ]));
    let record = steps.take(length.max(1));
    if let Ok(event) = decode(record) {
        tracker.apply(&event);
    } else if let Some(Arrived { pid, time, started, comm, .. }) = arrived(record) {
        let key = ProcessKey { pid: pid % 4, start_time: started % 4 };
        let comm = String::from_utf8_lossy(&comm).into_owned();
        let what =
            What::ProcessBegan(Arc::new(ProcessInfo { key, comm, ..ProcessInfo::default() }));
        tracker.apply(&Event { time, process: key.pid, thread: key.pid, what });
    }
}

fn process_seen(steps: &mut Steps<'_>) -> What<'static> {
    let key = ProcessKey { pid: steps.number() as u32 % 4, start_time: steps.number() % 4 };
    let (comm, exe) = (steps.text(), Some(PathBuf::from(steps.text())));
    let cmdline = Some(vec![steps.text()]);
    What::ProcessSeen(Arc::new(ProcessInfo { key, comm, exe, cmdline, ..ProcessInfo::default() }))
}

fn module_seen(steps: &mut Steps<'_>) -> What<'static> {
    let id = ModuleId(steps.number() as u32);
    let (build_id, path) = (BuildId::new(steps.text().as_bytes()), PathBuf::from(steps.text()));
    What::ModuleSeen(Arc::new(Module { id, path, build_id }))
}

fn mappings(steps: &mut Steps<'_>) -> What<'static> {
    let count = steps.byte().unwrap_or(0) % 8;
    let mapping = |_| CodeMapping {
        start: steps.number(),
        end: steps.number(),
        file_offset: steps.number(),
        module: ModuleId(steps.number() as u32),
    };
    What::Mappings((0..count).map(mapping).collect())
}

/// What is left of the steps.
struct Steps<'a>(&'a [u8]);

impl<'a> Steps<'a> {
    fn take(&mut self, most: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(most.min(self.0.len()));
        self.0 = rest;
        taken
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).first().copied()
    }

    fn number(&mut self) -> u64 {
        let mut word = [0; 8];
        let taken = self.take(8);
        word[..taken.len()].copy_from_slice(taken);
        u64::from_le_bytes(word)
    }

    fn text(&mut self) -> String {
        let length = usize::from(self.byte().unwrap_or(0));
        String::from_utf8_lossy(self.take(length)).into_owned()
    }
}

/// All forms; the JSON must be one whole line.
fn publish(snapshot: &Snapshot, names: &[u8]) {
    let facts = TracerFacts::default();
    for is_final in [false, true] {
        let options = ReportOptions {
            is_final,
            full_names: is_final,
            touches: is_final,
            ..ReportOptions::default()
        };
        let report = super::resolve(snapshot, &mut Names(names), &options, &facts);
        let (mut text, mut json) = (Vec::new(), Vec::new());
        let style = TextStyle { width: 80, color: is_final, full: is_final };
        assert!((TextWriter { style }).write(&report, &mut text).is_ok());
        assert!(JsonWriter.write(&report, &mut json).is_ok());
        assert!(serde_json::from_slice::<serde_json::Value>(&json).is_ok());
        assert_eq!(json.iter().filter(|byte| **byte == b'\n').count(), 1);
        for_other_programs(&report, is_final);
        for_other_programs(&told_otherwise(report.clone(), is_final), false);
        // Names cannot command a terminal.
        assert!(is_final || is_harmless(&text));
        views(&report);
    }
}

/// What JSON reads, and lines of which none breaks.
fn for_other_programs(report: &Report, all: bool) {
    let (internals, full_names) = (all, all);
    let (mut speedscope, mut firefox, mut csv) = (Vec::new(), Vec::new(), Vec::new());
    assert!(SpeedscopeWriter { internals, full_names }.write(report, &mut speedscope).is_ok());
    assert!(FirefoxWriter { internals, full_names }.write(report, &mut firefox).is_ok());
    assert!(CsvWriter { internals, full_names }.write(report, &mut csv).is_ok());
    for json in [speedscope, firefox] {
        assert!(serde_json::from_slice::<serde_json::Value>(&json).is_ok());
    }
    let breaks = csv.iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(breaks, csv.windows(2).filter(|two| two == b"\r\n").count());
}

/// With stacks left out, told by other names, turned around and cut.
fn told_otherwise(mut report: Report, inverted: bool) -> Report {
    let options = ViewOptions {
        by: Some(if inverted { view::By::Line } else { view::By::Thread }),
        inverted,
        depth: Some(3),
        least: Least { bytes: 64, count: 0 },
        measure: inverted.then_some(Measure::Allocated),
        ..ViewOptions::default()
    };
    options.narrow(&mut report, 2);
    options.regroup(&mut report);
    report
}

/// Every view, which has no colours.
fn views(report: &Report) {
    for view in [View::Tree, View::Summary, View::Stats] {
        let mut text = Vec::new();
        assert!(ViewWriter { view, ..ViewWriter::default() }.write(report, &mut text).is_ok());
        assert!(is_harmless(&text));
    }
}

fn is_harmless(text: &[u8]) -> bool {
    text.iter().all(|byte| *byte == b'\n' || !byte.is_ascii_control())
}

/// Names that are parts of the input.
struct Names<'a>(&'a [u8]);

impl Symbolizer for Names<'_> {
    fn resolve(&mut self, _: &Module, offsets: &[u64]) -> Vec<Resolved> {
        let name = |offset: &u64| {
            let begin = usize::try_from(*offset).ok()? % self.0.len().max(1);
            let end = (begin + 40).min(self.0.len());
            let function = String::from_utf8_lossy(self.0.get(begin..end)?).into_owned();
            Some(Arc::from([SourceFrame { function, ..SourceFrame::default() }]))
        };
        offsets.iter().map(|offset| name(offset).ok_or(Missing::NotCovered)).collect()
    }

    fn has_debug_lines(&mut self, _: ModuleId) -> Option<bool> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::{shots, snapshot, snapshots};
    use std::path::Path;

    /// Else the fuzzer would begin with nothing, unnoticed: records have a version.
    #[test]
    fn the_fuzzer_begins_with_records_of_every_kind() {
        let bytes = include_bytes!("../../fuzz/regressions/records/one_of_each");
        let snapshot = snapshot(bytes);
        let process = snapshot.processes.iter().find(|process| !process.stacks.is_empty());
        let process = process.expect("a process with stacks");
        assert!(snapshot.events >= 18, "all records were understood: {}", snapshot.events);
        let told = snapshot.processes.iter().find_map(|process| process.told.as_ref());
        let told = told.expect("what a program tells");
        assert_eq!((told.stacks.len(), told.oddities.unknown_frees), (1, 1));
        assert_eq!(told.totals.live.blocks.samples(), 1);
        assert!(process.heap.allocated_blocks > 0 && process.mappings.mapped_bytes > 0);
    }

    /// What a recording says need not be what a run could do.
    #[test]
    fn snapshots_with_any_figures_do_no_harm() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/regressions/snapshots");
        let seed = std::fs::read(folder.join("a_snapshot")).unwrap();
        assert_eq!(shots(&seed).len(), 2);
        snapshots(&seed);
        let mut random = 7_u64;
        let mut next = |below: usize| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (random >> 33) as usize % below
        };
        for _ in 0..200 {
            let mut bytes = seed.clone();
            for _ in 0..=next(3) {
                bytes[next(seed.len())] = next(256) as u8;
            }
            snapshots(&bytes);
        }
    }
}
