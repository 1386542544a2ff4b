//! The table of memory, and what the totals are.

use super::TextStyle;
use crate::engine::heap::ranges::RangeKind;
use crate::engine::snapshot::HeapTotals;
use crate::model::process::Usage;
use crate::report::facts::Ledgers;
use crate::report::layout::{width_of, wrap};
use crate::report::mapped::kind_name;
use crate::report::model::ProcessReport;
use crate::report::units::{
    bytes, count, counted, difference, duration, estimated_bytes, estimated_count, signed_bytes,
};

/// Columns before the notes.
const TABLE_WIDTH: usize = 52;
/// Notes get a line of their own where less than this is left for them, columns.
const LEAST_NOTE: usize = 36;

/// The lines of the table and the turnover.
pub(super) fn memory(process: &ProcessReport, ledger: Ledgers, style: TextStyle) -> Vec<String> {
    let mut lines = vec![row("MEMORY", "at attach", "now", "change")];
    let usage = process.usage_first.zip(process.usage_last);
    if let Some((first, last)) = usage {
        lines.extend(sizes("resident", first.resident, last.resident, &parts(first, last), style));
        lines.extend(cgroup(process, first, last, style));
    }
    if ledger == Ledgers::Mappings {
        lines.extend(mapped(process, style));
        return lines;
    }
    let heap = &process.heap;
    let note = [range(heap), live_and_peak(heap)].concat();
    lines.extend(sizes("heap, seen", 0, heap.live_bytes, &note, style));
    lines.extend(unknown(process, style));
    lines.extend(takes(heap, style));
    if ledger == Ledgers::Both {
        lines.extend(mapped(process, style));
    }
    lines.extend(pools(process, style));
    lines.extend(device(process, style));
    lines.extend(before(process, style));
    lines.extend(turnover("turnover", &process.heap, style));
    if let Some(pools) = &process.pools {
        lines.extend(turnover("of pools", &pools.totals, style));
    }
    if let Some(device) = &process.device {
        lines.extend(turnover("of devices", &device.account.totals, style));
    }
    lines
}

/// Where the live bytes of the row lie, if they are an estimate.
fn range(heap: &HeapTotals) -> String {
    let live = heap.confidence.map(|it| it.live_bytes).filter(|it| it.low < it.high);
    live.map_or_else(String::new, |it| {
        format!("estimated, {} to {}; ", bytes(it.low), bytes(it.high))
    })
}

fn live_and_peak(heap: &HeapTotals) -> String {
    let confidence = heap.confidence.as_ref();
    format!(
        "{} live, peak {}",
        estimated_count(heap.live_blocks, "block", confidence.map(|it| it.live_blocks)),
        estimated_bytes(heap.peak_bytes, confidence.map(|it| it.peak_bytes))
    )
}

/// Blocks of which nobody knows whether they live.
fn unknown(process: &ProcessReport, style: TextStyle) -> Vec<String> {
    let Some(windows) = &process.windows else { return Vec::new() };
    let heap = &process.heap;
    let since = windows.unknown_for.map_or_else(String::new, |ago| {
        format!(" alive when a window closed, the last {} ago;", duration(ago))
    });
    let about = if heap.confidence.is_some() { "about, by samples; " } else { "" };
    let blocks = counted(heap.unknown_blocks, "block");
    let note = format!("{about}{blocks}{since} perhaps freed since");
    noted(&row("unknown", "", &bytes(heap.unknown_bytes), ""), &note, style)
}

/// What the heap's blocks take beside what was asked for with them, as far as that is known.
fn takes(heap: &HeapTotals, style: TextStyle) -> Vec<String> {
    if heap.live_blocks == 0 {
        return Vec::new();
    }
    let usable = &heap.usable;
    let unknown = (usable.unknown_blocks() > 0).then(|| {
        let blocks = counted(usable.unknown_blocks(), "block");
        format!("not known of {blocks} that asked for {}", bytes(usable.unknown_bytes))
    });
    let by: Vec<&str> = usable.allocators().collect();
    if by.is_empty() {
        let Some(unknown) = unknown else { return Vec::new() };
        return noted(&row("heap, takes", "", "?", ""), &unknown, style);
    }
    let about = if usable.is_exact() && heap.confidence.is_none() { "" } else { "about, " };
    let known = format!("{about}by the size classes of {}", by.join(", "));
    let note = [Some(known), unknown].into_iter().flatten().collect::<Vec<_>>().join("; ");
    sizes("heap, takes", 0, usable.bytes, &note, style)
}

/// What the functions that the user describes gave out: not to be added to the rows above.
fn pools(process: &ProcessReport, style: TextStyle) -> Vec<String> {
    let Some(pools) = &process.pools else { return Vec::new() };
    let totals = &pools.totals;
    let note = format!("{}{}; inside of the above", range(totals), live_and_peak(totals));
    sizes("pools, seen", 0, totals.live_bytes, &note, style)
}

