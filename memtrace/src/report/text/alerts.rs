//! Thresholds that were crossed.

use super::TextStyle;
use crate::report::alerts::AlertReport;
use crate::report::layout::{clip, wrap_hanging};
use crate::report::model::Report;
use crate::report::units::{clock, counted};

/// Alerts that are listed in a whole report; JSON reports have more.
const LISTED: usize = 10;

/// The latest alerts, oldest first.
pub(super) fn alerts(report: &Report, style: TextStyle) -> Vec<String> {
    let all = report.alerts.as_deref().unwrap_or_default();
    let hidden = all.len().saturating_sub(LISTED);
    let earlier = report.older_alerts.saturating_add(hidden as u64);
    let mut lines = Vec::new();
    if earlier > 0 {
        lines.push(format!("ALERT   {} not listed here", counted(earlier, "earlier one")));
    }
    let shown = all.iter().skip(hidden);
    lines.extend(shown.flat_map(|alert| wrap_hanging("", 2, &told(alert), style.columns())));
    lines
}

/// The latest one, and how many there were, for a brief report.
pub(super) fn line(report: &Report, style: TextStyle) -> Option<String> {
    let all = report.alerts.as_deref()?;
    let latest = told(all.last()?);
    let earlier = report.older_alerts.saturating_add(all.len() as u64 - 1);
    let line = match earlier {
        0 => latest,
        earlier => format!("{latest}; {}", counted(earlier, "earlier one")),
    };
    Some(clip(&line, style.columns()))
}

fn told(alert: &AlertReport) -> String {
    format!("ALERT   {}  {}", clock(alert.time), alert.describe())
}
