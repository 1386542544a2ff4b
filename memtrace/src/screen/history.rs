//! What processes held at the latest reports, for the sparklines.

use super::identity::ProcessIdentity;
use super::kind::held;
use crate::report::Report;
use std::collections::{HashMap, VecDeque};

/// Reports that are remembered: more than any screen has columns for.
const POINTS: usize = 256;

/// What was held at one report, bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Point {
    pub(super) live: u64,
    /// `None`: not known.
    pub(super) resident: Option<u64>,
}

/// The latest points of each process that the newest report lists, and of all together.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    all: VecDeque<Point>,
    processes: HashMap<ProcessIdentity, VecDeque<Point>>,
}

impl History {
    /// Takes in the next report.
    pub(super) fn add(&mut self, report: &Report) {
        let mut before = std::mem::take(&mut self.processes);
        let mut sum = Point::default();
        for process in &report.processes {
            let runs = process.end == crate::report::End::Running;
            // What has ended holds nothing any more.
            let resident =
                if runs { process.usage_last.map(|usage| usage.resident) } else { Some(0) };
            let live = if runs { held(report, process).bytes } else { 0 };
            sum.live = sum.live.saturating_add(live);
            sum.resident = match (sum.resident, resident) {
                (Some(sum), Some(more)) => Some(sum.saturating_add(more)),
                (one, other) => one.or(other),
            };
            let identity = ProcessIdentity::of(process);
            let mut points = before.remove(&identity).unwrap_or_default();
            push(&mut points, Point { live, resident });
            self.processes.insert(identity, points);
        }
        push(&mut self.all, sum);
    }

    /// The points of a process, or else of all together; oldest first.
    pub(super) fn points(&self, process: Option<&ProcessIdentity>) -> impl Iterator<Item = Point> {
        let points = match process {
            Some(identity) => self.processes.get(identity),
            None => Some(&self.all),
        };
        points.into_iter().flatten().copied()
    }
}

fn push(points: &mut VecDeque<Point>, point: Point) {
    if points.len() == POINTS {
        points.pop_front();
    }
    points.push_back(point);
}
