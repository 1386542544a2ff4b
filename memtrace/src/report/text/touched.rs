//! Who touches pages first.

use super::TextStyle;
use super::stacks::{ending, frame};
use crate::engine::heap::ranges::PAGE;
use crate::engine::snapshot::TouchTotals;
use crate::report::layout::{pack, wrap};
use crate::report::model::{ProcessReport, Report, TouchedReport, TouchedStackReport};
use crate::report::touched::{difference, huge};
use crate::report::units::{bytes, counted, percent, share, signed_bytes};

/// What else makes resident memory change and no first touch that could be seen.
const BLIND: &str = "pages of files; pages swapped out or taken after MADV_FREE; pages from before attach that went \
                     or were swapped in";

/// All listed stacks, then what is not listed, then what touching does not explain.
pub(super) fn touched(
    report: &Report,
    process: &ProcessReport,
    touched: &TouchedReport,
    style: TextStyle,
) -> Vec<String> {
    let columns = style.columns();
    let title = "who touched pages first since attach that are still there: pages, not blocks; who touches a \
                 page need not be who asked for it";
    let mut lines = wrap("TOUCHED ", title, columns);
    for (number, stack) in (1..).zip(touched.stacks.iter().filter(|stack| stack.live_bytes > 0)) {
        lines.extend(one(number, stack, touched.totals.live_bytes, report, style));
    }
    if touched.totals.live_bytes == 0 {
        lines.push("No page that was touched since is there.".to_owned());
    }
    if touched.others.bytes > 0 {
        let stacks = match touched.others.stacks {
            0 => "nobody knows by whom".to_owned(),
            number => format!("by {} that are not listed, or unknown", counted(number, "stack")),
        };
        lines.extend(wrap(
            "OTHER   ",
            &format!("{}, {stacks}", size(touched.others.bytes)),
            columns,
        ));
    }
    lines.extend(wrap("FAULTS  ", &faults(&touched.totals), columns));
    if touched.totals.evicted_bytes > 0 {
        let text = format!(
            "{} that there was no room to keep: too many separate pages",
            bytes(touched.totals.evicted_bytes)
        );
        lines.extend(wrap("EVICTED ", &text, columns));
    }
    if let Some((change, rest)) = difference(process) {
        let text = format!(
            "{} of resident memory's change of {} are none of these pages. That may be: {}{}{BLIND}",
            signed_bytes(rest),
            signed_bytes(change),
            in_huge_pages(process),
            without_touch(process, &touched.totals)
        );
        lines.extend(wrap("REST    ", &text, columns));
    }
    lines
}

/// Of a huge page the first touch is seen, and the kernel gives all of it.
fn in_huge_pages(process: &ProcessReport) -> String {
    match huge(process) {
        None => "further pages of huge ones, of which one touch is seen; ".to_owned(),
        Some((0, _)) => String::new(),
        Some((all, further)) => format!(
            "up to {} that came with the touch of another page, as {} are in transparent huge pages; ",
            bytes(further),
            bytes(all)
        ),
    }
}

/// What the kernel made resident at once, as far as there are figures.
fn without_touch(process: &ProcessReport, totals: &TouchTotals) -> String {
    let (locked, pinned) = process.usage_last.map_or((0, 0), |usage| (usage.locked, usage.pinned));
    format!(
        "MAP_POPULATE ({}), mlock ({} locked now) and what drivers pin ({} now, of those that count it); ",
        bytes(totals.populated_bytes),
        bytes(locked),
        bytes(pinned)
    )
}

/// The stack that touched most, on one line.
pub(super) fn line(touched: &TouchedReport) -> Option<String> {
    let first = touched.stacks.first().filter(|stack| stack.live_bytes > 0)?;
    let names = first.frames.iter().filter(|frame| !frame.internal);
    let names: Vec<&str> = names.filter_map(|frame| frame.name(false)).take(4).collect();
    Some(format!(
        "touched {}; most: {}  {}",
        size(touched.totals.live_bytes),
        bytes(first.live_bytes),
        names.join(" < ")
    ))
}

fn size(live: u64) -> String {
    format!("{} in {}", bytes(live), counted(live / PAGE, "page"))
}

/// What all faults came to.
fn faults(totals: &TouchTotals) -> String {
    let mut parts = vec![
        format!("{} touched first", counted(totals.touched_bytes / PAGE, "page")),
        format!("{} given back", totals.given_back_bytes / PAGE),
    ];
    let rest = [
        ("of the parent's", totals.inherited_bytes / PAGE),
        ("copied after a fork", totals.copied),
        ("older ones written first or copied", totals.copied_older),
        ("counted already", totals.again),
        ("only read", totals.only_read),
        ("of files", totals.file_faults),
        ("where nothing can be mapped", totals.elsewhere),
    ];
    let rest = rest.into_iter().filter(|(_, number)| *number > 0);
    parts.extend(rest.map(|(what, number)| format!("{number} {what}")));
    let sizes = [
        ("filled by MAP_POPULATE, not among them", totals.populated_bytes),
        ("given to MADV_FREE, as good as there", totals.lazily_freed_bytes),
    ];
    let sizes = sizes.into_iter().filter(|(_, size)| *size > 0);
    parts.extend(sizes.map(|(what, size)| format!("{} {what}", bytes(size))));
    parts.join("; ")
}

fn one(
    number: usize,
    stack: &TouchedStackReport,
    total: u64,
    report: &Report,
    style: TextStyle,
) -> Vec<String> {
    let parts = [
        size(stack.live_bytes),
        format!("{} of touched", percent(share(stack.live_bytes, total))),
        format!("{} given back", percent(share(stack.given_back_bytes, stack.touched_bytes))),
        format!("stack {}", stack.id.short()),
    ];
    let head = format!("{:<4}", format!("#{number} "));
    let mut lines = pack(&head, 4, &parts, "   ", style.columns());
    let internals = report.options.show_internals;
    let shown = stack.frames.iter().filter(|frame| internals || !frame.internal);
    lines.extend(shown.flat_map(|each| frame(each, report.options.full_names, style)));
    lines.extend(ending(stack.end, stack.frames.is_empty()));
    lines
}
