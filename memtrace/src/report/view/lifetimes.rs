//! How old blocks become, by what a view sums.

use super::amount::Amount;
use super::group::{Entry, Naming};
use super::weigh::Weighed;
use crate::engine::sampling::Estimate;
use crate::engine::snapshot::Confidence;
use crate::engine::trend::{CLASSES, Lifetimes, Mass};
use std::collections::BTreeMap;
use std::ops::Range;

/// How old the blocks of one entry became.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Life {
    /// What it is.
    pub entry: Entry,
    /// By class of age.
    pub lifetimes: Lifetimes,
    /// Stacks of it of which no ages were kept.
    pub untold: u64,
}

impl Life {
    /// Blocks that were freed, of these classes of age.
    #[must_use]
    pub fn freed(&self, classes: Range<usize>) -> Amount {
        let Lifetimes { freed, masses, .. } = &self.lifetimes;
        sum(freed, masses.as_ref().map(|it| &it.freed), classes)
    }

    /// All its blocks, of whatever age, freed or not.
    #[must_use]
    pub fn blocks(&self) -> u64 {
        self.freed(0..CLASSES).count.saturating_add(self.alive(0..CLASSES).count)
    }

    /// Blocks that are alive, of these classes of age.
    #[must_use]
    pub fn alive(&self, classes: Range<usize>) -> Amount {
        let Lifetimes { alive, masses, .. } = &self.lifetimes;
        sum(alive, masses.as_ref().map(|it| &it.alive), classes)
    }
}

/// The number of blocks; it has no bytes. Where there are samples and none is of these classes, it is not known how
/// many blocks there may be.
fn sum(counts: &[u64; CLASSES], masses: Option<&[Mass; CLASSES]>, classes: Range<usize>) -> Amount {
    let counted = counts[classes.clone()].iter().fold(0, |sum: u64, it| sum.saturating_add(*it));
    let Some(masses) = masses else { return Amount::exact(0, counted) };
    if counted == 0 {
        return Amount::vague(0, 0);
    }
    let mass = masses[classes].iter().fold(Mass::default(), |sum, it| sum + *it);
    let variance = (mass.squares - mass.blocks).max(0.0);
    let around = Estimate::summed(mass.blocks, variance, counted).interval(0.0);
    let none = Confidence { low: 0, high: 0 };
    Amount::new(0, mass.blocks.round() as u64, Some((none, Confidence::of(around))))
}

/// Of each entry that is the innermost one of a stack, most blocks first.
#[must_use]
pub fn lives(weighed: &Weighed<'_>, naming: Naming) -> Vec<Life> {
    let mut lives: BTreeMap<Entry, Life> = BTreeMap::new();
    for stack in &weighed.stacks {
        let Some(entry) = naming.path(stack).pop() else { continue };
        let life = lives.entry(entry).or_default();
        match stack.ages {
            Some(ages) => ages.add_to(&mut life.lifetimes),
            None => life.untold += 1,
        }
    }
    let mut lives: Vec<Life> =
        lives.into_iter().map(|(entry, life)| Life { entry, ..life }).collect();
    lives.retain(|life| life.blocks() > 0 || life.untold > 0);
    lives.sort_by_cached_key(|life| std::cmp::Reverse(life.blocks()));
    lives
}

/// All of them together.
#[must_use]
pub(super) fn together(lives: &[Life]) -> Life {
    let mut all = Life::default();
    for life in lives {
        all.untold += life.untold;
        add(&mut all.lifetimes, &life.lifetimes);
    }
    all
}

fn add(sum: &mut Lifetimes, more: &Lifetimes) {
    let masses =
        (sum.masses.is_some() || more.masses.is_some()).then(|| (sum.masses(), more.masses()));
    for class in 0..CLASSES {
        sum.freed[class] = sum.freed[class].saturating_add(more.freed[class]);
        sum.alive[class] = sum.alive[class].saturating_add(more.alive[class]);
    }
    if let Some((mut masses, more)) = masses {
        for class in 0..CLASSES {
            masses.freed[class] = masses.freed[class] + more.freed[class];
            masses.alive[class] = masses.alive[class] + more.alive[class];
        }
        sum.masses = Some(masses);
    }
}

#[cfg(test)]
mod tests {
    use super::{Life, together};
    use crate::engine::trend::{Lifetimes, Mass};

    fn sampled() -> Life {
        let mut lifetimes = Lifetimes::default();
        lifetimes.freed[3] = 2;
        let mut masses = lifetimes.masses();
        masses.freed[3] = Mass { blocks: 20.0, squares: 200.0 };
        lifetimes.masses = Some(masses);
        Life { lifetimes, ..Life::default() }
    }

    fn counted() -> Life {
        let mut lifetimes = Lifetimes::default();
        (lifetimes.freed[3], lifetimes.alive[0]) = (5, 7);
        Life { lifetimes, untold: 1, ..Life::default() }
    }

    #[test]
    fn what_samples_stand_for_has_its_range() {
        let freed = sampled().freed(3..4);
        let around = freed.count_around().unwrap();
        assert_eq!(freed.count, 20);
        // Two were seen, and two samples tell little.
        assert!(around.low >= 2 && around.low < 10 && around.high > 40, "{around:?}");
        let none = sampled().freed(4..5);
        assert!(none.is_estimate() && none.count_around().is_none() && none.count == 0);
        let exact = counted().freed(0..32);
        assert_eq!((exact.count, exact.is_estimate()), (5, false));
    }

    #[test]
    fn samples_and_others_are_added() {
        let all = together(&[counted(), sampled(), counted()]);
        assert_eq!((all.untold, all.freed(3..4).count, all.alive(0..1).count), (2, 30, 14));
        let around = all.freed(3..4).count_around().unwrap();
        assert!(around.low >= 12 && around.low < 30, "those that count for themselves are sure");
    }
}
