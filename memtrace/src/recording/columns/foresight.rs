//! What both sides know of a chunk at the same point of it, and so need not write.

use super::{MOST_KINDS, MOST_WORDS, Origin};
use std::collections::HashMap;

/// Addresses that are looked at again.
const REMEMBERED: usize = 32;
/// Stands for an address that is not among them.
pub(super) const UNFORESEEN: u64 = REMEMBERED as u64;

/// The latest addresses of a process, each once, the latest first.
#[derive(Clone, Debug)]
pub(super) struct Recent([u64; REMEMBERED]);

impl Recent {
    /// The latest one.
    pub(super) const fn latest(&self) -> u64 {
        self.0[0]
    }

    /// How many came after this one.
    pub(super) fn place(&self, address: u64) -> Option<usize> {
        self.0.iter().position(|other| *other == address)
    }

    /// The one after which so many came.
    pub(super) fn at(&self, place: u64) -> Option<u64> {
        self.0.get(usize::try_from(place).ok()?).copied()
    }

    /// It is the latest one now.
    pub(super) fn push(&mut self, address: u64, place: Option<usize>) {
        let place = place.unwrap_or(REMEMBERED - 1).min(REMEMBERED - 1);
        self.0.copy_within(..place, 1);
        self.0[0] = address;
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
            self.recent.push(Recent([0; REMEMBERED]));
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
