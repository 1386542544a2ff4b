//! Moments are found where they are, and what comes after them does not count.

use super::{LocateError, Place, Wanted, exactly, locate};
use crate::engine::encode::encode;
use crate::engine::limits::Limits;
use crate::engine::snapshot::SnapshotOptions;
use crate::model::event::{Allocation, Event, StackRef, What};
use crate::model::ids::{Nanos, ProcessKey};
use crate::model::mark::MarkName;
use crate::model::process::ProcessInfo;
use crate::recording::{Entry, Head, Moment, Note, Reader, Replay, Writer};
use memtrace_common::classes::Sizing;
use memtrace_common::function::FunctionId;
use memtrace_common::wire::StackEnd;
use std::sync::Arc;

const PROCESS: u32 = 42;
const MILLI: Nanos = 1_000_000;

/// A recording that is being made.
struct Run(Writer<Vec<u8>>);

impl Run {
    fn new() -> Self {
        let mut run = Self(Writer::new(Vec::new(), Head { began: 7, ..Head::default() }).unwrap());
        run.note(&Note::Limits(Box::default()));
        let key = ProcessKey { pid: PROCESS, start_time: 1 };
        let info = ProcessInfo { key, comm: "program".to_owned(), ..ProcessInfo::default() };
        run.told(1000 * MILLI, What::ProcessSeen(Arc::new(info)));
        run
    }

    fn note(&mut self, note: &Note) {
        self.0.push(Entry::Note(&note.bytes().unwrap())).unwrap();
    }

    fn told(&mut self, time: Nanos, what: What<'static>) {
        let event = Event { time, process: PROCESS, thread: 0, what };
        self.note(&Note::of(&event).unwrap());
    }

    /// A block of so many bytes.
    fn allocation(&mut self, time: Nanos, size: u64) {
        let stack = StackRef { id: 7, end: StackEnd::Complete, frames: &[0; 8] };
        let what = What::Allocation(Allocation {
            function: FunctionId::MALLOC,
            sizing: Sizing::default(),
            address: 0x5000_0000 + time,
            size,
            sample_interval: 0,
            stack,
        });
        let mut record = Vec::new();
        assert!(encode(&Event { time, process: PROCESS, thread: 1, what }, &mut record));
        self.0.push(Entry::Record(&record)).unwrap();
    }

    fn mark(&mut self, time: Nanos, name: &str, facts: u64) {
        self.told(time, What::Named(MarkName::new(name).unwrap()));
        self.note(&Note::Marked(Box::new(moment(time, facts))));
    }

    fn end(self) -> Vec<u8> {
        self.0.finish().unwrap()
    }
}

fn moment(time: Nanos, facts: u64) -> Moment {
    let options = SnapshotOptions::default();
    Moment { time, options, is_final: false, facts: facts.into() }
}

/// Allocations of 1, 10, 100, … bytes with marks between; what the ring told last was told late.
fn run() -> Vec<u8> {
    let mut run = Run::new();
    run.allocation(1100 * MILLI, 1);
    run.mark(1200 * MILLI, "first", 1);
    run.allocation(1300 * MILLI, 10);
    run.mark(1400 * MILLI, "twice", 2);
    run.mark(1500 * MILLI, "twice", 3);
    run.allocation(1600 * MILLI, 100);
    run.note(&Note::Moment(Box::new(moment(1700 * MILLI, 4))));
    // Of another ring, which was looked at later.
    run.told(1900 * MILLI, What::Mark);
    run.allocation(1800 * MILLI, 1000);
    run.allocation(1850 * MILLI, 10_000);
    run.mark(2000 * MILLI, "10s", 5);
    run.end()
}

fn find(bytes: &[u8], name: Option<&str>, millis: Option<u64>) -> Result<Place, LocateError> {
    let wanted = Wanted {
        name: name.map(|name| MarkName::new(name).unwrap()),
        since_start: millis.map(|millis| millis * MILLI),
    };
    locate(&mut Reader::new(bytes).unwrap(), &wanted)
}