/// Memory of devices: not in any row above.
fn device(process: &ProcessReport, style: TextStyle) -> Vec<String> {
    let Some(device) = &process.device else { return Vec::new() };
    let totals = &device.account.totals;
    let mut note = format!("{}; beside the above", live_and_peak(totals));
    if device.pinned.blocks > 0 {
        note.push_str(&format!("; {} is pinned memory of the host", bytes(device.pinned.bytes)));
    }
    sizes("device, seen", 0, totals.live_bytes, &note, style)
}

fn row(label: &str, first: &str, last: &str, change: &str) -> String {
    let line = if label == "MEMORY" { label.to_owned() } else { format!("  {label}") };
    format!("{line:<16}{first:>11}{last:>11}{change:>11}").trim_end().to_owned()
}

fn sizes(label: &str, first: u64, last: u64, note: &str, style: TextStyle) -> Vec<String> {
    let change = signed_bytes(difference(last, first));
    noted(&row(label, &bytes(first), &bytes(last), &change), note, style)
}

/// A row with a note beside it, or below where there is no room.
pub(super) fn noted(row: &str, note: &str, style: TextStyle) -> Vec<String> {
    let columns = style.columns();
    if note.is_empty() {
        return vec![row.to_owned()];
    }
    let room = columns.saturating_sub(TABLE_WIDTH);
    if room >= LEAST_NOTE || width_of(note) <= room {
        return wrap(&format!("{row:<TABLE_WIDTH$}"), note, columns);
    }
    [row.to_owned()].into_iter().chain(wrap("    ", note, columns)).collect()
}

fn parts(first: Usage, last: Usage) -> String {
    let change = |last, first| signed_bytes(difference(last, first));
    format!(
        "anonymous {}, file {}, swap {}",
        change(last.resident_anonymous, first.resident_anonymous),
        change(last.resident_file, first.resident_file),
        bytes(last.swap)
    )
}

fn cgroup(process: &ProcessReport, first: Usage, last: Usage, style: TextStyle) -> Vec<String> {
    let Some((before, now)) = first.cgroup.zip(last.cgroup) else { return Vec::new() };
    let limit = process
        .cgroup_limit
        .map_or_else(|| "no limit".to_owned(), |l| format!("limit {}", bytes(l)));
    let kills =
        last.oom_kills.map_or_else(String::new, |kills| format!(", oom kills {}", count(kills)));
    sizes("cgroup", before, now, &format!("{limit}{kills}"), style)
}

fn mapped(process: &ProcessReport, style: TextStyle) -> Vec<String> {
    let mappings = &process.mappings;
    if mappings.mapped_bytes == 0 {
        return Vec::new();
    }
    let kinds = RangeKind::ALL.into_iter().map(kind_name).zip(mappings.live_by_kind);
    let kinds: Vec<String> = kinds
        .filter(|(_, size)| *size > 0)
        .map(|(kind, size)| format!("{kind} {}", bytes(size)))
        .collect();
    let note = [counted(mappings.live_ranges, "range"), kinds.join(", ")];
    let note: Vec<String> = note.into_iter().filter(|part| !part.is_empty()).collect();
    sizes("mapped, seen", 0, mappings.live_bytes, &note.join(": "), style)
}

/// What was there before the process was watched; nothing, where that was from its first instruction.
fn before(process: &ProcessReport, style: TextStyle) -> Vec<String> {
    if process.usage_first.is_none() && process.heap.unknown_frees == 0 {
        return Vec::new();
    }
    let older = format!(
        "{} freed meanwhile",
        match process.heap.unknown_frees {
            0 => "no older block was".to_owned(),
            1 => "1 older block was".to_owned(),
            number => format!("{} older blocks were", count(number)),
        }
    );
    let size =
        process.usage_first.map_or_else(|| "unknown".to_owned(), |usage| bytes(usage.resident));
    let row = row("before attach", &size, "", "");
    let note = format!("not attributable; {older}");
    if width_of(&row) + 2 + width_of(&note) <= style.columns() {
        return vec![format!("{row}  {note}")];
    }
    noted(&row, &note, style)
}

fn turnover(label: &str, heap: &HeapTotals, style: TextStyle) -> Vec<String> {
    let confidence = heap.confidence.as_ref();
    let line = format!(
        "  {label}: {} allocated ({}), {} freed, {} failed",
        estimated_count(heap.allocated_blocks, "", confidence.map(|it| it.allocated_blocks)),
        estimated_bytes(heap.allocated_bytes, confidence.map(|it| it.allocated_bytes)),
        estimated_count(heap.freed_blocks, "", confidence.map(|it| it.freed_blocks)),
        count(heap.failed)
    );
    wrap_row(&line, style)
}

/// A line whose inner blanks must stay where it fits.
fn wrap_row(line: &str, style: TextStyle) -> Vec<String> {
    if width_of(line) <= style.columns() {
        return vec![line.to_owned()];
    }
    crate::report::layout::wrap_hanging("  ", 4, line, style.columns())
}
