//! `cargo xtask demo`: the main job in one command, on a small program of ours that leaks.

use crate::{command, elevate, fixtures, run, setup};
use anyhow::{Context as _, Result, bail};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};

/// How the program is traced: long enough for a verdict over several intervals.
const TRACE: [&str; 4] = ["--interval", "5s", "--duration", "25s"];

/// Sets up, builds, traces, reports, and leaves nothing running.
pub(crate) fn demo(no_install: bool) -> Result<ExitCode> {
    setup::ensure(setup::Purpose::Build, no_install)?;
    let memtrace = run::build()?;
    let program = fixtures::compile("demo_leak")?;
    let mut leaker = Leaker::start(elevate::as_user(program)?)?;
    let pid = leaker.child.id().to_string();
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

/// The leaking program while it runs; it ends when its standard input does.
struct Leaker {
    child: Child,
    input: Option<ChildStdin>,
}

impl Leaker {
    /// Starts it and waits until it says that it is ready.
    fn start(mut command: Command) -> Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let name = command::shown(&command);
        let mut child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        let output = child.stdout.take();
        let mut leaker = Self { input: child.stdin.take(), child };
        let mut line = String::new();
        if let Some(output) = output {
            BufReader::new(output)
                .read_line(&mut line)
                .with_context(|| format!("cannot read what {name} says"))?;
        }
        if !line.starts_with("ready ") {
            leaker.stop()?;
            bail!("{name} did not say that it is ready");
        }
        Ok(leaker)
    }

    /// Lets it begin to leak.
    fn go(&mut self) -> Result<()> {
        let input = self.input.as_mut().context("the program has no input")?;
        input.write_all(b"go\n").context("the leaking program ended early")
    }

    /// Ends it, by closing its input, and waits for its end.
    fn stop(&mut self) -> Result<()> {
        drop(self.input.take());
        self.child.wait().context("cannot wait for the leaking program")?;
        Ok(())
    }
}

impl Drop for Leaker {
    fn drop(&mut self) {
        // An error on the way here must not leave it running. Already ended: nothing happens.
        drop(self.input.take());
        let _ = self.child.wait();
    }
}
