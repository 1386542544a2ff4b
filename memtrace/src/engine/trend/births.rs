//! Live blocks counted by their age and by when they were born: what one walk over them tells of lifetimes.

use super::judge::COHORTS;
use super::survival::{CLASSES, Lifetimes, Mass, Masses, class};
use crate::model::ids::Nanos;
use serde::{Deserialize, Serialize};

/// The blocks that live at the end of a watch, while they are counted.
#[derive(Clone, Debug)]
pub(crate) struct Births {
    since: Nanos,
    until: Nanos,
    /// Cohorts per nanosecond.
    scale: f64,
    alive: [u32; CLASSES],
    cohorts: [u32; COHORTS],
    /// What those alive stand for, where any block is a sample.
    masses: Option<Box<[Mass; CLASSES]>>,
}

/// Freed blocks of a stack by class of age, and what they stand for if any is a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Freed {
    pub(crate) blocks: [u64; CLASSES],
    pub(crate) masses: Option<[Mass; CLASSES]>,
}

impl Births {
    /// Where `are_sampled`, blocks count for what they stand for.
    pub(crate) fn new(since: Nanos, until: Nanos, are_sampled: bool) -> Self {
        let watched = until.saturating_sub(since).max(1);
        let scale = COHORTS as f64 / watched as f64;
        let masses = are_sampled.then(|| Box::new([Mass::default(); CLASSES]));
        Self { since, until, scale, alive: [0; CLASSES], cohorts: [0; COHORTS], masses }
    }

    /// A live block that stands for `weight` blocks. Older than the watch are those that a child inherited:
    /// they count as its first.
    #[inline]
    pub(crate) fn add(&mut self, born: Nanos, weight: impl FnOnce() -> f64) {
        let age = self.until.saturating_sub(born);
        let alive = &mut self.alive[class(age)];
        *alive = alive.saturating_add(1);
        if let Some(masses) = &mut self.masses {
            masses[class(age)].add(weight());
        }
        let cohort = (born.saturating_sub(self.since) as f64 * self.scale) as usize;
        let blocks = &mut self.cohorts[cohort.min(COHORTS - 1)];
        *blocks = blocks.saturating_add(1);
    }

    pub(crate) const fn cohorts(&self) -> [u32; COHORTS] {
        self.cohorts
    }

    /// Together with the blocks that were freed; `None` if their ages are not known.
    pub(crate) fn ages(&self, freed: Option<Freed>) -> Option<Ages> {
        let freed = freed?;
        let alive = self.alive.map(u64::from);
        let masses = (self.masses.is_some() || freed.masses.is_some()).then(|| Masses {
            freed: freed.masses.unwrap_or_else(|| freed.blocks.map(Mass::of)),
            alive: self.masses.as_deref().copied().unwrap_or_else(|| alive.map(Mass::of)),
        });
        let count = |class: usize| AgeCount {
            class: class as u8,
            freed: freed.blocks[class],
            alive: alive[class],
            masses: masses.map(|it| Box::new([it.freed[class], it.alive[class]])),
        };
        let some = (0..CLASSES).filter(|class| freed.blocks[*class] + alive[*class] > 0);
        Some(Ages(some.map(count).collect()))
    }
}

/// Blocks of a class of ages.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgeCount {
    /// The class.
    pub class: u8,
    /// Freed at this age.
    pub freed: u64,
    /// Alive at this age.
    pub alive: u64,
    /// What both stand for, if any block of the stack is a sample.
    pub masses: Option<Box<[Mass; 2]>>,
}

/// [`Lifetimes`], kept small: most stacks' blocks are of a few classes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ages(pub Box<[AgeCount]>);

impl Ages {
    /// In full.
    #[must_use]
    pub fn lifetimes(&self) -> Lifetimes {
        let mut lifetimes = Lifetimes::default();
        self.add_to(&mut lifetimes);
        lifetimes
    }

    /// The blocks that are alive here, with those that were freed there.
    #[must_use]
    pub fn freed_as(&self, freed: &Self) -> Self {
        let alive = self.0.iter().map(|it| {
            let masses = it.masses.as_ref().map(|it| Box::new([Mass::default(), it[1]]));
            AgeCount { freed: 0, masses, ..it.clone() }
        });
        let mut all: Vec<AgeCount> = alive.filter(|it| it.alive > 0).collect();
        for gone in freed.0.iter().filter(|it| it.freed > 0) {
            match all.iter_mut().find(|it| it.class == gone.class) {
                Some(both) => {
                    let is_sampled = both.masses.is_some() || gone.masses.is_some();
                    let masses = [gone.masses()[0], both.masses()[1]];
                    both.masses = is_sampled.then(|| Box::new(masses));
                    both.freed = gone.freed;
                }
                None => all.push(AgeCount { alive: 0, ..gone.clone() }),
            }
        }
        all.sort_by_key(|it| it.class);
        Self(all.into())
    }

