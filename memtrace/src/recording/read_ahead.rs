//! All entries of a recording, one after the other: a thread of its own reads and unpacks them, while those before are
//! worked on. Unpacking takes about as long as the engine takes for what was unpacked.

use super::{Entry, Reader, RecordingError};
use std::io::Read;
use std::ops::ControlFlow;
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

/// Bytes that are handed over at once: enough that handing over costs nothing beside unpacking them, and few enough
/// that they are in a cache still when they are worked on.
const BATCH: usize = 128 << 10;
/// Batches that wait at most.
const WAITING: usize = 4;

/// Entries of one chunk.
#[derive(Debug, Default)]
struct Batch {
    bytes: Vec<u8>,
    /// Where each entry ends, and whether it is a note.
    ends: Vec<(usize, bool)>,
    /// Where the chunk begins in the file.
    offset: u64,
}

impl Batch {
    fn push(&mut self, entry: Entry<'_>) {
        self.bytes.extend_from_slice(entry.bytes());
        self.ends.push((self.bytes.len(), matches!(entry, Entry::Note(_))));
    }

    fn is_full(&self) -> bool {
        // Entries may be empty, and as many as a chunk has bytes.
        self.bytes.len() + size_of_val(&*self.ends) >= BATCH
    }

    fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        let begins = std::iter::once(0).chain(self.ends.iter().map(|(end, _)| *end));
        begins.zip(&self.ends).map(|(begin, &(end, is_note))| {
            let bytes = self.bytes.get(begin..end).unwrap_or_default();
            if is_note { Entry::Note(bytes) } else { Entry::Record(bytes) }
        })
    }
}

/// Shows all entries to `visit`, the oldest first, until it breaks; gives whether it did. The reader is at the end
/// after that, or anywhere behind the entry at which it broke.
///
/// # Errors
/// When the recording is damaged, or `visit` says what is wrong with an entry: all before has been shown.
pub(super) fn each_entry<R: Read + Send>(
    reader: &mut Reader<R>,
    visit: &mut dyn FnMut(Entry<'_>) -> Result<ControlFlow<()>, &'static str>,
) -> Result<ControlFlow<()>, RecordingError> {
    thread::scope(|scope| {
        let (full, batches) = sync_channel(WAITING);
        let (spent, empty) = channel();
        let reading = thread::Builder::new()
            .name("memtrace-read".to_owned())
            .spawn_scoped(scope, move || fill(reader, &full, &empty))
            .map_err(RecordingError::Read)?;
        let visited = visit_all(batches, &spent, visit);
        let read = reading.join().unwrap_or_else(|panic| resume_unwind(panic));
        match visited? {
            // What it read meanwhile is nobody's concern.
            ControlFlow::Break(()) => Ok(ControlFlow::Break(())),
            ControlFlow::Continue(()) => read.map(ControlFlow::Continue),
        }
    })
}

/// Unpacks until the end, or until nobody waits for more.
fn fill<R: Read>(
    reader: &mut Reader<R>,
    full: &SyncSender<Batch>,
    empty: &Receiver<Batch>,
) -> Result<(), RecordingError> {
    let mut batch = Batch::default();
    while let Some(mut chunk) = reader.next_chunk()? {
        batch.offset = chunk.offset();
        let unpacked = loop {
            let entry = chunk.next_entry();
            if let Ok(Some(entry)) = entry {
                batch.push(entry);
                if !batch.is_full() {
                    continue;
                }
            }
            let ended = entry.map(|entry| entry.is_none());
            let next = Batch { offset: batch.offset, ..empty.try_recv().unwrap_or_default() };
            if full.send(std::mem::replace(&mut batch, next)).is_err() {
                return Ok(());
            }
            match ended {
                Ok(false) => {}
                Ok(true) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        unpacked?;
    }
    Ok(())
}

/// Takes the receiver, so that whoever fills is told when nobody waits any more.
fn visit_all(
    batches: Receiver<Batch>,
    spent: &Sender<Batch>,
    visit: &mut dyn FnMut(Entry<'_>) -> Result<ControlFlow<()>, &'static str>,
) -> Result<ControlFlow<()>, RecordingError> {
    for mut batch in batches {
        for entry in batch.entries() {
            let damaged = |what| RecordingError::Damaged { offset: batch.offset, what };
            if visit(entry).map_err(damaged)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        batch.bytes.clear();
        batch.ends.clear();
        // All may have been read.
        let _ = spent.send(batch);
    }
    Ok(ControlFlow::Continue(()))
}

#[cfg(test)]
mod tests;
