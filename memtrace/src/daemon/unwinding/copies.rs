//! Stacks that the kernel side copied, because they lead through code that it had not been told of: they
//! are walked here when that code is known, and the allocation gets the frames.

use super::files::State;
use super::{BRIEFLY, Code, Unwinding};
use crate::engine::copied::{CopiedStack, stack_of, with_frames};
use crate::model::event::CodeMapping;
use crate::probe::live::code_tables::CodeTables;
use crate::unwind::copy::{Place, Walk, walk};
use memtrace_common::wire::StackEnd;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Copies whose allocation has not come. It comes next, or was lost.
const MOST_WAITING: usize = 64;

/// How long events may wait for tables that stacks want, from when one is ordered to when none is: the
/// ring holds a tenth of a second at any rate.
const PATIENCE: Duration = Duration::from_millis(60);

/// Copies on their way.
#[derive(Default)]
pub(in crate::daemon) struct Copies {
    waiting: BTreeMap<u64, CopiedStack>,
    waited: Duration,
    /// Stacks that were walked here to where the kernel side could not.
    pub(in crate::daemon) finished: u64,
}

impl Copies {
    /// Keeps a copy for the record that comes after it.
    pub(in crate::daemon) fn keep(&mut self, copy: CopiedStack) {
        if self.waiting.len() >= MOST_WAITING {
            self.waiting.clear();
        }
        self.waiting.insert(copy.head.stack, copy);
    }

    /// The copy of the stack in a record.
    pub(in crate::daemon) fn take(&mut self, record: &[u8]) -> Option<CopiedStack> {
        if self.waiting.is_empty() {
            return None;
        }
        self.waiting.remove(&stack_of(record)?)
    }
}

impl Unwinding {
    /// Whether the process's code has been looked at since a stack was copied.
    pub(in crate::daemon) fn knows_code_of(&self, copy: &CopiedStack) -> bool {
        let code = self.code.get(&copy.process);
        code.is_some_and(|code| code.version.epoch >= copy.head.epoch)
    }

    /// The record with the frames of the copied stack; `None` if they cannot be told.
    pub(in crate::daemon) fn finish(
        &mut self,
        tables: &mut CodeTables,
        copies: &mut Copies,
        copy: &CopiedStack,
        record: &[u8],
    ) -> Option<Vec<u8>> {
        if self.builder.outstanding() == 0 {
            copies.waited = Duration::ZERO;
        }
        loop {
            let code = self.code.get(&copy.process).filter(|code| is_same_code(code, copy))?;
            let (walk, awaited) = self.walk(tables, code, copy);
            if !awaited || copies.waited >= PATIENCE {
                copies.finished += u64::from(walk.end == StackEnd::Complete);
                return with_frames(record, &walk.frames, walk.end);
            }
            copies.waited += self.wait_for_one(tables);
        }
    }

    /// Walks, and tells whether a table was wanted that is on its way.
    fn walk(&self, tables: &CodeTables, code: &Code, copy: &CopiedStack) -> (Walk, bool) {
        let awaited = Cell::new(false);
        let find = |address: u64| {
            let mapping = mapping_at(&code.mappings, address)?;
            let offset = address.wrapping_sub(mapping.start).wrapping_add(mapping.file_offset);
            let rule = tables.rule(self.files.pages(mapping.module), offset);
            let is_awaited = self.files.state(mapping.module) == Some(State::Ordered);
            awaited.set(awaited.get() || is_awaited);
            Some(Place { file: mapping.module.0, offset, rule })
        };
        let mut walk = walk(copy.head.registers, self.strictly, find, |at| copy.word(at));
        if walk.end == StackEnd::Unreadable && copy.is_cut() {
            walk.end = StackEnd::Depth;
        }
        (walk, awaited.get())
    }

    /// Waits until a table is built, but not for long. Gives how long.
    fn wait_for_one(&mut self, tables: &mut CodeTables) -> Duration {
        let began = Instant::now();
        while began.elapsed() < BRIEFLY {
            if let Some(built) = self.builder.take() {
                self.take_in(tables, built);
                break;
            }
            std::thread::sleep(super::A_MOMENT);
        }
        began.elapsed()
    }
}

/// Whether the mappings are those that the process had when its stack was copied, or more. Of a version
/// before, only what was mapped is missing, which the walk finds out.
fn is_same_code(code: &Code, copy: &CopiedStack) -> bool {
    code.version.removed == Some(copy.head.removed)
}

fn mapping_at(mappings: &[CodeMapping], address: u64) -> Option<&CodeMapping> {
    mappings.iter().find(|mapping| (mapping.start..mapping.end).contains(&address))
}
