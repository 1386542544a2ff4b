//! How old blocks become, by what a view sums.

use super::amount::Amount;
use super::group::{Entry, Naming};
use super::weigh::Weighed;
use crate::engine::snapshot::Confidence;
use crate::engine::trend::{CLASSES, Lifetimes, Mass};
use std::collections::BTreeMap;

/// The normal distribution's quantile that leaves out 2.5 % on each side.
const NORMAL: f64 = 1.959_963_985;

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
    pub fn freed(&self, classes: std::ops::Range<usize>) -> Amount {
        let Lifetimes { freed, masses, .. } = &self.lifetimes;
        sum(freed, masses.as_ref().map(|it| &it.freed), classes)
    }

    /// Blocks that are alive, of these classes of age.
    #[must_use]
    pub fn alive(&self, classes: std::ops::Range<usize>) -> Amount {
        let Lifetimes { alive, masses, .. } = &self.lifetimes;
        sum(alive, masses.as_ref().map(|it| &it.alive), classes)
    }
}

/// The number of blocks; it has no bytes.
///
/// A sample that was drawn with probability p stands for w = 1/p blocks and adds (1 − p)/p² = w² − w to the variance
/// of their sum (Horvitz and Thompson, 1952).
fn sum(
    counts: &[u64; CLASSES],
    masses: Option<&[Mass; CLASSES]>,
    classes: std::ops::Range<usize>,
) -> Amount {
    let counted = counts[classes.clone()].iter().fold(0, |sum: u64, it| sum.saturating_add(*it));
    let Some(masses) = masses else { return Amount::exact(0, counted) };
    let mass = masses[classes].iter().fold(Mass::default(), |sum, it| sum + *it);
    let half = NORMAL * (mass.squares - mass.blocks).max(0.0).sqrt();
    // Those that were seen are there.
    let low = (mass.blocks - half).round().max(counted as f64) as u64;
    let around = Confidence { low, high: (mass.blocks + half).round() as u64 };
    let blocks = mass.blocks.round() as u64;
    Amount::new(0, blocks, Some((Confidence { low: 0, high: 0 }, around)))
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
    let blocks =
        |life: &Life| life.freed(0..CLASSES).count.saturating_add(life.alive(0..CLASSES).count);
    lives.retain(|life| blocks(life) > 0 || life.untold > 0);
    lives.sort_by_cached_key(|life| std::cmp::Reverse(blocks(life)));
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
