//! The snapshot that is meant, or why there is none.

use super::{Wanted, Within, end, find};
use crate::engine::snapshot::{HeapTotals, ProcessSnapshot, Snapshot};
use crate::recording::snapshots::{Plan, Shot, SnapshotWriter};
use crate::report::TracerFacts;
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;

/// A second, ns.
const SECOND: u64 = 1_000_000_000;

/// A snapshot every ten seconds, of so many live bytes, with the number of a report, which is its own or was made before.
const RUN: [(u64, u64, bool); 5] =
    [(10, 0, false), (90, 1, true), (30, 1, false), (40, 2, true), (200, 2, false)];

fn shot(number: usize) -> Shot {
    let (live_bytes, sequence, is_report) = RUN[number];
    let heap = HeapTotals { live_bytes, ..HeapTotals::default() };
    let processes = vec![ProcessSnapshot { heap, ..ProcessSnapshot::default() }];
    let (began, time) = (SECOND, SECOND + 10 * number as u64 * SECOND);
    let snapshot = Arc::new(Snapshot { began, time, processes, ..Snapshot::default() });
    let facts = TracerFacts { sequence, ..TracerFacts::default() };
    let facts = serde_json::to_value(facts).unwrap();
    Shot { snapshot, facts, is_final: false, is_report, is_mark: false }
}

/// The recording on disk, its last snapshot damaged or not.
fn recorded(is_damaged: bool) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.mtrace");
    let plan = Plan { limit: u64::MAX, ..Plan::default() };
    let mut writer = SnapshotWriter::new(Vec::new(), 7, &plan).unwrap();
    let mut last = 0;
    for number in 0..RUN.len() {
        last = writer.written();
        writer.push(&shot(number)).unwrap();
    }
    let mut bytes = writer.finish().unwrap();
    if is_damaged {
        // Within what is packed.
        bytes[last as usize + 60] ^= 1;
    }
    std::fs::write(&path, bytes).unwrap();
    (folder, path)
}

/// The place in the run of the snapshot that is found, and what is said of it.
fn found(wanted: &Wanted, is_damaged: bool) -> Result<(u64, Option<String>), String> {
    let (_folder, path) = recorded(is_damaged);
    match find(&path, wanted, Within::default()) {
        Ok(found) => Ok((found.since_start() / SECOND / 10, found.note)),
        Err(error) => Err(format!("{error:#}")),
    }
}

#[test]
fn a_report_is_meant_by_its_number_and_no_snapshot_after_it() {
    assert_eq!(found(&Wanted::Number(1), false), Ok((1, None)));
    assert_eq!(found(&Wanted::Number(2), false), Ok((3, None)));
    for number in [0, 3] {
        let refused = found(&Wanted::Number(number), false).unwrap_err();
        assert!(refused.ends_with(&format!("no snapshot of report {number}")), "{refused}");
    }
}

#[test]
fn what_is_found_instead_of_a_moment_is_said() {
    let note = |wanted| found(&wanted, false).map(|(place, note)| (place, note.unwrap()));
    let (place, told) = note(Wanted::Since(17 * SECOND)).unwrap();
    assert!(place == 1 && told.contains("the latest snapshot before the moment"), "{told}");
    let (place, told) = note(Wanted::Mark(SECOND + 17 * SECOND)).unwrap();
    assert!(place == 2 && told.contains("the first snapshot after the moment"), "{told}");
    assert_eq!(found(&Wanted::Since(20 * SECOND), false), Ok((2, None)));
}

#[test]
fn where_damage_hides_what_may_be_meant_nothing_else_is_taken_for_it() {
    assert_eq!(found(&Wanted::Peak, false).unwrap().0, 4);
    let mark = Wanted::Mark(SECOND + 35 * SECOND);
    for wanted in [Wanted::Peak, mark, Wanted::Since(30 * SECOND), Wanted::Number(3)] {
        let refused = found(&wanted, true);
        assert!(refused.as_ref().is_err_and(|why| why.contains("damaged")), "{refused:?}");
    }
    // What comes before it is there.
    let mark = Wanted::Mark(SECOND + 25 * SECOND);
    for (wanted, place) in
        [(Wanted::First, 0), (Wanted::Number(2), 3), (mark, 3), (Wanted::Since(25 * SECOND), 2)]
    {
        assert_eq!(found(&wanted, true).unwrap().0, place, "{wanted:?}");
    }
    let (_folder, path) = recorded(true);
    let last = end(&path).unwrap();
    assert_eq!((last.since_start(), last.brief.is_final), (30 * SECOND, false));
}
