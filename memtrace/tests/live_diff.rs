//! Two moments of a program of which it is known what it allocates: the differences are exactly that, from JSON reports
//! and from a recording.
#![cfg(feature = "live")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use support::program::Program;
use support::report::{Report, number};
use support::tracer::Tracer;
use support::{may_trace, wait_until};

/// `memtrace diff` in `folder`, as JSON.
fn diff(folder: &Path, words: &[&str]) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_memtrace"));
    command.arg("diff").args(words).args(["--format", "json"]).current_dir(folder);
    let output = command.stdin(Stdio::null()).output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), errors.as_str()), (Some(0), ""));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Bytes and blocks that each caller gained.
fn gained(diff: &Value) -> BTreeMap<&str, (i64, i64)> {
    let caller = |row: &'_ Value| {
        let gained = |key: &str| row[key].as_i64().unwrap();
        (gained("bytes_difference"), gained("blocks_difference"))
    };
    let rows = diff["differences"].as_array().unwrap();
    rows.iter().map(|row| (row["frames"][0]["function"].as_str().unwrap(), caller(row))).collect()
}

/// A report that has seen this much.
fn report(tracer: &mut Tracer, pid: u32, allocated: u64) -> Report {
    wait_until("all allocations in a report", || {
        tracer.signal(libc::SIGUSR1);
        let report = tracer.report();
        (report.process(pid).heap("allocated_blocks") == allocated).then_some(report)
    })
}

#[test]
fn differences_are_what_the_program_did_between() {
    if !may_trace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // A libc that nobody else uses.
    let libc = Path::new(env!("CARGO_TARGET_TMPDIR")).join("diff");
    fs::create_dir_all(&libc).unwrap();
    let mut program = Program::start_with_libc("phases", &[], &libc);
    let recording = folder.path().join("run.mtrace");
    let usual = ["-i", "0", "-f", "json", "--top", "0", "--min-age", "0", "--exact"];
    let options = [&usual[..], &["--record", recording.to_str().unwrap()]].concat();
    let mut tracer = Tracer::typed(&[&program], &options);
    program.tell();
    program.wait_for("phase 1");
    let before = report(&mut tracer, program.pid(), 100);
    let sequence = number(&before.0["sequence"]);
    program.tell();
    program.wait_for("phase 2");
    program.tell();
    program.wait_for("done");
    let mut run = tracer.stop();
    assert_eq!(run.status.code(), Some(0), "{:#?}", run.messages);
    let after = run.reports.pop().unwrap();
    after.assert_nothing_lost();
    assert!(program.end().success());
    for (name, report) in [("a.json", &before), ("b.json", &after)] {
        fs::write(folder.path().join(name), report.0.to_string()).unwrap();
    }

    let of_reports = diff(folder.path(), &["a.json", "b.json", "--by", "function"]);
    let expected = [
        // 30 and 20 of the 90 were freed.
        ("first", (-50 * 64, -50)),
        ("second", (45 * 128, 45)),
        ("third", (39 * 4096, 39)),
    ];
    assert_eq!(gained(&of_reports), BTreeMap::from(expected));
    let total = &of_reports["total"];
    assert_eq!((&total["bytes_before"], &total["blocks_before"]), (&(90 * 64).into(), &90.into()));
    assert_eq!(total["bytes_after"], 40 * 64 + 45 * 128 + 39 * 4096);
    assert!(total["bytes_difference_ci95"].is_null(), "{total}");

    let of_recording =
        diff(folder.path(), &[&format!("run.mtrace@{sequence}"), "run.mtrace", "--by", "function"]);
    for key in ["total", "differences", "others", "span_s"] {
        assert_eq!(of_recording[key], of_reports[key], "{key}");
    }
    let mixed = diff(folder.path(), &["a.json", "run.mtrace", "--by", "stack"]);
    assert_eq!(mixed["differences"].as_array().unwrap().len(), 3);
    assert_eq!(mixed["total"], of_reports["total"]);
}
