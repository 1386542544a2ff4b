//! A file → entries. The file may be anybody's: nothing in it makes a reader take more than a few times
//! [`MOST_BYTES`].

use super::columns::Unpacker;
use super::layout::{ChunkHead, Content, Head, MOST_BYTES};
use super::{Entry, RecordingError};
use std::io::{ErrorKind, Read};
use zstd::bulk::Decompressor;

/// Where a recording ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Where whoever made it had nothing more to tell.
    Whole,
    /// At the last checkpoint before whoever made it was killed, or had no room: what came after is not in it.
    Cut,
}

/// Reads a recording, a chunk at a time.
pub struct Reader<R> {
    input: R,
    head: Head,
    /// Of the next chunk.
    offset: u64,
    packed: Vec<u8>,
    columns: Vec<u8>,
    decompressor: Decompressor<'static>,
    ending: Option<Ending>,
}

impl<R> std::fmt::Debug for Reader<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("offset", &self.offset).finish_non_exhaustive()
    }
}

impl<R: Read> Reader<R> {
    /// Begins to read.
    ///
    /// # Errors
    /// When this is no recording, or one of another version.
    pub fn new(mut input: R) -> Result<Self, RecordingError> {
        let mut bytes = [0; Head::SIZE];
        if fill(&mut input, &mut bytes)? < bytes.len() {
            return Err(RecordingError::Foreign);
        }
        Ok(Self {
            head: Head::read(&bytes)?,
            input,
            offset: Head::SIZE as u64,
            packed: Vec::new(),
            columns: Vec::new(),
            decompressor: Decompressor::new().map_err(RecordingError::Read)?,
            ending: None,
        })
    }

    /// How it began.
    pub const fn head(&self) -> Head {
        self.head
    }

    /// How it ended; `None` before that was read.
    pub const fn ending(&self) -> Option<Ending> {
        self.ending
    }

    /// The next chunk; `None` at the end.
    ///
    /// # Errors
    /// When the file cannot be read, or is damaged: what was read before is good.
    pub fn next_chunk(&mut self) -> Result<Option<Chunk<'_>>, RecordingError> {
        if self.ending.is_some() {
            return Ok(None);
        }
        let offset = self.offset;
        let damaged = |what| RecordingError::Damaged { offset, what };
        let mut bytes = [0; ChunkHead::SIZE];
        if fill(&mut self.input, &mut bytes)? < bytes.len() {
            return Ok(self.end(Ending::Cut));
        }
        let head = ChunkHead::read(&bytes).map_err(damaged)?;
        self.packed.resize(head.packed as usize, 0);
        if fill(&mut self.input, &mut self.packed)? < self.packed.len() {
            return Ok(self.end(Ending::Cut));
        }
        if !ChunkHead::fits(&bytes, &self.packed) {
            return Err(damaged("its checksum is another one"));
        }
        if head.content == Content::End {
            return Ok(self.end(Ending::Whole));
        }
        self.offset += (bytes.len() + self.packed.len()) as u64;
        self.columns.clear();
        self.columns.reserve_exact(MOST_BYTES.min(head.unpacked as usize));
        let length = self
            .decompressor
            .decompress_to_buffer(&self.packed, &mut self.columns)
            .map_err(|_| damaged("it cannot be decompressed"))?;
        if length != head.unpacked as usize {
            return Err(damaged("it is of another length than it says"));
        }
        let entries = Unpacker::new(&self.columns).map_err(damaged)?;
        Ok(Some(Chunk { entries, left: head.entries, from: head.from, to: head.to, offset }))
    }

    const fn end(&mut self, ending: Ending) -> Option<Chunk<'_>> {
        self.ending = Some(ending);
        None
    }
}

/// Reads until the bytes are full or the input ends; gives how many were read.
fn fill(input: &mut impl Read, bytes: &mut [u8]) -> Result<usize, RecordingError> {
    let mut length = 0;
    while length < bytes.len() {
        match input.read(&mut bytes[length..]) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(RecordingError::Read(error)),
        }
    }
    Ok(length)
}

/// A part of a recording that was written at once.
#[derive(Debug)]
pub struct Chunk<'a> {
    entries: Unpacker<'a>,
    left: u32,
    /// Earliest and latest time of its records, ns of `CLOCK_MONOTONIC`; 0 if it has none.
    pub from: u64,
    /// See [`Self::from`].
    pub to: u64,
    offset: u64,
}

impl Chunk<'_> {
    /// What to say of something in it that makes no sense.
    pub(super) const fn damaged(&self, what: &'static str) -> RecordingError {
        RecordingError::Damaged { offset: self.offset, what }
    }

    /// The next entry, oldest first; `None` after the last.
    ///
    /// # Errors
    /// When what was packed makes no sense.
    pub fn next_entry(&mut self) -> Result<Option<Entry<'_>>, RecordingError> {
        let damaged = |what| RecordingError::Damaged { offset: self.offset, what };
        let Some(entry) = self.entries.next().map_err(damaged)? else {
            let is_whole = self.left == 0;
            return if is_whole { Ok(None) } else { Err(damaged("entries are missing")) };
        };
        self.left = self.left.checked_sub(1).ok_or(damaged("it has more entries than it says"))?;
        Ok(Some(entry))
    }
}
