//! How runs begin and end: the tracer's ends, the target's ends, and that the target is unharmed by
//! either.
#![cfg(feature = "live")]

mod support;

use std::os::unix::process::ExitStatusExt as _;
use std::time::Duration;
use support::program::Program;
use support::report::number;
use support::tracer::Tracer;
use support::{may_trace, patience, wait_until};

/// Options for a run of several reports.
const PERIODIC: [&str; 6] = ["--min-age", "0", "--top", "0", "--format", "json"];

/// Arguments of `exit_codes.c`, how the program then ends, and the status that a shell would give.
const ENDS: [([&str; 2], &str, i32); 5] = [
    (["exit", "0"], "exit", 0),
    (["exit", "7"], "exit", 7),
    (["signal", "9"], "signal", 128 + 9),
    (["signal", "15"], "signal", 128 + 15),
    (["abort", "0"], "signal", 128 + 6),
];

#[test]
fn a_run_ends_with_its_targets_and_tells_how_they_ended() {
    if !may_trace() {
        return;
    }
    let mut programs = ENDS.map(|(arguments, ..)| Program::start("exit_codes", &arguments));
    let tracer = Tracer::of(&programs.each_ref());
    let accounts = programs.each_mut().map(Program::work);
    for (program, (_, _, status)) in programs.iter_mut().zip(ENDS) {
        program.tell();
        let ended = program.wait();
        assert_eq!(ended.code().or(ended.signal().map(|signal| 128 + signal)), Some(status));
    }
    // Nobody is left to trace: it ends by itself.
    let report = tracer.wait().only_report();
    report.assert_nothing_lost();
    for ((program, accounts), (_, end, status)) in programs.iter().zip(&accounts).zip(ENDS) {
        let process = report.process(program.pid());
        process.assert_exactly(accounts);
        assert_eq!(process.0["state"], "exited");
        assert_eq!(process.0["end"], end);
        assert_eq!(process.0["exit_status"], status);
    }
}

#[test]
fn several_targets_are_kept_apart() {
    if !may_trace() {
        return;
    }
    let mut programs =
        ["each_function", "two_sizes", "realloc_chain"].map(|name| Program::start(name, &[]));
    let tracer = Tracer::of(&programs.each_ref());
    // All work at the same time.
    programs.iter_mut().for_each(Program::tell);
    let accounts = programs.each_mut().map(|program| program.accounts_until("done"));
    let [first, ..] = &mut programs;
    first.tell();
    assert!(first.wait().success());
    let report = tracer.stop().only_report();
    report.assert_nothing_lost();
    assert_eq!(report.0["processes"].as_array().unwrap().len(), 3);
    for (program, accounts) in programs.iter().zip(&accounts) {
        report.process(program.pid()).assert_exactly(accounts);
    }
    assert_eq!(report.process(programs[0].pid()).0["state"], "exited");
    assert_eq!(report.process(programs[1].pid()).0["state"], "running");
}

/// After a clean end nothing of the tracer is in the target but the mapping that the kernel keeps.
#[test]
fn a_detached_target_is_as_before() {
    if !may_trace() {
        return;
    }
    let mut program = Program::start("exit_codes", &[]);
    let (before, code) = (program.maps(), program.libc_code());
    let tracer = Tracer::of(&[&program]);
    program.work();
    assert_ne!(program.libc_code(), code, "no breakpoints while it is traced");
    tracer.stop().only_report();
    assert_eq!(program.libc_code(), code, "breakpoints are left");
    let after = program.maps();
    assert!(before.iter().all(|line| after.contains(line)), "{before:#?}\n{after:#?}");
    let mut new: Vec<&str> = after
        .iter()
        .filter(|line| !before.contains(line))
        .map(|line| line.rsplit(' ').next().unwrap())
        .collect();
    new.sort_unstable();
    // The program's first allocation made the heap.
    assert_eq!(new, ["[heap]", "[uprobes]"]);
    assert!(program.end().success());
}