    /// Adds them up.
    pub fn add_to(&self, sum: &mut Lifetimes) {
        let are_samples = self.0.iter().any(|count| count.masses.is_some());
        if are_samples && sum.masses.is_none() {
            sum.masses = Some(sum.masses());
        }
        for count in &self.0 {
            let class = usize::from(count.class).min(CLASSES - 1);
            if let Some(masses) = &mut sum.masses {
                let [freed, alive] = count.masses();
                masses.freed[class] = masses.freed[class] + freed;
                masses.alive[class] = masses.alive[class] + alive;
            }
            sum.freed[class] = sum.freed[class].saturating_add(count.freed);
            sum.alive[class] = sum.alive[class].saturating_add(count.alive);
        }
    }
}

impl AgeCount {
    /// What those that were freed and those that are alive stand for.
    #[must_use]
    pub fn masses(&self) -> [Mass; 2] {
        let plain = || [self.freed, self.alive].map(Mass::of);
        self.masses.as_deref().copied().unwrap_or_else(plain)
    }
}

#[cfg(test)]
mod tests {
    use super::{Births, COHORTS, Freed};
    use crate::engine::trend::{CLASSES, Lifetimes, class};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_block_is_counted_once_in_its_class_and_part(
            since in 0_u64..1 << 50, watched in 0_u64..1 << 50,
            births in prop::collection::vec(0_u64..1 << 51, 0..50),
            freed in prop::collection::vec(0_u64..3, CLASSES),
        ) {
            let until = since + watched;
            let mut counted = Births::new(since, until, false);
            births.iter().for_each(|born| counted.add(*born, || unreachable!()));
            let freed: [u64; CLASSES] = freed.try_into().unwrap();
            let plain = Freed { blocks: freed, masses: None };
            let lifetimes = counted.ages(Some(plain)).unwrap().lifetimes();
            prop_assert_eq!(lifetimes.freed, freed);
            prop_assert_eq!(lifetimes.masses, None);
            let mut alive = [0; CLASSES];
            births.iter().for_each(|born| alive[class(until.saturating_sub(*born))] += 1);
            prop_assert_eq!(lifetimes.alive, alive);
            prop_assert_eq!(counted.cohorts().iter().sum::<u32>() as usize, births.len());
            let early = births.iter().filter(|born| **born <= since).count();
            prop_assert!(counted.cohorts()[0] as usize >= early);
            prop_assert_eq!(counted.ages(None), None);
        }

        /// Stacks with samples and without, added up in any order.
        #[test]
        fn samples_weigh_and_others_count(
            seen in 0_u64..50, weights in prop::collection::vec(1.0_f64..1e4, 1..20),
            is_first in any::<bool>(),
        ) {
            let mut sampled = Births::new(0, 1000, true);
            weights.iter().for_each(|weight| sampled.add(900, || *weight));
            let none = Freed { blocks: [0; CLASSES], masses: None };
            let mut plain = [0; CLASSES];
            plain[0] = seen;
            let plain = Births::new(0, 1000, false).ages(Some(Freed { blocks: plain, masses: None }));
            let mut ages = [sampled.ages(Some(none)).unwrap(), plain.unwrap()];
            if is_first {
                ages.reverse();
            }
            let mut sum = Lifetimes::default();
            ages.iter().for_each(|ages| ages.add_to(&mut sum));
            let masses = sum.masses();
            let total: f64 = weights.iter().sum();
            prop_assert!((masses.alive[0].blocks - total).abs() < 1e-6);
            prop_assert_eq!(masses.freed[0], super::Mass::of(seen));
            prop_assert_eq!((sum.freed[0], sum.alive[0]), (seen, weights.len() as u64));
        }

        #[test]
        fn cohorts_are_equal_parts(part in 0..COHORTS) {
            let mut counted = Births::new(100, 100 + 16_000, false);
            counted.add(100 + part as u64 * 1000 + 500, || 1.0);
            prop_assert_eq!(counted.cohorts()[part], 1);
        }
    }
}
