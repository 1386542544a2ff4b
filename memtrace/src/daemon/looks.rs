//! Looks under way, and what each costs.

use super::cost::Reading;
use crate::model::event::LookCost;
use crate::model::ids::{Nanos, Pid};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// Between two attempts to begin one, while the probes of the last are not gone yet.
const AGAIN: Duration = Duration::from_millis(50);

/// A look under way.
#[derive(Clone, Copy, Debug)]
struct Underway {
    began: Reading,
    /// Others were under way at some time of it.
    shared: bool,
}

/// See the file's head. The engine bounds their number.
#[derive(Debug, Default)]
pub(super) struct Looks {
    underway: BTreeMap<Pid, Underway>,
    /// To be begun.
    wanted: Vec<Pid>,
    due: Option<Instant>,
}

impl Looks {
    /// When to try again to begin those that could not be begun.
    pub(super) const fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Whether the process is looked at now.
    pub(super) fn is_underway(&self, pid: Pid) -> bool {
        self.underway.contains_key(&pid)
    }

    pub(super) fn want(&mut self, pid: Pid) {
        self.wanted.push(pid);
    }

    /// Those that are to be begun now.
    pub(super) fn take_wanted(&mut self) -> Vec<Pid> {
        self.due = None;
        std::mem::take(&mut self.wanted)
    }

    /// It could not be begun yet.
    pub(super) fn not_yet(&mut self, pid: Pid, now: Instant) {
        self.wanted.push(pid);
        self.due = Some(now + AGAIN);
    }

    pub(super) fn began(&mut self, pid: Pid, reading: Reading) {
        let shared = !self.underway.is_empty();
        self.underway.values_mut().for_each(|look| look.shared = true);
        self.underway.insert(pid, Underway { began: reading, shared });
    }

    /// It has ended. `price`: CPU time between two readings, where that is known. Gives nothing of one that never
    /// began.
    pub(super) fn ended(
        &mut self,
        pid: Pid,
        now: Reading,
        price: impl FnOnce(&Reading, &Reading) -> Option<Nanos>,
    ) -> Option<LookCost> {
        self.wanted.retain(|wanted| *wanted != pid);
        let Underway { began, shared } = self.underway.remove(&pid)?;
        let hits = now.entries.saturating_sub(began.entries);
        Some(LookCost { hits, cpu: price(&began, &now), shared })
    }
}

#[cfg(test)]
mod tests {
    use super::{Looks, Reading};
    use tokio::time::Instant;

    fn at(entries: u64) -> Reading {
        Reading { entries, ..Reading::default() }
    }

    #[test]
    fn looks_that_overlap_say_so() {
        let mut looks = Looks::default();
        looks.began(1, at(0));
        let alone = looks.ended(1, at(5), |_, _| Some(9)).unwrap();
        assert_eq!((alone.hits, alone.cpu, alone.shared), (5, Some(9), false));
        looks.began(1, at(10));
        looks.began(2, at(20));
        let both = [(1, 30), (2, 35)].map(|(pid, now)| looks.ended(pid, at(now), |_, _| None));
        assert_eq!(
            both.map(|it| it.map(|cost| (cost.hits, cost.shared))),
            [Some((20, true)), Some((15, true))]
        );
        assert_eq!(looks.ended(1, at(0), |_, _| None), None);
    }

    #[test]
    fn what_cannot_begin_is_tried_again_unless_it_has_ended() {
        let mut looks = Looks::default();
        looks.want(1);
        looks.want(2);
        assert_eq!((looks.due(), looks.take_wanted()), (None, vec![1, 2]));
        looks.not_yet(1, Instant::now());
        looks.not_yet(2, Instant::now());
        looks.ended(2, at(0), |_, _| None);
        assert!(looks.due().is_some());
        assert_eq!((looks.take_wanted(), looks.due()), (vec![1], None));
    }
}
