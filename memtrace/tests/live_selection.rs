//! Processes that are looked for and not named: each selector finds exactly what it says, beside a
//! process that it does not mean.
#![cfg(feature = "live")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use support::names::{Names, WHOLE, only};
use support::program::{Program, compiled};
use support::report::{Accounts, Report};
use support::tracer::Tracer;
use support::{may_trace, patience};

#[test]
fn names_are_looked_for() {
    if !may_trace() {
        return;
    }
    let names = Names::new();
    let (mut meant, mut other) = (names.start("yes"), names.start("no"));
    only(&["--comm", &Names::name("y*")], &mut meant, &mut other);
    assert!(meant.end().success() && other.end().success());
}

#[test]
fn programs_are_looked_for_by_file() {
    if !may_trace() {
        return;
    }
    let names = Names::new();
    let (mut meant, mut other) = (names.start("one"), names.start("two"));
    let link = names.0.path().join("link");
    fs::hard_link(names.file("one"), &link).unwrap();
    only(&["--exe", link.to_str().unwrap()], &mut meant, &mut other);
    assert!(meant.end().success() && other.end().success());
}

#[test]
fn users_are_looked_for_with_other_selectors() {
    if !may_trace() {
        return;
    }
    let names = Names::new();
    // Nobody's numbers. Both have the same name, so that the user alone tells them apart.
    let (mut meant, mut other) = (names.start_as("u", 64_123), names.start_as("u", 64_124));
    let selectors = ["--comm", &Names::name("*"), "--uid", "64123"];
    let report = only(&selectors, &mut meant, &mut other);
    assert_eq!(report.process(meant.pid()).0["uid"], 64_123);
    assert!(meant.end().success() && other.end().success());
}

/// The user that has given away all rights (`passwd(5)` of Debian's base-passwd), by name.
#[test]
fn users_are_looked_for_by_name() {
    if !may_trace() {
        return;
    }
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let field = |line: &str| line.split(':').nth(2)?.parse().ok();
    let Some(nobody) = users.lines().find(|line| line.starts_with("nobody:")).and_then(field)
    else {
        return support::not_run("there is no user nobody here");
    };
    let names = Names::new();
    let (mut meant, mut other) = (names.start_as("u", nobody), names.start_as("u", 64_124));
    only(&["--comm", &Names::name("*"), "--uid", "nobody"], &mut meant, &mut other);
    assert!(meant.end().success() && other.end().success());
}

#[test]
fn exclusions_are_left_out() {
    if !may_trace() {
        return;
    }
    let names = Names::new();
    let (mut meant, mut other) = (names.start("a"), names.start("b"));
    let pid = other.pid().to_string();
    only(&["--comm", &Names::name("?"), "--exclude-pid", &pid], &mut meant, &mut other);
    assert!(meant.end().success() && other.end().success());
    let (mut meant, mut other) = (names.start("a"), names.start("b"));
    let excluded = Names::name("[b-z]");
    only(&["--comm", &Names::name("?"), "--exclude-comm", &excluded], &mut meant, &mut other);
}

/// What is excluded is so by what it has become, too, which with `--all` is how nearly everything begins.
#[test]
fn who_becomes_excluded_is_let_go() {
    if !may_trace() {
        return;
    }
    let names = Names::new();
    let files = ["first", "last"].map(|word| names.0.path().join(Names::name(word)));
    for file in &files {
        fs::copy(compiled("exec"), file).unwrap();
    }
    let mut program = Program::start_file(&files[0], &[files[1].to_str().unwrap()]);
    let mut meant = names.start("meant");
    let selectors = ["--comm", &Names::name("*"), "--exclude-comm", &Names::name("l*")];
    let tracer = Tracer::typed(&[], &[&WHOLE[..], &selectors].concat());
    program.tell();
    program.wait_for("ready");
    let pid = program.pid();
    program.work();
    let accounts = meant.work();
    let report = tracer.stop().only_report();
    report.assert_nothing_lost();
    report.process(meant.pid()).assert_exactly(&accounts);
    let processes = report.0["processes"].as_array().unwrap();
    assert!(processes.iter().all(|process| process["pid"] != pid), "{processes:#?}");
    assert!(program.end().success() && meant.end().success());
}

#[test]
fn all_that_match_are_traced() {
    if !may_trace() {
        return;
    }
    let names = Names::new();
    let (mut first, mut second) = (names.start("a"), names.start("b"));
    let tracer = Tracer::typed(&[], &[&WHOLE[..], &["--comm", &Names::name("?")]].concat());
    let accounts = [first.work(), second.work()];
    let report = tracer.stop().only_report();
    report.assert_nothing_lost();
    report.process(first.pid()).assert_exactly(&accounts[0]);
    report.process(second.pid()).assert_exactly(&accounts[1]);
}

/// A program that says nothing, and in which no allocator is found. It is killed when dropped.
struct Bare(Child);

