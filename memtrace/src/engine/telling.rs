//! Blocks that a program samples itself and tells of: from event to account to snapshot.

use super::process::Space;
use super::sampling::{Told, ToldBlocks};
use super::snapshot::{ToldSnapshot, ToldStack};
use super::stacks::{Callee, Stack, Stacks};
use super::tracker::Tracker;
use crate::model::event::{StackRef, Weighted};
use crate::model::ids::Pid;
use memtrace_common::function::FunctionId;

impl Tracker {
    /// A block that the program sampled is new.
    pub(super) fn weighted(&mut self, pid: Pid, block: &Weighted, stack: &StackRef<'_>) {
        let number = self.stack_beside(pid, FunctionId::OTEL_MEMORY_ALLOC, stack);
        let new =
            ToldBlocks::new(self.limits.max_told_blocks, self.limits.max_told_stacks, self.seed);
        let Weighted { address, size, weighted } = *block;
        self.heap_with(pid, |space, has_room| {
            let stack = space.stacks().get(number as usize).copied();
            let told = space.told.get_or_insert_with(|| Box::new(new));
            told.allocate(address, Told { size, weighted, stack }, has_room);
        });
    }

    /// Such a block is given back.
    pub(super) fn weighted_free(&mut self, pid: Pid, address: u64) {
        let new =
            ToldBlocks::new(self.limits.max_told_blocks, self.limits.max_told_stacks, self.seed);
        self.heap_with(pid, |space, _| {
            space.told.get_or_insert_with(|| Box::new(new)).free(address);
        });
    }
}

/// What the account of an address space comes to; `None` where the program told of nothing.
pub(super) fn told_snapshot(space: &Space, stacks: &Stacks) -> Option<Box<ToldSnapshot>> {
    let told = space.told.as_ref()?;
    let named = |(stack, sums)| {
        let known = stacks.get(stack).cloned();
        let known = known.unwrap_or_else(|| Stack::unknown(Callee::default()));
        ToldStack { stack, frames: known.frames, end: known.end, sums }
    };
    Some(Box::new(ToldSnapshot {
        totals: *told.totals(),
        unseen: told.unseen(),
        oddities: told.oddities(),
        stacks: told.stacks().map(|(stack, sums)| (stack, *sums)).map(named).collect(),
    }))
}
