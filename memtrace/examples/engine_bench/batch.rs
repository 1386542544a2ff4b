//! Records that are made beforehand, and folded as the daemon does it.

use crate::cpu;
use memtrace::engine::decode::decode;
use memtrace::engine::lookahead::{Lookahead, Turn};
use memtrace::engine::tracker::Tracker;
use memtrace::source::synthetic::SyntheticSource;
use std::time::Duration;

/// Records side by side, as in a ring.
pub(crate) struct Batch {
    bytes: Vec<u8>,
    pub(crate) ends: Vec<usize>,
}

impl Batch {
    pub(crate) fn of(source: &mut SyntheticSource, records: usize) -> Self {
        let mut batch = Self { bytes: Vec::new(), ends: Vec::with_capacity(records) };
        for _ in 0..records {
            source.next_record(&mut batch.bytes);
            batch.ends.push(batch.bytes.len());
        }
        batch
    }

    /// As the daemon does it: each record waits for a few others where the heap is large.
    pub(crate) fn fold_into(&self, tracker: &mut Tracker) -> Duration {
        let mut group = Lookahead::default();
        let start = cpu();
        let mut from = 0;
        for &end in &self.ends {
            let record = &self.bytes[from..end];
            from = end;
            match group.push(record, tracker) {
                Turn::Now => tracker.apply(&decode(record).unwrap()),
                Turn::Later => {}
                Turn::Together => fold(&mut group, tracker),
            }
        }
        fold(&mut group, tracker);
        cpu() - start
    }

    /// Each as it comes.
    pub(crate) fn fold_at_once(&self, tracker: &mut Tracker) -> Duration {
        let start = cpu();
        let mut from = 0;
        for &end in &self.ends {
            tracker.apply(&decode(&self.bytes[from..end]).unwrap());
            from = end;
        }
        cpu() - start
    }
}

fn fold(group: &mut Lookahead, tracker: &mut Tracker) {
    group.expect_sums(tracker);
    group.iter().for_each(|record| tracker.apply(&decode(record).unwrap()));
    group.clear();
}
