//! Children of traced processes: traced from their first instruction where nobody else maps the library,
//! with what their parents hold; and by themselves, later, where others do.
#![cfg(feature = "live")]

mod support;

use support::may_trace;
use support::program::Program;
use support::report::{Process, Report, number};
use support::stacks::{assert_whole, stacks_from};
use support::tracer::Tracer;
use tempfile::TempDir;

/// Runs a program that has a libc of its own through its work.
fn followed(name: &str, arguments: &[&str], then: impl FnOnce(&Report, u32, &[String])) {
    let folder = TempDir::new().expect("a folder");
    let mut program = Program::start_with_libc(name, arguments, folder.path());
    let tracer = Tracer::of(&[&program]);
    let accounts = program.work();
    let report = tracer.stop().only_report();
    report.assert_nothing_lost();
    then(&report, program.pid(), &accounts.lines);
    assert!(program.end().success());
}

/// The number in the line `child N`.
fn child(lines: &[String]) -> u32 {
    let line = lines.iter().find_map(|line| line.strip_prefix("child "));
    line.and_then(|number| number.parse().ok()).expect("a line with the child's number")
}

fn heap(process: &Process<'_>) -> [u64; 4] {
    ["allocated_blocks", "allocated_bytes", "freed_blocks", "live_blocks"]
        .map(|key| process.heap(key))
}

#[test]
fn a_forked_child_has_an_account_of_its_own() {
    if !may_trace() {
        return;
    }
    followed("fork", &[], |report, pid, lines| {
        let parent = report.process(pid);
        assert_eq!(heap(&parent), [15, 2000, 4, 11]);
        assert_eq!(number(&parent.0["untraced_children"]), 0);
        let child = report.process(child(lines));
        // 10 of its parent's were its own, too; it freed 3 of them.
        assert_eq!(heap(&child), [20, 1400, 13, 17]);
        assert_eq!((&child.0["state"], &child.0["exit_status"]), (&"exited".into(), &3.into()));
        let [stack] = stacks_from(&child, "in_child")[..] else { panic!("{child:?}") };
        assert_whole(stack, &["in_child", "child", "main"]);
    });
}

#[test]
fn a_vforked_child_works_in_its_parents_memory() {
    if !may_trace() {
        return;
    }
    followed("vfork", &["allocate"], |report, pid, _| {
        let parent = report.process(pid);
        assert_eq!(parent.heap("unknown_frees"), 0);
        assert_eq!(number(&parent.0["unseen_vforks"]), 0);
        assert_eq!(parent.heap("allocated_blocks"), 8 + 5);
        assert_eq!(parent.heap("allocated_bytes"), 800 + 2500);
        assert_eq!(parent.heap("freed_blocks"), 3 + 5);
    });
}

#[test]
fn children_that_come_and_go() {
    if !may_trace() {
        return;
    }
    followed("storm", &["1000"], |report, pid, _| {
        assert_eq!(heap(&report.process(pid)), [3, 300, 0, 3]);
        let processes = report.0["processes"].as_array().expect("processes");
        let children = processes.iter().filter(|process| process["pid"] != pid);
        let mut count = 0;
        for child in children.map(Process) {
            assert_eq!(heap(&child), [2, 80, 1, 4], "{}", child.0);
            assert_eq!(child.0["exit_status"], 0);
            count += 1;
        }
        // Those that ended first are summed up.
        let ended = &report.0["ended"];
        assert!(count >= 250, "{count}");
        assert_eq!(count + number(&ended["processes"]), 1000);
        let summed = number(&ended["processes"]);
        assert_eq!(number(&ended["heap"]["allocated_blocks"]), 2 * summed, "{ended}");
        assert_eq!(number(&ended["heap"]["freed_blocks"]), summed, "{ended}");
    });
}

#[test]
fn children_stay_untraced_if_asked() {
    if !may_trace() {
        return;
    }
    let folder = TempDir::new().expect("a folder");
    let mut program = Program::start_with_libc("fork", &[], folder.path());
    let tracer = Tracer::with(&[&program], &["--no-follow"]);
    program.work();
    let report = tracer.stop().only_report();
    assert_eq!(report.0["processes"].as_array().map(Vec::len), Some(1));
    assert_eq!(number(&report.process(program.pid()).0["untraced_children"]), 1);
    assert!(program.end().success());
}

/// Others map the machine's libc, and are to pay nothing.
#[test]
fn where_others_map_the_library_children_are_seen_late() {
    if !may_trace() {
        return;
    }
    let mut program = Program::start("fork", &[]);
    let tracer = Tracer::of(&[&program]);
    program.work();
    let report = tracer.stop().only_report();
    report.assert_nothing_lost();
    let notes = report.0["tracer"]["notes"].to_string();
    assert!(notes.contains("1 child of targets had no probes from the beginning"), "{notes}");
    assert_eq!(number(&report.process(program.pid()).0["untraced_children"]), 0);
    assert!(program.end().success());
}
