//! What both sides know of a chunk at the same point of it, and so need not write.

use super::{MOST_KINDS, MOST_WORDS, Origin};
use std::collections::HashMap;

/// See the file's head.
#[derive(Debug)]
pub(super) struct Foresight {
    /// The last record's.
    pub(super) time: u64,
    /// By the number of a process, which is the order in which they came: its last address.
    addresses: Vec<u64>,
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
            addresses: Vec::new(),
            processes: HashMap::new(),
            sizes: Vec::new(),
            words: [[0; MOST_WORDS]; MOST_KINDS],
        }
    }

    /// The number of an origin's process, which may be new.
    pub(super) fn process(&mut self, origin: &Origin) -> usize {
        let next = self.addresses.len();
        let number = *self.processes.entry(origin.process).or_insert(next);
        if number == next {
            self.addresses.push(0);
        }
        number
    }

    /// A process's last address, by its number.
    pub(super) fn address(&mut self, process: usize) -> &mut u64 {
        &mut self.addresses[process]
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
