//! Entries → columns.

use super::foresight::{Foresight, UNFORESEEN};
use super::varint::{put, put_step};
use super::{
    ADDRESSES, BYTES, COLUMNS, FIRST_ORIGIN, FRAMES, HEADER, MOST_KINDS, MOST_WORDS, NEW_ORIGINS,
    NOTE, ODD, ORIGINS, OTHERS, Origin, Role, SIZES, STACKS, TIMES, WORD, place_of_stack, role,
};
use crate::engine::hash::{Seeded, random_seed};
use crate::recording::Entry;
use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;

/// The columns of a chunk that is being filled.
#[derive(Debug)]
pub(crate) struct Packer {
    columns: [Vec<u8>; COLUMNS],
    foresight: Foresight,
    /// By their numbers in the chunk, with their processes'.
    origins: HashMap<Origin, (u64, usize), Seeded>,
    stacks: HashMap<u64, usize, Seeded>,
    frames: HashMap<u64, usize, Seeded>,
    /// The last record's, which the next one often shares.
    last: Option<(Origin, u64, usize)>,
}

impl Packer {
    pub(crate) fn new() -> Self {
        let seeded = Seeded(random_seed());
        Self {
            columns: [const { Vec::new() }; COLUMNS],
            foresight: Foresight::new(),
            origins: HashMap::with_hasher(seeded),
            stacks: HashMap::with_hasher(seeded),
            frames: HashMap::with_hasher(seeded),
            last: None,
        }
    }

    /// Adds an entry.
    pub(crate) fn push(&mut self, entry: Entry<'_>) {
        match entry {
            Entry::Note(note) => self.bytes(NOTE, note),
            Entry::Record(record) => match Parts::of(record) {
                Some(parts) => self.record(&parts),
                None => self.bytes(ODD, record),
            },
        }
    }

    /// Bytes of all columns.
    pub(crate) fn length(&self) -> usize {
        self.columns.iter().map(Vec::len).sum()
    }

    /// Writes the columns, and begins anew.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        out.clear();
        self.columns.iter().for_each(|column| put(out, column.len() as u64));
        for column in &mut self.columns {
            out.append(column);
        }
        self.foresight = Foresight::new();
        self.origins.clear();
        self.stacks.clear();
        self.frames.clear();
        self.last = None;
    }

    fn bytes(&mut self, origin: u64, bytes: &[u8]) {
        put(&mut self.columns[ORIGINS], origin);
        put(&mut self.columns[BYTES], bytes.len() as u64);
        self.columns[BYTES].extend_from_slice(bytes);
    }

    fn record(&mut self, parts: &Parts<'_>) {
        let origin = parts.origin;
        let (number, process) = self.origin(origin);
        put(&mut self.columns[ORIGINS], number);
        put_step(&mut self.columns[TIMES], self.foresight.time, parts.time);
        self.foresight.time = parts.time;
        let stack = place_of_stack(&origin).map(|place| self.stack(parts.word(place)));
        for place in 0..usize::from(origin.words) {
            let word = parts.word(place);
            match (role(origin.kind, place), stack) {
                (Role::Stack, _) => {}
                (Role::Address, _) => self.address(process, word),
                (Role::Size, Some(stack)) => {
                    let before = self.foresight.size(stack);
                    put_step(&mut self.columns[SIZES], *before, word);
                    *before = word;
                }
                (Role::Time, _) => put_step(&mut self.columns[OTHERS], parts.time, word),
                (Role::Size | Role::Other, _) => {
                    let before = self.foresight.word(origin.kind, place);
                    put_step(&mut self.columns[OTHERS], *before, word);
                    *before = word;
                }
            }
        }
        if origin.has_frames {
            self.frames(parts.frames);
        }
    }

    /// The origin's number, and its process's.
    fn origin(&mut self, origin: Origin) -> (u64, usize) {
        if let Some((last, number, process)) = self.last
            && last == origin
        {
            return (number, process);
        }
        let next = self.origins.len() as u64 + FIRST_ORIGIN;
        let (number, process) = match self.origins.entry(origin) {
            Slot::Occupied(known) => *known.get(),
            Slot::Vacant(new) => {
                let column = &mut self.columns[NEW_ORIGINS];
                let Origin { kind, function, flags, stack_end, alignment, words, .. } = origin;
                column.extend([kind, function, flags, stack_end, alignment, words]);
                column.push(u8::from(origin.has_frames));
                put(column, origin.process.into());
                put(column, origin.thread.into());
                *new.insert((next, self.foresight.process(&origin)))
            }
        };
        self.last = Some((origin, number, process));
        (number, process)
    }

    fn stack(&mut self, id: u64) -> usize {
        known_or_new(&mut self.stacks, id, &mut self.columns[STACKS])
    }

    fn address(&mut self, process: usize, address: u64) {
        let recent = self.foresight.recent(process);
        let column = &mut self.columns[ADDRESSES];
        let place = recent.place(address);
        if let Some(place) = place {
            put(column, place as u64);
        } else {
            put(column, UNFORESEEN);
            put_step(column, recent.latest(), address);
        }
        recent.push(address, place);
    }

    fn frames(&mut self, frames: &[u8]) {
        put(&mut self.columns[FRAMES], (frames.len() / WORD) as u64);
        for frame in frames.chunks_exact(WORD) {
            known_or_new(&mut self.frames, word(frame, 0), &mut self.columns[FRAMES]);
        }
    }
}

/// Writes the number of a value among those of the chunk, and the value itself where it is new. Numbers
/// follow each other, so a new one is known by being the next.
fn known_or_new(known: &mut HashMap<u64, usize, Seeded>, value: u64, out: &mut Vec<u8>) -> usize {
    let next = known.len();
    let number = *known.entry(value).or_insert(next);
    put(out, number as u64);
    if number == next {
        put(out, value);
    }
    number
}

/// A record that is laid out as records are, taken apart.
struct Parts<'a> {
    origin: Origin,
    time: u64,
    body: &'a [u8],
    frames: &'a [u8],
}

impl<'a> Parts<'a> {
    /// `None` if putting it together again would give other bytes.
    fn of(record: &'a [u8]) -> Option<Self> {
        let rest = record.get(HEADER..)?;
        let length = u16::from_ne_bytes([record[0], record[1]]);
        let frames = usize::from(record[6]);
        let body = rest.len().checked_sub(frames * WORD)?;
        let words = body / WORD;
        let is_plain = usize::from(length) == record.len()
            && rest.len() % WORD == 0
            && words <= MOST_WORDS
            && usize::from(record[2]) < MOST_KINDS;
        is_plain.then_some(())?;
        let short = |at: usize| Some(u32::from_ne_bytes(record.get(at..at + 4)?.try_into().ok()?));
        let origin = Origin {
            kind: record[2],
            function: record[3],
            flags: record[4],
            stack_end: record[5],
            alignment: record[7],
            words: words as u8,
            has_frames: frames > 0,
            process: short(8)?,
            thread: short(12)?,
        };
        let (body, frames) = rest.split_at(body);
        Some(Self { origin, time: word(record, 16), body, frames })
    }

    fn word(&self, place: usize) -> u64 {
        word(self.body, place * WORD)
    }
}

/// Of bytes that are known to be there.
fn word(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + WORD).and_then(|word| word.try_into().ok()).map_or(0, u64::from_ne_bytes)
}
