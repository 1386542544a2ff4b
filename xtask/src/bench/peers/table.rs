//! Results → Markdown.

use super::peer::{How, Way};
use super::rounds::Row;
use super::watch::Figures;
use super::{Options, Workload};
use crate::bench::sample::Sample;
use std::fmt::Write as _;

/// Characters of a reason that are shown.
const REASON: usize = 240;
/// What stands where there is no figure.
const NONE: &str = "–";

/// What was compared, how, and on what.
pub(super) fn head(machine: &[String], options: &Options, ways: &[Way]) -> String {
    let mut text = format!(
        "# memtrace beside its neighbours\n\n\
         Made by `cargo xtask bench peers --write`; do not edit. Medians of {} rounds (where few percent decide of five \
         times as many) with their extremes in brackets. Each round runs every way once, in turn; ratios are taken within a round. CPU time is \
         the program's own, from when it is ready and traced until it has done its work: what the kernel \
         and what a peer inside the program do for tracing is in it, starting the peer is not. *Its CPU* \
         and *its memory* are those of the peer's own processes, where it has any; *more memory* is what \
         the program itself has at most, less what it has untraced. *Seen* is the part of the \
         program's allocations that the peer counted, where both numbers are known; *lost* and *whole \
         stacks* are by the peer's own account. {NONE}: there is none, or it does not say. The \
         program has copies of the allocator's libraries of its own, so that no other process runs into \
         probes.\n\n",
        options.rounds
    );
    for line in machine {
        let _ = writeln!(text, "- {line}");
    }
    text.push_str("\n## Who is compared\n\n");
    text.push_str(
        "| | version | command | attaches | stacks | remarks |\n|---|---|---|---|---|---|\n",
    );
    for way in ways.iter().filter(|way| !matches!(way.peer.how, How::Untraced)) {
        let version = way.version.as_deref().unwrap_or("not here");
        let peer = &way.peer;
        let _ = writeln!(
            text,
            "| {} | {version} | `{}` | {} | {} | {} |",
            peer.name, peer.line, peer.attaches, peer.stacks, peer.remark
        );
    }
    text
}

/// One workload: a row for each way, also for those without figures.
pub(super) fn section(workload: Workload, rows: &[Row]) -> String {
    let (unit, time) = (workload.unit, workload.time.0);
    let is_served = rows.iter().any(|row| row.figures.iter().any(|f| f.served.is_some()));
    let (names, rules) =
        if is_served { (" per second | p99 ms |", "---:|---:|") } else { ("", "") };
    let mut text = format!(
        "## {}\n\n{}\n\n\
         | | CPU {time} per {unit} | × untraced | its CPU, cores | its memory, MiB | more memory, MiB | seen | \
         lost | whole stacks |{names}\n|---|---:|---:|---:|---:|---:|---:|---:|---:|{rules}\n",
        workload.title, workload.about
    );
    let columns = if is_served { 10 } else { 8 };
    for row in rows {
        let cells = if row.figures.is_empty() {
            let reason = row.failed.as_deref().unwrap_or("not measured");
            let mut cells = vec![format!("not measured: {}", shortened(reason))];
            cells.resize(columns, String::new());
            cells
        } else {
            cells(workload, row, &rows[0], is_served)
        };
        let _ = writeln!(text, "| {} | {} |", row.name, cells.join(" | "));
    }
    for row in rows.iter().filter(|row| !row.figures.is_empty()) {
        if let Some(reason) = &row.failed {
            let (name, rounds) = (row.name, row.figures.len());
            let _ = writeln!(text, "\n{name} failed after {rounds} rounds: {}.", shortened(reason));
        }
    }
    text
}

