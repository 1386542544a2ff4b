//! Entries come as a reader gives them by itself, whatever the file is like, and whenever nobody wants more.

use super::{BATCH, WAITING, each_entry};
use crate::recording::{Ending, Entry, Head, Reader, RecordingError, Writer};
use proptest::prelude::*;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a reader gives: notes or records, and how it ends.
type Given = (Vec<(bool, Vec<u8>)>, String);

fn owned(entry: Entry<'_>) -> (bool, Vec<u8>) {
    (matches!(entry, Entry::Note(_)), entry.bytes().to_vec())
}

fn recorded(entries: &[(bool, Vec<u8>)], every: usize) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), Head::default()).unwrap();
    for part in entries.chunks(every) {
        for (is_note, bytes) in part {
            let entry = if *is_note { Entry::Note(bytes) } else { Entry::Record(bytes) };
            writer.push(entry).unwrap();
        }
        writer.checkpoint().unwrap();
    }
    writer.finish().unwrap()
}

fn read_alone(bytes: &[u8]) -> Given {
    let (mut all, mut reader) = (Vec::new(), Reader::new(bytes).unwrap());
    let mut read = || -> Result<Option<Ending>, RecordingError> {
        while let Some(mut chunk) = reader.next_chunk()? {
            while let Some(entry) = chunk.next_entry()? {
                all.push(owned(entry));
            }
        }
        Ok(reader.ending())
    };
    let ended = format!("{:?}", read());
    (all, ended)
}

fn read_ahead(bytes: &[u8]) -> Given {
    let (mut all, mut reader) = (Vec::new(), Reader::new(bytes).unwrap());
    let read = each_entry(&mut reader, &mut |entry| {
        all.push(owned(entry));
        Ok(ControlFlow::Continue(()))
    });
    let ended = format!("{:?}", read.map(|_| reader.ending()));
    (all, ended)
}

proptest! {
    #[test]
    fn all_come_as_from_the_reader(
        entries in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..90)), 0..200),
        every in 1_usize..40,
        cut in any::<prop::sample::Index>(),
        changed in any::<Option<(prop::sample::Index, u8)>>(),
    ) {
        let mut bytes = recorded(&entries, every);
        prop_assert_eq!(&read_ahead(&bytes).0, &entries);
        let body = bytes.len() - Head::SIZE;
        if let Some((place, value)) = changed {
            bytes[Head::SIZE + place.index(body)] ^= value;
        }
        bytes.truncate(Head::SIZE + cut.index(body + 1));
        prop_assert_eq!(read_ahead(&bytes), read_alone(&bytes));
    }
}

/// More entries than wait at once.
fn many() -> Vec<(bool, Vec<u8>)> {
    let one = |number: usize| (number.is_multiple_of(1000), number.to_ne_bytes().to_vec());
    (0..BATCH * WAITING / 8).map(one).collect()
}

#[test]
fn many_come_in_their_order() {
    let entries = many();
    let bytes = recorded(&entries, usize::MAX);
    assert!(read_ahead(&bytes) == (entries, format!("{:?}", Ok::<_, ()>(Some(Ending::Whole)))));
}

/// A file that tells how much of it was read.
struct Counted<'a> {
    left: &'a [u8],
    read: &'a AtomicUsize,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.left.read(buffer)?;
        self.read.fetch_add(length, Ordering::Relaxed);
        Ok(length)
    }
}

/// Shows the entries of a recording of hundreds of chunks to `visit`, and tells whether no more than chunks that may
/// wait were read.
fn leaves_the_rest(
    mut visit: impl FnMut(&mut Reader<Counted<'_>>) -> Result<ControlFlow<()>, RecordingError>,
) -> (Result<ControlFlow<()>, RecordingError>, bool) {
    let bytes = recorded(&many(), 100);
    let read = AtomicUsize::new(0);
    let step = visit(&mut Reader::new(Counted { left: &bytes, read: &read }).unwrap());
    // Those that wait, the one that is worked on, and the one that finds nobody: of some 600.
    (step, read.into_inner() < bytes.len() / 600 * (WAITING + 8))
}

#[test]
fn nothing_is_read_for_those_who_want_no_more() {
    let mut left = 10;
    let (step, is_left) = leaves_the_rest(|reader| {
        each_entry(reader, &mut |_| {
            left -= 1;
            Ok(if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })
    });
    assert_eq!((step.unwrap(), left), (ControlFlow::Break(()), 0));
    assert!(is_left, "all was read, or most");
}

#[test]
fn a_panic_of_whoever_looks_ends_reading() {
    let (_, is_left) = leaves_the_rest(|reader| {
        let looked = catch_unwind(AssertUnwindSafe(|| {
            each_entry(reader, &mut |_| resume_unwind(Box::new("seen")))
        }));
        assert_eq!(looked.unwrap_err().downcast_ref(), Some(&"seen"));
        Ok(ControlFlow::Break(()))
    });
    assert!(is_left, "all was read, or most");
}

#[test]
fn what_makes_no_sense_is_told_with_its_place() {
    let bytes = recorded(&many(), 20_000);
    let mut count = 0;
    let refused = each_entry(&mut Reader::new(&*bytes).unwrap(), &mut |_| {
        count += 1;
        if count > 20_000 { Err("it is too much") } else { Ok(ControlFlow::Continue(())) }
    });
    let mut reader = Reader::new(&*bytes).unwrap();
    let mut places = Vec::new();
    while let Some(chunk) = reader.next_chunk().unwrap() {
        places.push(chunk.offset());
    }
    let expected = format!("the recording is damaged at byte {}: it is too much", places[1]);
    assert_eq!((refused.unwrap_err().to_string(), count), (expected, 20_001));
}

/// A file on a disk that fails.
struct Failing<'a>(&'a [u8]);

impl Read for Failing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(io::Error::other("the disk failed")),
            length => Ok(length),
        }
    }
}

#[test]
fn what_was_read_before_a_failure_counts() {
    let bytes = recorded(&many()[..1000], 100);
    let mut count = 0;
    let mut reader = Reader::new(Failing(&bytes[..bytes.len() - 1])).unwrap();
    let read = each_entry(&mut reader, &mut |_| {
        count += 1;
        Ok(ControlFlow::Continue(()))
    });
    assert_eq!(
        (read.unwrap_err().to_string(), count),
        ("cannot read the recording: the disk failed".to_owned(), 1000)
    );
}
