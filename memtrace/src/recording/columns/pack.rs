//! Entries → columns.

use super::addresses::{Finder, UNFORESEEN};
use super::foresight::Foresight;
use super::templates::{KEPT, Templates, is_template};
use super::varint::{put, put_step};
use super::{
    ADDRESSES, BY_ITSELF, BYTES, COLUMNS, FIRST_TEMPLATE, FRAMES, HEADER, MOST_KINDS, MOST_WORDS,
    NOTE, ODD, ORIGINS, OTHERS, Origin, Role, SIZES, STACKS, TEMPLATES, TIMES, WORD,
    place_of_stack, role,
};
use crate::engine::hash::{Seeded, random_seed};
use crate::recording::Entry;
use std::collections::HashMap;

/// The columns of a chunk that is being filled.
#[derive(Debug)]
pub(crate) struct Packer {
    columns: [Vec<u8>; COLUMNS],
    foresight: Foresight,
    templates: Templates,
    addresses: Finder,
    /// Their numbers in the chunk.
    origins: HashMap<Origin, u32, Seeded>,
    /// Heads of records that were met lately, which most share.
    met: [Option<Met>; MET],
    /// What is needed of those of them that are [`Plain`].
    plain: [Plain; MET],
    /// The earliest and the latest time of a record, as far as `foresight` has not the latest.
    earliest: u64,
    latest: u64,
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
    /// Bytes of the whole record.
    length: usize,
    origin: Origin,
    /// Of the origin, in the chunk.
    number: u32,
    /// The number of its process.
    process: usize,
    is_template: bool,
    /// Where the words of its templates are in the record; the first, which is the same in all with this head, where
    /// they have fewer.
    kept: [u8; KEPT],
    /// Where addresses and times are.
    addresses: Places,
    times: Places,
}

/// The head of records that tell of one block, and of nothing else but of what their template has: most are such, and
/// what is done with each of them is what a recording costs.
#[derive(Clone, Copy, Debug, Default)]
struct Plain {
    /// 0: none is known.
    head: u128,
    /// Of the origin, in the chunk.
    origin: u32,
    /// The number of its process.
    process: u32,
    /// Of the only template, where the records have no words but the address, and if it was told.
    template: Option<u32>,
}

/// Where some words of a record are, bytes from its beginning.
#[derive(Clone, Copy, Debug, Default)]
struct Places {
    places: [u8; MOST_WORDS],
    count: u8,
}

impl Places {
    /// Those of the words for which the role is wanted.
    fn of(origin: &Origin, wanted: fn(Role) -> bool) -> Self {
        let mut places = Self::default();
        for place in (0..usize::from(origin.words)).filter(|it| wanted(role(origin.kind, *it))) {
            places.places[usize::from(places.count)] = (HEADER + place * WORD) as u8;
            places.count += 1;
        }
        places
    }

    #[inline]
    fn get(&self) -> impl Iterator<Item = usize> {
        self.places[..usize::from(self.count)].iter().map(|place| usize::from(*place))
    }
}

impl Met {
    /// As a [`Plain`], if it is one; `template` is the last one of its.
    fn plain(&self, template: u32) -> Plain {
        let is_first = |places: &Places| places.get().eq([HEADER]);
        if !self.is_template || self.times.count > 0 || !is_first(&self.addresses) {
            return Plain::default();
        }
        Plain {
            head: self.head,
            origin: self.number,
            process: self.process as u32,
            template: (self.origin.words == 1).then_some(template),
        }
    }

    fn new(head: u128, length: usize, origin: Origin, number: u32, process: usize) -> Self {
        let kept = Places::of(&origin, |role| !matches!(role, Role::Address | Role::Time));
        Self {
            head,
            length,
            origin,
            number,
            process,
            is_template: is_template(&origin),
            kept: std::array::from_fn(|place| kept.places[place]),
            addresses: Places::of(&origin, |role| role == Role::Address),
            times: Places::of(&origin, |role| role == Role::Time),
        }
    }
}

impl Packer {
    pub(crate) fn new() -> Self {
        let seeded = Seeded(random_seed());
        Self {
            columns: [const { Vec::new() }; COLUMNS],
            foresight: Foresight::new(),
            templates: Templates::new(),
            addresses: Finder::new(),
            origins: HashMap::with_hasher(seeded),
            met: [None; MET],
            plain: [Plain::default(); MET],
            earliest: u64::MAX,
            latest: 0,
            stacks: HashMap::with_hasher(seeded),
            frames: HashMap::with_hasher(seeded),
        }
    }

    /// Adds a record, if it is as most are; gives whether it did. [`Self::push`] would tell the same, in twice the time:
    /// it is for all kinds.
    #[inline]
    pub(crate) fn push_plain(&mut self, record: &[u8]) -> bool {
        let ([first, second, time, address, kept @ ..], []) = record.as_chunks() else {
            return false;
        };
        let [first, second] = [first, second].map(|it| u64::from_le_bytes(*it));
        let [time, address] = [time, address].map(|it| u64::from_ne_bytes(*it));
        let head = u128::from(first) | u128::from(second) << 64;
        let plain = &self.plain[place_of(head)];
        // The head has the length of the record.
        let is_known = plain.head == head && first as u16 as usize == record.len();
        if !is_known || time < self.foresight.time {
            return false;
        }
        let template = match kept {
            [] => plain.template,
            [first, second, third] => {
                let words = [first, second, third].map(|it| u64::from_ne_bytes(*it));
                self.templates.known(plain.origin, words)
            }
            _ => None,
        };
        let Some(template) = template else { return false };
        put_step(&mut self.columns[TIMES], self.foresight.time, time);
        self.foresight.time = time;
        put(&mut self.columns[TEMPLATES], FIRST_TEMPLATE + u64::from(template));
        let latest = self.foresight.address(plain.process as usize);
        put_address(&mut self.addresses, latest, &mut self.columns[ADDRESSES], address);
        true
    }

