//! Processes that come to match what is looked for while others are traced: started, renamed, moved to
//! another control group.
//!
//! The kernel side tells of those ([`memtrace_common::wire::Kind::Candidate`]). What it could not tell, as
//! the ring was full, or does not know (a process that changes its user), a slow look at all processes
//! repairs. It takes a few at a time, so that events do not wait for it, and rests a hundred times as long
//! as it worked.
//!
//! Those that the kernel side has let in itself come by another way (`super::admitted`), and are judged here
//! once more.

use super::groups::{GroupNews, Groups};
use super::unseen::Unseen;
use crate::engine::decode::Arrived;
use crate::model::event::Exec;
use crate::model::ids::Pid;
use crate::procfs::{ProcTree, Process};
use crate::selection::{AdmissionRules, Decision, Exclusion, Facts, Selection};
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

/// What is to be thought of a process that the kernel side has let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is there, and meant.
    Meant,
    /// It is there, and not meant.
    NotMeant,
    /// It has gone, or is about to: the kernel side's word stands.
    Gone,
}

/// Those that the kernel side let in.
#[derive(Clone, Debug, Default)]
struct Admitted {
    count: u64,
    /// Had gone before anybody could look at them.
    gone: u64,
    /// What those executed.
    unseen: Unseen,
    /// Had gone before they had probes of their own.
    ended: u64,
    /// Have probes of their own, which came late.
    late: u64,
    /// Were let go, as they are not meant.
    not_meant: u64,
}

/// Whom to look at.
pub(super) struct Arrivals {
    selection: Selection,
    tree: ProcTree,
    groups: Groups,
    /// Whom the kernel side may let in by itself.
    rules: Option<AdmissionRules>,
    candidates: BTreeSet<Pid>,
    /// Those that cannot be traced, until they become something else.
    refused: BTreeSet<Pid>,
    /// The rest of the slow look, when the next one is due, and how long this one has taken.
    rest: VecDeque<Pid>,
    due: Instant,
    spent: Duration,
    /// Those that were taken in.
    came: u64,
    /// Those that were let go as they left the groups that are selected.
    left: u64,
    /// Those that were let go as they became what is excluded.
    excluded: u64,
    admitted: Admitted,
}

