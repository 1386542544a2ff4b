//! Entries of any kind through columns and back.

use super::{Packer, Unpacker};
use crate::recording::Entry;
use memtrace_common::wire::Header;
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};

/// An entry with its bytes: a record or a note.
type Owned = (bool, Vec<u8>);

fn entry((is_record, bytes): &Owned) -> Entry<'_> {
    if *is_record { Entry::Record(bytes) } else { Entry::Note(bytes) }
}

/// As the writer does.
fn push(packer: &mut Packer, entry: Entry<'_>) {
    match entry {
        Entry::Record(record) if packer.push_plain(record) => {}
        _ => packer.push(entry),
    }
}

fn packed(entries: &[Owned]) -> Vec<u8> {
    let (mut packer, mut bytes) = (Packer::new(), Vec::new());
    entries.iter().for_each(|it| push(&mut packer, entry(it)));
    packer.finish(&mut bytes);
    bytes
}

fn unpacked(bytes: &[u8]) -> Result<Vec<Owned>, &'static str> {
    let (mut unpacker, mut entries) = (Unpacker::new(bytes)?, Vec::new());
    while let Some(entry) = unpacker.next()? {
        entries.push((matches!(entry, Entry::Record(_)), entry.bytes().to_owned()));
    }
    Ok(entries)
}

/// A record as the kernel side lays them out, of any kind: numbers that come again, and any others.
fn record() -> impl Strategy<Value = Owned> {
    let number = || prop_oneof![0..6_u64, Just(u64::MAX), any::<u64>()];
    let header = (any::<[u8; 4]>(), 0..3_u32, 0..3_u32, number());
    (header, vec(number(), 0..10), vec(number(), 0..4)).prop_map(|(header, words, frames)| {
        let ([kind, function, flags, end], process, thread, time) = header;
        let length = size_of::<Header>() + 8 * (words.len() + frames.len());
        let mut bytes = (length as u16).to_ne_bytes().to_vec();
        bytes.extend([kind % 20, function % 3, flags % 3, end % 3]);
        bytes.extend([frames.len() as u8, flags % 5]);
        bytes.extend(process.to_ne_bytes());
        bytes.extend(thread.to_ne_bytes());
        bytes.extend(time.to_ne_bytes());
        words.iter().chain(&frames).for_each(|word| bytes.extend(word.to_ne_bytes()));
        (true, bytes)
    })
}

fn anything() -> impl Strategy<Value = Owned> {
    prop_oneof![4 => record(), 1 => any::<Owned>()]
}

/// Records of blocks that have much in common, at any times.
fn of_blocks() -> impl Strategy<Value = Vec<Owned>> {
    let time =
        prop_oneof![8 => 1000..1100_u64, 1 => Just(0), 1 => Just(u64::MAX), 1 => any::<u64>()];
    let step = prop_oneof![4 => Just(1_u8), 4 => Just(2), 1 => 3..12_u8];
    let one = (step, 0..3_u32, 0..3_u64, 0..40_u64, time, 0..2_u8);
    vec(one, 0..200).prop_map(|all| {
        let made = |(kind, thread, size, place, time, flags): (u8, u32, u64, u64, u64, u8)| {
            let words = [0x5000 + place * 48, 16 + size, 0, 0x0123_4567_89ab_cdef + size];
            let words = if kind == 2 { &words[..1] } else { &words };
            let mut bytes = (24 + 8 * words.len() as u16).to_ne_bytes().to_vec();
            bytes.extend([kind, 1, flags, 0, 0, 0]);
            bytes.extend([7, 7 + thread].map(u32::to_ne_bytes).concat());
            bytes.extend(time.to_ne_bytes());
            words.iter().for_each(|word| bytes.extend(word.to_ne_bytes()));
            (true, bytes)
        };
        all.into_iter().map(made).collect()
    })
}

