//! `cargo xtask demo`: the main job in one command, on a small program of ours that leaks.

use crate::{command, elevate, fixtures, run, setup};
use anyhow::{Context as _, Result, bail};
use std::process::ExitCode;

/// How the program is traced: long enough for a verdict over several intervals.
const TRACE: [&str; 4] = ["--interval", "5s", "--duration", "25s"];

/// Sets up, builds, traces, reports, and leaves nothing running.
pub(crate) fn demo(no_install: bool) -> Result<ExitCode> {
    setup::ensure(setup::Purpose::Build, no_install)?;
    let memtrace = run::build()?;
    let program = fixtures::compile("demo_leak")?;
    let mut leaker = fixtures::Running::start(elevate::as_user(program)?)?;
    let pid = leaker.pid().to_string();
    eprintln!("xtask: started a program that leaks about 1 MiB/s in session_open, pid {pid}");
    leaker.go()?;

    let mut tracer = elevate::as_root(&memtrace, &[])?;
    tracer.args(["--pid", &pid]).args(TRACE);
    eprintln!("xtask: {}", command::shown(&tracer));
    let status = tracer.status().with_context(|| format!("cannot run {}", memtrace.display()))?;

    leaker.stop()?;
    eprintln!("xtask: stopped pid {pid}; for a process of yours: cargo xtask run -- --pid PID");
    match status.code().and_then(|code| u8::try_from(code).ok()) {
        Some(code) => Ok(ExitCode::from(code)),
        None => bail!("memtrace was ended by a signal: {status}"),
    }
}
