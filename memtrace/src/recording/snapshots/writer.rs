//! Snapshots → a file.

use super::delta::{MOST_ROW, MOST_STATE, delta};
use super::state::State;
use super::{Plan, Shot};
use crate::recording::RecordingError;
use crate::recording::layout::{ChunkHead, Content, Head, Kind, MOST_BYTES};
use std::io::Write;
use zstd::bulk::Compressor;

/// Bytes of a chunk before compression.
const PART: usize = 4 << 20;
/// Snapshots are few, and the file is to hold many.
const LEVEL: i32 = 6;
/// Most bytes of the last chunk, which holds nothing.
const END: u64 = ChunkHead::SIZE as u64 + 64;

/// Writes a recording of snapshots.
pub struct SnapshotWriter<W> {
    out: W,
    compressor: Compressor<'static>,
    /// What was written last.
    state: State,
    written: u64,
    limit: u64,
}

impl<W> std::fmt::Debug for SnapshotWriter<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SnapshotWriter").field("written", &self.written).finish_non_exhaustive()
    }
}

impl<W: Write> SnapshotWriter<W> {
    /// Begins a recording. `began`: ns since 1970.
    ///
    /// # Errors
    /// When its beginning cannot be written, or is more than the plan's limit.
    pub fn new(out: W, began: u64, plan: &Plan) -> Result<Self, RecordingError> {
        let mut writer = Self {
            out,
            compressor: Compressor::new(LEVEL).map_err(RecordingError::Write)?,
            state: State::default(),
            written: 0,
            limit: plan.limit,
        };
        writer.write(&Head { began, kind: Kind::Snapshots }.bytes())?;
        let bytes =
            serde_json::to_vec(plan).map_err(|error| RecordingError::Write(error.into()))?;
        let packed = writer.packed(Content::Plan, &bytes)?;
        writer.put(&packed)?;
        Ok(writer)
    }

    /// Bytes in the file so far.
    pub const fn written(&self) -> u64 {
        self.written
    }

    /// Adds a snapshot, at once.
    ///
    /// # Errors
    /// When the file cannot be written: it is readable up to the snapshot before, and nothing more is to be added.
    /// [`RecordingError::Full`] when it may become no larger: all before is in it. When the snapshot is too large.
    pub fn push(&mut self, shot: &Shot) -> Result<(), RecordingError> {
        let state = State::of(shot).map_err(|_| RecordingError::TooLarge(0))?;
        self.push_state(state, shot.snapshot.time)
    }

    pub(super) fn push_state(&mut self, state: State, time: u64) -> Result<(), RecordingError> {
        let bytes = state.bytes();
        if bytes > MOST_STATE {
            return Err(RecordingError::TooLarge(bytes));
        }
        if let Some(row) = state.rows().find(|row| row.len() > MOST_ROW) {
            return Err(RecordingError::TooLarge(row.len()));
        }
        let delta = delta(&self.state, &state);
        let parts = delta.chunks(PART);
        let mut left = parts.len() as u32;
        let mut packed = Vec::new();
        for part in parts {
            left -= 1;
            self.pack(Content::Snapshot, left, time, part, &mut packed)?;
        }
        self.put(&packed)?;
        self.state = state;
        Ok(())
    }

    /// Adds what a report learnt of names.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn push_names(&mut self, names: &[u8]) -> Result<(), RecordingError> {
        let packed = self.packed_names(names)?;
        self.put(&packed)
    }

    /// What [`Self::push_names`] writes.
    pub(super) fn packed_names(&mut self, names: &[u8]) -> Result<Vec<u8>, RecordingError> {
        self.packed(Content::Names, names)
    }

    /// Says that nothing is missing.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn finish(mut self) -> Result<W, RecordingError> {
        let mut packed = Vec::new();
        self.pack(Content::End, 0, 0, &[], &mut packed)?;
        // Room was left for it.
        self.write(&packed)?;
        self.out.flush().map_err(RecordingError::Write)?;
        Ok(self.out)
    }

    /// Where it is written.
    pub(super) fn into_inner(self) -> W {
        self.out
    }

    /// Goes on in a file that has the same latest snapshot, with its limit.
    pub(super) fn go_on(self, file: W, written: u64, limit: u64) -> Self {
        Self { out: file, written, limit, ..self }
    }

    pub(super) const fn get_ref(&self) -> &W {
        &self.out
    }

    /// Another limit than the plan's.
    pub(super) fn set_limit(&mut self, limit: u64) {
        self.limit = limit;
    }

    /// A chunk by itself.
    fn packed(&mut self, content: Content, bytes: &[u8]) -> Result<Vec<u8>, RecordingError> {
        if bytes.len() > MOST_BYTES {
            return Err(RecordingError::TooLarge(bytes.len()));
        }
        let mut packed = Vec::new();
        self.pack(content, 0, 0, bytes, &mut packed)?;
        Ok(packed)
    }

    fn pack(
        &mut self,
        content: Content,
        entries: u32,
        time: u64,
        bytes: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), RecordingError> {
        let packed = self.compressor.compress(bytes).map_err(RecordingError::Write)?;
        let head = ChunkHead {
            content,
            unpacked: bytes.len() as u32,
            packed: packed.len() as u32,
            entries,
            from: time,
            to: time,
        };
        out.extend_from_slice(&head.bytes(&packed));
        out.extend_from_slice(&packed);
        Ok(())
    }

    /// Writes chunks if they have room, and the end after them.
    pub(super) fn put(&mut self, packed: &[u8]) -> Result<(), RecordingError> {
        if self.written + packed.len() as u64 + END > self.limit {
            return Err(RecordingError::Full);
        }
        self.write(packed)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), RecordingError> {
        self.out.write_all(bytes).map_err(RecordingError::Write)?;
        self.written += bytes.len() as u64;
        Ok(())
    }
}
