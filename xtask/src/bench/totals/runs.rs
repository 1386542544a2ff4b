//! Runs a program under memtrace from its first instruction to its end, alone or with a peer in it.

use super::events::{self, Seen, Sums};
use crate::bench::peers::shop::{Shop, python_with_memray};
use crate::command::{read, shown};
use crate::processes;
use crate::watchdog::Watchdog;
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Where Debian's package has what is loaded into programs, and what reads what that wrote.
const HEAPTRACK: &str = "/usr/lib/heaptrack/libheaptrack_preload.so";
const INTERPRETER: &str = "/usr/lib/heaptrack/libexec/heaptrack_interpret";
/// A ring in which all events have room, so that none is lost on a busy machine.
const RING: &str = "512MiB";
/// So much memory that the ring may have that size.
const MEMORY: &str = "4GiB";
/// The longest that a program under two tracers may take.
const PATIENCE: Duration = Duration::from_secs(300);
/// A line for each time that a program waits for one.
const GO_ON: &[u8] = b"go\nend\n";

/// What was seen of one run.
pub(super) struct Run {
    /// By memtrace's recording.
    pub(super) seen: Seen,
    /// By memtrace's report.
    pub(super) report: Sums,
    /// By the peer.
    pub(super) peer: Option<PeerSeen>,
    /// What the program said.
    pub(super) said: String,
}

/// What a peer saw.
pub(super) struct PeerSeen {
    pub(super) seen: Seen,
    /// What it says itself, for people.
    pub(super) account: String,
}

/// A tracer in the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    None,
    Heaptrack,
    Memray,
}

/// Runs `words` (with environment variables of its own) and takes in what was seen.
pub(super) fn run(
    shop: &Shop,
    words: &[String],
    variables: &[(&str, &str)],
    peer: Peer,
) -> Result<Run> {
    let (recording, own) = (shop.path("run.mtrace")?, shop.path("peer")?);
    let mut command = shop.programs.starting(&shop.path("report.json")?, &recording);
    command.args(["--ring-size", RING, "--max-memory", MEMORY, "--", "env"]);
    command.args(variables.iter().map(|(name, value)| format!("{name}={value}")));
    let mut words = words.to_vec();
    match peer {
        Peer::None => {}
        Peer::Heaptrack => {
            command.arg(format!("LD_PRELOAD={HEAPTRACK}"));
            command.arg(format!("DUMP_HEAPTRACK_OUTPUT={own}"));
        }
        Peer::Memray => {
            let more = ["-m", "memray", "run", "--quiet", "--force", "--output", &own];
            words.splice(1..1, more.map(str::to_owned));
        }
    }
    // Both memtrace and the program have it, so that nobody else runs into probes.
    command.args(words).envs(shop.program(&[])?.variables);
    let said = finish(command)?;
    let report =
        fs::read_to_string(shop.path("report.json")?).context("memtrace left no report")?;
    let last = report.lines().last().context("memtrace left an empty report")?;
    let (pid, report) = heap(&serde_json::from_str(last)?)?;
    let seen = events::of_memtrace(&shop.programs.recorded_events(&recording, pid)?)?;
    ensure!(seen.lost == 0, "{} events were lost: try it when less else runs", seen.lost);
    let peer = match peer {
        Peer::None => None,
        Peer::Heaptrack => Some(heaptrack(&own)?),
        Peer::Memray => Some(memray(shop, &own)?),
    };
    for name in ["report.json", "run.mtrace", "peer"] {
        shop.take(name)?;
    }
    Ok(Run { seen, report, peer, said })
}

