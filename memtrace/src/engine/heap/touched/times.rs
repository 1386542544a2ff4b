//! How often faults were seen of the same page.

use std::collections::BTreeMap;

/// Of pages that were taken at a level above 0, as far as there is room.
#[derive(Clone, Debug, Default)]
pub(super) struct Times {
    by_page: BTreeMap<u64, u32>,
    /// All of them together.
    faults: u64,
}

impl Times {
    /// How often a fault of this page was seen, with this one; at most `limit` pages are told apart.
    pub(super) fn count(&mut self, page: u64, level: u8, limit: usize) -> u64 {
        let pages = self.by_page.len();
        if let Some(times) = self.by_page.get_mut(&page) {
            *times = times.saturating_add(1);
            self.faults = self.faults.saturating_add(1);
            return u64::from(*times);
        }
        if level == 0 {
            return 1;
        }
        if pages >= limit {
            // As often as others, rounded up: rather too wide an interval than too narrow a one.
            return self.faults.div_ceil(pages.max(1) as u64).max(1);
        }
        self.by_page.insert(page, 1);
        self.faults = self.faults.saturating_add(1);
        1
    }

    /// How often the page of `[start, end)` came that came most often.
    pub(super) fn most(&self, start: u64, end: u64) -> u64 {
        let times = self.by_page.range(start..end).map(|(_, times)| u64::from(*times));
        times.max().unwrap_or(1)
    }

    /// Bytes that it takes, about: a B-tree's nodes are two thirds full on average.
    pub(super) fn memory_bytes(&self) -> usize {
        self.by_page.len() * (size_of::<u64>() + size_of::<u32>()) * 3 / 2
    }
}
