//! What resident memory is: a row for each kind of mapping, and which of it the live blocks are.

use super::memory::noted;
use super::{TextStyle, owners};
use crate::engine::snapshot::Owner;
use crate::model::ids::SECOND;
use crate::model::picture::{PageKind, PageSum};
use crate::report::facts::{Ledgers, ReportOptions};
use crate::report::layout::wrap;
use crate::report::model::{PictureReport, ProcessReport};
use crate::report::units::{bytes, difference, duration, signed_bytes};

/// Older readings than this have their age said: the process has ended since, or could not be read.
const OLD: u64 = 10 * SECOND;

/// Rows: what stands in them, and the kinds that are in them, those that have a name of their own in the
/// note with it.
const ROWS: [(&str, &[(PageKind, &str)]); 8] = [
    ("heap segment", &[(PageKind::HeapSegment, "")]),
    ("malloc arenas", &[(PageKind::Arena, "")]),
    ("anonymous", &[(PageKind::Anonymous, "")]),
    ("stacks", &[(PageKind::MainStack, "main"), (PageKind::ThreadStack, "threads")]),
    ("shared memory", &[(PageKind::Shared, "")]),
    ("programs", &[(PageKind::Code, "code"), (PageKind::ProgramData, "data")]),
    ("other files", &[(PageKind::File, "")]),
    ("kernel's", &[(PageKind::Kernel, "")]),
];

/// In place of whose the memory is.
const UNTOLD: &str = "not told where allocations are sampled: which pages the other blocks take is not known \
                      (--exact tells it)";

/// The lines of the picture.
pub(super) fn picture(
    report: &PictureReport,
    process: &ProcessReport,
    options: &ReportOptions,
    style: TextStyle,
) -> Vec<String> {
    let age = if report.age > OLD {
        format!("  {} before this report", duration(report.age))
    } else {
        String::new()
    };
    let mut lines = vec![format!("{}{age}", row("PICTURE", "resident", "mapped", "swapped"))];
    for (label, kinds) in ROWS {
        lines.extend(kind_row(label, kinds, report, style));
    }
    let sum = report.picture.sum();
    let note = if report.picture.whole { "" } else { "not of all: reading took too long" };
    lines.extend(sums("sum", sum, note, style));
    lines.extend(counter(report, sum, style));
    if options.ledger != Ledgers::Mappings {
        let since = if options.from_start { "the start" } else { "attach" };
        lines.push(String::new());
        lines.extend(if report.is_sampled {
            wrap("WHOSE   ", UNTOLD, style.columns())
        } else {
            owners::owners(report, process, since, style)
        });
    }
    lines
}

/// The kinds that are resident, on one line, and what allocators have of it in no block.
pub(super) fn line(report: &PictureReport) -> String {
    let resident = |kinds: &[(PageKind, &str)]| {
        kinds.iter().map(|(kind, _)| report.picture.of(*kind).resident).fold(0, u64::saturating_add)
    };
    let parts: Vec<String> = ROWS
        .iter()
        .map(|(label, kinds)| (label, resident(kinds)))
        .filter(|(_, size)| *size > 0)
        .map(|(label, size)| format!("{label} {}", bytes(size)))
        .collect();
    let slack = report.owners.of(Owner::Allocator).beyond.least;
    let slack = if slack > 0 && !report.is_sampled {
        format!("; slack {}", bytes(slack))
    } else {
        String::new()
    };
    format!("picture: {}{slack}", parts.join(", "))
}

fn row(label: &str, resident: &str, mapped: &str, swapped: &str) -> String {
    let line = if label == "PICTURE" { label.to_owned() } else { format!("  {label}") };
    format!("{line:<16}{resident:>11}{mapped:>11}{swapped:>11}")
}

fn sums(label: &str, sum: PageSum, note: &str, style: TextStyle) -> Vec<String> {
    noted(&row(label, &bytes(sum.resident), &bytes(sum.mapped), &bytes(sum.swap)), note, style)
}

/// A row of kinds of which there is any mapping.
fn kind_row(
    label: &str,
    kinds: &[(PageKind, &str)],
    report: &PictureReport,
    style: TextStyle,
) -> Vec<String> {
    let of = |kind: &PageKind| report.picture.of(*kind);
    let sum = kinds.iter().fold(PageSum::default(), |sum, (kind, _)| sum.plus(of(kind)));
    if sum.mappings == 0 {
        return Vec::new();
    }
    let parts = kinds.iter().filter(|(kind, name)| !name.is_empty() && of(kind).mappings > 0);
    let mut notes: Vec<String> =
        parts.map(|(kind, name)| format!("{name} {}", bytes(of(kind).resident))).collect();
    let live = kinds
        .iter()
        .map(|(kind, _)| report.blocks.by_kind[*kind as usize])
        .fold(0, u64::saturating_add);
    if live > 0 {
        notes.push(format!("{} of live blocks", bytes(live)));
    }
    if sum.huge > 0 {
        notes.push(format!("{} of it in huge pages", bytes(sum.huge)));
    }
    if sum.hugetlb > 0 {
        notes.push(format!("and {} of hugetlbfs", bytes(sum.hugetlb)));
    }
    sums(label, sum, &notes.join(", "), style)
}

/// How the sum stands to the kernel's own counter.
fn counter(report: &PictureReport, sum: PageSum, style: TextStyle) -> Vec<String> {
    let note = match difference(report.picture.counted, sum.resident) {
        0 => "VmRSS, the same".to_owned(),
        _ if !report.picture.whole => "VmRSS".to_owned(),
        other => {
            format!("VmRSS, {}: changed between two reads, or counted per CPU", signed_bytes(other))
        }
    };
    figure("kernel counts", report.picture.counted, &note, style)
}

/// A row with one figure and a note.
fn figure(label: &str, size: u64, note: &str, style: TextStyle) -> Vec<String> {
    wrap(&format!("  {label:<14}{:>11}  ", bytes(size)), note, style.columns())
}
