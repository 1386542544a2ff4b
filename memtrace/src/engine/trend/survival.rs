//! How long blocks live, where many are still alive when one looks.

use super::Band;
use crate::model::ids::Nanos;

/// Classes of ages: each reaches to twice the age of the one before.
pub const CLASSES: usize = 32;
/// The first class holds what is younger than this: about a millisecond. The last but one reaches to 12
/// days.
pub const FIRST_CLASS: Nanos = 1 << 20;
/// The normal distribution's quantile that leaves out 2.5 % on each side.
const NORMAL: f64 = 1.959_963_985;

/// Blocks by their age when they were freed, and by their age now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lifetimes {
    /// Freed at this age.
    pub freed: [u64; CLASSES],
    /// Alive at this age: how old they will become is not known.
    pub alive: [u64; CLASSES],
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
    #[must_use]
    pub fn survival(&self) -> [Option<Band>; CLASSES] {
        let mut curve = [None; CLASSES];
        let sum = |classes: &[u64; CLASSES]| classes.iter().map(|count| *count as f64).sum::<f64>();
        let (mut left, mut share, mut spread) =
            (sum(&self.freed) + sum(&self.alive), 1.0_f64, 0.0_f64);
        for (place, point) in curve.iter_mut().enumerate() {
            if left <= 0.0 {
                break;
            }
            let half = NORMAL * share * spread.sqrt();
            *point = Some(Band {
                low: (share - half).max(0.0),
                middle: share,
                high: (share + half).min(1.0),
            });
            let (freed, alive) = (self.freed[place] as f64, self.alive[place] as f64);
            let exposed = left - alive;
            if freed > 0.0 && exposed > 0.0 {
                share *= (1.0 - freed / exposed).max(0.0);
                let rest = exposed - freed;
                spread += if rest > 0.0 { freed / (exposed * rest) } else { 0.0 };
            }
            left -= freed + alive;
        }
        curve
    }
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
    use super::{CLASSES, FIRST_CLASS, Lifetimes, begins, class};
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

    proptest! {
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
