//! The reader, for bytes of anybody: fuzzing and what once did harm.

use super::Reader;
use super::columns::Unpacker;

/// A whole file, and the columns of a chunk (whose checksum no random change would keep).
pub(crate) fn recording(bytes: &[u8]) {
    if let Ok(mut reader) = Reader::new(bytes) {
        while let Ok(Some(mut chunk)) = reader.next_chunk() {
            while let Ok(Some(_)) = chunk.next_entry() {}
        }
    }
    if let Ok(mut entries) = Unpacker::new(bytes) {
        while let Ok(Some(_)) = entries.next() {}
    }
}
