//! `cargo xtask bench`: memtrace and its neighbours under all workloads, in one run and one table.

use super::rounds::Row;
use super::table::{number, shortened};
use super::watch::Figures;
use super::{Results, Workload, targets};
use crate::bench::sample::Sample;
use crate::bench::tracer::Programs;
use crate::bench::{keep, machine, recordings};
use anyhow::Result;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// How much is measured.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Options {
    /// Rounds; each runs every workload in every way once
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Seconds that the loop, and the load on nginx, last each time
    #[arg(long, default_value_t = 2)]
    seconds: u32,
    /// One round, with one second for the loop and the load: whether all of it works
    #[arg(long, conflicts_with_all = ["rounds", "seconds", "write"])]
    quick: bool,
    /// Measure only these workloads: loop, sqlite, compiler, python, redis, steady-redis, nginx
    #[arg(long, value_delimiter = ',', conflicts_with = "write")]
    only: Vec<String>,
    /// Install what is missing of the peers and the programs that they trace, with apt and pip; redis and
    /// nginx come as services, which may begin to listen
    #[arg(long)]
    install_peers: bool,
    /// Also keep the document, as docs/benchmarks/DATE.md
    #[arg(long)]
    write: bool,
}

/// `cargo xtask bench`.
pub(crate) fn overview(no_install: bool, options: &Options) -> Result<()> {
    let (rounds, seconds) = if options.quick { (1, 1) } else { (options.rounds, options.seconds) };
    let measured = super::Options {
        rounds,
        seconds,
        only: options.only.clone(),
        install_peers: options.install_peers,
        write: false,
    };
    let results = super::measure(no_install, &measured)?;
    let mut document = document(&results, rounds);
    // It is no workload of the neighbours'.
    if options.only.is_empty() {
        let options = if options.quick {
            recordings::Options::quick()
        } else {
            recordings::Options::rounds(rounds)
        };
        let programs = Programs::build()?;
        document.push('\n');
        document
            .push_str(&recordings::section(&recordings::measure(&programs, &options)?, &options));
    }
    println!("{document}");
    if options.write {
        keep(&format!("{}.md", machine::today()?), &document)?;
    }
    Ok(())
}

fn document(results: &Results, rounds: u32) -> String {
    let mut text = format!(
        "# memtrace and its neighbours\n\n\
         Made by `cargo xtask bench --write`; do not edit. Medians of {rounds} rounds, where few percent decide of five \
         times as many. Each round runs every workload in every way once, in turn; × is the program's CPU time in units of its own without tracing, \
         round by round. Of a server it says what its client saw. *Its CPU* and *its memory* are those of the \
         tracer's own processes under the workload that took most of them, *lost* is the sum over all workloads and rounds, \
         *whole stacks* the least part of any, by the tracer's own account. –: there is none, or it does not \
         say. What each way is, and more of it, is in [peers.md](peers.md).\n\n"
    );
    results.machine.iter().for_each(|line| text.push_str(&format!("- {line}\n")));
    text.push('\n');
    text.push_str(&table(results));
    text.push_str(&targets::section(results));
    text.push_str(&versions(results));
    text.push_str(&failures(results));
    text
}

/// A row for each way.
fn table(results: &Results) -> String {
    let mut names = vec![String::new()];
    for (name, workload, rows) in &results.workloads {
        let (time, unit) = (workload.time.0, workload.unit);
        names.extend([format!("{name}: {time} per {unit}"), "×".to_owned()]);
        if is_served(rows) {
            names.extend([format!("{name}: per second"), "p99 ms".to_owned()]);
        }
    }
    let last = ["its CPU, cores", "its memory, MiB", "events lost", "whole stacks"];
    names.extend(last.map(str::to_owned));
    let rules = "---:|".repeat(names.len() - 1);
    let mut text = format!("|{}|\n|---|{rules}\n", names.join(" | "));
    for (place, way) in results.ways.iter().enumerate() {
        let _ = writeln!(text, "| {} | {} |", way.peer.name, cells(results, place).join(" | "));
    }
    text
}

fn is_served(rows: &[Row]) -> bool {
    rows.iter().flat_map(|row| &row.figures).any(|figures| figures.served.is_some())
}

