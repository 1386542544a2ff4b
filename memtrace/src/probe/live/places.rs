//! Places in an array that is filled and emptied piece by piece while others read it.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// Part of an array.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// Index of its first item.
    pub(super) first: u32,
    /// How many items.
    pub(super) count: u32,
}

/// Which places of an array are free. One that was given back rests before it is taken again, because
/// somebody who was told of it may still read there.
#[derive(Clone, Debug)]
pub(super) struct Places {
    /// Counts by first index; no two touch.
    free: BTreeMap<u32, u32>,
    /// Given back and when, oldest first.
    resting: VecDeque<(Instant, Place)>,
    rest: Duration,
}

impl Places {
    /// An empty array of `length` items, of which those given back rest for `rest`.
    pub(super) fn new(length: u32, rest: Duration) -> Self {
        let all = (length > 0).then_some((0, length));
        Self { free: all.into_iter().collect(), resting: VecDeque::new(), rest }
    }

    /// Takes the lowest place with room for `count` items. An empty place takes nothing.
    pub(super) fn take(&mut self, count: u32, now: Instant) -> Option<Place> {
        self.wake(now);
        if count == 0 {
            return Some(Place::default());
        }
        let (&first, _) = self.free.iter().find(|(_, room)| **room >= count)?;
        self.cut(Place { first, count });
        Some(Place { first, count })
    }

    /// Whether [`Self::take`] would find a place.
    pub(super) fn has_room(&mut self, count: u32, now: Instant) -> bool {
        self.wake(now);
        count == 0 || self.free.values().any(|room| *room >= count)
    }

    /// Takes places for these pieces, in order. Pieces may be apart, but none is cut: a place holds so
    /// many whole pieces that follow each other as it has items.
    pub(super) fn take_pieces(
        &mut self,
        pieces: impl Iterator<Item = u32>,
        now: Instant,
    ) -> Option<Vec<Place>> {
        self.wake(now);
        let mut pieces = pieces.peekable();
        let mut taken = Vec::new();
        for (&first, &room) in &self.free {
            let mut count = 0;
            while let Some(piece) = pieces.next_if(|piece| *piece <= room - count) {
                count += piece;
            }
            taken.extend((count > 0).then_some(Place { first, count }));
        }
        if pieces.peek().is_some() {
            return None;
        }
        taken.iter().for_each(|place| self.cut(*place));
        Some(taken)
    }

    /// Whether [`Self::take_pieces`] would surely find places for pieces with `count` items together,
    /// of which the largest has `largest`.
    pub(super) fn has_room_in_pieces(&mut self, count: u32, largest: u32, now: Instant) -> bool {
        self.wake(now);
        if count == 0 || self.free.values().any(|room| *room >= count) {
            return true;
        }
        // In each free place less than the largest piece is left over.
        let usable = self.free.values().map(|room| (room + 1).saturating_sub(largest.max(1)));
        usable.map(u64::from).sum::<u64>() >= u64::from(count)
    }

    /// The same, when all that rests has rested.
    pub(super) fn rested(&self) -> Self {
        let mut later = self.clone();
        while let Some((_, place)) = later.resting.pop_front() {
            later.join(place);
        }
        later
    }

    /// Gives back a place that was taken, once nobody new is told of it.
    pub(super) fn give_back(&mut self, place: Place, now: Instant) {
        if place.count > 0 {
            self.resting.push_back((now, place));
        }
    }

    /// Takes a place from the beginning of a free one.
    fn cut(&mut self, place: Place) {
        let Place { first, count } = place;
        if let Some(room) = self.free.remove(&first)
            && room > count
        {
            self.free.insert(first + count, room - count);
        }
    }

    /// Frees what has rested.
    fn wake(&mut self, now: Instant) {
        while let Some((since, place)) = self.resting.front().copied()
            && now.saturating_duration_since(since) >= self.rest
        {
            self.resting.pop_front();
            self.join(place);
        }
    }

    /// Adds a free place, joined with those that it touches.
    fn join(&mut self, place: Place) {
        let Place { mut first, mut count } = place;
        if let Some((&before, &room)) = self.free.range(..first).next_back()
            && before + room == first
        {
            self.free.remove(&before);
            (first, count) = (before, room + count);
        }
        if let Some(room) = self.free.remove(&(first + count)) {
            count += room;
        }
        self.free.insert(first, count);
    }
}

#[cfg(test)]
mod tests {
    use super::{Place, Places};
    use proptest::collection::vec;
    use proptest::prelude::*;
    use std::time::{Duration, Instant};

    const REST: Duration = Duration::from_secs(10);
    const LENGTH: u32 = 64;

    fn seconds(number: u64) -> Duration {
        Duration::from_secs(number)
    }

    fn place(first: u32, count: u32) -> Place {
        Place { first, count }
    }

    #[test]
    fn what_was_given_back_rests() {
        let now = Instant::now();
        let mut places = Places::new(10, REST);
        let (first, second) = (places.take(6, now).unwrap(), places.take(4, now).unwrap());
        assert_eq!((first.first, second.first), (0, 6));
        assert_eq!(places.take(1, now), None);
        assert_eq!(places.take(0, now), Some(Place::default()));
        places.give_back(first, now);
        assert!(places.rested().has_room(6, now) && !places.rested().has_room(7, now));
        assert!(!places.has_room(1, now + seconds(9)));
        assert_eq!(places.take(5, now + seconds(10)), Some(place(0, 5)));
        places.give_back(second, now + seconds(10));
        assert_eq!(places.take(5, now + seconds(20)), Some(place(5, 5)));
    }

