//! How long blocks live, where many are still alive when one looks.

use super::Band;
use crate::model::ids::Nanos;
use serde::{Deserialize, Serialize};

/// Classes of ages: each reaches to twice the age of the one before.
pub const CLASSES: usize = 32;
/// The first class holds what is younger than this: about a millisecond. The last but one reaches to 12
/// days.
pub const FIRST_CLASS: Nanos = 1 << 20;
/// The normal distribution's quantile that leaves out 2.5 % on each side.
const NORMAL: f64 = 1.959_963_985;

/// Blocks by their age when they were freed, and by their age now.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Lifetimes {
    /// Freed at this age; of samples, the samples.
    pub freed: [u64; CLASSES],
    /// Alive at this age: how old they will become is not known.
    pub alive: [u64; CLASSES],
    /// What they stand for, if any is a sample.
    pub masses: Option<Masses>,
}

/// What blocks stand for, by class of age.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Masses {
    /// As [`Lifetimes::freed`].
    pub freed: [Mass; CLASSES],
    /// As [`Lifetimes::alive`].
    pub alive: [Mass; CLASSES],
}

/// What some blocks stand for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Mass {
    /// The sum of their weights: so many blocks.
    pub blocks: f64,
    /// The sum of the squares of their weights.
    pub squares: f64,
}

impl Mass {
    /// So many blocks, each of which stands for itself.
    #[must_use]
    pub const fn of(blocks: u64) -> Self {
        Self { blocks: blocks as f64, squares: blocks as f64 }
    }

    /// One more block, of this weight.
    pub fn add(&mut self, weight: f64) {
        self.blocks += weight;
        self.squares += weight * weight;
    }
}

impl std::ops::Add for Mass {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { blocks: self.blocks + other.blocks, squares: self.squares + other.squares }
    }
}

/// The class of an age.
#[must_use]
pub const fn class(age: Nanos) -> usize {
    let doublings = (age / FIRST_CLASS + 1).ilog2() as usize;
    if doublings < CLASSES { doublings } else { CLASSES - 1 }
}

/// The age at which a class begins.
#[must_use]
pub const fn begins(class: usize) -> Nanos {
    FIRST_CLASS * ((1 << class) - 1)
}

impl Lifetimes {
    /// The share of blocks that live at least until each class begins, with its interval of 95 %: the
    /// estimator of Kaplan and Meier (1958) for grouped ages, and the variance of Greenwood (1926). `None`
    /// from where nothing is known.
    ///
    /// What is alive within a class counts as if it had not reached it. (The actuarial method counts half of
    /// it. Where nearly all that reach a class also die in it, as classes are wide, that makes those that
    /// are just young look as if they stayed.) So the curve is too low rather than too high.
    ///
    /// Samples count for what they stand for. In the variance there are then as many blocks as would tell as
    /// much if all had one weight: `(Σw)²/Σw²` (Kish, *Survey Sampling*, 1965). Where all weights are 1 that
    /// is their number. Where blocks of one size go and those of another stay, the interval is too wide
    /// rather than too narrow.
    #[must_use]
    pub fn survival(&self) -> [Option<Band>; CLASSES] {
        let mut curve = [None; CLASSES];
        let Masses { freed, alive } = self.masses();
        let (freed_from, alive_from) = (sums(&freed), sums(&alive));
        let (mut share, mut spread) = (1.0_f64, 0.0_f64);
        for (place, point) in curve.iter_mut().enumerate() {
            let left = freed_from[place] + alive_from[place];
            if left.blocks <= 0.0 {
                break;
            }
            let half = NORMAL * share * spread.sqrt();
            *point = Some(Band {
                low: (share - half).max(0.0),
                middle: share,
                high: (share + half).min(1.0),
            });
            let exposed = freed_from[place] + alive_from[place + 1];
            let rest = freed_from[place + 1] + alive_from[place + 1];
            if freed[place].blocks > 0.0 {
                share *= rest.blocks / exposed.blocks;
                spread += step(&freed[place], &exposed, &rest);
            }
        }
        curve
    }

    /// What the blocks stand for.
    #[must_use]
    pub fn masses(&self) -> Masses {
        self.masses.unwrap_or_else(|| Masses {
            freed: self.freed.map(Mass::of),
            alive: self.alive.map(Mass::of),
        })
    }
}

/// What there is of each class and all later ones, and of none: summed from the end, as what is left of
/// subtracting would be rounded.
fn sums(masses: &[Mass; CLASSES]) -> [Mass; CLASSES + 1] {
    let mut sums = [Mass::default(); CLASSES + 1];
    for class in (0..CLASSES).rev() {
        sums[class] = sums[class + 1] + masses[class];
    }
    sums
}

/// Greenwood's summand: `h / ((1 − h) n)`, where `h` is the share that is freed of what is exposed and `n` how
/// many blocks tell of it; that is `d / (n (n − d))`.
fn step(freed: &Mass, exposed: &Mass, rest: &Mass) -> f64 {
    if rest.blocks <= 0.0 {
        return 0.0;
    }
    let tell = exposed.blocks * exposed.blocks / exposed.squares;
    freed.blocks / (rest.blocks * tell)
}