fn cells(workload: Workload, row: &Row, untraced: &Row, is_served: bool) -> Vec<String> {
    let cpu = row.sample(|f| Some(f.cpu / workload.time.1));
    let base = untraced.sample(|f| Some(f.cpu / workload.time.1));
    let median = |figure: fn(&Figures) -> Option<f64>| row.sample(figure).median();
    let base_memory = untraced.sample(|f| f.program_memory).median();
    let more =
        median(|f| f.program_memory).zip(base_memory).map(|(own, base)| (own - base).max(0.0));
    let seen = row.sample(|f| Some(100.0 * f.counts.seen? / f.allocations?)).median();
    let complete = median(|f| f.counts.complete).map(|part| 100.0 * part);
    let mut cells = vec![
        shown(&cpu, usize::from(workload.time.1 > 1.0)),
        shown(&cpu.ratio(&base), 2),
        number(median(|f| f.cores), 2, ""),
        number(median(|f| f.own_memory), 0, ""),
        number(more, 0, ""),
        number(seen, 2, " %"),
        number(median(|f| f.counts.lost), 0, ""),
        number(complete, 2, " %"),
    ];
    if is_served {
        cells.push(shown(&row.sample(|f| Some(f.served?.per_second)), 0));
        cells.push(shown(&row.sample(|f| Some(f.served?.p99)), 2));
    }
    cells
}

fn shown(sample: &Sample, digits: usize) -> String {
    sample.median().map_or_else(|| NONE.to_owned(), |_| sample.shown(digits))
}

pub(super) fn number(figure: Option<f64>, digits: usize, unit: &str) -> String {
    figure.map_or_else(|| NONE.to_owned(), |figure| format!("{figure:.digits$}{unit}"))
}

/// A reason's beginning and end: tools say what is wrong first, or last.
pub(super) fn shortened(reason: &str) -> String {
    let length = reason.chars().count();
    if length <= REASON {
        return reason.to_owned();
    }
    let begin: String = reason.chars().take(REASON / 2).collect();
    let end: String = reason.chars().skip(length - REASON / 2).collect();
    format!("{begin} … {end}")
}

#[cfg(test)]
mod tests {
    use super::super::attached::Counts;
    use super::super::rounds::Row;
    use super::super::watch::{Figures, Served};
    use super::{REASON, section, shortened};
    use crate::bench::peers::NOT_RUN;

    fn row(name: &'static str, figures: Option<Figures>, failed: Option<&str>) -> Row {
        Row { name, figures: figures.into_iter().collect(), failed: failed.map(str::to_owned) }
    }

    #[test]
    fn a_way_without_figures_has_a_row_with_the_reason() {
        let untraced = Figures { cpu: 40.0, program_memory: Some(2.0), ..Figures::default() };
        let traced = Figures {
            cpu: 100.0,
            cores: Some(0.25),
            program_memory: Some(3.5),
            own_memory: Some(90.0),
            counts: Counts { seen: Some(99.0), lost: Some(1.0), complete: Some(1.0) },
            allocations: Some(100.0),
            served: None,
        };
        let rows = [
            row("untraced", Some(untraced), None),
            row("good", Some(traced), None),
            row("bad", None, Some("no headers")),
        ];
        let text = section(NOT_RUN, &rows);
        let expected =
            "| good | 100 (100–100) | 2.50 (2.50–2.50) | 0.25 | 90 | 2 | 99.00 % | 1 | 100.00 % |";
        assert!(text.contains(expected), "{text}");
        assert!(text.contains("| bad | not measured: no headers |"), "{text}");
        let columns: Vec<usize> = text
            .lines()
            .filter(|line| line.starts_with('|'))
            .map(|line| line.matches('|').count())
            .collect();
        assert!(columns.iter().all(|&count| count == 10), "{columns:?}");
    }

    #[test]
    fn what_a_client_saw_has_columns() {
        let served = Some(Served { per_second: 5000.4, p99: 1.25 });
        let rows =
            [row("untraced", Some(Figures { cpu: 1.0, served, ..Figures::default() }), None)];
        let text = section(NOT_RUN, &rows);
        assert!(text.contains("| 5000 (5000–5000) | 1.25 (1.25–1.25) |"), "{text}");
    }

    #[test]
    fn of_a_long_reason_both_ends_are_kept() {
        let text = shortened(&format!("the begin{}the end", "x".repeat(2 * REASON)));
        assert!(text.starts_with("the begin") && text.ends_with("the end"), "{text}");
        assert_eq!(text.chars().count(), REASON + 3);
    }
}