proptest! {
    #[test]
    fn the_short_way_tells_what_the_long_way_does(entries in of_blocks()) {
        let (mut packer, mut bytes) = (Packer::new(), Vec::new());
        entries.iter().for_each(|it| packer.push(entry(it)));
        let span = packer.span();
        packer.finish(&mut bytes);
        let mut shortly = Packer::new();
        entries.iter().for_each(|it| push(&mut shortly, entry(it)));
        assert_eq!(shortly.span(), span);
        assert!(unpacked(&bytes).as_ref() == Ok(&entries));
        shortly.finish(&mut bytes);
        assert!(unpacked(&bytes) == Ok(entries));
    }

    #[test]
    fn entries_come_back_byte_for_byte(entries in vec(anything(), 0..60)) {
        assert_eq!(unpacked(&packed(&entries)), Ok(entries));
    }

    #[test]
    fn a_packer_begins_anew(first in vec(anything(), 0..20), second in vec(anything(), 0..20)) {
        let (mut packer, mut bytes) = (Packer::new(), Vec::new());
        first.iter().for_each(|it| push(&mut packer, entry(it)));
        packer.finish(&mut bytes);
        second.iter().for_each(|it| push(&mut packer, entry(it)));
        packer.finish(&mut bytes);
        assert_eq!(unpacked(&bytes), Ok(second));
    }

    #[test]
    fn what_was_changed_is_read_or_refused(
        entries in vec(record(), 1..20),
        place in any::<proptest::sample::Index>(),
        value in any::<u8>(),
    ) {
        let mut bytes = packed(&entries);
        let place = place.index(bytes.len());
        bytes[place] = value;
        let _ = unpacked(&bytes);
        let _ = unpacked(&bytes[..place]);
    }
}

/// Records with the same head, and other lengths than it says; heads that are remembered in the same place; and heads
/// that differ in nothing but how many frames follow.
#[test]
fn heads_that_come_again_are_told_apart() {
    let made = |thread: u32, words: usize, frames: u8| {
        let mut bytes = (24 + 8 * (words + usize::from(frames)) as u16).to_ne_bytes().to_vec();
        bytes.extend([1, 1, 0, 0, frames, 0]);
        bytes.extend([7_u32, thread].map(u32::to_ne_bytes).concat());
        bytes.extend((0..=words + usize::from(frames)).flat_map(usize::to_ne_bytes));
        (true, bytes)
    };
    let whole = made(7, 4, 0);
    let mut entries = vec![whole.clone()];
    for length in [0, 15, 16, 23, 24, 32, 55] {
        entries.extend([(true, whole.1[..length].to_vec()), whole.clone()]);
    }
    entries.extend([(true, [&*whole.1, &[0; 8]].concat()), whole]);
    for thread in (7..500).step_by(32) {
        entries.extend([made(thread, 4, 0), made(thread + 32, 4, 2), made(thread, 4, 3)]);
    }
    assert_eq!(unpacked(&packed(&entries)), Ok(entries));
}

#[test]
fn most_records_go_the_short_way() {
    let record = |kind: u8, time: u64, words: &[u64]| {
        let mut bytes = (24 + 8 * words.len() as u16).to_ne_bytes().to_vec();
        bytes.extend([kind, 1, 0, 0, 0, 0]);
        bytes.extend([7_u32, 7].map(u32::to_ne_bytes).concat());
        bytes.extend(time.to_ne_bytes());
        words.iter().for_each(|word| bytes.extend(word.to_ne_bytes()));
        bytes
    };
    let (mut packer, mut shortly) = (Packer::new(), 0);
    for time in 0..1000 {
        for record in [record(1, time, &[4096, 64, 0, 9]), record(2, time, &[4096])] {
            match packer.push_plain(&record) {
                true => shortly += 1,
                false => packer.push(Entry::Record(&record)),
            }
        }
    }
    // Of each, the first brings its template, and the second shows that there is one.
    assert_eq!(shortly, 2 * 1000 - 4);
}

/// Blocks that are freed soon, of the same size per stack: a few bytes each, before compression.
#[test]
fn what_is_foreseen_takes_few_bytes() {
    let number = |value: u64| value.to_ne_bytes();
    let made = |kind: u8, time: u64, words: &[u64]| {
        let mut bytes = (24 + 8 * words.len() as u16).to_ne_bytes().to_vec();
        bytes.extend([kind, 1, 0, 0, 0, 0]);
        bytes.extend([7_u32, 7].map(u32::to_ne_bytes).concat());
        bytes.extend(number(time));
        words.iter().for_each(|word| bytes.extend(number(*word)));
        (true, bytes)
    };
    let mut entries = Vec::new();
    for round in 0..1000_u64 {
        let address = 0x5555_0000_1000 + round % 7 * 48;
        let stack = 0x1234_5678_9abc_def0 + round % 3;
        entries.push(made(1, 1_000_000 + round * 100, &[address, 40 + round % 3, 0, stack]));
        entries.push(made(2, 1_000_050 + round * 100, &[address]));
    }
    let bytes = packed(&entries);
    assert!(bytes.len() < 5 * entries.len(), "{} bytes", bytes.len());
    assert_eq!(unpacked(&bytes), Ok(entries));
}