    #[test]
    fn an_array_without_items_has_room_for_none() {
        let now = Instant::now();
        let mut places = Places::new(0, REST);
        assert!(places.has_room(0, now) && !places.has_room(1, now));
        assert_eq!(places.take(1, now), None);
        assert_eq!(places.take_pieces([].into_iter(), now), Some(vec![]));
        assert_eq!(places.take_pieces([1].into_iter(), now), None);
    }

    #[test]
    fn pieces_lie_where_there_is_room_for_each() {
        let now = Instant::now();
        let mut places = Places::new(20, REST);
        let holes = [4, 1, 6, 1].map(|count| places.take(count, now).unwrap());
        places.give_back(holes[0], now);
        places.give_back(holes[2], now);
        let now = now + REST;
        // Free: 0 to 3, 5 to 10, 12 to 19.
        assert!(places.has_room_in_pieces(12, 3, now) && !places.has_room_in_pieces(13, 3, now));
        assert_eq!(places.take_pieces([5, 5, 5].into_iter(), now), None);
        let taken = places.take_pieces([3, 3, 3, 3, 2].into_iter(), now);
        assert_eq!(taken, Some(vec![place(0, 3), place(5, 6), place(12, 5)]));
        assert_eq!(places.take_pieces([4].into_iter(), now), None);
        assert_eq!(
            places.take_pieces([1, 3].into_iter(), now),
            Some(vec![place(3, 1), place(17, 3)])
        );
    }

    /// What a step does: takes so many items, takes pieces of so many, or gives back one of the places
    /// that are taken.
    #[derive(Clone, Debug)]
    enum Act {
        Take(u32),
        Pieces(Vec<u32>),
        GiveBack(usize),
    }

    /// Steps, and how many seconds pass before each.
    fn steps() -> impl Strategy<Value = Vec<(Act, u64)>> {
        let act = prop_oneof![
            (0..LENGTH / 4).prop_map(Act::Take),
            vec(1..6_u32, 0..8).prop_map(Act::Pieces),
            any::<usize>().prop_map(Act::GiveBack),
            any::<usize>().prop_map(Act::GiveBack),
        ];
        vec((act, 0..7_u64), 1..200)
    }

    /// What was taken, if what was said before was true.
    fn take(places: &mut Places, act: &Act, now: Instant) -> Result<Vec<Place>, TestCaseError> {
        Ok(match act {
            Act::Take(count) => {
                let has_room = places.has_room(*count, now);
                let taken = places.take(*count, now);
                prop_assert_eq!(taken.is_some(), has_room);
                prop_assert!(taken.is_none_or(|place| place.count == *count));
                taken.into_iter().filter(|place| place.count > 0).collect()
            }
            Act::Pieces(pieces) => {
                let largest = pieces.iter().copied().max().unwrap_or_default();
                let surely = places.has_room_in_pieces(pieces.iter().sum(), largest, now);
                let taken = places.take_pieces(pieces.iter().copied(), now);
                prop_assert!(taken.is_some() || !surely);
                let taken = taken.unwrap_or_default();
                // Each place holds the next whole pieces.
                let mut rest = pieces.iter();
                for place in &taken {
                    let mut count = 0;
                    while count < place.count {
                        count += rest.next().copied().unwrap_or(LENGTH);
                    }
                    prop_assert_eq!(count, place.count);
                }
                prop_assert!(taken.is_empty() || rest.next().is_none());
                taken
            }
            Act::GiveBack(_) => Vec::new(),
        })
    }

    proptest! {
        #[test]
        fn nothing_is_given_twice_and_everything_comes_back(steps in steps()) {
            let mut now = Instant::now();
            let mut places = Places::new(LENGTH, REST);
            let mut taken: Vec<Place> = Vec::new();
            // Until when somebody may read each item that was given back.
            let mut read_until = vec![now; LENGTH as usize];
            for (act, pause) in steps {
                now += seconds(pause);
                let items = |place: &Place| place.first as usize..(place.first + place.count) as usize;
                for new in take(&mut places, &act, now)? {
                    prop_assert!(new.first + new.count <= LENGTH);
                    let apart = |other: &Place| items(other).all(|item| !items(&new).contains(&item));
                    prop_assert!(taken.iter().all(apart));
                    prop_assert!(read_until[items(&new)].iter().all(|until| *until <= now));
                    taken.push(new);
                }
                if let Act::GiveBack(which) = act && !taken.is_empty() {
                    let old = taken.swap_remove(which % taken.len());
                    read_until[items(&old)].fill(now + REST);
                    places.give_back(old, now);
                }
            }
            taken.into_iter().for_each(|place| places.give_back(place, now));
            prop_assert!(places.rested().has_room(LENGTH, now));
            prop_assert_eq!(places.take(LENGTH, now + REST), Some(place(0, LENGTH)));
        }
    }
}
