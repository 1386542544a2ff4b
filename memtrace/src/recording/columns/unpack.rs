//! Columns → entries. The bytes may be anybody's.

use super::addresses::{Latest, UNFORESEEN};
use super::foresight::Foresight;
use super::templates::is_template;
use super::varint::{take, take_step};
use super::{
    ADDRESSES, BY_ITSELF, BYTES, COLUMNS, FIRST_TEMPLATE, FRAMES, HEADER, MOST_KINDS, MOST_WORDS,
    NOTE, ODD, ORIGINS, OTHERS, Origin, Role, SIZES, STACKS, TEMPLATES, TIMES, WORD,
    place_of_stack, roles,
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
    is_template: bool,
}

/// What records share.
#[derive(Clone, Copy, Debug)]
struct Template {
    /// The number of its origin.
    origin: usize,
    /// Those of addresses and times are others in each record.
    words: [u64; MOST_WORDS],
}

/// Reads the entries of a chunk.
#[derive(Debug)]
pub(crate) struct Unpacker<'a> {
    columns: [&'a [u8]; COLUMNS],
    foresight: Foresight,
    addresses: Latest,
    origins: Vec<Known>,
    templates: Vec<Template>,
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
            addresses: Latest::new(),
            origins: Vec::new(),
            templates: Vec::new(),
            stacks: Vec::new(),
            frames: Vec::new(),
            record: Vec::new(),
        })
    }

    /// The next entry, where there is one.
    pub(crate) fn next(&mut self) -> Result<Option<Entry<'_>>, Damage> {
        if self.columns[TEMPLATES].is_empty() {
            return Ok(None);
        }
        match self.take(TEMPLATES)? {
            NOTE => return self.bytes().map(Entry::Note).map(Some),
            ODD => return self.bytes().map(Entry::Record).map(Some),
            BY_ITSELF => self.read_by_itself()?,
            number => self.read_template(number - FIRST_TEMPLATE)?,
        }
        Ok(Some(Entry::Record(&self.record)))
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

    fn read_template(&mut self, number: u64) -> Result<(), Damage> {
        let number = usize::try_from(number).map_err(|_| UNKNOWN)?;
        let Template { origin, mut words } = *self.templates.get(number).ok_or(UNKNOWN)?;
        let known = self.origins[origin];
        let time = self.read_moment(&known, &mut words)?;
        self.write(&known.origin, time, &words[..known.origin.words.into()])
    }

    fn read_by_itself(&mut self) -> Result<(), Damage> {
        let (number, known) = self.origin()?;
        let Known { origin, roles, has_stack, .. } = known;
        let mut words = [0; MOST_WORDS];
        let time = self.read_moment(&known, &mut words)?;
        let stack = if has_stack {
            Some(known_or_new(&mut self.stacks, &mut self.columns[STACKS])?)
        } else {
            None
        };
        let all = words.iter_mut().zip(roles).take(origin.words.into());
        for (place, (word, role)) in all.enumerate() {
            let (column, before) = match (role, stack) {
                (Role::Address | Role::Time, _) => continue,
                (Role::Stack, Some(stack)) => {
                    *word = self.stacks[stack];
                    continue;
                }
                (Role::Stack, None) => return Err(UNKNOWN),
                (Role::Size, Some(stack)) => (SIZES, self.foresight.size(stack)),
                (Role::Size | Role::Other, _) => (OTHERS, self.foresight.word(origin.kind, place)),
            };
            *before = take_step(&mut self.columns[column], *before).ok_or(SHORT)?;
            *word = *before;
        }
        if known.is_template {
            self.templates.push(Template { origin: number, words });
        }
        self.write(&origin, time, &words[..origin.words.into()])
    }

    /// Reads a record's time, and those of its words that are addresses and times.
    fn read_moment(&mut self, known: &Known, words: &mut [u64; MOST_WORDS]) -> Result<u64, Damage> {
        let time = self.take_step(TIMES, self.foresight.time)?;
        self.foresight.time = time;
        for (word, role) in words.iter_mut().zip(known.roles).take(known.origin.words.into()) {
            match role {
                Role::Address => *word = self.address(known.process)?,
                Role::Time => *word = self.take_step(OTHERS, time)?,
                _ => {}
            }
        }
        Ok(time)
    }

    fn origin(&mut self) -> Result<(usize, Known), Damage> {
        let number = usize::try_from(self.take(ORIGINS)?).map_err(|_| UNKNOWN)?;
        if number == self.origins.len() {
            self.new_origin()?;
        }
        self.origins.get(number).map(|known| (number, *known)).ok_or(UNKNOWN)
    }

    #[cold]
    fn new_origin(&mut self) -> Result<(), Damage> {
        let fields = self.columns[ORIGINS].split_first_chunk().ok_or(SHORT)?;
        let ([kind, function, flags, stack_end, alignment, words, has_frames], rest) = fields;
        self.columns[ORIGINS] = rest;
        let number = |it: u64| u32::try_from(it).map_err(|_| UNKNOWN);
        let origin = Origin {
            kind: *kind,
            function: *function,
            flags: *flags,
            stack_end: *stack_end,
            alignment: *alignment,
            words: *words,
            has_frames: *has_frames != 0,
            process: number(self.take(ORIGINS)?)?,
            thread: number(self.take(ORIGINS)?)?,
        };
        if usize::from(origin.words) > MOST_WORDS || usize::from(origin.kind) >= MOST_KINDS {
            return Err(UNKNOWN);
        }
        let known = Known {
            origin,
            process: self.foresight.process(&origin),
            roles: roles(&origin),
            has_stack: place_of_stack(&origin).is_some(),
            is_template: is_template(&origin),
        };
        self.origins.push(known);
        Ok(())
    }

    fn address(&mut self, process: usize) -> Result<u64, Damage> {
        let distance = self.take(ADDRESSES)?;
        let latest = *self.foresight.address(process);
        let address = if distance == UNFORESEEN {
            self.take_step(ADDRESSES, latest)?
        } else {
            self.addresses.before(distance).ok_or(UNKNOWN)?
        };
        *self.foresight.address(process) = address;
        self.addresses.push(address);
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
