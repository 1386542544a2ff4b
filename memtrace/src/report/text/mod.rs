//! Reports as text, for the person at 3 a.m.

mod accounts;
mod alerts;
mod brief;
pub(super) mod footer;
pub(super) mod header;
mod many;
mod mapped;
mod marks;
mod memory;
mod owners;
mod picture;
mod stacks;
mod told;
mod touched;
mod watch;

pub use footer::lost;
pub(super) use footer::sentences;
pub use header::end as how_it_ended;
pub(super) use header::{how, of_process};
pub use stacks::{function, module, place, why_it_ends};

use super::ReportWriter;
use super::facts::Ledgers;
use super::layout::{width_of, wrap, wrap_hanging};
use super::model::{ProcessReport, Report};
use super::verdict::Verdict;
use std::io;

/// Narrower than this the tables do not fold any further, columns.
const LEAST_WIDTH: usize = 50;

/// How text looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextStyle {
    /// Columns; at least 50 are used.
    pub width: usize,
    /// Verdicts in colour (ANSI sequences).
    pub color: bool,
    /// Periodic reports show everything.
    pub full: bool,
}

impl Default for TextStyle {
    fn default() -> Self {
        Self { width: 100, color: false, full: false }
    }
}

impl TextStyle {
    pub(super) const fn columns(self) -> usize {
        if self.width > LEAST_WIDTH { self.width } else { LEAST_WIDTH }
    }

    /// The verdict's words, coloured where that was asked for.
    fn paint(self, line: String, verdict: Verdict) -> String {
        if !self.color {
            return line;
        }
        let color = match verdict {
            Verdict::Growing => "31",
            Verdict::Stable | Verdict::Draining => "32",
            Verdict::NotTheHeap | Verdict::Degraded => "35",
            Verdict::TooShort | Verdict::Ended | Verdict::New => "33",
        };
        let words = verdict.words();
        line.replacen(words, &format!("\x1b[1;{color}m{words}\x1b[0m"), 1)
    }
}

/// Writes a report as text: everything in the final one, at most a dozen lines in the others.
#[derive(Clone, Copy, Debug, Default)]
pub struct TextWriter {
    /// How it looks.
    pub style: TextStyle,
}

impl ReportWriter for TextWriter {
    fn write(&self, report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
        let full = self.style.full || report.options.full || report.options.is_final;
        let mut lines =
            if full { whole(report, self.style) } else { brief::brief(report, self.style) };
        // Reports follow each other on a terminal.
        lines.push(String::new());
        let mut text = lines.join("\n");
        text.push('\n');
        out.write_all(text.as_bytes())?;
        out.flush()
    }
}

fn whole(report: &Report, style: TextStyle) -> Vec<String> {
    let mut lines = header::header(report, style);
    lines.extend(alerts::alerts(report, style));
    lines.extend(marks::marks(report, style));
    lines.extend(watch::totals(report, style));
    let several = report.processes.len() > 1;
    let (processes, others) = many::sections(report, style);
    for process in processes {
        lines.push(String::new());
        if several {
            lines.extend(header::section(process, style));
        }
        lines.extend(section(report, process, style));
    }
    if !others.is_empty() {
        lines.push(String::new());
        lines.extend(others);
    }
    lines.push(String::new());
    lines.extend(footer::footer(report, style));
    lines
}

fn section(report: &Report, process: &ProcessReport, style: TextStyle) -> Vec<String> {
    let mut lines = verdict(process, style);
    lines.push(String::new());
    let story = watch::watch(report, process, style);
    if !story.is_empty() {
        lines.extend(story);
        lines.push(String::new());
    }
    lines.extend(memory::memory(process, report.options.ledger, style));
    lines.push(String::new());
    if let Some(picture) = &process.picture {
        lines.extend(picture::picture(picture, process, &report.options, style));
        lines.push(String::new());
    }
    let ledger = report.options.ledger;
    if let Some(touched) = &process.touched {
        lines.extend(touched::touched(report, process, touched, style));
        lines.push(String::new());
    }
    if ledger == Ledgers::Mappings {
        lines.extend(mapped::mapped(report, process, style));
        return lines;
    }
    // Where the heap is not the answer what was mapped may be: it comes first then.
    let mapped = ledger == Ledgers::Both && process.mappings.mapped_bytes > 0;
    let mapped_first = mapped && process.verdict == Verdict::NotTheHeap;
    if mapped_first {
        lines.extend(mapped::mapped(report, process, style));
        lines.push(String::new());
        let title = "what lives of the blocks that were seen to be allocated";
        lines.extend(wrap("HEAP    ", title, style.columns()));
    }
    lines.extend(stacks::stacks(report, process, style));
    if let Some(pools) = &process.pools {
        lines.push(String::new());
        lines.extend(accounts::pools(report, pools, style));
    }
    if let Some(device) = &process.device {
        lines.push(String::new());
        lines.extend(accounts::device(report, device, style));
    }
    if let Some(told) = &process.told {
        lines.push(String::new());
        lines.extend(told::told(report, told, style));
    }
    if mapped && !mapped_first {
        lines.push(String::new());
        lines.extend(mapped::mapped(report, process, style));
    }
    lines
}

fn verdict(process: &ProcessReport, style: TextStyle) -> Vec<String> {
    let columns = style.columns();
    let words = process.verdict.words();
    let (first, rest) = process
        .explanation
        .split_first()
        .map_or(("", &[][..]), |(first, rest)| (first.as_str(), rest));
    let mut lines = wrap_hanging("", 2, &format!("{words}: {first}."), columns);
    if let Some(line) = lines.first_mut() {
        *line = style.paint(std::mem::take(line), process.verdict);
    }
    if !rest.is_empty() {
        lines.extend(wrap_hanging("  ", 2, &format!("{}.", rest.join(". ")), columns));
    }
    lines
}

/// `left` and `right` at the two edges, if they fit beside each other.
fn edges(left: &str, right: &str, columns: usize) -> Option<String> {
    let blanks = columns.checked_sub(width_of(left) + width_of(right))?;
    (blanks >= 2).then(|| format!("{left}{}{right}", " ".repeat(blanks)))
}
