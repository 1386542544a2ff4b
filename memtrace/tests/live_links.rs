//! The same counts, to the byte, whatever kind of link carries the probes, for several processes in
//! one run.
#![cfg(feature = "live")]

mod support;

use std::io::Write as _;
use support::may_trace;
use support::program::Program;
use support::tracer::Tracer;

const PROGRAMS: [&str; 6] =
    ["each_function", "nested", "realloc_chain", "realloc_race", "signal_longjmp", "threads"];

#[test]
fn session_links_are_exact() {
    check("session", (6, 13));
}

#[test]
fn multi_links_are_exact() {
    // Before 6.10 their filter by process is broken in the kernel.
    check("multi", (6, 10));
}

#[test]
fn perf_links_are_exact() {
    check("perf", (5, 10));
}

fn check(link: &str, since: (u32, u32)) {
    if !may_trace() {
        return;
    }
    if kernel() < since {
        let _ = writeln!(std::io::stderr(), "NOT RUN: {link} links need Linux {since:?}");
        return;
    }
    let mut programs = PROGRAMS.map(|name| Program::start(name, &[]));
    let tracer = Tracer::with(&programs.each_ref(), &["--link", link]);
    assert!(tracer.announcement.ends_with(&format!("{link} link")), "{}", tracer.announcement);
    let accounts = programs.each_mut().map(Program::work);
    let report = tracer.stop().only_report();
    report.assert_nothing_lost();
    assert_eq!(report.0["tracer"]["link"], link);
    for (program, accounts) in programs.into_iter().zip(&accounts) {
        report.process(program.pid()).assert_exactly(accounts);
        assert!(program.end().success());
    }
}

/// Version of the running kernel.
fn kernel() -> (u32, u32) {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = release.split(['.', '-']).map_while(|word| word.parse().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}
