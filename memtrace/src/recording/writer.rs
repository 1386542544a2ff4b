//! Entries → a file.

use super::columns::Packer;
use super::layout::{ChunkHead, Content, Head, MOST_BYTES, MOST_ENTRIES};
use super::{Entry, RecordingError};
use std::io::{self, Write};
use zstd::bulk::Compressor;

/// How large the columns of a chunk become: enough to find what repeats, and little to lose.
const CHUNK: usize = 1 << 20;
/// How long they are is looked at after entries that cost so much, each as many bytes as it has and [`BESIDE`]: less often
/// than after each entry, as the tracer writes millions of them per second.
const LOOK_AFTER: usize = 32 << 10;
/// More entries cannot be there.
const BETWEEN_LOOKS: u32 = (LOOK_AFTER / BESIDE) as u32;
/// An entry takes in the columns at most twice its own bytes and these: a word of 8 bytes takes at most 11.
const BESIDE: usize = 64;
/// The largest entry: what is there already, and its own length and number, have room beside it.
const LARGEST_ENTRY: usize = MOST_BYTES - CHUNK - 2 * LOOK_AFTER - 4096;

/// Most bytes of the lengths before the columns.
const HEADS: usize = 128;
/// Most bytes of the last chunk, which holds nothing: its head, and nine zeroes as zstd frames them.
const END: usize = ChunkHead::SIZE + 64;

/// One of zstd's fast levels: the columns leave little to find, and the tracer has other things to do. Of what a record
/// takes to be written, 19 ns at level 1, a third goes; a sqlite3 that inserts has 2.8 bytes per event instead of 1.0
/// (`cargo run --release --example recordings -- pack FILE`).
const LEVEL: i32 = -200;

/// Writes a recording.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    packer: Packer,
    compressor: Packed,
    entries: u32,
    /// What entries may cost until the next look; see [`LOOK_AFTER`].
    unseen: usize,
    columns: Vec<u8>,
    /// The columns, compressed.
    packed: Vec<u8>,
    written: u64,
    /// Most bytes that the file may have.
    limit: u64,
    failed: bool,
}

struct Packed(Compressor<'static>);

impl std::fmt::Debug for Packed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Packed")
    }
}

impl<W: Write> Writer<W> {
    /// Begins a recording.
    ///
    /// # Errors
    /// When its beginning cannot be written.
    pub fn new(mut out: W, head: Head) -> Result<Self, RecordingError> {
        let compressor = Compressor::new(LEVEL).map_err(RecordingError::Write)?;
        out.write_all(&head.bytes()).map_err(RecordingError::Write)?;
        Ok(Self {
            out,
            packer: Packer::new(),
            compressor: Packed(compressor),
            entries: 0,
            unseen: 0,
            columns: Vec::new(),
            packed: Vec::new(),
            written: Head::SIZE as u64,
            limit: u64::MAX,
            failed: false,
        })
    }

    /// Bounds the file's size, bytes, its end included.
    #[must_use]
    pub fn with_limit(self, limit: u64) -> Self {
        Self { limit, ..self }
    }

    /// Bytes in the file so far.
    pub const fn written(&self) -> u64 {
        self.written
    }

    /// Bytes of what was added and is not in the file yet, before they are compressed.
    pub fn waiting(&self) -> u64 {
        self.packer.length() as u64
    }

    /// Bytes that the file takes at most with what was added.
    pub fn at_most(&self) -> u64 {
        self.written + self.waiting()
    }

    /// Adds an entry. It is in the file after the next checkpoint, which comes by itself when enough is there.
    ///
    /// # Errors
    /// When the file cannot be written: it is readable up to the last checkpoint, and nothing more is added. When
    /// the entry is too large. [`RecordingError::Full`] when the file may become no larger: all before is in it.
    #[inline]
    pub fn push(&mut self, entry: Entry<'_>) -> Result<(), RecordingError> {
        let cost = entry.bytes().len() + BESIDE;
        if let Entry::Record(record) = entry
            && cost <= self.unseen
            && self.packer.push_plain(record)
        {
            self.unseen -= cost;
            self.entries += 1;
            return Ok(());
        }
        self.push_any(entry, cost)
    }

    #[inline(never)]
    fn push_any(&mut self, entry: Entry<'_>, cost: usize) -> Result<(), RecordingError> {
        if cost > self.unseen {
            self.look(cost)?;
        }
        self.unseen -= cost;
        self.packer.push(entry);
        self.entries += 1;
        Ok(())
    }

