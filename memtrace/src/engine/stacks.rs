//! Interning of call stacks: equal stacks of all processes share one number.

use super::detail::Part;
use crate::model::frame::Frame;
use crate::model::ids::StackId;
use memtrace_common::classes::Sizing;
use memtrace_common::function::FunctionId;
use memtrace_common::wire::StackEnd;
use std::collections::HashMap;
use std::sync::Arc;

/// The allocator function that was called, and what size its blocks have: the same function of two allocators
/// is two. So are parts of a stack's blocks that are told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Callee {
    pub(crate) function: FunctionId,
    pub(crate) sizing: Sizing,
    /// Which of its blocks, where they are told apart.
    pub(crate) part: Part,
}

/// A call stack with the allocator function that it called.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Stack {
    pub(crate) callee: Callee,
    pub(crate) end: StackEnd,
    pub(crate) frames: Arc<[Frame]>,
}

impl Stack {
    /// The stack of calls of `callee` whose frames are not known.
    pub(crate) fn unknown(callee: Callee) -> Self {
        Self { callee, end: StackEnd::Unknown, frames: Arc::new([]) }
    }
}

#[derive(Debug)]
struct Held {
    stack: Stack,
    /// Address spaces that have it.
    users: u32,
}

/// All stacks that an address space has. Numbers are never used again.
#[derive(Debug)]
pub(crate) struct Stacks {
    ids: HashMap<Stack, StackId>,
    held: HashMap<StackId, Held>,
    next: u32,
    limit: usize,
    frames: usize,
    /// New stacks that there was no room for.
    pub(crate) refused: u64,
}

impl Stacks {
    pub(crate) fn new(limit: usize) -> Self {
        Self { ids: HashMap::new(), held: HashMap::new(), next: 0, limit, frames: 0, refused: 0 }
    }

    pub(crate) fn get(&self, id: StackId) -> Option<&Stack> {
        self.held.get(&id).map(|held| &held.stack)
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.held.is_empty() && self.ids.is_empty() && self.frames == 0
    }

    /// Whether a new stack could be taken in.
    pub(crate) fn has_room(&self) -> bool {
        self.held.len() < self.limit && self.next != u32::MAX
    }

    /// The stack's number; `None` where there is no room for a new one. Stacks without frames (there
    /// is one for each function and end) always have room.
    ///
    /// The caller must [`Self::hold`] it before interning another one, unless it has it already.
    pub(crate) fn intern(&mut self, stack: Stack) -> Option<StackId> {
        if let Some(&id) = self.ids.get(&stack) {
            return Some(id);
        }
        if !self.has_room() && !stack.frames.is_empty() {
            self.refused += 1;
            return None;
        }
        let id = StackId(self.next);
        self.next = self.next.wrapping_add(1);
        self.frames += stack.frames.len();
        self.ids.insert(stack.clone(), id);
        self.held.insert(id, Held { stack, users: 0 });
        Some(id)
    }

    pub(crate) fn hold(&mut self, id: StackId) {
        if let Some(held) = self.held.get_mut(&id) {
            held.users += 1;
        }
    }

    /// An address space has the stack no longer; the last one takes it with it.
    pub(crate) fn release(&mut self, id: StackId) {
        let Some(held) = self.held.get_mut(&id) else { return };
        held.users = held.users.saturating_sub(1);
        if held.users == 0 {
            self.frames -= held.stack.frames.len();
            self.ids.remove(&held.stack);
            self.held.remove(&id);
        }
    }

    /// Bytes taken, about: hash tables are half to seven eighths full.
    pub(crate) fn memory_bytes(&self) -> usize {
        let each = size_of::<(Stack, StackId)>() + size_of::<(StackId, Held)>();
        self.held.capacity() * each + self.frames * size_of::<Frame>() + self.held.len() * 32
    }
}

#[cfg(test)]
mod tests {
    use super::{Callee, Part, Sizing, Stack, Stacks};
    use crate::model::frame::Frame;
    use memtrace_common::classes::SizeClasses;
    use memtrace_common::function::FunctionId;
    use memtrace_common::wire::StackEnd;

    fn callee(function: FunctionId) -> Callee {
        Callee { function, sizing: Sizing::of(SizeClasses::GLIBC), part: Part::default() }
    }

    fn stack(function: FunctionId, address: u64) -> Stack {
        let frames = [Frame::Unmapped(address)].into();
        Stack { callee: callee(function), end: StackEnd::Complete, frames }
    }

    #[test]
    fn equal_stacks_share_a_number_while_anybody_holds_them() {
        let mut stacks = Stacks::new(9);
        let first = stacks.intern(stack(FunctionId::MALLOC, 1)).unwrap();
        stacks.hold(first);
        assert_eq!(stacks.intern(stack(FunctionId::MALLOC, 1)), Some(first));
        stacks.hold(first);
        let other = stacks.intern(stack(FunctionId::CALLOC, 1)).unwrap();
        assert_ne!(other, first);
        stacks.release(first);
        assert_eq!(stacks.get(first), Some(&stack(FunctionId::MALLOC, 1)));
        stacks.release(first);
        assert_eq!(stacks.get(first), None);
        assert_ne!(stacks.intern(stack(FunctionId::MALLOC, 1)), Some(first));
    }

    #[test]
    fn a_full_table_refuses_all_but_the_unknown_ones() {
        let mut stacks = Stacks::new(1);
        let first = stacks.intern(stack(FunctionId::MALLOC, 1)).unwrap();
        stacks.hold(first);
        assert_eq!(stacks.intern(stack(FunctionId::MALLOC, 2)), None);
        assert_eq!(stacks.refused, 1);
        assert!(stacks.intern(Stack::unknown(callee(FunctionId::MALLOC))).is_some());
        stacks.release(first);
    }
}
