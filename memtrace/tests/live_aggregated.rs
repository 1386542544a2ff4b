//! Recordings of snapshots: a report of one is the report that the run made at that moment; what is not in them is
//! refused by name; and they become no larger than they may.
#![cfg(feature = "live")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;
use support::program::Program;
use support::recording::{RUNS, Traced, killed, report, text};
use support::report::number;
use support::tracer::Tracer;
use support::{limit, may_trace, wait_within};

const MEMTRACE: &str = env!("CARGO_BIN_EXE_memtrace");

fn memtrace(words: &[&str]) -> Output {
    Command::new(MEMTRACE).args(words).stdin(Stdio::null()).output().unwrap()
}

/// What `memtrace report` of a recording says, which must succeed.
#[track_caller]
fn told(recording: &Path, options: &[&str]) -> String {
    let output = report(recording, options);
    assert_eq!(output.status.code(), Some(0), "{options:?}: {}", text(&output.stderr));
    text(&output.stdout).to_owned()
}

/// … which it must refuse, for this reason.
#[track_caller]
fn refused(recording: &Path, options: &[&str], why: &str) {
    let output = report(recording, options);
    assert!(!output.status.success(), "{options:?}: {}", text(&output.stdout));
    assert!(text(&output.stderr).contains(why), "{options:?}: {}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "", "{options:?}");
}

fn info(recording: &Path) -> String {
    text(&report(recording, &["--info"]).stdout).to_owned()
}

/// Traced with five snapshots per second, for so long after the program's work.
fn traced(
    folder: &Path,
    program: &mut Program,
    options: &[&str],
    rest: Duration,
) -> (String, PathBuf) {
    let all = [&["--record-every", "200ms"], options].concat();
    support::recording::traced(folder, program, &all, rest)
}

#[track_caller]
fn assert_same((fixture, arguments, form, options): Traced) {
    let folder = tempfile::tempdir().unwrap();
    let mut program = Program::start(fixture, arguments);
    let all = [&["--interval", "0", "--format", form], options].concat();
    let (live, recording) = traced(folder.path(), &mut program, &all, Duration::from_secs(1));
    assert!(program.end().success());
    assert!(!live.is_empty());
    assert_eq!(told(&recording, &["--format", form]), live);
    assert!(info(&recording).starts_with("state      whole\n"), "{}", info(&recording));
}

#[test]
fn reports_of_recordings_are_those_of_the_runs() {
    if may_trace() {
        for run in RUNS {
            println!("{run:?}");
            assert_same(run);
        }
    }
}

#[test]
fn a_report_of_mappings_is_the_same() {
    if may_trace() {
        let options = &["--exact", "--top", "0", "--min-age", "0", "--ledger", "both"];
        assert_same(("mappings", &[], "json", options));
    }
}

#[test]
fn names_of_generated_code_are_kept() {
    if may_trace() {
        assert_same(("jit", &[], "json", &["--exact", "--top", "0", "--min-age", "0"]));
    }
}

/// The same report, whatever its number: one of every snapshot counts snapshots.
fn without_number(line: &str) -> Value {
    let mut report: Value = serde_json::from_str(line).unwrap();
    for place in ["/sequence", "/tracer/sequence"] {
        if let Some(number) = report.pointer_mut(place) {
            *number = Value::Null;
        }
    }
    report
}

#[test]
fn every_report_of_the_run_is_that_of_a_snapshot() {
    if !may_trace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut program = Program::start("grows", &["300", "100"]);
    let options = ["--interval", "1s", "--format", "json", "--top", "0", "--min-age", "0"];
    let rest = Duration::from_secs(5);
    let (live, recording) = traced(folder.path(), &mut program, &options, rest);
    assert!(program.end().success());
    let all = told(&recording, &["--all", "--format", "json"]);
    let all: Vec<Value> = all.lines().map(without_number).collect();
    let live: Vec<Value> = live.lines().map(without_number).collect();
    assert!(live.len() >= 2 && all.len() > live.len(), "{} of {}", live.len(), all.len());
    let mut rest = all.iter();
    for (number, line) in live.iter().enumerate() {
        assert!(rest.any(|snapshot| snapshot == line), "report {number} is none of a snapshot");
    }
}

#[test]
fn moments_views_and_differences_are_of_snapshots() {
    if !may_trace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (recording, socket) = (folder.path().join("run.mtrace"), folder.path().join("control"));
    let mut program = Program::start("grows", &["300", "100"]);
    let (path, control) = (recording.to_str().unwrap(), socket.to_str().unwrap());
    let options = ["-i", "0", "-f", "json", "--exact", "--record-every", "100ms", "--record", path];
    let tracer = Tracer::typed(&[&program], &[&options[..], &["--control", control]].concat());
    thread::sleep(Duration::from_millis(400));
    let marked = memtrace(&["ctl", "--control", control, "mark", "before"]);
    assert_eq!(marked.status.code(), Some(0), "{}", text(&marked.stderr));
    program.work();
    thread::sleep(Duration::from_millis(800));
    assert_eq!(tracer.stop().status.code(), Some(0));
    assert!(program.end().success());

    let blocks = |options: &[&str]| {
        let all = [&["-f", "json"], options].concat();
        let read: Value = serde_json::from_str(&told(&recording, &all)).unwrap();
        number(&read["processes"][0]["heap"]["allocated_blocks"])
    };
    let (before, end) = (blocks(&["--at", "before"]), blocks(&[]));
    assert!(before < 300 && end >= before + 300, "{before} and {end}");
    assert!(blocks(&["--at", "peak"]) > before);
    let words = |options: &[&str]| {
        told(&recording, options).split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert!(words(&["--at", "peak"]).contains("between two snapshots it may have been more"));
    assert!(words(&["--view", "peak"]).contains("at the high-water mark"));
    assert!(words(&["--at", "1s"]).contains("the latest snapshot before the moment"));

    let told_allocated = told(
        &recording,
        &["--view", "allocated", "--from", "before", "--by", "process", "-f", "json"],
    );
    let read: Value = serde_json::from_str(&told_allocated).unwrap();
    let since = number(&read["total"]["count"]);
    assert_eq!(since, end - before, "{told_allocated}");
    let grown = told(&recording, &["--view", "growth", "--from", "before"]);
    assert!(grown.contains("grows"), "{grown}");
    assert!(told(&recording, &["--view", "lifetimes"]).contains("blocks"));
    let pair = memtrace(&["diff", &format!("{path}@first"), path]);
    assert_eq!(pair.status.code(), Some(0), "{}", text(&pair.stderr));
    assert_written(&recording);
    assert_refused(&recording);
}

/// Every format.
fn assert_written(recording: &Path) {
    let page = told(recording, &["-f", "html"]);
    assert!(page.starts_with("<!") && page.len() > 10_000);
    for format in ["pprof", "speedscope", "firefox", "csv", "svg", "folded", "stats", "tree"] {
        let output = report(recording, &["-f", format]);
        assert_eq!(output.status.code(), Some(0), "{format}: {}", text(&output.stderr));
    }
}

/// What needs single events.
fn assert_refused(recording: &Path) {
    refused(recording, &["--view", "temporary"], "how long single blocks lived is not in it");
    refused(
        recording,
        &["--view", "leaks", "--from", "before"],
        "when single blocks were allocated",
    );
    refused(recording, &["--view", "leaks", "--by", "thread"], "did not tell threads apart");
    refused(recording, &["--min-size", "9"], "sizes of single blocks are not in it");
    refused(recording, &["--at", "1ms"], "its first snapshot is");
    refused(recording, &["--at", "90s"], "its last snapshot is");
    refused(recording, &["--at", "nobody"], "there is no such mark in it");
}

#[test]
fn what_a_killed_memtrace_recorded_is_there() {
    if !may_trace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // Some more than one, to compare it with the first.
    let rest = Duration::from_millis(700);
    let recording = killed(folder.path(), &["--record-every", "200ms"], rest);
    let grown = report(&recording, &["--view", "growth"]);
    assert_eq!(grown.status.code(), Some(3), "{}", text(&grown.stderr));
    assert_damaged(&recording);
}

/// A recording whose end is lost is not taken for a whole one. The first snapshot may be all but that.
fn assert_damaged(recording: &Path) {
    const LOST: usize = 24;
    let mut bytes = std::fs::read(recording).unwrap();
    let place = bytes.len() - LOST;
    bytes[place..].fill(0x5a);
    std::fs::write(recording, bytes).unwrap();
    let path = recording.to_str().unwrap();
    for options in [&["--at", "peak"], &["--view", "peak"]] {
        refused(recording, options, "the recording is damaged");
    }
    let pair = memtrace(&["diff", &format!("{path}@first"), path]);
    assert_eq!(pair.status.code(), Some(3), "{}", text(&pair.stderr));
    assert!(text(&pair.stderr).contains("the recording is damaged"), "{}", text(&pair.stderr));
}

#[test]
fn options_that_do_not_go_together_are_refused() {
    for (options, why) in [
        (&["--record-every", "1s"][..], "--record"),
        (&["--record", "x", "--record-every", "1ms"], "at least 100ms"),
        (
            &[
                "--record",
                "x",
                "--record-every",
                "1s",
                "--record-limit",
                "1MiB",
                "--record-files",
                "2",
            ],
            "cannot be used with",
        ),
    ] {
        let output = memtrace(&[&["--pid", "1"], options].concat());
        assert!(!output.status.success());
        assert!(text(&output.stderr).contains(why), "{}", text(&output.stderr));
    }
    assert!(!Path::new("x").exists());
}

#[test]
fn older_snapshots_make_room_for_new_ones() {
    if !may_trace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let recording = folder.path().join("run.mtrace");
    let output = folder.path().join("live");
    // Each takes some fifty bytes of a snapshot, though it does nothing.
    let mut programs = [(); 24].map(|()| Program::start("stacks", &[]));
    let options = ["--exact", "-f", "json", "-i", "0", "--top", "0", "--min-age", "0"];
    let files = ["-o", output.to_str().unwrap(), "--record", recording.to_str().unwrap()];
    let bounded = ["--record-every", "100ms", "--record-limit", "64KiB"];
    let tracer = Tracer::typed(&programs.each_ref(), &[&options[..], &files, &bounded].concat());
    for program in &mut programs {
        program.work();
    }
    // Nobody can tell how many snapshots fill it: that depends on what of them repeats. Some hundred, ten per second.
    wait_within(3 * limit(), "older snapshots to be left out", || {
        info(&recording).contains("\nthinned    ").then_some(())
    });
    assert_eq!(tracer.stop().status.code(), Some(0));
    assert!(programs.into_iter().all(|program| program.end().success()));
    assert!(recording.metadata().unwrap().len() <= 64 << 10);
    assert!(info(&recording).starts_with("state      whole\n"), "{}", info(&recording));
    let last = told(&recording, &["-f", "json"]);
    assert_eq!(last, std::fs::read_to_string(output).unwrap());
    // What is left is in its order, and as much as it says.
    let all = told(&recording, &["--all", "-f", "json"]);
    let watched: Vec<f64> = all
        .lines()
        .map(|line| {
            let read: Value = serde_json::from_str(line).unwrap();
            read["uptime_s"].as_f64().unwrap()
        })
        .collect();
    assert!(watched.len() > 10 && watched.is_sorted(), "{watched:?}");
    let said = format!("\nsnapshots  {} over", watched.len());
    assert!(info(&recording).contains(&said), "{said}: {}", info(&recording));
}
