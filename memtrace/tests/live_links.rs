//! The same counts, to the byte, whatever kind of link carries the probes, for several processes in
//! one run; and what a kernel lacks is refused, said, and replaced by the next best.
#![cfg(feature = "live")]

mod support;

use serde_json::Value;
use std::process::{Command, Output};
use support::kernel::{LINKS, best_link, kernel};
use support::may_trace;
use support::program::Program;
use support::tracer::Tracer;

const PROGRAMS: [&str; 6] =
    ["each_function", "nested", "realloc_chain", "realloc_race", "signal_longjmp", "threads"];

#[test]
fn session_links_are_exact_or_refused() {
    check(LINKS[0]);
}

#[test]
fn multi_links_are_exact_or_refused() {
    check(LINKS[1]);
}

#[test]
fn perf_links_are_exact() {
    check(LINKS[2]);
}

fn check((link, since): (&str, (u32, u32))) {
    if !may_trace() {
        return;
    }
    if kernel() < since { refused(link) } else { exact(link) }
}

fn exact(link: &str) {
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

/// It says so and does nothing to the target.
fn refused(link: &str) {
    let mut program = Program::start("two_sizes", &[]);
    let run = memtrace(&["--pid", &program.pid().to_string(), "--link", link]);
    let said = String::from_utf8_lossy(&run.stderr);
    assert_eq!(run.status.code(), Some(1), "{said}");
    let start = format!("memtrace: error: no kind of uprobe link works on this kernel: {link}: ");
    assert!(said.starts_with(&start), "{said}");
    assert!(run.stdout.is_empty());
    program.work();
    assert!(program.end().success());
}

#[test]
fn the_best_link_that_there_is_is_used_and_doctor_agrees() {
    if !may_trace() {
        return;
    }
    let program = Program::start("two_sizes", &[]);
    let tracer = Tracer::of(&[&program]);
    let best = best_link();
    assert!(tracer.announcement.ends_with(&format!("{best} link")), "{}", tracer.announcement);
    assert_eq!(tracer.stop().only_report().0["tracer"]["link"], best);
    let findings = doctor();
    for (link, since) in LINKS {
        let detail = finding(&findings, &format!("{link} link"));
        let expected = match () {
            () if link == best => "works, and is used: ",
            () if kernel() >= since => "works: ",
            () => "does not work: ",
        };
        assert!(detail.starts_with(expected), "{link}: {detail}");
    }
}

/// What older kernels lack and is done in another way there, with the kernel that brought it.
const ABILITIES: [(&str, (u32, u32)); 3] = [
    ("cookies of links", (5, 15)),
    ("exchanging atomics", (5, 12)),
    ("registers of a task", (5, 15)),
];

#[test]
fn doctor_tells_what_is_done_in_another_way() {
    if !may_trace() {
        return;
    }
    let findings = doctor();
    for (name, (major, minor)) in ABILITIES {
        let detail = finding(&findings, name);
        if kernel() >= (major, minor) {
            assert_eq!(detail, "the kernel has them", "{name}");
        } else {
            assert!(detail.contains(&format!("(Linux {major}.{minor})")), "{name}: {detail}");
        }
    }
}

/// No kernel refuses a program that it needs; a session program is absent where there are none.
#[test]
fn the_verifier_accepts_every_program() {
    if !may_trace() {
        return;
    }
    let findings = doctor();
    let sections = findings["sections"].as_array().unwrap();
    let section = sections.iter().find(|section| section["topic"] == "programs").unwrap();
    let programs = section["table"].as_array().unwrap();
    assert!(programs.len() >= 17, "{programs:#?}");
    for program in programs {
        let verdict = program["verdict"].as_str().unwrap();
        let is_absent = program["kind"] == "session link" && kernel() < LINKS[0].1;
        let name = program["program"].as_str().unwrap();
        // The one that does nothing calls nothing that a kernel could lack.
        if is_absent && name != "nothing_session" {
            assert!(verdict.starts_with("absent: "), "{name}: {verdict}");
        } else if !is_absent {
            assert_eq!(verdict, "ok", "{name}");
            assert!(program["instructions"].as_u64().is_some_and(|count| count >= 2), "{program}");
        }
    }
}

fn memtrace(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_memtrace")).args(arguments).output().expect("it starts")
}

/// What doctor finds.
fn doctor() -> Value {
    let run = memtrace(&["doctor", "--programs", "--format", "json"]);
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    serde_json::from_slice(&run.stdout).expect("JSON")
}

/// What it says on the line called `name`.
fn finding<'a>(findings: &'a Value, name: &str) -> &'a str {
    let sections = findings["sections"].as_array().expect("sections and lines");
    let mut lines = sections
        .iter()
        .flat_map(|section| section["lines"].as_array().expect("sections and lines"));
    let line = lines.find(|line| line["name"] == name);
    line.unwrap_or_else(|| panic!("no line {name}: {findings}"))["detail"].as_str().expect("a text")
}
