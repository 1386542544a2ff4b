//! The sums of what was touched.

use super::PAGE;
use crate::engine::sampling::{Confidence, Estimate};
use serde::{Deserialize, Serialize};

/// What page faults of a process tell: sums of pages that were touched first, in bytes, where `live = inherited +
/// touched − given back − evicted`, and of faults that were no growth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TouchFigures<T> {
    /// Bytes touched since and still there.
    pub live_bytes: T,
    /// Bytes touched first.
    pub touched_bytes: T,
    /// Of them unmapped, or given back by `madvise`.
    pub given_back_bytes: T,
    /// Live bytes of the parent when this process was forked.
    pub inherited_bytes: T,
    /// Bytes that were not kept for want of room.
    pub evicted_bytes: T,
    /// Pages that were copied for a write after a fork: they are counted already.
    pub copied: T,
    /// … that were there before we attached or had only been read then: copies, or first writes.
    pub copied_older: T,
    /// Faults on pages that are counted already.
    pub again: T,
    /// Pages that were only read: the kernel's page of zeroes stands for them until they are written.
    pub only_read: T,
    /// Faults in mappings of files.
    pub file_faults: T,
    /// Faults where nothing can be mapped.
    pub elsewhere: T,
}

/// What a page stands for that was taken at some level, in pages.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Weight {
    pages: f64,
    /// The share of pages that is not taken.
    missed: f64,
}

impl Weight {
    /// Of a page that was taken with a probability of 2 to the power of -`level`.
    pub(crate) fn at(level: u8) -> Self {
        let pages = (1_u64 << (level & 63)) as f64;
        Self { pages, missed: 1.0 - 1.0 / pages }
    }

    /// As [`Estimate`] wants it: amount, what was seen, share that is missed. In bytes.
    pub(crate) fn bytes(self) -> (f64, f64, f64) {
        (self.pages * PAGE as f64, PAGE as f64, self.missed)
    }

    /// … of faults.
    pub(crate) const fn faults(self) -> (f64, f64, f64) {
        (self.pages, 1.0, self.missed)
    }
}

/// The estimate as whole bytes or faults.
pub(crate) const fn whole(estimate: &Estimate) -> u64 {
    // Casts saturate.
    estimate.value().round() as u64
}

/// Where bytes lie, where pages were taken at levels up to `level`.
pub(crate) fn confidence_of_bytes(estimate: &Estimate, level: u8) -> Confidence {
    Confidence::of(estimate.interval(unseen(level, PAGE as f64)))
}

/// What was not seen stands for at the most.
pub(crate) fn unseen(level: u8, each: f64) -> f64 {
    if level == 0 { 0.0 } else { Weight::at(level).pages * each }
}

impl<T> TouchFigures<T> {
    /// Others, of each sum of bytes and of each number of faults.
    fn map<U>(&self, bytes: impl Fn(&T) -> U, faults: impl Fn(&T) -> U) -> TouchFigures<U> {
        TouchFigures {
            live_bytes: bytes(&self.live_bytes),
            touched_bytes: bytes(&self.touched_bytes),
            given_back_bytes: bytes(&self.given_back_bytes),
            inherited_bytes: bytes(&self.inherited_bytes),
            evicted_bytes: bytes(&self.evicted_bytes),
            copied: faults(&self.copied),
            copied_older: faults(&self.copied_older),
            again: faults(&self.again),
            only_read: faults(&self.only_read),
            file_faults: faults(&self.file_faults),
            elsewhere: faults(&self.elsewhere),
        }
    }
}

impl TouchFigures<Estimate> {
    /// As whole numbers.
    pub(crate) fn whole(&self) -> TouchFigures<u64> {
        self.map(whole, whole)
    }

    /// Where they lie, where pages were taken at levels up to `level`.
    pub(crate) fn confidence(&self, level: u8) -> TouchFigures<Confidence> {
        let faults = |estimate: &Estimate| Confidence::of(estimate.interval(unseen(level, 1.0)));
        self.map(|estimate| confidence_of_bytes(estimate, level), faults)
    }
}
