//! Whether a process grows.

use super::Settings;
use super::series::{LEVELS, POINTS, Point, Series};
use crate::engine::trend::{Band, slope};
use crate::model::ids::{Nanos, SECOND};
use serde::{Deserialize, Serialize};

/// Growth by less than this share of what there was, over the time of a series, is none.
const LEAST_SHARE: f64 = 0.05;
/// Of the growth so much must be beyond all that there was in the time before: what goes up and down again, over
/// minutes or hours, rises too for a part of the time.
const LEAST_NEW: f64 = 0.5;

/// How a process grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Growing {
    /// Bytes per second, with the interval of 95 %.
    pub rate: Band,
    /// Over so much time.
    pub span: Nanos,
    /// Bytes that it had at the beginning of that (the least of a while) …
    pub from: u64,
    /// … and at its end.
    pub to: u64,
}

/// Whether the process grows, by the finest series that shows it.
pub(super) fn growing(series: &Series, settings: Settings) -> Option<Growing> {
    (0..LEVELS).find_map(|level| on(series, level, settings))
}

/// A series that is not full tells nothing, and neither does one of which nothing earlier is known: a program
/// that has just begun fills its caches. The coarsest has nothing before it, and is long enough without.
fn on(series: &Series, level: usize, settings: Settings) -> Option<Growing> {
    let points = series.points(level);
    if points.len() < POINTS {
        return None;
    }
    let (first, last) = (*points.front()?, *points.back()?);
    let rate = slope(&points.iter().map(|point| place(first, *point)).collect::<Vec<_>>())?;
    let span = last.time.saturating_sub(first.time);
    let grown = rate.middle * span as f64 / SECOND as f64;
    let is_enough = rate.low > 0.0
        && rate.middle >= settings.growth.per_second()
        && grown >= first.low as f64 * LEAST_SHARE;
    if !is_enough {
        return None;
    }
    if level + 1 < LEVELS {
        let before = series.most_before(level, first.time)?;
        let most = points.iter().map(|point| point.high).max()?;
        let new = most.saturating_sub(before.max(first.low));
        if (new as f64) < grown * LEAST_NEW {
            return None;
        }
    }
    Some(Growing { rate, span, from: first.low, to: last.low })
}

fn place(first: Point, point: Point) -> (f64, f64) {
    (point.time.saturating_sub(first.time) as f64 / SECOND as f64, point.low as f64)
}
