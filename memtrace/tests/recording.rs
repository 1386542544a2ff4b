//! Recordings: what goes in comes out, whatever happens to the file, and in few bytes.

#![expect(clippy::unwrap_used, reason = "a test fails where anything is wrong")]

use memtrace::recording::{Ending, Entry, Head, Kind, Reader, RecordingError, Writer};
use memtrace::source::synthetic::{SyntheticSource, Workload};
use std::io::{self, Write};

const HEAD: Head = Head { began: 1_700_000_000_000_000_000, kind: Kind::Events };

/// Records of a made-up program, one after the other.
fn records(count: usize) -> Vec<Vec<u8>> {
    let mut source = SyntheticSource::new(Workload { live_blocks: 5_000, ..Workload::default() });
    let made = |_| {
        let mut record = Vec::new();
        source.next_record(&mut record);
        record
    };
    (0..count).map(made).collect()
}

/// A recording with a checkpoint after each `every` records.
fn recorded(records: &[Vec<u8>], every: usize) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), HEAD).unwrap();
    for part in records.chunks(every) {
        part.iter().for_each(|record| writer.push(Entry::Record(record)).unwrap());
        writer.push(Entry::Note(b"a note")).unwrap();
        writer.checkpoint().unwrap();
    }
    writer.finish().unwrap()
}

/// Its records, and how it ends.
fn read(bytes: &[u8]) -> (Vec<Vec<u8>>, Result<Ending, RecordingError>) {
    let mut records = Vec::new();
    let mut reader = match Reader::new(bytes) {
        Ok(reader) => reader,
        Err(error) => return (records, Err(error)),
    };
    loop {
        let mut chunk = match reader.next_chunk() {
            Ok(Some(chunk)) => chunk,
            Ok(None) => return (records, Ok(reader.ending().unwrap())),
            Err(error) => return (records, Err(error)),
        };
        let (mut from, mut to) = (u64::MAX, 0);
        let said = (chunk.from, chunk.to);
        while let Some(entry) = chunk.next_entry().unwrap() {
            match entry {
                Entry::Note(note) => assert_eq!(note, b"a note"),
                Entry::Record(record) => {
                    let time = u64::from_ne_bytes(record[16..24].try_into().unwrap());
                    (from, to) = (from.min(time), to.max(time));
                    records.push(record.to_owned());
                }
            }
        }
        assert_eq!((from, to), said);
    }
}

#[test]
fn all_comes_back_in_order() {
    let records = records(200_000);
    let bytes = recorded(&records, 90_000);
    let (back, ending) = read(&bytes);
    assert_eq!(ending.unwrap(), Ending::Whole);
    assert!(back == records);
}

#[test]
fn a_file_that_was_cut_is_read_up_to_the_last_checkpoint() {
    let records = records(3_000);
    let bytes = recorded(&records, 1_000);
    let mut seen = Vec::new();
    // The end alone is missing of the last.
    for length in (24..bytes.len()).step_by(97).chain([bytes.len() - 1]) {
        let (back, ending) = read(&bytes[..length]);
        assert_eq!(ending.unwrap(), Ending::Cut, "{length} bytes");
        assert!(back.len() % 1_000 == 0 && back == records[..back.len()]);
        seen.push(back.len());
    }
    assert!(seen.is_sorted() && seen.contains(&0) && seen.contains(&3_000));
}

#[test]
fn a_changed_byte_is_noticed_and_what_came_before_is_good() {
    let records = records(3_000);
    let bytes = recorded(&records, 1_000);
    for place in (0..bytes.len()).step_by(61) {
        let mut changed = bytes.clone();
        changed[place] ^= 0x10;
        let (back, ending) = read(&changed);
        let is_length = matches!(ending, Ok(Ending::Cut));
        assert!(ending.is_err() || is_length, "byte {place}");
        assert!(back == records[..back.len()] && back.len() < 3_000 || place + 60 > bytes.len());
    }
}

#[test]
fn other_files_and_other_versions_are_told_apart() {
    for foreign in [&b""[..], b"\x7fELF", &[0; 100], b"{\"schema\":1}                     "] {
        assert!(matches!(Reader::new(foreign), Err(RecordingError::Foreign)));
    }
    let mut newer = recorded(&[], 1);
    // Format 2 is that of snapshots, and 1 was that of events in other columns.
    for other in [1, 4] {
        newer[8] = other;
        let error = Reader::new(newer.as_slice()).unwrap_err().to_string();
        let words = format!("of format {other} with");
        assert!(error.contains(&words) && error.contains("reads format 3"), "{error}");
    }
    (newer[8], newer[10]) = (3, 99);
    let error = Reader::new(newer.as_slice()).unwrap_err().to_string();
    assert!(error.contains("records of version 99"), "{error}");
}

#[test]
fn an_entry_that_is_too_large_is_refused_and_the_rest_is_not_harmed() {
    let mut writer = Writer::new(Vec::new(), HEAD).unwrap();
    let error = writer.push(Entry::Note(&vec![7; 8 << 20])).unwrap_err();
    assert!(matches!(error, RecordingError::TooLarge(_)));
    writer.push(Entry::Note(&vec![7; 6 << 20])).unwrap();
    writer.push(Entry::Note(b"a note")).unwrap();
    let bytes = writer.finish().unwrap();
    let mut reader = Reader::new(bytes.as_slice()).unwrap();
    let mut chunk = reader.next_chunk().unwrap().unwrap();
    assert_eq!(chunk.next_entry().unwrap().unwrap().bytes().len(), 6 << 20);
}

#[test]
fn no_file_becomes_larger_than_it_may() {
    let records = records(20_000);
    for limit in [5_000, 20_001, 65_536, 100_003] {
        let mut writer = Writer::new(Vec::new(), HEAD).unwrap().with_limit(limit);
        let mut kept = 0;
        for record in &records {
            match writer.push(Entry::Record(record)) {
                Ok(()) => kept += 1,
                Err(RecordingError::Full) => break,
                Err(error) => panic!("{error}"),
            }
            if kept % 3_000 == 0 {
                writer.checkpoint().unwrap();
            }
        }
        let bytes = writer.finish_at_limit().unwrap();
        assert!(bytes.len() as u64 <= limit, "{} of {limit} bytes", bytes.len());
        // What remains is room for the largest record, badly packed.
        assert!(bytes.len() as u64 + 4096 > limit, "{} of {limit} bytes", bytes.len());
        let (back, ending) = read(&bytes);
        assert_eq!(ending.unwrap(), Ending::Limit);
        assert!(back.len() == kept && back == records[..kept]);
        assert!(kept > 10 && kept < records.len(), "{kept} with {limit}");
    }
}

/// A disk with so much room.
struct Disk(Vec<u8>, usize);

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(self.1 - self.0.len());
        if count == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.0.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_leaves_a_file_that_can_be_read() {
    let records = records(3_000);
    let mut disk = Disk(Vec::new(), 20_000);
    let mut writer = Writer::new(&mut disk, HEAD).unwrap();
    let (mut kept, mut failures) = (0, 0);
    for (number, record) in records.iter().enumerate() {
        writer.push(Entry::Record(record)).unwrap();
        if number % 100 == 99 {
            match writer.checkpoint() {
                Ok(()) => kept = number + 1,
                Err(_) => failures += 1,
            }
        }
    }
    assert!(failures > 1 && kept > 0);
    drop(writer);
    let (back, ending) = read(&disk.0);
    assert_eq!(ending.unwrap(), Ending::Cut);
    assert!(back == records[..kept]);
}
