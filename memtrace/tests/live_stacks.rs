//! Call stacks through code without frame pointers: whole, with the right callers.
#![cfg(feature = "live")]

mod support;

use serde_json::Value;
use support::may_trace;
use support::program::Program;
use support::report::{Process, Report, number, path_of};
use support::tracer::exact;

/// Depth of the recursion in `stacks.c`.
const DEPTH: usize = 40;

/// Callers of `take`, innermost first, by the size of the block; a name that ends in `…` stands for
/// any number of frames of libc.
const CALLERS: [(u64, &[&str]); 8] = [
    (1001, &["recurse", "main"]),
    (1002, &["in_variable_frame", "main"]),
    (1003, &["in_aligned_frame", "main"]),
    (1004, &["with_all_registers", "main"]),
    (1005, &["compare", "…", "called_back", "main"]),
    (1006, &["handle", "…", "interrupted", "main"]),
    (GAP, &["behind_the_gap", "gap", "through_the_gap", "main"]),
    (1008, &["in_thread", "…"]),
];

/// The block that is allocated behind assembly without unwinding information.
const GAP: u64 = 1007;

fn traced(options: &[&str]) -> Option<(Program, Report)> {
    if !may_trace() {
        return None;
    }
    let mut program = Program::start("stacks", &[]);
    let report = exact(&mut program, options);
    Some((program, report))
}

/// The stack of the block of this size.
fn stack_of<'a>(process: &Process<'a>, size: u64) -> &'a Value {
    let mut stacks = process.stacks().iter();
    let is_its = |stack: &&Value| number(&stack["allocated_bytes"]) == size;
    stacks.find(is_its).unwrap_or_else(|| panic!("no stack has {size} bytes"))
}

/// The callers of `take`, each once in a row.
fn callers(stack: &Value) -> Vec<&str> {
    let mut path = path_of(stack);
    assert_eq!(path.remove(0), "take");
    path.dedup();
    path
}

fn assert_callers(stack: &Value, expected: &[&str]) {
    let path = callers(stack);
    let mut rest = path.as_slice();
    let mut any = false;
    for name in expected {
        if *name == "…" {
            any = true;
            continue;
        }
        let place = rest.iter().position(|caller| caller == name);
        let place = place.unwrap_or_else(|| panic!("{name} is not among {path:?}"));
        assert!(any || place == 0, "{name} does not follow directly in {path:?}");
        rest = &rest[place + 1..];
        any = false;
    }
}

#[test]
fn every_stack_is_whole() {
    let Some((program, report)) = traced(&[]) else { return };
    assert_eq!(report.0["tracer"]["unwind"], "auto");
    let process = report.process(program.pid());
    for (size, expected) in CALLERS {
        let stack = stack_of(&process, size);
        assert_eq!(stack["end"], "complete", "{size}: {:?}", path_of(stack));
        assert_callers(stack, expected);
    }
    let recursion = path_of(stack_of(&process, 1001));
    assert_eq!(recursion.iter().filter(|name| **name == "recurse").count(), DEPTH);
    assert!(program.end().success());
}

#[test]
fn by_tables_alone_a_gap_ends_a_stack() {
    let Some((program, report)) = traced(&["--unwind", "dwarf"]) else { return };
    let process = report.process(program.pid());
    for (size, expected) in CALLERS {
        let stack = stack_of(&process, size);
        if size == GAP {
            assert_eq!(stack["end"], "no_table");
            assert_eq!(callers(stack), ["behind_the_gap", "gap"]);
        } else {
            assert_eq!(stack["end"], "complete", "{size}: {:?}", path_of(stack));
            assert_callers(stack, expected);
        }
    }
    assert!(program.end().success());
}

/// The direct caller is right whatever the walk makes of the rest.
#[test]
fn by_frame_pointers_alone_stacks_end_early_and_say_so() {
    let Some((program, report)) = traced(&["--unwind", "fp"]) else { return };
    assert_eq!(report.0["tracer"]["unwind"], "fp");
    let process = report.process(program.pid());
    assert!(!process.stacks().is_empty());
    for stack in process.stacks() {
        assert_eq!(path_of(stack)[0], "take");
        assert_ne!(stack["end"], "complete", "{:?}", path_of(stack));
    }
    assert!(program.end().success());
}

/// A handler that interrupts the vDSO and allocates: the vDSO is in no file, but has tables and names.
#[test]
fn a_stack_leads_through_the_vdso() {
    if !may_trace() {
        return;
    }
    let mut program = Program::start("vdso", &[]);
    let report = exact(&mut program, &["--show-internals"]);
    let process = report.process(program.pid());
    let mut through_vdso = 0;
    for stack in process.stacks() {
        let path = path_of(stack);
        assert_eq!(stack["end"], "complete", "{path:?}");
        assert_eq!(path[..2], ["take", "handle"], "{path:?}");
        assert!(path.contains(&"main"), "{path:?}");
        let frames = stack["frames"].as_array().unwrap();
        through_vdso += u32::from(frames.iter().any(|frame| frame["module"] == "[vdso]"));
    }
    assert!(through_vdso > 0, "no handler interrupted the vDSO: {:?}", process.stacks());
    assert!(program.end().success());
}
