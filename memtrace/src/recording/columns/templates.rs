//! Records that are the same but for their time and the addresses of their blocks.
//!
//! A program asks for the same sizes at the same places over and over. What such records share is told once, as a
//! template, and then by its number.

use super::{Origin, Role, role, slot};

/// Words of a template beside its origin: a size, the sampling interval and a call stack.
pub(super) const KEPT: usize = 3;

/// Whether records of this origin become templates: those of blocks, unless they bring frames, as such a one does
/// not come again.
pub(super) fn is_template(origin: &Origin) -> bool {
    let count = |wanted: fn(Role) -> bool| {
        (0..usize::from(origin.words)).filter(|place| wanted(role(origin.kind, *place))).count()
    };
    !origin.has_frames
        && count(|role| role == Role::Address) > 0
        && count(|role| !matches!(role, Role::Address | Role::Time)) <= KEPT
}

/// Templates that are found again; a power of two. One that is not, as another one is in its place, is told anew.
const SLOTS: usize = 1024;

/// The templates of a chunk that is being filled, each where its words lead.
#[derive(Debug)]
pub(super) struct Templates {
    slots: Box<[Slot; SLOTS]>,
    /// How many there were.
    count: u32,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    origin: u32,
    /// [`NONE`]: nothing is here.
    number: u32,
    words: [u64; KEPT],
}

const NONE: u32 = u32::MAX;
const EMPTY: Slot = Slot { origin: 0, number: NONE, words: [0; KEPT] };

impl Templates {
    pub(super) fn new() -> Self {
        Self { slots: Box::new([EMPTY; SLOTS]), count: 0 }
    }

    pub(super) fn clear(&mut self) {
        self.slots.fill(EMPTY);
        self.count = 0;
    }

    /// The number of the template with this origin and these words, if it is found.
    #[inline]
    pub(super) fn known(&self, origin: u32, words: [u64; KEPT]) -> Option<u32> {
        let slot = &self.slots[place_of(origin, words)];
        // One by one: compared as an array they would be written to memory first, and read again at once in other
        // pieces, for which a CPU waits.
        let [first, second, third] = slot.words;
        let is_same = first == words[0] && second == words[1] && third == words[2];
        (slot.origin == origin && is_same && slot.number != NONE).then_some(slot.number)
    }

    /// The number of the template with this origin and these words; where it is not found they are the next one.
    #[inline]
    pub(super) fn find(&mut self, origin: u32, words: [u64; KEPT]) -> Option<u32> {
        if let Some(known) = self.known(origin, words) {
            return Some(known);
        }
        self.slots[place_of(origin, words)] = Slot { origin, number: self.count, words };
        self.count += 1;
        None
    }
}

#[inline]
fn place_of(origin: u32, words: [u64; KEPT]) -> usize {
    let mixed = words.iter().fold(u64::from(origin), |mixed, word| mixed.rotate_left(23) ^ word);
    slot(mixed, SLOTS)
}
