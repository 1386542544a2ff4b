//! Threads of a real process: blocks freed by others, in destructors, and by glibc's own caches.
#![cfg(feature = "live")]

mod support;

use support::may_trace;
use support::program::Program;
use support::tracer::{Tracer, exact};

#[test]
fn threads_and_their_ends_are_counted_exactly() {
    if !may_trace() {
        return;
    }
    let mut program = Program::start("threads", &[]);
    let report = exact(&mut program, &[]);
    let process = report.process(program.pid());
    // What glibc 2.26 to 2.41 does at the end of each of 4 threads: it frees the 25 × 7 blocks of
    // the cache and the cache itself. None of those is the program's.
    assert_eq!(process.heap("internal_frees"), 4 * (25 * 7 + 1));
    assert!(program.end().success());
}

#[test]
fn a_thread_stands_for_its_process() {
    if !may_trace() {
        return;
    }
    let mut program = Program::start("threads", &[]);
    let threads = program.threads();
    assert_eq!(threads.len(), 5);
    let thread = threads.iter().find(|thread| **thread != program.pid()).copied();
    let pid = thread.map(|thread| thread.to_string()).unwrap_or_default();
    let tracer = Tracer::with(&[], &["--pid", &pid]);
    let accounts = program.work();
    let run = tracer.stop();
    let said = format!("{pid} is a thread of pid {}", program.pid());
    assert!(run.messages.iter().any(|line| line.contains(&said)), "{:#?}", run.messages);
    let report = run.only_report();
    report.assert_nothing_lost();
    report.process(program.pid()).assert_exactly(&accounts);
}
