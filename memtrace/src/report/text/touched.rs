//! Who touches pages first.

use super::TextStyle;
use super::stacks::{ending, frame};
use crate::engine::heap::ranges::PAGE;
use crate::engine::snapshot::{Confidence, TouchFigures, TouchTotals};
use crate::report::layout::{pack, wrap};
use crate::report::model::{ProcessReport, Report, TouchedReport, TouchedStackReport};
use crate::report::touched::{Difference, difference, huge, in_pages};
use crate::report::units::{
    bytes, count, counted, estimated_bytes, estimated_count, percent, share, signed_bytes,
};

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
        lines.extend(one(number, stack, touched.totals.sums.live_bytes, report, style));
    }
    if touched.totals.sums.live_bytes == 0 {
        lines.push("No page that was touched since is there.".to_owned());
    }
    if touched.others.bytes > 0 {
        let stacks = match touched.others.stacks {
            0 => "nobody knows by whom".to_owned(),
            number => format!("by {} that are not listed, or unknown", counted(number, "stack")),
        };
        lines.extend(wrap(
            "OTHER   ",
            &format!("{}, {stacks}", size(touched.others.bytes, touched.others_confidence)),
            columns,
        ));
    }
    lines.extend(wrap("FAULTS  ", &faults(touched), columns));
    if touched.totals.sums.evicted_bytes > 0 {
        let text = format!(
            "{} that there was no room to keep: too many separate pages",
            estimated_bytes(
                touched.totals.sums.evicted_bytes,
                touched.totals.confidence.map(|it| it.evicted_bytes)
            )
        );
        lines.extend(wrap("EVICTED ", &text, columns));
    }
    if let Some(Difference { change, rest, around }) = difference(process) {
        let around = around.map_or_else(String::new, |[low, high]| {
            format!(" ({} to {})", signed_bytes(low), signed_bytes(high))
        });
        let text = format!(
            "{}{around} of resident memory's change of {} are none of these pages. That may be: {}{}{BLIND}",
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
        size(touched.totals.sums.live_bytes, touched.totals.confidence.map(|it| it.live_bytes)),
        estimated_bytes(first.live_bytes, first.confidence.map(|it| it[0])),
        names.join(" < ")
    ))
}

fn size(live: u64, confidence: Option<Confidence>) -> String {
    match confidence {
        None => format!("{} in {}", bytes(live), counted(live / PAGE, "page")),
        around => estimated_bytes(live, around),
    }
}

/// Where one of the sums lies.
type Around = fn(&TouchFigures<Confidence>) -> Confidence;

/// What all faults came to.
fn faults(touched: &TouchedReport) -> String {
    let totals = &touched.totals;
    let around = |of: Around| totals.confidence.as_ref().map(of);
    let pages = |bytes: u64, what: &str, of: Around| {
        estimated_count(bytes / PAGE, what, around(of).map(in_pages))
    };
    let mut parts = Vec::new();
    if touched.one_in > 1 {
        parts.push(format!(
            "where they were many, those of one page in up to {} were looked at",
            count(touched.one_in)
        ));
    }
    parts.extend([
        format!(
            "{} touched first",
            pages(totals.sums.touched_bytes, "page", |it| it.touched_bytes)
        ),
        format!("{} given back", pages(totals.sums.given_back_bytes, "", |it| it.given_back_bytes)),
    ]);
    if totals.sums.inherited_bytes > 0 {
        let number = pages(totals.sums.inherited_bytes, "", |it| it.inherited_bytes);
        parts.push(format!("{number} of the parent's"));
    }
    let rest: [(&str, u64, Around); 6] = [
        ("copied after a fork", totals.sums.copied, |it| it.copied),
        ("older ones written first or copied", totals.sums.copied_older, |it| it.copied_older),
        ("counted already", totals.sums.again, |it| it.again),
        ("only read", totals.sums.only_read, |it| it.only_read),
        ("of files", totals.sums.file_faults, |it| it.file_faults),
        ("where nothing can be mapped", totals.sums.elsewhere, |it| it.elsewhere),
    ];
    let rest = rest.into_iter().filter(|(_, number, _)| *number > 0);
    parts.extend(
        rest.map(|(what, number, of)| {
            format!("{} {what}", estimated_count(number, "", around(of)))
        }),
    );
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
        size(stack.live_bytes, stack.confidence.map(|it| it[0])),
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
