//! Entries → columns.

use super::foresight::{Foresight, Recent, UNFORESEEN};
use super::varint::{put, put_step};
use super::{
    BYTES, COLUMNS, FIRST_ORIGIN, HEADER, MOST_KINDS, MOST_WORDS, NEW_ORIGINS, NOTE, ODD, ORIGINS,
    Origin, Role, WORD, place_of_stack, roles,
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
    /// Heads of records that were met lately, which most share.
    met: [Option<Met>; MET],
    stacks: HashMap<u64, usize, Seeded>,
    frames: HashMap<u64, usize, Seeded>,
}

/// Heads that are remembered: some kinds of records from some threads, each where its bits lead.
const MET: usize = 32;

/// The head of a record, and what it means.
#[derive(Clone, Copy, Debug)]
struct Met {
    /// All but the time.
    head: u128,
    kind: u8,
    number: u64,
    process: usize,
    /// Bytes of the whole record.
    length: usize,
    words: usize,
    has_frames: bool,
    place_of_stack: Option<u8>,
    roles: [Role; MOST_WORDS],
}

impl Packer {
    pub(crate) fn new() -> Self {
        let seeded = Seeded(random_seed());
        Self {
            columns: [const { Vec::new() }; COLUMNS],
            foresight: Foresight::new(),
            origins: HashMap::with_hasher(seeded),
            met: [None; MET],
            stacks: HashMap::with_hasher(seeded),
            frames: HashMap::with_hasher(seeded),
        }
    }

    /// Adds an entry.
    pub(crate) fn push(&mut self, entry: Entry<'_>) {
        match entry {
            Entry::Note(note) => self.bytes(NOTE, note),
            Entry::Record(record) => match self.meet(record) {
                Some(slot) => self.record(slot, record),
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
        self.met = [None; MET];
    }

    fn bytes(&mut self, origin: u64, bytes: &[u8]) {
        put(&mut self.columns[ORIGINS], origin);
        put(&mut self.columns[BYTES], bytes.len() as u64);
        self.columns[BYTES].extend_from_slice(bytes);
    }

    /// Where in `met` the meaning of this record's head is; `None` if it is not laid out as records are.
    #[inline]
    fn meet(&mut self, record: &[u8]) -> Option<usize> {
        let head = u128::from_le_bytes(*record.first_chunk()?);
        let slot = place_of(head);
        let known = self.met[slot].as_ref();
        if !known.is_some_and(|met| met.head == head && met.length == record.len()) {
            let origin = origin_of(record)?;
            self.met[slot] = Some(self.introduce(head, origin, record.len()));
        }
        Some(slot)
    }

    #[cold]
    fn introduce(&mut self, head: u128, origin: Origin, length: usize) -> Met {
        let (number, process) = self.origin(origin);
        Met {
            head,
            kind: origin.kind,
            number,
            process,
            length,
            words: origin.words.into(),
            has_frames: origin.has_frames,
            place_of_stack: place_of_stack(&origin).map(|place| place as u8),
            roles: roles(&origin),
        }
    }

    /// The origin's number, and its process's.
    fn origin(&mut self, origin: Origin) -> (u64, usize) {
        let next = self.origins.len() as u64 + FIRST_ORIGIN;
        match self.origins.entry(origin) {
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
        }
    }

    /// Takes apart a record that was met.
    fn record(&mut self, slot: usize, record: &[u8]) {
        // `meet` has put it there.
        let Some(met) = &self.met[slot] else { return };
        // In the order of their numbers.
        let [origins, _, times, addresses, sizes, stacks, others, frames, _] = &mut self.columns;
        put(origins, met.number);
        let time = word(record, HEADER - WORD);
        put_step(times, self.foresight.time, time);
        self.foresight.time = time;
        let (body, rest) = record[HEADER..].split_at(met.words * WORD);
        let stack = met.place_of_stack.map(|place| {
            known_or_new(&mut self.stacks, word(body, usize::from(place) * WORD), stacks)
        });
        for (place, (role, word)) in met.roles.iter().zip(words(body)).enumerate() {
            match (role, stack) {
                (Role::Stack, _) => {}
                (Role::Address, _) => {
                    put_address(self.foresight.recent(met.process), addresses, word);
                }
                (Role::Size, Some(stack)) => {
                    let before = self.foresight.size(stack);
                    put_step(sizes, *before, word);
                    *before = word;
                }
                (Role::Time, _) => put_step(others, time, word),
                (Role::Size | Role::Other, _) => {
                    let before = self.foresight.word(met.kind, place);
                    put_step(others, *before, word);
                    *before = word;
                }
            }
        }
        if met.has_frames {
            put(frames, (rest.len() / WORD) as u64);
            for frame in words(rest) {
                known_or_new(&mut self.frames, frame, frames);
            }
        }
    }
}

/// Writes how many addresses came after this one did last, or what it is.
fn put_address(recent: &mut Recent, out: &mut Vec<u8>, address: u64) {
    let place = recent.place(address);
    if let Some(place) = place {
        put(out, place as u64);
    } else {
        put(out, UNFORESEEN);
        put_step(out, recent.latest(), address);
    }
    recent.push(address, place);
}

/// Writes the number of a value among those of the chunk, and the value itself where it is new. Numbers
/// follow each other, so a new one is known by being the next.
fn known_or_new(known: &mut HashMap<u64, usize, Seeded>, value: u64, out: &mut Vec<u8>) -> usize {
    // Most are known, and those are found sooner this way than by their entry.
    if let Some(&number) = known.get(&value) {
        put(out, number as u64);
        return number;
    }
    let next = known.len();
    known.insert(value, next);
    put(out, next as u64);
    put(out, value);
    next
}

/// Where a head is remembered: by its kind and function, and its thread, in which most differ.
#[inline]
const fn place_of(head: u128) -> usize {
    let (kind, function) = ((head >> 16) as usize, (head >> 24) as usize);
    let thread = (head >> 96) as usize;
    (kind ^ function.wrapping_mul(3) ^ thread.wrapping_mul(5)) % MET
}

/// Of a record that is laid out as records are; `None` if putting it together again would give other bytes.
fn origin_of(record: &[u8]) -> Option<Origin> {
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
    Some(Origin {
        kind: record[2],
        function: record[3],
        flags: record[4],
        stack_end: record[5],
        alignment: record[7],
        words: words as u8,
        has_frames: frames > 0,
        process: short(8)?,
        thread: short(12)?,
    })
}

/// Of bytes that are known to be there.
fn word(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + WORD).and_then(|word| word.try_into().ok()).map_or(0, u64::from_ne_bytes)
}

/// The words of a body, or frames.
fn words(bytes: &[u8]) -> impl Iterator<Item = u64> {
    bytes.as_chunks().0.iter().map(|word| u64::from_ne_bytes(*word))
}