impl Arrivals {
    pub(super) fn new(selection: Selection) -> Self {
        let rules = selection.admission(std::process::id());
        let mut groups = Groups::new(rules.as_ref().map_or(0, AdmissionRules::room_for_groups));
        groups.look_at_all(&selection);
        Self {
            selection,
            tree: ProcTree::default(),
            groups,
            rules,
            candidates: BTreeSet::new(),
            refused: BTreeSet::new(),
            rest: VecDeque::new(),
            due: Instant::now() + REST,
            spent: Duration::ZERO,
            came: 0,
            left: 0,
            excluded: 0,
            admitted: Admitted::default(),
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

    /// Whether it is excluded by now, though it was traced: what a target's child executes need not be meant.
    pub(super) fn excludes(&mut self, pid: Pid) -> bool {
        if self.selection.exclude_comms.is_empty() && self.selection.exclude_pids.is_empty() {
            return false;
        }
        let Some(facts) = self.tree.facts(pid) else { return false };
        let is_excluded = matches!(
            self.selection.decide(&facts, std::process::id()),
            Decision::Excluded(Exclusion::Comm | Exclusion::Pid)
        );
        self.excluded += u64::from(is_excluded);
        is_excluded
    }

    /// Whether it is outside of what was selected by control group, container or pod by now, though it was traced.
    pub(super) fn has_left(&mut self, pid: Pid) -> bool {
        let selection = &self.selection;
        if selection.cgroups.is_empty()
            && selection.containers.is_empty()
            && selection.pods.is_empty()
        {
            return false;
        }
        let Some(facts) = self.tree.facts(pid) else { return false };
        // One that has ended is in no group any more.
        let has_left = !facts.zombie && selection.is_elsewhere(&facts);
        self.left += u64::from(has_left);
        has_left
    }

    /// Whether it is meant. Its control group may be new, and what is to be known of that is learnt first.
    fn is_meant(&mut self, pid: Pid) -> bool {
        let Some(facts) = self.tree.facts(pid) else { return false };
        self.groups.meet(&mut self.selection, &facts);
        self.selection.decide(&facts, std::process::id()) == Decision::Meant
    }

    /// Begins the slow look if it is due.
    pub(super) fn look_around(&mut self) {
        let now = Instant::now();
        if self.groups.learn(&mut self.selection) {
            // Those who were met before their names were known are there already.
            self.due = now;
        }
        if !self.rest.is_empty() || now < self.due {
            return;
        }
        // Where it cannot be read now it may be the next time.
        self.rest = self.tree.pids().unwrap_or_default().into();
        self.groups.look_at_all(&self.selection);
        self.due = now + REST.max(self.spent * REST_FACTOR);
        self.spent = now.elapsed();
    }

    /// One was taken in.
    pub(super) fn count(&mut self) {
        self.came += 1;
    }

    /// Whom the kernel side may let in by itself.
    pub(super) const fn rules(&self) -> Option<&AdmissionRules> {
        self.rules.as_ref()
    }

    /// What the kernel side is to be told of control groups.
    pub(super) fn news_of_groups(&mut self) -> Vec<GroupNews> {
        self.groups.take_news()
    }

    /// Decides once more about one that was let in, by what `/proc` says. One that is about to end has no
    /// program any more there.
    pub(super) fn judge(&mut self, arrived: &Arrived) -> Verdict {
        self.candidates.remove(&arrived.pid);
        self.refused.remove(&arrived.pid);
        let key = Process::gone(arrived.pid, arrived.started).key();
        // Its program is read last: while there is one, the rest was whole.
        let runs = |facts: &Facts| facts.exe.as_ref().is_some_and(|exe| exe.file.is_some());
        let facts = self.tree.facts(arrived.pid);
        let Some(facts) = facts.filter(|facts| facts.key == key && runs(facts)) else {
            return Verdict::Gone;
        };
        match self.selection.decide(&facts, std::process::id()) {
            Decision::Meant => Verdict::Meant,
            Decision::Excluded(Exclusion::Zombie) => Verdict::Gone,
            Decision::NotMeant(_) | Decision::Excluded(_) => {
                self.admitted.not_meant += 1;
                Verdict::NotMeant
            }
        }
    }

    /// One that was let in was taken in. `is_late`: it has probes of its own.
    pub(super) fn count_admitted(&mut self, is_late: bool) {
        self.admitted.count += 1;
        self.admitted.late += u64::from(is_late);
    }

    /// One that was let in had gone before anybody could look at it. Its program has this path, if that is
    /// known from elsewhere.
    pub(super) fn count_gone(&mut self, program: Exec, path: Option<String>) {
        self.admitted.count += 1;
        self.admitted.gone += 1;
        self.admitted.unseen.add(program, path);
    }

    /// One that was let in was looked at, and had gone before it had probes of its own.
    pub(super) const fn count_ended(&mut self) {
        self.admitted.count += 1;
        self.admitted.ended += 1;
    }

    /// What the reader of a report must know.
    pub(super) fn notes(&self) -> impl Iterator<Item = String> {
        let came = (self.came > 0).then(|| {
            let (count, were) = counted(self.came);
            format!(
                "{count} came to match while tracing, and {were} traced from a moment after that on"
            )
        });
        let left = (self.left > 0).then(|| {
            let (count, were) = counted(self.left);
            format!(
                "{count} left the groups that are selected, and {were} traced no longer: they are not in this report"
            )
        });
        let excluded = (self.excluded > 0).then(|| {
            let (count, were) = counted(self.excluded);
            format!(
                "{count} executed what is excluded, and {were} traced no longer: what came before is not in this report"
            )
        });
        came.into_iter().chain(left).chain(excluded).chain(self.admitted.notes())
    }
}

impl Admitted {
    fn notes(&self) -> impl Iterator<Item = String> {
        let (count, were) = counted(self.count);
        let admitted = (self.count > 0).then(|| {
            format!(
                "{count} came to match while tracing, as they executed a program, and {were} traced from \
                 its first instruction on"
            )
        });
        let late = (self.late > 0).then(|| {
            let (count, _) = counted(self.late);
            format!(
                "{count} of those use files that are probed for each process by itself: what they allocated \
                 before they were probed was not seen"
            )
        });
        let gone = (self.gone > 0).then(|| {
            let (count, _) = counted(self.gone);
            format!(
                "{count} of those had ended before they could be looked at: what they did in files that are \
                 probed for all processes was seen, and has no names; what they did in others was not: {}",
                self.unseen.list()
            )
        });
        let ended = (self.ended > 0).then(|| {
            let (count, _) = counted(self.ended);
            format!(
                "{count} of those ended before probes of their own could be placed: what they did in files that \
                 are probed for each process by itself was not seen"
            )
        });
        let not_meant = (self.not_meant > 0).then(|| {
            let (count, were) = counted(self.not_meant);
            format!("{count} that matched at exec {were} left alone, as they did not match a moment later")
        });
        [admitted, late, gone, ended, not_meant].into_iter().flatten()
    }
}

/// A number of processes, and the verb for it.
fn counted(count: u64) -> (String, &'static str) {
    match count {
        1 => ("1 process".to_owned(), "was"),
        many => (format!("{many} processes"), "were"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Arrival, Arrivals, MOST_WAITING, Verdict};
    use crate::engine::decode::Arrived;
    use crate::model::event::Exec;
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

    /// A process as the kernel side would have let it in.
    fn let_in(pid: u32, start_ticks: u64) -> Arrived {
        // SAFETY: no memory is involved.
        let per_second = u64::try_from(unsafe { libc::sysconf(libc::_SC_CLK_TCK) }).unwrap();
        let started = start_ticks * (1_000_000_000 / per_second);
        let program = Exec { device: 0, inode: 0 };
        Arrived { pid, time: 0, started, program, comm: b"x".to_vec(), uid: 0 }
    }

    #[test]
    fn those_that_were_let_in_are_judged_by_what_they_are() {
        let mut arrivals = ourselves_excluded();
        let parent = std::os::unix::process::parent_id();
        let start = arrivals.tree.facts(parent).unwrap().key.start_time;
        assert_eq!(arrivals.judge(&let_in(parent, start)), Verdict::Meant);
        assert_eq!(arrivals.judge(&let_in(parent, start + 1)), Verdict::Gone);
        assert_eq!(arrivals.judge(&let_in(u32::MAX, 1)), Verdict::Gone);
        arrivals.selection.exclude_pids.push(parent);
        assert_eq!(arrivals.judge(&let_in(parent, start)), Verdict::NotMeant);
        let notes: Vec<String> = arrivals.notes().collect();
        assert!(notes.len() == 1 && notes[0].starts_with("1 process that matched"), "{notes:?}");
        arrivals.count_admitted(true);
        arrivals.count_gone(Exec { device: 0, inode: 0 }, Some("/bin/x".to_owned()));
        let notes: Vec<String> = arrivals.notes().collect();
        assert!(notes[0].starts_with("2 processes came to match") && notes.len() == 4, "{notes:?}");
        assert!(notes[2].ends_with(": /bin/x"), "{notes:?}");
        arrivals.count_ended();
        let notes: Vec<String> = arrivals.notes().collect();
        assert!(notes[0].starts_with("3 processes came to match") && notes.len() == 5, "{notes:?}");
        assert!(notes[3].starts_with("1 process of those ended before probes"), "{notes:?}");
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
