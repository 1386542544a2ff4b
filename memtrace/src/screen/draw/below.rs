//! Below the table: more about what is selected, and what the figures are worth.

use super::super::model::Screen;
use super::super::rows::Row;
use crate::report::units::{counted, exact_bytes, percent};
use crate::report::{Ledgers, Report, clip, lost};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Text};

/// Sentences about what is selected.
pub(super) fn details(screen: &Screen, row: Option<&Row>, frame: &mut Frame<'_>, area: Rect) {
    let Some(row) = row.filter(|_| !screen.helps) else { return };
    let lines = row.details.iter().enumerate().map(|(at, text)| {
        let line = Line::from(clip(text, area.width.into()));
        match row.verdict.filter(|_| at == 0) {
            Some(verdict) => line.style(screen.look.verdict(verdict)),
            None => line,
        }
    });
    frame.render_widget(Text::from_iter(lines), area);
}

/// Two lines, always: what was lost, and how far figures are to be trusted.
pub(super) fn worth(screen: &Screen, frame: &mut Frame<'_>, area: Rect) {
    let Some(report) = &screen.shown else { return };
    let width = usize::from(area.width);
    let loss = &report.loss;
    let any = loss.events > 0 || loss.stacks > 0 || loss.evicted_blocks > 0;
    let style = if any { screen.look.warning() } else { screen.look.quiet() };
    let first = Line::styled(clip(&format!("LOST {}", lost(report)), width), style);
    let style = if report.is_degraded() { screen.look.warning() } else { screen.look.quiet() };
    let second = Line::styled(clip(&trust(report), width), style);
    frame.render_widget(Text::from(vec![first, second]), area);
}

fn trust(report: &Report) -> String {
    let degraded = report.degraded.iter().map(|reason| format!("DEGRADED {reason}"));
    let mut parts: Vec<String> = degraded.collect();
    parts.push(accuracy(report));
    parts.extend(
        report
            .tracer
            .target_cost_percent
            .map(|cost| format!("costs targets {}", percent(cost / 100.0))),
    );
    if report.ended.processes > 0 {
        let ended = counted(report.ended.processes, "process");
        parts.push(format!("{ended} ended earlier, not listed"));
    }
    parts.extend(report.tracer.notes.iter().cloned());
    parts.join("; ")
}

/// One page in up to so many was looked at; 1: each, 0: none.
fn one_page_in(report: &Report) -> u64 {
    let touched = report.processes.iter().filter_map(|process| process.touched.as_ref());
    touched.map(|touched| touched.one_in).max().unwrap_or(0)
}

fn accuracy(report: &Report) -> String {
    let estimated = report.processes.iter().any(|process| process.heap.confidence.is_some());
    let what = match (estimated, report.tracer.sample_interval_bytes) {
        _ if report.looks.is_some() => "touched pages, and the heap of what grows".to_owned(),
        _ if report.options.touches => match one_page_in(report) {
            0 | 1 => "touched pages alone".to_owned(),
            pages => {
                format!("touched pages alone, one in up to {pages}: estimates, ranges of 95 %")
            }
        },
        _ if report.options.ledger == Ledgers::Mappings => "mappings alone".to_owned(),
        (false, 0) => "every allocation".to_owned(),
        (true, 0) => "every allocation now, samples before: estimates, ranges of 95 %".to_owned(),
        (_, interval) => {
            format!("SAMPLED one in {}: estimates, ranges of 95 %", exact_bytes(interval))
        }
    };
    match report.tracer.window {
        None => what,
        Some((on, period)) => format!("{what}; WINDOWS of {on:?} each {period:?}"),
    }
}