/// A tracer that is killed takes its probes with it, and the target goes on.
#[test]
fn a_target_survives_the_tracers_sudden_death() {
    if !may_trace() {
        return;
    }
    // Emulated, and beside other guests, a pair takes over 0.2 ms.
    let swing = patience(Duration::from_secs(4)).as_secs().to_string();
    let mut program = Program::start("churn", &[&swing]);
    let code = program.libc_code();
    let mut tracer = Tracer::of(&[&program]);
    program.tell();
    wait_until("a report of a program in full swing", || {
        tracer.signal(libc::SIGUSR1);
        let allocated = tracer.report().process(program.pid()).heap("allocated_blocks");
        (allocated > 10_000).then_some(())
    });
    tracer.signal(libc::SIGKILL);
    assert_eq!(tracer.wait().status.signal(), Some(libc::SIGKILL));
    wait_until("the code as it was", || (program.libc_code() == code).then_some(()));
    assert!(program.is_alive());
    let accounts = program.accounts_until("done");
    assert!(accounts.all.allocated_blocks > 0);
    assert!(program.end().success());
}

#[test]
fn other_polite_signals_end_a_run_well() {
    if !may_trace() {
        return;
    }
    let mut program = Program::start("two_sizes", &[]);
    for signal in [libc::SIGTERM, libc::SIGHUP] {
        let tracer = Tracer::of(&[&program]);
        tracer.signal(signal);
        let report = tracer.wait().only_report();
        assert_eq!(report.0["final"], true);
        assert_eq!(report.process(program.pid()).heap("allocated_blocks"), 0);
    }
    program.work();
    assert!(program.end().success());
}

/// SIGUSR1 asks for a report between the others; the figures go on from there.
#[test]
fn reports_can_be_asked_for() {
    if !may_trace() {
        return;
    }
    let mut program = Program::start("two_sizes", &[]);
    let mut tracer = Tracer::of(&[&program]);
    // The second time the tracer may not have noticed yet that the first report is written.
    for sequence in 1..=2 {
        tracer.signal(libc::SIGUSR1);
        let report = tracer.report();
        assert_eq!((&report.0["sequence"], &report.0["final"]), (&sequence.into(), &false.into()));
        assert_eq!(report.process(program.pid()).heap("allocated_blocks"), 0);
    }
    let accounts = program.work();
    let last = tracer.stop().only_report();
    assert_eq!((&last.0["sequence"], &last.0["final"]), (&3.into(), &true.into()));
    last.process(program.pid()).assert_exactly(&accounts);
}

#[test]
fn count_ends_a_run() {
    if !may_trace() {
        return;
    }
    let mut program = Program::start("two_sizes", &[]);
    let options = [PERIODIC.as_slice(), &["--interval", "300ms", "--count", "3"]].concat();
    let tracer = Tracer::typed(&[&program], &options);
    let accounts = program.work();
    let run = tracer.wait();
    assert_eq!(run.status.code(), Some(0), "{:#?}", run.messages);
    let sequence: Vec<u64> =
        run.reports.iter().map(|report| number(&report.0["sequence"])).collect();
    assert_eq!(sequence, [1, 2, 3]);
    let last: Vec<bool> = run.reports.iter().map(|report| report.0["final"] == true).collect();
    assert_eq!(last, [false, false, true]);
    run.reports[2].process(program.pid()).assert_exactly(&accounts);
}

#[test]
fn duration_ends_a_run() {
    if !may_trace() {
        return;
    }
    let mut program = Program::start("two_sizes", &[]);
    let tracer = Tracer::with(&[&program], &["--duration", "1s"]);
    let accounts = program.work();
    let report = tracer.wait().only_report();
    report.assert_nothing_lost();
    report.process(program.pid()).assert_exactly(&accounts);
    assert!(report.0["uptime_s"].as_f64().unwrap() >= 1.0);
    assert!(program.end().success());
}
