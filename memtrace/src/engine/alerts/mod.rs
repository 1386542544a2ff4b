//! Thresholds that the user sets, and the moments at which processes cross them.

mod held;
mod watch;

pub(crate) use held::Held;
pub(crate) use watch::Watch;

use super::sampling::Confidence;
use super::trend::Band;
use crate::model::ids::{Nanos, SECOND};
use crate::model::process::ProcessInfo;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// Alerts that are kept for reports, over all processes.
pub const MOST_KEPT: usize = 100;
/// Growth is measured over at least this.
const LEAST_SPAN: Nanos = 10 * SECOND;

/// What may be reached before there is an alert, by a process or by all together. `None`: anything. A process
/// is looked at whenever its memory and CPU are told ([`crate::model::event::What::Usage`]), all together at
/// marks ([`crate::model::event::What::Mark`]): what was reached and left again between two looks is not seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thresholds {
    /// Live bytes of the heap, of what was allocated while it was watched.
    pub live: Option<u64>,
    /// Resident set, bytes. Pages that processes share count for each of them.
    pub resident: Option<u64>,
    /// Growth of the live bytes of the heap.
    pub growth: Option<Rate>,
}

/// So many bytes in so much time. The time is also that over which it is measured, if that is long enough for
/// a slope, and else ten seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// Bytes.
    pub bytes: u64,
    /// In this time; not 0.
    pub per: Nanos,
}

impl Rate {
    /// The time over which it is measured: of a shorter one looks once a second tell nothing.
    pub(super) const fn span(self) -> Nanos {
        if self.per < LEAST_SPAN { LEAST_SPAN } else { self.per }
    }

    /// For how long blocks must be watched without a pause before growth can be told.
    #[must_use]
    pub const fn least_watch(self) -> Duration {
        // The first look comes up to a second after the beginning, and the last one up to a second before the end.
        Duration::from_nanos(self.span().saturating_add(2 * SECOND))
    }

    /// As bytes per second.
    #[must_use]
    pub fn per_second(self) -> f64 {
        self.bytes as f64 * SECOND as f64 / self.per.max(1) as f64
    }
}

/// A threshold and what was found beyond it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Crossing {
    /// Of [`Thresholds::live`].
    Live {
        /// Live bytes.
        bytes: u64,
        /// Where they lie, where they are an estimate.
        range: Option<Confidence>,
        /// What was set.
        threshold: u64,
    },
    /// Of [`Thresholds::resident`].
    Resident {
        /// Resident bytes.
        bytes: u64,
        /// What was set.
        threshold: u64,
    },
    /// Of [`Thresholds::growth`].
    Growth {
        /// Bytes per second, with the interval of 95 %: all of it is beyond the threshold.
        rate: Band,
        /// What was set.
        threshold: Rate,
    },
}

/// Who has crossed a threshold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Who {
    /// One process.
    One(Arc<ProcessInfo>),
    /// All that are traced together.
    All {
        /// How many there were.
        processes: u64,
    },
}

/// A threshold was crossed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// By whom.
    pub who: Who,
    /// When that was seen.
    pub time: Nanos,
    /// What.
    pub crossing: Crossing,
}

/// The alerts of a run: the latest ones, and how many there were.
#[derive(Debug, Default)]
pub(super) struct Alerts {
    kept: VecDeque<Alert>,
    /// Of all that there were, those that are not kept any more.
    dropped: u64,
    /// Of all that there were, those that were taken.
    taken: u64,
}

impl Alerts {
    pub(super) fn add(
        &mut self,
        who: &Who,
        time: Nanos,
        found: impl IntoIterator<Item = Crossing>,
    ) {
        for crossing in found {
            if self.kept.len() == MOST_KEPT {
                self.kept.pop_front();
                self.dropped += 1;
            }
            self.kept.push_back(Alert { who: who.clone(), time, crossing });
        }
    }

    /// Those since the last call, as far as they are kept.
    pub(super) fn take_new(&mut self) -> Vec<Alert> {
        let known = usize::try_from(self.taken.saturating_sub(self.dropped)).unwrap_or(usize::MAX);
        self.taken = self.dropped + self.kept.len() as u64;
        self.kept.iter().skip(known).cloned().collect()
    }

    /// Those that are kept, oldest first, and the number of the others.
    pub(super) fn all(&self) -> (Vec<Alert>, u64) {
        (self.kept.iter().cloned().collect(), self.dropped)
    }
}

#[cfg(test)]
mod tests {
    use super::{Alerts, Crossing, MOST_KEPT, Rate, Who};
    use crate::model::ids::SECOND;

    fn live(bytes: u64) -> Crossing {
        Crossing::Live { bytes, range: None, threshold: 1 }
    }

    #[test]
    fn each_alert_is_taken_once_and_the_latest_are_kept() {
        let (mut alerts, who) = (Alerts::default(), Who::All { processes: 2 });
        assert!(alerts.take_new().is_empty());
        alerts.add(&who, 7, [live(1), live(2)]);
        let taken: Vec<_> = alerts.take_new().iter().map(|it| (it.time, it.crossing)).collect();
        assert_eq!(taken, [(7, live(1)), (7, live(2))]);
        assert!(alerts.take_new().is_empty());
        alerts.add(&who, 8, (3..3 + MOST_KEPT as u64).map(live));
        let (kept, dropped) = alerts.all();
        assert_eq!((kept.len(), dropped), (MOST_KEPT, 2));
        assert_eq!(kept[0].crossing, live(3));
        assert_eq!(alerts.take_new().len(), MOST_KEPT);
        alerts.add(&who, 9, [live(0)]);
        assert_eq!(alerts.take_new().len(), 1);
    }

    #[test]
    fn rates_are_per_second() {
        assert_eq!(Rate { bytes: 600, per: 60 * SECOND }.per_second(), 10.0);
        assert!(Rate { bytes: 1, per: 0 }.per_second().is_finite());
    }
}
