//! The memory of a shard, which two tables may share until one of them changes it.

use super::entry::Entry;
use std::ops::Deref;
use std::sync::Arc;

/// Slots of a shard.
pub(super) enum Slots {
    /// One table's.
    Own(Vec<Entry>),
    /// Of several tables, after a fork, or of one that does not know yet that the others have gone.
    Shared(Arc<Vec<Entry>>),
}

impl Default for Slots {
    fn default() -> Self {
        Self::Own(Vec::new())
    }
}

impl Deref for Slots {
    type Target = [Entry];

    #[inline]
    fn deref(&self) -> &[Entry] {
        match self {
            Self::Own(slots) => slots,
            Self::Shared(slots) => slots,
        }
    }
}

impl Slots {
    pub(super) fn capacity(&self) -> usize {
        match self {
            Self::Own(slots) => slots.capacity(),
            Self::Shared(slots) => slots.capacity(),
        }
    }

    /// Other tables have them, too.
    pub(super) fn are_of_others(&self) -> bool {
        matches!(self, Self::Shared(slots) if Arc::strong_count(slots) > 1)
    }

    /// The same slots for another table.
    pub(super) fn shared(&mut self) -> Self {
        let slots = match std::mem::take(self) {
            Self::Own(slots) => Arc::new(slots),
            Self::Shared(slots) => slots,
        };
        *self = Self::Shared(Arc::clone(&slots));
        Self::Shared(slots)
    }

    /// The slots to be changed: a copy of those that others have, too.
    #[inline]
    pub(super) fn own(&mut self) -> &mut [Entry] {
        if matches!(self, Self::Shared(_)) {
            self.part();
        }
        match self {
            Self::Own(slots) => slots,
            Self::Shared(_) => &mut [],
        }
    }

    #[cold]
    fn part(&mut self) {
        if let Self::Shared(slots) = std::mem::take(self) {
            *self = Self::Own(Arc::unwrap_or_clone(slots));
        }
    }
}
