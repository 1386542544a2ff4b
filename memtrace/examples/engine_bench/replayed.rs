//! What is folded comes from a recording: read, decompressed, put together, decoded, applied.

use crate::{ROUNDS, cpu, rate};
use memtrace::engine::limits::Limits;
use memtrace::engine::snapshot::SnapshotOptions;
use memtrace::recording::{Entry, Head, Note, Reader, Replay, Writer};
use memtrace::source::synthetic::{SyntheticSource, Workload};
use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::ops::ControlFlow;
use std::time::Duration;

/// Records of the recording, beyond those with which the heap grows.
const RECORDS: u32 = 5_000_000;

/// Writes a recording of the synthetic program and replays it, as `memtrace report` does; and reads it without an
/// engine.
pub(crate) fn recording_of(live_blocks: u32) {
    let file = tempfile::NamedTempFile::new().unwrap();
    let (records, live) = write(file.reopen().unwrap(), live_blocks);
    let bytes = file.as_file().metadata().unwrap().len();
    println!(
        "  a recording of it: {records} records, {:.2} bytes each",
        bytes as f64 / records as f64
    );
    let open = || Reader::new(BufReader::new(File::open(file.path()).unwrap())).unwrap();
    // A large one is long enough.
    let rounds = if live_blocks > 1_000_000 { 2 } else { ROUNDS };
    let best = |once: &mut dyn FnMut()| {
        let time = |_| {
            let start = cpu();
            once();
            cpu() - start
        };
        (0..rounds).map(time).min().unwrap_or(Duration::ZERO)
    };
    let reading = best(&mut || {
        let mut reader = open();
        while let Some(mut chunk) = reader.next_chunk().unwrap() {
            while chunk.next_entry().unwrap().is_some() {}
        }
    });
    println!("  … read alone, best: {}", rate(records, reading));
    let replaying = best(&mut || {
        let mut replay = Replay::new(Limits { max_blocks: usize::MAX, ..Limits::default() });
        replay.play(&mut open(), &mut |_, _| ControlFlow::Continue(())).unwrap();
        let snapshot = replay.snapshot(None, &SnapshotOptions::default());
        assert_eq!(snapshot.processes[0].heap.live_blocks, live);
    });
    println!("  … replayed with a report at its end, best: {}", rate(records, replaying));
}

/// Gives how many records there are, and how many blocks live at the end.
fn write(file: File, live_blocks: u32) -> (u64, u64) {
    let mut source = SyntheticSource::new(Workload { live_blocks, ..Workload::default() });
    let mut writer =
        Writer::new(BufWriter::new(file), Head { began: 0, ..Head::default() }).unwrap();
    let limits = Limits { max_blocks: usize::MAX, ..Limits::default() };
    let first = Note::Limits(Box::new(limits)).bytes().unwrap();
    writer.push(Entry::Note(&first)).unwrap();
    for event in source.introduction() {
        let note = Note::of(&event).unwrap().bytes().unwrap();
        writer.push(Entry::Note(&note)).unwrap();
    }
    let (mut record, mut records) = (Vec::new(), 0_u64);
    let (mut left, mut has_grown) = (RECORDS, false);
    while left > 0 {
        has_grown |= source.live_blocks() == live_blocks as usize;
        left -= u32::from(has_grown);
        record.clear();
        source.next_record(&mut record);
        writer.push(Entry::Record(&record)).unwrap();
        records += 1;
    }
    writer.finish().unwrap();
    (records, source.live_blocks() as u64)
}
