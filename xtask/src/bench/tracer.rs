//! What runs beside a measured program: nothing, empty probes, or memtrace.

use crate::command::{read, run, shown, target};
use crate::watchdog::Watchdog;
use crate::{elevate, processes};
use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How a program is traced while it is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Untraced,
    /// Empty probes of this kind of link at memtrace's places.
    Floor(&'static str),
    /// memtrace, exactly, with this kind of link.
    Memtrace(&'static str),
    /// memtrace, with samples.
    Sampled(&'static str),
}

/// Kinds of links, best first.
pub(super) const LINKS: [&str; 3] = ["session", "multi", "perf"];

/// How memtrace reports: once, at the end, and what it does on the way.
const REPORT: [&str; 8] =
    ["--exact", "--verbose", "--interval", "0", "--format", "json", "--top", "3"];
/// Mean bytes between samples, where there are samples.
pub(super) const SAMPLED: &str = "512KiB";

/// How the line begins in which memtrace, and what imitates it, says that it traces.
pub(super) const SIGN: &str = "tracing ";

/// The programs of one release build.
pub(super) struct Programs {
    memtrace: PathBuf,
    floor: PathBuf,
    engine: PathBuf,
    recorded_events: PathBuf,
    recordings: PathBuf,
}

impl Programs {
    pub(super) fn build() -> Result<Self> {
        eprintln!("xtask: building memtrace and the benchmarks (release)");
        run(elevate::cargo()?
            .args(["build", "--release", "--package", "memtrace", "--bin", "memtrace"])
            .args(["--example", "floor", "--example", "engine_bench", "--example", "recordings"]))?;
        Ok(Self::in_folder(&target().join("release")))
    }

    /// Those for which memtrace alone is needed.
    pub(super) fn build_memtrace() -> Result<Self> {
        eprintln!("xtask: building memtrace (release)");
        run(elevate::cargo()?.args([
            "build",
            "--release",
            "--package",
            "memtrace",
            "--bin",
            "memtrace",
        ]))?;
        Ok(Self::in_folder(&target().join("release")))
    }

    /// Those with which totals are compared.
    pub(super) fn build_for_totals() -> Result<Self> {
        eprintln!("xtask: building memtrace and what reads its recordings (release)");
        run(elevate::cargo()?
            .args(["build", "--release", "--package", "memtrace", "--bin", "memtrace"])
            .args(["--example", "recorded_events"]))?;
        Ok(Self::in_folder(&target().join("release")))
    }

    /// Those with which reports of large recordings are measured.
    pub(super) fn build_for_recordings() -> Result<Self> {
        eprintln!("xtask: building memtrace and what makes recordings (release)");
        run(elevate::cargo()?
            .args(["build", "--release", "--package", "memtrace", "--bin", "memtrace"])
            .args(["--example", "recordings"]))?;
        Ok(Self::in_folder(&target().join("release")))
    }

    fn in_folder(folder: &Path) -> Self {
        Self {
            memtrace: folder.join("memtrace"),
            floor: folder.join("examples/floor"),
            engine: folder.join("examples/engine_bench"),
            recorded_events: folder.join("examples/recorded_events"),
            recordings: folder.join("examples/recordings"),
        }
    }

    /// What the engine's own benchmark prints with a heap of at most `blocks`.
    pub(super) fn engine(&self, blocks: u32) -> Result<String> {
        read(Command::new(&self.engine).arg(blocks.to_string()))
    }

    /// Traces `pid`, and returns once the probes are in place; `None` for [`Way::Untraced`].
    pub(super) fn attach(&self, way: Way, pid: u32) -> Result<Option<Tracer>> {
        let mut command = match way {
            Way::Untraced => return Ok(None),
            Way::Floor(link) => {
                let mut floor = Command::new(&self.floor);
                floor.args([link, &pid.to_string()]);
                floor
            }
            Way::Memtrace(link) => {
                let mut memtrace = self.memtrace(pid);
                memtrace.args(["--link", link]);
                memtrace
            }
            Way::Sampled(link) => {
                let mut memtrace = self.sampling(&[pid], SAMPLED);
                memtrace.args(["--link", link]);
                memtrace
            }
        };
        let is_interrupted = matches!(way, Way::Memtrace(_) | Way::Sampled(_));
        Tracer::start(&mut command, is_interrupted).map(Some)
    }

    /// memtrace as it is measured, on a process.
    pub(super) fn memtrace(&self, pid: u32) -> Command {
        let mut command = Command::new(&self.memtrace);
        command.args(["--pid", &pid.to_string()]).args(REPORT);
        command
    }

    /// memtrace before a command that it is to start, with a report in one file and a recording in another one.
    pub(super) fn starting(&self, report: &str, recording: &str) -> Command {
        let mut command = Command::new(&self.memtrace);
        command.args(["run", "--quiet", "--exact", "--interval", "0", "--top", "1"]);
        command.args(["--format", "json", "--output", report, "--record", recording]);
        command
    }

    /// memtrace making a report of a recording.
    pub(super) fn report(&self, recording: &Path) -> Command {
        let mut command = Command::new(&self.memtrace);
        command.arg("report").arg(recording);
        command
    }

    /// What makes large recordings.
    pub(super) fn recordings(&self) -> &Path {
        &self.recordings
    }

    /// The blocks of a process in a recording, an event a line.
    pub(super) fn recorded_events(&self, recording: &str, pid: u64) -> Result<String> {
        read(Command::new(&self.recorded_events).args([recording, &pid.to_string()]))
    }

    /// Empty probes, which go with the standard input and hear no Ctrl-C.
    pub(super) fn floor(&self, pid: u32) -> Command {
        let mut command = Command::new("env");
        command.arg("--ignore-signal=INT").arg(&self.floor);
        command.args([LINKS[0], &pid.to_string()]);
        command
    }

    /// memtrace with samples.
    pub(super) fn sampling(&self, pids: &[u32], interval: &str) -> Command {
        let mut command = Command::new(&self.memtrace);
        for pid in pids {
            command.args(["--pid", &pid.to_string()]);
        }
        command.args(&REPORT[1..]).args(["--sample-interval", interval]);
        command
    }

    /// memtrace on a process, with a budget in percent.
    pub(super) fn within_budget(&self, pid: u32, percent: f64) -> Command {
        let mut command = Command::new(&self.memtrace);
        command.args(["--pid", &pid.to_string()]).args(&REPORT[1..]);
        command.args(["--overhead-budget", &percent.to_string()]);
        command
    }

    /// The same without blocks, for pages that are touched.
    pub(super) fn pages(&self, pid: u32) -> Command {
        let mut command = Command::new(&self.memtrace);
        command.args(["--pid", &pid.to_string()]).args(&REPORT[1..]).args(["--tier", "pages"]);
        command
    }
}

/// A running tracer. Killed if it is dropped before its end was taken.
pub(crate) struct Tracer {
    child: Child,
    /// Its number, where the child is but its parent.
    inner: Option<u32>,
    /// Ctrl-C ends it; others end with their input.
    is_interrupted: bool,
    errors: BufReader<ChildStderr>,
    watchdog: Option<Watchdog>,
    /// What it announced: targets, allocators, link.
    pub(super) announcement: String,
}

/// What a tracer left.
pub(crate) struct Ended {
    /// From the wish to end until the process was gone, report included.
    pub(super) exit: Duration,
    /// Removing the probes took this long, milliseconds, by its own account.
    pub(super) removal: Option<f64>,
    /// The final report, of memtrace.
    pub(crate) report: Option<Value>,
    /// All that it wrote to its standard error once it traced.
    pub(super) errors: String,
}

impl Tracer {
    /// Starts it, and returns once it says that it traces.
    pub(crate) fn start(command: &mut Command, is_interrupted: bool) -> Result<Self> {
        Self::start_with(command, is_interrupted, &[SIGN], None)
    }

    /// As [`Tracer::start`], for a command whose only child is memtrace.
    pub(super) fn start_as_child(command: &mut Command) -> Result<Self> {
        let mut tracer = Self::start(command, true)?;
        // What it started itself has it as its parent.
        tracer.inner = processes::descendants(tracer.child.id()).first().copied();
        Ok(tracer)
    }

    fn pid(&self) -> u32 {
        self.inner.unwrap_or(self.child.id())
    }

    /// As [`Tracer::start`], for one that Ctrl-C ends and whose line that it traces begins with one of these
    /// signs; it is killed if it is still there after this time.
    pub(super) fn start_within(
        command: &mut Command,
        signs: &[&str],
        patience: Duration,
    ) -> Result<Self> {
        Self::start_with(command, true, signs, Some(patience))
    }

    fn start_with(
        command: &mut Command,
        is_interrupted: bool,
        signs: &[&str],
        patience: Option<Duration>,
    ) -> Result<Self> {
        let name = shown(command);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        let errors = BufReader::new(child.stderr.take().context("no standard error")?);
        let watchdog = patience.map(|patience| Watchdog::over(child.id(), patience));
        let announcement = String::new();
        let mut tracer =
            Self { child, inner: None, is_interrupted, errors, watchdog, announcement };
        let mut before = String::new();
        loop {
            let mut line = String::new();
            if tracer.errors.read_line(&mut line).with_context(|| format!("reading {name}"))? == 0 {
                bail!("{name} ended before it traced: {}", before.trim());
            }
            if signs.iter().any(|sign| line.starts_with(sign)) {
                tracer.announcement = line.trim().to_owned();
                return Ok(tracer);
            }
            before.push_str(&line);
        }
    }

    /// CPU time that it has used so far, seconds (in ticks of a hundredth).
    pub(super) fn cpu(&self) -> Result<f64> {
        let path = format!("/proc/{}/stat", self.pid());
        let stat = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        // Behind the name, which may hold anything: state is field 3, utime 14, stime 15.
        let ticks = stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().skip(11).take(2));
        let ticks = ticks.into_iter().flatten().filter_map(|word| word.parse::<f64>().ok());
        Ok(ticks.sum::<f64>() / 100.0)
    }

    /// The most memory that it had resident, MiB.
    pub(super) fn peak_resident(&self) -> Option<f64> {
        processes::peak_resident(self.pid())
    }

    /// The memory that it has resident, MiB.
    pub(super) fn resident(&self) -> Option<f64> {
        processes::resident(self.pid())
    }

    /// Ends it as a user would, and waits until it is gone.
    pub(crate) fn end(mut self) -> Result<Ended> {
        let began = Instant::now();
        drop(self.child.stdin.take());
        if self.is_interrupted {
            run(Command::new("kill").args(["-INT", &self.pid().to_string()]))?;
        }
        let mut said = String::new();
        if let Some(mut output) = self.child.stdout.take() {
            output.read_to_string(&mut said).context("cannot read the tracer's report")?;
        }
        let mut errors = String::new();
        self.errors.read_to_string(&mut errors).context("cannot read the tracer's errors")?;
        let status = self.wait().context("cannot wait for the tracer")?;
        let exit = began.elapsed();
        // 3: complete, but degraded. The figures say in what way.
        if !matches!(status.code(), Some(0 | 3)) {
            bail!("the tracer failed, {status}: {}", errors.trim());
        }
        let report = said.lines().last().and_then(|line| serde_json::from_str(line).ok());
        Ok(Ended { exit, removal: removal(&errors), report, errors })
    }

    fn wait(&mut self) -> std::io::Result<ExitStatus> {
        if self.watchdog.is_some() {
            // Its number stays its own until the watchdog is gone.
            processes::await_end(self.child.id())?;
            self.watchdog = None;
        }
        self.child.wait()
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        // Already ended: both do nothing.
        let _ = self.child.kill();
        let _ = self.wait();
    }
}

/// Reads `removed the probes in 12.3 ms`.
fn removal(errors: &str) -> Option<f64> {
    let (_, rest) = errors.split_once("removed the probes in ")?;
    rest.split_once(" ms")?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{Tracer, removal};
    use std::process::Command;
    use std::time::Duration;

    #[test]
    fn the_removal_is_read_from_what_was_said() {
        assert_eq!(removal("a\nmemtrace: debug: removed the probes in 12.5 ms\n"), Some(12.5));
        assert_eq!(removal("removed the probes in no time"), None);
    }

    /// Says this, and waits for Ctrl-C.
    fn peer(says: &str) -> Command {
        let script = format!(
            "trap 'echo gone >&2; exit 0' INT; echo starting >&2; echo '{says}' >&2; \
             while :; do sleep 0.01; done"
        );
        // A shell cannot trap what was ignored when it began, as SIGINT is in what runs in the background.
        let mut command = Command::new("env");
        command.args(["--default-signal=INT", "sh", "-c", &script]);
        command
    }

    #[test]
    fn peers_have_signs_of_their_own() {
        let mut command = peer("Attaching to pid 1, Ctrl+C to quit.");
        let signs = ["Tracing outstanding", "Attaching to pid"];
        let tracer = Tracer::start_within(&mut command, &signs, Duration::from_secs(60)).unwrap();
        assert!(tracer.announcement.starts_with("Attaching"), "{}", tracer.announcement);
        assert_eq!(tracer.end().unwrap().errors, "gone\n");
    }

    #[test]
    fn one_that_never_traces_is_ended() {
        let mut command = peer("nothing of use");
        let error = Tracer::start_within(&mut command, &["tracing "], Duration::from_millis(300));
        let error = error.err().unwrap().to_string();
        assert!(error.contains("nothing of use"), "{error}");
    }
}
