//! Views of processes made by hand, as people see them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod report_fixtures;

use memtrace::engine::detail::Temporary;
use memtrace::engine::snapshot::{
    Confidence, Part, PeriodFigures, PeriodSum, ProcessSnapshot, SizeClass, Snapshot, StackSnapshot,
};
use memtrace::engine::trend::{AgeCount, Ages};
use memtrace::model::module::Module;
use memtrace::report::view::{By, Least, Measure, Stretch};
use memtrace::report::{
    ReportOptions, ReportWriter, TextStyle, TracerFacts, View, ViewOptions, ViewWriter, resolve,
};
use report_fixtures::*;
use std::path::PathBuf;
use std::sync::Arc;

/// As the command line has it: all stacks are resolved, and the view chooses.
fn whole() -> ReportOptions {
    ReportOptions { top: 0, ..last() }
}

fn view(view: View, options: &ViewOptions, snapshot: &Snapshot, facts: &TracerFacts) -> String {
    let report = report(snapshot, &whole(), facts);
    let mut out = Vec::new();
    let style = TextStyle { width: 100, color: false, full: false };
    let writer = ViewWriter { view, options: options.clone(), style, ascii: false };
    writer.write(&report, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    for line in text.lines() {
        assert!(line.chars().count() <= 100, "{} columns: {line}", line.chars().count());
    }
    text
}

fn ten() -> ViewOptions {
    ViewOptions { top: Some(10), ..ViewOptions::default() }
}

fn leak() -> Snapshot {
    snapshot(vec![leaking()])
}

/// As [`leaking`], with a tree that has branches.
fn branching() -> ProcessSnapshot {
    let mut process = leaking();
    let frames = [in_file(PROGRAM, 0x1600), in_file(PROGRAM, 0x1400), in_file(LIBC, 0x89134)];
    let beside = StackSnapshot { ..stack(40, Arc::from(frames), 500, 4096) };
    process.stacks.push(beside);
    process.heap = totals(&process.stacks);
    process
}

#[test]
fn a_tree() {
    insta::assert_snapshot!(view(View::Tree, &ten(), &snapshot(vec![branching()]), &facts()));
}

#[test]
fn an_inverted_tree_of_lines() {
    let options = ViewOptions { by: Some(By::Line), inverted: true, ..ten() };
    insta::assert_snapshot!(view(View::Tree, &options, &snapshot(vec![branching()]), &facts()));
}

#[test]
fn a_summary() {
    insta::assert_snapshot!(view(View::Summary, &ten(), &snapshot(vec![branching()]), &facts()));
}

#[test]
fn statistics() {
    insta::assert_snapshot!(view(View::Stats, &ten(), &snapshot(vec![branching()]), &facts()));
}

#[test]
fn estimates_have_their_ranges() {
    let facts = TracerFacts { sample_interval_bytes: 64 << 10, ..facts() };
    let options = ViewOptions { least: Least { bytes: 1024, count: 0 }, ..ten() };
    let snapshot = snapshot(vec![sampled()]);
    insta::assert_snapshot!("estimated_tree", view(View::Tree, &options, &snapshot, &facts));
    insta::assert_snapshot!("estimated_stats", view(View::Stats, &options, &snapshot, &facts));
    insta::assert_snapshot!("estimated_summary", view(View::Summary, &options, &snapshot, &facts));
}

#[test]
fn losses_are_said_below_each_view() {
    let mut snapshot = leak();
    snapshot.losses[0].1 = 500_000;
    snapshot.processes[0].heap.unknown_blocks = 7;
    let facts = TracerFacts { degraded: vec!["it ended early".to_owned()], ..facts() };
    for kind in [View::Tree, View::Summary, View::Stats] {
        let text = view(kind, &ten(), &snapshot, &facts);
        for part in
            ["LOST    events 500,000", "DEGRADED it ended early", "counts not exact", "UNKNOWN"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}

/// Bytes and blocks, of an estimate with ranges.
fn sum(bytes: u64, blocks: u64, is_estimate: bool) -> PeriodSum {
    let around = |value: u64| Confidence { low: value / 10 * 9, high: value / 10 * 11 };
    PeriodSum { bytes, blocks, around: is_estimate.then(|| (around(bytes), around(blocks))) }
}

/// As [`branching`], with an account of a period and its parts.
fn accounted(is_estimate: bool) -> ProcessSnapshot {
    let mut process = branching();
    let unfollowed = 3;
    let figures = |blocks: u64| PeriodFigures {
        allocated: sum(blocks * 64, blocks, is_estimate),
        kept: sum(blocks * 16, blocks / 4, is_estimate),
        temporary: sum(blocks * 32, blocks / 2, is_estimate),
        knows_temporary: true,
        unfollowed,
        untold_frees: 7,
    };
    for (number, stack) in (1..).zip(&mut process.stacks) {
        let blocks = 1000 * u64::from(number);
        let age = |class, freed, alive| AgeCount { class, freed, alive, masses: None };
        let freed = [age(0, blocks, 0), age(6, blocks / 2, 0), age(20, 3, 0)];
        stack.period = Some(Box::new((figures(blocks), Some(Ages(freed.into())))));
        stack.past.ages = Some(Ages([age(0, 9, 0), age(5, 0, blocks / 4)].into()));
        stack.part = Part { thread: Some(4321 + number % 2), size: Some(SizeClass::of(blocks)) };
    }
    process.period = Some(Box::new(figures(100)));
    process
}

fn measured(measure: Measure) -> ViewOptions {
    let stretch = Stretch { from: Some(12_345_678_901) };
    ViewOptions { measure: Some(measure), stretch, ..ten() }
}

#[test]
fn what_a_part_of_a_run_did() {
    let snapshot = snapshot(vec![accounted(false)]);
    let shown = |kind, options: &ViewOptions| view(kind, options, &snapshot, &facts());
    let rule = Temporary::Allocations(1);
    insta::assert_snapshot!(
        "temporary_blocks",
        shown(View::Summary, &measured(Measure::Temporary(rule)))
    );
    insta::assert_snapshot!("kept_since", shown(View::Tree, &measured(Measure::Leaks)));
    let by = |by, measure| ViewOptions { by: Some(by), ..measured(measure) };
    insta::assert_snapshot!("by_thread", shown(View::Summary, &by(By::Thread, Measure::Allocated)));
    insta::assert_snapshot!(
        "by_size_class",
        shown(View::Summary, &by(By::SizeClass, Measure::Temporary(Temporary::Age(250_000))))
    );
    insta::assert_snapshot!("lifetimes", shown(View::Summary, &measured(Measure::Lifetimes)));
    insta::assert_snapshot!(
        "own_peaks",
        shown(View::Tree, &ViewOptions { measure: Some(Measure::OwnPeaks), ..ten() })
    );
}

#[test]
fn what_a_part_of_a_sampled_run_did() {
    let facts = TracerFacts { sample_interval_bytes: 64 << 10, ..facts() };
    let mut process = accounted(true);
    let rule = Measure::Temporary(Temporary::Age(1_000_000));
    let shown = |process: &ProcessSnapshot, measure| {
        view(View::Summary, &measured(measure), &snapshot(vec![process.clone()]), &facts)
    };
    insta::assert_snapshot!("estimated_temporary_blocks", shown(&process, rule));
    let vague = |figures: &mut PeriodFigures| figures.knows_temporary = false;
    process.period.as_deref_mut().map(vague);
    process.stacks.iter_mut().for_each(|stack| vague(&mut stack.period.as_mut().unwrap().0));
    let text = shown(&process, Measure::Temporary(Temporary::Allocations(2)));
    assert!(text.contains("--temporary 10ms") && text.contains(" 0 B in 0 blocks"), "{text}");
}

/// One object on a line, pretty here.
fn json(options: &ViewOptions, process: ProcessSnapshot) -> String {
    let report = report(&snapshot(vec![process]), &whole(), &facts());
    let mut out = Vec::new();
    let style = TextStyle::default();
    let writer = ViewWriter { view: View::Json, options: options.clone(), style, ascii: false };
    writer.write(&report, &mut out).unwrap();
    assert_eq!(out.iter().filter(|byte| **byte == b'\n').count(), 1);
    let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
    serde_json::to_string_pretty(&value).unwrap()
}

#[test]
fn views_for_programs() {
    let few = |measure| ViewOptions { top: Some(2), ..measured(measure) };
    let rule = Temporary::Allocations(5);
    insta::assert_snapshot!("view_json", json(&few(Measure::Temporary(rule)), accounted(true)));
    insta::assert_snapshot!("lifetimes_json", json(&few(Measure::Lifetimes), accounted(false)));
}

#[test]
fn hostile_names_command_nothing() {
    let long = format!("ns::Outer<{}>::method(int)", "std::pair<int, long>, ".repeat(500));
    let mut symbolizer = symbolizer();
    let evil = source("\x1b]0;owned\x07\nrm -rf /", Some(("a\tb\u{202e}c.c", 1)));
    symbolizer.names.insert((PROGRAM, 0x1200), vec![evil]);
    symbolizer.names.insert((PROGRAM, 0x1400), vec![source(&long, None)]);
    let stacks = || vec![stack(0, leak_frames(), 12, 100)];
    let processes = vec![process(6, "\x1b[2J\n\u{9b}x", stacks()), process(7, "├─ fake", stacks())];
    let mut snapshot = snapshot(processes);
    let module =
        Module { path: PathBuf::from("/tmp/\x1b[31mred\r\n.so"), ..(*modules()[0]).clone() };
    snapshot.modules = Arc::from([Arc::new(module), modules()[1].clone()]);
    for by in [
        By::Function,
        By::Line,
        By::File,
        By::Module,
        By::Process,
        By::Stack,
        By::Thread,
        By::SizeClass,
    ] {
        for kind in [View::Tree, View::Summary, View::Stats, View::Json] {
            for full_names in [false, true] {
                let options = ReportOptions { full_names, ..whole() };
                let report = resolve(&snapshot, &mut symbolizer, &options, &facts());
                let style = TextStyle::default();
                let options = ViewOptions { by: Some(by), ..ten() };
                let mut out = Vec::new();
                let writer = ViewWriter { view: kind, options, style, ascii: true };
                writer.write(&report, &mut out).unwrap();
                let text = String::from_utf8(out).unwrap();
                let plain = |it: char| it == '\n' || !it.is_control() && it != '\u{202e}';
                assert!(text.chars().all(plain), "{text}");
                let fits = |line: &str| line.chars().count() <= 100;
                assert!(full_names || kind == View::Json || text.lines().all(fits), "{text}");
            }
        }
    }
}
