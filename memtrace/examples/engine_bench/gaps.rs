//! For how long the daemon would not look at the ring: the same pieces as it does between two batches.

use crate::batch::Batch;
use crate::{cpu, rate};
use memtrace::engine::snapshot::SnapshotOptions;
use memtrace::engine::tracker::Tracker;
use memtrace::model::event::{Event, Exec, Fork, What};
use memtrace::model::ids::{Pid, ProcessKey, SECOND};
use memtrace::model::picture::{Area, PageKind, Picture};
use memtrace::model::process::ProcessInfo;
use memtrace::source::synthetic::{SyntheticSource, Workload};
use std::sync::Arc;
use std::time::Duration;

/// Blocks that the daemon looks at in one go, and records that it takes in before the next.
const SLICE: usize = 32_768;
const BETWEEN: usize = 20_000;

/// Later than all that the source makes up.
const LATER: u64 = 100 * SECOND;

const CHILD: Pid = 77;

/// Reports, with records in between: plain, with ages and single blocks, and with a look at the mappings before.
pub(crate) fn of_reports(tracker: &mut Tracker, source: &mut SyntheticSource) {
    let plain = SnapshotOptions::default();
    println!("  snapshot, {}", snapshot(tracker, source, &plain, Gaps::default()));
    let whole = SnapshotOptions { min_age: SECOND, blocks_per_stack: 5, ..plain };
    println!("  … with ages and blocks, {}", snapshot(tracker, source, &whole, Gaps::default()));
    let mut gaps = Gaps::default();
    gaps.time(|| apply(tracker, Workload::default().pid, picture()));
    gaps.until_done(tracker, source);
    println!("  … after a look at the mappings, {}", snapshot(tracker, source, &whole, gaps));
}

/// A fork, the child's exec, another fork, the end of the child, and the program's own exec.
pub(crate) fn of_lives(tracker: &mut Tracker, source: &mut SyntheticSource) {
    let pid = Workload::default().pid;
    for (number, how) in [(1, "exec"), (2, "end")] {
        let mut gaps = Gaps::default();
        gaps.time(|| fork(tracker, pid, number));
        println!("  fork, {gaps}");
        let mut gaps = Gaps::default();
        let batch = Batch::of(source, BETWEEN);
        gaps.folding += batch.fold_into(tracker);
        gaps.records += BETWEEN as u64;
        println!("  {BETWEEN} records after it, {gaps}");
        let mut gaps = Gaps::default();
        gaps.time(|| match how {
            "exec" => apply(tracker, CHILD, What::Exec(Exec { device: 0, inode: 0 })),
            _ => {
                apply(tracker, CHILD, What::Exit { status: Some(0) });
                tracker.retire(CHILD);
            }
        });
        gaps.until_done(tracker, source);
        println!("  the child's {how}, {gaps}");
        tracker.forget(CHILD);
    }
    let mut gaps = Gaps::default();
    gaps.time(|| apply(tracker, pid, What::Exec(Exec { device: 0, inode: 0 })));
    while !gaps.time(|| tracker.advance(SLICE)) {}
    println!("  the program's exec, {gaps}");
}

/// Takes a snapshot as the daemon does, and checks it.
fn snapshot(
    tracker: &mut Tracker,
    source: &mut SyntheticSource,
    options: &SnapshotOptions,
    mut gaps: Gaps,
) -> Gaps {
    let live_blocks = source.live_blocks() as u64;
    gaps.time(|| tracker.begin_snapshot(LATER, options));
    gaps.until_done(tracker, source);
    let snapshot = gaps.time(|| tracker.finish_snapshot()).unwrap();
    let heap = snapshot.processes[0].heap;
    let of_stacks: u64 = snapshot.processes[0].stacks.iter().map(|it| it.live_blocks).sum();
    assert_eq!((heap.live_blocks, of_stacks), (live_blocks, live_blocks));
    assert_eq!((heap.missed_frees, heap.unknown_frees), (0, 0));
    gaps
}

fn picture() -> What<'static> {
    let area = Area {
        start: 0x5555_0000_0000,
        end: 0x5655_0000_0000,
        resident: 1 << 40,
        kind: PageKind::HeapSegment,
        writable: true,
        pages: None,
    };
    let picture = Picture { began: u64::MAX, ..Picture::default() };
    What::Picture(Box::new(picture), [area].into())
}

fn fork(tracker: &mut Tracker, parent: Pid, start_time: u64) {
    let fork = Fork {
        child_process: CHILD,
        child_thread: CHILD,
        clone_flags: 0,
        started: 0,
        followed: false,
    };
    apply(tracker, parent, What::Fork(fork));
    let key = ProcessKey { pid: CHILD, start_time };
    let info = ProcessInfo { key, ..ProcessInfo::default() };
    apply(tracker, CHILD, What::ProcessSeen(Arc::new(info)));
}

fn apply(tracker: &mut Tracker, process: Pid, what: What<'_>) {
    tracker.apply(&Event { time: LATER, process, thread: process, what });
}

/// Times in which nothing is taken in.
#[derive(Default)]
struct Gaps {
    longest: Duration,
    all: Duration,
    count: u32,
    /// Records that were taken in meanwhile, and how long that took.
    records: u64,
    folding: Duration,
}

impl Gaps {
    fn time<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let start = cpu();
        let result = work();
        let gap = cpu() - start;
        self.longest = self.longest.max(gap);
        self.all += gap;
        self.count += 1;
        result
    }

    fn until_done(&mut self, tracker: &mut Tracker, source: &mut SyntheticSource) {
        while !self.time(|| tracker.advance(SLICE)) {
            self.folding += Batch::of(source, BETWEEN).fold_into(tracker);
            self.records += BETWEEN as u64;
        }
    }
}

impl std::fmt::Display for Gaps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { longest, all, count, records, folding } = self;
        write!(f, "longest gap {longest:.1?} ({count} pieces, {all:.1?} in all); meanwhile ")?;
        match records {
            0 => write!(f, "nothing"),
            _ => write!(f, "{}", rate(*records, *folding)),
        }
    }
}
