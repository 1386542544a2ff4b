//! Figures → Markdown.

use super::Measured;
use super::figures::{Figures, LEAST_COMPLETE};
use crate::bench::Thousands;
use std::fmt::Write as _;

/// Endings that are listed for one program.
const LISTED: usize = 4;

/// The whole document.
pub(super) fn render(machine: &[String], all: &[Measured]) -> String {
    let mut text = format!(
        "# Whole stacks on stock programs\n\n\
         Made by `cargo xtask stacks --write`; do not edit. Each program as its package brings it, \
         traced by a release build of memtrace through the work below it. A stack is complete if it \
         reaches the function that begins the program or the thread. Depth is of an average \
         allocation, inlined functions left out. Unwinding tables of files that memtrace met before are in \
         its cache. Of several rounds the one with the middle share of complete stacks counts; the \
         extremes are in brackets. Target: at least {} % of the allocations have a complete stack, \
         and nothing is lost in any round.\n\n",
        LEAST_COMPLETE * 100.0
    );
    for line in machine {
        let _ = writeln!(text, "- {line}");
    }
    text.push_str(
        "\n| program | version | allocations | distinct stacks | mean depth | complete, of \
         allocations | complete, of distinct stacks | lost | target |\n\
         |---|---|---:|---:|---:|---:|---:|---:|---|\n",
    );
    for measured in all {
        let _ = writeln!(text, "{}", row(measured));
    }
    text.push_str("\n## Work, and where the other stacks ended\n\n");
    for measured in all {
        let _ = writeln!(text, "- **{}**: {}.", measured.program.name, measured.program.work);
        endings(&mut text, &measured.figures);
    }
    text
}

fn row(measured: &Measured) -> String {
    let Measured { program, version, figures, range: (least, most) } = measured;
    let (of_allocations, of_stacks) = figures.shares();
    format!(
        "| {} | {version} | {} | {} | {:.1} | {} ({}–{}) | {} | {} | {} |",
        program.name,
        Thousands(figures.all.allocations),
        Thousands(figures.all.stacks),
        figures.depth(),
        percent(of_allocations),
        percent(*least),
        percent(*most),
        percent(of_stacks),
        Thousands(figures.lost),
        if figures.is_whole() { "met" } else { "**missed**" },
    )
}

/// Rounded down, so that what is shown as the target meets it.
fn percent(share: f64) -> String {
    format!("{:.3} %", (share * 1e5).floor() / 1e3)
}

fn endings(text: &mut String, figures: &Figures) {
    let endings = figures.endings();
    for ((end, place), count) in endings.iter().take(LISTED) {
        let share = count.allocations as f64 / figures.all.allocations.max(1) as f64;
        let _ = writeln!(
            text,
            "  - {} allocations ({:.3} %) from {} stacks: `{end}` in `{place}`",
            Thousands(count.allocations),
            share * 100.0,
            Thousands(count.stacks),
        );
    }
    if let Some(more) = endings.len().checked_sub(LISTED).filter(|more| *more > 0) {
        let left: u64 = endings.iter().skip(LISTED).map(|(_, count)| count.allocations).sum();
        let _ = writeln!(text, "  - {} allocations in {more} other places", Thousands(left));
    }
}

#[cfg(test)]
mod tests {
    use super::percent;

    #[test]
    fn a_missed_target_does_not_look_met() {
        assert_eq!(percent(0.994_999_9), "99.499 %");
        assert_eq!(percent(1.0), "100.000 %");
    }
}
