//! Why memtrace has blocks that a peer has not.

use super::events::{Event, Origin, Seen, sums};
use super::matching::Matched;
use std::collections::{BTreeMap, HashMap};

/// A peer, as far as its absence of blocks is to be explained.
#[derive(Clone, Copy, Debug)]
pub(super) struct Habits {
    pub(super) name: &'static str,
    /// How the name of its library begins: it has put itself in front of the allocator with it.
    pub(super) library: &'static str,
}

impl Habits {
    /// Whether the call came through the function that the peer has put in front of the allocator's.
    fn passed(self, origin: &Origin) -> bool {
        origin.files.first().is_some_and(|file| file.starts_with(self.library))
    }

    /// Whether the peer should have a block.
    pub(super) fn has(self, origin: &Origin) -> bool {
        self.passed(origin) && !self.asked(origin)
    }

    /// Whether the peer itself asked: its library is in the stack once more, beyond the function that it has put in
    /// front of the allocator's.
    pub(super) fn asked(self, origin: &Origin) -> bool {
        let is_its = |file: &String| file.starts_with(self.library);
        origin.files.iter().skip(1).any(is_its)
    }
}

/// Why.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reason {
    /// Before the first one that the peer has.
    Before,
    /// After the last one.
    After,
    /// The peer's own.
    Own,
    /// The function of the allocator's was called from this file, past what the peer has put in front of it.
    Past(String, String),
    /// None of these: the files of the stack.
    Unknown(String),
}

/// Blocks with one reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) blocks: u64,
    pub(super) bytes: u64,
    pub(super) left_blocks: u64,
    pub(super) left_bytes: u64,
}

/// Sorts memtrace's blocks that the peer has not.
pub(super) fn explained(seen: &Seen, matched: &Matched, peer: Habits) -> BTreeMap<Reason, Group> {
    let first = matched.is_shared.iter().position(|shared| *shared);
    let last = matched.is_shared.iter().rposition(|shared| *shared);
    let reason = |index: usize, origin: &Origin| match (first, last) {
        (Some(first), _) if index < first => Reason::Before,
        (_, Some(last)) if index > last => Reason::After,
        _ if peer.asked(origin) => Reason::Own,
        _ if !peer.passed(origin) => {
            let file = origin.files.first().cloned().unwrap_or_default();
            Reason::Past(origin.function.clone(), file)
        }
        _ => Reason::Unknown(origin.files.join(" < ")),
    };
    let mut groups: BTreeMap<Reason, Vec<Event>> = BTreeMap::new();
    // The reason of the block that lives at an address.
    let mut live: HashMap<u64, Reason> = HashMap::new();
    for (index, event) in seen.events.iter().enumerate() {
        let ended = live.remove(&event.address());
        if let Some(reason) = ended {
            groups.entry(reason).or_default().push(Event::Given { address: event.address() });
        }
        if let Event::Taken { address, origin, .. } = *event
            && !matched.is_shared[index]
        {
            let reason = reason(index, &seen.origins[origin]);
            groups.entry(reason.clone()).or_default().push(*event);
            live.insert(address, reason);
        }
    }
    groups.into_iter().map(|(reason, events)| (reason, Group::of(&events))).collect()
}

impl Group {
    fn of(events: &[Event]) -> Self {
        let sums = sums(events);
        Self {
            blocks: sums.blocks,
            bytes: sums.bytes,
            left_blocks: sums.left_blocks,
            left_bytes: sums.left_bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::events::{Event, Origin, Seen};
    use super::super::matching::matched;
    use super::{Group, Habits, Reason, explained};

    #[test]
    fn each_block_has_one_reason() {
        let origin = |function: &str, files: &[&str]| Origin {
            function: function.to_owned(),
            files: files.iter().map(|&file| file.to_owned()).collect(),
        };
        let taken = |address, origin| Event::Taken { address, size: 10, origin };
        let seen = Seen {
            events: vec![
                taken(1, 0),
                taken(2, 0),
                taken(3, 1),
                Event::Given { address: 3 },
                taken(4, 2),
                taken(5, 3),
                taken(6, 0),
                taken(7, 0),
            ],
            origins: vec![
                origin("malloc", &["libpeer.so", "program"]),
                origin("malloc", &["libpeer.so", "libstdc++.so", "libpeer.so"]),
                origin("memalign", &["program"]),
                origin("malloc", &["libpeer.so", "odd"]),
            ],
            ..Seen::default()
        };
        let peer = Seen { events: vec![taken(2, 0), taken(6, 0)], ..Seen::default() };
        let habits = Habits { name: "peer", library: "libpeer" };
        let matched = matched(&seen, &peer, &|origin| habits.has(&seen.origins[origin]));
        let groups = explained(&seen, &matched, habits);
        let one = Group { blocks: 1, bytes: 10, left_blocks: 1, left_bytes: 10 };
        let reasons: Vec<Reason> = groups.keys().cloned().collect();
        let memalign = Reason::Past("memalign".to_owned(), "program".to_owned());
        let odd = Reason::Unknown("libpeer.so < odd".to_owned());
        assert_eq!(reasons, [Reason::Before, Reason::After, Reason::Own, memalign, odd]);
        let gone = Group { left_blocks: 0, left_bytes: 0, ..one };
        assert_eq!(groups.into_values().collect::<Vec<_>>(), [one, one, gone, one, one]);
    }
}
