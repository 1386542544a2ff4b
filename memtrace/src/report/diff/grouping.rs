//! Two sides → their differences, by what the user groups by.

use super::figure::{Amount, Change, Figure};
use super::pairs::{Pair, pairs};
use super::side::{Frame, Process, Side, Stack};
use crate::engine::detail::SizeClass;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// What blocks must have in common to be one row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum By {
    /// Process, allocator function and all frames.
    #[default]
    Stack,
    /// The function that called the allocator, in its module; over all processes, as all that follow.
    Function,
    /// The source line of that call; where that is not known the function.
    Line,
    /// The source file of it; where that is not known the module.
    File,
    /// The program or library of it.
    Module,
    /// The process.
    Process,
    /// The thread that allocated, of a process; where threads are told apart.
    Thread,
    /// Sizes of blocks from a power of two to below the next one, over all processes; where they are told apart.
    SizeClass,
}

/// What a row is about. Rows of equal size are in this order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// A call stack.
    Stack {
        /// Name of the process.
        process: String,
        /// From the caller outwards.
        frames: Vec<Frame>,
        /// The allocator function.
        function: String,
    },
    /// Callers that have in common what is left of this frame; `None`: there is no call stack.
    Caller(Option<Frame>),
    /// A process.
    Process(String),
    /// A thread.
    Thread {
        /// Name of its process.
        process: String,
        /// Which one.
        thread: Thread,
    },
    /// A class of sizes; `None`: they are not told apart.
    SizeClass(Option<SizeClass>),
    /// What a report sums up instead of listing it.
    LeftOut {
        /// Name of the process; `None`: of all.
        process: Option<String>,
        /// Why.
        why: &'static str,
    },
}

/// A thread of a process. Processes of two runs are paired, their main threads with them; others have the numbers that the
/// kernel gave them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Thread {
    /// The first one.
    Main,
    /// Another one, by its id.
    Number(u32),
    /// Threads are not told apart.
    Unknown,
}

/// What two sides hold of one thing.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// What.
    pub key: Key,
    /// Before; `None`: not known, as the report lists only a part.
    pub before: Option<Amount>,
    /// After, likewise.
    pub after: Option<Amount>,
    /// Of each side: there may be more than it lists, as this is a group of stacks and it does not list all.
    pub is_part: [bool; 2],
}

impl Row {
    /// Of what both sides know as a whole.
    pub(super) const fn known(key: Key, before: Amount, after: Amount) -> Self {
        Self { key, before: Some(before), after: Some(after), is_part: [false; 2] }
    }

    /// Before and after, where that is all there is.
    fn whole(&self) -> Option<(Amount, Amount)> {
        let is_whole = !self.is_part.contains(&true);
        Some((self.before?, self.after?)).filter(|_| is_whole)
    }

    /// What was added, where that is known.
    #[must_use]
    pub fn bytes(&self) -> Option<Change> {
        let (before, after) = self.whole()?;
        Some(Change::between(before.bytes, after.bytes))
    }

    /// As [`Self::bytes`].
    #[must_use]
    pub fn blocks(&self) -> Option<Change> {
        let (before, after) = self.whole()?;
        Some(Change::between(before.blocks, after.blocks))
    }

    /// Both sides list it, and as much of it.
    #[must_use]
    pub fn is_unchanged(&self) -> bool {
        let values = |amount: Amount| (amount.bytes.value, amount.blocks.value);
        self.before.zip(self.after).is_some_and(|(one, other)| values(one) == values(other))
    }

    /// Bytes added or taken; where one side is not known, those of the other, as if it were nothing.
    fn weight(&self) -> u128 {
        let bytes = |side: Option<Amount>| side.map_or(0, |amount| amount.bytes.value);
        u128::from(bytes(self.after).abs_diff(bytes(self.before)))
    }
}

/// The differences.
#[derive(Clone, Debug, PartialEq)]
pub struct Diff {
    /// What they are grouped by.
    pub by: By,
    /// All that lives, before and after.
    pub total: Row,
    /// Most bytes of difference first, then by name. The sum over all of them is the total, on each side.
    pub rows: Vec<Row>,
}

impl Diff {
    /// Compares.
    #[must_use]
    pub fn between(before: &Side, after: &Side, by: By) -> Self {
        let mut rows = Rows { by, sides: [before, after], found: BTreeMap::new() };
        pairs(before, after).iter().for_each(|pair| rows.take(pair));
        let total = Key::LeftOut { process: None, why: "all" };
        Self { by, total: Row::known(total, before.live(), after.live()), rows: rows.rows() }
            .sorted()
    }

    /// The largest differences first. Where they are equal rows stay as they are.
    pub(super) fn sorted(mut self) -> Self {
        self.rows.sort_by_key(|row| Reverse(row.weight()));
        self
    }
}

/// What a side says of a row so far.
#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    /// `None`: nothing.
    amount: Option<Amount>,
    /// What nothing means.
    nothing: Option<Nothing>,
}