    /// Writes a chunk if it is time to, and looks how many entries may be added until the next look, of which the first
    /// costs so much.
    fn look(&mut self, cost: usize) -> Result<(), RecordingError> {
        if cost > LARGEST_ENTRY + BESIDE {
            return Err(RecordingError::TooLarge(cost - BESIDE));
        }
        if self.entries > MOST_ENTRIES - BETWEEN_LOOKS || self.packer.length() >= CHUNK {
            self.write_chunk(Content::Entries)?;
        }
        if cost > self.room() {
            // Packed it takes less than it might.
            self.checkpoint()?;
            if cost > self.room() {
                return Err(RecordingError::Full);
            }
        }
        self.unseen = LOOK_AFTER.min(self.room()).max(cost);
        Ok(())
    }

    /// Writes what a report learnt of names, at once, behind what was added before.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn push_names(&mut self, names: &[u8]) -> Result<(), RecordingError> {
        if names.len() > MOST_BYTES {
            return Err(RecordingError::TooLarge(names.len()));
        }
        self.checkpoint()?;
        if names.len() + BESIDE > self.room() {
            return Err(RecordingError::Full);
        }
        self.columns.clear();
        self.columns.extend_from_slice(names);
        self.write_columns(Content::Names, (0, 0))
    }

    /// Writes what was added, so that it is not lost when this program is.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn checkpoint(&mut self) -> Result<(), RecordingError> {
        if self.entries > 0 {
            self.write_chunk(Content::Entries)?;
        }
        self.out.flush().map_err(RecordingError::Write)
    }

    /// Writes what was added, and that nothing is missing.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn finish(self) -> Result<W, RecordingError> {
        self.finish_with(Content::End)
    }

    /// Writes what was added, and that the file has the size that it is allowed.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn finish_at_limit(self) -> Result<W, RecordingError> {
        self.finish_with(Content::Limit)
    }

    /// What entries may cost together so that they have room, however badly they are packed, and the end after them.
    fn room(&self) -> usize {
        let Some(free) = self.limit.checked_sub(self.written) else { return 0 };
        // zstd needs at most this beside one in 256 (`ZSTD_COMPRESSBOUND` of its zstd.h).
        const FRAME: usize = 64 + 1;
        let packed = usize::try_from(free)
            .unwrap_or(usize::MAX)
            .saturating_sub(ChunkHead::SIZE + END + FRAME);
        let columns = packed - packed / 257;
        columns.saturating_sub(self.packer.length() + HEADS) / 2
    }

    fn finish_with(mut self, content: Content) -> Result<W, RecordingError> {
        self.checkpoint()?;
        self.write_chunk(content)?;
        self.out.flush().map_err(RecordingError::Write)?;
        Ok(self.out)
    }

    fn write_chunk(&mut self, content: Content) -> Result<(), RecordingError> {
        let span = self.packer.span();
        if !self.failed {
            self.packer.finish(&mut self.columns);
        }
        self.write_columns(content, span)
    }

    fn write_columns(
        &mut self,
        content: Content,
        (from, to): (u64, u64),
    ) -> Result<(), RecordingError> {
        if self.failed {
            let earlier = io::Error::other("it could not be written before");
            return Err(RecordingError::Write(earlier));
        }
        // A part of a chunk may be in the file now, after which none could be found.
        self.failed = true;
        self.packed.clear();
        self.packed.reserve(zstd::zstd_safe::compress_bound(self.columns.len()));
        let packed = &mut self.packed;
        self.compressor
            .0
            .compress_to_buffer(&self.columns, packed)
            .map_err(RecordingError::Write)?;
        let head = ChunkHead {
            content,
            unpacked: self.columns.len() as u32,
            packed: packed.len() as u32,
            entries: self.entries,
            from,
            to,
        };
        self.out.write_all(&head.bytes(packed)).map_err(RecordingError::Write)?;
        self.out.write_all(packed).map_err(RecordingError::Write)?;
        self.written += (ChunkHead::SIZE + packed.len()) as u64;
        // What is added now is of a chunk with a head of its own, for which there must be room.
        (self.entries, self.unseen) = (0, 0);
        self.failed = false;
        Ok(())
    }
}
