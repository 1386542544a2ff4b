//! Processes and files that come, go and change at the worst moments: numbers that are given again, processes that end
//! before they are probed, libraries that are replaced, allocators that arrive late.
#![cfg(feature = "live")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use support::names::{Names, WHOLE};
use support::program::{Program, compiled, copy_libc};
use support::report::{Account, Accounts, Process, Report, number};
use support::tracer::Tracer;
use support::{let_it_look, may_trace, patience};

/// Copies of programs with a libc of their own.
struct Owners(Names);

impl Owners {
    fn new() -> Self {
        let owners = Self(Names::new());
        copy_libc(&owners.libc());
        owners
    }

    fn folder(&self) -> &Path {
        self.0.0.path()
    }

    fn libc(&self) -> PathBuf {
        self.folder().join("libc.so.6")
    }

    fn start(&self, word: &str) -> Program {
        Program::start_file_with_libc(&self.0.file(word), &[], self.folder())
    }

    /// Traces those whose names have one letter more.
    fn trace() -> Tracer {
        Tracer::typed(&[], &[&WHOLE[..], &["--comm", &Names::name("?")]].concat())
    }
}

/// What the program did itself; what came before its `main` may have been seen or not.
#[track_caller]
fn assert_callers(process: Process<'_>, accounts: &Accounts) {
    assert!(!accounts.callers.is_empty());
    for (caller, account) in &accounts.callers {
        assert_eq!(process.callers().get(caller), Some(account), "{caller}: {}", process.0);
    }
}

fn with_pid(report: &Report, pid: u32) -> Vec<&Value> {
    let processes = report.0["processes"].as_array().unwrap();
    processes.iter().filter(|process| process["pid"] == pid).collect()
}

/// A process is its number and the time at which it began: one that gets the number of another has nothing of it.
#[test]
fn a_number_that_is_given_again_is_another_process() {
    if !may_trace() {
        return;
    }
    let owners = Owners::new();
    let mut stays = owners.start("a");
    let mut first = owners.start("b");
    let pid = first.pid();
    let tracer = Owners::trace();
    let of_first = first.work();
    assert!(first.end().success());
    let mut command = Command::new(compiled("plain/again"));
    command.arg(pid.to_string()).arg(owners.0.file("c"));
    let mut again = Program::launch("again", command.env("LD_LIBRARY_PATH", owners.folder()));
    let_it_look();
    let of_again = again.work();
    let of_stays = stays.work();
    let report = tracer.stop().only_report();
    report.assert_nothing_lost();
    let [one, other] = with_pid(&report, pid)[..] else { panic!("not two of pid {pid}") };
    let (one, other) = if one["state"] == "exited" { (one, other) } else { (other, one) };
    assert_eq!(one["comm"], Names::name("b"));
    assert_eq!((&other["comm"], &other["state"]), (&Names::name("c").into(), &"running".into()));
    assert!(one["start_time"].as_u64().unwrap() < other["start_time"].as_u64().unwrap());
    assert_callers(Process(one), &of_first);
    assert_callers(Process(other), &of_again);
    assert_eq!(Process(other).heap("unknown_frees"), 0);
    assert_callers(report.process(stays.pid()), &of_stays);
    assert!(again.end().success());
}

/// Processes that end by themselves, soon. They are waited for when dropped.
struct Brief(Vec<Child>);

impl Drop for Brief {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // It has ended already, or nothing else can be done about it.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// They are found, and gone when it is their turn: the others are traced, and nothing is said to have failed.
#[test]
fn those_that_end_between_being_found_and_being_probed_are_left_out() {
    if !may_trace() {
        return;
    }
    let owners = Owners::new();
    let mut stays = owners.start("a");
    let brief = owners.0.copy("b", "plain/short_life");
    let start = |milliseconds: u64| {
        let life = patience(Duration::from_millis(milliseconds)).as_millis().to_string();
        let mut command = Command::new(&brief);
        command.arg(life).env("LD_LIBRARY_PATH", owners.folder()).stdin(Stdio::null());
        command.spawn().unwrap()
    };
    // Finding them takes milliseconds; programs are loaded, and links made, for some tenths of a second after that.
    let brief = Brief((1..=100).map(|step| start(step * 20)).collect());
    let tracer = Owners::trace();
    let accounts = stays.work();
    let run = tracer.stop();
    assert!(!run.messages.iter().any(|line| line.contains("ERROR")), "{:?}", run.messages);
    let report = run.only_report();
    report.assert_nothing_lost();
    assert_callers(report.process(stays.pid()), &accounts);
    let notes = report.0["tracer"]["notes"].to_string();
    let count = notes.split_once(" matching process").map(|(before, _)| before);
    let count = count.and_then(|text| text.rsplit(['"', ' ']).next()?.parse::<u32>().ok());
    assert!(count.is_some_and(|count| count > 0), "none ended too early to be probed: {notes}");
    drop(brief);
}

/// As a package's upgrade does: a new file under the old name. Who has mapped the old one keeps it.
#[test]
fn a_libc_that_is_replaced_is_traced_under_both_files() {
    if !may_trace() {
        return;
    }
    let owners = Owners::new();
    let mut old = owners.start("a");
    let tracer = Owners::trace();
    let next = owners.folder().join("next");
    copy_libc(&next);
    fs::rename(&next, owners.libc()).unwrap();
    let mut new = owners.start("b");
    let_it_look();
    let accounts = [old.work(), new.work()];
    let report = tracer.stop().only_report();
    report.assert_nothing_lost();
    for (program, accounts) in [&old, &new].into_iter().zip(&accounts) {
        assert_callers(report.process(program.pid()), accounts);
    }
    let links = report.0["tracer"]["links"].as_array().unwrap();
    assert_eq!(links.len(), 2, "one for each file: {links:?}");
    assert!(old.end().success() && new.end().success());
}

/// A program that has the C library's allocator all along loads a plugin with another one.
#[test]
fn an_allocator_that_is_loaded_late_is_probed() {
    if !may_trace() {
        return;
    }
    let library = compiled("library/late_mimalloc");
    let arguments = [library.to_str().unwrap(), "late", "work_in_plugin", "96"];
    let mut program = Program::start("loads", &arguments);
    let tracer = Tracer::of(&[&program]);
    program.tell();
    program.wait_for("loaded");
    let_it_look();
    program.tell();
    program.wait_for("done");
    let report = tracer.stop().only_report();
    report.assert_nothing_lost();
    let process = report.process(program.pid());
    let expected = Account {
        allocated_blocks: 5,
        allocated_bytes: 5 * 96,
        freed_blocks: 2,
        freed_bytes: 2 * 96,
        live_blocks: 3,
        live_bytes: 3 * 96,
    };
    // The dynamic linker, which may have no symbols, allocates for itself.
    let stacks = process.stacks().iter();
    let its: Vec<&Value> =
        stacks.filter(|stack| stack["frames"][0]["function"] == "work_in_plugin").collect();
    let sum = |key: &str| its.iter().map(|stack| number(&stack[key])).sum();
    assert_eq!(Account::of(sum), expected, "{}", process.0);
    let allocators = process.0["allocators"].to_string();
    assert!(allocators.contains("mimalloc"), "{allocators}");
}
