//! Which snapshots stay when a file is full: the latest ones all, of the others one in each stretch of time. Stretches
//! become longer until enough has gone, so that what is old is known more coarsely, and all of the run alike. All is
//! measured in bytes: snapshots of a busy time may each take as much as hundreds of an idle one.

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
    /// Of moments that the user named one stays in each so long stretch; 0: all do, `None`: none does.
    pub(super) marks: Option<Nanos>,
}

impl Measure {
    /// Of a file whose older snapshots are so far apart: those that have become old since are to be so, too. The latest
    /// are a quarter of all, or those in the last quarter of its bytes, if they are fewer.
    pub(super) fn first(spacing: Nanos, places: &[Place]) -> Self {
        let mut room = bytes(places) / 4;
        let fits = |place: &&Place| {
            let left = room.checked_sub(place.bytes);
            room = left.unwrap_or(room);
            left.is_some()
        };
        let latest = places.iter().rev().take(places.len() / 4 + 1).take_while(fits).count().max(1);
        Self { spacing: spacing.max(1), latest, marks: Some(0) }
    }

    /// The next one, which leaves out more: first old ones that nobody named, then all but the last one, then those of
    /// marks. `None`: only the first and the last would stay.
    pub(super) fn more(self, places: &[Place]) -> Option<Self> {
        let span = places.last()?.time.saturating_sub(places.first()?.time);
        if self.spacing <= span {
            return Some(Self { spacing: self.spacing.saturating_mul(2), ..self });
        }
        if self.latest > 1 {
            return Some(Self { latest: self.latest / 2, ..self });
        }
        let apart = self.marks?;
        // From very short stretches on, as it is not known how many marks are too many.
        let longer = if apart == 0 { (span >> 20).max(1) } else { apart.saturating_mul(2) };
        Some(Self { marks: (apart <= span).then_some(longer), ..self })
    }

    /// Has more of the latest stay until those that stay have so many bytes: stretches are made twice as long at a
    /// time, and what that leaves out beyond need is room for what is known best. Nothing is added if all would stay.
    pub(super) fn filled(self, places: &[Place], wanted: u64, most: u64) -> Self {
        let mut kept = self.kept(places);
        let (mut sum, mut latest) = (self.bytes(places), self.latest);
        let older = places.len().saturating_sub(latest);
        for number in (0..older).rev() {
            let more = if kept[number] { 0 } else { places[number].bytes };
            if sum >= wanted || sum + more >= most {
                break;
            }
            kept[number] = true;
            (sum, latest) = (sum + more, latest + 1);
        }
        if kept.contains(&false) { Self { latest, ..self } } else { self }
    }

    /// Which stay. The first and the last do, as long as there are two.
    pub(super) fn kept(self, places: &[Place]) -> Vec<bool> {
        let Some(first) = places.first() else { return Vec::new() };
        let since = |place: &Place| place.time.saturating_sub(first.time);
        let whole = places.len().saturating_sub(self.latest.max(1));
        let (mut before, mut mark_before) = (None, None);
        let kept = places.iter().enumerate().map(|(number, place)| {
            let is_first = begins(&mut before, since(place) / self.spacing.max(1));
            let is_marked = match self.marks {
                Some(0) => place.is_mark,
                Some(apart) => place.is_mark && begins(&mut mark_before, since(place) / apart),
                None => false,
            };
            is_first || is_marked || number >= whole
        });
        kept.collect()
    }

    /// Bytes of those that stay: at least what they take then, as steps over what is left out are larger.
    pub(super) fn bytes(self, places: &[Place]) -> u64 {
        let kept = self.kept(places);
        places.iter().zip(kept).filter(|(_, kept)| *kept).map(|(place, _)| place.bytes).sum()
    }
}

/// Bytes of all.
pub(super) fn bytes(places: &[Place]) -> u64 {
    places.iter().map(|place| place.bytes).sum()
}

/// Whether a stretch is another one than that of the one before.
fn begins(before: &mut Option<Nanos>, stretch: Nanos) -> bool {
    before.replace(stretch) != Some(stretch)
}

#[cfg(test)]
mod tests {
    use super::{Measure, Place, bytes};
    use proptest::prelude::*;

