//! PID namespaces: memtrace in a container, where it speaks the numbers that are seen there, and on a host
//! whose containers it sees.
#![cfg(feature = "live")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use support::container::Container;
use support::may_trace;
use support::program::Program;
use support::report::{Accounts, Process, Report, number, path_of};
use support::stacks::{assert_whole, stacks_from};
use support::tracer::{Tracer, exact};
use tempfile::TempDir;

/// What the child of `fork.c` does to its own blocks and its parent's.
const CHILD: [u64; 4] = [20, 1400, 13, 17];

fn heap(process: &Process<'_>) -> [u64; 4] {
    ["allocated_blocks", "allocated_bytes", "freed_blocks", "live_blocks"]
        .map(|key| process.heap(key))
}

fn pids(report: &Report) -> Vec<u64> {
    let processes = report.0["processes"].as_array().unwrap();
    let mut pids: Vec<u64> = processes.iter().map(|process| number(&process["pid"])).collect();
    pids.sort_unstable();
    pids
}

/// The number in the line `child N`: as the parent sees its child.
fn child(accounts: &Accounts) -> u32 {
    accounts.lines.iter().find_map(|line| line.strip_prefix("child ")).unwrap().parse().unwrap()
}

/// Traces a program in `its` container, from a tracer in `ours`, through its work.
fn traced(
    ours: &Container,
    its: &Container,
    name: &str,
    folder: &Path,
    then: impl FnOnce(&Report, u32, &Accounts),
) {
    let mut program = Program::start_in(its, name, &[], folder);
    let pid = ours.number(program.pid());
    assert_ne!(pid, program.pid());
    let tracer = Tracer::start_in(ours, &["--pid", &pid.to_string()]);
    let accounts = program.work();
    let report = tracer.stop().only_report();
    report.assert_nothing_lost();
    then(&report, pid, &accounts);
    assert!(program.end().success());
}

#[test]
fn numbers_are_those_of_memtraces_container() {
    if !may_trace() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let container = Container::start();
    for name in ["two_sizes", "threads", "mappings"] {
        traced(&container, &container, name, folder.path(), |report, pid, accounts| {
            assert_eq!(pids(report), [u64::from(pid)]);
            report.process(pid).assert_exactly(accounts);
        });
    }
}

#[test]
fn children_in_memtraces_container_are_followed() {
    if !may_trace() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let container = Container::start();
    traced(&container, &container, "fork", folder.path(), |report, pid, accounts| {
        assert_eq!(heap(&report.process(pid)), [15, 2000, 4, 11]);
        let child = report.process(child(accounts));
        assert_eq!(heap(&child), CHILD);
        assert_eq!(child.0["exit_status"], 3);
        let [stack] = stacks_from(&child, "in_child")[..] else { panic!("{child:?}") };
        assert_whole(stack, &["in_child", "child", "main"]);
    });
}

#[test]
fn an_exec_in_memtraces_container_is_followed() {
    if !may_trace() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let container = Container::start();
    let mut program = Program::start_in(&container, "exec", &[], folder.path());
    let pid = container.number(program.pid());
    let tracer = Tracer::start_in(&container, &["--pid", &pid.to_string()]);
    program.tell();
    program.wait_for("ready");
    let second = program.work();
    let report = tracer.stop().only_report();
    report.assert_nothing_lost();
    let processes = report.processes(pid);
    assert_eq!(processes.len(), 2, "accounts of one pid");
    let after = processes.iter().find(|process| process.0["state"] == "running").unwrap();
    after.assert_exactly(&second);
    assert!(program.end().success());
}

/// Another thread than the main one makes the call, and gets its number.
#[test]
fn an_exec_by_another_thread_in_a_container_is_followed() {
    if !may_trace() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let container = Container::start();
    for is_inside in [true, false] {
        let mut program = Program::start_in(&container, "exec_thread", &[], folder.path());
        let pid = if is_inside { container.number(program.pid()) } else { program.pid() };
        let selector = ["--pid", &pid.to_string()];
        let tracer = if is_inside {
            Tracer::start_in(&container, &selector)
        } else {
            Tracer::with(&[&program], &[])
        };
        program.tell();
        program.wait_for("ready");
        let second = program.work();
        let report = tracer.stop().only_report();
        report.assert_nothing_lost();
        assert_eq!(pids(&report), [u64::from(pid); 2]);
        let [before, after] = &report.processes(pid)[..] else { panic!("{report:?}") };
        let (before, after) =
            if after.0["state"] == "running" { (before, after) } else { (after, before) };
        // What made the thread has no name where libc has no debug information.
        let first = before.stacks().iter().filter(|it| path_of(it)[0] == "first_image");
        assert_eq!(first.map(|it| number(&it["allocated_bytes"])).sum::<u64>(), 30 * 90);
        after.assert_exactly(&second);
        assert!(program.end().success());
    }
}

