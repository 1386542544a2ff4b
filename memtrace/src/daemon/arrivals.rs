//! Processes that come to match what is looked for while others are traced: started, renamed, moved to
//! another control group.
//!
//! The kernel side tells of those ([`memtrace_common::wire::Kind::Candidate`]). What it could not tell, as
//! the ring was full, or does not know (a process that changes its user), a slow look at all processes
//! repairs. It takes a few at a time, so that events do not wait for it, and rests a hundred times as long
//! as it worked.

use crate::model::ids::Pid;
use crate::procfs::ProcTree;
use crate::selection::{Decision, Selection};
use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

/// Processes that are looked at in a row, before events get their turn: some 0.05 ms each.
const AT_A_TIME: usize = 64;
/// Candidates that wait; others are found by the slow look.
const MOST_WAITING: usize = 4096;
/// The slow look begins again after this, at the earliest.
const REST: Duration = Duration::from_secs(10);
/// … and after so many times as long as it took.
const REST_FACTOR: u32 = 100;

/// A process that matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Arrival {
    /// Which.
    pub(super) pid: Pid,
    /// It has just become what it is, and may not have mapped its libraries yet.
    pub(super) is_new: bool,
}

/// Whom to look at.
pub(super) struct Arrivals {
    selection: Selection,
    tree: ProcTree,
    candidates: BTreeSet<Pid>,
    /// Those that cannot be traced, until they become something else.
    refused: BTreeSet<Pid>,
    /// The rest of the slow look, when the next one is due, and how long this one has taken.
    rest: VecDeque<Pid>,
    due: Instant,
    spent: Duration,
    /// Those that were taken in.
    came: u64,
}

impl Arrivals {
    pub(super) fn new(selection: Selection) -> Self {
        Self {
            selection,
            tree: ProcTree::default(),
            candidates: BTreeSet::new(),
            refused: BTreeSet::new(),
            rest: VecDeque::new(),
            due: Instant::now() + REST,
            spent: Duration::ZERO,
            came: 0,
        }
    }

    /// Takes note of a process that may match now.
    pub(super) fn note(&mut self, pid: Pid) {
        self.refused.remove(&pid);
        if self.candidates.len() < MOST_WAITING {
            self.candidates.insert(pid);
        }
    }

    /// Leaves a process alone until it becomes something else.
    pub(super) fn refuse(&mut self, pid: Pid) {
        if self.refused.len() >= MOST_WAITING {
            self.refused.clear();
        }
        self.refused.insert(pid);
    }

    /// The processes that match, of some that have not been looked at; `is_known` are left out.
    pub(super) fn next(&mut self, is_known: impl Fn(Pid) -> bool) -> Vec<Arrival> {
        let told = self.candidates.iter().copied().take(AT_A_TIME).collect::<Vec<_>>();
        for pid in &told {
            self.candidates.remove(pid);
        }
        let began = Instant::now();
        let some = self.rest.len().min(AT_A_TIME - told.len());
        let slowly = self.rest.drain(..some).collect::<Vec<_>>();
        let mut found: Vec<Arrival> = slowly
            .into_iter()
            .filter(|pid| !is_known(*pid) && !self.refused.contains(pid) && self.is_meant(*pid))
            .map(|pid| Arrival { pid, is_new: false })
            .collect();
        self.spent += began.elapsed();
        let told = told.into_iter().filter(|pid| !is_known(*pid) && self.is_meant(*pid));
        found.extend(told.map(|pid| Arrival { pid, is_new: true }));
        found
    }

    fn is_meant(&self, pid: Pid) -> bool {
        let facts = self.tree.facts(pid);
        let decide = |facts| self.selection.decide(&facts, std::process::id());
        facts.map(decide) == Some(Decision::Meant)
    }

    /// Begins the slow look if it is due.
    pub(super) fn look_around(&mut self) {
        let now = Instant::now();
        if !self.rest.is_empty() || now < self.due {
            return;
        }
        // Where it cannot be read now it may be the next time.
        self.rest = self.tree.pids().unwrap_or_default().into();
        self.due = now + REST.max(self.spent * REST_FACTOR);
        self.spent = now.elapsed();
    }

    /// One was taken in.
    pub(super) fn count(&mut self) {
        self.came += 1;
    }

    /// What the reader of a report must know.
    pub(super) fn note_of_all(&self) -> Option<String> {
        let (count, verb) = match self.came {
            0 => return None,
            1 => ("1 process".to_owned(), "was"),
            many => (format!("{many} processes"), "were"),
        };
        Some(format!(
            "{count} came to match while tracing, and {verb} traced from a moment after that on"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::{Arrival, Arrivals, MOST_WAITING};
    use crate::selection::Selection;

    fn ourselves_excluded() -> Arrivals {
        Arrivals::new(Selection { all: true, ..Selection::default() })
    }

    #[test]
    fn only_those_that_are_there_and_meant_are_found() {
        let mut arrivals = ourselves_excluded();
        let parent = std::os::unix::process::parent_id();
        for pid in [std::process::id(), parent, u32::MAX] {
            arrivals.note(pid);
        }
        assert_eq!(arrivals.next(|_| false), [Arrival { pid: parent, is_new: true }]);
        assert_eq!(arrivals.next(|_| false), []);
        arrivals.note(parent);
        assert_eq!(arrivals.next(|pid| pid == parent), []);
    }

    #[test]
    fn those_that_wait_are_bounded() {
        let mut arrivals = ourselves_excluded();
        (0..2 * MOST_WAITING as u32).for_each(|pid| arrivals.note(u32::MAX - pid));
        assert_eq!(arrivals.candidates.len(), MOST_WAITING);
    }

    #[test]
    fn the_slow_look_rests() {
        let mut arrivals = ourselves_excluded();
        arrivals.look_around();
        assert!(arrivals.rest.is_empty(), "not before it is due");
        arrivals.due = std::time::Instant::now();
        arrivals.look_around();
        let parent = std::os::unix::process::parent_id();
        arrivals.refuse(1);
        let mut found = Vec::new();
        while !arrivals.rest.is_empty() {
            found.extend(arrivals.next(|_| false).into_iter().map(|it| it.pid));
        }
        assert!(found.contains(&parent) || parent == 1);
        assert!(!found.contains(&1) && !found.contains(&std::process::id()));
        arrivals.look_around();
        assert!(arrivals.rest.is_empty());
    }
}
