//! Moments that the user has named, as reports tell of them.

use super::names::clean;
use crate::engine::snapshot::Marked;
use crate::model::ids::Nanos;
use jiff::{SignedDuration, Timestamp};

/// A moment that the user has named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarkReport {
    /// Its name, cleaned. Others may have the same.
    pub name: String,
    /// How long after tracing began, ns.
    pub since_start: Nanos,
    /// When it was, by the wall clock of the report.
    pub time: Timestamp,
}

/// When the events of a report were, and when it was made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clocks {
    /// When tracing began, on the events' clock.
    pub(super) began: Nanos,
    /// The report's moment, on the same clock.
    pub(super) now: Nanos,
    /// The report's moment on the wall clock, which serves for nothing else: it may jump.
    pub(super) time: Timestamp,
}

impl MarkReport {
    pub(super) fn of(mark: &Marked, clocks: Clocks) -> Self {
        let age = clocks.now.saturating_sub(mark.time);
        let age = SignedDuration::from_nanos(i64::try_from(age).unwrap_or(i64::MAX));
        Self {
            name: clean(mark.name.as_str()),
            since_start: mark.time.saturating_sub(clocks.began),
            time: clocks.time.checked_sub(age).unwrap_or(Timestamp::MIN),
        }
    }
}
