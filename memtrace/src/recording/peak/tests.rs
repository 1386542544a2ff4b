//! The high-water mark is found where it is, and a replay comes to it.

use super::{PeakError, peak};
use crate::engine::encode::encode;
use crate::engine::limits::Limits;
use crate::engine::snapshot::{SnapshotOptions, State};
use crate::model::event::{Allocation, Event, Free, StackRef, What};
use crate::model::ids::{Nanos, ProcessKey};
use crate::model::process::ProcessInfo;
use crate::recording::{Entry, Head, Note, Place, Reader, Replay, Writer};
use memtrace_common::classes::Sizing;
use memtrace_common::function::FunctionId;
use memtrace_common::wire::StackEnd;
use proptest::prelude::*;
use std::collections::HashMap;
use std::sync::Arc;

/// Events are so far apart.
const STEP: Nanos = 1000;

/// A recording of two processes.
struct Run {
    writer: Writer<Vec<u8>>,
    time: Nanos,
    /// What lives, by process and slot, and the sum at each time.
    live: HashMap<(u32, u64), u64>,
    sums: Vec<(Nanos, u64)>,
}

impl Run {
    fn new() -> Self {
        let writer = Writer::new(Vec::new(), Head { began: 7, ..Head::default() }).unwrap();
        let mut run = Self { writer, time: 0, live: HashMap::new(), sums: Vec::new() };
        run.note(&Note::Limits(Box::default()));
        for pid in [1, 2] {
            let key = ProcessKey { pid, start_time: 1 };
            let info = ProcessInfo { key, ..ProcessInfo::default() };
            run.time += STEP;
            let what = What::ProcessSeen(Arc::new(info));
            let event = Event { time: run.time, process: pid, thread: 0, what };
            run.note(&Note::of(&event).unwrap());
        }
        run
    }

    fn note(&mut self, note: &Note) {
        self.writer.push(Entry::Note(&note.bytes().unwrap())).unwrap();
    }

    fn record(&mut self, process: u32, what: What<'static>) {
        let mut record = Vec::new();
        assert!(encode(&Event { time: self.time, process, thread: 1, what }, &mut record));
        self.writer.push(Entry::Record(&record)).unwrap();
        self.sums.push((self.time, self.live.values().sum()));
    }

    /// Allocates in a slot, or frees what is there.
    fn step(&mut self, process: u32, slot: u64, size: u64) {
        self.time += STEP;
        let address = 0x10000 + slot * 0x1000;
        if self.live.remove(&(process, slot)).is_some() {
            return self.record(
                process,
                What::Free(Free {
                    function: FunctionId::FREE,
                    address,
                    inside_allocator: false,
                    perhaps_not_taken: false,
                }),
            );
        }
        self.live.insert((process, slot), size);
        let stack = StackRef { id: 7, end: StackEnd::Complete, frames: &[0; 8] };
        self.record(
            process,
            What::Allocation(Allocation {
                function: FunctionId::MALLOC,
                sizing: Sizing::default(),
                address,
                size,
                sample_interval: 0,
                stack,
            }),
        );
    }

    fn exit(&mut self, process: u32) {
        self.time += STEP;
        self.live.retain(|(pid, _), _| *pid != process);
        self.record(process, What::Exit { status: Some(0) });
    }

    fn end(self) -> (Vec<u8>, Vec<(Nanos, u64)>) {
        (self.writer.finish().unwrap(), self.sums)
    }
}

fn reader(recording: &[u8]) -> Reader<&[u8]> {
    Reader::new(recording).unwrap()
}

/// What lives in processes that run, where a replay stops.
fn live_at(recording: &[u8], place: &Place) -> u64 {
    let mut replay = Replay::new(Limits::default());
    replay.play_to(&mut reader(recording), place).unwrap();
    let snapshot = replay.snapshot(Some(place.time), &SnapshotOptions::default());
    let running = snapshot.processes.iter().filter(|it| it.state == State::Running);
    running.map(|process| process.heap.live_bytes).sum()
}

proptest! {
    #[test]
    fn it_is_the_first_moment_that_held_most(
        steps in prop::collection::vec((1_u32..3, 0_u64..5, 1_u64..50), 1..60),
        ends in prop::option::of(0_usize..60),
        after in 0_u64..60,
    ) {
        let mut run = Run::new();
        for (number, (process, slot, size)) in steps.into_iter().enumerate() {
            if ends == Some(number) {
                run.exit(2);
            }
            // What has ended does nothing any more.
            let process = if ends.is_some_and(|end| end <= number) { 1 } else { process };
            run.step(process, slot, size);
        }
        let (recording, sums) = run.end();
        let after = after * STEP;
        let at = sums.iter().rfind(|(time, _)| *time <= after).map_or((0, 0), |sum| *sum);
        let later = sums.iter().filter(|(time, _)| *time > after);
        let most = later.fold(at, |most, sum| if sum.1 > most.1 { *sum } else { most });
        let found = peak(&mut reader(&recording), Replay::new(Limits::default()), after, None);
        if most.1 == 0 {
            prop_assert!(matches!(found, Err(PeakError::Empty)));
            return Ok(());
        }
        let found = found.unwrap();
        prop_assert_eq!(found.bytes, most.1);
        // Of a period that begins between two events the moment is that of the last one before.
        prop_assert_eq!(found.place.time, most.0);
        prop_assert_eq!(live_at(&recording, &found.place), most.1);
    }
}

#[test]
fn what_comes_later_does_not_count() {
    let mut run = Run::new();
    run.step(1, 0, 10);
    let middle = run.time;
    run.step(1, 1, 90);
    let (recording, _) = run.end();
    let whole = peak(&mut reader(&recording), Replay::new(Limits::default()), 0, None).unwrap();
    assert_eq!(whole.bytes, 100);
    // Limits, two processes, then the block.
    let place = Place { entry: 3, time: middle, since_start: middle - STEP, nearest: None };
    let until = Some(&place);
    let first = peak(&mut reader(&recording), Replay::new(Limits::default()), 0, until).unwrap();
    assert_eq!((first.bytes, first.place), (10, place));
}
