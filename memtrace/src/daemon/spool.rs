//! Records that came while they could not be taken in.

/// Bytes from which on there is no room: some seconds of a million records each.
const MOST_BYTES: usize = 128 << 20;

/// Records in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Spool {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// So many were given.
    given: usize,
}

impl Spool {
    pub(super) fn push(&mut self, record: &[u8]) {
        self.bytes.extend_from_slice(record);
        self.ends.push(self.bytes.len());
    }

    /// Whether no more should be put in before all are given.
    pub(super) const fn is_full(&self) -> bool {
        self.bytes.len() >= MOST_BYTES
    }

    /// Gives the next `most` records to `take`, the oldest first. Gives whether there were any.
    pub(super) fn give(&mut self, most: usize, take: &mut dyn FnMut(&[u8])) -> bool {
        let first = self.given.checked_sub(1).and_then(|last| self.ends.get(last)).copied();
        let mut begin = first.unwrap_or(0);
        let ends = self.ends.get(self.given..).unwrap_or_default();
        let ends = ends.get(..most).unwrap_or(ends);
        for &end in ends {
            take(self.bytes.get(begin..end).unwrap_or_default());
            begin = end;
        }
        let count = ends.len();
        self.given += count;
        if self.given == self.ends.len() {
            (self.given, self.bytes, self.ends) = (0, Vec::new(), Vec::new());
        }
        count > 0
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST_BYTES, Spool};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn all_come_out_as_they_went_in(
            records in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..60),
            steps in prop::collection::vec((0_usize..8, 1_usize..8), 0..20),
        ) {
            let (mut spool, mut left) = (Spool::default(), records.iter());
            let mut out: Vec<Vec<u8>> = Vec::new();
            for (put, given) in steps {
                left.by_ref().take(put).for_each(|record| spool.push(record));
                spool.give(given, &mut |record| out.push(record.to_vec()));
            }
            left.for_each(|record| spool.push(record));
            while spool.give(3, &mut |record| out.push(record.to_vec())) {}
            prop_assert_eq!(out, records);
            prop_assert!(spool.bytes.is_empty() && spool.ends.is_empty());
        }
    }

    #[test]
    fn it_is_full_until_all_are_given() {
        let mut spool = Spool::default();
        (0..2).for_each(|_| spool.push(&vec![0; MOST_BYTES / 2]));
        assert!(spool.is_full());
        assert!(spool.give(1, &mut |_| ()) && spool.is_full());
        assert!(spool.give(1, &mut |_| ()) && !spool.is_full());
        assert!(!spool.give(1, &mut |_| ()));
    }
}