/// Until the command has ended; gives what it wrote to its standard output.
fn finish(mut command: Command) -> Result<String> {
    let name = shown(&command);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("cannot run {name}"))?;
    let watchdog = Watchdog::over(child.id(), PATIENCE);
    if let Some(mut lines) = child.stdin.take() {
        // A program that ends early does not read them, and says why.
        let _ = lines.write_all(GO_ON);
    }
    processes::await_end(child.id()).with_context(|| format!("cannot wait for {name}"))?;
    drop(watchdog);
    let output = child.wait_with_output().with_context(|| format!("cannot wait for {name}"))?;
    // 3: complete, but degraded. The events say in what way.
    ensure!(matches!(output.status.code(), Some(0 | 3)), "{name} failed: {}", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The program's pid, and its figures; `env` had the same pid before.
fn heap(report: &Value) -> Result<(u64, Sums)> {
    let processes = report["processes"].as_array().context("a report without processes")?;
    let is_it = |process: &&Value| process["comm"] != "env";
    let process = processes.iter().find(is_it).context("the program is not in the report")?;
    let figure = |name: &str| {
        process["heap"][name].as_u64().with_context(|| format!("the report has no {name}"))
    };
    let sums = Sums {
        blocks: figure("allocated_blocks")?,
        bytes: figure("allocated_bytes")?,
        peak: figure("peak_bytes")?,
        left_blocks: figure("live_blocks")?,
        left_bytes: figure("live_bytes")?,
    };
    Ok((process["pid"].as_u64().context("a process without a pid")?, sums))
}

/// What heaptrack wrote, and what its own reader makes of it.
fn heaptrack(file: &str) -> Result<PeerSeen> {
    let raw = fs::read(file).with_context(|| format!("heaptrack left no {file}"))?;
    let input = fs::File::open(file).with_context(|| format!("cannot open {file}"))?;
    let output = Command::new(INTERPRETER).stdin(input).stdout(Stdio::null()).output();
    let output = output.with_context(|| format!("cannot run {INTERPRETER}"))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let lines = said.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    let account: Vec<String> = lines.filter(|line| line.contains("allocations:")).collect();
    Ok(PeerSeen { seen: events::of_heaptrack(&raw)?, account: account.join(", ") })
}

/// What memray wrote, by its own reader.
fn memray(shop: &Shop, file: &str) -> Result<PeerSeen> {
    let script = shop.file("memray_events.py", include_str!("memray_events.py"))?;
    let mut command = Command::new(python_with_memray()?);
    let output = command.args([&script, file]).output().context("cannot run memray's reader")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "memray's reader failed: {}", said.trim());
    let account = said.trim().split_once(' ').context("memray's reader says no totals")?;
    Ok(PeerSeen {
        seen: events::of_memray(&String::from_utf8_lossy(&output.stdout))?,
        account: format!("records: {}, peak memory: {}", account.0, account.1),
    })
}

/// Versions of the peers.
pub(super) fn versions() -> Result<Vec<String>> {
    let heaptrack = read(Command::new("heaptrack").arg("--version"))?;
    let python = python_with_memray()?;
    let memray = read(Command::new(&python).args(["-m", "memray", "--version"]))?;
    let python = read(Command::new(&python).arg("--version"))?;
    let said = [heaptrack.trim(), &format!("memray {}", memray.trim()), python.trim()];
    Ok(said.map(|version| format!("{version}.")).into())
}

#[cfg(test)]
mod tests {
    use super::heap;
    use serde_json::json;

    #[test]
    fn the_program_is_not_what_started_it() {
        let figures = json!({"allocated_blocks": 5, "allocated_bytes": 50, "peak_bytes": 40,
            "live_blocks": 1, "live_bytes": 10});
        let report = json!({"processes": [{"comm": "env", "pid": 7, "heap": {}},
            {"comm": "python", "pid": 7, "heap": figures}]});
        let (pid, sums) = heap(&report).unwrap();
        assert_eq!((pid, sums.blocks, sums.bytes, sums.peak), (7, 5, 50, 40));
        assert_eq!((sums.left_blocks, sums.left_bytes), (1, 10));
        assert!(heap(&json!({"processes": []})).is_err());
    }
}
