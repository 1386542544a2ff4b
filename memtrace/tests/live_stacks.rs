//! Call stacks through code without frame pointers: whole, with the right callers.
#![cfg(feature = "live")]

mod support;

use support::program::{Program, compiled};
use support::report::{Process, Report, path_of};
use support::stacks::{assert_path, assert_whole, path, stack_of};
use support::tracer::{Tracer, exact};
use support::{let_it_look, may_trace};

/// Depth of the recursion in `stacks.c`.
const DEPTH: usize = 40;

/// Functions of `stacks.c` that lead to a block, by the size of the block.
const PATHS: [(u64, &[&str]); 9] = [
    (1001, &["take", "recurse", "main"]),
    (1002, &["take", "in_variable_frame", "main"]),
    (1003, &["take", "in_aligned_frame", "main"]),
    (1004, &["take", "with_all_registers", "main"]),
    (1005, &["take", "compare", "…", "called_back", "main"]),
    (1006, &["take", "handle", "…", "interrupted", "main"]),
    (GAP, &["take", "behind_the_gap", "gap", "through_the_gap", "main"]),
    (1008, &["take", "in_thread", "…"]),
    (1009, &["take", "behind_the_saved_stack", "saved_stack", "through_the_saved_stack", "main"]),
];

/// The block that is allocated behind assembly without unwinding information.
const GAP: u64 = 1007;

fn traced(name: &str, options: &[&str]) -> Option<(Program, Report)> {
    if !may_trace() {
        return None;
    }
    let mut program = Program::start(name, &[]);
    let report = exact(&mut program, options);
    Some((program, report))
}

fn assert_all_whole(process: &Process<'_>) {
    for (size, expected) in PATHS {
        assert_whole(stack_of(process, size), expected);
    }
    let recursion = path_of(stack_of(process, 1001));
    assert_eq!(recursion.iter().filter(|name| **name == "recurse").count(), DEPTH);
}

fn every_stack_is_whole(name: &str) {
    let Some((program, report)) = traced(name, &[]) else { return };
    assert_eq!(report.0["tracer"]["unwind"], "auto");
    assert_all_whole(&report.process(program.pid()));
    assert!(program.end().success());
}

#[test]
fn every_stack_is_whole_at_any_place() {
    every_stack_is_whole("stacks");
}

#[test]
fn every_stack_is_whole_at_a_fixed_place() {
    every_stack_is_whole("stacks_fixed");
}

#[test]
fn every_stack_is_whole_without_shared_libraries() {
    every_stack_is_whole("stacks_static");
}

#[test]
fn every_stack_is_whole_at_any_place_without_shared_libraries() {
    every_stack_is_whole("stacks_static_pie");
}

#[test]
fn by_tables_alone_a_gap_ends_a_stack() {
    let Some((program, report)) = traced("stacks", &["--unwind", "dwarf"]) else { return };
    let process = report.process(program.pid());
    for (size, expected) in PATHS {
        let stack = stack_of(&process, size);
        if size == GAP {
            assert_eq!(stack["end"], "no_table");
            assert_eq!(path(stack), ["take", "behind_the_gap", "gap"]);
        } else {
            assert_whole(stack, expected);
        }
    }
    assert!(program.end().success());
}

/// The direct caller is right whatever the walk makes of the rest.
#[test]
fn by_frame_pointers_alone_stacks_end_early_and_say_so() {
    let Some((program, report)) = traced("stacks", &["--unwind", "fp"]) else { return };
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
}

/// The exception itself, what a destructor takes while the stack is unwound, what handlers take.
#[test]
fn exceptions_in_flight() {
    let Some((program, report)) = traced("exceptions", &[]) else { return };
    let process = report.process(program.pid());
    let outside = ["left_behind", "throws_anew", "catches", "main"];
    let thrown = ["__cxa_allocate_exception", "throws"];
    assert_whole(stack_of(&process, 628), &[&thrown[..], &outside].concat());
    assert_whole(stack_of(&process, 3001), &[&["take", "Guard::~Guard()"][..], &outside].concat());
    assert_whole(stack_of(&process, 3002), &["take", "throws_anew", "catches", "main"]);
    for size in [3003, 3004] {
        assert_whole(stack_of(&process, size), &["take", "catches", "main"]);
    }
    assert!(program.end().success());
}

/// The dynamic linker's own frames, which keep their address in rbx, and an allocation below them.
#[test]
fn the_first_call_through_the_linkage_table() {
    if !may_trace() {
        return;
    }
    let library = compiled("library/lazy");
    let library = library.to_str().unwrap();
    let arguments = [library, "late", "call_first", "0", "call_again", "0"];
    let mut program = Program::start("loads", &arguments);
    let tracer = Tracer::of(&[&program]);
    program.tell();
    program.wait_for("loaded");
    let_it_look();
    program.work();
    let report = tracer.stop().only_report();
    let process = report.process(program.pid());
    let first = ["take_late", "choose", "…", "call_first", "call", "main"];
    assert_whole(stack_of(&process, 4001), &first);
    assert_whole(stack_of(&process, 4002), &["take_late", "call_again", "call", "main"]);
    // It was bound then: nobody was asked a second time.
    let again = stack_of(&process, 4001);
    assert_eq!(again["allocated_blocks"], 1, "{again}");
    assert_path(again, &["take_late", "choose"]);
    assert!(program.end().success());
}
