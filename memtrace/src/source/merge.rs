//! Records from several rings, brought into one order in which every effect comes after its cause.
//!
//! Records of one process are all in one ring, in order. Those of others may hang together with them: a child's
//! first allocation comes after its parent's fork, in another ring. Each record has the time at which it was
//! begun. So a record *depends* on one of another ring only if that one was complete before its own time.
//!
//! **The rule.** Rings are looked through in passes, each of which copies what is there. What one pass found
//! is given out after the next one, and no later record before it:
//!
//! - What a record of an earlier pass depends on was complete when that pass ended; the next pass has found
//!   it. So everything up to the latest time that the earlier pass found (the horizon) can go.
//! - Unless a ring was not looked through: a record in it is still being written (those behind it cannot be
//!   seen), or there are too many. What is hidden there was begun after the last record that was seen, and so
//!   was what depends on it. Up to that time (the ring's watermark) everything can go.
//!
//! Given out is in the order of *keys*. A record's key is the latest time up to it in its ring: a program may be
//! interrupted between taking the time and reserving, so that times in a ring may go back a little. A cause
//! and everything before it in its ring were reserved before the effect's time; so its key is smaller. (The
//! idea is that of watermarks in stream processing: Akidau et al., "The Dataflow Model", VLDB 2015.)
//!
//! No clock is read, and it works on past any order of records: what makes no sense comes in some order.

use std::ops::Range;

/// A ring, as the merging sees it.
pub(super) trait Lane {
    /// Hands at most `most` records to `take`, in order. Gives whether all was seen that is in the ring: not
    /// if there is more, or if a record is still being written.
    fn read(&mut self, most: usize, take: &mut dyn FnMut(&[u8])) -> bool;
}

/// A record that was copied.
#[derive(Clone, Debug)]
struct Entry {
    key: u64,
    bytes: Range<usize>,
}

/// What was copied of one ring and is not given out.
#[derive(Debug, Default)]
struct Queue {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    /// The first entry that is not given out.
    next: usize,
    /// The latest time that was seen.
    latest: u64,
}

impl Queue {
    fn waiting(&self) -> usize {
        self.entries.len() - self.next
    }

    fn head(&self) -> Option<u64> {
        self.entries.get(self.next).map(|entry| entry.key)
    }

    fn push(&mut self, record: &[u8], time: u64) {
        self.latest = self.latest.max(time);
        let start = self.bytes.len();
        self.bytes.extend_from_slice(record);
        self.entries.push(Entry { key: self.latest, bytes: start..self.bytes.len() });
    }

    fn pop(&mut self, take: &mut dyn FnMut(&[u8])) {
        let entry = &self.entries[self.next];
        take(&self.bytes[entry.bytes.clone()]);
        self.next += 1;
    }

    /// Moves what waits to the front.
    fn compact(&mut self) {
        let Some(first) = self.entries.get(self.next).map(|entry| entry.bytes.start) else {
            self.bytes.clear();
            self.entries.clear();
            self.next = 0;
            return;
        };
        self.bytes.drain(..first);
        self.entries.drain(..self.next);
        for entry in &mut self.entries {
            entry.bytes = entry.bytes.start - first..entry.bytes.end - first;
        }
        self.next = 0;
    }
}

/// See the file's head.
#[derive(Debug)]
pub(super) struct Merge {
    queues: Vec<Queue>,
    /// Tells a record's time.
    time: fn(&[u8]) -> u64,
    /// Of the last pass: up to this time all may go.
    watermark: u64,
}

impl Merge {
    pub(super) fn new(lanes: usize, time: fn(&[u8]) -> u64) -> Self {
        let queues = (0..lanes).map(|_| Queue::default()).collect();
        Self { queues, time, watermark: 0 }
    }

    /// Looks through the rings and gives out what can go. Holds at most `most` records of each ring; gives
    /// whether there is a ring of which it holds so many.
    pub(super) fn drain(
        &mut self,
        lanes: &mut [impl Lane],
        most: usize,
        take: &mut dyn FnMut(&[u8]),
    ) -> bool {
        // One pass finds what is new, the other what that depends on.
        self.pass(lanes, most);
        let horizon = self.horizon();
        self.pass(lanes, most);
        let is_full = self.queues.iter().any(|queue| queue.waiting() >= most);
        self.give(horizon.min(self.watermark), take);
        is_full
    }

    /// Gives out everything: nothing more will come.
    pub(super) fn finish(&mut self, take: &mut dyn FnMut(&[u8])) {
        self.give(u64::MAX, take);
    }

    fn horizon(&self) -> u64 {
        let waiting = self.queues.iter().filter(|queue| queue.waiting() > 0);
        waiting.map(|queue| queue.latest).max().unwrap_or(0)
    }

    fn pass(&mut self, lanes: &mut [impl Lane], most: usize) {
        self.watermark = u64::MAX;
        for (lane, queue) in lanes.iter_mut().zip(&mut self.queues) {
            queue.compact();
            let time = self.time;
            let room = most.saturating_sub(queue.waiting());
            let all = lane.read(room, &mut |record| queue.push(record, time(record)));
            if !all {
                self.watermark = self.watermark.min(queue.latest);
            }
        }
    }

    /// Gives out all up to `limit`, in the order of keys.
    fn give(&mut self, limit: u64, take: &mut dyn FnMut(&[u8])) {
        while let Some((queue, until)) = self.first(limit) {
            let queue = &mut self.queues[queue];
            while queue.head().is_some_and(|key| key <= until) {
                queue.pop(take);
            }
        }
    }

    /// The ring whose turn it is, and the key up to which it remains so.
    fn first(&self, limit: u64) -> Option<(usize, u64)> {
        let (mut first, mut second): (Option<(u64, usize)>, _) = (None, limit);
        for (number, queue) in self.queues.iter().enumerate() {
            let Some(key) = queue.head().filter(|key| *key <= limit) else { continue };
            match first {
                Some((least, _)) if key >= least => second = second.min(key),
                Some((least, _)) => (first, second) = (Some((key, number)), least),
                None => first = Some((key, number)),
            }
        }
        first.map(|(_, number)| (number, second))
    }
}

#[cfg(test)]
mod tests;
