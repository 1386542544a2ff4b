//! Which call stack an allocation belongs to.

use super::code::CodeMap;
use super::heap::ranges::NO_STACK;
use super::stacks::{Callee, Stack};
use super::tracker::Tracker;
use super::wires::Known;
use crate::model::event::StackRef;
use crate::model::ids::{ModuleId, Pid};
use memtrace_common::function::FunctionId;

/// Stack ids waiting for [`Tracker::take_forgotten`] beyond which more are dropped; the allocations
/// that cite those count as unknown stacks.
const MOST_FORGOTTEN: usize = 1 << 20;

impl Tracker {
    /// As [`Self::find`]; the frames that came with an event of nobody will be wanted again if the
    /// process is seen after all.
    pub(super) fn find_for_stack(&mut self, pid: Pid, stack: &StackRef<'_>) -> Option<usize> {
        let found = self.find(pid);
        if found.is_none() && stack.id != 0 && !stack.frames.is_empty() {
            note_forgotten(&mut self.forgotten, pid, stack.id);
        }
        found
    }

    /// The number of the stack of something that is counted beside the heap's blocks, [`NO_STACK`] if there is
    /// none.
    pub(super) fn stack_beside(
        &mut self,
        pid: Pid,
        function: FunctionId,
        stack: &StackRef<'_>,
    ) -> u32 {
        // Who is nobody's is counted where the rest of the event is.
        if stack.id == 0 || !self.is_watched(pid) {
            if stack.id != 0 && !stack.frames.is_empty() {
                note_forgotten(&mut self.forgotten, pid, stack.id);
            }
            return NO_STACK;
        }
        let process = self.find(pid);
        let callee = Callee { function, ..Callee::default() };
        let number = process.and_then(|process| self.stack_number(process, callee, stack));
        number.unwrap_or(NO_STACK)
    }

    /// The number that a stack has in the process's address space.
    pub(super) fn stack_number(
        &mut self,
        process: usize,
        callee: Callee,
        stack: &StackRef<'_>,
    ) -> Option<u32> {
        let known = match stack.id {
            0 => Known::No,
            id => self.processes.get_mut(process)?.wires.look_up(id, callee),
        };
        match known {
            Known::Stack(number) => Some(number),
            Known::Missed(number) if stack.frames.is_empty() => Some(number),
            Known::OtherFunction(number) if stack.frames.is_empty() => {
                self.number_for_function(process, callee, stack.id, number)
            }
            _ if stack.frames.is_empty() => self.number_of_unknown(process, callee, stack.id),
            _ => self.number_from_frames(process, callee, stack),
        }
    }

    /// A stack that cannot be known: there is none (0), or its frames never came.
    fn number_of_unknown(&mut self, process: usize, callee: Callee, id: u64) -> Option<u32> {
        if id != 0 && !self.stacks.has_room() {
            // There is no use in having it sent again.
            self.bounds.crowded_out += 1;
        } else if id != 0 {
            self.unknown_stacks += 1;
            let pid = self.processes.get(process)?.pid;
            note_forgotten(&mut self.forgotten, pid, id);
        }
        self.number_of(process, Stack::unknown(callee))
    }

    /// The frames are known under this id, but came with another function.
    fn number_for_function(
        &mut self,
        process: usize,
        callee: Callee,
        id: u64,
        number: u32,
    ) -> Option<u32> {
        let space = self.spaces.get(self.processes.get(process)?.space)?;
        let same = self.stacks.get(*space.stacks().get(number as usize)?)?;
        let stack = Stack { callee, ..same.clone() };
        let Some(number) = self.number_of(process, stack) else {
            self.bounds.crowded_out += 1;
            return self.number_of(process, Stack::unknown(callee));
        };
        self.processes.get_mut(process)?.wires.learn_function(id, callee, number);
        Some(number)
    }

    fn number_from_frames(
        &mut self,
        process: usize,
        callee: Callee,
        stack: &StackRef<'_>,
    ) -> Option<u32> {
        let modules = self.modules.len();
        let code = &self.processes.get(process)?.code;
        let placed = code.place(stack, |module: ModuleId| (module.0 as usize) < modules);
        let end = self.tables.end(&placed);
        let found = Stack { callee, end, frames: placed.frames.into() };
        let Some(number) = self.number_of(process, found) else {
            self.bounds.crowded_out += 1;
            return self.number_of(process, Stack::unknown(callee));
        };
        if stack.id != 0 {
            self.learn(process, stack.id, callee, number, placed.missed);
        }
        Some(number)
    }

    fn number_of(&mut self, process: usize, stack: Stack) -> Option<u32> {
        let id = self.stacks.intern(stack)?;
        let space = self.spaces.get_mut(self.processes.get(process)?.space)?;
        Some(space.number(id, &mut self.stacks))
    }

    fn learn(&mut self, process: usize, id: u64, callee: Callee, number: u32, missed: bool) {
        let Some(process) = self.processes.get_mut(process) else { return };
        let before = process.wires.len();
        if self.stack_ids >= self.limits.max_stack_ids
            && let Some(evicted) = process.wires.evict()
        {
            self.bounds.evicted_stack_ids += 1;
            note_forgotten(&mut self.forgotten, process.pid, evicted);
        }
        process.wires.learn(id, callee, number, missed);
        self.stack_ids = self.stack_ids + process.wires.len() - before;
    }

    /// Newer mappings: stacks that had an address without place may have one now, and where old
    /// mappings have gone an id may mean another stack.
    pub(super) fn mappings_seen(&mut self, pid: Pid, code: &CodeMap) {
        let Some(process) = self.find(pid) else { return };
        let Some(process) = self.processes.get_mut(process) else { return };
        let is_still_there = process.code.is_part_of(code);
        process.code = code.clone();
        if is_still_there {
            process.wires.missed().for_each(|id| note_forgotten(&mut self.forgotten, pid, id));
        } else {
            self.stack_ids -= process.wires.len();
            process.wires.forget(|id| note_forgotten(&mut self.forgotten, pid, id));
        }
    }
}

/// Remembers that the kernel side has to send a stack again.
pub(super) fn note_forgotten(forgotten: &mut Vec<(Pid, u64)>, pid: Pid, id: u64) {
    if forgotten.len() < MOST_FORGOTTEN {
        forgotten.push((pid, id));
    }
}
