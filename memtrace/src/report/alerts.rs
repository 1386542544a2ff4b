//! Alerts as reports, messages and commands tell of them.

use super::names::clean;
use super::units::{bytes, rate};
use crate::engine::alerts::{Alert, Crossing, Rate};
use crate::model::ids::Nanos;
use jiff::{SignedDuration, Timestamp};

/// A process has crossed a threshold. Figures are bytes, or bytes per second for growth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertReport {
    /// `live`, `rss` or `growth`.
    pub kind: &'static str,
    /// Process id.
    pub pid: u32,
    /// Field 22 of `/proc/PID/stat`.
    pub start_time: u64,
    /// Its name, cleaned.
    pub comm: String,
    /// When it was seen, by the wall clock of the report.
    pub time: Timestamp,
    /// How long before the report, ns.
    pub age: Nanos,
    /// What was found.
    pub value: u64,
    /// The interval of 95 % around it, where it is an estimate.
    pub interval: Option<(i64, i64)>,
    /// What was set.
    pub threshold: u64,
    /// What was found and what was set, for people.
    words: String,
}

impl AlertReport {
    /// The alert, told at `now` on the events' clock, when the wall clock shows `time`. The wall clock serves
    /// for nothing else: it may jump.
    #[must_use]
    pub fn of(alert: &Alert, now: Nanos, time: Timestamp) -> Self {
        let age = now.saturating_sub(alert.time);
        let past = SignedDuration::from_nanos(i64::try_from(age).unwrap_or(i64::MAX));
        let (kind, value, threshold) = figures(alert.crossing);
        Self {
            kind,
            pid: alert.process.key.pid,
            start_time: alert.process.key.start_time,
            comm: clean(&alert.process.comm),
            time: time.checked_sub(past).unwrap_or(Timestamp::MIN),
            age,
            value,
            interval: interval(alert.crossing),
            threshold,
            words: words(alert.crossing),
        }
    }

    /// `thumbd (pid 1234): live heap 12.0 MiB reached 10.0 MiB`.
    #[must_use]
    pub fn describe(&self) -> String {
        format!("{} (pid {}): {}", self.comm, self.pid, self.words)
    }
}

fn figures(crossing: Crossing) -> (&'static str, u64, u64) {
    match crossing {
        Crossing::Live { bytes, threshold } => ("live", bytes, threshold),
        Crossing::Resident { bytes, threshold } => ("rss", bytes, threshold),
        Crossing::Growth { rate, threshold } => {
            ("growth", rate.middle as u64, threshold.per_second() as u64)
        }
    }
}

const fn interval(crossing: Crossing) -> Option<(i64, i64)> {
    match crossing {
        Crossing::Growth { rate, .. } => Some((rate.low as i64, rate.high as i64)),
        Crossing::Live { .. } | Crossing::Resident { .. } => None,
    }
}

fn words(crossing: Crossing) -> String {
    let reached = |what, found, set| format!("{what} {} reached {}", bytes(found), bytes(set));
    match crossing {
        Crossing::Live { bytes, threshold } => reached("live heap", bytes, threshold),
        Crossing::Resident { bytes, threshold } => reached("resident memory", bytes, threshold),
        Crossing::Growth { rate: found, threshold } => format!(
            "live heap grew by {} (95 %: {} to {}), at least {}",
            rate(found.middle),
            rate(found.low),
            rate(found.high),
            typed(threshold)
        ),
    }
}

fn typed(threshold: Rate) -> String {
    rate(threshold.per_second())
}

#[cfg(test)]
mod tests {
    use super::AlertReport;
    use crate::engine::alerts::{Alert, Crossing, Rate};
    use crate::engine::trend::Band;
    use crate::model::ids::{Nanos, ProcessKey, SECOND};
    use crate::model::process::ProcessInfo;
    use jiff::Timestamp;
    use std::sync::Arc;

    fn told(crossing: Crossing, now: Nanos, time: Timestamp) -> AlertReport {
        let key = ProcessKey { pid: 7, start_time: 8 };
        let process = ProcessInfo { key, comm: "a\x1b\nb".to_owned(), ..ProcessInfo::default() };
        AlertReport::of(
            &Alert { process: Arc::new(process), time: 5 * SECOND, crossing },
            now,
            time,
        )
    }

    #[test]
    fn an_alert_is_told_with_its_figures() {
        let time = Timestamp::from_second(1_000).unwrap();
        let live = told(Crossing::Live { bytes: 3 << 20, threshold: 2 << 20 }, 8 * SECOND, time);
        assert_eq!(live.describe(), "a\\x1b\\nb (pid 7): live heap 3.00 MiB reached 2.00 MiB");
        assert_eq!((live.value, live.threshold, live.interval), (3 << 20, 2 << 20, None));
        assert_eq!((live.time, live.age), (Timestamp::from_second(997).unwrap(), 3 * SECOND));
        let rate = Band { low: 2048.0, middle: 3072.0, high: 4096.0 };
        let threshold = Rate { bytes: 60 << 10, per: 60 * SECOND };
        let growth = told(Crossing::Growth { rate, threshold }, 5 * SECOND, time);
        assert_eq!(
            growth.describe(),
            "a\\x1b\\nb (pid 7): live heap grew by +3.00 KiB/s (95 %: +2.00 KiB/s to +4.00 KiB/s), at \
             least +1.00 KiB/s"
        );
        assert_eq!((growth.value, growth.threshold), (3072, 1024));
        assert_eq!(growth.interval, Some((2048, 4096)));
    }

    /// What is said of the past depends on the wall clock only by what it shows.
    #[test]
    fn a_wall_clock_that_jumps_does_no_harm() {
        let crossing = Crossing::Resident { bytes: 2, threshold: 1 };
        let ages = [Timestamp::MIN, Timestamp::UNIX_EPOCH, Timestamp::MAX]
            .map(|time| [0, 9 * SECOND, Nanos::MAX].map(|now| told(crossing, now, time).age));
        assert_eq!(ages, [[0, 4 * SECOND, Nanos::MAX - 5 * SECOND]; 3]);
    }
}