impl Lifetimes {
    /// The curve where it changes, and as far as it is known: ages, and the share that lives so long.
    #[must_use]
    pub fn steps(&self) -> Vec<(Nanos, Band)> {
        let curve = self.survival();
        let known: Vec<(Nanos, Band)> =
            (0..).zip(curve).map_while(|(class, band)| Some((begins(class), band?))).collect();
        let last = known.len().saturating_sub(1);
        let is_step = |place: &usize| {
            *place == 0 || *place == last || known[place - 1].1.middle != known[*place].1.middle
        };
        (0..known.len()).filter(is_step).map(|place| known[place]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{CLASSES, FIRST_CLASS, Lifetimes, Mass, Masses, begins, class};
    use proptest::prelude::*;

    #[test]
    fn classes_double() {
        assert_eq!((class(0), class(FIRST_CLASS - 1), class(FIRST_CLASS)), (0, 0, 1));
        assert_eq!((class(3 * FIRST_CLASS - 1), class(3 * FIRST_CLASS)), (1, 2));
        assert_eq!(class(u64::MAX), CLASSES - 1);
        for number in 0..CLASSES {
            assert_eq!(class(begins(number)), number);
        }
    }

    #[test]
    fn without_live_blocks_it_is_the_share_that_is_left() {
        let mut lifetimes = Lifetimes::default();
        lifetimes.freed[..3].copy_from_slice(&[50, 30, 20]);
        let curve = lifetimes.survival();
        let middles: Vec<f64> = curve.iter().flatten().map(|band| band.middle).collect();
        assert_eq!(middles.len(), 3);
        for (found, expected) in middles.iter().zip([1.0, 0.5, 0.2]) {
            assert!((found - expected).abs() < 1e-12, "{middles:?}");
        }
        // Greenwood: 0.5² × 50/(100 × 50).
        let half = 1.96 * 0.5 * (0.01_f64).sqrt();
        assert!((curve[1].unwrap().high - 0.5 - half).abs() < 1e-4);
    }

    #[test]
    fn blocks_that_stay_make_a_plateau() {
        let mut lifetimes = Lifetimes::default();
        lifetimes.freed[0] = 900;
        lifetimes.alive[10] = 100;
        let curve = lifetimes.survival();
        assert!((curve[1].unwrap().middle - 0.1).abs() < 1e-12);
        assert_eq!(curve[10], curve[1]);
        assert_eq!(curve[11], None);
        let steps: Vec<_> = lifetimes.steps().into_iter().map(|(age, _)| age).collect();
        assert_eq!(steps, [begins(0), begins(1), begins(10)]);
        assert!(Lifetimes::default().steps().is_empty());
    }

    /// A sample for a hundred blocks that went, and one for a single block that stayed.
    #[test]
    fn samples_count_for_what_they_stand_for() {
        let mut lifetimes = Lifetimes::default();
        (lifetimes.freed[0], lifetimes.alive[3]) = (1, 1);
        assert_eq!(lifetimes.survival()[1].unwrap().middle, 0.5);
        let mut masses = Masses::default();
        masses.freed[0].add(99.0);
        masses.alive[3].add(1.0);
        lifetimes.masses = Some(masses);
        let band = lifetimes.survival()[1].unwrap();
        assert!((band.middle - 0.01).abs() < 1e-12, "{band:?}");
        // Two samples tell little beside a hundred blocks that were seen.
        let mut one_by_one = Lifetimes::default();
        (one_by_one.freed[0], one_by_one.alive[3]) = (99, 1);
        let exact = one_by_one.survival()[1].unwrap();
        assert!((exact.middle - band.middle).abs() < 1e-12);
        assert!(band.high - band.middle > 5.0 * (exact.high - exact.middle), "{band:?} {exact:?}");
    }

    proptest! {
        /// All weights equal: the same curve, and the interval of as many samples.
        #[test]
        fn a_common_weight_changes_nothing(freed in prop::collection::vec(0_u64..1000, CLASSES),
                                           alive in prop::collection::vec(0_u64..1000, CLASSES),
                                           weight in 1.0_f64..1e6) {
            let mut lifetimes = Lifetimes::default();
            lifetimes.freed.copy_from_slice(&freed);
            lifetimes.alive.copy_from_slice(&alive);
            let mass = |blocks: u64| Mass {
                blocks: blocks as f64 * weight,
                squares: blocks as f64 * weight * weight,
            };
            let masses =
                Masses { freed: lifetimes.freed.map(mass), alive: lifetimes.alive.map(mass) };
            let sampled = Lifetimes { masses: Some(masses), ..lifetimes };
            for (plain, sampled) in lifetimes.survival().iter().zip(sampled.survival()) {
                let (Some(plain), Some(sampled)) = (plain, sampled) else {
                    prop_assert_eq!(plain.is_some(), sampled.is_some());
                    continue;
                };
                for (a, b) in [
                    (plain.low, sampled.low),
                    (plain.middle, sampled.middle),
                    (plain.high, sampled.high),
                ] {
                    prop_assert!((a - b).abs() < 1e-9, "{:?} {:?}", plain, sampled);
                }
            }
        }

        #[test]
        fn it_falls_from_one(freed in prop::collection::vec(0_u64..1 << 40, CLASSES),
                             alive in prop::collection::vec(0_u64..1 << 40, CLASSES)) {
            let mut lifetimes = Lifetimes::default();
            lifetimes.freed.copy_from_slice(&freed);
            lifetimes.alive.copy_from_slice(&alive);
            let mut before = 1.0;
            for band in lifetimes.survival().iter().flatten() {
                prop_assert!(band.low <= band.middle && band.middle <= band.high);
                prop_assert!(band.middle <= before && band.low >= 0.0 && band.high <= 1.0);
                before = band.middle;
            }
        }
    }
}
