//! How old blocks became, by the call stack that allocated them: what a survival curve is made of.

use crate::engine::trend::{CLASSES, class};
use crate::model::ids::Nanos;

/// Stacks of an address space for which it is kept; 4 MiB. What the others free is counted apart.
pub(crate) const MOST_ROWS: usize = 16_384;

/// A stack of which nothing was freed yet.
const NONE: u32 = 0;
/// A stack for which there was no room.
const NO_ROOM: u32 = u32::MAX;

/// Freed blocks by class of age, for the stacks that had any freed.
///
/// Most programs free from few of their stacks, so that a row of its own for each that does is small.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lifespans {
    /// By stack: [`NONE`], [`NO_ROOM`], or 1 more than the place of its row.
    places: Vec<u32>,
    rows: Vec<[u64; CLASSES]>,
    untold: u64,
}

impl Lifespans {
    /// A block of this stack was freed.
    #[inline]
    pub(crate) fn freed(&mut self, stack: u32, age: Nanos) {
        let place = self.places.get(stack as usize).copied().unwrap_or(NONE);
        match self.rows.get_mut((place as usize).wrapping_sub(1)) {
            Some(row) => row[class(age)] += 1,
            None => self.first_freed(stack, place, age),
        }
    }

    #[cold]
    fn first_freed(&mut self, stack: u32, place: u32, age: Nanos) {
        // Blocks whose stack is not known have the last number.
        if place == NO_ROOM || stack == u32::MAX {
            self.untold += 1;
            return;
        }
        if self.places.len() <= stack as usize {
            self.places.resize(stack as usize + 1, NONE);
        }
        if self.rows.len() == MOST_ROWS {
            self.places[stack as usize] = NO_ROOM;
            self.untold += 1;
            return;
        }
        let mut row = [0; CLASSES];
        row[class(age)] = 1;
        self.rows.push(row);
        self.places[stack as usize] = self.rows.len() as u32;
    }

    /// Freed blocks of a stack by class of age; `None` where there was no room for it.
    pub(crate) fn of(&self, stack: u32) -> Option<[u64; CLASSES]> {
        match self.places.get(stack as usize).copied().unwrap_or(NONE) {
            NONE => Some([0; CLASSES]),
            place => self.rows.get(place as usize - 1).copied(),
        }
    }

    /// Freed blocks of which no age was kept.
    pub(crate) const fn untold(&self) -> u64 {
        self.untold
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.places.capacity() * size_of::<u32>()
            + self.rows.capacity() * size_of::<[u64; CLASSES]>()
    }
}

#[cfg(test)]
mod tests {
    use super::{Lifespans, MOST_ROWS};
    use crate::engine::trend::{CLASSES, begins, class};
    use proptest::prelude::*;
    use std::collections::HashMap;

    #[test]
    fn without_room_it_counts() {
        let mut spans = Lifespans::default();
        for stack in 0..MOST_ROWS as u32 + 5 {
            spans.freed(stack, begins(3));
            spans.freed(stack, begins(3));
        }
        spans.freed(u32::MAX, 0);
        assert_eq!(spans.untold(), 11);
        assert_eq!(spans.of(0).unwrap()[3], 2);
        assert_eq!(spans.of(MOST_ROWS as u32), None);
        assert_eq!(spans.of(u32::MAX), Some([0; CLASSES]));
        assert!(spans.memory_bytes() < 5 << 20);
    }

    proptest! {
        #[test]
        fn it_counts_as_a_map(freed in prop::collection::vec((0_u32..50, any::<u64>()), 0..200)) {
            let (mut spans, mut model) = (Lifespans::default(), HashMap::new());
            for (stack, age) in freed {
                spans.freed(stack, age);
                model.entry(stack).or_insert([0; CLASSES])[class(age)] += 1;
            }
            for stack in 0..60 {
                let expected = model.get(&stack).copied().unwrap_or([0; CLASSES]);
                prop_assert_eq!(spans.of(stack), Some(expected));
            }
            prop_assert_eq!(spans.untold(), 0);
        }
    }
}
