//! A reader of reports that is too slow: reports are left out and that is said, and tracing goes on.
#![cfg(feature = "live")]

mod programs;
mod support;

use programs::Memtrace;
use serde_json::Value;
use std::io::Read as _;
use std::os::fd::AsRawFd as _;
use std::process::Stdio;
use support::may_trace;
use support::program::Program;
use support::report::{Report, number};

/// The pipe is full before the program works, and is not read before it has ended its work.
#[test]
fn a_reader_that_waits_costs_reports_and_no_events() {
    if !may_trace() {
        return;
    }
    let mut program = Program::start("threads", &[]);
    let (mut reader, writer) = std::io::pipe().unwrap();
    // The smallest that there is: one report fills it.
    // SAFETY: no memory is involved; the descriptor is ours.
    let room = unsafe { libc::fcntl(writer.as_raw_fd(), libc::F_SETPIPE_SZ, 4096) };
    assert_eq!(room, 4096);
    let mut command = Memtrace::command();
    command.args(["--pid", &program.pid().to_string(), "--exact", "--interval", "100ms"]);
    command.args(["--min-age", "0", "--top", "0", "--format", "json"]);
    let mut memtrace = Memtrace::start_into(&mut command, Stdio::from(writer));
    drop(command);
    memtrace.wait_until_tracing();
    memtrace.wait_for_line("memtrace: warning: the last report is still being made or written");
    let accounts = program.work();
    memtrace.signal(libc::SIGUSR1);
    let read = std::thread::spawn(move || {
        let mut text = String::new();
        reader.read_to_string(&mut text).map(|_| text)
    });
    let ended = memtrace.stop();
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    let text = read.join().unwrap().unwrap();
    assert!(text.ends_with('\n'));
    // Each of them whole, and those that were written have all numbers.
    let reports: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("a whole report")).collect();
    let numbers: Vec<u64> = reports.iter().map(|report| number(&report["sequence"])).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
    let last = Report::read(text.lines().last().unwrap());
    let skipped = number(&last.0["tracer"]["skipped_reports"]);
    assert!(skipped > 0, "{}", last.0["tracer"]);
    let note = format!("{skipped} report");
    let notes = last.0["tracer"]["notes"].as_array().unwrap();
    assert!(notes.iter().any(|it| it.as_str().unwrap().starts_with(&note)), "{notes:?}");
    // Said once for each report that took so long, not for each that was left out.
    let said = ended.stderr.matches("left out").count() as u64;
    assert!(said <= numbers.len() as u64, "{}", ended.stderr);
    last.assert_nothing_lost();
    last.process(program.pid()).assert_exactly(&accounts);
    assert!(program.end().success());
}
