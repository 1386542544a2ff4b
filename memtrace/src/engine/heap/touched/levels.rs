//! At which levels faults were seen, and until when: which of a mapping's pages may have been touched unseen.
//!
//! A page that is met for the first time at a low level may have been touched before, at a high one at which it was not
//! taken: the pages that were taken then stand for it already. So a page counts at the highest level since its mapping
//! was made, and not at all if it is not taken at that one.

use crate::model::ids::Nanos;

/// The last time at which each level was in force, where none after that was as high: later entries are lower.
#[derive(Clone, Debug, Default)]
pub(super) struct Levels(Vec<(Nanos, u8)>);

impl Levels {
    /// A fault was seen at `time` that was taken at `level`.
    pub(super) fn note(&mut self, time: Nanos, level: u8) {
        // Records of different CPUs come about in order.
        let mut latest = time;
        while let Some((before, _)) = self.0.pop_if(|(_, lower)| *lower <= level) {
            latest = latest.max(before);
        }
        if level > 0 {
            let before = self.0.last().map_or(0, |(before, _)| *before);
            self.0.push((latest.max(before), level));
        }
    }

    /// The highest level that was in force at `since` or after it.
    pub(super) fn highest_since(&self, since: Nanos) -> u8 {
        let place = self.0.partition_point(|(time, _)| *time < since);
        self.0.get(place).map_or(0, |(_, level)| *level)
    }

    /// Bytes that it takes.
    pub(super) fn memory_bytes(&self) -> usize {
        self.0.capacity() * size_of::<(Nanos, u8)>()
    }
}

#[cfg(test)]
mod tests {
    use super::Levels;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_knows_what_a_list_of_all_would(
            seen in prop::collection::vec((0_u64..20, 0_u8..17), 0..50),
            since in 0_u64..600,
        ) {
            let (mut levels, mut time, mut all) = (Levels::default(), 0, Vec::new());
            for (later, level) in seen {
                time += later;
                levels.note(time, level);
                all.push((time, level));
            }
            let expected = all.iter().filter(|(time, _)| *time >= since).map(|(_, level)| *level);
            prop_assert_eq!(levels.highest_since(since), expected.max().unwrap_or(0));
            prop_assert!(levels.0.len() <= 16);
        }
    }
}
