//! What a page shows of time takes no more than it may, whatever is in the file.

use super::{Series, who};
use crate::engine::slices::MOST_SLICES;
use crate::engine::snapshot::{ProcessSnapshot, Snapshot};
use crate::recording::Reader;
use crate::recording::snapshots::{Held, Plan, Shot, SnapshotWriter, Snapshots};
use std::sync::Arc;

/// Snapshots with a text of so many bytes, each with another one.
fn held(count: u64, length: usize) -> Vec<Held> {
    let plan = Plan { limit: u64::MAX, ..Plan::default() };
    let mut writer = SnapshotWriter::new(Vec::new(), 7, &plan).unwrap();
    for time in 0..count {
        // The same process twice, which no run has.
        let processes = vec![ProcessSnapshot::default(); 2];
        let snapshot = Arc::new(Snapshot { time, processes, ..Snapshot::default() });
        let facts = serde_json::json!({ "text": time.to_string().repeat(length) });
        let shot = Shot { snapshot, facts, is_final: false, is_report: true, is_mark: false };
        writer.push(&shot).unwrap();
    }
    let bytes = writer.finish().unwrap();
    let mut snapshots = Snapshots::new(Reader::new(&*bytes).unwrap()).unwrap();
    let mut all = Vec::new();
    while snapshots.advance().unwrap() {
        all.push(snapshots.held());
    }
    all
}

fn times(series: &Series) -> Vec<u64> {
    series.kept.iter().map(|held| held.brief().unwrap().time).collect()
}

#[test]
fn large_snapshots_are_fewer_and_evenly_spaced() {
    let mut small = Series::default();
    held(20, 1).into_iter().for_each(|held| small.add(held));
    assert_eq!(times(&small), (0..20).collect::<Vec<_>>());
    let mut large = Series::default();
    for held in held(100, 5000) {
        large.add_within(held, 100_000);
        assert!(large.bytes <= 100_000);
    }
    let (kept, spacing) = (times(&large), large.spacing);
    assert!(kept.len() > 4 && (kept.len() as u64) < MOST_SLICES / 2, "{kept:?}");
    assert!(kept.iter().enumerate().all(|(n, time)| *time == n as u64 * spacing), "{kept:?}");
}

#[test]
fn what_snapshots_have_in_common_counts_once() {
    let all = held(1, 5000);
    let alone = all[0].bytes_beside(None);
    let beside = all[0].bytes_beside(Some(&all[0].clone()));
    assert!(alone > 5000 && beside < 2000, "{alone} and {beside}");
}

#[test]
fn a_process_that_is_there_twice_has_one_series() {
    let all = held(10, 1);
    let (brief, shot) = (all[9].brief().unwrap(), all[9].shot().unwrap());
    let mut series = Series::default();
    all.into_iter().for_each(|held| series.add(held));
    let mut snapshot = Snapshot::clone(&shot.snapshot);
    series.tell(&brief, &mut snapshot).unwrap();
    assert_eq!(who(&snapshot.processes[0]), who(&snapshot.processes[1]));
    let slices = snapshot.processes.iter().map(|process| process.slices.len());
    assert_eq!(slices.collect::<Vec<_>>(), [10, 0]);
}
