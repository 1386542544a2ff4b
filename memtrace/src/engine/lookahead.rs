//! Records that wait for a few others before they are taken in, so that the memory they need is on its way.
//!
//! The block table of a large heap is in no cache, and a look-up is one wait for memory, about 100 ns. The places
//! of a group of records are asked for before the first of them is worked on: the waits overlap (Chen, Ailamaki,
//! Gibbons, Mowry: Improving hash join performance through prefetching, ICDE 2004, "group prefetching").
//!
//! Records of small heaps do not wait.
//!
//! In a second step, when the group is worked on, the blocks are there, and tell of which call stacks the sums are
//! needed. With thousands of stacks those are in no near cache either.

use super::tracker::Tracker;
use memtrace_common::wire::{Allocation, Header, Kind, Reallocation};
use std::mem::offset_of;

/// Records of a group: more than a processor has memory accesses under way at once, and few enough that what was
/// fetched for the first is there still.
const GROUP: usize = 16;
/// Bytes of a block table that a processor's caches do not hold well enough (`docs/benchmarks/engine.md`).
const FAR: usize = 16 << 20;

/// When a record should be taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Turn {
    /// At once, by itself: it is not kept, and none waits.
    Now,
    /// With others that come.
    Later,
    /// At once, with all that wait.
    Together,
}

/// A group of records in the order in which they came.
#[derive(Debug)]
pub struct Lookahead {
    /// Records wait where a block table takes as many bytes.
    far: usize,
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Default for Lookahead {
    fn default() -> Self {
        Self { far: FAR, bytes: Vec::new(), ends: Vec::new() }
    }
}

impl Lookahead {
    /// Keeps a record, if that is of use: where the memory that it needs is in the caches anyway asking for it costs more
    /// than it brings.
    #[inline]
    pub fn push(&mut self, record: &[u8], tracker: &Tracker) -> Turn {
        if self.ends.is_empty() && tracker.block_table_bytes() < self.far {
            return Turn::Now;
        }
        expect(record, tracker);
        self.bytes.extend_from_slice(record);
        self.ends.push(self.bytes.len());
        if self.ends.len() < GROUP { Turn::Later } else { Turn::Together }
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
    use super::{FAR, GROUP, Lookahead, Turn};
    use crate::engine::limits::Limits;
    use crate::engine::tracker::Tracker;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn all_come_out_as_they_went_in(
            records in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..90), 0..40)
        ) {
            let tracker = Tracker::new(Limits::default());
            let mut ahead = Lookahead { far: 0, ..Lookahead::default() };
            let mut out: Vec<Vec<u8>> = Vec::new();
            for (number, record) in records.iter().enumerate() {
                let turn = ahead.push(record, &tracker);
                let is_full = (number + 1) % GROUP == 0;
                prop_assert_eq!(turn, if is_full { Turn::Together } else { Turn::Later });
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

    #[test]
    fn those_of_small_heaps_do_not_wait_unless_others_do() {
        let tracker = Tracker::new(Limits::default());
        let mut ahead = Lookahead::default();
        assert_eq!(ahead.push(b"one", &tracker), Turn::Now);
        assert_eq!(ahead.iter().count(), 0);
        ahead.far = 0;
        assert_eq!(ahead.push(b"two", &tracker), Turn::Later);
        ahead.far = FAR;
        assert_eq!(ahead.push(b"three", &tracker), Turn::Later);
        assert_eq!(ahead.iter().collect::<Vec<_>>(), [b"two".as_slice(), b"three"]);
    }
}
