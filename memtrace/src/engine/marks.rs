//! The moments that the user has named: the latest ones, and how many there were.

use super::tracker::Tracker;
use crate::model::ids::Nanos;
use crate::model::mark::MarkName;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Marks that are kept for reports. Some 200 bytes each, at most.
pub const MOST_KEPT: usize = 1000;

/// A moment that the user has named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marked {
    /// Its name, which need not be the only one.
    pub name: MarkName,
    /// When.
    pub time: Nanos,
}

/// The marks of a run.
#[derive(Debug, Default)]
pub(super) struct Marks {
    kept: VecDeque<Marked>,
    /// Of all that there were, those that are not kept any more.
    dropped: u64,
}

impl Marks {
    pub(super) fn add(&mut self, time: Nanos, name: &MarkName) {
        if self.kept.len() == MOST_KEPT {
            self.kept.pop_front();
            self.dropped += 1;
        }
        self.kept.push_back(Marked { name: name.clone(), time });
    }

    /// Those that are kept, in the order in which they came, and the number of the others.
    pub(super) fn all(&self) -> (Vec<Marked>, u64) {
        (self.kept.iter().cloned().collect(), self.dropped)
    }
}

impl Tracker {
    /// When tracing began; `None` before the first event.
    #[must_use]
    pub const fn began(&self) -> Option<Nanos> {
        self.began
    }

    /// The latest mark.
    #[must_use]
    pub fn last_mark(&self) -> Option<&Marked> {
        self.marks.kept.back()
    }

    /// How many marks there were, those included that are not kept any more.
    #[must_use]
    pub fn marks_so_far(&self) -> u64 {
        self.marks.dropped + self.marks.kept.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::MOST_KEPT;
    use crate::engine::limits::Limits;
    use crate::engine::snapshot::SnapshotOptions;
    use crate::engine::tracker::Tracker;
    use crate::model::event::{Event, What};
    use crate::model::mark::MarkName;

    #[test]
    fn the_latest_marks_are_kept_and_the_others_counted() {
        let mut tracker = Tracker::new(Limits::default());
        for number in 1..=MOST_KEPT as u64 + 3 {
            let what = What::Named(MarkName::numbered(number));
            tracker.apply(&Event { time: 1000 + number, process: 0, thread: 0, what });
        }
        let snapshot = tracker.snapshot(9000, &SnapshotOptions::default());
        assert_eq!((snapshot.marks.len(), snapshot.dropped_marks), (MOST_KEPT, 3));
        assert_eq!(snapshot.marks[0].name.as_str(), "mark 4");
        assert_eq!(snapshot.marks[0].time, 1004);
        assert_eq!(snapshot.began, 1001);
        assert_eq!(tracker.marks_so_far(), MOST_KEPT as u64 + 3);
    }
}