/// What it means that a side says nothing of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Nothing {
    /// There is nothing.
    Zero,
    /// No sample was taken.
    Unseen,
    /// It may be in what is not listed.
    NotListed,
}

impl Nothing {
    fn of<'a>(processes: impl IntoIterator<Item = &'a Process>) -> Self {
        let mut nothing = Self::Zero;
        for process in processes {
            if !process.is_whole() {
                return Self::NotListed;
            }
            if process.is_sampled {
                nothing = Self::Unseen;
            }
        }
        nothing
    }
}

struct Rows<'a> {
    by: By,
    sides: [&'a Side; 2],
    found: BTreeMap<Key, [Cell; 2]>,
}

impl Rows<'_> {
    fn take(&mut self, pair: &Pair<'_>) {
        let both = [pair.before, pair.after];
        let nothing = match self.by {
            By::Stack | By::Process | By::Thread => both.map(Nothing::of),
            _ => self.sides.map(|side| Nothing::of(&side.processes)),
        };
        for (place, process) in both.into_iter().enumerate() {
            let Some(process) = process else { continue };
            if self.by == By::Process {
                // A process that the other report does not know had nothing there.
                let key = Key::Process(pair.label.clone());
                self.add(key, place, process.live, [Nothing::Zero; 2]);
                continue;
            }
            for stack in &process.stacks {
                let key = self.key(&pair.label, process, stack);
                self.add(key, place, stack.amount, nothing);
            }
            for part in process.left_out.iter().filter(|part| part.amount.blocks.value > 0) {
                let is_of_one = matches!(self.by, By::Stack | By::Thread);
                let process = is_of_one.then(|| pair.label.clone());
                let key = Key::LeftOut { process, why: part.why };
                // It is always said, also where it is nothing.
                self.add(key, place, part.amount, [Nothing::Zero; 2]);
            }
        }
    }

    fn add(&mut self, key: Key, place: usize, amount: Amount, nothing: [Nothing; 2]) {
        let cells = self.found.entry(key).or_default();
        for (cell, nothing) in cells.iter_mut().zip(nothing) {
            cell.nothing = Some(nothing);
        }
        let cell = &mut cells[place];
        cell.amount = Some(cell.amount.map_or(amount, |sum| sum.plus(amount)));
    }

    fn key(&self, label: &str, process: &Process, stack: &Stack) -> Key {
        let label = || label.to_owned();
        match self.by {
            By::Stack => {
                let (frames, function) = (stack.frames.clone(), stack.function.clone());
                return Key::Stack { process: label(), frames, function };
            }
            By::Thread => {
                let thread = Thread::of(stack, process);
                return Key::Thread { process: label(), thread };
            }
            By::SizeClass => return Key::SizeClass(stack.part.size),
            _ => {}
        }
        Key::Caller(stack.frames.first().map(|frame| self.by.part_of(frame)))
    }

    /// In the order of their keys.
    fn rows(self) -> Vec<Row> {
        let Self { by, sides, found } = self;
        let row = |(key, cells): (Key, [Cell; 2])| {
            let [before, after] = [0, 1].map(|place| cells[place].amount(sides[place]));
            // A stack that is listed is listed as a whole.
            let is_part = cells.map(|cell| by != By::Stack && cell.is_part());
            Row { key, before, after, is_part }
        };
        found.into_iter().map(row).collect()
    }
}

impl Thread {
    fn of(stack: &Stack, process: &Process) -> Self {
        match stack.part.thread {
            None => Self::Unknown,
            Some(thread) if thread == process.pid => Self::Main,
            Some(thread) => Self::Number(thread),
        }
    }

    /// What it is called.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Main => "main thread".to_owned(),
            Self::Number(thread) => format!("thread {thread}"),
            Self::Unknown => "(threads are not told apart)".to_owned(),
        }
    }
}

impl Cell {
    /// It lists some, and may have more.
    fn is_part(self) -> bool {
        self.amount.is_some() && self.nothing == Some(Nothing::NotListed)
    }

    fn amount(self, side: &Side) -> Option<Amount> {
        self.amount.or_else(|| match self.nothing? {
            Nothing::Zero => Some(Amount::default()),
            Nothing::NotListed => None,
            Nothing::Unseen => {
                let unseen = Figure::unseen(side.sample_interval);
                Some(Amount { bytes: unseen, blocks: unseen })
            }
        })
    }
}

impl By {
    /// What of a frame its row is named by.
    pub(super) fn part_of(self, frame: &Frame) -> Frame {
        let Frame { file, line, function, short, module, place } = frame.clone();
        let nameless = Frame::default();
        match self {
            Self::Line if file.is_some() => Frame { file, line, ..nameless },
            Self::File if file.is_some() => Frame { file, ..nameless },
            Self::File | Self::Module if module.is_some() => Frame { module, ..nameless },
            _ => Frame { function, short, module, place, ..nameless },
        }
    }
}
