//! Moments that the user has named.

use super::TextStyle;
use crate::report::layout::{clip, pack};
use crate::report::marks::MarkReport;
use crate::report::model::Report;
use crate::report::units::{clock, counted, duration};

/// Marks that are listed in a whole report; JSON reports have more.
const LISTED: usize = 20;

/// The latest marks, oldest first.
pub(super) fn marks(report: &Report, style: TextStyle) -> Vec<String> {
    let hidden = report.marks.len().saturating_sub(LISTED);
    let earlier = report.dropped_marks.saturating_add(hidden as u64);
    let mut lines = Vec::new();
    if earlier > 0 {
        lines.push(format!("MARK    {} not listed here", counted(earlier, "earlier one")));
    }
    let shown = report.marks.iter().skip(hidden);
    lines.extend(shown.flat_map(|mark| whole(mark, style)));
    lines
}

/// The name in one piece, as it was given: it is what one asks for.
fn whole(mark: &MarkReport, style: TextStyle) -> Vec<String> {
    pack(&before_name(mark), 2, std::slice::from_ref(&mark.name), " ", style.columns())
}

/// The latest one, and how many there were, for a brief report.
pub(super) fn line(report: &Report, style: TextStyle) -> Option<String> {
    let latest = report.marks.last()?;
    let latest = format!("{}{}", before_name(latest), latest.name);
    let earlier = report.dropped_marks.saturating_add(report.marks.len() as u64 - 1);
    let line = match earlier {
        0 => latest,
        earlier => format!("{latest}; {}", counted(earlier, "earlier one")),
    };
    Some(clip(&line, style.columns()))
}

fn before_name(mark: &MarkReport) -> String {
    let since = duration(mark.since_start);
    format!("MARK    {}  {since} after the start: ", clock(mark.time))
}
