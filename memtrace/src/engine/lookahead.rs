//! Records that wait a little before they are taken in, so that the memory they need is on its way.
//!
//! The block table of a large heap is in no cache, and a look-up is one wait for memory, about 100 ns. The next
//! few records' places are asked for while the ones before are worked on: the waits overlap (Chen, Ailamaki,
//! Gibbons, Mowry: Improving hash join performance through prefetching, ICDE 2004).

use super::tracker::Tracker;
use memtrace_common::wire::{Header, Kind};
use std::collections::VecDeque;
use std::mem::offset_of;

/// Records that wait. At some 100 ns each that is longer than memory takes, also of a busy machine.
const DEPTH: usize = 8;

/// See the file's head. In order: the first that comes is the first that goes.
#[derive(Debug, Default)]
pub struct Lookahead {
    waiting: VecDeque<Vec<u8>>,
    /// Buffers that are not in use.
    spare: Vec<Vec<u8>>,
}

impl Lookahead {
    /// Takes a record, and gives the one whose turn it is, if any; [`Self::put_back`] wants its buffer.
    pub fn push(&mut self, record: &[u8], tracker: &Tracker) -> Option<Vec<u8>> {
        expect(record, tracker);
        let mut buffer = self.spare.pop().unwrap_or_default();
        buffer.clear();
        buffer.extend_from_slice(record);
        self.waiting.push_back(buffer);
        if self.waiting.len() > DEPTH { self.waiting.pop_front() } else { None }
    }

    /// The next record where no more come.
    pub fn next_waiting(&mut self) -> Option<Vec<u8>> {
        self.waiting.pop_front()
    }

    /// Takes a buffer back.
    pub fn put_back(&mut self, buffer: Vec<u8>) {
        self.spare.push(buffer);
    }
}

/// Asks for the memory that a record will need. A wrong guess costs nothing but time.
#[inline]
fn expect(record: &[u8], tracker: &Tracker) {
    // A block's address comes first; in a reallocation the old one, then the new one.
    let addresses = match record.get(offset_of!(Header, kind)).copied().and_then(Kind::from_number)
    {
        Some(Kind::Allocation | Kind::Free) => 1,
        Some(Kind::Reallocation) => 2,
        _ => return,
    };
    let after = |offset: usize| record.get(offset..).unwrap_or_default();
    let Some(process) = after(offset_of!(Header, process)).first_chunk() else { return };
    for address in after(size_of::<Header>()).as_chunks().0.iter().take(addresses) {
        tracker.prefetch(u32::from_ne_bytes(*process), u64::from_ne_bytes(*address));
    }
}

#[cfg(test)]
mod tests {
    use super::{DEPTH, Lookahead};
    use crate::engine::limits::Limits;
    use crate::engine::tracker::Tracker;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn all_come_out_as_they_went_in(
            records in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..90), 0..40)
        ) {
            let (mut ahead, tracker) = (Lookahead::default(), Tracker::new(Limits::default()));
            let mut out = Vec::new();
            for (number, record) in records.iter().enumerate() {
                let first = ahead.push(record, &tracker);
                prop_assert_eq!(first.is_some(), number >= DEPTH);
                if let Some(buffer) = first {
                    out.push(buffer.clone());
                    ahead.put_back(buffer);
                }
            }
            while let Some(buffer) = ahead.next_waiting() {
                out.push(buffer.clone());
                ahead.put_back(buffer);
            }
            prop_assert_eq!(out, records);
            prop_assert!(ahead.spare.len() <= DEPTH + 1);
        }
    }
}
