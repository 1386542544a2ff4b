//! The run by time, as the page's script gets it.

use super::data::{Memory, Part, PartRanges, RangeColumns, Tick, Timeline};
use crate::engine::sampling::SumConfidence;
use crate::engine::slices::Amount;
use crate::model::ids::Nanos;
use crate::report::model::{ProcessReport, Report};
use crate::report::timeline::{Change, Changes, MemoryPoint, Parts};
use crate::report::units::seconds;

/// Marks and alerts, and which parts of the run there are. `from`: the page is of what follows that, ns after tracing began.
pub(super) fn timeline(report: &Report, from: Option<Nanos>) -> Timeline<'_> {
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
        Parts::Kept(ends) => (ends.iter().copied().map(apart).collect(), None),
        Parts::Unknown(why) => (Vec::new(), Some(*why)),
        Parts::NotKept => (Vec::new(), Some("they are kept where a recording is read")),
    };
    Timeline {
        watched: apart(report.watched),
        ticks: marks.chain(alerts).collect(),
        ends,
        missing,
        from: from.map(apart),
    }
}

/// Seconds, not rounded: moments that differ stay apart, as the script numbers them.
fn apart(time: Nanos) -> f64 {
    time as f64 / 1e9
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
    for change in changes {
        let number = change.part as usize;
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
        let PartRanges { live, allocated, freed } = &mut self.ranges;
        if live.iter().flatten().all(Option::is_none) {
            [live, allocated, freed].into_iter().flatten().for_each(Vec::clear);
        }
    }

    fn push(&mut self, row: u32, Change { deeds: change, ranges, .. }: &Change) {
        self.row.push(row);
        let PartRanges { live, allocated, freed } = &mut self.ranges;
        push_range(live, ranges.map(|it| it.live));
        push_range(allocated, ranges.map(|it| it.allocated));
        push_range(freed, ranges.map(|it| it.freed));
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

fn push_range(columns: &mut RangeColumns, range: Option<SumConfidence>) {
    let ends = |it: SumConfidence| [it.bytes.low, it.bytes.high, it.blocks.low, it.blocks.high];
    let ends = range.map_or([None; 4], |range| ends(range).map(Some));
    columns.iter_mut().zip(ends).for_each(|(column, end)| column.push(end));
}