/// The figures of the way with this place.
fn cells(results: &Results, place: usize) -> Vec<String> {
    let mut cells = Vec::new();
    for (_, workload, rows) in &results.workloads {
        let (own, base) = (cpu(&rows[place], *workload), cpu(&rows[0], *workload));
        let digits = usize::from(workload.time.1 > 1.0);
        cells.push(number(own.median(), digits, ""));
        cells.push(number(own.ratio(&base).median(), 2, ""));
        if is_served(rows) {
            let served = |figure: fn(&Figures) -> Option<f64>| rows[place].sample(figure).median();
            cells.push(number(served(|it| Some(it.served?.per_second)), 0, ""));
            cells.push(number(served(|it| Some(it.served?.p99)), 2, ""));
        }
    }
    let all = |figure: fn(&Figures) -> Option<f64>| -> Vec<f64> {
        let row = |(.., rows): &(_, _, Vec<Row>)| rows[place].sample(figure).median();
        results.workloads.iter().filter_map(row).collect()
    };
    let most = |figures: &[f64]| figures.iter().copied().reduce(f64::max);
    cells.push(number(most(&all(|it| it.cores)), 2, ""));
    cells.push(number(most(&all(|it| it.own_memory)), 0, ""));
    cells.push(number(lost(results.workloads.iter().map(|(.., rows)| &rows[place])), 0, ""));
    let whole = all(|it| it.counts.complete.map(|part| 100.0 * part));
    cells.push(number(whole.into_iter().reduce(f64::min), 2, " %"));
    cells
}

/// Events that were lost in all rounds of these rows; `None`: none says.
pub(super) fn lost<'a>(rows: impl Iterator<Item = &'a Row>) -> Option<f64> {
    let lost: Vec<f64> =
        rows.flat_map(|row| &row.figures).filter_map(|figures| figures.counts.lost).collect();
    (!lost.is_empty()).then(|| lost.iter().sum())
}

fn cpu(row: &Row, workload: Workload) -> Sample {
    row.sample(|figures| Some(figures.cpu / workload.time.1))
}

fn versions(results: &Results) -> String {
    let mut text = String::new();
    let known = results.ways.iter().filter_map(|way| Some((way, way.version.as_deref().ok()?)));
    for (way, version) in known.filter(|(_, version)| !version.is_empty()) {
        let _ = write!(text, "\n- {}: {version}, `{}`", way.peer.name, way.peer.line);
    }
    if text.is_empty() { text } else { format!("\n## Versions\n{text}\n") }
}

/// Why figures are missing: each reason once, with the workloads that it is about.
fn failures(results: &Results) -> String {
    let mut reasons: BTreeMap<(usize, &str), Vec<&str>> = BTreeMap::new();
    for (name, _, rows) in &results.workloads {
        for (place, row) in rows.iter().enumerate() {
            if let Some(reason) = &row.failed {
                reasons.entry((place, reason)).or_default().push(name);
            }
        }
    }
    if reasons.is_empty() {
        return String::new();
    }
    let mut text = "\n## Not measured\n".to_owned();
    for ((place, reason), workloads) in reasons {
        let way = results.ways[place].peer.name;
        let _ = write!(text, "\n- {way}, {}: {}", workloads.join(", "), shortened(reason));
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::super::NOT_RUN;
    use super::super::attached::Counts;
    use super::super::peer::{ALL, Way};
    use super::super::watch::Served;
    use super::{Figures, Results, Row, document};

    fn row(name: &'static str, cpu: f64, served: Option<Served>) -> Row {
        let figures = Figures { cpu, served, cores: Some(cpu / 100.0), ..Figures::default() };
        Row { name, figures: vec![figures], failed: None }
    }

    /// A median of three rounds would hide what one of them lost.
    #[test]
    fn what_one_round_lost_is_in_the_sum() {
        let lost =
            |lost| Figures { counts: Counts { lost, ..Counts::default() }, ..Figures::default() };
        let row = |figures| Row { name: "x", figures, failed: None };
        let rows =
            [row(vec![lost(Some(0.0)), lost(Some(7.0)), lost(None)]), row(vec![lost(Some(2.0))])];
        assert_eq!(super::lost(rows.iter()), Some(9.0));
        assert_eq!(super::lost([row(vec![lost(None)])].iter()), None);
    }

    #[test]
    fn every_way_has_a_row_and_what_failed_a_reason() {
        let served = Some(Served { per_second: 5000.0, p99: 1.5 });
        let failed =
            || Row { name: "bad", figures: Vec::new(), failed: Some("no headers".to_owned()) };
        let rows = || vec![row("untraced", 40.0, None), row("good", 100.0, None), failed()];
        let servers = vec![row("untraced", 1.0, served), row("good", 2.0, served), failed()];
        let way = |peer| Way { peer, version: Ok("1.0".to_owned()) };
        let results = Results {
            machine: vec!["A machine.".to_owned()],
            ways: ALL.into_iter().take(3).map(way).collect(),
            workloads: vec![
                ("loop", NOT_RUN, rows()),
                ("sqlite", NOT_RUN, rows()),
                ("redis", NOT_RUN, servers),
            ],
        };
        let text = document(&results, 1);
        let good = "| 100 | 2.50 | 100 | 2.50 | 2 | 2.00 | 5000 | 1.50 | 1.00 | – | – | – |";
        assert!(text.contains(good), "{text}");
        assert!(text.contains(", loop, sqlite, redis: no headers"), "{text}");
        let columns: Vec<usize> = text
            .lines()
            .filter(|line| line.starts_with('|'))
            .map(|line| line.matches('|').count())
            .collect();
        assert_eq!(columns, [14; 5]);
    }
}
