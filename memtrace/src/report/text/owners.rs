//! Whose the resident memory is that may hold blocks: rows that add up.

use super::TextStyle;
use super::memory::noted;
use crate::engine::snapshot::{Owner, OwnerSum, ResidentBounds};
use crate::report::model::{PictureReport, ProcessReport};
use crate::report::units::{bytes, counted, difference, signed_bytes};

/// The table. Figures are least ones, so that with what is not decided they are the sum.
pub(super) fn owners(
    report: &PictureReport,
    process: &ProcessReport,
    since: &str,
    style: TextStyle,
) -> Vec<String> {
    let (owners, blocks) = (&report.owners, &report.blocks);
    let mut lines = noted(
        &format!("{:<16}{:>11}{:>11}{:>11}", "WHOSE", "resident", "writable", ""),
        "heap segment, arenas and anonymous together",
        style,
    );
    let touched = ResidentBounds { least: blocks.touched_least, most: blocks.touched_most };
    lines.extend(row("live blocks", touched, None, &live(report), style));
    if owners.rounding().most > 0 {
        let note = format!("what they take beyond, by size classes{}", about(process));
        lines.extend(row("rounding", owners.rounding(), None, &note, style));
    }
    for owner in Owner::ALL {
        let sum = owners.of(owner);
        if sum.writable > 0 || sum.beyond.most > 0 {
            let note = note(owner, process, since);
            lines.extend(row(label(owner), sum.beyond, Some(sum), &note, style));
        }
    }
    if owners.undecided > 0 {
        let undecided = ResidentBounds { least: owners.undecided, most: owners.undecided };
        let note =
            "in one of these: pages came or went while they were looked at, or were not looked at";
        lines.extend(row("undecided", undecided, None, note, style));
    }
    let sum = report.picture.resident_with_blocks();
    lines.extend(row("sum", ResidentBounds { least: sum, most: sum }, None, "", style));
    lines
}

fn row(
    label: &str,
    resident: ResidentBounds,
    sum: Option<&OwnerSum>,
    note: &str,
    style: TextStyle,
) -> Vec<String> {
    let ResidentBounds { least, most } = resident;
    let writable = sum.map_or_else(String::new, |sum| bytes(sum.writable));
    let row = format!("  {label:<14}{:>11}{writable:>11}{:>11}", bytes(least), "");
    let most = if bytes(least) == bytes(most) {
        String::new()
    } else {
        format!("at most {}; ", bytes(most))
    };
    let note = format!("{most}{note}");
    noted(if note.is_empty() { row.trim_end() } else { &row }, &note, style)
}

const fn label(owner: Owner) -> &'static str {
    match owner {
        Owner::Allocator => "slack",
        Owner::OlderAllocator => "slack or older",
        Owner::Program => "program's",
        Owner::Older => "older",
        Owner::Unknown => "unknown",
    }
}

/// What is in it beside the live blocks.
fn note(owner: Owner, process: &ProcessReport, since: &str) -> String {
    match owner {
        Owner::Allocator => slack(process, since),
        Owner::OlderAllocator => format!(
            "as slack, but older than {since}, so older blocks are in it, too; the heap segment counts as an \
             allocator's"
        ),
        Owner::Program => {
            "mapped by the program, its libraries or their loader, or by allocators that are not traced"
                .to_owned()
        }
        Owner::Older => format!("older than {since}: by whom it was mapped is not known"),
        Owner::Unknown => format!("mapped since {since}, by calls without a whole stack"),
    }
}

fn slack(process: &ProcessReport, since: &str) -> String {
    let mut parts = vec!["free in the allocator, or its own".to_owned()];
    for mapped in &process.allocator_mapped {
        parts.push(format!(
            "{} has {} mapped, {} since {since}",
            mapped.module,
            bytes(mapped.live_bytes),
            signed_bytes(difference(mapped.mapped_bytes, mapped.unmapped_bytes))
        ));
    }
    let evicted = process.heap.evicted_blocks;
    if evicted > 0 {
        parts.push(format!("{} without room in memtrace are in it", counted(evicted, "block")));
    }
    parts.join("; ")
}

fn about(process: &ProcessReport) -> &'static str {
    if process.heap.usable.is_exact() { "" } else { ", about" }
}

/// Which of the live blocks are resident, and where they are not found.
fn live(report: &PictureReport) -> String {
    let blocks = &report.blocks;
    let mut notes = vec![if blocks.touched_least == blocks.live {
        "all resident".to_owned()
    } else {
        format!(
            "of {} asked for; the others' pages are not touched yet, or swapped out",
            bytes(blocks.live)
        )
    }];
    if blocks.elsewhere > 0 {
        let size = bytes(blocks.elsewhere);
        notes.push(format!("{size} in no mapping that was read: changed meanwhile"));
    }
    notes.join("; ")
}
