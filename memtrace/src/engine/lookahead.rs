//! Records that wait for a few others before they are taken in, so that the memory they need is on its way.
//!
//! The block table of a large heap is in no cache, and a look-up is one wait for memory, about 100 ns. The places
//! of a group of records are asked for before the first of them is worked on: the waits overlap (Chen, Ailamaki,
//! Gibbons, Mowry: Improving hash join performance through prefetching, ICDE 2004, "group prefetching").
//!
//! In a second step, when the group is worked on, the blocks are there, and tell of which call stacks the sums are
//! needed. With thousands of stacks those are in no near cache either.

use super::tracker::Tracker;
use memtrace_common::wire::{Allocation, Header, Kind, Reallocation};
use std::mem::offset_of;

/// Records of a group: more than a processor has memory accesses under way at once, and few enough that what was
/// fetched for the first is there still.
const GROUP: usize = 16;
/// Bytes of a block table that a processor's caches hold well enough (`docs/benchmarks/engine.md`).
const NEAR: usize = 16 << 20;

/// A group of records in the order in which they came.
#[derive(Debug, Default)]
pub struct Lookahead {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Lookahead {
    /// Whether a record should wait: for those that do already, or as the memory that it needs is far away. Where it is
    /// in the caches anyway asking for it costs more than it brings.
    #[inline]
    pub fn is_of_use(&self, tracker: &Tracker) -> bool {
        !self.ends.is_empty() || tracker.block_table_bytes() > NEAR
    }

    /// Keeps a record, and gives whether the group is full: then it should be taken in.
    #[inline]
    pub fn push(&mut self, record: &[u8], tracker: &Tracker) -> bool {
        expect(record, tracker);
        self.bytes.extend_from_slice(record);
        self.ends.push(self.bytes.len());
        self.ends.len() >= GROUP
    }

    /// The records, the oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        begins.zip(&self.ends).map(|(begin, &end)| self.bytes.get(begin..end).unwrap_or_default())
    }

    /// They are taken in now: what their blocks are has come meanwhile, and tells which sums they will need.
    pub fn expect_sums(&self, tracker: &Tracker) {
        if cfg!(target_arch = "x86_64") {
            self.iter().for_each(|record| expect_sums(record, tracker));
        }
    }

    /// They have been taken in.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }
}

/// Asks for the memory that a record will need. A wrong guess costs nothing but time.
#[inline]
fn expect(record: &[u8], tracker: &Tracker) {
    // A block's address comes first; in a reallocation the old one, then the new one.
    let kind = record.get(offset_of!(Header, kind)).copied().and_then(Kind::from_number);
    let addresses = match kind {
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

/// Asks for the sums that a record will need, by the block or the call stack that it names.
#[inline]
fn expect_sums(record: &[u8], tracker: &Tracker) {
    let Some((header, body)) = record.split_at_checked(size_of::<Header>()) else { return };
    let word = |place: usize| body.as_chunks().0.get(place).copied().map(u64::from_ne_bytes);
    let (freed, stack) = match header.get(offset_of!(Header, kind)).copied().map(Kind::from_number)
    {
        Some(Some(Kind::Free)) => (word(0), None),
        Some(Some(Kind::Allocation)) => (None, word(offset_of!(Allocation, stack) / 8)),
        Some(Some(Kind::Reallocation)) => (word(0), word(offset_of!(Reallocation, stack) / 8)),
        _ => return,
    };
    let after = |offset: usize| header.get(offset..).unwrap_or_default();
    let Some(process) = after(offset_of!(Header, process)).first_chunk() else { return };
    let Some(time) = after(offset_of!(Header, time)).first_chunk() else { return };
    tracker.prefetch_sums(u32::from_ne_bytes(*process), freed, stack, u64::from_ne_bytes(*time));
}

#[cfg(test)]
mod tests {
    use super::{GROUP, Lookahead};
    use crate::engine::limits::Limits;
    use crate::engine::tracker::Tracker;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn all_come_out_as_they_went_in(
            records in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..90), 0..40)
        ) {
            let (mut ahead, tracker) = (Lookahead::default(), Tracker::new(Limits::default()));
            let mut out: Vec<Vec<u8>> = Vec::new();
            for (number, record) in records.iter().enumerate() {
                let is_full = ahead.push(record, &tracker);
                prop_assert_eq!(is_full, (number + 1) % GROUP == 0);
                if is_full {
                    ahead.expect_sums(&tracker);
                    out.extend(ahead.iter().map(<[u8]>::to_vec));
                    ahead.clear();
                }
            }
            out.extend(ahead.iter().map(<[u8]>::to_vec));
            prop_assert_eq!(out, records);
        }
    }
}
