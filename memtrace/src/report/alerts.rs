//! Alerts as reports, messages and commands tell of them.

use super::names::clean;
use super::place::workload;
use super::units::{bytes, counted, rate};
use crate::engine::alerts::{Alert, Crossing, Rate, Who};
use crate::engine::sampling::Confidence;
use crate::model::ids::Nanos;
use jiff::{SignedDuration, Timestamp};

/// Who has crossed a threshold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AlertBy {
    /// One process.
    Process {
        /// Process id.
        pid: u32,
        /// Field 22 of `/proc/PID/stat`.
        start_time: u64,
        /// Its name, cleaned.
        comm: String,
        /// Its container's id or name, cleaned.
        container: Option<String>,
        /// Its pod's namespace and name, or else its uid, cleaned.
        pod: Option<String>,
    },
    /// All that are traced together.
    All {
        /// How many there were.
        processes: u64,
    },
}

impl AlertBy {
    fn of(who: &Who) -> Self {
        match who {
            Who::One(process) => Self::Process {
                pid: process.key.pid,
                start_time: process.key.start_time,
                comm: clean(&process.comm),
                container: process.container.as_deref().map(clean),
                pod: process.pod.as_ref().or(process.pod_uid.as_ref()).map(|pod| clean(pod)),
            },
            Who::All { processes } => Self::All { processes: *processes },
        }
    }

    /// `process` or `total`.
    #[must_use]
    pub const fn scope(&self) -> &'static str {
        match self {
            Self::Process { .. } => "process",
            Self::All { .. } => "total",
        }
    }

    /// Process id; `None` of all together.
    #[must_use]
    pub const fn pid(&self) -> Option<u32> {
        match self {
            Self::Process { pid, .. } => Some(*pid),
            Self::All { .. } => None,
        }
    }

    /// Its container; `None` of all together.
    #[must_use]
    pub fn container(&self) -> Option<&str> {
        match self {
            Self::Process { container, .. } => container.as_deref(),
            Self::All { .. } => None,
        }
    }

    /// Its pod; `None` of all together.
    #[must_use]
    pub fn pod(&self) -> Option<&str> {
        match self {
            Self::Process { pod, .. } => pod.as_deref(),
            Self::All { .. } => None,
        }
    }

    /// The process's name; `None` of all together.
    #[must_use]
    pub fn comm(&self) -> Option<&str> {
        match self {
            Self::Process { comm, .. } => Some(comm),
            Self::All { .. } => None,
        }
    }
}

/// A threshold was crossed. Figures are bytes, or bytes per second for growth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertReport {
    /// `live`, `rss` or `growth`.
    pub kind: &'static str,
    /// By whom.
    pub by: AlertBy,
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
            by: AlertBy::of(&alert.who),
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
        match &self.by {
            AlertBy::Process { pid, comm, container, pod, .. } => {
                let workload = workload(container.as_deref(), pod.as_deref(), None)
                    .map_or_else(String::new, |it| format!(", {it}"));
                format!("{comm} (pid {pid}{workload}): {}", self.words)
            }
            AlertBy::All { processes: 1 } => {
                format!("all that is traced, 1 process: {}", self.words)
            }
            AlertBy::All { processes } => {
                format!("all {} together: {}", counted(*processes, "process"), self.words)
            }
        }
    }
}

fn figures(crossing: Crossing) -> (&'static str, u64, u64) {
    match crossing {
        Crossing::Live { bytes, threshold, .. } => ("live", bytes, threshold),
        Crossing::Resident { bytes, threshold } => ("rss", bytes, threshold),
        Crossing::Growth { rate, threshold } => {
            ("growth", rate.middle as u64, threshold.per_second() as u64)
        }
    }
}

const fn interval(crossing: Crossing) -> Option<(i64, i64)> {
    match crossing {
        Crossing::Growth { rate, .. } => Some((rate.low as i64, rate.high as i64)),
        Crossing::Live { range: Some(it), .. } => {
            // Casts of what no address space has room for.
            Some((it.low as i64, it.high as i64))
        }
        Crossing::Live { .. } | Crossing::Resident { .. } => None,
    }
}

fn words(crossing: Crossing) -> String {
    let reached = |what, found, set| format!("{what} {found} reached {}", bytes(set));
    let about = |found, it: Confidence| {
        format!("{} (95 %: {} to {})", bytes(found), bytes(it.low), bytes(it.high))
    };
    match crossing {
        Crossing::Live { bytes: found, range, threshold } => {
            let found = range.map_or_else(|| bytes(found), |it| about(found, it));
            reached("live heap", found, threshold)
        }
        Crossing::Resident { bytes: found, threshold } => {
            reached("resident memory", bytes(found), threshold)
        }
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
    use crate::engine::alerts::{Alert, Crossing, Rate, Who};
    use crate::engine::sampling::Confidence;
    use crate::engine::trend::Band;
    use crate::model::ids::{Nanos, ProcessKey, SECOND};
    use crate::model::process::ProcessInfo;
    use jiff::Timestamp;
    use std::sync::Arc;

    fn told(crossing: Crossing, now: Nanos, time: Timestamp) -> AlertReport {
        let key = ProcessKey { pid: 7, start_time: 8 };
        let process = ProcessInfo { key, comm: "a\x1b\nb".to_owned(), ..ProcessInfo::default() };
        let who = Who::One(Arc::new(process));
        AlertReport::of(&Alert { who, time: 5 * SECOND, crossing }, now, time)
    }

    #[test]
    fn an_alert_is_told_with_its_figures() {
        let time = Timestamp::from_second(1_000).unwrap();
        let live = told(
            Crossing::Live { bytes: 3 << 20, range: None, threshold: 2 << 20 },
            8 * SECOND,
            time,
        );
        assert_eq!(live.describe(), "a\\x1b\\nb (pid 7): live heap 3.00 MiB reached 2.00 MiB");
        assert_eq!((live.value, live.threshold, live.interval), (3 << 20, 2 << 20, None));
        assert_eq!((live.time, live.age), (Timestamp::from_second(997).unwrap(), 3 * SECOND));
        let range = Some(Confidence { low: 1 << 20, high: 4 << 20 });
        let about = Crossing::Live { bytes: 3 << 20, range, threshold: 2 << 20 };
        let about = told(about, 8 * SECOND, time);
        assert_eq!(
            about.describe(),
            "a\\x1b\\nb (pid 7): live heap 3.00 MiB (95 %: 1.00 MiB to 4.00 MiB) reached 2.00 MiB"
        );
        assert_eq!(about.interval, Some((1 << 20, 4 << 20)));
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

    #[test]
    fn all_together_have_no_pid() {
        let crossing = Crossing::Live { bytes: 3 << 20, range: None, threshold: 2 << 20 };
        let alert = |processes| Alert { who: Who::All { processes }, time: 0, crossing };
        let told = |processes| AlertReport::of(&alert(processes), 0, Timestamp::UNIX_EPOCH);
        let words = "live heap 3.00 MiB reached 2.00 MiB";
        assert_eq!(told(12).describe(), format!("all 12 processes together: {words}"));
        assert_eq!(told(1).describe(), format!("all that is traced, 1 process: {words}"));
        assert_eq!(
            (told(1).by.pid(), told(1).by.comm(), told(1).by.scope()),
            (None, None, "total")
        );
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
