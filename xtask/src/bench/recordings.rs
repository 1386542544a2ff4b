//! `cargo xtask bench recordings`: reports of a large recording, and the beginning of a recording's later file.

use super::pages::{self, Page};
use super::recording_cost::{self, Costs};
use super::sample::{Sample, Thousands};
use super::sections::verdict;
use super::tracer::Programs;
use super::{keep, machine};
use crate::command::{read, shown, target};
use crate::{elevate, processes, setup};
use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How much is measured.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Options {
    /// Events of the recording
    #[arg(long, default_value_t = 100_000_000)]
    pub(super) events: u64,
    /// Live blocks with which a later file begins
    #[arg(long, default_value_t = 5_000_000)]
    pub(super) blocks: u32,
    /// Rounds; each makes every kind of report once
    #[arg(long, default_value_t = 3)]
    pub(super) rounds: u32,
    /// Rounds for what recording adds [default: 8 for each of the others, if these are several]
    ///
    /// memtrace's CPU time differs by a fifth from run to run, twice as much as is looked for there.
    #[arg(long)]
    cost_rounds: Option<u32>,
    /// Also keep the document, as docs/benchmarks/recordings.md
    #[arg(long)]
    write: bool,
}

impl Options {
    pub(super) const fn rounds(rounds: u32) -> Self {
        Self { events: 100_000_000, blocks: 5_000_000, rounds, cost_rounds: None, write: false }
    }

    fn cost_rounds(&self) -> u32 {
        self.cost_rounds.unwrap_or(if self.rounds > 1 { self.rounds * TIMES } else { 1 })
    }

    /// Whether all of it works.
    pub(super) const fn quick() -> Self {
        Self { events: 1_000_000, blocks: 100_000, rounds: 1, cost_rounds: None, write: false }
    }
}

/// Rounds of what recording adds for one of the others.
const TIMES: u32 = 8;
/// For how many events the targets are.
const EVENTS: u64 = 100_000_000;
/// The longest that a report of them may take, s.
const LONGEST: f64 = 60.0;
/// The most memory that it may take, MiB.
const MOST: f64 = 1024.0;

/// Stands for the middle of the recording.
const MIDDLE: &str = "MIDDLE";
/// Reports, as tables call them, and how they are asked for.
const REPORTS: [(&str, &[&str]); 8] = [
    ("text", &["--format", "text"]),
    ("html", &["--format", "html"]),
    ("json", &["--format", "json"]),
    ("text, at the middle", &["--format", "text", "--at", MIDDLE]),
    ("text, at the peak", &["--format", "text", "--at", "peak"]),
    ("summary of what the second half allocated", &["--view", "allocated", "--from", MIDDLE]),
    ("text of what grew in the second half", &["--view", "growth", "--from", MIDDLE]),
    (
        "html of what the second half leaks",
        &["--view", "leaks", "--format", "html", "--from", MIDDLE],
    ),
];
/// How often it is looked at what memory a process has had at most.
const LOOK: Duration = Duration::from_millis(5);

/// What one form takes.
#[derive(Default)]
struct Row {
    seconds: Sample,
    /// MiB.
    memory: Sample,
}