/// Bytes that live at the place, and the marks that there are until then.
fn live_at(bytes: &[u8], place: &Place) -> (u64, usize) {
    let mut replay = Replay::new(Limits::default());
    replay.play_to(&mut Reader::new(bytes).unwrap(), place).unwrap();
    let snapshot = replay.snapshot(Some(place.time), &SnapshotOptions::default());
    (snapshot.processes[0].heap.live_bytes, snapshot.marks.len())
}

#[test]
fn a_mark_is_found_with_all_that_was_told_before() {
    let bytes = run();
    let place = find(&bytes, Some("first"), None).unwrap();
    assert_eq!((place.time, place.since_start), (1200 * MILLI, 200 * MILLI));
    assert_eq!(place.nearest, Some(moment(1200 * MILLI, 1)));
    assert_eq!(live_at(&bytes, &place), (1, 1));
    // A mark's name may look like a time, and is the name then.
    let place = find(&bytes, Some("10s"), Some(10_000)).unwrap();
    assert_eq!(place.since_start, 1000 * MILLI);
    assert_eq!(live_at(&bytes, &place), (11_111, 4));
}

#[test]
fn a_time_is_found_whatever_came_late() {
    let bytes = run();
    for (millis, live, marks, facts) in [
        (0, 0, 0, 1),
        (99, 0, 0, 1),
        (100, 1, 0, 1),
        (200, 1, 1, 1),
        (450, 11, 2, 2),
        (700, 111, 3, 4),
        (820, 1111, 3, 4),
        (900, 11_111, 3, 4),
        (1000, 11_111, 4, 5),
    ] {
        let place = find(&bytes, None, Some(millis)).unwrap();
        assert_eq!(place.time, (1000 + millis) * MILLI);
        assert_eq!(live_at(&bytes, &place), (live, marks), "{millis} ms");
        assert_eq!(place.nearest.map(|it| it.facts), Some(facts.into()), "{millis} ms");
    }
}

#[test]
fn what_is_not_there_is_told_with_what_is() {
    let bytes = run();
    let told = |name, millis| find(&bytes, name, millis).unwrap_err().to_string();
    let unknown = told(Some("third"), None);
    assert!(unknown.contains("no mark `third`"), "{unknown}");
    let all = "`first` (0.200s), `twice` (0.400s), `twice` (0.500s), `10s` (1.000s)";
    assert!(unknown.ends_with(all), "{unknown}");
    let twice = told(Some("twice"), None);
    assert!(twice.ends_with("by its time, `twice` (0.400s), `twice` (0.500s)"), "{twice}");
    assert_eq!(told(None, Some(1001)), "it ends 1.000s after its start");
    let empty =
        Writer::new(Vec::new(), Head { began: 7, ..Head::default() }).unwrap().finish().unwrap();
    assert!(matches!(find(&empty, Some("x"), Some(1)), Err(LocateError::Empty)));
}

#[test]
fn of_many_marks_the_latest_are_listed() {
    let mut run = Run::new();
    (0..50).for_each(|number| run.mark(1000 * MILLI + number, "x", 0));
    let bytes = run.end();
    let error = find(&bytes, Some("x"), None).unwrap_err().to_string();
    assert!(error.ends_with(" and 30 earlier ones"), "{error}");
    assert_eq!(error.matches("`x` (").count(), 20);
}

#[test]
fn damage_after_the_moment_is_no_harm() {
    let mut run = Run::new();
    run.allocation(1100 * MILLI, 1);
    run.mark(1200 * MILLI, "first", 1);
    run.0.checkpoint().unwrap();
    run.allocation(1300 * MILLI, 10);
    let mut bytes = run.end();
    // In the second chunk, whose head is 40 bytes as the end's is.
    let at = bytes.len() - 40 - 3;
    bytes[at] ^= 1;
    let place = find(&bytes, Some("first"), None).unwrap();
    assert_eq!(live_at(&bytes, &place), (1, 1));
    let error = find(&bytes, Some("other"), None).unwrap_err();
    assert!(matches!(error, LocateError::Recording(_)), "{error}");
}

#[test]
fn times_that_are_told_are_not_before_what_they_name() {
    assert_eq!(exactly(0), "0.000s");
    assert_eq!(exactly(1), "0.001s");
    assert_eq!(exactly(12_345_000_001), "12.346s");
}
