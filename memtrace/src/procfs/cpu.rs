//! How busy processes are.

use super::process::{clock, stat, ticks};
use crate::model::ids::{Nanos, Pid};
use procfs_core::process::Stat;
use std::collections::BTreeMap;
use std::time::Instant;

/// Processes of which a reading is kept; others are judged by their whole lives.
const MOST_KEPT: usize = 32 << 10;

/// CPU time of all processes at one moment.
#[derive(Debug)]
pub struct CpuTimes {
    taken: Instant,
    /// Start, by which the process is known to be the same, and CPU time.
    readings: BTreeMap<Pid, (u64, Nanos)>,
}

impl CpuTimes {
    /// As they are now.
    #[must_use]
    pub fn take() -> Self {
        let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let read =
            |pid| Some((pid, stat(pid).ok()?)).map(|(pid, it)| (pid, (it.starttime, used(&it))));
        let readings = pids.take(MOST_KEPT).filter_map(read).collect();
        Self { taken: Instant::now(), readings }
    }

    /// CPU that the process uses, in cores: the more of what it used since this was taken, and what it used
    /// since it started, as one that rests just now may be about to work. 0 if it has ended.
    #[must_use]
    pub fn cores(&self, pid: Pid) -> f64 {
        let Ok(now) = stat(pid) else { return 0.0 };
        let lately = match self.readings.get(&pid) {
            Some((start, before)) if *start == now.starttime => {
                let elapsed = self.taken.elapsed().as_nanos().max(1);
                used(&now).saturating_sub(*before) as f64 / elapsed as f64
            }
            _ => 0.0,
        };
        let boot = clock(libc::CLOCK_BOOTTIME).unwrap_or_default();
        // A clock tick is the least that is told of an age.
        let age = boot.saturating_sub(ticks(now.starttime)).max(ticks(1));
        lately.max(used(&now) as f64 / age as f64)
    }
}

fn used(stat: &Stat) -> Nanos {
    ticks(stat.utime.saturating_add(stat.stime))
}

#[cfg(test)]
mod tests {
    use super::CpuTimes;
    use std::time::{Duration, Instant};

    #[test]
    fn who_works_is_told_from_who_has_ended() {
        let before = CpuTimes::take();
        // Work is measured by the CPU time itself, however little of it a loaded machine gives.
        let began = Instant::now();
        while before.cores(std::process::id()) == 0.0 && began.elapsed() < Duration::from_secs(60) {
            std::hint::spin_loop();
        }
        assert!(before.cores(std::process::id()) > 0.0);
        assert!(before.cores(u32::MAX).abs() < f64::EPSILON);
    }
}
