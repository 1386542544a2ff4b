//! Columns → entries. The bytes may be anybody's.

use super::foresight::{Foresight, UNFORESEEN};
use super::varint::{take, take_step};
use super::{
    ADDRESSES, BYTES, COLUMNS, FIRST_ORIGIN, FRAMES, HEADER, MOST_KINDS, MOST_WORDS, NEW_ORIGINS,
    NOTE, ODD, ORIGINS, OTHERS, Origin, Role, SIZES, STACKS, TIMES, WORD, place_of_stack, roles,
};
use crate::recording::Entry;

/// What is said of columns that end too early, or of numbers that stand for nothing.
type Damage = &'static str;
const SHORT: Damage = "a column ends too early";
const UNKNOWN: Damage = "a number that stands for nothing";

/// An origin that was met before.
#[derive(Clone, Copy, Debug)]
struct Known {
    origin: Origin,
    /// The number of its process.
    process: usize,
    /// What the words of a body are.
    roles: [Role; MOST_WORDS],
    has_stack: bool,
}

/// Reads the entries of a chunk.
#[derive(Debug)]
pub(crate) struct Unpacker<'a> {
    columns: [&'a [u8]; COLUMNS],
    foresight: Foresight,
    origins: Vec<Known>,
    stacks: Vec<u64>,
    frames: Vec<u64>,
    record: Vec<u8>,
}

impl<'a> Unpacker<'a> {
    /// Of what [`super::Packer::finish`] has written.
    pub(crate) fn new(mut bytes: &'a [u8]) -> Result<Self, Damage> {
        let mut lengths = [0; COLUMNS];
        for length in &mut lengths {
            *length = take(&mut bytes).and_then(|it| usize::try_from(it).ok()).ok_or(SHORT)?;
        }
        let mut columns = [&[][..]; COLUMNS];
        for (column, length) in columns.iter_mut().zip(lengths) {
            (*column, bytes) = bytes.split_at_checked(length).ok_or(SHORT)?;
        }
        Ok(Self {
            columns,
            foresight: Foresight::new(),
            origins: Vec::new(),
            stacks: Vec::new(),
            frames: Vec::new(),
            record: Vec::new(),
        })
    }

