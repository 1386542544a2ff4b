//! One program, traced through its work.

use super::figures::Figures;
use super::programs::{Program, Signal, Start};
use super::workshop::Workshop;
use crate::bench::Tracer;
use crate::command::run;
use anyhow::{Context as _, Result, bail};
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// All stacks with all blocks, once, at the end.
const REPORT: [&str; 9] =
    ["--exact", "--interval", "0", "--format", "json", "--min-age", "0", "--top", "0"];
/// Nothing takes longer: whatever does hangs.
const LIMIT: Duration = Duration::from_secs(300);
const PAUSE: Duration = Duration::from_millis(10);

/// A program that runs. Killed when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Already ended: both do nothing.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    fn pid(&self) -> u32 {
        self.0.id()
    }

    fn wait(&mut self, what: &str) -> Result<()> {
        let status = until(what, || self.0.try_wait().context("it cannot be waited for"))?;
        if !status.success() {
            bail!("it failed: {status}");
        }
        Ok(())
    }
}

/// Starts the program, traces it with `memtrace` through its work, and looks at its stacks.
pub(super) fn trace(memtrace: &Path, program: &Program, workshop: &Workshop) -> Result<Figures> {
    let failed = || format!("tracing {}", program.name);
    let start = (program.start)(workshop).with_context(failed)?;
    let report = report(memtrace, start).with_context(failed)?;
    Ok(Figures::of(&report))
}

fn report(memtrace: &Path, start: Start) -> Result<serde_json::Value> {
    let Start { mut command, signal } = start;
    command.stdin(Stdio::piped()).stderr(Stdio::null());
    let is_heard = matches!(signal, Signal::Input(_));
    command.stdout(if is_heard { Stdio::piped() } else { Stdio::null() });
    let mut program = Running(command.spawn().context("it cannot be started")?);
    let tracer = match signal {
        Signal::Input(work) => conversation(memtrace, &mut program, &work)?,
        Signal::Execution => execution(memtrace, &mut program)?,
        Signal::Client(socket, client) => client_work(memtrace, &program, &socket, client)?,
    };
    let report = tracer.end()?.report.context("memtrace made no report");
    // What node leaves behind, for whose names it was there. Others have none.
    let _ = fs::remove_file(format!("/tmp/perf-{}.map", program.pid()));
    report
}

fn attach(memtrace: &Path, program: &Running) -> Result<Tracer> {
    let mut command = Command::new(memtrace);
    command.args(["--pid", &program.pid().to_string()]).args(REPORT);
    Tracer::start(&mut command, true)
}

fn conversation(memtrace: &Path, program: &mut Running, work: &str) -> Result<Tracer> {
    let mut output = BufReader::new(program.0.stdout.take().context("it has no output")?);
    let mut input = program.0.stdin.take().context("it has no input")?;
    listen(&mut output, "ready")?;
    let tracer = attach(memtrace, program)?;
    input.write_all(work.as_bytes()).and_then(|()| input.flush()).context("it ended early")?;
    listen(&mut output, "done")?;
    // It is there until the end of this, for names of code that only it has.
    program.0.stdin = Some(input);
    Ok(tracer)
}

/// Until a line ends so; a prompt may come before.
fn listen(output: &mut BufReader<ChildStdout>, word: &str) -> Result<()> {
    let mut line = Vec::new();
    loop {
        line.clear();
        if output.read_until(b'\n', &mut line).context("it cannot be heard")? == 0 {
            bail!("it ended without saying \"{word}\"");
        }
        if line.trim_ascii_end().ends_with(word.as_bytes()) {
            return Ok(());
        }
    }
}

fn execution(memtrace: &Path, program: &mut Running) -> Result<Tracer> {
    let stat = format!("/proc/{}/stat", program.pid());
    until("it to stop", || {
        let text = fs::read_to_string(&stat).with_context(|| format!("cannot read {stat}"))?;
        let state = text.rsplit_once(") ").map(|(_, rest)| rest.starts_with('T'));
        Ok(state.unwrap_or_default().then_some(()))
    })?;
    let tracer = attach(memtrace, program)?;
    run(Command::new("kill").args(["-CONT", &program.pid().to_string()]))?;
    program.wait("its end")?;
    Ok(tracer)
}

fn client_work(
    memtrace: &Path,
    server: &Running,
    socket: &Path,
    mut client: Command,
) -> Result<Tracer> {
    until("its socket", || Ok(socket.exists().then_some(())))?;
    let tracer = attach(memtrace, server)?;
    let mut client = Running(client.stdout(Stdio::null()).spawn().context("no client")?);
    client.wait("the client's end")?;
    Ok(tracer)
}

/// Looks until there is something.
fn until<T>(what: &str, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let began = Instant::now();
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if began.elapsed() > LIMIT {
            bail!("waited {} s in vain for {what}", LIMIT.as_secs());
        }
        std::thread::sleep(PAUSE);
    }
}
