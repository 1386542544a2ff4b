//! How the entries of a chunk become few bytes: what is alike lies side by side.
//!
//! A record is taken apart: who made it and of which kind it is (its [`Origin`], of which a chunk has few, by
//! number), when, and its words, each in a column of those that mean the same ([`Role`]) and as what is not
//! foreseeable in it. Most differ from an earlier one in nothing but their time and their blocks' addresses: they are
//! told by the number of what they share ([`templates`]). The columns are compressed one after the other.
//!
//! Nothing is kept from one chunk to the next: each can be read by itself.

mod addresses;
mod foresight;
mod pack;
mod templates;
mod unpack;
pub(super) mod varint;

pub(super) use pack::Packer;
pub(super) use unpack::Unpacker;

use memtrace_common::wire::{Header, Kind};
use std::hash::{Hash, Hasher};

/// The columns, in the order in which they are written.
const COLUMNS: usize = 9;
const TEMPLATES: usize = 0;
const ORIGINS: usize = 1;
const TIMES: usize = 2;
const ADDRESSES: usize = 3;
const SIZES: usize = 4;
const STACKS: usize = 5;
const OTHERS: usize = 6;
const FRAMES: usize = 7;
const BYTES: usize = 8;

/// Numbers in [`TEMPLATES`] of what has none: a note, a record that is not laid out as records are, and one that is
/// told by itself, perhaps as the next template. The templates follow.
const NOTE: u64 = 0;
const ODD: u64 = 1;
const BY_ITSELF: u64 = 2;
const FIRST_TEMPLATE: u64 = 3;

/// Bytes of a record's header and of a word.
const HEADER: usize = size_of::<Header>();
const WORD: usize = 8;

/// What is the same in many records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Origin {
    kind: u8,
    function: u8,
    flags: u8,
    stack_end: u8,
    alignment: u8,
    /// Words of the body.
    words: u8,
    /// Frames follow.
    has_frames: bool,
    process: u32,
    thread: u32,
}

impl Hash for Origin {
    /// As two words, as each takes a hash some nanoseconds.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { kind, function, flags, stack_end, alignment, words, .. } = *self;
        let how = [kind, function, flags, stack_end, alignment, words, self.has_frames.into(), 0];
        state.write_u64(u64::from_ne_bytes(how));
        state.write_u64(u64::from(self.process) << 32 | u64::from(self.thread));
    }
}

/// Kinds and words of a body beyond these are not expected; such records are kept as they are.
const MOST_KINDS: usize = 32;
const MOST_WORDS: usize = 8;

/// What a word of a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// Where a block is.
    Address,
    /// How large it is.
    Size,
    /// Its call stack's id.
    Stack,
    /// When the call began.
    Time,
    Other,
}

/// By kind and place, as `memtrace_common::wire` lays them out. A wrong answer costs bytes, nothing else.
const fn role(kind: u8, place: usize) -> Role {
    const ALLOCATION: u8 = Kind::Allocation as u8;
    const FREE: u8 = Kind::Free as u8;
    const REALLOCATION: u8 = Kind::Reallocation as u8;
    const MAP: u8 = Kind::Map as u8;
    const UNMAP: u8 = Kind::Unmap as u8;
    const REMAP: u8 = Kind::Remap as u8;
    const BREAK: u8 = Kind::Break as u8;
    const FAULT: u8 = Kind::Fault as u8;
    const WEIGHTED: u8 = Kind::Weighted as u8;
    const WEIGHTED_FREE: u8 = Kind::WeightedFree as u8;
    match (kind, place) {
        (ALLOCATION | FREE | REALLOCATION | WEIGHTED | WEIGHTED_FREE, 0) | (REALLOCATION, 1) => {
            Role::Address
        }
        (ALLOCATION | WEIGHTED, 1) | (REALLOCATION, 2) => Role::Size,
        (ALLOCATION | WEIGHTED, 3)
        | (REALLOCATION | MAP, 4)
        | (REMAP, 5)
        | (BREAK, 1)
        | (FAULT, 2) => Role::Stack,
        (REALLOCATION, 5) | (UNMAP, 2) | (REMAP, 4) => Role::Time,
        _ => Role::Other,
    }
}

/// The roles of all words of a body.
fn roles(origin: &Origin) -> [Role; MOST_WORDS] {
    std::array::from_fn(|place| role(origin.kind, place))
}

/// Where the stack's id is among the words of a body; at most one is.
fn place_of_stack(origin: &Origin) -> Option<usize> {
    (0..usize::from(origin.words)).find(|place| role(origin.kind, *place) == Role::Stack)
}

/// One of `slots` places (a power of two) by what differs anywhere in a word: multiplication spreads it into the upper
/// bits (Knuth, The Art of Computer Programming, volume 3, section 6.4, with 2^64 by the golden ratio).
#[inline]
const fn slot(word: u64, slots: usize) -> usize {
    (word.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - slots.ilog2())) as usize
}

#[cfg(test)]
mod tests;
