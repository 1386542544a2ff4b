//! Addresses come back soon after they were given away: they are told by how many came since.

use super::slot;

/// So many of the latest addresses are looked at again; a power of two.
const REMEMBERED: usize = 1024;
/// Stands for an address that is not among them.
pub(super) const UNFORESEEN: u64 = 0;

/// The latest addresses of a chunk, in the order in which they came.
#[derive(Debug)]
pub(super) struct Latest {
    addresses: Box<[u64; REMEMBERED]>,
    count: usize,
}

impl Latest {
    pub(super) fn new() -> Self {
        Self { addresses: Box::new([0; REMEMBERED]), count: 0 }
    }

    /// The one that came so many before the next, if it is remembered.
    #[inline]
    pub(super) fn before(&self, distance: u64) -> Option<u64> {
        let most = self.count.min(REMEMBERED);
        let distance = usize::try_from(distance).ok().filter(|it| (1..=most).contains(it))?;
        Some(self.addresses[(self.count - distance) % REMEMBERED])
    }

    #[inline]
    pub(super) fn push(&mut self, address: u64) {
        self.addresses[self.count % REMEMBERED] = address;
        self.count += 1;
    }
}

/// Finds addresses among the latest. Which one is forgotten first where two have the same slot is of no concern to
/// readers.
#[derive(Debug)]
pub(super) struct Finder {
    latest: Latest,
    /// By a hash of the address: how many had come before it.
    slots: Box<[u32; SLOTS]>,
}

/// More than are remembered, so that few have the same one.
const SLOTS: usize = 2 * REMEMBERED;

impl Finder {
    pub(super) fn new() -> Self {
        Self { latest: Latest::new(), slots: Box::new([0; SLOTS]) }
    }

    pub(super) fn clear(&mut self) {
        self.latest.count = 0;
        self.slots.fill(0);
    }

    /// How many came since this address did, it included, if it is remembered; it is the latest now.
    #[inline]
    pub(super) fn find(&mut self, address: u64) -> Option<u64> {
        // Blocks lie at multiples of 16 (glibc, jemalloc), and those next to each other should not meet.
        let slot = &mut self.slots[slot(address, SLOTS)];
        let distance = (self.latest.count - *slot as usize) as u64;
        *slot = self.latest.count as u32;
        let found = self.latest.before(distance) == Some(address);
        self.latest.push(address);
        found.then_some(distance)
    }
}

#[cfg(test)]
mod tests {
    use super::{Finder, Latest, REMEMBERED};

    #[test]
    fn what_is_found_is_what_came() {
        let (mut finder, mut latest) = (Finder::new(), Latest::new());
        let (mut random, mut found) = (7_u64, 0);
        for turn in 0..20 * REMEMBERED as u64 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let address = (random >> 33) % (1 + turn / 8);
            if let Some(distance) = finder.find(address) {
                assert_eq!(latest.before(distance), Some(address));
                found += 1;
            }
            latest.push(address);
        }
        assert!(found > REMEMBERED, "{found}");
    }

    #[test]
    fn nothing_is_before_the_first_and_beyond_what_is_remembered() {
        let mut latest = Latest::new();
        assert_eq!(latest.before(1), None);
        (0..=REMEMBERED as u64).for_each(|address| latest.push(address));
        assert_eq!([0, 1].map(|distance| latest.before(distance)), [None, Some(REMEMBERED as u64)]);
        assert_eq!(latest.before(REMEMBERED as u64), Some(1));
        assert_eq!(latest.before(REMEMBERED as u64 + 1), None);
    }
}