    /// The earliest and the latest time of the records; 0: there are none.
    pub(crate) fn span(&self) -> (u64, u64) {
        let latest = self.latest.max(self.foresight.time);
        (if latest == 0 { 0 } else { self.earliest }, latest)
    }

    /// Adds an entry.
    pub(crate) fn push(&mut self, entry: Entry<'_>) {
        match entry {
            Entry::Note(note) => self.bytes(NOTE, note),
            Entry::Record(record) => {
                if let Some(time) = record.get(HEADER - WORD..).and_then(|it| it.first_chunk()) {
                    let time = u64::from_ne_bytes(*time);
                    self.earliest = self.earliest.min(time);
                    self.latest = self.latest.max(self.foresight.time).max(time);
                }
                match self.meet(record) {
                    Some(slot) => self.record(slot, record),
                    None => self.bytes(ODD, record),
                }
            }
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
        self.templates.clear();
        self.addresses.clear();
        self.origins.clear();
        self.stacks.clear();
        self.frames.clear();
        self.met = [None; MET];
        self.plain = [Plain::default(); MET];
        (self.earliest, self.latest) = (u64::MAX, 0);
    }

    #[cold]
    fn bytes(&mut self, number: u64, bytes: &[u8]) {
        put(&mut self.columns[TEMPLATES], number);
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
            self.introduce(slot, head, record)?;
        }
        Some(slot)
    }

    #[cold]
    fn introduce(&mut self, slot: usize, head: u128, record: &[u8]) -> Option<()> {
        let origin = origin_of(record)?;
        // A new one is told as the next number, with the first record of it.
        let number = self.origins.get(&origin).copied().unwrap_or(self.origins.len() as u32);
        let process = self.foresight.process(&origin);
        self.met[slot] = Some(Met::new(head, record.len(), origin, number, process));
        Some(())
    }

    /// Takes apart a record that was met.
    #[inline]
    fn record(&mut self, slot: usize, record: &[u8]) {
        // `meet` has put it there.
        let Some(met) = &self.met[slot] else { return };
        let time = word(record, HEADER - WORD);
        put_step(&mut self.columns[TIMES], self.foresight.time, time);
        self.foresight.time = time;
        let latest = self.foresight.address(met.process);
        for place in met.addresses.get() {
            let address = word(record, place);
            put_address(&mut self.addresses, latest, &mut self.columns[ADDRESSES], address);
        }
        for place in met.times.get() {
            put_step(&mut self.columns[OTHERS], time, word(record, place));
        }
        let kept = met.kept.map(|place| word(record, place.into()));
        let template = if met.is_template { self.templates.find(met.number, kept) } else { None };
        match template {
            Some(number) => {
                self.plain[slot] = met.plain(number);
                put(&mut self.columns[TEMPLATES], FIRST_TEMPLATE + u64::from(number));
            }
            None => self.by_itself(slot, record),
        }
    }

    /// What is neither an address nor a time.
    #[cold]
    fn by_itself(&mut self, slot: usize, record: &[u8]) {
        let Some(Met { origin, number, .. }) = self.met[slot] else { return };
        put(&mut self.columns[TEMPLATES], BY_ITSELF);
        put(&mut self.columns[ORIGINS], number.into());
        if number as usize == self.origins.len() {
            self.origins.insert(origin, number);
            put_origin(&mut self.columns[ORIGINS], &origin);
        }
        let (body, rest) = record[HEADER..].split_at(usize::from(origin.words) * WORD);
        let stack = place_of_stack(&origin).map(|place| {
            let id = word(body, place * WORD);
            known_or_new(&mut self.stacks, id, &mut self.columns[STACKS])
        });
        for (place, word) in words(body).enumerate() {
            let (column, before) = match (role(origin.kind, place), stack) {
                (Role::Stack | Role::Address | Role::Time, _) => continue,
                (Role::Size, Some(stack)) => (SIZES, self.foresight.size(stack)),
                (Role::Size | Role::Other, _) => (OTHERS, self.foresight.word(origin.kind, place)),
            };
            put_step(&mut self.columns[column], *before, word);
            *before = word;
        }
        if origin.has_frames {
            put(&mut self.columns[FRAMES], (rest.len() / WORD) as u64);
            for frame in words(rest) {
                known_or_new(&mut self.frames, frame, &mut self.columns[FRAMES]);
            }
        }
    }
}

fn put_origin(column: &mut Vec<u8>, origin: &Origin) {
    let Origin { kind, function, flags, stack_end, alignment, words, .. } = *origin;
    column.extend([kind, function, flags, stack_end, alignment, words]);
    column.push(u8::from(origin.has_frames));
    put(column, origin.process.into());
    put(column, origin.thread.into());
}

/// Writes how many addresses came since this one did, or what it is.
#[inline]
fn put_address(addresses: &mut Finder, latest: &mut u64, out: &mut Vec<u8>, address: u64) {
    if let Some(distance) = addresses.find(address) {
        put(out, distance);
    } else {
        put(out, UNFORESEEN);
        put_step(out, *latest, address);
    }
    *latest = address;
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
#[inline(always)]
fn word(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + WORD).and_then(|word| word.try_into().ok()).map_or(0, u64::from_ne_bytes)
}

/// The words of a body, or frames.
fn words(bytes: &[u8]) -> impl Iterator<Item = u64> {
    bytes.as_chunks().0.iter().map(|word| u64::from_ne_bytes(*word))
}
