//! Windows in JSON: only of processes that were not watched all the time.

use crate::report::facts;
use crate::report::units::seconds;
use crate::report::windows::WindowReport;
use serde::Serialize;
use std::time::Duration;

#[derive(Serialize)]
pub(super) struct Windows {
    /// Blocks are watched now.
    open: bool,
    count: u32,
    /// For how long blocks were watched: what is said of rates holds per such second.
    watched_s: f64,
    of_s: f64,
    /// What lived when the last window closed, so long ago, is unknown: `unknown_bytes` of heap and stacks.
    unknown_for_s: Option<f64>,
}

/// For how long blocks are watched, and how often.
#[derive(Serialize)]
pub(super) struct Window {
    on_s: f64,
    period_s: f64,
}

impl Window {
    pub(super) fn of((on, period): (Duration, Duration)) -> Self {
        Self { on_s: on.as_secs_f64(), period_s: period.as_secs_f64() }
    }
}

#[derive(Serialize)]
pub(super) struct WindowChange<'a> {
    time: String,
    /// `null`: all the time.
    window: Option<Window>,
    reason: &'a str,
}

impl<'a> WindowChange<'a> {
    pub(super) fn of(change: &'a facts::WindowChange) -> Self {
        Self {
            time: change.time.to_string(),
            window: change.window.map(Window::of),
            reason: &change.reason,
        }
    }
}

impl Windows {
    pub(super) fn of(windows: &WindowReport) -> Self {
        Self {
            open: windows.is_open,
            count: windows.count,
            watched_s: seconds(windows.watched),
            of_s: seconds(windows.of),
            unknown_for_s: windows.unknown_for.map(seconds),
        }
    }
}
