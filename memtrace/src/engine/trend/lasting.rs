//! How long blocks live, in figures that can be said in a sentence.

use super::survival::{CLASSES, Lifetimes, begins};
use crate::model::ids::Nanos;

/// How long the blocks of a stack live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lasting {
    /// At least half of them live at least so long, by the survival curve; `None` if the curve tells
    /// nothing, or nothing was freed.
    pub half: Option<Nanos>,
    /// From this age on none was freed …
    pub none_freed_from: Nanos,
    /// … and so many blocks are older than that; an estimate if they are samples.
    pub older: u64,
}

/// See [`Lasting`]. Ages are beginnings of classes, so that what is said holds exactly.
pub(super) fn lasting(lifetimes: &Lifetimes) -> Lasting {
    let from = lifetimes.freed.iter().rposition(|blocks| *blocks > 0).map_or(0, |last| last + 1);
    let alive = lifetimes.masses().alive;
    let older = alive.iter().skip(from).map(|mass| mass.blocks).sum::<f64>().round() as u64;
    Lasting {
        half: (from > 0).then(|| half(lifetimes)).flatten(),
        none_freed_from: if from < CLASSES { begins(from) } else { Nanos::MAX },
        older,
    }
}

fn half(lifetimes: &Lifetimes) -> Option<Nanos> {
    let curve = lifetimes.survival();
    let is_half = |band: &Option<super::Band>| band.is_some_and(|band| band.middle >= 0.5);
    curve.iter().rposition(is_half).map(begins)
}

#[cfg(test)]
mod tests {
    use super::{Lasting, begins, lasting};
    use crate::engine::trend::{CLASSES, Lifetimes};
    use proptest::prelude::*;

    #[test]
    fn what_is_never_freed_is_older_than_all_that_was() {
        let mut lifetimes = Lifetimes::default();
        lifetimes.freed[2] = 90;
        lifetimes.alive[2] = 3;
        lifetimes.alive[9] = 7;
        let expected = Lasting { half: Some(begins(2)), none_freed_from: begins(3), older: 7 };
        assert_eq!(lasting(&lifetimes), expected);
    }

    #[test]
    fn where_nothing_was_freed_all_stay() {
        let mut lifetimes = Lifetimes::default();
        assert_eq!(lasting(&lifetimes), Lasting::default());
        lifetimes.alive[0] = 4;
        lifetimes.alive[31] = 1;
        assert_eq!(lasting(&lifetimes), Lasting { older: 5, ..Lasting::default() });
    }

    proptest! {
        #[test]
        fn no_block_was_freed_from_there_on(freed in prop::collection::vec(0_u64..2, CLASSES),
                                            alive in prop::collection::vec(0_u64..9, CLASSES)) {
            let mut lifetimes = Lifetimes::default();
            lifetimes.freed.copy_from_slice(&freed);
            lifetimes.alive.copy_from_slice(&alive);
            let found = lasting(&lifetimes);
            let older = (0..CLASSES).filter(|class| begins(*class) >= found.none_freed_from);
            let older: Vec<usize> = older.collect();
            prop_assert!(older.iter().all(|class| freed[*class] == 0));
            prop_assert_eq!(found.older, older.iter().map(|class| alive[*class]).sum::<u64>());
        }
    }
}
