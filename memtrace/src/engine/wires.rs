//! Which stack the kernel side means by an id: it sends a stack's frames once, then only the id.

use super::hash::Seeded;
use super::stacks::Callee;
use std::collections::{HashMap, VecDeque};

/// Ids that every process may have even where the table is full.
const LEAST: usize = 16;

/// What an id stands for.
#[derive(Clone, Debug)]
struct Wire {
    /// The function it came with first, and the number of its stack in the address space.
    callee: Callee,
    stack: u32,
    /// The same frames with other functions (a call through a pointer).
    others: Vec<(Callee, u32)>,
    /// Looked up since the clock hand last passed.
    used: bool,
    /// An address in it was in no mapping that was known then.
    missed: bool,
}

/// The answer to a look-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// This stack.
    Stack(u32),
    /// The frames are known, but with another function: those of this stack.
    OtherFunction(u32),
    /// Known, but an address in it had no place then; look again if the frames are at hand.
    Missed(u32),
    /// Never heard of it.
    No,
}

/// An id with one of the functions that it came with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cited {
    pub(crate) id: u64,
    pub(crate) callee: Callee,
    pub(crate) stack: u32,
    /// It is the function with which its frames came.
    pub(crate) is_first: bool,
}

/// The ids of one process. The total over all processes is the caller's to keep.
#[derive(Debug)]
pub(crate) struct Wires {
    ids: HashMap<u64, Wire, Seeded>,
    /// For the clock algorithm: the id at the front is the next to go, unless it was used.
    hand: VecDeque<u64>,
}

impl Wires {
    pub(crate) fn new(seed: u64) -> Self {
        Self { ids: HashMap::with_hasher(Seeded(seed)), hand: VecDeque::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    #[inline]
    pub(crate) fn look_up(&mut self, id: u64, callee: Callee) -> Known {
        let Some(wire) = self.ids.get_mut(&id) else { return Known::No };
        wire.used = true;
        let stack = if wire.callee == callee {
            wire.stack
        } else {
            match wire.others.iter().find(|(other, _)| *other == callee) {
                Some(&(_, stack)) => stack,
                None => return Known::OtherFunction(wire.stack),
            }
        };
        if wire.missed { Known::Missed(stack) } else { Known::Stack(stack) }
    }

    /// The stack that an id stood for first; nothing is noted.
    #[inline]
    pub(crate) fn peek(&self, id: u64) -> Option<u32> {
        self.ids.get(&id).map(|wire| wire.stack)
    }

    /// Learns what `id` stands for, in place of what it was.
    pub(crate) fn learn(&mut self, id: u64, callee: Callee, stack: u32, missed: bool) {
        let wire = Wire { callee, stack, others: Vec::new(), used: true, missed };
        if self.ids.insert(id, wire).is_none() {
            self.hand.push_back(id);
        }
    }

    /// Learns that a known id also came with `callee`.
    pub(crate) fn learn_function(&mut self, id: u64, callee: Callee, stack: u32) {
        if let Some(wire) = self.ids.get_mut(&id) {
            wire.others.push((callee, stack));
        }
    }

    /// Forgets the id that was not used for longest, about, and says which.
    pub(crate) fn evict(&mut self) -> Option<u64> {
        if self.ids.len() < LEAST {
            return None;
        }
        // After one round all are unused.
        for _ in 0..=self.hand.len() {
            let id = self.hand.pop_front()?;
            match self.ids.get_mut(&id) {
                Some(wire) if wire.used => {
                    wire.used = false;
                    self.hand.push_back(id);
                }
                Some(_) => {
                    self.ids.remove(&id);
                    return Some(id);
                }
                None => {}
            }
        }
        None
    }

    /// Forgets all; hands each to `gone`.
    pub(crate) fn forget(&mut self, gone: impl FnMut(u64)) {
        self.ids.drain().map(|(id, _)| id).for_each(gone);
        self.hand.clear();
    }

    /// Those with an address that had no place. They stay known: records that are on their way still name
    /// them without frames.
    pub(crate) fn missed(&self) -> impl Iterator<Item = u64> {
        self.ids.iter().filter(|(_, wire)| wire.missed).map(|(&id, _)| id)
    }

    /// All, the longest unused first, each first with the function that it came with first.
    pub(crate) fn all(&self) -> impl Iterator<Item = Cited> {
        let ids = self.hand.iter().filter_map(|&id| Some((id, self.ids.get(&id)?)));
        ids.flat_map(|(id, wire)| {
            let Wire { callee, stack, .. } = *wire;
            let others = wire.others.iter();
            let others =
                others.map(move |&(callee, stack)| Cited { id, callee, stack, is_first: false });
            std::iter::once(Cited { id, callee, stack, is_first: true }).chain(others)
        })
    }

    /// Bytes taken, about.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.ids.capacity() * (size_of::<(u64, Wire)>() + 1) + self.hand.capacity() * 8
    }
}

#[cfg(test)]
mod tests {
    use super::{Callee, Known, LEAST, Wires};
    use crate::engine::detail::Part;
    use memtrace_common::classes::{SizeClasses, Sizing};
    use memtrace_common::function::FunctionId;

    const MALLOC: Callee = Callee {
        function: FunctionId::MALLOC,
        sizing: Sizing::of(SizeClasses::GLIBC),
        part: Part { thread: None, size: None },
    };
    const CALLOC: Callee = Callee { function: FunctionId::CALLOC, ..MALLOC };
    const OTHERS: Callee = Callee { sizing: Sizing::of(SizeClasses::JEMALLOC), ..MALLOC };

    #[test]
    fn an_id_may_come_with_several_functions() {
        let mut wires = Wires::new(1);
        assert_eq!(wires.look_up(7, MALLOC), Known::No);
        wires.learn(7, MALLOC, 3, false);
        assert_eq!(wires.look_up(7, MALLOC), Known::Stack(3));
        assert_eq!(wires.look_up(7, CALLOC), Known::OtherFunction(3));
        wires.learn_function(7, CALLOC, 4);
        assert_eq!(wires.look_up(7, CALLOC), Known::Stack(4));
        assert_eq!(wires.look_up(7, OTHERS), Known::OtherFunction(3));
    }

    #[test]
    fn what_is_used_stays() {
        let mut wires = Wires::new(1);
        for id in 0..LEAST as u64 - 1 {
            wires.learn(id, MALLOC, 0, false);
        }
        assert_eq!(wires.evict(), None);
        wires.learn(99, MALLOC, 0, false);
        wires.learn(100, MALLOC, 0, false);
        assert_eq!(wires.evict(), Some(0));
        wires.look_up(1, MALLOC);
        assert_eq!(wires.evict(), Some(2));
        assert_eq!(wires.evict(), None);
    }

    #[test]
    fn missed_ones_are_told_apart_until_their_frames_come_again() {
        let mut wires = Wires::new(1);
        wires.learn(1, MALLOC, 0, true);
        wires.learn(2, MALLOC, 0, false);
        assert_eq!(wires.look_up(1, MALLOC), Known::Missed(0));
        assert_eq!(wires.missed().collect::<Vec<_>>(), [1]);
        wires.learn(1, MALLOC, 3, false);
        assert_eq!((wires.look_up(1, MALLOC), wires.missed().count()), (Known::Stack(3), 0));
        let mut gone = Vec::new();
        wires.forget(|id| gone.push(id));
        gone.sort_unstable();
        assert_eq!((gone, wires.len()), (vec![1, 2], 0));
    }
}
