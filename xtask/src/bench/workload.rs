//! The programs that are measured: a loop that only allocates and frees, and sqlite3.

use super::sample::Sample;
use super::tracer::{Ended, Programs, Tracer, Way};
use crate::command::find;
use crate::elevate;
use crate::fixtures::{self, Running};
use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Stdio};
use std::time::Instant;

/// Part of a run that is left out, at its beginning: caches fill, stacks are sent.
const WARM_UP: f64 = 0.25;

/// What one run cost, per pair of malloc and free or per row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cost {
    /// CPU time of the program, the probes' part included, ns.
    pub(super) cpu: f64,
    /// Time by the wall's clock, ns.
    pub(super) wall: f64,
}

/// How the loop is run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Churn {
    pub(super) seconds: f64,
    pub(super) threads: usize,
    /// A forked child does the work.
    pub(super) forks: bool,
}

/// A run of the loop.
pub(super) struct Churned {
    pub(super) cost: Cost,
    pub(super) pairs: u64,
    /// CPU seconds that the tracer used meanwhile, and its peak memory in MiB.
    pub(super) tracer_cpu: f64,
    pub(super) tracer_memory: f64,
    pub(super) ended: Option<Ended>,
    pub(super) announcement: Option<String>,
}

impl Churn {
    pub(super) const fn new(seconds: f64) -> Self {
        Self { seconds, threads: 1, forks: false }
    }

    /// Starts the program, which then waits.
    pub(super) fn start(self) -> Result<Running> {
        let mut command = elevate::as_user(fixtures::compile("churn")?)?;
        command.args(self.arguments());
        Running::start(command)
    }

    /// What the program is called with.
    pub(super) fn arguments(self) -> Vec<String> {
        let mut words = vec![self.seconds.to_string(), self.threads.to_string()];
        words.extend(self.forks.then(|| "fork".to_owned()));
        words
    }

    /// Runs it, traced in this way.
    pub(super) fn run(self, programs: &Programs, way: Way) -> Result<Churned> {
        self.run_beside(|pid| programs.attach(way, pid))
    }

    /// Runs it, beside what is started for its number.
    pub(super) fn run_beside(
        self,
        attach: impl FnOnce(u32) -> Result<Option<Tracer>>,
    ) -> Result<Churned> {
        let mut program = self.start()?;
        let tracer = attach(program.pid())?;
        let cpu = |tracer: &Option<Tracer>| tracer.as_ref().map_or(Ok(0.0), Tracer::cpu);
        let before = cpu(&tracer)?;
        program.go()?;
        let said = program.until_done()?;
        let churned = Churned {
            cost: steady_cost(&said).context("the program said nothing of its chunks")?,
            pairs: pairs(&said).context("the program did not say what it did")?,
            tracer_cpu: cpu(&tracer)? - before,
            tracer_memory: tracer.as_ref().and_then(Tracer::peak_resident).unwrap_or_default(),
            announcement: tracer.as_ref().map(|tracer| tracer.announcement.clone()),
            ended: tracer.map(Tracer::end).transpose()?,
        };
        program.stop()?;
        Ok(churned)
    }
}

/// Reads `chunk 0 pairs 256 wall_ns 1000 cpu_ns 900` lines: the median over the chunks after the
/// warm-up, which come in order for each thread.
pub(super) fn steady_cost(said: &[String]) -> Option<Cost> {
    let chunks: Vec<[f64; 4]> = said.iter().filter_map(|line| chunk(line)).collect();
    let most = chunks.iter().map(|chunk| chunk[0] as usize).max()? + 1;
    let mut steady: Vec<&[f64; 4]> = Vec::new();
    for thread in 0..most {
        let own: Vec<_> = chunks.iter().filter(|chunk| chunk[0] as usize == thread).collect();
        steady.extend(own.iter().skip((own.len() as f64 * WARM_UP) as usize).copied());
    }
    let per_pair = |column: usize| {
        let costs: Sample = steady.iter().map(|c| c[column] / c[1]).collect();
        costs.median()
    };
    Some(Cost { wall: per_pair(2)?, cpu: per_pair(3)? })
}

/// Thread, pairs, wall time and CPU time.
pub(super) fn chunk(line: &str) -> Option<[f64; 4]> {
    let words: Vec<&str> = line.strip_prefix("chunk ")?.split(' ').collect();
    let [thread, "pairs", pairs, "wall_ns", wall, "cpu_ns", cpu] = words.as_slice() else {
        return None;
    };
    Some([thread.parse().ok()?, pairs.parse().ok()?, wall.parse().ok()?, cpu.parse().ok()?])
}

