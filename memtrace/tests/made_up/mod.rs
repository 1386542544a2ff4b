//! A recording of a made-up program: the same bytes each time.
#![allow(clippy::unwrap_used, unreachable_pub, reason = "a fixture: a test fails by panicking")]

use super::report_fixtures;
use memtrace::engine::snapshot::SnapshotOptions;
use memtrace::model::event::{Event, What};
use memtrace::model::ids::{Nanos, SECOND};
use memtrace::recording::{Entry, Head, Moment, Note, Writer};
use memtrace::source::synthetic::{SyntheticSource, Workload};

/// Its reports come each three seconds of half a minute.
const LENGTH: Nanos = 30 * SECOND;

pub fn note(writer: &mut Writer<Vec<u8>>, note: &Note) {
    writer.push(Entry::Note(&note.bytes().unwrap())).unwrap();
}

fn moment(writer: &mut Writer<Vec<u8>>, time: Nanos, sequence: u64, is_final: bool) {
    let facts = memtrace::report::TracerFacts { sequence, ..report_fixtures::facts() };
    let facts = serde_json::to_value(&facts).unwrap();
    let options = SnapshotOptions::default();
    note(writer, &Note::Moment(Box::new(Moment { time, options, is_final, facts })));
}

/// So many records.
pub fn recorded(records: u64) -> Vec<u8> {
    let workload = Workload { stacks: 6, frames: 4, live_blocks: 400, ..Workload::default() };
    let mut source = SyntheticSource::new(workload);
    let head = Head { began: 1_700_000_000_000_000_000, ..Head::default() };
    let mut writer = Writer::new(Vec::new(), head).unwrap();
    note(&mut writer, &Note::Limits(Box::default()));
    let introduction = source.introduction();
    let began = introduction[0].time;
    introduction.iter().filter_map(Note::of).for_each(|it| note(&mut writer, &it));
    let (mut record, mut sequence) = (Vec::new(), 0);
    for number in 0..records {
        record.clear();
        source.next_record(&mut record);
        let time = began + number * (LENGTH / records);
        record[16..24].copy_from_slice(&time.to_ne_bytes());
        writer.push(Entry::Record(&record)).unwrap();
        if number % (records / 20) == 0 {
            let mark = Event { time, process: 0, thread: 0, what: What::Mark };
            note(&mut writer, &Note::of(&mark).unwrap());
        }
        if number % (records / 10) == records / 10 - 1 {
            sequence += 1;
            moment(&mut writer, time, sequence, sequence == 10);
        }
    }
    writer.finish().unwrap()
}