    fn places() -> impl Strategy<Value = Vec<Place>> {
        let one = (1_u64..1000, prop::bool::weighted(0.05), prop_oneof![1_u64..9, 1_u64..5000]);
        prop::collection::vec(one, 1..300).prop_map(|steps| {
            let mut time = 0;
            let place = |(step, is_mark, bytes)| {
                time += step;
                Place { time, is_mark, bytes }
            };
            steps.into_iter().map(place).collect()
        })
    }

    proptest! {
        #[test]
        fn ends_marks_the_latest_and_one_of_each_stretch_stay(
            places in places(), spacing in 1_u64..5000, wanted in 0_u64..1_000_000,
        ) {
            let first = Measure::first(spacing, &places);
            prop_assert!(first.latest == 1 || bytes(&places[places.len() - first.latest..]) <= bytes(&places) / 4);
            for measure in [first, first.filled(&places, wanted, wanted + 5000)] {
                let kept = measure.kept(&places);
                prop_assert_eq!(kept.len(), places.len());
                prop_assert!(kept[0] && kept[kept.len() - 1]);
                prop_assert!(kept.iter().rev().take(measure.latest).all(|kept| *kept));
                for (place, kept) in places.iter().zip(&kept) {
                    prop_assert!(*kept || !place.is_mark);
                }
                // Whatever moment is asked for, there is one as near before it as the stretches are long.
                for (number, place) in places.iter().enumerate() {
                    let nearest = (0..=number).rev().find(|it| kept[*it]).unwrap();
                    prop_assert!(place.time - places[nearest].time < measure.spacing);
                }
            }
        }

        #[test]
        fn less_and_less_stays_until_there_are_two(places in places()) {
            let mut measure = Measure::first(1, &places);
            let mut steps = 0;
            while let Some(more) = measure.more(&places) {
                prop_assert!(more.bytes(&places) <= measure.bytes(&places));
                (measure, steps) = (more, steps + 1);
            }
            prop_assert!(steps < 150);
            prop_assert!(measure.kept(&places).iter().filter(|kept| **kept).count() <= 2);
        }

        #[test]
        fn what_is_filled_has_what_was_wanted_or_no_room_for_the_next(
            places in places(), spacing in 1_u64..5000, share in 1_u64..9,
        ) {
            let measure = Measure::first(spacing, &places);
            let wanted = bytes(&places) * share / 10;
            let most = wanted + wanted / 2;
            let filled = measure.filled(&places, wanted, most);
            let (before, after) = (measure.bytes(&places), filled.bytes(&places));
            prop_assert!(after >= before && (after == before || after < most));
            prop_assert_eq!(filled.spacing, measure.spacing);
            let largest = places.iter().map(|place| place.bytes).max().unwrap();
            let all_stays = bytes(&places) < most;
            prop_assert!(after >= wanted || after + largest >= most || all_stays);
        }
    }

    #[test]
    fn evenly_spaced_ones_are_halved_where_they_are_old() {
        let places: Vec<Place> =
            (0..100).map(|n| Place { time: 1000 + n * 10, is_mark: n == 13, bytes: 1 }).collect();
        let kept = Measure::first(20, &places).kept(&places);
        let old = (0..75).filter(|n| kept[*n]).collect::<Vec<_>>();
        let expected: Vec<usize> = (0..75).filter(|n| n % 2 == 0 || *n == 13).collect();
        assert_eq!(old, expected);
        assert!(kept[75..].iter().all(|kept| *kept));
    }

    #[test]
    fn too_many_marks_are_thinned_by_stretches() {
        let mut places: Vec<Place> =
            (0..1000).map(|n| Place { time: n * 1000, is_mark: n % 5 > 0, bytes: 10 }).collect();
        places[0].is_mark = true;
        let mut measure = Measure::first(1000, &places);
        while measure.bytes(&places) >= 5000 {
            measure = measure.more(&places).unwrap();
        }
        let stay = measure.kept(&places);
        let times = (0..1000).filter(|n| stay[*n]).map(|n| places[n].time).collect::<Vec<_>>();
        assert!(times.len() > 200, "{measure:?}: {} stay", times.len());
        let widest = times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
        assert!(widest <= 10_000, "{measure:?}: {widest} ns apart");
    }
}
