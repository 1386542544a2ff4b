//! What memtrace promises of itself beside its neighbours, and whether it was so.

use super::Results;
use super::attached::FLOOR_NAME;
use super::rounds::Row;
use super::watch::Figures;
use crate::bench::sample::Sample;
use crate::bench::sections::verdict;
use std::fmt::Write as _;

/// Ways that several promises name.
const UNTRACED: &str = "untraced";
const PAGES: &str = "memtrace, pages";

/// One promise: how many times `dear` is `cheap`, by one figure of a workload.
struct Target {
    what: &'static str,
    workload: &'static str,
    figure: fn(&Figures) -> Option<f64>,
    dear: &'static str,
    cheap: &'static str,
    bound: Bound,
}

impl Target {
    /// The same ratio with probes that do nothing in the place of memtrace's; `None`: it is not about those.
    fn of_empty_probes(&self, dear: &Sample, floor: &Sample, cheap: &Sample) -> Option<Sample> {
        match (self.dear, self.cheap) {
            (PAGES, _) | (_, PAGES) => None,
            (_, UNTRACED) => Some(floor.ratio(cheap)),
            _ => Some(dear.ratio(floor)),
        }
    }
}

/// On which side of a number the ratio is to be.
#[derive(Clone, Copy)]
enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

impl Bound {
    fn holds(self, ratio: f64) -> bool {
        match self {
            Self::AtLeast(least) => ratio >= least,
            Self::AtMost(most) => ratio <= most,
        }
    }

    fn shown(self) -> String {
        match self {
            Self::AtLeast(least) => format!("≥ {least}"),
            Self::AtMost(most) => format!("≤ {most}"),
        }
    }
}

/// Ratios below this are looked for in several times as many rounds: one run differs from the next by as much.
const CLOSE: f64 = 1.3;

/// Whether a promise about a workload of this way leaves no room for the noise of a few rounds.
pub(super) fn is_close(workload: &str, way: &str) -> bool {
    let names =
        |target: &Target| target.workload == workload && [target.dear, target.cheap].contains(&way);
    let is_near = |bound: Bound| matches!(bound, Bound::AtMost(most) if most < CLOSE);
    TARGETS.iter().any(|target| names(target) && is_near(target.bound))
}

const CPU: fn(&Figures) -> Option<f64> = |figures| Some(figures.cpu);
const SLOWEST: fn(&Figures) -> Option<f64> = |figures| Some(figures.served?.p99);

const fn cheaper(
    dear: &'static str,
    cheap: &'static str,
    times: f64,
    what: &'static str,
) -> Target {
    Target { what, workload: "loop", figure: CPU, dear, cheap, bound: Bound::AtLeast(times) }
}

const fn beside_untraced(
    workload: &'static str,
    dear: &'static str,
    most: f64,
    what: &'static str,
) -> Target {
    Target { what, workload, figure: CPU, dear, cheap: UNTRACED, bound: Bound::AtMost(most) }
}

const TARGETS: [Target; 8] = [
    cheaper("bpftrace", "memtrace", 6.0, "a pair of bpftrace's in memtrace's"),
    cheaper("bcc memleak", "memtrace", 6.0, "a pair of memleak's in memtrace's"),
    cheaper(
        "bpftrace",
        "memtrace, samples",
        13.0,
        "a pair of bpftrace's in memtrace's with samples",
    ),
    cheaper(
        "bcc memleak",
        "memtrace, samples",
        13.0,
        "a pair of memleak's in memtrace's with samples",
    ),
    beside_untraced("sqlite", PAGES, 1.05, "sqlite3 with its pages watched"),
    beside_untraced("compiler", PAGES, 1.05, "cc1plus with its pages watched"),
    slowest("redis", "redis-server's p99 with samples, as many requests as it manages"),
    slowest("steady-redis", "redis-server's p99 with samples, 5,000 requests per second"),
];

const fn slowest(workload: &'static str, what: &'static str) -> Target {
    let (dear, cheap) = ("memtrace, samples", UNTRACED);
    Target { what, workload, figure: SLOWEST, dear, cheap, bound: Bound::AtMost(1.25) }
}

/// A table of all targets whose workload was measured; nothing if there is none.
pub(super) fn section(results: &Results) -> String {
    let lines: Vec<String> =
        TARGETS.iter().filter_map(|target| line(target, results)).chain(lost(results)).collect();
    if lines.is_empty() {
        return String::new();
    }
    let mut text = "\n## Targets\n\n*Empty probes* is the same ratio with probes that do nothing in the place of \
                    memtrace's: no tracer with these probes does better.\n\n\
                    | | measured | target | | empty probes |\n|---|---:|---:|---|---:|\n"
        .to_owned();
    for line in lines {
        let _ = writeln!(text, "{line}");
    }
    text
}

