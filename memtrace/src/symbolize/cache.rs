//! Final frames by place, bounded.

use crate::engine::ports::Resolved;
use crate::model::ids::ModuleId;
use std::collections::HashMap;
use std::mem;

/// A place in a file.
type Place = (ModuleId, u64);

/// Rough cost of an entry besides its strings: key, hash table slot, reference counts, bytes.
const ENTRY_BYTES: usize = 128;

/// Keeps what was looked up in two generations: new entries go to the young one; when it is full it
/// becomes the old one and the old one is dropped. An entry that is used moves to the young one, so
/// what every report needs stays. Both together stay under the limit.
pub(super) struct FrameCache {
    young: HashMap<Place, Resolved>,
    old: HashMap<Place, Resolved>,
    young_bytes: usize,
    limit: usize,
}

impl FrameCache {
    /// A cache of about `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), young_bytes: 0, limit }
    }

    /// What is known of `place`.
    pub(super) fn get(&mut self, place: Place) -> Option<Resolved> {
        if let Some(found) = self.young.get(&place) {
            return Some(found.clone());
        }
        let found = self.old.remove(&place)?;
        self.insert(place, found.clone());
        Some(found)
    }

    /// Remembers `resolved`.
    pub(super) fn insert(&mut self, place: Place, resolved: Resolved) {
        self.young_bytes = self.young_bytes.saturating_add(cost(&resolved));
        self.young.insert(place, resolved);
        if self.young_bytes > self.limit / 2 {
            self.old = mem::take(&mut self.young);
            self.young_bytes = 0;
        }
    }
}

fn cost(resolved: &Resolved) -> usize {
    let frames = resolved.as_deref().unwrap_or_default();
    let strings = frames.iter().map(|frame| {
        let optional = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        ENTRY_BYTES + frame.function.len() + optional(&frame.short) + optional(&frame.file)
    });
    ENTRY_BYTES + strings.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::{ENTRY_BYTES, FrameCache};
    use crate::engine::ports::Missing;
    use crate::model::ids::ModuleId;

    const MODULE: ModuleId = ModuleId(1);

    #[test]
    fn what_is_used_stays_and_the_rest_goes() {
        let mut cache = FrameCache::new(20 * ENTRY_BYTES);
        for offset in 0..1000 {
            cache.insert((MODULE, offset), Err(Missing::NotCovered));
            assert_eq!(cache.get((MODULE, 0)), Some(Err(Missing::NotCovered)));
            assert!(cache.young.len() + cache.old.len() <= 22);
        }
        assert_eq!(cache.get((MODULE, 1)), None);
    }
}
