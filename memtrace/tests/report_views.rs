//! Views of processes made by hand, as people see them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod report_fixtures;

use memtrace::engine::snapshot::{ProcessSnapshot, Snapshot, StackSnapshot};
use memtrace::model::module::Module;
use memtrace::report::view::{By, Least};
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
    for by in [By::Function, By::Line, By::File, By::Module, By::Process, By::Stack] {
        for kind in [View::Tree, View::Summary, View::Stats] {
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
                assert!(full_names || text.lines().all(fits), "{text}");
            }
        }
    }
}
