//! More processes than there is room for as a rule: all are found, traced and counted.
#![cfg(feature = "live")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use memtrace_common::limits::USUAL_TARGETS;
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use support::may_trace;
use support::program::{Program, compiled};
use support::report::{Account, Process, Report};
use support::tracer::Tracer;

/// Children of each.
const CROWD: usize = 5_000;
/// Of the largest one.
const LARGE_CROWD: usize = 10_000;
/// The most memory that memtrace may need for that, KiB: what it took (219 MiB, debug build), and half as much again.
const MOST_MEMORY: u64 = 330 << 10;
/// What each of them takes.
const TAKEN: Account = Account {
    allocated_blocks: 3,
    allocated_bytes: 300,
    freed_blocks: 0,
    freed_bytes: 0,
    live_blocks: 3,
    live_bytes: 300,
};

/// A crowd under a name that nothing else on this machine has, with a libc of its own. `which` tells it from the
/// crowds of other tests here: those of one that has just been killed take a while to go.
fn crowd(folder: &Path, which: &str, children: usize) -> (Program, String) {
    let name = format!("mt{}{which}", std::process::id());
    let file = folder.join(&name);
    std::fs::copy(compiled("plain/crowd"), &file).unwrap();
    let program = Program::start_file_with_libc(&file, &[&children.to_string()], folder);
    (program, name)
}

fn memtrace(options: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_memtrace"));
    command.args([
        "--exact",
        "--interval",
        "0",
        "--min-age",
        "0",
        "--top",
        "1",
        "--format",
        "json",
    ]);
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
fn ten_thousand_processes_are_traced_at_once() {
    if !may_trace() {
        return;
    }
    assert!(LARGE_CROWD > USUAL_TARGETS as usize);
    let folder = tempfile::tempdir().unwrap();
    let (mut program, name) = crowd(folder.path(), "large", LARGE_CROWD);
    let tracer = Tracer::launch(memtrace(&["--comm", &name]));
    assert!(tracer.announcement.starts_with(&format!("tracing {} processes", LARGE_CROWD + 1)));
    program.work();
    let most = peak_resident(tracer.pid());
    assert!(most < MOST_MEMORY, "{most} KiB");
    let run = tracer.stop();
    let progress = |line: &&String| line.contains(&format!(" of {}", LARGE_CROWD + 1));
    assert!(run.messages.iter().any(|line| progress(&line)), "{:?}", run.messages);
    let report = run.only_report();
    report.assert_nothing_lost();
    assert_eq!(counted(&report), LARGE_CROWD);
    let notes = report.0["tracer"]["notes"].to_string();
    assert!(!notes.contains("no room"), "{notes}");
}

/// Most memory that a process had resident, KiB (`proc_pid_status(5)`).
fn peak_resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
}

/// The kernel side counts children for which its table has no room, and a report that lacks so much says so.
#[test]
fn children_that_do_not_fit_are_counted_as_lost() {
    if !may_trace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(format!("mt{}many", std::process::id()));
    std::fs::copy(compiled("plain/multiply"), &file).unwrap();
    let room = (32 << 20) / 2 / (10 << 10);
    let beyond = 300;
    // The parent is the first.
    let children = (room - 1 + beyond).to_string();
    let mut program = Program::start_file_with_libc(&file, &[&children], folder.path());
    let name = file.file_name().unwrap().to_str().unwrap();
    let tracer = Tracer::launch(memtrace(&["--comm", name, "--max-memory", "32MiB"]));
    program.work();
    let run = tracer.stop();
    let [report] = &run.reports[..] else { panic!("{:?}", run.messages) };
    let loss = &report.0["loss"];
    assert_eq!(loss["by_cause"]["target_table_full"], beyond, "{loss}");
    assert_eq!(loss["events"], beyond, "{loss}");
    // So little memory has not room for all blocks, too, but all are counted.
    let processes = report.0["processes"].as_array().unwrap();
    let allocated = |it: &&Value| Process(it).heap("allocated_blocks") == TAKEN.allocated_blocks;
    assert_eq!(processes.iter().filter(allocated).count(), room - 1);
    let parent = report.process(program.pid());
    assert_eq!(parent.0["untraced_children"], beyond);
    let degraded = report.0["tracer"]["degraded"].to_string();
    for reason in ["of the events were lost", "blocks were evicted"] {
        assert!(degraded.contains(reason), "{degraded}");
    }
    assert_eq!(run.status.code(), Some(3));
}

/// Where memory does not suffice for all, those that fit are traced, and the others counted.
#[test]
fn those_that_do_not_fit_are_counted() {
    if !may_trace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (_program, name) = crowd(folder.path(), "usual", CROWD);
    let tracer = Tracer::launch(memtrace(&["--comm", &name, "--max-memory", "64MiB"]));
    // Nothing is allocated: so little memory would not do for the blocks.
    let report = tracer.stop().only_report();
    // A half of the memory, 10 KiB for each.
    let room = (64 << 20) / 2 / (10 << 10);
    assert_eq!(report.0["processes"].as_array().unwrap().len(), room);
    let notes = report.0["tracer"]["notes"].to_string();
    let left = CROWD + 1 - room;
    assert!(notes.contains(&format!("{left} more matching processes are not traced")), "{notes}");
}
