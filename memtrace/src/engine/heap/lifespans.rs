//! How old blocks became, by the call stack that allocated them: what a survival curve is made of.

use super::fetch::fetch;
use crate::engine::sampling::Weight;
use crate::engine::trend::{CLASSES, Freed, Mass, class};
use crate::model::ids::Nanos;

/// Stacks of an address space for which it is kept; 4 MiB, and 8 more where there are samples. What the others free is counted apart.
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
    /// What they stand for, row by row, from the first sample on.
    masses: Option<Vec<[Mass; CLASSES]>>,
    untold: u64,
}

impl Lifespans {
    /// A block of this stack was freed that stands for `weight` blocks, which is known where there are samples.
    #[inline]
    pub(crate) fn freed(&mut self, stack: u32, age: Nanos, weight: Option<Weight>) {
        let place = self.places.get(stack as usize).copied().unwrap_or(NONE);
        match self.rows.get_mut((place as usize).wrapping_sub(1)) {
            Some(row) => row[class(age)] += 1,
            None => self.first_freed(stack, place, age),
        }
        if let Some(weight) = weight {
            self.weigh(stack, age, weight.blocks);
        }
    }

    /// A block of this stack is freed soon at this age.
    #[inline]
    pub(crate) fn prefetch(&self, stack: u32, age: Nanos) {
        let place = self.places.get(stack as usize).copied().unwrap_or(NONE);
        if let Some(row) = self.rows.get((place as usize).wrapping_sub(1)) {
            fetch(&row[class(age)]);
        }
    }

    /// What was counted until the first sample counted for itself.
    fn weigh(&mut self, stack: u32, age: Nanos, weight: f64) {
        let before = || self.rows.iter().map(|row| row.map(Mass::of)).collect();
        let is_first = self.masses.is_none();
        let masses: &mut Vec<[Mass; CLASSES]> = self.masses.get_or_insert_with(before);
        masses.resize(self.rows.len(), [Mass::default(); CLASSES]);
        let place = self.places.get(stack as usize).copied().unwrap_or(NONE);
        if let Some(row) = masses.get_mut((place as usize).wrapping_sub(1)) {
            let mass = &mut row[class(age)];
            if is_first {
                // It was counted just now, as one block.
                *mass = Mass { blocks: mass.blocks - 1.0, squares: mass.squares - 1.0 };
            }
            mass.add(weight);
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
    pub(crate) fn of(&self, stack: u32) -> Option<Freed> {
        let place = self.places.get(stack as usize).copied().unwrap_or(NONE);
        if place == NONE {
            return Some(Freed { blocks: [0; CLASSES], masses: None });
        }
        let row = place as usize - 1;
        let blocks = self.rows.get(row).copied()?;
        let masses = self.masses.as_ref().and_then(|masses| masses.get(row)).copied();
        Some(Freed { blocks, masses })
    }

    /// Freed blocks of which no age was kept.
    pub(crate) const fn untold(&self) -> u64 {
        self.untold
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.places.capacity() * size_of::<u32>()
            + self.rows.capacity() * size_of::<[u64; CLASSES]>()
            + self.masses.as_ref().map_or(0, Vec::capacity) * size_of::<[Mass; CLASSES]>()
    }
}

#[cfg(test)]
mod tests {
    use super::{Lifespans, MOST_ROWS, Weight};
    use crate::engine::trend::{CLASSES, Mass, begins, class};
    use proptest::prelude::*;
    use std::collections::HashMap;

    #[test]
    fn without_room_it_counts() {
        let mut spans = Lifespans::default();
        for stack in 0..MOST_ROWS as u32 + 5 {
            spans.freed(stack, begins(3), None);
            spans.freed(stack, begins(3), None);
        }
        spans.freed(u32::MAX, 0, None);
        assert_eq!(spans.untold(), 11);
        assert_eq!(spans.of(0).unwrap().blocks[3], 2);
        assert_eq!(spans.of(MOST_ROWS as u32), None);
        assert_eq!(spans.of(u32::MAX).unwrap().blocks, [0; CLASSES]);
        assert!(spans.memory_bytes() < 5 << 20);
    }

    proptest! {
        #[test]
        fn it_counts_as_a_map(
            freed in prop::collection::vec((0_u32..50, any::<u64>(), 1_u64..1000), 0..200),
            samples_from in 0_usize..300,
        ) {
            let (mut spans, mut model) = (Lifespans::default(), HashMap::new());
            let mut masses: HashMap<u32, [Mass; CLASSES]> = HashMap::new();
            let are_samples = samples_from < freed.len();
            for (number, (stack, age, size)) in freed.into_iter().enumerate() {
                let weight = (number >= samples_from).then(|| Weight::of(size, 500));
                spans.freed(stack, age, weight);
                model.entry(stack).or_insert([0; CLASSES])[class(age)] += 1;
                masses.entry(stack).or_default()[class(age)]
                    .add(weight.map_or(1.0, |weight| weight.blocks));
            }
            for stack in 0..60 {
                let expected = model.get(&stack).copied().unwrap_or([0; CLASSES]);
                let found = spans.of(stack).unwrap();
                prop_assert_eq!(found.blocks, expected);
                let Some(expected) = masses.get(&stack).filter(|_| are_samples) else {
                    prop_assert_eq!(found.masses, None);
                    continue;
                };
                for (found, expected) in found.masses.unwrap().iter().zip(expected) {
                    let is_near = |a: f64, b: f64| (a - b).abs() <= 1e-9 * b;
                    prop_assert!(is_near(found.blocks, expected.blocks));
                    prop_assert!(is_near(found.squares, expected.squares));
                }
            }
            prop_assert_eq!(spans.untold(), 0);
        }
    }
}
