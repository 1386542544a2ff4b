//! Marks in JSON: only where there are any.

use crate::report::marks::MarkReport;
use crate::report::units::seconds;
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct Mark<'a> {
    name: &'a str,
    since_start_s: f64,
    time: String,
}

impl<'a> Mark<'a> {
    pub(super) fn of(mark: &'a MarkReport) -> Self {
        Self {
            name: &mark.name,
            since_start_s: seconds(mark.since_start),
            time: mark.time.to_string(),
        }
    }
}
