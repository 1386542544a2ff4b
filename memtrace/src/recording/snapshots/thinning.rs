//! Which snapshots stay when a file is full: the latest ones all, of the others one in each stretch of time. Stretches
//! become longer until enough has gone, so that what is old is known more coarsely, and all of the run alike.

use crate::model::ids::Nanos;
use serde::{Deserialize, Serialize};

/// What was left out of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thinned {
    /// How often it was thinned.
    pub times: u64,
    /// Snapshots that are left out, together.
    pub dropped: u64,
    /// Of them snapshots of moments that the user named.
    pub dropped_marks: u64,
    /// Of those before the latest ones there is one in each so long stretch, ns; 0: it was never thinned.
    pub spacing: Nanos,
    /// When the latest ones began, on the events' clock: from there on there are all, up to when it was thinned.
    pub whole_from: Nanos,
}

/// A snapshot in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) time: Nanos,
    /// The user named the moment.
    pub(super) is_mark: bool,
    /// Bytes that it takes.
    pub(super) bytes: u64,
}

/// How much is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Measure {
    pub(super) spacing: Nanos,
    /// So many of the latest stay.
    pub(super) latest: usize,
    /// Those stay that the user named.
    pub(super) with_marks: bool,
}

impl Measure {
    /// Of a file whose older snapshots are so far apart: those that have become old since are to be so, too.
    pub(super) const fn first(spacing: Nanos, count: usize) -> Self {
        let spacing = if spacing == 0 { 1 } else { spacing };
        Self { spacing, latest: count / 4 + 1, with_marks: true }
    }

    /// The next one, which leaves out more; `None`: only the latest snapshot would stay.
    pub(super) fn more(self, places: &[Place]) -> Option<Self> {
        let span = places.last()?.time.saturating_sub(places.first()?.time);
        let spacing = self.spacing.saturating_mul(2);
        if self.spacing <= span {
            return Some(Self { spacing, ..self });
        }
        if self.latest > 1 {
            return Some(Self { spacing, latest: self.latest / 2, ..self });
        }
        self.with_marks.then_some(Self { with_marks: false, ..self })
    }

    /// Which stay. The first and the last do, as long as there are two.
    pub(super) fn kept(self, places: &[Place]) -> Vec<bool> {
        let Some(first) = places.first() else { return Vec::new() };
        let stretch = |place: &Place| place.time.saturating_sub(first.time) / self.spacing.max(1);
        let whole = places.len().saturating_sub(self.latest.max(1));
        let mut before = None;
        let kept = places.iter().enumerate().map(|(number, place)| {
            let is_first = before != Some(stretch(place));
            before = Some(stretch(place));
            is_first || number >= whole || (self.with_marks && place.is_mark)
        });
        kept.collect()
    }

    /// Bytes of those that stay: at least what they take then, as steps over what is left out are larger.
    pub(super) fn bytes(self, places: &[Place]) -> u64 {
        let kept = self.kept(places);
        places.iter().zip(kept).filter(|(_, kept)| *kept).map(|(place, _)| place.bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::{Measure, Place};
    use proptest::prelude::*;

    fn places() -> impl Strategy<Value = Vec<Place>> {
        prop::collection::vec((1_u64..1000, prop::bool::weighted(0.05)), 1..300).prop_map(|steps| {
            let mut time = 0;
            let place = |(step, is_mark)| {
                time += step;
                Place { time, is_mark, bytes: 10 }
            };
            steps.into_iter().map(place).collect()
        })
    }

    proptest! {
        #[test]
        fn ends_marks_the_latest_and_one_of_each_stretch_stay(
            places in places(), spacing in 1_u64..5000,
        ) {
            let measure = Measure::first(spacing, places.len());
            let kept = measure.kept(&places);
            prop_assert_eq!(kept.len(), places.len());
            prop_assert!(kept[0] && kept[kept.len() - 1]);
            prop_assert!(kept.iter().rev().take(places.len() / 4).all(|kept| *kept));
            for (place, kept) in places.iter().zip(&kept) {
                prop_assert!(*kept || !place.is_mark);
            }
            // Whatever moment is asked for, there is one as near before it as the stretches are long.
            for (number, place) in places.iter().enumerate() {
                let nearest = (0..=number).rev().find(|it| kept[*it]).unwrap();
                prop_assert!(place.time - places[nearest].time < measure.spacing);
            }
        }

        #[test]
        fn less_and_less_stays_until_there_are_two(places in places()) {
            let mut measure = Measure::first(1, places.len());
            let mut steps = 0;
            while let Some(more) = measure.more(&places) {
                prop_assert!(more.bytes(&places) <= measure.bytes(&places));
                (measure, steps) = (more, steps + 1);
            }
            prop_assert!(steps < 100);
            prop_assert!(measure.kept(&places).iter().filter(|kept| **kept).count() <= 2);
        }
    }

    #[test]
    fn evenly_spaced_ones_are_halved_where_they_are_old() {
        let places: Vec<Place> =
            (0..100).map(|n| Place { time: 1000 + n * 10, is_mark: n == 13, bytes: 1 }).collect();
        let kept = Measure::first(20, places.len()).kept(&places);
        let old = (0..74).filter(|n| kept[*n]).collect::<Vec<_>>();
        let expected: Vec<usize> = (0..74).filter(|n| n % 2 == 0 || *n == 13).collect();
        assert_eq!(old, expected);
        assert!(kept[74..].iter().all(|kept| *kept));
    }
}
