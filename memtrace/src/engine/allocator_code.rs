//! Which mappings an allocator asked for: one of its functions is in their call stack.
//!
//! The calls that are pending in a thread do not tell: where the kernel shows entry and return of one call to
//! one program (`memtrace-ebpf/src/probes/heap.rs`) nothing is kept of most functions meanwhile. The stack
//! does, and of an allocator's own threads as well.

use super::stacks::Stack;
use crate::model::frame::Frame;
use crate::model::ids::ModuleId;
use memtrace_common::wire::StackEnd;
use std::collections::HashMap;
use std::sync::Arc;

/// How deep under an allocator's function a system call may lie: `malloc` of glibc is at most six frames above
/// `mmap`, jemalloc's a dozen. What lies farther out called something that maps memory for itself.
const DEEPEST: usize = 24;

/// Who mapped something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mapper {
    /// An allocator, whose code is in this file.
    Allocator(ModuleId),
    /// The program, or a library.
    Program,
    /// The stack ends before that can be told.
    Unknown,
}

impl Mapper {
    pub(crate) const fn allocator(self) -> Option<ModuleId> {
        match self {
            Self::Allocator(module) => Some(module),
            Self::Program | Self::Unknown => None,
        }
    }
}

/// Start code is hand-written and mostly without unwinding information, so a walk ends there without a mark of
/// the end: in the first bytes of a program, or of the dynamic linker (glibc's `_start` has 38 bytes).
const START_CODE: u64 = 64;

/// Where the code of allocators lies, and where files begin, by file.
#[derive(Clone, Debug, Default)]
pub(crate) struct AllocatorCode {
    spans: HashMap<ModuleId, Arc<[(u64, u64)]>>,
    entries: HashMap<ModuleId, u64>,
}

impl AllocatorCode {
    pub(crate) fn learn(&mut self, module: ModuleId, spans: &Arc<[(u64, u64)]>) {
        self.spans.insert(module, Arc::clone(spans));
    }

    pub(crate) fn learn_entry(&mut self, module: ModuleId, offset: u64) {
        self.entries.insert(module, offset);
    }

    /// Where allocators' code lies, by file.
    pub(crate) fn spans(&self) -> impl Iterator<Item = (ModuleId, &Arc<[(u64, u64)]>)> {
        let mut all: Vec<_> = self.spans.iter().map(|(module, spans)| (*module, spans)).collect();
        all.sort_unstable_by_key(|(module, _)| module.0);
        all.into_iter()
    }

    /// Where files begin.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (ModuleId, u64)> {
        let mut all: Vec<_> =
            self.entries.iter().map(|(module, offset)| (*module, *offset)).collect();
        all.sort_unstable_by_key(|(module, _)| module.0);
        all.into_iter()
    }

    /// Who called `mmap`, `mremap` or `brk` with this stack.
    pub(crate) fn mapper(&self, stack: &Stack) -> Mapper {
        let frames = || stack.frames.iter().take(DEEPEST);
        if let Some(module) = frames().find_map(|frame| self.holding(*frame)) {
            return Mapper::Allocator(module);
        }
        let is_whole = stack.end == StackEnd::Complete
            || stack.frames.len() >= DEEPEST
            || stack.frames.last().is_some_and(|frame| self.is_start_code(*frame));
        // The system call itself is in a file: else the process's code was not known at that time.
        let is_placed = matches!(stack.frames.first(), Some(Frame::InFile { .. }));
        if is_whole && is_placed { Mapper::Program } else { Mapper::Unknown }
    }

    fn holding(&self, frame: Frame) -> Option<ModuleId> {
        let Frame::InFile { module, offset } = frame else { return None };
        let spans = self.spans.get(&module)?;
        spans.iter().any(|&(start, end)| (start..end).contains(&offset)).then_some(module)
    }

    fn is_start_code(&self, frame: Frame) -> bool {
        let Frame::InFile { module, offset } = frame else { return false };
        let entry = self.entries.get(&module);
        entry.is_some_and(|entry| offset.wrapping_sub(*entry) < START_CODE)
    }
}

#[cfg(test)]
mod tests {
    use super::{AllocatorCode, DEEPEST, Frame, Mapper, ModuleId, Stack, StackEnd};
    use crate::engine::stacks::Callee;

    const LIBC: ModuleId = ModuleId(1);

    fn at(offset: u64) -> Frame {
        Frame::InFile { module: LIBC, offset }
    }

    fn mapper(frames: &[Frame], end: StackEnd) -> Mapper {
        let mut code = AllocatorCode::default();
        code.learn(ModuleId(7), &[(0, 10)].into());
        code.learn(LIBC, &[(100, 200), (300, 400)].into());
        code.learn_entry(LIBC, 1000);
        code.mapper(&Stack { callee: Callee::default(), end, frames: frames.into() })
    }

    #[test]
    fn an_allocators_function_is_among_the_innermost_frames() {
        let complete = |frames: &[Frame]| mapper(frames, StackEnd::Complete);
        assert_eq!(complete(&[at(1), at(399), at(7)]), Mapper::Allocator(LIBC));
        assert_eq!(complete(&[at(1), Frame::Unmapped(9), at(100)]), Mapper::Allocator(LIBC));
        assert_eq!(complete(&[at(1), at(200), at(99)]), Mapper::Program);
        assert_eq!(complete(&[at(1), Frame::Unmapped(150)]), Mapper::Program);
        assert_eq!(complete(&[Frame::Unmapped(1), at(50)]), Mapper::Unknown);
        // The allocator called a hook of the program's that does much more.
        let deep: Vec<Frame> = (0..DEEPEST as u64).map(at).chain([at(150)]).collect();
        assert_eq!(complete(&deep), Mapper::Program);
    }

    #[test]
    fn a_stack_that_breaks_off_tells_only_of_what_it_has() {
        let broken = |frames: &[Frame]| mapper(frames, StackEnd::NoTable);
        assert_eq!(broken(&[at(1), at(150)]), Mapper::Allocator(LIBC));
        assert_eq!(broken(&[at(1), at(2)]), Mapper::Unknown);
        assert_eq!(broken(&vec![at(1); DEEPEST]), Mapper::Program);
        assert_eq!(mapper(&[], StackEnd::Unknown), Mapper::Unknown);
        assert_eq!(broken(&[at(1), at(1000 + 33)]), Mapper::Program);
        assert_eq!(broken(&[at(1), at(1000 + 64)]), Mapper::Unknown);
        assert_eq!(broken(&[at(1), at(999)]), Mapper::Unknown);
        assert_eq!(broken(&[at(1), at(1033), at(2)]), Mapper::Unknown);
    }
}
