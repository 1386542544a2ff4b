//! The verdict on programs as they are in the books: a leak, caches, churn, a sawtooth, a slow leak under churn.
#![cfg(feature = "live")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use serde_json::Value;
use support::may_trace;
use support::program::Program;
use support::report::{Process, number};
use support::tracer::Tracer;

/// A step of `plain/trends.c`; it takes 240.
const STEP_MILLISECONDS: &str = "50";
/// Allocating functions with the verdicts on them.
type Functions = &'static [(&'static str, &'static str)];
/// What programs do, and the verdicts on them and on their allocating functions.
const KINDS: [(&str, &str, Functions); 7] = [
    ("leak", "growing", &[("leak", "growing")]),
    ("cache", "stable", &[("store", "stable")]),
    ("fill", "stable", &[("load", "stable")]),
    ("churn", "stable", &[("serve", "stable")]),
    ("drain", "draining", &[("stock", "draining")]),
    ("sawtooth", "stable", &[("collect", "stable")]),
    ("slow_leak", "growing", &[("serve", "growing"), ("burst", "stable")]),
];
/// Of these samples of 4 KiB tell enough: of the sawtooth two blocks are left at the end, and some 20 of the slow leak's
/// stay in all, of which they take three.
const TOLD_BY_SAMPLES: usize = 5;

fn stack<'a>(process: Process<'a>, caller: &str) -> &'a Value {
    let stacks = process.stacks_of(caller);
    assert_eq!(stacks.len(), 1, "{caller}: {stacks:#?}");
    stacks[0]
}

/// What a verdict rests on is there, and agrees with itself.
fn assert_evidence(evidence: &Value) {
    let points = number(&evidence["points"]);
    assert!(points >= 20, "{points} points in more than ten seconds: {evidence}");
    let interval = evidence["slope_bytes_per_second_ci95"].as_array().unwrap();
    let slope = evidence["slope_bytes_per_second"].as_f64().unwrap();
    let [low, high] = [0, 1].map(|end| interval[end].as_f64().unwrap());
    assert!(low <= slope && slope <= high, "{evidence}");
    let survival = evidence["survival"].as_array().unwrap();
    assert_eq!(survival[0]["share"], 1.0, "{evidence}");
    assert!(survival.len() >= 2, "{evidence}");
}

/// All at once, in one run: each takes its time by the clock.
#[test]
fn a_leak_is_told_from_what_only_looks_like_one() {
    if !may_trace() {
        return;
    }
    assert_verdicts(&KINDS, &[]);
}

/// Estimates waver, and no verdict may come of that.
#[test]
fn so_it_is_by_samples() {
    if !may_trace() {
        return;
    }
    assert_verdicts(&KINDS[..TOLD_BY_SAMPLES], &["--sample-interval", "4KiB"]);
}

fn assert_verdicts(kinds: &[(&str, &str, Functions)], options: &[&str]) {
    let start = |kind: &str| Program::start("plain/trends", &[kind, STEP_MILLISECONDS]);
    let mut programs: Vec<Program> = kinds.iter().map(|(kind, ..)| start(kind)).collect();
    let tracer = Tracer::with(&programs.iter().collect::<Vec<_>>(), options);
    programs.iter_mut().for_each(Program::tell);
    for program in &mut programs {
        program.wait_for("done");
    }
    let report = tracer.stop().only_report();
    report.assert_nothing_lost();
    for ((kind, verdict, stacks), program) in kinds.iter().zip(programs) {
        let process = report.process(program.pid());
        assert_eq!(process.0["verdict"], *verdict, "{kind}: {:#}", process.0);
        assert_eq!(process.0["untold_frees"], 0, "{kind}");
        assert_evidence(process.0);
        for (caller, verdict) in *stacks {
            let stack = stack(process, caller);
            assert_eq!(stack["verdict"], *verdict, "{caller} of {kind}: {stack:#}");
            assert_evidence(stack);
        }
        assert!(program.end().success());
    }
}

/// What ended before there could be a trend says what it left.
#[test]
fn a_short_run_says_what_was_left() {
    if !may_trace() {
        return;
    }
    let mut program = Program::start("plain/trends", &["fill", "1"]);
    let pid = program.pid();
    let tracer = Tracer::of(&[&program]);
    program.work();
    assert!(program.end().success());
    let report = tracer.wait().only_report();
    let process = report.process(pid);
    assert_eq!(process.0["verdict"], "new");
    let said = process.0["explanation"].to_string();
    assert!(said.contains("320 KiB in 40 blocks were alive at its end"), "{said}");
}
