//! The run by time, as the page's script gets it.

use super::data::{Memory, Part, Tick, Timeline};
use crate::engine::slices::{Amount, Deeds};
use crate::report::model::{ProcessReport, Report};
use crate::report::timeline::{Changes, MemoryPoint, Parts};
use crate::report::units::seconds;

/// Marks and alerts, and which parts of the run there are.
pub(super) fn timeline(report: &Report) -> Timeline<'_> {
    let marks = report.marks.iter().map(|mark| Tick {
        time: seconds(mark.since_start),
        kind: "mark",
        name: mark.name.clone(),
    });
    let alerts = report.alerts.iter().flatten().map(|alert| Tick {
        time: seconds(report.watched.saturating_sub(alert.age)),
        kind: "alert",
        name: match (alert.by.comm(), alert.by.pid()) {
            (Some(comm), Some(pid)) => format!("{}: {comm} ({pid})", alert.kind),
            _ => format!("{}: {}", alert.kind, alert.by.scope()),
        },
    });
    let (ends, missing) = match &report.parts {
        Parts::Kept(ends) => (ends.iter().copied().map(seconds).collect(), None),
        Parts::Unknown(why) => (Vec::new(), Some(*why)),
        Parts::NotKept => (Vec::new(), Some("they are kept where a recording is read")),
    };
    Timeline {
        watched: seconds(report.watched),
        ticks: marks.chain(alerts).collect(),
        ends,
        missing,
    }
}

/// Memory of a process, by columns. Those of which nothing is known are empty.
pub(super) fn memory(process: &ProcessReport) -> Memory {
    let points = &process.memory;
    let column = |of: fn(&MemoryPoint) -> Option<u64>| -> Vec<Option<u64>> {
        let values: Vec<_> = points.iter().map(of).collect();
        if values.iter().any(Option::is_some) { values } else { Vec::new() }
    };
    Memory {
        time: points.iter().map(|point| seconds(point.since_start)).collect(),
        resident: column(|point| point.resident),
        heap: column(|point| point.heap),
        mapped: column(|point| point.mapped),
        is_estimate: process.heap.confidence.is_some(),
    }
}

/// Adds what the blocks of a row did.
pub(super) fn add(parts: &mut Vec<Part>, row: u32, changes: &Changes) {
    for (number, change) in changes {
        let number = *number as usize;
        if parts.len() <= number {
            parts.resize_with(number + 1, Part::default);
        }
        parts[number].push(row, change);
    }
}

impl Part {
    /// Without columns in which there is nothing.
    pub(super) fn finish(&mut self) {
        let columns = [&mut self.live, &mut self.allocated, &mut self.freed, &mut self.temporary];
        for (bytes, count) in columns {
            if bytes.iter().chain(&*count).all(|change| *change == 0) {
                bytes.clear();
                count.clear();
            }
        }
    }

    fn push(&mut self, row: u32, change: &Deeds) {
        self.row.push(row);
        let columns = [
            (&mut self.live, change.live),
            (&mut self.allocated, change.allocated),
            (&mut self.freed, change.freed),
            (&mut self.temporary, change.temporary),
        ];
        for ((bytes, count), Amount { bytes: more, blocks }) in columns {
            bytes.push(more.cast_signed());
            count.push(blocks.cast_signed());
        }
    }
}