/// What was measured.
pub(super) struct Results {
    /// As `memtrace/examples/recordings.rs` says it.
    recording: Value,
    rows: Vec<(&'static str, Row)>,
    /// Likewise, of each round.
    carried: Vec<Value>,
    costs: Vec<Costs>,
    page: Page,
}

/// `cargo xtask bench recordings`.
pub(crate) fn recordings(no_install: bool, options: &Options) -> Result<()> {
    if !elevate::is_root() {
        bail!("the benchmark traces and signals processes: run it as root, or through sudo");
    }
    setup::ensure(setup::Purpose::Build, no_install)?;
    // Before anything of ours loads the machine.
    let machine = machine::describe()?;
    let programs = Programs::build_for_recordings()?;
    let results = measure(&programs, options)?;
    let mut document = String::from(
        "# Large recordings\n\nMade by `cargo xtask bench recordings --write`; do not edit.\n\n",
    );
    machine.iter().for_each(|line| document.push_str(&format!("- {line}\n")));
    document.push('\n');
    document.push_str(&section(&results, options));
    println!("{document}");
    if options.write {
        keep("recordings.md", &document)?;
    }
    Ok(())
}

/// Measures.
pub(super) fn measure(programs: &Programs, options: &Options) -> Result<Results> {
    // Beside what is built: where temporary files are there may be memory only.
    elevate::make_folder(&target())?;
    let folder = tempfile::tempdir_in(target()).context("cannot make a folder for a recording")?;
    let file = folder.path().join("large.mtrace");
    eprintln!("xtask: making a recording of {} events", Thousands(options.events));
    let recording = programs.make_recording(&file, options.events)?;
    let middle = format!("{:.3}s", recording["seconds"].as_f64().unwrap_or_default() / 2.0);
    let mut rows: Vec<_> = REPORTS.map(|(name, _)| (name, Row::default())).into();
    for round in 1..=options.rounds {
        for ((name, row), (_, asked)) in rows.iter_mut().zip(REPORTS) {
            eprintln!("xtask: round {round} of {}: {name}", options.rounds);
            let asked = asked.iter().map(|it| if *it == MIDDLE { middle.as_str() } else { it });
            let mut command = programs.report(&file);
            let (seconds, memory) = report(command.args(asked), folder.path())?;
            row.seconds.add(seconds);
            row.memory.add(memory);
        }
    }
    let later = folder.path().join("later.mtrace");
    let carry = |_| programs.carry_over(&later, options.blocks);
    let carried = (0..options.rounds).map(carry).collect::<Result<_>>()?;
    std::fs::remove_file(&file).with_context(|| format!("cannot remove {}", file.display()))?;
    let costs = recording_cost::measure(programs, folder.path(), options.cost_rounds())?;
    let page = pages::measure(options.rounds)?;
    Ok(Results { recording, rows, carried, costs, page })
}

/// Makes a report: how long it took, s, and how much memory at most, MiB.
fn report(command: &mut Command, folder: &Path) -> Result<(f64, f64)> {
    command.arg("--output").arg(folder.join("report"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let name = shown(command);
    let began = Instant::now();
    let mut child = command.spawn().with_context(|| format!("cannot run {name}"))?;
    let mut memory = 0.0;
    let status = loop {
        // It only ever grows.
        memory = processes::peak_resident(child.id()).unwrap_or(memory);
        if let Some(status) = child.try_wait().with_context(|| format!("waiting for {name}"))? {
            break status;
        }
        std::thread::sleep(LOOK);
    };
    let seconds = began.elapsed().as_secs_f64();
    // 3: complete, but degraded, as a recording is that was not made by a run.
    ensure!(matches!(status.code(), Some(0 | 3)), "{name} failed: {status}");
    std::fs::remove_file(folder.join("report"))
        .with_context(|| format!("{name} left no report"))?;
    Ok((seconds, memory))
}

/// Markdown that begins with a heading of the second level.
pub(super) fn section(results: &Results, options: &Options) -> String {
    let figure = |value: &Value, name: &str| value[name].as_f64().unwrap_or_default();
    let events = figure(&results.recording, "events");
    let mut text = format!(
        "## Reports of a recording of {} events\n\n\
         Of a made-up process: eight threads, 5,000 call stacks of 16 frames in the code of memtrace itself, whose names \
         and lines are looked up, {} live blocks, reallocations, an interval each ten seconds; {:.2} bytes per event. \
         Wall time of the whole command; medians of {} rounds with their extremes in brackets.\n\n\
         | report | seconds | million events/s | most memory, MiB | target |\n|---|---:|---:|---:|---|\n",
        Thousands(events as u64),
        Thousands(figure(&results.recording, "live_blocks") as u64),
        figure(&results.recording, "bytes") / events,
        options.rounds,
    );
    for (format, row) in &results.rows {
        let rate = row.seconds.median().map_or(0.0, |seconds| events / seconds / 1e6);
        let _ = writeln!(
            text,
            "| {format} | {} | {rate:.1} | {} | {} |",
            row.seconds.shown(1),
            row.memory.shown(0),
            row.judged(events as u64)
        );
    }
    let _ = write!(
        text,
        "\nTarget: {} events in under {LONGEST} s and {MOST} MiB.\n\n\
         ## The beginning of a later file\n\n\
         With `--record-files` each file begins with what lives. While the daemon writes that it reads the ring, \
         and takes what came in afterwards.\n\n\
         | live blocks | seconds | blocks/s | bytes per block |\n|---:|---:|---:|---:|\n",
        Thousands(EVENTS)
    );
    let seconds: Sample = results.carried.iter().map(|it| figure(it, "seconds")).collect();
    let blocks = f64::from(options.blocks);
    let rate = seconds.median().map_or(0.0, |seconds| blocks / seconds);
    let bytes = results.carried.first().map_or(0.0, |it| figure(it, "bytes") / blocks);
    let _ = writeln!(
        text,
        "| {} | {} | {} | {bytes:.1} |",
        Thousands(options.blocks.into()),
        seconds.shown(2),
        Thousands(rate as u64)
    );
    text.push('\n');
    text.push_str(&recording_cost::section(&results.costs));
    text.push('\n');
    text.push_str(&pages::section(&results.page));
    text
}

impl Row {
    /// Whether the target was reached; it is for so many events and no fewer.
    fn judged(&self, events: u64) -> &'static str {
        if events < EVENTS {
            return "–";
        }
        let below = |sample: &Sample, most| sample.median().is_some_and(|figure| figure < most);
        verdict(below(&self.seconds, LONGEST) && below(&self.memory, MOST))
    }
}

impl Programs {
    /// A recording of so many events; gives what it is.
    fn make_recording(&self, file: &Path, events: u64) -> Result<Value> {
        let mut command = Command::new(self.recordings());
        let events = events.to_string();
        said(command.arg("make").arg(file).arg(events).arg(self.report(file).get_program()))
    }

    /// What lives, as a later file begins with it; gives how long that took.
    fn carry_over(&self, file: &Path, blocks: u32) -> Result<Value> {
        said(Command::new(self.recordings()).arg("carry").arg(blocks.to_string()).arg(file))
    }
}

fn said(command: &mut Command) -> Result<Value> {
    serde_json::from_str(&read(command)?).context("the benchmark says no figures")
}

#[cfg(test)]
mod tests {
    use super::{EVENTS, Options, Results, Row, section};
    use serde_json::json;

    #[test]
    fn targets_are_for_the_number_of_events_that_they_name() {
        let row = |seconds: f64, memory: f64| Row {
            seconds: [seconds].into_iter().collect(),
            memory: [memory].into_iter().collect(),
        };
        assert_eq!(row(59.0, 900.0).judged(EVENTS), "met");
        assert_eq!(row(61.0, 900.0).judged(EVENTS), "**missed**");
        assert_eq!(row(59.0, 1025.0).judged(EVENTS), "**missed**");
        assert_eq!(row(1.0, 10.0).judged(EVENTS - 1), "–");
        assert_eq!(Row::default().judged(EVENTS), "**missed**", "it was not measured");
    }

    #[test]
    fn the_section_has_a_row_for_each_form() {
        let row =
            Row { seconds: [25.0].into_iter().collect(), memory: [100.0].into_iter().collect() };
        let results = Results {
            recording: json!({"events": 100_000_000, "bytes": 400_000_000, "live_blocks": 99_000}),
            rows: vec![("text", row)],
            carried: vec![json!({"blocks": 5_000_000, "seconds": 2.5, "bytes": 10_000_000})],
            costs: Vec::new(),
            page: super::Page::default(),
        };
        let text = section(&results, &Options::rounds(1));
        assert!(text.contains("| text | 25.0 (25.0–25.0) | 4.0 | 100 (100–100) | met |"), "{text}");
        assert!(text.contains("99,000 live blocks, reallocations"), "{text}");
        assert!(text.contains("| 5,000,000 | 2.50 (2.50–2.50) | 2,000,000 | 2.0 |"), "{text}");
    }
}
