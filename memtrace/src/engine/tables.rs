//! Which files' unwinding tables are on their way, and the stacks that ended for want of one.

use super::code::Placed;
use crate::model::frame::Frame;
use crate::model::ids::ModuleId;
use memtrace_common::wire::StackEnd;
use std::collections::HashSet;

/// What has been told of tables.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    awaited: HashSet<ModuleId>,
    /// Stacks are walked by tables.
    in_use: bool,
}

impl Tables {
    /// A table is on its way, or no longer.
    pub(crate) fn news(&mut self, module: ModuleId, awaited: bool) {
        self.in_use = true;
        if awaited {
            self.awaited.insert(module);
        } else {
            self.awaited.remove(&module);
        }
    }

    /// What was told, as it is told: file, and whether its table is on its way.
    pub(crate) fn told(&self) -> Vec<(ModuleId, bool)> {
        let mut told: Vec<_> = self.awaited.iter().map(|module| (*module, true)).collect();
        told.sort_unstable_by_key(|(module, _)| module.0);
        if told.is_empty() && self.in_use {
            // That it never will be there, or is, makes no difference.
            told.push((ModuleId(0), false));
        }
        told
    }

    /// How a stack ended: as the kernel side says, unless it did not know yet what we know of the code
    /// of the last frame.
    pub(crate) fn end(&self, placed: &Placed) -> StackEnd {
        let for_want_of_a_table = matches!(
            placed.end,
            StackEnd::NoTable | StackEnd::NoMapping | StackEnd::NoFramePointer
        );
        let Some(Frame::InFile { module, .. }) = placed.frames.last() else { return placed.end };
        let is_new = self.awaited.contains(module) || placed.untold && self.in_use;
        if for_want_of_a_table && is_new && !placed.missed {
            StackEnd::NoTableYet
        } else {
            placed.end
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Frame, ModuleId, Placed, StackEnd, Tables};

    fn placed(module: u32, end: StackEnd, untold: bool) -> Placed {
        let frame = |module| Frame::InFile { module: ModuleId(module), offset: 1 };
        Placed { frames: vec![frame(9), frame(module)], end, missed: false, untold }
    }

    #[test]
    fn a_stack_ends_early_only_where_a_table_is_awaited() {
        let mut tables = Tables::default();
        tables.news(ModuleId(1), true);
        assert_eq!(tables.end(&placed(1, StackEnd::NoTable, false)), StackEnd::NoTableYet);
        assert_eq!(tables.end(&placed(2, StackEnd::NoTable, false)), StackEnd::NoTable);
        assert_eq!(tables.end(&placed(1, StackEnd::Complete, false)), StackEnd::Complete);
        assert_eq!(tables.end(&placed(1, StackEnd::Depth, false)), StackEnd::Depth);
        tables.news(ModuleId(1), false);
        assert_eq!(tables.end(&placed(1, StackEnd::NoTable, false)), StackEnd::NoTable);
    }

    #[test]
    fn an_address_in_a_known_file_was_new_where_walks_are_by_tables() {
        let mut tables = Tables::default();
        let stack = placed(1, StackEnd::NoFramePointer, true);
        assert_eq!(tables.end(&stack), StackEnd::NoFramePointer);
        tables.news(ModuleId(7), false);
        assert_eq!(tables.end(&stack), StackEnd::NoTableYet);
        let guess = Placed { end: StackEnd::NoMapping, missed: true, ..stack };
        assert_eq!(tables.end(&guess), StackEnd::NoMapping);
    }
}
