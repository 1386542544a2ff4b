//! Reports on many processes: the most interesting ones first, the rest in a line.

use super::TextStyle;
use crate::report::facts::Ledgers;
use crate::report::layout::wrap_hanging;
use crate::report::model::{ProcessReport, Report};
use crate::report::units::{bytes, counted};
use crate::report::verdict::Verdict;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// So few processes are shown as they were met.
const FEW: usize = 4;
/// Processes that have a section of their own.
const SECTIONS: usize = 10;
/// Names in a line.
const NAMES: usize = 8;

/// The processes in the order in which they are shown: what grows first, then what has most alive.
pub(super) fn in_order(report: &Report) -> Vec<&ProcessReport> {
    let mut processes: Vec<&ProcessReport> = report.processes.iter().collect();
    if processes.len() > FEW {
        processes.sort_by_key(|process| {
            let (heap, mappings) = (&process.heap, &process.mappings);
            let held = match report.options.ledger {
                Ledgers::Mappings => (mappings.live_bytes, mappings.mapped_bytes),
                Ledgers::Heap | Ledgers::Both => (heap.live_bytes, heap.allocated_bytes),
            };
            (!was_looked_at(process), rank(process.verdict), Reverse(held))
        });
    }
    processes
}

/// It grew enough for a closer look.
fn was_looked_at(process: &ProcessReport) -> bool {
    process.watch.as_ref().is_some_and(|watch| !watch.looks.is_empty())
}

const fn rank(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Growing => 0,
        Verdict::NotTheHeap | Verdict::Degraded => 1,
        Verdict::Stable | Verdict::Draining | Verdict::TooShort | Verdict::Ended | Verdict::New => {
            2
        }
    }
}

/// The processes that have sections, and lines about the others.
pub(super) fn sections(report: &Report, style: TextStyle) -> (Vec<&ProcessReport>, Vec<String>) {
    let processes = in_order(report);
    if processes.len() <= FEW || report.options.full {
        return (processes, Vec::new());
    }
    let (quiet, loud): (Vec<_>, Vec<_>) =
        processes.into_iter().partition(|it| is_quiet(it, report.options.ledger));
    let (shown, more) = loud.split_at(loud.len().min(SECTIONS));
    let mut lines = Vec::new();
    if !more.is_empty() {
        let sum = |of: fn(&ProcessReport) -> u64| {
            more.iter().map(|it| of(it)).fold(0, u64::saturating_add)
        };
        let held = if report.options.ledger == Ledgers::Mappings {
            let ranges = counted(sum(|process| process.mappings.live_ranges), "range");
            format!("{} in {ranges}", bytes(sum(|process| process.mappings.live_bytes)))
        } else {
            let blocks = counted(sum(|process| process.heap.live_blocks), "block");
            format!("{} in {blocks}", bytes(sum(|process| process.heap.live_bytes)))
        };
        let what = format!(
            "{} with {held}: {} (--full shows them)",
            counted(more.len() as u64, "more process"),
            names(more)
        );
        lines.extend(wrap_hanging("MORE    ", 8, &what, style.columns()));
    }
    if !quiet.is_empty() {
        let what = format!(
            "{} in which no {} was seen: {}",
            counted(quiet.len() as u64, "process"),
            if report.options.ledger == Ledgers::Mappings { "mapping" } else { "allocation" },
            names(&quiet)
        );
        lines.extend(wrap_hanging("QUIET   ", 8, &what, style.columns()));
    }
    (shown.to_vec(), lines)
}

/// Nothing is to be said of it.
fn is_quiet(process: &ProcessReport, ledger: Ledgers) -> bool {
    if was_looked_at(process) {
        return false;
    }
    let heap = &process.heap;
    let verdict = matches!(process.verdict, Verdict::Stable | Verdict::TooShort | Verdict::Ended);
    if ledger == Ledgers::Mappings {
        return verdict && process.mappings.mapped_bytes == 0;
    }
    verdict && heap.allocated_blocks == 0 && heap.unknown_frees == 0 && heap.failed == 0
}

/// `nginx 12, php-fpm 3`: those with most processes first.
fn names(processes: &[&ProcessReport]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for process in processes {
        *counts.entry(&process.comm).or_default() += 1;
    }
    let mut counts: Vec<(&str, usize)> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| Reverse(*count));
    let mut parts: Vec<String> =
        counts.iter().take(NAMES).map(|(name, count)| format!("{name} {count}")).collect();
    if counts.len() > NAMES {
        parts.push("…".to_owned());
    }
    parts.join(", ")
}
