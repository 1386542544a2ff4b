//! What a program tells of blocks that it samples itself.

use super::TextStyle;
use super::stacks::{ending, frame};
use crate::engine::sampling::Oddities;
use crate::report::layout::{pack, wrap};
use crate::report::model::{Report, ToldFigures, ToldReport, ToldStackReport};
use crate::report::units::{bytes, counted, estimated_bytes, estimated_count};

/// All listed stacks, then what is not listed, and what does not fit.
pub(super) fn told(report: &Report, told: &ToldReport, style: TextStyle) -> Vec<String> {
    let columns = style.columns();
    let title = "what the program itself tells of blocks that it samples (static probes otel_memory): its own \
                 estimate, and no part of the figures above; blocks of the heap may be in both";
    let mut lines = wrap("TOLD    ", title, columns);
    lines.extend(wrap("LIVE    ", &held(&told.live), columns));
    lines.extend(wrap("SINCE   ", &format!("allocated {}", held(&told.allocated)), columns));
    for (number, stack) in (1..).zip(told.stacks.iter().filter(|stack| stack.live.samples > 0)) {
        lines.extend(one(number, stack, report, style));
    }
    if told.others.samples > 0 {
        let text = format!(
            "{} from {}, of {} beyond --top or not known",
            bytes(told.others.bytes),
            counted(told.others.samples, "sample"),
            counted(told.others.stacks, "stack")
        );
        lines.extend(wrap("OTHER   ", &text, columns));
    }
    let odd = odd(&told.oddities);
    if !odd.is_empty() {
        lines.extend(wrap("SAMPLES ", &odd.join("; "), columns));
    }
    lines
}

/// `1.00 MiB (512 KiB to 1.50 MiB) in 3 blocks from 2 samples`.
pub(super) fn held(figures: &ToldFigures) -> String {
    format!(
        "{} in {} from {}",
        estimated_bytes(figures.bytes, Some(figures.bytes_ci)),
        estimated_count(figures.blocks, "block", Some(figures.blocks_ci)),
        counted(figures.samples, "sample")
    )
}

fn odd(oddities: &Oddities) -> Vec<String> {
    let all = [
        (oddities.inherited, "of the parent's at the fork"),
        (oddities.unknown_frees, "freed that had not been told of"),
        (oddities.missed_frees, "told of again without a free between"),
        (oddities.evicted, "that there was no room to keep: allocated, and not among the live"),
        (oddities.crowded_out, "without their stack, as there was no room for it"),
        (
            oddities.below_size,
            "said to stand for less than their own size: a wider range is assumed",
        ),
    ];
    let some = all.into_iter().filter(|(count, _)| *count > 0);
    some.map(|(count, what)| format!("{count} {what}")).collect()
}

fn one(number: usize, stack: &ToldStackReport, report: &Report, style: TextStyle) -> Vec<String> {
    let parts = [
        held(&stack.live),
        format!(
            "{} allocated",
            estimated_bytes(stack.allocated.bytes, Some(stack.allocated.bytes_ci))
        ),
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
