//! What both sides know of a chunk at the same point of it, and so need not write.

use super::{MOST_KINDS, MOST_WORDS, Origin};
use std::collections::HashMap;

/// Addresses that are looked at again.
const REMEMBERED: usize = 32;
/// Stands for an address that is not among them.
pub(super) const UNFORESEEN: u64 = REMEMBERED as u64;

/// Room for them: one that is new is put before the others, and they are moved together when it is used up.
const ROOM: usize = 2 * REMEMBERED;

/// Fewer than so many are moved one by one when one of them comes again.
const NEAR: usize = 8;

/// The latest addresses of a process, each once, the latest first.
#[derive(Clone, Debug)]
pub(super) struct Recent {
    room: [u64; ROOM],
    /// Where the latest is.
    first: usize,
}

impl Recent {
    pub(super) fn new() -> Self {
        Self { room: [0; ROOM], first: ROOM - REMEMBERED }
    }

    /// The latest one.
    pub(super) fn latest(&self) -> u64 {
        self.room[self.first]
    }

    /// How many came after this one.
    pub(super) fn place(&self, address: u64) -> Option<usize> {
        self.room[self.first..][..REMEMBERED].iter().position(|other| *other == address)
    }

    /// The one after which so many came.
    pub(super) fn at(&self, place: u64) -> Option<u64> {
        self.room[self.first..][..REMEMBERED].get(usize::try_from(place).ok()?).copied()
    }

    /// It is the latest one now.
    pub(super) fn push(&mut self, address: u64, place: Option<usize>) {
        let first = self.first;
        match place.filter(|place| *place < REMEMBERED) {
            // Most are near, and moved before a call would have begun.
            Some(place) if place < NEAR => {
                for at in (first..first + place).rev() {
                    self.room[at + 1] = self.room[at];
                }
            }
            Some(place) => self.room.copy_within(first..first + place, first + 1),
            None if first > 0 => self.first -= 1,
            None => {
                self.room.copy_within(..REMEMBERED - 1, ROOM - REMEMBERED + 1);
                self.first = ROOM - REMEMBERED;
            }
        }
        self.room[self.first] = address;
    }
}

/// See the file's head.
#[derive(Debug)]
pub(super) struct Foresight {
    /// The last record's.
    pub(super) time: u64,
    /// By the number of a process: the order in which they came.
    recent: Vec<Recent>,
    processes: HashMap<u32, usize>,
    /// By the number of a stack.
    sizes: Vec<u64>,
    /// The last words of each kind and place.
    words: [[u64; MOST_WORDS]; MOST_KINDS],
}

impl Foresight {
    pub(super) fn new() -> Self {
        Self {
            time: 0,
            recent: Vec::new(),
            processes: HashMap::new(),
            sizes: Vec::new(),
            words: [[0; MOST_WORDS]; MOST_KINDS],
        }
    }

    /// The number of an origin's process, which may be new.
    pub(super) fn process(&mut self, origin: &Origin) -> usize {
        let next = self.recent.len();
        let number = *self.processes.entry(origin.process).or_insert(next);
        if number == next {
            self.recent.push(Recent::new());
        }
        number
    }

    /// A process's addresses, by its number.
    pub(super) fn recent(&mut self, process: usize) -> &mut Recent {
        &mut self.recent[process]
    }

    /// The last word of this kind at this place.
    pub(super) fn word(&mut self, kind: u8, place: usize) -> &mut u64 {
        &mut self.words[usize::from(kind) % MOST_KINDS][place % MOST_WORDS]
    }

    /// What this stack asked for last.
    pub(super) fn size(&mut self, stack: usize) -> &mut u64 {
        if stack >= self.sizes.len() {
            self.sizes.resize(stack + 1, 0);
        }
        &mut self.sizes[stack]
    }
}

#[cfg(test)]
mod tests {
    use super::{REMEMBERED, ROOM, Recent};

    /// Against the plain way: a list that is moved each time.
    #[test]
    fn the_latest_come_first() {
        let mut plain = vec![0; REMEMBERED];
        let mut recent = Recent::new();
        let mut random = 7_u64;
        for _ in 0..20 * ROOM {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let address = (random >> 33) % (2 * REMEMBERED as u64);
            let place = recent.place(address);
            assert_eq!(place, plain.iter().position(|other| *other == address));
            recent.push(address, place);
            plain.remove(place.unwrap_or(REMEMBERED - 1));
            plain.insert(0, address);
            assert_eq!(recent.latest(), address);
            for (place, other) in plain.iter().enumerate() {
                assert_eq!(recent.at(place as u64), Some(*other));
            }
            assert_eq!(recent.at(REMEMBERED as u64), None);
        }
    }
}
