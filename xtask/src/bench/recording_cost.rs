//! What `--record` adds to tracing: to memtrace's own CPU time, and to that of the traced program.

use super::sample::Sample;
use super::sections::verdict;
use super::tracer::{Programs, Tracer};
use super::workload::{Churn, figure, sqlite};
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::fmt::Write as _;
use std::path::Path;

/// How long the loop runs, s: memtrace's CPU time is told in hundredths of a second.
const SECONDS: f64 = 5.0;
/// Rows that sqlite3 inserts: as long.
const ROWS: u32 = 80_000;
/// The most that recording may add to memtrace's own CPU time.
const MOST: f64 = 1.10;
/// The most bytes of a recording per event of sqlite3.
const MOST_BYTES: f64 = 6.0;

/// What is recorded, as tables call it, and how that is asked for.
const WAYS: [(&str, &[&str]); 3] = [
    ("nothing", &[]),
    ("events", &["--record"]),
    ("a snapshot each second", &["--record-every", "1s", "--record"]),
];

/// What one way takes, per event.
#[derive(Default)]
struct Row {
    /// Of memtrace, ns.
    tracer: Sample,
    /// Of the program with its probes, ns.
    program: Sample,
    bytes: Sample,
}

/// A program, and what each of [`WAYS`] takes there.
pub(super) struct Costs {
    program: &'static str,
    rows: [Row; WAYS.len()],
}

/// One run.
struct Run {
    /// CPU seconds.
    tracer: f64,
    program: f64,
    /// Allocations and frees.
    events: f64,
}

/// Runs a program while memtrace is called with these options, and records in this file.
type Workload = fn(&Programs, &[&str], &Path) -> Result<Run>;

