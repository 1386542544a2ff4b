//! More processes than there is room for as a rule: all are found, traced and counted.
#![cfg(feature = "live")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use memtrace_common::limits::USUAL_TARGETS;
use std::path::Path;
use std::process::Command;
use support::may_trace;
use support::program::{Program, compiled};
use support::report::{Account, Process, Report};
use support::tracer::Tracer;

/// Children of each.
const CROWD: usize = 5_000;
/// What each of them takes.
const TAKEN: Account = Account {
    allocated_blocks: 3,
    allocated_bytes: 300,
    freed_blocks: 0,
    freed_bytes: 0,
    live_blocks: 3,
    live_bytes: 300,
};

/// A crowd under a name that nothing else on this machine has, with a libc of its own.
fn crowd(folder: &Path, children: usize) -> (Program, String) {
    let name = format!("mt{}crowd", std::process::id());
    let file = folder.join(&name);
    std::fs::copy(compiled("plain/crowd"), &file).unwrap();
    let program = Program::start_file_with_libc(&file, &[&children.to_string()], folder);
    (program, name)
}

fn memtrace(options: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_memtrace"));
    command.args(["--interval", "0", "--min-age", "0", "--top", "1", "--format", "json"]);
    // A look at the memory of each would take most of the time.
    command.args(["--ledger", "heap"]).args(options);
    command
}

fn counted(report: &Report) -> usize {
    let processes = report.0["processes"].as_array().unwrap();
    let heap = |process| Account::of(|key| Process(process).heap(key));
    processes.iter().filter(|process| heap(process) == TAKEN).count()
}

#[test]
fn thousands_of_processes_are_traced_at_once() {
    if !may_trace() {
        return;
    }
    assert!(CROWD > USUAL_TARGETS as usize);
    let folder = tempfile::tempdir().unwrap();
    let (mut program, name) = crowd(folder.path(), CROWD);
    let tracer = Tracer::launch(memtrace(&["--comm", &name]));
    assert!(tracer.announcement.starts_with(&format!("tracing {} processes", CROWD + 1)));
    program.work();
    let run = tracer.stop();
    let progress = |line: &&String| line.contains(&format!(" of {}", CROWD + 1));
    assert!(run.messages.iter().any(|line| progress(&line)), "{:?}", run.messages);
    let report = run.only_report();
    report.assert_nothing_lost();
    assert_eq!(counted(&report), CROWD);
    let notes = report.0["tracer"]["notes"].to_string();
    assert!(!notes.contains("no room"), "{notes}");
}

/// Where memory does not suffice for all, those that fit are traced, and the others counted.
#[test]
fn those_that_do_not_fit_are_counted() {
    if !may_trace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (_program, name) = crowd(folder.path(), CROWD);
    let tracer = Tracer::launch(memtrace(&["--comm", &name, "--max-memory", "64MiB"]));
    // Nothing is allocated: so little memory would not do for the blocks.
    let report = tracer.stop().only_report();
    let room = USUAL_TARGETS as usize;
    assert_eq!(report.0["processes"].as_array().unwrap().len(), room);
    let notes = report.0["tracer"]["notes"].to_string();
    let left = CROWD + 1 - room;
    assert!(notes.contains(&format!("{left} more matching processes are not traced")), "{notes}");
}