    /// The next entry, where there is one.
    pub(crate) fn next(&mut self) -> Result<Option<Entry<'_>>, Damage> {
        if self.columns[ORIGINS].is_empty() {
            return Ok(None);
        }
        match self.take(ORIGINS)? {
            NOTE => self.bytes().map(Entry::Note).map(Some),
            ODD => self.bytes().map(Entry::Record).map(Some),
            number => {
                self.read_record(number - FIRST_ORIGIN)?;
                Ok(Some(Entry::Record(&self.record)))
            }
        }
    }

    fn take(&mut self, column: usize) -> Result<u64, Damage> {
        take(&mut self.columns[column]).ok_or(SHORT)
    }

    fn take_step(&mut self, column: usize, before: u64) -> Result<u64, Damage> {
        take_step(&mut self.columns[column], before).ok_or(SHORT)
    }

    fn bytes(&mut self) -> Result<&'a [u8], Damage> {
        let length = usize::try_from(self.take(BYTES)?).map_err(|_| SHORT)?;
        let (bytes, rest) = self.columns[BYTES].split_at_checked(length).ok_or(SHORT)?;
        self.columns[BYTES] = rest;
        Ok(bytes)
    }

    fn read_record(&mut self, number: u64) -> Result<(), Damage> {
        let Known { origin, process, roles, has_stack } = self.origin(number)?;
        let time = self.take_step(TIMES, self.foresight.time)?;
        self.foresight.time = time;
        let stack = if has_stack {
            Some(known_or_new(&mut self.stacks, &mut self.columns[STACKS])?)
        } else {
            None
        };
        let mut words = [0; MOST_WORDS];
        let all = words.iter_mut().zip(roles).take(origin.words.into());
        for (place, (word, role)) in all.enumerate() {
            *word = match (role, stack) {
                (Role::Stack, Some(stack)) => self.stacks[stack],
                (Role::Stack, None) => return Err(UNKNOWN),
                (Role::Address, _) => self.address(process)?,
                (Role::Size, Some(stack)) => {
                    let before = *self.foresight.size(stack);
                    let size = self.take_step(SIZES, before)?;
                    *self.foresight.size(stack) = size;
                    size
                }
                (Role::Time, _) => self.take_step(OTHERS, time)?,
                (Role::Size | Role::Other, _) => {
                    let before = *self.foresight.word(origin.kind, place);
                    let word = self.take_step(OTHERS, before)?;
                    *self.foresight.word(origin.kind, place) = word;
                    word
                }
            };
        }
        self.write(&origin, time, &words[..origin.words.into()])
    }

    #[inline]
    fn origin(&mut self, number: u64) -> Result<Known, Damage> {
        let number = usize::try_from(number).map_err(|_| UNKNOWN)?;
        if let Some(known) = self.origins.get(number) {
            return Ok(*known);
        }
        if number != self.origins.len() {
            return Err(UNKNOWN);
        }
        self.new_origin()
    }

    #[cold]
    fn new_origin(&mut self) -> Result<Known, Damage> {
        let fields = self.columns[NEW_ORIGINS].split_first_chunk().ok_or(SHORT)?;
        let ([kind, function, flags, stack_end, alignment, words, has_frames], rest) = fields;
        self.columns[NEW_ORIGINS] = rest;
        let number = |it: u64| u32::try_from(it).map_err(|_| UNKNOWN);
        let origin = Origin {
            kind: *kind,
            function: *function,
            flags: *flags,
            stack_end: *stack_end,
            alignment: *alignment,
            words: *words,
            has_frames: *has_frames != 0,
            process: number(self.take(NEW_ORIGINS)?)?,
            thread: number(self.take(NEW_ORIGINS)?)?,
        };
        if usize::from(origin.words) > MOST_WORDS || usize::from(origin.kind) >= MOST_KINDS {
            return Err(UNKNOWN);
        }
        let known = Known {
            origin,
            process: self.foresight.process(&origin),
            roles: roles(&origin),
            has_stack: place_of_stack(&origin).is_some(),
        };
        self.origins.push(known);
        Ok(known)
    }

    fn address(&mut self, process: usize) -> Result<u64, Damage> {
        let place = self.take(ADDRESSES)?;
        let latest = self.foresight.recent(process).latest();
        let (address, place) = if place == UNFORESEEN {
            (self.take_step(ADDRESSES, latest)?, None)
        } else {
            let address = self.foresight.recent(process).at(place).ok_or(UNKNOWN)?;
            (address, usize::try_from(place).ok())
        };
        self.foresight.recent(process).push(address, place);
        Ok(address)
    }

    /// Puts the record together.
    fn write(&mut self, origin: &Origin, time: u64, words: &[u64]) -> Result<(), Damage> {
        let frames = if origin.has_frames { self.take(FRAMES)? } else { 0 };
        let frames = u8::try_from(frames).map_err(|_| UNKNOWN)?;
        let length = HEADER + WORD * (words.len() + usize::from(frames));
        let length = u16::try_from(length).map_err(|_| UNKNOWN)?;
        let Self { record, .. } = self;
        let mut header = [0; HEADER];
        header[..2].copy_from_slice(&length.to_ne_bytes());
        let Origin { kind, function, flags, stack_end, alignment, .. } = *origin;
        header[2..8].copy_from_slice(&[kind, function, flags, stack_end, frames, alignment]);
        header[8..12].copy_from_slice(&origin.process.to_ne_bytes());
        header[12..16].copy_from_slice(&origin.thread.to_ne_bytes());
        header[16..].copy_from_slice(&time.to_ne_bytes());
        record.clear();
        record.extend_from_slice(&header);
        words.iter().for_each(|word| record.extend_from_slice(&word.to_ne_bytes()));
        for _ in 0..frames {
            let frame = known_or_new(&mut self.frames, &mut self.columns[FRAMES])?;
            self.record.extend_from_slice(&self.frames[frame].to_ne_bytes());
        }
        Ok(())
    }
}

/// The number of a value among those of the chunk; where it is the next one, the value follows.
fn known_or_new(known: &mut Vec<u64>, column: &mut &[u8]) -> Result<usize, Damage> {
    let number = take(column).and_then(|it| usize::try_from(it).ok()).ok_or(SHORT)?;
    if number == known.len() {
        known.push(take(column).ok_or(SHORT)?);
    }
    if number < known.len() { Ok(number) } else { Err(UNKNOWN) }
}
