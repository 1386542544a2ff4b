//! Several rings: each process has one of them, and what they bring comes in the order of causes.
#![cfg(feature = "live")]

mod support;

use std::collections::BTreeSet;
use support::may_trace;
use support::program::Program;
use support::report::number;
use support::tracer::{Run, Tracer};
use tempfile::TempDir;

/// What a report says of a process's heap.
const HEAP: [&str; 4] = ["allocated_blocks", "allocated_bytes", "freed_blocks", "live_blocks"];

fn assert_nothing_is_wrong(run: &Run) {
    assert_eq!(run.status.code(), Some(0), "{:#?}", run.messages);
    run.reports[0].assert_nothing_lost();
}

/// A child's first records and its parent's fork are in different rings, again and again: taken in the other
/// way round, the child would be unknown, and its blocks lost.
#[test]
fn children_come_after_their_forks_through_other_rings() {
    if !may_trace() {
        return;
    }
    for rings in ["2", "16"] {
        let folder = TempDir::new().expect("a folder");
        let mut program = Program::start_with_libc("storm", &["200"], folder.path());
        let tracer = Tracer::with(&[&program], &["--rings", rings]);
        program.work();
        let run = tracer.stop();
        assert_nothing_is_wrong(&run);
        let report = &run.reports[0];
        assert_eq!(HEAP.map(|key| report.process(program.pid()).heap(key)), [3, 300, 0, 3]);
        let processes = report.0["processes"].as_array().expect("processes");
        let children: Vec<_> =
            processes.iter().filter(|it| number(&it["pid"]) != u64::from(program.pid())).collect();
        let pids: BTreeSet<u64> = children.iter().map(|it| number(&it["pid"])).collect();
        assert_eq!((children.len(), pids.len()), (200, 200));
        for child in children {
            assert_eq!(HEAP.map(|key| number(&child["heap"][key])), [2, 80, 1, 4], "{child}");
        }
        assert!(program.end().success());
    }
}

/// A vfork child works in its parent's memory, and tells of it through another ring.
#[test]
fn memory_of_two_rings_is_one() {
    if !may_trace() {
        return;
    }
    let folder = TempDir::new().expect("a folder");
    let mut program = Program::start_with_libc("vfork", &["allocate"], folder.path());
    let tracer = Tracer::with(&[&program], &["--rings", "64"]);
    program.work();
    let run = tracer.stop();
    assert_nothing_is_wrong(&run);
    let parent = run.reports[0].process(program.pid());
    assert_eq!(parent.heap("unknown_frees"), 0);
    assert_eq!(HEAP[..3].iter().map(|key| parent.heap(key)).collect::<Vec<_>>(), [13, 3300, 8]);
    assert!(program.end().success());
}

/// Processes that work at the same time, each through a ring of its own.
#[test]
fn processes_in_several_rings_are_counted_exactly() {
    if !may_trace() {
        return;
    }
    let mut programs = [(); 4].map(|()| Program::start("threads", &[]));
    let all: Vec<&Program> = programs.iter().collect();
    let tracer = Tracer::with(&all, &["--rings", "4"]);
    let accounts: Vec<_> = programs.iter_mut().map(Program::work).collect();
    let run = tracer.stop();
    assert_nothing_is_wrong(&run);
    for (program, accounts) in programs.into_iter().zip(accounts) {
        run.reports[0].process(program.pid()).assert_exactly(&accounts);
        assert!(program.end().success());
    }
}
