//! Above the table: what is shown, and how memory went.

use super::super::history::Point;
use super::super::model::Screen;
use super::super::page::What;
use super::super::rows::Row;
use crate::report::units::{bytes, clock, counted, duration};
use crate::report::{Report, clip};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::symbols::bar;
use ratatui::text::{Line, Span};
use ratatui::widgets::Sparkline;

/// Bars for terminals that have ASCII alone.
const ASCII_BARS: bar::Set<'static> = bar::Set {
    full: "#",
    seven_eighths: "#",
    three_quarters: "+",
    five_eighths: "+",
    half: "=",
    three_eighths: "=",
    one_quarter: "-",
    one_eighth: "_",
    empty: " ",
};

/// One line: how many processes, since when, as of when, whether that is now.
pub(super) fn title(screen: &Screen, frame: &mut Frame<'_>, area: Rect) {
    let look = screen.look;
    let mut spans = vec![Span::styled("memtrace live", look.heading())];
    match &screen.shown {
        None => spans.push(Span::raw("  waiting for the first report")),
        Some(report) => spans.push(Span::raw(format!("  {}", about(report)))),
    }
    if screen.paused {
        let newer = if screen.waiting.is_some() { " (newer report waits)" } else { "" };
        spans.push(Span::styled(format!("  PAUSED{newer}"), look.warning()));
    }
    if screen.ended {
        spans.push(Span::styled("  ENDED", look.warning()));
    }
    frame.render_widget(Line::from(spans), area);
}

fn about(report: &Report) -> String {
    let runs = report.processes.iter().filter(|it| it.end == crate::report::End::Running).count();
    let processes = counted(runs as u64, "process");
    let gone = report.processes.len() as u64 - runs as u64 + report.ended.processes;
    let gone = if gone == 0 { String::new() } else { format!(" + {gone} ended") };
    let watched = duration(report.watched);
    format!("{processes}{gone}  watched {watched}  {}", clock(report.tracer.time))
}

/// Two lines: live memory and resident memory, of the process at hand or of all.
pub(super) fn sparklines(
    screen: &Screen,
    selected: Option<&Row>,
    frame: &mut Frame<'_>,
    area: Rect,
) {
    let process = screen.process(selected);
    let points: Vec<Point> = screen.history.points(process.as_ref()).collect();
    let whose = process.map_or_else(|| "all".to_owned(), |process| process.pid().to_string());
    let lines = Layout::vertical([1, 1].map(Constraint::Length)).split(area);
    for (line, resident) in lines.iter().zip([false, true]) {
        let values: Vec<Option<u64>> =
            points.iter().map(|it| if resident { it.resident } else { Some(it.live) }).collect();
        let name = if resident { "RSS " } else { "live" };
        sparkline(screen, &format!("{name} {whose}"), &values, resident, frame, *line);
    }
}

fn sparkline(
    screen: &Screen,
    name: &str,
    values: &[Option<u64>],
    resident: bool,
    frame: &mut Frame<'_>,
    area: Rect,
) {
    let widths = [Constraint::Length(13), Constraint::Min(1), Constraint::Length(10)];
    let [label, bars, now] = Layout::horizontal(widths).areas(area);
    let latest = values.last().copied().flatten();
    let latest = latest.map_or_else(|| "-".to_owned(), bytes);
    frame.render_widget(Line::styled(clip(name, 12), screen.look.heading()), label);
    frame.render_widget(Line::from(latest).right_aligned(), now);
    let skipped = values.len().saturating_sub(bars.width.into());
    let mut sparkline =
        Sparkline::default().data(&values[skipped..]).style(screen.look.bars(resident));
    if screen.look.ascii {
        sparkline = sparkline.bar_set(ASCII_BARS).absent_value_symbol("?");
    }
    frame.render_widget(sparkline, bars);
}

/// One line: which page it is, its order and its filter.
pub(super) fn path(screen: &Screen, rows: &[Row], frame: &mut Frame<'_>, area: Rect) {
    let page = screen.page();
    let what = match &page.what {
        What::Processes => "processes".to_owned(),
        What::AllStacks => "call stacks of all processes".to_owned(),
        What::Stacks(process) => format!("call stacks of {}", name(screen, process)),
        What::Frames(process, stack) => {
            format!("frames of stack {} of {}", stack.short(), name(screen, process))
        }
    };
    let mut text = format!("{what} ({})", rows.len());
    if !matches!(page.what, What::Frames(..)) {
        text.push_str(&format!("  by {}", page.sort.words()));
    }
    if !page.filter.is_empty() {
        text.push_str(&format!("  with \"{}\"", page.filter));
    }
    let style = screen.look.heading();
    frame.render_widget(Line::styled(clip(&text, area.width.into()), style), area);
}

fn name(screen: &Screen, process: &super::super::identity::ProcessIdentity) -> String {
    let found = screen.shown.as_ref().and_then(|report| process.find(report));
    let name = found.map_or("a process that is not listed any more", |process| &process.comm);
    format!("{name} ({})", process.pid())
}