impl Bare {
    fn start(file: &Path) -> Self {
        let child = Self(Command::new(file).stdin(Stdio::null()).spawn().unwrap());
        let comm = || fs::read_to_string(format!("/proc/{}/comm", child.0.id())).ok();
        let runs = || comm().filter(|comm| comm.trim() == Names::name("b"));
        support::wait_until("the program to run", runs);
        child
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        // It has ended already, or nothing else can be done about it.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A program without an allocator matches, too. It is left out, whether it began before or after another
/// one, and the report says so.
#[test]
fn what_cannot_be_traced_is_left_out() {
    if !may_trace() {
        return;
    }
    let names = Names::new();
    let bare = names.0.path().join(Names::name("b"));
    fs::copy(compiled("plain/bare"), &bare).unwrap();
    let before = Bare::start(&bare);
    let mut meant = names.start("a");
    let after = Bare::start(&bare);
    let tracer = Tracer::typed(&[], &[&WHOLE[..], &["--comm", &Names::name("?")]].concat());
    let accounts = meant.work();
    let report = tracer.stop().only_report();
    report.process(meant.pid()).assert_exactly(&accounts);
    let notes = report.0["tracer"]["notes"].to_string();
    assert!(notes.contains("2 matching processes cannot be traced"), "{notes}");
    for other in [before, after] {
        assert!(notes.contains(&format!("pid {}", other.0.id())), "{notes}");
    }
}

#[test]
fn a_process_that_comes_later_is_waited_for() {
    if !may_trace() {
        return;
    }
    let names = Names::new();
    let file = names.file("late");
    let starting = std::thread::spawn(move || {
        std::thread::sleep(patience(Duration::from_millis(1500)));
        Program::start_file(&file, &[])
    });
    let selectors = ["--wait", "--comm", &Names::name("late")];
    let tracer = Tracer::typed(&[], &[WHOLE.as_slice(), &selectors].concat());
    let mut program = starting.join().unwrap();
    let accounts = program.work();
    let run = tracer.stop();
    assert!(
        run.messages.iter().any(|line| line.starts_with("waiting: none of")),
        "{:?}",
        run.messages
    );
    run.only_report().process(program.pid()).assert_exactly(&accounts);
}

/// It is traced from a moment after its start on; nobody needs to be there in between.
#[test]
fn one_that_is_started_later_is_traced_too() {
    if !may_trace() {
        return;
    }
    let names = Names::new();
    let mut first = names.start("a");
    let tracer = Tracer::typed(&[], &[&WHOLE[..], &["--comm", &Names::name("?")]].concat());
    let (of_first, pid_of_first) = (first.work(), first.pid());
    assert!(first.end().success());
    // Longer than it would take to see that nobody is left.
    support::let_it_look();
    support::let_it_look();
    support::let_it_look();
    let (mut later, mut other) = (names.start("b"), names.start("cc"));
    support::let_it_look();
    let of_later = later.work();
    other.work();
    let report = tracer.stop().only_report();
    report.assert_nothing_lost();
    report.process(pid_of_first).assert_exactly(&of_first);
    assert_eq!(report.0["processes"].as_array().unwrap().len(), 2);
    assert_callers(&report, &later, &of_later);
    let notes = report.0["tracer"]["notes"].to_string();
    assert!(notes.contains("1 process came to match while tracing"), "{notes}");
}

/// What the program did itself; what came before its `main` may have been seen or not.
fn assert_callers(report: &Report, program: &Program, accounts: &Accounts) {
    let process = report.process(program.pid());
    for (caller, account) in &accounts.callers {
        assert_eq!(process.callers().get(caller), Some(account), "{caller}");
    }
}

/// This test itself is left out, or the programs that it starts would be traced as its children.
#[test]
fn every_process_is_traced() {
    if !may_trace() || !support::may_trace_everything() {
        return;
    }
    let names = Names::new();
    let mut first = names.start("a");
    let ourselves = std::process::id().to_string();
    let selectors = ["--all", "--exclude-pid", &ourselves];
    let tracer = Tracer::typed(&[], &[&WHOLE[..], &selectors].concat());
    let of_first = first.work();
    let mut later = names.start("b");
    support::let_it_look();
    let of_later = later.work();
    let report = tracer.stop().only_report();
    report.assert_nothing_lost();
    report.process(first.pid()).assert_exactly(&of_first);
    assert_callers(&report, &later, &of_later);
    let pids = report.0["processes"].as_array().unwrap().iter().map(|it| &it["pid"]);
    assert!(pids.clone().all(|pid| *pid != std::process::id()));
    let notes = report.0["tracer"]["notes"].to_string();
    assert!(notes.contains("every process is meant"), "{notes}");
}

#[test]
fn one_that_is_renamed_is_traced_then() {
    if !may_trace() {
        return;
    }
    let names = Names::new();
    let mut first = names.start("a");
    let name = Names::name("b");
    let mut renamed = Program::start("renames", &[&name]);
    let tracer = Tracer::typed(&[], &[&WHOLE[..], &["--comm", &Names::name("?")]].concat());
    renamed.tell();
    renamed.wait_for("ready");
    support::let_it_look();
    let of_renamed = renamed.work();
    let of_first = first.work();
    let report = tracer.stop().only_report();
    report.assert_nothing_lost();
    report.process(first.pid()).assert_exactly(&of_first);
    report.process(renamed.pid()).assert_exactly(&of_renamed);
}

#[test]
fn what_matches_nothing_is_an_error() {
    if !may_trace() {
        return;
    }
    for (selectors, parts) in [
        (["--comm", "no-such-name"], ["matches comm no-such-name", "--wait"]),
        (["--cgroup", "no/such/group"], ["no control group", "--wait"]),
        (["--container", "ffffffffffff"], ["no container's id begins with ffffffffffff", "--wait"]),
        (["--uid", "rooot"], ["no user \"rooot\"", "root"]),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_memtrace"));
        let output = command.args(selectors).stdin(Stdio::null()).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{selectors:?}");
        let errors = String::from_utf8(output.stderr).unwrap();
        for part in parts {
            assert!(errors.contains(part), "{selectors:?}: {errors}");
        }
    }
}
