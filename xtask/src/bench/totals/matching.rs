//! Which of memtrace's events a peer saw, too, in the same process.

use super::events::{Event, Seen};
use std::collections::HashMap;

/// The answer.
#[derive(Debug)]
pub(super) struct Matched {
    /// Of each of memtrace's events, whether the peer has it.
    pub(super) is_shared: Vec<bool>,
    /// The peer's blocks that memtrace has not: how many, and their bytes.
    pub(super) missing: (u64, u64),
}

impl Matched {
    /// Those of memtrace's events that both have.
    pub(super) fn shared<'a>(&'a self, seen: &'a Seen) -> impl Iterator<Item = &'a Event> {
        seen.events
            .iter()
            .zip(&self.is_shared)
            .filter(|(_, shared)| **shared)
            .map(|(event, _)| event)
    }
}

/// What happened at one address, in memtrace's order, and how far the peer has come there.
#[derive(Default)]
struct Place {
    events: Vec<usize>,
    next: usize,
    /// The block there is one that both know.
    is_known: bool,
}

/// Matches by address and size, address by address in order. `is_likely` says of memtrace's origins whether the peer
/// should have their blocks: where two events look alike, those are taken first for the one that it has.
pub(super) fn matched(seen: &Seen, peer: &Seen, is_likely: &dyn Fn(usize) -> bool) -> Matched {
    let mut places: HashMap<u64, Place> = HashMap::new();
    for (index, event) in seen.events.iter().enumerate() {
        places.entry(event.address()).or_default().events.push(index);
    }
    let mut matched = Matched { is_shared: vec![false; seen.events.len()], missing: (0, 0) };
    for event in &peer.events {
        let place = places.entry(event.address()).or_default();
        match *event {
            Event::Taken { size, .. } => {
                let fits = |&at: &usize, likely: bool| {
                    matches!(seen.events[place.events[at]],
                        Event::Taken { size: its, origin, .. } if its == size && is_likely(origin) == likely)
                };
                let mut ahead = place.next..place.events.len();
                let found = ahead.clone().find(|at| fits(at, true));
                match found.or_else(|| ahead.find(|at| fits(at, false))) {
                    Some(at) => matched.take(place, at),
                    None => {
                        matched.missing.0 += 1;
                        matched.missing.1 += size;
                        place.is_known = false;
                    }
                }
            }
            // It is the next thing that happens to the block, if memtrace has it at all.
            Event::Given { .. } if place.is_known => {
                let next = place.events.get(place.next).map(|&index| seen.events[index]);
                if matches!(next, Some(Event::Given { .. })) {
                    matched.take(place, place.next);
                }
                place.is_known = false;
            }
            Event::Given { .. } => {}
        }
    }
    matched
}

impl Matched {
    fn take(&mut self, place: &mut Place, at: usize) {
        self.is_shared[place.events[at]] = true;
        place.next = at + 1;
        place.is_known = true;
    }
}

#[cfg(test)]
mod tests {
    use super::super::events::{Event, Seen, sums};
    use super::matched;

    fn seen(events: &[(char, u64, u64, usize)]) -> Seen {
        let event = |&(kind, address, size, origin): &(char, u64, u64, usize)| match kind {
            '+' => Event::Taken { address, size, origin },
            _ => Event::Given { address },
        };
        Seen { events: events.iter().map(event).collect(), ..Seen::default() }
    }

    #[test]
    fn what_the_peer_leaves_out_is_left_out() {
        // Its own block was at the same address and of the same size, just before.
        let all =
            seen(&[('+', 1, 8, 9), ('-', 1, 0, 0), ('+', 1, 8, 0), ('+', 2, 5, 0), ('-', 1, 0, 0)]);
        let peer = seen(&[('+', 1, 8, 0), ('+', 2, 5, 0), ('-', 1, 0, 0)]);
        let matched = matched(&all, &peer, &|origin| origin != 9);
        assert_eq!(matched.is_shared, [false, false, true, true, true]);
        assert_eq!(matched.missing, (0, 0));
        assert_eq!(sums(matched.shared(&all)), sums(&peer.events));
    }

    #[test]
    fn what_memtrace_has_not_is_missing() {
        let all = seen(&[('+', 1, 8, 0), ('-', 1, 0, 0)]);
        let peer = seen(&[('+', 1, 8, 0), ('-', 1, 0, 0), ('+', 1, 8, 0), ('+', 3, 100, 0)]);
        let matched = matched(&all, &peer, &|_| true);
        assert_eq!(matched.missing, (2, 108));
    }

    #[test]
    fn a_peer_that_ends_early_has_not_the_frees_that_follow() {
        let all = seen(&[('+', 1, 8, 0), ('-', 1, 0, 0)]);
        let peer = seen(&[('-', 7, 0, 0), ('+', 1, 8, 0)]);
        assert_eq!(matched(&all, &peer, &|_| true).is_shared, [true, false]);
    }
}
