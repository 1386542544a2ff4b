//! What a real process can become while it is traced: a parent, another program, a process without
//! its first thread.
#![cfg(feature = "live")]

mod support;

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use support::kernel::has_link;
use support::program::{Program, compiled, copy_libc};
use support::report::{Process, Report, number};
use support::tracer::{Tracer, exact};
use support::{let_it_look, may_trace};

/// Users that own nothing.
const NOBODY: u32 = 65_534;
const OTHER: u32 = 64_125;

/// What a child does to its copy of the memory is not the parent's.
#[test]
fn a_forked_child_changes_nothing() {
    if !may_trace() {
        return;
    }
    let mut program = Program::start("fork", &[]);
    let tracer = Tracer::with(&[&program], &["--no-follow"]);
    let accounts = program.work().without("in_child");
    let report = tracer.stop().only_report();
    report.assert_nothing_lost();
    let process = report.process(program.pid());
    process.assert_exactly(&accounts);
    assert_eq!(number(&process.0["untraced_children"]), 1);
    assert_eq!(number(&process.0["unseen_vforks"]), 0);
    assert!(program.end().success());
}

#[test]
fn vforked_children_are_counted_and_harmless() {
    if !may_trace() {
        return;
    }
    let mut program = Program::start("vfork", &[]);
    let report = exact(&mut program, &["--no-follow"]);
    let process = report.process(program.pid());
    // 5 by vfork, 3 by posix_spawn, which does the same.
    assert_eq!(number(&process.0["unseen_vforks"]), 8);
    assert_eq!(number(&process.0["untraced_children"]), 0);
    assert!(program.end().success());
}

/// What a vforked child allocates in the shared memory cannot be seen, and the report says so: its
/// blocks are freed as unknown ones, and the children are counted.
#[test]
fn the_blind_window_of_vfork_is_shown() {
    if !may_trace() {
        return;
    }
    let mut program = Program::start("vfork", &["allocate"]);
    let tracer = Tracer::with(&[&program], &["--no-follow"]);
    let accounts = program.work();
    let report = tracer.stop().only_report();
    report.assert_nothing_lost();
    let process = report.process(program.pid());
    process.assert_totals(&accounts);
    assert_eq!(process.callers(), accounts.callers);
    assert_eq!(process.heap("unknown_frees"), accounts.figure("window ", "blocks"));
    assert_eq!(number(&process.0["unseen_vforks"]), 8);
    let notes = report.0["tracer"]["notes"].as_array().unwrap();
    let says = |note: &serde_json::Value| note.as_str().unwrap().contains("8 vfork children");
    assert!(notes.iter().any(says), "{notes:?}");
    assert!(program.end().success());
}

/// The old program's account is closed, and the new one's begins with its first allocation.
/// What a pid was before exec, and what it is since.
fn around_exec(report: &Report, pid: u32) -> (Process<'_>, Process<'_>) {
    let mut processes = report.processes(pid);
    assert_eq!(processes.len(), 2, "accounts of one pid");
    let mut in_state = |state: &str| {
        let place = processes.iter().position(|process| process.0["state"] == state);
        processes.swap_remove(place.expect("an account in each state"))
    };
    (in_state("exited"), in_state("running"))
}

#[test]
fn exec_begins_a_new_account() {
    if !may_trace() {
        return;
    }
    let mut program = Program::start("exec", &[]);
    let tracer = Tracer::of(&[&program]);
    program.tell();
    let first = program.accounts_until("ready");
    let second = program.work();
    let report = tracer.stop().only_report();
    report.assert_nothing_lost();
    let (before, after) = around_exec(&report, program.pid());
    assert_eq!(before.0["end"], "exec");
    assert_eq!(before.0["exit_status"], serde_json::Value::Null);
    assert_eq!(before.callers(), first.callers);
    assert_eq!(before.heap("live_blocks"), 30);
    after.assert_exactly(&second);
    assert!(program.end().success());
}

