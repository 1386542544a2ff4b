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
    /// Where it had the size that it was allowed. Its run went on, perhaps in another file.
    Limit,
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

    /// The next chunk with entries; `None` at the end.
    ///
    /// # Errors
    /// When the file cannot be read, or is damaged: what was read before is good.
    pub fn next_chunk(&mut self) -> Result<Option<Chunk<'_>>, RecordingError> {
        loop {
            let offset = self.offset;
            let damaged = |what| RecordingError::Damaged { offset, what };
            let Some((head, fits)) = self.next_packed()? else { return Ok(None) };
            if !fits {
                return Err(damaged("its checksum is another one"));
            }
            if self.ends(head.content) {
                return Ok(None);
            }
            match head.content {
                Content::Names => continue,
                Content::Snapshot | Content::Plan => return Err(RecordingError::Aggregated),
                _ => {}
            }
            self.unpack(&head, offset)?;
            let entries = Unpacker::new(&self.columns).map_err(damaged)?;
            let ChunkHead { entries: left, from, to, .. } = head;
            return Ok(Some(Chunk { entries, left, from, to, offset }));
        }
    }

    /// The next chunk with names, unpacked; `None` at the end. Chunks before it are not looked at.
    pub(super) fn next_names(&mut self) -> Result<Option<&[u8]>, RecordingError> {
        loop {
            let offset = self.offset;
            let damaged = |what| RecordingError::Damaged { offset, what };
            let Some((head, fits)) = self.next_packed()? else { return Ok(None) };
            if self.ends(head.content) {
                return Ok(None);
            }
            if head.content != Content::Names {
                continue;
            }
            if !fits {
                return Err(damaged("its checksum is another one"));
            }
            self.unpack(&head, offset)?;
            return Ok(Some(&self.columns));
        }
    }

    /// The next chunk of any content, unpacked; `None` at the end.
    pub(super) fn next_content(&mut self) -> Result<Option<(ChunkHead, &[u8])>, RecordingError> {
        let offset = self.offset;
        let Some((head, fits)) = self.next_packed()? else { return Ok(None) };
        if !fits {
            let what = "its checksum is another one";
            return Err(RecordingError::Damaged { offset, what });
        }
        if self.ends(head.content) {
            return Ok(None);
        }
        self.unpack(&head, offset)?;
        Ok(Some((head, &self.columns)))
    }

    /// Where the next chunk begins.
    pub(super) const fn offset(&self) -> u64 {
        self.offset
    }

    /// Reads a chunk as it is in the file, and says whether its checksum is right; `None` at the end.
    fn next_packed(&mut self) -> Result<Option<(ChunkHead, bool)>, RecordingError> {
        if self.ending.is_some() {
            return Ok(None);
        }
        let offset = self.offset;
        let damaged = |what| RecordingError::Damaged { offset, what };
        let mut bytes = [0; ChunkHead::SIZE];
        if fill(&mut self.input, &mut bytes)? < bytes.len() {
            self.ending = Some(Ending::Cut);
            return Ok(None);
        }
        let head = ChunkHead::read(&bytes).map_err(damaged)?;
        self.packed.resize(head.packed as usize, 0);
        if fill(&mut self.input, &mut self.packed)? < self.packed.len() {
            self.ending = Some(Ending::Cut);
            return Ok(None);
        }
        self.offset += (bytes.len() + self.packed.len()) as u64;
        Ok(Some((head, ChunkHead::fits(&bytes, &self.packed))))
    }

    /// Whether the recording ends with a chunk of this content.
    const fn ends(&mut self, content: Content) -> bool {
        self.ending = match content {
            Content::Entries | Content::Names | Content::Snapshot | Content::Plan => {
                return false;
            }
            Content::End => Some(Ending::Whole),
            Content::Limit => Some(Ending::Limit),
        };
        true
    }

    /// Decompresses what was read.
    fn unpack(&mut self, head: &ChunkHead, offset: u64) -> Result<(), RecordingError> {
        let damaged = |what| RecordingError::Damaged { offset, what };
        self.columns.clear();
        self.columns.reserve_exact(MOST_BYTES.min(head.unpacked as usize));
        let length = self
            .decompressor
            .decompress_to_buffer(&self.packed, &mut self.columns)
            .map_err(|_| damaged("it cannot be decompressed"))?;
        if length != head.unpacked as usize {
            return Err(damaged("it is of another length than it says"));
        }
        Ok(())
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
    /// Where it begins in the file.
    pub(super) const fn offset(&self) -> u64 {
        self.offset
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
