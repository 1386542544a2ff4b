//! Records that came while they could not be taken in.

use std::collections::VecDeque;

/// Bytes of a piece: given back when all its records were given.
const PIECE: usize = 256 << 10;
/// Of each record, before it.
const LENGTH: usize = size_of::<u32>();

/// Records in the order in which they came.
#[derive(Debug)]
pub(super) struct Spool {
    pieces: VecDeque<Vec<u8>>,
    /// Bytes of the first one that were given.
    given: usize,
    /// Bytes of all, with which it is full.
    most: usize,
}

impl Spool {
    /// With room for `most` bytes, and a little more.
    pub(super) const fn new(most: usize) -> Self {
        Self { pieces: VecDeque::new(), given: 0, most }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Whether no more should be put in.
    pub(super) fn is_full(&self) -> bool {
        self.pieces.len() * PIECE >= self.most
    }

    pub(super) fn push(&mut self, record: &[u8]) {
        // None of the ring's is longer (`memtrace_common::wire::Header::length`).
        let Ok(length) = u32::try_from(record.len()) else { return };
        let taken = LENGTH + record.len();
        let fits = |piece: &&mut Vec<u8>| piece.capacity() - piece.len() >= taken;
        if self.pieces.back_mut().as_ref().is_none_or(|piece| !fits(piece)) {
            self.pieces.push_back(Vec::with_capacity(PIECE.max(taken)));
        }
        if let Some(piece) = self.pieces.back_mut() {
            piece.extend_from_slice(&length.to_ne_bytes());
            piece.extend_from_slice(record);
        }
    }

    /// Gives the next `most` records to `take`, the oldest first.
    pub(super) fn give(&mut self, most: usize, take: &mut dyn FnMut(&[u8])) {
        for _ in 0..most {
            let Some(piece) = self.pieces.front() else { return };
            let rest = piece.get(self.given..).unwrap_or_default();
            let Some((length, rest)) = rest.split_first_chunk() else { return };
            let length = u32::from_ne_bytes(*length) as usize;
            take(rest.get(..length).unwrap_or_default());
            self.given += LENGTH + length;
            if self.given >= piece.len() {
                self.pieces.pop_front();
                self.given = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{PIECE, Spool};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn all_come_out_as_they_went_in(
            records in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..60),
            steps in prop::collection::vec((0_usize..8, 1_usize..8), 0..20),
        ) {
            let (mut spool, mut left) = (Spool::new(1 << 20), records.iter());
            let mut out: Vec<Vec<u8>> = Vec::new();
            for (put, given) in steps {
                left.by_ref().take(put).for_each(|record| spool.push(record));
                spool.give(given, &mut |record| out.push(record.to_vec()));
            }
            left.for_each(|record| spool.push(record));
            while !spool.is_empty() {
                spool.give(3, &mut |record| out.push(record.to_vec()));
            }
            prop_assert_eq!(out, records);
        }
    }

    #[test]
    fn it_is_full_until_whole_pieces_are_given() {
        let mut spool = Spool::new(2 * PIECE);
        let record = vec![7; PIECE / 2 - 4];
        (0..4).for_each(|_| {
            assert!(!spool.is_full() || spool.pieces.len() == 2);
            spool.push(&record);
        });
        assert!(spool.is_full());
        let mut given = 0;
        spool.give(1, &mut |_| given += 1);
        assert!(spool.is_full());
        spool.give(1, &mut |_| given += 1);
        assert!(!spool.is_full() && !spool.is_empty());
        spool.give(9, &mut |_| given += 1);
        assert!(spool.is_empty() && given == 4);
    }

    #[test]
    fn a_record_larger_than_a_piece_is_kept() {
        let mut spool = Spool::new(PIECE);
        spool.push(&vec![1; 2 * PIECE]);
        spool.push(&[2]);
        let mut lengths = Vec::new();
        spool.give(2, &mut |record| lengths.push(record.len()));
        assert_eq!(lengths, [2 * PIECE, 1]);
    }
}