/// Measures, with a file in `folder`.
pub(super) fn measure(programs: &Programs, folder: &Path, rounds: u32) -> Result<Vec<Costs>> {
    let runs: [(&'static str, Workload); 2] =
        [("malloc(64) and free", in_a_loop), ("sqlite3", inserting)];
    let mut all: Vec<Costs> =
        runs.iter().map(|&(program, _)| Costs { program, rows: Default::default() }).collect();
    let file = folder.join("cost.mtrace");
    for round in 1..=rounds {
        for (costs, (program, run)) in all.iter_mut().zip(runs) {
            for (row, (name, options)) in costs.rows.iter_mut().zip(WAYS) {
                eprintln!("xtask: round {round} of {rounds}: {program}, recording {name}");
                row.add(&run(programs, options, &file)?, &file)?;
            }
        }
    }
    Ok(all)
}

/// memtrace on a process, recording in this way.
fn attach(programs: &Programs, options: &[&str], file: &Path, pid: u32) -> Result<Option<Tracer>> {
    let mut memtrace = programs.memtrace(pid);
    memtrace.args(options);
    if !options.is_empty() {
        memtrace.arg(file);
    }
    Tracer::start(&mut memtrace, true).map(Some)
}

fn in_a_loop(programs: &Programs, options: &[&str], file: &Path) -> Result<Run> {
    let run = Churn::new(SECONDS).run_beside(|pid| attach(programs, options, file, pid))?;
    let pairs = run.pairs as f64;
    ensure!(pairs > 0.0, "the loop did nothing");
    let program = run.cost.cpu * pairs / 1e9;
    let report = run.ended.and_then(|ended| ended.report);
    Ok(Run { tracer: run.tracer_cpu, program, events: events(report)? })
}

fn inserting(programs: &Programs, options: &[&str], file: &Path) -> Result<Run> {
    let run = sqlite(ROWS, |pid| attach(programs, options, file, pid))?;
    let program = run.cost.cpu * f64::from(ROWS) / 1e9;
    Ok(Run { tracer: run.tracer_cpu, program, events: events(run.report)? })
}

/// Allocations and frees in a report.
fn events(report: Option<Value>) -> Result<f64> {
    let report = report.context("memtrace made no report")?;
    let of = |name: &str| figure(&report, &format!("/processes/0/heap/{name}")) as f64;
    let events = of("allocated_blocks") + of("freed_blocks");
    ensure!(events > 0.0, "memtrace saw no events");
    Ok(events)
}

impl Row {
    fn add(&mut self, run: &Run, file: &Path) -> Result<()> {
        self.tracer.add(run.tracer * 1e9 / run.events);
        self.program.add(run.program * 1e9 / run.events);
        let Ok(about) = file.symlink_metadata() else { return Ok(()) };
        self.bytes.add(about.len() as f64 / run.events);
        std::fs::remove_file(file).with_context(|| format!("cannot remove {}", file.display()))
    }
}

/// Markdown that begins with a heading of the second level.
pub(super) fn section(all: &[Costs]) -> String {
    let mut text = String::from(
        "## What recording adds\n\n\
         CPU time per allocation or free: memtrace's own, all its threads, while the program works; and the program's, \
         with what the kernel does for the probes. *All* is both, next to the same without a recording.\n",
    );
    for Costs { program, rows } in all {
        let _ = write!(
            text,
            "\n### {program}\n\n\
             | recorded | memtrace, ns | × nothing | the program, ns | all, × nothing | bytes per event |\n\
             |---|---:|---:|---:|---:|---:|\n"
        );
        let [nothing, ..] = rows;
        for (row, (name, options)) in rows.iter().zip(WAYS) {
            let own = row.tracer.ratio(&nothing.tracer);
            let bytes = if options.is_empty() { "–".to_owned() } else { row.bytes.shown(2) };
            let _ = writeln!(
                text,
                "| {name} | {} | {} | {} | {} | {bytes} |",
                row.tracer.shown(0),
                own.shown(2),
                row.program.shown(0),
                row.all().ratio(&nothing.all()).shown(2),
            );
        }
    }
    text.push_str(&targets(all));
    text
}

/// What was promised, and whether it is kept.
fn targets(all: &[Costs]) -> String {
    let own = all.iter().all(|Costs { rows: [nothing, recorded @ ..], .. }| {
        let ratio = |row: &Row| row.tracer.ratio(&nothing.tracer).median();
        recorded.iter().all(|row| ratio(row).is_some_and(|ratio| ratio <= MOST))
    });
    let bytes = all
        .last()
        .and_then(|costs| costs.rows[1].bytes.median())
        .is_some_and(|bytes| bytes <= MOST_BYTES);
    format!(
        "\nTargets: recording adds at most {:.0} % to memtrace's own CPU time: {}; at most {MOST_BYTES} bytes per event of \
         sqlite3: {}.\n",
        (MOST - 1.0) * 100.0,
        verdict(own),
        verdict(bytes)
    )
}

impl Row {
    /// Of both.
    fn all(&self) -> Sample {
        self.tracer.plus(&self.program)
    }
}

#[cfg(test)]
mod tests {
    use super::{Costs, Row, section};

    fn row(tracer: f64, program: f64, bytes: &[f64]) -> Row {
        let one = |figure| [figure].into_iter().collect();
        Row { tracer: one(tracer), program: one(program), bytes: bytes.iter().copied().collect() }
    }

    #[test]
    fn what_is_added_is_told_beside_what_tracing_takes() {
        let rows =
            || [row(100.0, 900.0, &[]), row(150.0, 900.0, &[4.5]), row(105.0, 900.0, &[0.1])];
        let all = ["a loop", "sqlite3"].map(|program| Costs { program, rows: rows() });
        let text = section(&all);
        let events = "| events | 150 (150–150) | 1.50 (1.50–1.50) | 900 (900–900) | 1.05 (1.05–1.05) | 4.50 (4.50–4.50) |";
        assert!(text.contains(events), "{text}");
        assert!(text.contains("| nothing | 100 (100–100) | 1.00 (1.00–1.00) |"), "{text}");
        assert!(
            text.contains("own CPU time: **missed**; at most 6 bytes per event of sqlite3: met")
        );
    }

    #[test]
    fn a_target_that_was_not_measured_is_not_met() {
        let rows = || [row(100.0, 900.0, &[]), row(109.0, 900.0, &[]), row(109.0, 900.0, &[])];
        let text = section(&[Costs { program: "sqlite3", rows: rows() }]);
        assert!(
            text.contains("own CPU time: met; at most 6 bytes per event of sqlite3: **missed**")
        );
    }
}
