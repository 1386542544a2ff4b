//! Children where links are for each process: when they get theirs, and how many of them were seen late or
//! not at all.

use crate::model::ids::Pid;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Children that end sooner are not linked for where many come: making a link takes some milliseconds,
/// taking it down tens.
const YOUTH: Duration = Duration::from_millis(20);
/// Children that are linked for in a row, before events get their turn.
const AT_A_TIME: usize = 4;
/// Children that are linked for at once, where few come; a new one may be after [`REFILL`].
const AT_ONCE: u32 = 8;
const REFILL: Duration = Duration::from_millis(100);

/// Those that have no links yet, and what became of the others.
#[derive(Debug)]
pub(super) struct Children {
    /// With the moment when they are due; `None`: not before they execute a program.
    young: BTreeMap<Pid, Option<Instant>>,
    /// How many may be linked for at once, as of when.
    at_once: (u32, Instant),
    /// Those that have got links of their own.
    late: u64,
    /// Those that ended before.
    missed: u64,
}

impl Children {
    pub(super) fn new(now: Instant) -> Self {
        Self { young: BTreeMap::new(), at_once: (AT_ONCE, now), late: 0, missed: 0 }
    }

    /// One that needs links. `shares_memory`: it works in its parent's memory until it executes, where a perf
    /// link of its own would see its parent's threads a second time; it waits for that.
    pub(super) fn add(&mut self, pid: Pid, shares_memory: bool, now: Instant) {
        let due = (!shares_memory).then(|| self.due_from(now));
        self.young.insert(pid, due);
    }

    /// It has executed a program.
    pub(super) fn executed(&mut self, pid: Pid, now: Instant) {
        if self.young.get(&pid).is_some_and(|due| due.is_none_or(|due| due > now)) {
            let due = self.due_from(now);
            self.young
                .entry(pid)
                .and_modify(|before| *before = Some(before.unwrap_or(due).min(due)));
        }
    }

    /// It has ended.
    pub(super) fn ended(&mut self, pid: Pid) {
        self.missed += u64::from(self.young.remove(&pid).is_some());
    }

    /// One is traced no longer.
    pub(super) fn forget(&mut self, pid: Pid) {
        self.young.remove(&pid);
    }

    /// Those that are to be linked for now.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Pid> {
        let due = self
            .young
            .iter()
            .filter(|(_, when)| when.is_some_and(|when| when <= now))
            .map(|(pid, _)| *pid);
        let due: Vec<Pid> = due.take(AT_A_TIME).collect();
        for pid in &due {
            self.young.remove(pid);
        }
        due
    }

    /// One of those has links now, or has ended before it could have any.
    pub(super) const fn count(&mut self, has_links: bool) {
        if has_links {
            self.late += 1;
        } else {
            self.missed += 1;
        }
    }

    fn due_from(&mut self, now: Instant) -> Instant {
        if self.may_be_at_once(now) { now } else { now + YOUTH }
    }

    fn may_be_at_once(&mut self, now: Instant) -> bool {
        let (left, since) = self.at_once;
        let periods = now.saturating_duration_since(since).as_nanos() / REFILL.as_nanos();
        let periods = u32::try_from(periods).unwrap_or(u32::MAX);
        let left = left.saturating_add(periods).min(AT_ONCE);
        let since = if left == AT_ONCE { now } else { since + REFILL * periods };
        self.at_once = (left.saturating_sub(1), since);
        left > 0
    }

    /// What the reader of a report must know.
    pub(super) fn note(&self) -> Option<String> {
        let all = self.late + self.missed;
        let children = if all == 1 { "1 child" } else { &format!("{all} children") };
        (all > 0).then(|| {
            format!(
                "{children} of targets had no probes from the beginning, as other processes use the same \
                 library: {} were seen from a moment after their start on, {} ended before and were not \
                 seen; with --link-for all they are seen from their first instruction, and those other \
                 processes pay for the probes, too",
                self.late, self.missed
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{AT_A_TIME, AT_ONCE, Children, REFILL, YOUTH};
    use std::time::Instant;

    #[test]
    fn few_are_linked_for_at_once_and_many_are_not() {
        let now = Instant::now();
        let mut children = Children::new(now);
        (0..AT_ONCE + 3).for_each(|pid| children.add(pid, false, now));
        assert_eq!(children.due(now).len(), AT_A_TIME, "events get their turn");
        assert_eq!(children.due(now).len(), AT_ONCE as usize - AT_A_TIME);
        assert!(children.due(now).is_empty());
        assert_eq!(children.due(now + YOUTH), [AT_ONCE, AT_ONCE + 1, AT_ONCE + 2]);
        children.add(100, false, now + REFILL);
        children.add(101, false, now + REFILL);
        assert_eq!(children.due(now + REFILL), [100]);
    }

    #[test]
    fn one_in_its_parents_memory_waits_until_it_executes() {
        let now = Instant::now();
        let mut children = Children::new(now);
        children.add(1, true, now);
        assert!(children.due(now).is_empty());
        assert!(children.due(now + 100 * YOUTH).is_empty(), "however long that takes");
        children.executed(1, now);
        children.executed(2, now);
        assert_eq!(children.due(now), [1]);
    }

    #[test]
    fn who_was_seen_late_or_not_at_all_is_told() {
        let now = Instant::now();
        let mut children = Children::new(now);
        assert_eq!(children.note(), None);
        (1..=3).for_each(|pid| children.add(pid, false, now));
        children.ended(1);
        children.ended(9);
        children.due(now);
        children.count(true);
        children.count(false);
        // It had links already.
        children.ended(2);
        let note = children.note().unwrap();
        assert!(note.starts_with("3 children of targets"), "{note}");
        assert!(
            note.contains("1 were seen from a moment") && note.contains("2 ended before"),
            "{note}"
        );
    }
}
