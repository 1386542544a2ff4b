//! IFUNCs of allocators and of what the user describes: what they stand for in a process is read from its memory,
//! and is probed.
#![cfg(feature = "live")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use support::may_trace;
use support::program::{Program, compiled};
use support::report::{Account, Process, number};
use support::tracer::{Tracer, exact};
use support::wait_until;

const IN_LIBRARY: [&str; 2] = ["--alloc-fn", "take:pool_take(size=0)"];

fn start(caller: &str, more: &[&str]) -> Program {
    let [library, caller] = ["library/take", caller].map(compiled);
    let arguments = [&[library.to_str().unwrap(), caller.to_str().unwrap()], more].concat();
    Program::start("indirect", &arguments)
}

/// What was counted of the pool.
fn pools(process: Process<'_>) -> Account {
    Account::of(|key| number(&process.0["pools"]["totals"][key]))
}

#[track_caller]
fn assert_chosen(process: Process<'_>) {
    let allocators = process.0["allocators"].as_array().unwrap();
    let names: Vec<&str> = allocators.iter().map(|name| name.as_str().unwrap()).collect();
    assert!(names.iter().any(|name| name.starts_with("pool_take (take_wide) of ")), "{names:?}");
}

/// One block more than the program expects where its first one is seen, too.
fn with_first(mut account: Account) -> Account {
    account.allocated_blocks += 1;
    account.allocated_bytes += 1000;
    account.live_blocks += 1;
    account.live_bytes += 1000;
    account
}

/// Bound when the caller is loaded, or by a call before tracing: all calls are seen.
#[test]
fn what_is_bound_already_is_probed() {
    if !may_trace() {
        return;
    }
    for (caller, more) in
        [("library/calls_take_now", &[][..]), ("library/calls_take_lazy", &["called"])]
    {
        let mut program = start(caller, more);
        let tracer = Tracer::with(&[&program], &IN_LIBRARY);
        program.tell();
        program.wait_for("first");
        let accounts = program.work();
        let report = tracer.stop().only_report();
        report.assert_nothing_lost();
        let process = report.process(program.pid());
        assert_chosen(process);
        assert_eq!(pools(process), with_first(accounts.callers["pools"]), "{caller}");
        assert!(program.end().success());
    }
}

/// What a static program binds for itself is in slots without names.
#[test]
fn static_programs_bind_their_own() {
    if !may_trace() {
        return;
    }
    for name in ["indirect_static", "indirect_static_pie"] {
        let mut program = Program::start(name, &[]);
        let signature = format!("{name}:pool_take(size=0)");
        let tracer = Tracer::with(&[&program], &["--alloc-fn", &signature]);
        let accounts = program.work();
        let report = tracer.stop().only_report();
        report.assert_nothing_lost();
        let process = report.process(program.pid());
        assert_chosen(process);
        assert_eq!(pools(process), accounts.callers["pools"], "{name}");
        assert!(program.end().success());
    }
}

/// Nothing tells what a lazy slot will hold before its first call: alone, that is refused.
#[test]
fn what_is_not_bound_yet_is_refused_with_the_reason() {
    if !may_trace() {
        return;
    }
    let mut program = start("library/calls_take_lazy", &[]);
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_memtrace"))
        .args(["--pid", &program.pid().to_string(), "--duration", "1"])
        .args(IN_LIBRARY)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    for words in ["an IFUNC: its code is chosen", "has not called it yet", "take:+0x1a2b"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(program.is_alive());
}

/// Beside a process that has bound it, one that has not is traced, and looked at again.
#[test]
fn what_is_bound_later_is_probed_then() {
    if !may_trace() {
        return;
    }
    let first = start("library/calls_take_now", &[]);
    let mut program = start("library/calls_take_lazy", &[]);
    let pid = program.pid();
    let mut tracer = Tracer::with(
        &[&first, &program],
        &[IN_LIBRARY.as_slice(), &["--link-for", "each"]].concat(),
    );
    program.tell();
    program.wait_for("first");
    let bound = "pool_take (take_wide) of take was bound while tracing: its first calls";
    wait_until("the function to be probed", || {
        tracer.signal(libc::SIGUSR1);
        tracer.report().0["tracer"]["notes"].to_string().contains(bound).then_some(())
    });
    let accounts = program.work();
    let report = tracer.stop().only_report();
    report.assert_nothing_lost();
    assert_eq!(pools(report.process(pid)), accounts.callers["pools"]);
    assert!(program.end().success());
}

/// An allocator whose `malloc` is an IFUNC: the C library has a slot for it that is bound from the start, so nothing
/// is missed of it.
#[test]
fn functions_of_allocators_are_chosen_too() {
    if !may_trace() {
        return;
    }
    let library = compiled("library/chosen_malloc");
    let mut command = std::process::Command::new(compiled("two_sizes"));
    let mut program = Program::launch("two_sizes", command.env("LD_PRELOAD", library));
    let report = exact(&mut program, &[]);
    let process = report.process(program.pid());
    let allocators: Vec<&str> =
        process.0["allocators"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    let chosen = "mimalloc: malloc (malloc_wide) of chosen_malloc";
    assert!(allocators.contains(&chosen), "{allocators:?}");
    assert_eq!(process.functions("many_small"), ["malloc".to_owned()].into());
    assert!(program.end().success());
}
