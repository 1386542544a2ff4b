//! Call stacks through code that comes and goes: written while the program runs, loaded, executed,
//! deleted, replaced, or in files that only the program can see.
#![cfg(feature = "live")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;
use support::program::{Program, compiled};
use support::report::{Report, number};
use support::stacks::{assert_whole, stack_of, stacks_from};
use support::tracer::{Tracer, exact};
use support::{let_it_look, may_trace};
use tempfile::TempDir;

/// Functions of `stacks.c` that lead to a block.
const DEEP: [&str; 3] = ["take", "recurse", "main"];
/// Functions of `jit.c`.
const GENERATED: [&str; 4] = ["take", "generated_on_the_way", "calls_generated", "main"];

/// Traces `program` through its work, and the blocks of `stacks.c` have their callers.
fn assert_stacks(mut program: Program) {
    let report = exact(&mut program, &[]);
    let process = report.process(program.pid());
    assert_whole(stack_of(&process, 1001), &DEEP);
    assert!(process.stacks().iter().all(|stack| stack["end"] == "complete"));
    assert!(program.end().success());
}

/// A copy of `stacks` in a folder of its own.
fn copy(folder: &TempDir) -> std::path::PathBuf {
    let copy = folder.path().join("copy");
    std::fs::copy(compiled("stacks"), &copy).unwrap();
    copy
}

#[test]
fn a_file_that_was_deleted() {
    if may_trace() {
        let folder = TempDir::new().unwrap();
        let copy = copy(&folder);
        let program = Program::start_file(&copy, &[]);
        std::fs::remove_file(&copy).unwrap();
        assert_stacks(program);
    }
}

/// As package managers do it: the new file takes the old one's name.
#[test]
fn a_file_that_was_replaced() {
    if may_trace() {
        let folder = TempDir::new().unwrap();
        let (copy, other) = (copy(&folder), folder.path().join("other"));
        let program = Program::start_file(&copy, &[]);
        std::fs::copy(compiled("threads"), &other).unwrap();
        std::fs::rename(&other, &copy).unwrap();
        assert_stacks(program);
    }
}

/// As in a container: a file system that nobody else has mounted.
#[test]
fn a_file_that_only_the_program_can_see() {
    if may_trace() {
        let folder = TempDir::new().unwrap();
        let script = "mount -t tmpfs none $2; cp $1 $2/hidden; exec $2/hidden";
        let program = Program::start_apart("stacks", &["--mount"], script, folder.path(), &[]);
        assert!(!folder.path().join("hidden").exists());
        assert_stacks(program);
    }
}

/// The name of the generated function is in a map that the program wrote.
fn assert_generated(report: &Report, pid: u32) {
    let process = report.process(pid);
    for size in [6001, 6002] {
        assert_whole(stack_of(&process, size), &GENERATED);
    }
}

#[test]
fn generated_code_has_its_runtimes_names() {
    if may_trace() {
        let mut program = Program::start("jit", &[]);
        let report = exact(&mut program, &[]);
        assert_generated(&report, program.pid());
        assert!(program.end().success());
    }
}

/// The program has another number there, and another `/tmp`.
#[test]
fn generated_code_has_its_runtimes_names_in_a_container() {
    if may_trace() {
        let folder = TempDir::new().unwrap();
        let namespaces = ["--mount", "--pid", "--fork", "--kill-child"];
        // The program itself may be below /tmp.
        let script = "exec 3< $1; mount -t tmpfs none /tmp; exec /proc/self/fd/3";
        let mut program = Program::start_apart("jit", &namespaces, script, folder.path(), &[]);
        let report = exact(&mut program, &[]);
        assert_generated(&report, program.pid());
        assert!(!Path::new(&format!("/tmp/perf-{}.map", program.pid())).exists());
        assert!(program.end().success());
    }
}

#[test]
fn a_map_of_somebody_else_gives_no_names() {
    if may_trace() {
        let mut program = Program::start("jit", &["foreign"]);
        let report = exact(&mut program, &[]);
        let process = report.process(program.pid());
        for size in [6001, 6002] {
            let stack = stack_of(&process, size);
            // Its frame is there all the same, without a name.
            assert_whole(stack, &["take", "?", "calls_generated", "main"]);
            let frame = &stack["frames"][1];
            assert!(frame["address"].is_string() && frame["missing"].is_string(), "{frame}");
        }
        assert!(program.end().success());
    }
}

fn loader(arguments: &[&str]) -> Program {
    let library = compiled("library/plugin");
    Program::start("loads", &[&[library.to_str().unwrap()], arguments].concat())
}

#[test]
fn a_library_that_was_loaded_while_tracing() {
    if !may_trace() {
        return;
    }
    let mut program = loader(&["late", "work_in_plugin", "5003"]);
    let tracer = Tracer::of(&[&program]);
    program.tell();
    program.wait_for("loaded");
    let_it_look();
    program.work();
    let report = tracer.stop().only_report();
    let process = report.process(program.pid());
    let expected = ["take_in_plugin", "work_in_plugin", "call", "main"];
    assert_whole(stack_of(&process, 5003), &expected);
    assert!(program.end().success());
}

#[test]
fn a_program_that_was_executed_while_tracing() {
    if !may_trace() {
        return;
    }
    let mut command = Command::new("sh");
    command.args(["-c", "echo ready; read -r line; exec \"$1\"", "sh"]).arg(compiled("stacks"));
    let mut program = Program::launch("sh", &mut command);
    let tracer = Tracer::of(&[&program]);
    program.tell();
    program.wait_for("ready");
    let_it_look();
    program.work();
    let report = tracer.stop().only_report();
    report.assert_nothing_lost();
    let processes = report.processes(program.pid());
    let process = processes.iter().find(|process| process.0["end"].is_null()).unwrap();
    // What it did before it was ready is not looked at.
    let stacks = stacks_from(process, "take");
    assert_eq!(stacks.len(), 9);
    assert!(stacks.iter().all(|stack| stack["end"] == "complete"));
    assert_whole(stack_of(process, 1001), &DEEP);
    assert!(program.end().success());
}

/// Its blocks are counted; that their stacks have no names is said, with what identifies the file.
#[test]
fn a_program_that_was_gone_before_anybody_could_look() {
    if !may_trace() {
        return;
    }
    let file = compiled("plain/gone");
    let mut command = Command::new("sh");
    command.args(["-c", "echo ready; read -r line; exec \"$1\"", "sh"]).arg(&file);
    let mut program = Program::launch("sh", &mut command);
    let tracer = Tracer::of(&[&program]);
    tracer.signal(libc::SIGSTOP);
    program.tell();
    program.wait_for_zombie();
    tracer.signal(libc::SIGCONT);
    let report = tracer.wait().only_report();
    report.assert_nothing_lost();
    let processes = report.processes(program.pid());
    let process = processes.iter().find(|process| process.0["end"] != "exec").unwrap();
    assert!(number(&process.0["heap"]["allocated_blocks"]) >= 11, "{:#}", process.0["heap"]);
    let notes = report.0["tracer"]["notes"].to_string();
    let inode = file.metadata().unwrap().ino();
    let gone = format!("1 programs that pid {} executed were gone", program.pid());
    assert!(notes.contains(&gone), "{notes}");
    assert!(notes.contains(&format!("inode {inode} of device ")), "{notes}");
    assert!(program.wait().success());
}