/// Reads `pairs 4096 seconds …`.
pub(super) fn pairs(said: &[String]) -> Option<u64> {
    said.iter().find_map(|line| line.strip_prefix("pairs ")?.split(' ').next()?.parse().ok())
}

/// A figure of the one process in a report.
pub(super) fn figure(report: &Value, place: &str) -> u64 {
    report.pointer(place).and_then(Value::as_u64).unwrap_or_default()
}

/// Rows that sqlite3 inserts.
pub(super) const ROWS: u32 = 40_000;

/// A run of sqlite3.
pub(super) struct Inserted {
    /// Of a row.
    pub(super) cost: Cost,
    /// CPU seconds that the tracer used meanwhile.
    pub(super) tracer_cpu: f64,
    pub(super) report: Option<Value>,
}

/// Runs sqlite3, beside what is started for its number.
pub(super) fn sqlite(
    rows: u32,
    attach: impl FnOnce(u32) -> Result<Option<Tracer>>,
) -> Result<Inserted> {
    let mut shell = Shell::start()?;
    let tracer = attach(shell.child.id())?;
    let tracer_cpu = || tracer.as_ref().map_or(Ok(0.0), Tracer::cpu);
    let statements = statements(rows);
    let (began, cpu, before) = (Instant::now(), shell.cpu()?, tracer_cpu()?);
    shell.do_until_printed(&statements, "inserted")?;
    let wall = began.elapsed().as_nanos() as f64 / f64::from(rows);
    let cost = Cost { wall, cpu: (shell.cpu()? - cpu) / f64::from(rows) };
    let tracer_cpu = tracer_cpu()? - before;
    let report = tracer.map(Tracer::end).transpose()?.and_then(|ended| ended.report);
    Ok(Inserted { cost, tracer_cpu, report })
}

/// One insertion per statement, as most programs do it, into a table with an index.
pub(super) fn statements(rows: u32) -> String {
    let mut text = String::from(
        "CREATE TABLE item(id INTEGER PRIMARY KEY, name TEXT, weight REAL);\n\
         CREATE INDEX by_name ON item(name);\nBEGIN;\n",
    );
    for row in 0..rows {
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "INSERT INTO item VALUES({row}, 'item number {:08x} of many', {row}.5);",
            row.wrapping_mul(2_654_435_769)
        );
    }
    text.push_str("COMMIT;\n");
    text
}

/// A sqlite3 shell on a database in memory.
struct Shell {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
}

impl Shell {
    fn start() -> Result<Self> {
        if find("sqlite3").is_none() {
            bail!("sqlite3 is not installed: apt-get install sqlite3");
        }
        let mut command = elevate::as_user("sqlite3")?;
        command.args(["-batch", ":memory:"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().context("cannot start sqlite3")?;
        let output = BufReader::new(child.stdout.take().context("sqlite3 has no output")?);
        let mut shell = Self { child, output };
        shell.do_until_printed("", "ready")?;
        Ok(shell)
    }

    /// Hands over commands and waits until they are done.
    fn do_until_printed(&mut self, commands: &str, mark: &str) -> Result<()> {
        let input = self.child.stdin.as_mut().context("sqlite3 has no input")?;
        // It prints nothing before the mark, so neither of us waits for the other.
        input
            .write_all(commands.as_bytes())
            .and_then(|()| writeln!(input, ".print {mark}"))
            .and_then(|()| input.flush())
            .context("sqlite3 ended early")?;
        let mut line = String::new();
        self.output.read_line(&mut line).context("cannot read what sqlite3 says")?;
        if line.trim() != mark {
            bail!("sqlite3 said {line:?} instead of {mark}");
        }
        Ok(())
    }

    /// CPU time so far, ns.
    fn cpu(&self) -> Result<f64> {
        let path = format!("/proc/{}/schedstat", self.child.id());
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        let first = text.split(' ').next().and_then(|word| word.parse().ok());
        first.with_context(|| format!("{path} says {text:?}"))
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::{pairs, steady_cost};

    #[test]
    fn the_beginning_is_left_out() {
        let line = |wall, cpu| format!("chunk 0 pairs 10 wall_ns {wall} cpu_ns {cpu}");
        let said = vec![
            line(90_000, 90_000),
            line(120, 100),
            line(130, 110),
            line(110, 90),
            "pairs 40 seconds 0.400 per_second 100".to_owned(),
        ];
        let cost = steady_cost(&said).unwrap();
        assert_eq!((cost.wall, cost.cpu), (12.0, 10.0));
        assert_eq!(pairs(&said), Some(40));
        assert!(steady_cost(&["pairs 40".to_owned()]).is_none());
    }
}