/// The program's own numbers are neither memtrace's nor the kernel's.
#[test]
fn a_container_inside_memtraces_is_seen() {
    if !may_trace() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let outer = Container::start();
    let inner = outer.inside();
    traced(&outer, &inner, "fork", folder.path(), |report, pid, accounts| {
        assert_eq!(heap(&report.process(pid)), [15, 2000, 4, 11]);
        let all = pids(report);
        assert_eq!(all.len(), 2, "{all:?}");
        let own = u64::from(child(accounts));
        assert!(!all.contains(&own), "{all:?} are numbers of another container, as {own} is");
        let other = all.into_iter().find(|it| *it != u64::from(pid)).unwrap();
        assert_eq!(heap(&report.process(u32::try_from(other).unwrap())), CHILD);
    });
}

/// Programs with the same libc outside of it, one of them with the target's very number.
#[test]
fn what_is_outside_of_memtraces_container_is_not_seen() {
    if !may_trace() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let [container, other] = [Container::start(), Container::start()];
    let mut program = Program::start_in(&container, "two_sizes", &[], folder.path());
    let pid = container.number(program.pid());
    // Nobody else maps the libc yet: the probes are for all.
    let tracer = Tracer::start_in(&container, &["--comm", "two_sizes"]);
    let mut outside = Program::start_with_libc("two_sizes", &[], folder.path());
    let mut namesake = Program::start_in(&other, "two_sizes", &[], folder.path());
    assert_eq!(other.number(namesake.pid()), pid);
    outside.work();
    namesake.work();
    let accounts = program.work();
    let report = tracer.stop().only_report();
    report.assert_nothing_lost();
    assert_eq!(pids(&report), [u64::from(pid)]);
    report.process(pid).assert_exactly(&accounts);
    for program in [program, outside, namesake] {
        assert!(program.end().success());
    }
}

/// … and what comes to match later is traced, by its number there.
#[test]
fn a_search_in_memtraces_container_goes_on() {
    if !may_trace() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let container = Container::start();
    let first = Program::start_in(&container, "two_sizes", &[], folder.path());
    let tracer = Tracer::start_in(&container, &["--comm", "two_sizes"]);
    let mut later = Program::start_in(&container, "two_sizes", &[], folder.path());
    let pid = container.number(later.pid());
    support::let_it_look();
    let accounts = later.work();
    let report = tracer.stop().only_report();
    let process = report.process(pid);
    for (caller, account) in &accounts.callers {
        assert_eq!(process.callers().get(caller), Some(account), "{caller}");
    }
    assert!(later.end().success());
    drop(first);
}

#[test]
fn a_command_is_run_in_memtraces_container() {
    if !may_trace() {
        return;
    }
    let container = Container::start();
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("report");
    let mut command = Command::new(env!("CARGO_BIN_EXE_memtrace"));
    command.args(["run", "-q", "-f", "json", "--top", "0", "-o"]).arg(&file);
    command.args(["--", "sh", "-c", "echo $$"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = container.spawn(&mut command);
    let status = support::wait_for_end("memtrace run", &mut child);
    assert_eq!(status.code(), Some(0));
    let report = Report::read(std::fs::read_to_string(&file).unwrap().trim_end());
    report.assert_nothing_lost();
    let mut own_number = String::new();
    child.stdout.take().unwrap().read_to_string(&mut own_number).unwrap();
    assert_eq!(pids(&report), [own_number.trim().parse::<u64>().unwrap()]);
    let process = Process(&report.0["processes"][0]);
    assert!(process.heap("allocated_blocks") > 0);
    assert_eq!(process.heap("unknown_frees"), 0);
}

/// `/proc` is still the one of above, where other processes have these numbers.
#[test]
fn a_proc_of_another_namespace_is_refused() {
    if !may_trace() {
        return;
    }
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", env!("CARGO_BIN_EXE_memtrace"), "--pid", "1"]);
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("mount -t proc proc /proc"), "{said}");
}

/// From the host a container's processes have the host's numbers.
#[test]
fn a_container_is_traced_from_its_host() {
    if !may_trace() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let container = Container::start();
    let mut program = Program::start_in(&container, "two_sizes", &[], folder.path());
    assert_ne!(container.number(program.pid()), program.pid());
    exact(&mut program, &[]);
    assert!(program.end().success());
    let mut program = Program::start_in(&container, "fork", &[], folder.path());
    let tracer = Tracer::of(&[&program]);
    let accounts = program.work();
    let report = tracer.stop().only_report();
    report.assert_nothing_lost();
    let all = pids(&report);
    assert_eq!(all.len(), 2, "{all:?}");
    assert!(!all.contains(&u64::from(child(&accounts))), "{all:?}");
    let other = all.into_iter().find(|it| *it != u64::from(program.pid())).unwrap();
    assert_eq!(heap(&report.process(u32::try_from(other).unwrap())), CHILD);
    assert!(program.end().success());
}
