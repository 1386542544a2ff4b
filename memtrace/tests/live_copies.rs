//! Stacks through code of which the kernel side had not been told: copied, and walked by the tracer. It is
//! stopped meanwhile, so that it is late for certain.
#![cfg(feature = "live")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::process::Command;
use support::may_trace;
use support::program::{Program, compiled};
use support::report::{Report, number, path_of};
use support::stacks::{assert_whole, stack_of, stacks_from};
use support::tracer::Tracer;

/// Lets `program` work while its tracer is stopped.
fn traced_late(program: &mut Program) -> Report {
    let tracer = Tracer::of(&[program]);
    tracer.signal(libc::SIGSTOP);
    program.work();
    tracer.signal(libc::SIGCONT);
    let report = tracer.stop().only_report();
    report.assert_nothing_lost();
    report
}

fn plugin() -> String {
    compiled("library/plugin").to_str().unwrap().to_owned()
}

const CONSTRUCTED: [&str; 5] = ["take_in_plugin", "constructed", "…", "load", "main"];

#[test]
fn the_first_moments_of_a_library_are_whole() {
    if !may_trace() {
        return;
    }
    let mut program = Program::start("loads", &[&plugin(), "work_in_plugin", "5002"]);
    let report = traced_late(&mut program);
    let process = report.process(program.pid());
    assert_whole(stack_of(&process, 5001), &CONSTRUCTED);
    let called = ["take_in_plugin", "work_in_plugin", "call", "main"];
    assert_whole(stack_of(&process, 5002), &called);
    let tracer = &report.0["tracer"];
    let (copied, finished) = (&tracer["stacks_copied"], &tracer["stacks_finished"]);
    assert!(number(copied) >= 2, "{tracer}");
    assert_eq!(copied, finished);
    assert!(program.end().success());
}

/// Without an environment the first functions are near the end of the stack.
#[test]
fn the_first_moments_of_a_program_are_whole() {
    if !may_trace() {
        return;
    }
    let mut command = Command::new("sh");
    command.args(["-c", "echo ready; read -r line; exec \"$1\"", "sh"]).arg(compiled("stacks"));
    let mut program = Program::launch("sh", command.env_clear());
    let tracer = Tracer::of(&[&program]);
    tracer.signal(libc::SIGSTOP);
    program.tell();
    program.wait_for("ready");
    program.work();
    tracer.signal(libc::SIGCONT);
    let report = tracer.stop().only_report();
    report.assert_nothing_lost();
    let processes = report.processes(program.pid());
    let process = processes.iter().find(|process| process.0["end"].is_null()).unwrap();
    let torn = process.stacks().iter().find(|stack| stack["end"] != "complete");
    assert!(torn.is_none(), "{torn:?}\n{}", report.0["tracer"]);
    assert_eq!(stacks_from(process, "take").len(), 9);
    assert_whole(stack_of(process, 1001), &["take", "recurse", "main"]);
    assert!(program.end().success());
}

/// The other library may lie where the first one was: its names must not show in the first one's stacks,
/// which end where nobody knows any more what was there.
#[test]
fn a_library_that_has_gone_gets_nobody_elses_names() {
    if !may_trace() {
        return;
    }
    let double = compiled("library/double");
    let (first, second) = (plugin(), double.to_str().unwrap());
    let arguments = [&first, "work_in_plugin", "5002", second, "work_in_double", "6002"];
    let mut program = Program::start("swaps", &arguments);
    let report = traced_late(&mut program);
    let process = report.process(program.pid());
    let called = ["take_in_double", "work_in_double", "call", "main"];
    assert_whole(stack_of(&process, 6002), &called);
    let doubles =
        |stack: &&serde_json::Value| path_of(stack).iter().any(|name| name.ends_with("_double"));
    let stacks = process.stacks();
    let sum: u64 =
        stacks.iter().filter(doubles).map(|stack| number(&stack["allocated_bytes"])).sum();
    assert_eq!(sum, 6001 + 6002);
    assert!(stacks.iter().any(|stack| stack["complete"] == false));
    assert!(program.end().success());
}
