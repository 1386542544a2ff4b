//! Time namespaces, and a `/proc` that hides other users' processes.
#![cfg(feature = "live")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use support::brief::{Folder, all_of_them, looking_for, name};
use support::may_trace;
use support::program::{Program, compiled, copy_libc};
use support::report::Report;
use support::tracer::Tracer;

/// Two days, s; more than any test takes.
const AHEAD: &str = "172800";
const SOON: f64 = 3600.0;

/// `command` where the clocks are ahead. `None`, said aloud, where there are no time namespaces.
fn ahead(command: &Command) -> Option<Command> {
    if !Path::new("/proc/self/ns/time").exists() {
        support::not_run("this kernel has no time namespaces");
        return None;
    }
    let mut later = Command::new("unshare");
    later.args(["--time", "--monotonic", AHEAD, "--boottime", AHEAD, "--fork", "--kill-child"]);
    later.arg(command.get_program()).args(command.get_args());
    for (key, value) in command.get_envs() {
        later.env(key, value.unwrap());
    }
    Some(later)
}

/// Processes are known by number and start, which the kernel tells by the clock of whoever asks.
#[test]
fn those_whose_clocks_are_ahead() {
    if !may_trace() {
        return;
    }
    let folder = Folder::new();
    let Some(mut starter) = ahead(&folder.starter("yes", "no")) else { return };
    all_of_them(
        &["--comm", &name("yes")],
        &mut folder.stay(),
        &mut starter,
        &mut folder.starter("no", "no"),
    );
}

#[test]
fn memtraces_own_clocks_may_be_ahead() {
    if !may_trace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut program = Program::start_with_libc("plain/multiply", &["2"], folder.path());
    let mut tracer = Command::new(env!("CARGO_BIN_EXE_memtrace"));
    looking_for(&mut tracer, &["--pid", &program.pid().to_string()]);
    let Some(tracer) = ahead(&tracer) else { return };
    let tracer = Tracer::launch(tracer);
    program.work();
    // A child that seems to be another one than was forked is found to be gone within two looks.
    std::thread::sleep(support::patience(std::time::Duration::from_secs(4)));
    tracer.interrupt_child();
    let report = tracer.wait().only_report();
    report.assert_nothing_lost();
    let processes = report.0["processes"].as_array().unwrap();
    assert_eq!(processes.len(), 3);
    for process in processes {
        assert_eq!(process["state"], "running", "{process}");
        assert!(process["watched_s"].as_f64().unwrap() < SOON, "{process}");
        for stack in process["stacks"].as_array().unwrap() {
            assert!(stack["oldest_age_s"].as_f64().is_none_or(|age| age < SOON), "{stack}");
        }
    }
    assert!(report.0["uptime_s"].as_f64().unwrap() < SOON);
}

/// Ages, rates and times to wait come from clocks that nobody sets; the wall clock is for showing.
#[test]
fn a_wall_clock_that_jumps_changes_no_figure() {
    if !may_trace() {
        return;
    }
    let mut program = Program::start("threads", &[]);
    let mut tracer = Command::new(env!("CARGO_BIN_EXE_memtrace"));
    tracer.env("LD_PRELOAD", compiled("library/clock_jumps"));
    tracer.args(["--pid", &program.pid().to_string(), "--exact", "--interval", "500ms"]);
    tracer.args(["--min-age", "0", "--top", "0", "--format", "json"]);
    let mut tracer = Tracer::launch(tracer);
    let accounts = program.work();
    let mut reports = vec![tracer.report(), tracer.report(), tracer.report()];
    let run = tracer.stop();
    assert_eq!(run.status.code(), Some(0), "{:#?}", run.messages);
    reports.extend(run.reports);
    let times: Vec<&str> = reports.iter().map(|it| it.0["time"].as_str().unwrap()).collect();
    let jumps = times.windows(2).any(|pair| pair[1] < pair[0]);
    let seconds = |report: &Report, key: &str| report.0[key].as_f64().unwrap();
    let far = reports.iter().any(|it| it.0["began"].as_str().unwrap()[..10] != times[0][..10]);
    assert!(jumps || far, "the clock does not jump: {times:?}");
    for pair in reports.windows(2) {
        let [before, after] = [0, 1].map(|index| seconds(&pair[index], "uptime_s"));
        assert!(before < after && after < SOON, "{before} {after}");
    }
    let last = reports.last().unwrap();
    last.assert_nothing_lost();
    let process = last.process(program.pid());
    process.assert_exactly(&accounts);
    assert!(process.0["watched_s"].as_f64().unwrap() < SOON, "{}", process.0["watched_s"]);
    for stack in process.0["stacks"].as_array().unwrap() {
        for age in ["oldest_age_s", "newest_age_s"] {
            assert!(stack[age].as_f64().is_none_or(|age| age < SOON), "{stack}");
        }
    }
    assert!(program.end().success());
}

/// Root sees everybody's processes there (`proc(5)`, hidepid).
#[test]
fn other_users_processes_are_hidden_from_all_but_root() {
    if !may_trace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open).unwrap();
    copy_libc(&folder.path().join("libc.so.6"));
    let file = folder.path().join(name("hidden"));
    std::fs::copy(compiled("brief"), &file).unwrap();
    let mut command = Command::new(&file);
    // Nobody's number.
    command.env("LD_LIBRARY_PATH", folder.path()).uid(64_127).gid(64_127);
    let mut program = Program::launch("brief", &mut command);
    let script = "mount -t proc -o hidepid=2 proc /proc; exec \"$@\"";
    let mut tracer = Command::new("unshare");
    tracer.args(["--mount", "sh", "-ec", script, "sh", env!("CARGO_BIN_EXE_memtrace")]);
    looking_for(&mut tracer, &["--uid", "64127"]);
    let tracer = Tracer::launch(tracer);
    let accounts = program.work();
    let report = tracer.stop().only_report();
    report.assert_nothing_lost();
    report.process(program.pid()).assert_exactly(&accounts);
    assert!(program.end().success());
}
