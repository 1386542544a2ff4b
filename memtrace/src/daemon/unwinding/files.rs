//! What is known of each file's table, and which tables may go when room is wanted.

use crate::model::ids::ModuleId;
use crate::probe::live::code_tables::{FilePages, Room};
use crate::report::TableFacts;
use crate::unwind::UnwindError;
use std::collections::{HashMap, HashSet};

/// How far a file's table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It is being built.
    Ordered,
    /// The kernel side has it.
    There(FilePages),
    /// There is none.
    Without(Lack),
    /// There was not so much room.
    NoRoom(Room),
    /// Nobody mapped the file when another one wanted the room.
    GivenUp,
}

/// Why a file has no table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lack {
    /// It has no unwinding information.
    Information,
    /// It is nothing that the processor could run.
    Foreign,
    /// It could not be opened or read.
    Unreadable,
    /// Its headers make no sense.
    Malformed,
    /// There is too much of it.
    TooLarge,
}

impl From<&UnwindError> for Lack {
    fn from(error: &UnwindError) -> Self {
        match error {
            UnwindError::Foreign | UnwindError::NoText => Self::Foreign,
            UnwindError::Malformed { .. } => Self::Malformed,
            UnwindError::TooLarge { .. } | UnwindError::TooManyRows { .. } => Self::TooLarge,
            UnwindError::Unreadable(_) => Self::Unreadable,
        }
    }
}

struct File {
    state: State,
    /// When a process was last seen to map it, or to have mapped it: a number that rises.
    used: u64,
}

/// All files that were ever mapped.
#[derive(Default)]
pub(super) struct Files {
    files: HashMap<ModuleId, File>,
    without_room: HashSet<ModuleId>,
    looks: u64,
}

impl Files {
    /// Notes that a process maps these files, or has until now. Gives those whose tables are wanted:
    /// new files, and those whose table was given up.
    pub(super) fn used(&mut self, modules: impl Iterator<Item = ModuleId>) -> Vec<ModuleId> {
        self.looks += 1;
        let mut wanted = Vec::new();
        for module in modules {
            let file = self.files.entry(module).or_insert(File { state: State::GivenUp, used: 0 });
            if file.state == State::GivenUp && file.used != self.looks {
                wanted.push(module);
            }
            file.used = self.looks;
        }
        wanted
    }

    pub(super) fn set(&mut self, module: ModuleId, state: State) {
        if matches!(state, State::NoRoom(_)) {
            self.without_room.insert(module);
        }
        if let Some(file) = self.files.get_mut(&module) {
            file.state = state;
        }
    }

    /// How far the file's table is; `None` for a file that nobody mapped.
    pub(super) fn state(&self, module: ModuleId) -> Option<State> {
        self.files.get(&module).map(|file| file.state)
    }

    /// Where the file's table is; an empty place if the kernel side has none.
    pub(super) fn pages(&self, module: ModuleId) -> FilePages {
        match self.files.get(&module).map(|file| file.state) {
            Some(State::There(pages)) => pages,
            _ => FilePages::default(),
        }
    }

    /// Tables of files that are not in use, the one longest unused first.
    pub(super) fn unused(&self, in_use: &HashSet<ModuleId>) -> Vec<(ModuleId, FilePages)> {
        let mut unused: Vec<(u64, ModuleId, FilePages)> = self
            .files
            .iter()
            .filter_map(|(module, file)| match file.state {
                State::There(pages) if !in_use.contains(module) => {
                    Some((file.used, *module, pages))
                }
                _ => None,
            })
            .collect();
        unused.sort_by_key(|(used, module, _)| (*used, *module));
        unused.into_iter().map(|(_, module, pages)| (module, pages)).collect()
    }

    /// Files whose tables wait for so much room.
    pub(super) fn waiting(&self) -> Vec<(ModuleId, Room)> {
        // Nearly always there are none.
        let waits = |module: &ModuleId| match self.files.get(module)?.state {
            State::NoRoom(room) => Some((*module, room)),
            _ => None,
        };
        let mut waiting: Vec<_> = self.without_room.iter().filter_map(waits).collect();
        waiting.sort_unstable_by_key(|(module, _)| *module);
        waiting
    }

    /// How many there are, and how many have no table, by reason.
    pub(super) fn count(&self) -> TableFacts {
        let mut facts = TableFacts {
            files: self.files.len() as u64,
            no_room: self.without_room.len() as u64,
            ..TableFacts::default()
        };
        for file in self.files.values() {
            if let State::Without(lack) = file.state {
                *match lack {
                    Lack::Information => &mut facts.no_information,
                    Lack::Foreign => &mut facts.foreign,
                    Lack::Unreadable => &mut facts.unreadable,
                    Lack::Malformed => &mut facts.malformed,
                    Lack::TooLarge => &mut facts.too_large,
                } += 1;
            }
        }
        facts
    }
}

#[cfg(test)]
mod tests {
    use super::{Files, Lack, State};
    use crate::model::ids::ModuleId;
    use crate::probe::live::code_tables::{FilePages, Room};
    use std::collections::HashSet;

    fn modules(numbers: &[u32]) -> Vec<ModuleId> {
        numbers.iter().map(|number| ModuleId(*number)).collect()
    }

    fn used(files: &mut Files, numbers: &[u32]) -> Vec<ModuleId> {
        files.used(modules(numbers).into_iter())
    }

    fn unused(files: &Files, in_use: &[u32]) -> Vec<ModuleId> {
        let in_use: HashSet<ModuleId> = modules(in_use).into_iter().collect();
        files.unused(&in_use).into_iter().map(|(module, _)| module).collect()
    }

    #[test]
    fn a_table_is_wanted_once_and_again_when_it_was_given_up() {
        let mut files = Files::default();
        assert_eq!(used(&mut files, &[1, 2, 1]), modules(&[1, 2]));
        files.set(ModuleId(1), State::Ordered);
        files.set(ModuleId(2), State::Without(Lack::Malformed));
        assert_eq!(used(&mut files, &[1, 2]), []);
        files.set(ModuleId(1), State::GivenUp);
        assert_eq!(used(&mut files, &[1, 2]), modules(&[1]));
        let facts = files.count();
        assert_eq!((facts.files, facts.malformed, facts.without()), (2, 1, 1));
    }

    #[test]
    fn what_nobody_maps_goes_in_the_order_of_its_last_use() {
        let mut files = Files::default();
        for number in [3, 1, 2] {
            used(&mut files, &[number]);
            files.set(ModuleId(number), State::There(FilePages::default()));
        }
        assert_eq!(unused(&files, &[]), modules(&[3, 1, 2]));
        used(&mut files, &[3]);
        assert_eq!(unused(&files, &[2]), modules(&[1, 3]));
        files.set(ModuleId(1), State::GivenUp);
        assert_eq!(unused(&files, &[2]), modules(&[3]));
    }

    #[test]
    fn files_without_room_wait_and_are_counted_once() {
        let mut files = Files::default();
        used(&mut files, &[1, 2]);
        files.set(ModuleId(1), State::NoRoom(Room::of([5].into_iter())));
        assert_eq!(files.waiting(), [(ModuleId(1), Room { rows: 5, largest: 5, pages: 1 })]);
        files.set(ModuleId(1), State::Ordered);
        assert_eq!((files.waiting(), files.count().no_room), (vec![], 1));
        files.set(ModuleId(1), State::NoRoom(Room::of([5].into_iter())));
        assert_eq!(files.count().no_room, 1);
        assert_eq!(files.pages(ModuleId(1)), FilePages::default());
    }
}
