//! Who maps memory.

use super::TextStyle;
use super::stacks::{ending, frame};
use crate::engine::heap::ranges::RangeKind;
use crate::engine::snapshot::ResidentPart;
use crate::report::layout::{pack, wrap};
use crate::report::mapped::kind_name;
use crate::report::model::{MappedReport, ProcessReport, Report};
use crate::report::units::{bytes, counted, duration, percent, share};

/// Functions that are named on one line.
const NAMED: usize = 4;

/// All listed stacks, then what is not listed.
pub(super) fn mapped(report: &Report, process: &ProcessReport, style: TextStyle) -> Vec<String> {
    let columns = style.columns();
    let title = "who mapped what is still mapped since attach: address space, which is no memory until it \
                 is touched; what mprotect and madvise change later is not seen";
    let mut lines = wrap("MAPPINGS  ", title, columns);
    for (number, stack) in (1..).zip(process.mapped.iter().filter(|stack| stack.live_bytes > 0)) {
        lines.extend(one(number, stack, process.mappings.live_bytes, report, style));
    }
    if process.mappings.mapped_bytes == 0 {
        lines.push("Nothing was mapped.".to_owned());
    } else if process.mappings.live_bytes == 0 {
        lines.push("Nothing that was mapped is still mapped.".to_owned());
    }
    let others = process.mapped_others;
    if others.bytes > 0 {
        let stacks = match others.stacks {
            0 => "nobody knows by whom".to_owned(),
            number => format!("by {} that are not listed, or unknown", counted(number, "stack")),
        };
        let text = format!("{} in {}, {stacks}", bytes(others.bytes), ranges(others.blocks));
        lines.extend(wrap("OTHER   ", &text, columns));
    }
    let evicted = process.mappings.evicted_bytes;
    if evicted > 0 {
        let text = format!("{} that there was no room to keep: too many ranges", bytes(evicted));
        lines.extend(wrap("EVICTED ", &text, columns));
    }
    lines
}

/// The stack that mapped most, on one line.
pub(super) fn line(process: &ProcessReport) -> Option<String> {
    let first = process.mapped.first().filter(|stack| stack.live_bytes > 0)?;
    let mut names: Vec<&str> = first.frames.iter().filter_map(|frame| frame.name(false)).collect();
    // A function of libc is there under two names, or inlined into itself.
    names.dedup();
    names.truncate(NAMED);
    Some(format!(
        "mapped {} in {}; most: {}  {}",
        bytes(process.mappings.live_bytes),
        ranges(process.mappings.live_ranges),
        bytes(first.live_bytes),
        names.join(" < ")
    ))
}

fn ranges(number: u64) -> String {
    counted(number, "range")
}

fn one(
    number: usize,
    stack: &MappedReport,
    total: u64,
    report: &Report,
    style: TextStyle,
) -> Vec<String> {
    let columns = style.columns();
    let mut parts = vec![
        format!("{} in {}", bytes(stack.live_bytes), ranges(stack.live_ranges)),
        format!("{} of mapped", percent(share(stack.live_bytes, total))),
        kinds(stack),
    ];
    parts.extend(stack.resident.map(resident));
    let mut lines = pack(&format!("{:<4}", format!("#{number} ")), 4, &parts, "   ", columns);
    let mut details = vec![
        stack.function.clone(),
        format!("{} of {}", counted(stack.calls, "call"), bytes(stack.mapped_bytes)),
        format!("{} unmapped", percent(share(stack.unmapped_bytes, stack.mapped_bytes))),
    ];
    details.extend(stack.oldest_age.map(|age| format!("oldest {}", duration(age))));
    if stack.by_allocator {
        details.push("the allocator's own growth: blocks lie in it".to_owned());
    }
    details.push(format!("stack {}", stack.id.short()));
    lines.extend(wrap("    ", &details.join("; "), columns));
    let internals = report.options.show_internals;
    let shown = stack.frames.iter().filter(|frame| internals || !frame.internal);
    lines.extend(shown.flat_map(|each| frame(each, report.options.full_names, style)));
    lines.extend(ending(stack.end, stack.frames.is_empty()));
    lines
}

/// The kinds, with their sizes where there are several.
fn kinds(stack: &MappedReport) -> String {
    let kinds = RangeKind::ALL.into_iter().zip(stack.live_by_kind);
    let kinds: Vec<_> = kinds.filter(|(_, size)| *size > 0).collect();
    match kinds.as_slice() {
        [(kind, _)] => kind_name(*kind).to_owned(),
        several => {
            let each = several.iter();
            let each = each.map(|(kind, size)| format!("{} {}", kind_name(*kind), bytes(*size)));
            each.collect::<Vec<_>>().join(", ")
        }
    }
}

fn resident(part: ResidentPart) -> String {
    let (least, most) = (bytes(part.least), bytes(part.most));
    if least == most { format!("{most} resident") } else { format!("{least} to {most} resident") }
}