/// Nobody executes a program that makes it another user: from then on only privileged tracers may look, and
/// the program takes no library from the environment.
#[test]
fn exec_of_a_setuid_program_is_followed() {
    if !may_trace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    open_to(folder.path(), 0o755);
    let [plain, setuid] = ["plain", "setuid"].map(|name| folder.path().join(name));
    for file in [&plain, &setuid] {
        std::fs::copy(compiled("exec"), file).unwrap();
    }
    copy_libc(&folder.path().join("libc.so.6"));
    std::os::unix::fs::chown(&setuid, Some(OTHER), Some(OTHER)).unwrap();
    open_to(&setuid, 0o6755);
    let mut command = Command::new(&plain);
    command.arg(&setuid).env("LD_LIBRARY_PATH", folder.path()).uid(NOBODY).gid(NOBODY);
    let mut program = Program::launch("exec", &mut command);
    let tracer = Tracer::of(&[&program]);
    program.tell();
    let first = program.accounts_until("ready");
    let status = std::fs::read_to_string(format!("/proc/{}/status", program.pid())).unwrap();
    // Its libc is another one, which is found when it is mapped.
    let_it_look();
    let users = format!("\nUid:\t{NOBODY}\t{OTHER}\t");
    assert!(status.contains(&users), "it should have become another user: {status}");
    let second = program.work();
    let report = tracer.stop().only_report();
    report.assert_nothing_lost();
    let (before, after) = around_exec(&report, program.pid());
    assert_eq!(before.callers(), first.callers);
    after.assert_exactly(&second);
    assert_eq!(after.0["uid"], NOBODY);
    assert!(program.end().success());
}

fn open_to(path: &std::path::Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("its owner may");
}

#[test]
fn a_process_goes_on_without_its_first_thread() {
    if !may_trace() {
        return;
    }
    // Its libc is its own, so links are for all, and no kernel's filter goes by the first thread.
    let folder = tempfile::tempdir().unwrap();
    let mut program = Program::start_with_libc("leader_exit", &[], folder.path());
    let report = exact(&mut program, &[]);
    let notes = report.0["tracer"]["notes"].to_string();
    assert!(!notes.contains("main thread"), "{notes}");
    assert_eq!(report.process(program.pid()).0["state"], "running");
    assert!(program.end().success());
}

/// The kernel's filter by process does not work on such a process; the links go without it.
#[test]
fn a_process_without_its_first_thread_can_be_attached_to() {
    if !may_trace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut program = Program::start_with_libc("leader_exit", &["before"], folder.path());
    // Its first thread may not have ended yet when its other one says that it is ready.
    program.wait_for_zombie();
    // It has the same library, and must stay out of the report.
    let mut bystander = Program::start_with_libc("two_sizes", &[], folder.path());
    let tracer = Tracer::of(&[&program]);
    bystander.work();
    let accounts = program.work();
    let report = tracer.stop().only_report();
    report.assert_nothing_lost();
    assert_eq!(report.0["processes"].as_array().unwrap().len(), 1);
    report.process(program.pid()).assert_exactly(&accounts);
    let notes = report.0["tracer"]["notes"].to_string();
    assert!(notes.contains("pays for the probes"), "{notes}");
    assert!(program.end().success());
    assert!(bystander.end().success());
}

#[test]
fn multi_links_outlive_the_first_thread() {
    if !may_trace() || !has_link("multi") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut program = Program::start_with_libc("leader_exit", &[], folder.path());
    exact(&mut program, &["--link", "multi"]);
    assert!(program.end().success());
}

/// The kernel filters them by the first thread's memory. What they miss is not passed over.
#[test]
fn perf_links_say_that_they_go_blind_with_the_first_thread() {
    if may_trace() {
        goes_blind(&["--link", "perf", "--no-follow"]);
    }
}

fn goes_blind(options: &[&str]) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut program = Program::start_with_libc("leader_exit", &[], folder.path());
    let tracer = Tracer::with(&[&program], options);
    let accounts = program.work();
    let report = tracer.stop().only_report();
    report.assert_nothing_lost();
    let process = report.process(program.pid());
    assert_eq!(process.callers(), accounts.without("by_worker").callers);
    let notes = report.0["tracer"]["notes"].to_string();
    assert!(notes.contains("perf links see nothing of the others"), "{notes}");
    assert!(program.end().success());
}