fn line(target: &Target, results: &Results) -> Option<String> {
    let (.., rows) = results.workloads.iter().find(|(name, ..)| *name == target.workload)?;
    let sample = |name: &str| -> Option<Sample> {
        Some(rows.iter().find(|row| row.name == name)?.sample(target.figure))
    };
    let (dear, cheap) = (sample(target.dear)?, sample(target.cheap)?);
    let ratio = dear.ratio(&cheap);
    let outcome = ratio.median().map_or("", |median| verdict(target.bound.holds(median)));
    let bound = target.bound.shown();
    let floor = sample(FLOOR_NAME);
    let floor = floor.and_then(|floor| target.of_empty_probes(&dear, &floor, &cheap));
    let floor = floor.map(|floor| floor.shown(2)).unwrap_or_default();
    Some(format!("| {} | {} | {bound} | {outcome} | {floor} |", target.what, ratio.shown(2)))
}

/// What memtrace lost under all workloads together.
fn lost(results: &Results) -> Option<String> {
    let ours = |row: &&Row| row.name.starts_with("memtrace");
    let rows = results.workloads.iter().flat_map(|(.., rows)| rows).filter(ours);
    let sum = super::overview::lost(rows)?;
    Some(format!("| events lost | {sum:.0} | 0 | {} | |", verdict(sum == 0.0)))
}

#[cfg(test)]
mod tests {
    use super::super::attached::Counts;
    use super::super::watch::Served;
    use super::super::{NOT_RUN, peer};
    use super::{Figures, Results, Row, TARGETS, section};

    fn row(name: &'static str, cpu: f64) -> Row {
        let counts = Counts { lost: Some(0.0), ..Counts::default() };
        let figures = vec![Figures { cpu, counts, ..Figures::default() }];
        Row { name, figures, failed: None }
    }

    fn of(workload: &'static str, rows: Vec<Row>) -> Results {
        let workloads = vec![(workload, NOT_RUN, rows)];
        Results { machine: Vec::new(), ways: Vec::new(), workloads }
    }

    #[test]
    fn each_target_says_whether_it_is_met() {
        let text = section(&of(
            "loop",
            vec![row("memtrace", 10.0), row("memtrace, samples", 5.0), row("bpftrace", 61.0)],
        ));
        assert!(text.contains("in memtrace's | 6.10 (6.10–6.10) | ≥ 6 | met |  |"), "{text}");
        assert!(
            text.contains("with samples | 12.20 (12.20–12.20) | ≥ 13 | **missed** |  |"),
            "{text}"
        );
        assert!(text.contains("| events lost | 0 | 0 | met | |"), "{text}");
        assert!(!text.contains("memleak"), "{text}");
    }

    /// A promise that probes alone break is to be seen as such.
    #[test]
    fn beside_a_neighbour_stands_how_much_cheaper_empty_probes_are() {
        let rows = vec![row("memtrace", 10.0), row("empty probes", 8.0), row("bpftrace", 40.0)];
        let text = section(&of("loop", rows));
        let line = "| 4.00 (4.00–4.00) | ≥ 6 | **missed** | 5.00 (5.00–5.00) |";
        assert!(text.contains(line), "{text}");
    }

    #[test]
    fn beside_what_is_untraced_stands_what_probes_cost_alone() {
        let served = |name, p99| {
            let served = Some(Served { per_second: 1.0, p99 });
            let figures = vec![Figures { served, ..Figures::default() }];
            Row { name, figures, failed: None }
        };
        let rows = vec![
            served("untraced", 1.0),
            served("empty probes", 1.5),
            served("memtrace, samples", 1.6),
        ];
        let text = section(&of("redis", rows));
        assert!(
            text.contains("| 1.60 (1.60–1.60) | ≤ 1.25 | **missed** | 1.50 (1.50–1.50) |"),
            "{text}"
        );
    }

    #[test]
    fn what_failed_is_not_measured_and_has_no_verdict() {
        let failed = Row { figures: Vec::new(), ..row("bpftrace", 0.0) };
        let text = section(&of("loop", vec![row("memtrace", 10.0), failed]));
        assert!(text.contains("in memtrace's | not measured | ≥ 6 |  |  |"), "{text}");
    }

    #[test]
    fn workloads_that_were_left_out_have_no_targets() {
        assert_eq!(section(&of("python", vec![row("untraced", 1.0)])), "");
    }

    #[test]
    fn every_target_is_about_ways_and_workloads_that_there_are() {
        let knows = |name| peer::ALL.iter().any(|peer| peer.name == name);
        for target in &TARGETS {
            assert!(knows(target.dear) && knows(target.cheap), "{}", target.what);
            assert!(super::super::WORKLOADS.iter().any(|(name, _)| *name == target.workload));
        }
    }
}
