//! `cargo xtask bench sampling`: how often the truth lies where reports of samples say that it lies.

use super::sample::{Sample, Thousands};
use super::sections::verdict;
use super::tracer::{Programs, Tracer};
use super::{keep, machine};
use crate::fixtures::{self, Running};
use crate::{elevate, setup};
use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use std::fmt::Write as _;
use std::time::Duration;

/// How much is measured.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Options {
    /// Processes whose reports are judged
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Processes that are traced by one memtrace at a time
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100))]
    together: u32,
    /// Mean bytes between samples, as memtrace takes it
    #[arg(long, default_value = "64KiB")]
    sample_interval: String,
    /// Also keep the table, as docs/benchmarks/sampling.md
    #[arg(long)]
    write: bool,
}

/// Of a hundred intervals of 95 % this many hold the truth at least, in 99 of 100 such hundreds
/// (binomial distribution).
const LEAST_OF_100: f64 = 89.0;
/// The longest that one memtrace and its programs may last.
const PATIENCE: Duration = Duration::from_secs(120);

/// The program whose totals are known exactly.
const PROGRAM: &str = "samples";
/// Its figures, as the program and the report name them.
const FIGURES: [&str; 6] = [
    "live_bytes",
    "live_blocks",
    "allocated_bytes",
    "allocated_blocks",
    "freed_bytes",
    "freed_blocks",
];

/// One figure over all runs.
#[derive(Debug, Default)]
struct Tally {
    truth: u64,
    runs: u32,
    held: u32,
    /// Of each run in parts of the truth: how far off the estimate was, and half the interval's width.
    errors: Sample,
    widths: Sample,
}

/// `cargo xtask bench sampling`.
pub(crate) fn sampling(no_install: bool, options: &Options) -> Result<()> {
    if !elevate::is_root() {
        bail!("the benchmark traces processes: run it as root, or through sudo");
    }
    setup::ensure(setup::Purpose::Build, no_install)?;
    // Before anything of ours loads the machine.
    let machine = machine::describe()?;
    let programs = Programs::build_memtrace()?;
    let mut tallies: [Tally; FIGURES.len()] = Default::default();
    let mut left = options.runs;
    while left > 0 {
        let now = left.min(options.together);
        batch(&programs, options, now, &mut tallies)?;
        left -= now;
        eprintln!("xtask: {} of {} runs", options.runs - left, options.runs);
    }
    let table = table(&machine, options, &tallies);
    println!("{table}");
    if options.write {
        keep("sampling.md", &table)?;
    }
    Ok(())
}

/// Some programs under one memtrace, from their beginning to the report.
fn batch(programs: &Programs, options: &Options, count: u32, tallies: &mut [Tally]) -> Result<()> {
    let program = fixtures::compile(PROGRAM)?;
    let start = |_| Running::start_within(elevate::as_user(&program)?, PATIENCE);
    let mut all: Vec<Running> = (0..count).map(start).collect::<Result<_>>()?;
    let pids: Vec<u32> = all.iter().map(Running::pid).collect();
    let mut command = programs.sampling(&pids, &options.sample_interval);
    let tracer = Tracer::start_within(&mut command, &[super::tracer::SIGN], PATIENCE)?;
    all.iter_mut().try_for_each(Running::go)?;
    let said = all.iter_mut().map(Running::until_done).collect::<Result<Vec<_>>>()?;
    let report = tracer.end()?.report.context("memtrace left no report")?;
    ensure!(report.pointer("/loss/events") == Some(&0.into()), "events were lost: {report}");
    for (pid, said) in pids.iter().zip(&said) {
        let heap = heap(&report, *pid).context("a process is not in the report")?;
        for (name, tally) in FIGURES.iter().zip(tallies.iter_mut()) {
            tally.judge(truth(said, name)?, heap, name)?;
        }
    }
    all.into_iter().try_for_each(Running::stop)
}

fn heap(report: &Value, pid: u32) -> Option<&Value> {
    let processes = report.get("processes")?.as_array()?;
    processes.iter().find(|process| process["pid"] == pid)?.get("heap")
}

/// Reads `NAME=N` in the program's account of itself.
fn truth(said: &[String], name: &str) -> Result<u64> {
    let account = said.iter().find_map(|line| line.strip_prefix("expect all "));
    let figure = account.into_iter().flat_map(|line| line.split(' ')).find_map(|word| {
        let (key, figure) = word.split_once('=')?;
        (key == name).then(|| figure.parse().ok())?
    });
    figure.with_context(|| format!("the program did not say its {name}"))
}

impl Tally {
    fn judge(&mut self, truth: u64, heap: &Value, name: &str) -> Result<()> {
        let end = |index: usize| heap[format!("{name}_ci95")][index].as_u64();
        let all = heap[name].as_u64().zip(end(0)).zip(end(1));
        let ((value, low), high) = all.with_context(|| format!("{name} is no estimate"))?;
        let part = |bytes: f64| bytes / truth as f64;
        self.truth = truth;
        self.runs += 1;
        self.held += u32::from((low..=high).contains(&truth));
        self.errors.add(part(value as f64 - truth as f64));
        self.widths.add(part(high.saturating_sub(low) as f64 / 2.0));
        Ok(())
    }

    fn is_met(&self) -> bool {
        f64::from(self.held) >= f64::from(self.runs) * LEAST_OF_100 / 100.0
    }
}

fn table(machine: &[String], options: &Options, tallies: &[Tally]) -> String {
    let mut text = format!(
        "# Where the truth lies\n\n\
         Made by `cargo xtask bench sampling --write`; do not edit. {} processes, each of which allocates and \
         frees exactly what it says, from 64 bytes to 1 MiB at once, traced from beginning to end with a sample \
         each {}. *Held*: the interval of 95 % in the report held the truth. Estimates are off by what is shown, \
         and intervals are as wide to either side, in percent of the truth: median, least and most.\n\n",
        options.runs, options.sample_interval
    );
    machine.iter().for_each(|line| text.push_str(&format!("- {line}\n")));
    text.push_str(
        "\n| figure | truth | held | target | off, % | interval, ± % |\n|---|---:|---:|---|---:|---:|\n",
    );
    for (name, tally) in FIGURES.iter().zip(tallies) {
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "| {name} | {} | {} of {} | {} | {} | {} |",
            Thousands(tally.truth),
            tally.held,
            tally.runs,
            verdict(tally.is_met()),
            tally.errors.percent().shown(2),
            tally.widths.percent().shown(2)
        );
    }
    let _ = writeln!(text, "\nTarget: at least {LEAST_OF_100} of 100.");
    text
}

#[cfg(test)]
mod tests {
    use super::{Tally, heap, truth};
    use serde_json::json;

    #[test]
    fn the_truth_is_what_the_program_says() {
        let said = ["expect small allocated_bytes=1".to_owned(), "expect all live_bytes=70".into()];
        assert_eq!(truth(&said, "live_bytes").unwrap(), 70);
        assert!(truth(&said, "allocated_bytes").is_err());
    }

    #[test]
    fn an_interval_holds_the_truth_or_not() {
        let figures = json!({"live_bytes": 100, "live_bytes_ci95": [90, 110]});
        let report = json!({"processes": [{"pid": 7, "heap": figures}]});
        let heap = heap(&report, 7).unwrap();
        let mut tally = Tally::default();
        for truth in [90, 110, 111] {
            tally.judge(truth, heap, "live_bytes").unwrap();
        }
        assert_eq!((tally.runs, tally.held, tally.is_met()), (3, 2, false));
        assert!(tally.judge(1, heap, "freed_bytes").is_err());
    }
}
