//! Live blocks counted by their age and by when they were born: what one walk over them tells of lifetimes.

use super::judge::COHORTS;
use super::survival::{CLASSES, Lifetimes, class};
use crate::model::ids::Nanos;

/// The blocks that live at the end of a watch, while they are counted.
#[derive(Clone, Debug)]
pub(crate) struct Births {
    since: Nanos,
    until: Nanos,
    /// Cohorts per nanosecond.
    scale: f64,
    alive: [u32; CLASSES],
    cohorts: [u32; COHORTS],
}

impl Births {
    pub(crate) fn new(since: Nanos, until: Nanos) -> Self {
        let watched = until.saturating_sub(since).max(1);
        let scale = COHORTS as f64 / watched as f64;
        Self { since, until, scale, alive: [0; CLASSES], cohorts: [0; COHORTS] }
    }

    /// A live block. Older than the watch are those that a child inherited: they count as its first.
    #[inline]
    pub(crate) fn add(&mut self, born: Nanos) {
        let age = self.until.saturating_sub(born);
        let alive = &mut self.alive[class(age)];
        *alive = alive.saturating_add(1);
        let cohort = (born.saturating_sub(self.since) as f64 * self.scale) as usize;
        let blocks = &mut self.cohorts[cohort.min(COHORTS - 1)];
        *blocks = blocks.saturating_add(1);
    }

    pub(crate) const fn cohorts(&self) -> [u32; COHORTS] {
        self.cohorts
    }

    /// Together with the blocks that were freed; `None` if their ages are not known.
    pub(crate) fn ages(&self, freed: Option<[u64; CLASSES]>) -> Option<Ages> {
        let freed = freed?;
        let classes = (0..).zip(freed.into_iter().zip(self.alive.map(u64::from)));
        let some = classes.filter(|(_, (freed, alive))| freed + alive > 0);
        Some(Ages(some.map(|(class, (freed, alive))| AgeCount { class, freed, alive }).collect()))
    }
}

/// Blocks of a class of ages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgeCount {
    /// The class.
    pub class: u8,
    /// Freed at this age.
    pub freed: u64,
    /// Alive at this age.
    pub alive: u64,
}

/// [`Lifetimes`], kept small: most stacks' blocks are of a few classes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ages(pub Box<[AgeCount]>);

impl Ages {
    /// In full.
    #[must_use]
    pub fn lifetimes(&self) -> Lifetimes {
        let mut lifetimes = Lifetimes::default();
        self.add_to(&mut lifetimes);
        lifetimes
    }

    /// Adds them up.
    pub fn add_to(&self, sum: &mut Lifetimes) {
        for count in &self.0 {
            let class = usize::from(count.class).min(CLASSES - 1);
            sum.freed[class] = sum.freed[class].saturating_add(count.freed);
            sum.alive[class] = sum.alive[class].saturating_add(count.alive);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Births, COHORTS};
    use crate::engine::trend::{CLASSES, class};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_block_is_counted_once_in_its_class_and_part(
            since in 0_u64..1 << 50, watched in 0_u64..1 << 50,
            births in prop::collection::vec(0_u64..1 << 51, 0..50),
            freed in prop::collection::vec(0_u64..3, CLASSES),
        ) {
            let until = since + watched;
            let mut counted = Births::new(since, until);
            births.iter().for_each(|born| counted.add(*born));
            let freed: [u64; CLASSES] = freed.try_into().unwrap();
            let lifetimes = counted.ages(Some(freed)).unwrap().lifetimes();
            prop_assert_eq!(lifetimes.freed, freed);
            let mut alive = [0; CLASSES];
            births.iter().for_each(|born| alive[class(until.saturating_sub(*born))] += 1);
            prop_assert_eq!(lifetimes.alive, alive);
            prop_assert_eq!(counted.cohorts().iter().sum::<u32>() as usize, births.len());
            let early = births.iter().filter(|born| **born <= since).count();
            prop_assert!(counted.cohorts()[0] as usize >= early);
            prop_assert_eq!(counted.ages(None), None);
        }

        #[test]
        fn cohorts_are_equal_parts(part in 0..COHORTS) {
            let mut counted = Births::new(100, 100 + 16_000);
            counted.add(100 + part as u64 * 1000 + 500);
            prop_assert_eq!(counted.cohorts()[part], 1);
        }
    }
}
