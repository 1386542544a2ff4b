//! Clocks of our time namespace (`time_namespaces(7)`). The kernel side tells times of the initial one; what
//! we ask for, and what `/proc` tells us of starts, is shifted by our namespace's offsets.

use super::process::{clock, lossy, stat, ticks};
use crate::model::ids::Nanos;
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

/// How far our clocks are ahead of those of the initial time namespace, ns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClockOffsets {
    /// `CLOCK_MONOTONIC`.
    pub monotonic: i64,
    /// `CLOCK_BOOTTIME`.
    pub boot: i64,
    /// Starts in `/proc/PID/stat`: as far as the latter from Linux 5.11 on, before not at all.
    pub starts: i64,
}

impl ClockOffsets {
    /// Ours. None before Linux 5.6, and without time namespaces.
    pub fn own() -> Self {
        static OWN: OnceLock<ClockOffsets> = OnceLock::new();
        *OWN.get_or_init(Self::read)
    }

    fn read() -> Self {
        let namespace = |name: &str| fs::read_link(format!("/proc/self/ns/{name}")).ok();
        // The file tells of the namespace that children get. Ours is another one only after unshare(2) in
        // this process, which nothing here does.
        if namespace("time") != namespace("time_for_children") {
            return Self::default();
        }
        let offsets = Self::of(&lossy(Path::new("/proc/self/timens_offsets")).unwrap_or_default());
        // We have begun just now, by which it shows.
        let is_shifted = started_ago().is_none_or(|ago| ago.unsigned_abs() < A_WHILE);
        Self { starts: if is_shifted { offsets.boot } else { 0 }, ..offsets }
    }

    /// Lines `monotonic SECONDS NANOSECONDS` and `boottime …`.
    fn of(text: &str) -> Self {
        let offset = |name: &str| {
            let mut words =
                text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace();
            let (seconds, rest) = (words.next()?.parse::<i64>().ok()?, words.next()?.parse().ok()?);
            seconds.checked_mul(1_000_000_000)?.checked_add(rest)
        };
        let boot = offset("boottime ").unwrap_or(0);
        Self { monotonic: offset("monotonic ").unwrap_or(0), boot, starts: boot }
    }

    /// A moment of our `CLOCK_MONOTONIC` as the kernel side tells it, which is the clock of [`Nanos`].
    #[must_use]
    pub const fn kernel_monotonic(self, ours: Nanos) -> Nanos {
        ours.saturating_add_signed(self.monotonic.saturating_neg())
    }

    /// A start by the kernel side's `CLOCK_BOOTTIME` as `/proc` tells it to us.
    #[must_use]
    pub const fn own_start(self, kernels: Nanos) -> Nanos {
        kernels.saturating_add_signed(self.starts)
    }

    /// A start that `/proc` tells us, by the kernel side's `CLOCK_MONOTONIC`, given our two clocks now. That one
    /// does not count time asleep, so a start may lie before its zero: 0 then.
    #[must_use]
    pub const fn kernel_start(self, told: Nanos, boot: Nanos, monotonic: Nanos) -> Nanos {
        let boot = boot.saturating_add_signed(self.boot.saturating_neg());
        let asleep = boot.saturating_sub(self.kernel_monotonic(monotonic));
        told.saturating_add_signed(self.starts.saturating_neg()).saturating_sub(asleep)
    }
}

/// We have not run for longer when this is asked, and offsets are longer as a rule, ns.
const A_WHILE: u64 = 60 * 1_000_000_000;

/// How long ago we began, by our own clock and what `/proc` says of our start, ns.
fn started_ago() -> Option<i64> {
    let started = ticks(stat(std::process::id()).ok()?.starttime);
    let now = clock(libc::CLOCK_BOOTTIME)?;
    i64::try_from(i128::from(now) - i128::from(started)).ok()
}

#[cfg(test)]
mod tests {
    use super::ClockOffsets;

    #[test]
    fn offsets_are_read_and_taken_off() {
        let offsets =
            ClockOffsets::of("monotonic         -5         7\nboottime        90000  0\n");
        let boot = 90_000_000_000_000;
        assert_eq!(offsets, ClockOffsets { monotonic: -4_999_999_993, boot, starts: boot });
        assert_eq!(offsets.kernel_monotonic(10), 5_000_000_003);
        assert_eq!(offsets.own_start(5), 90_000_000_000_005);
        assert_eq!(ClockOffsets::of("nonsense\nboottime 1\n"), ClockOffsets::default());
        assert_eq!(ClockOffsets { boot: -9, monotonic: 9, starts: -9 }.own_start(5), 0);
    }

    #[test]
    fn starts_are_moments_of_the_kernels_clock() {
        // 30 after boot, of which it was asleep for 10; 100 and 200 ahead.
        for starts in [0, 100] {
            let offsets = ClockOffsets { boot: 100, monotonic: 200, starts };
            let told = offsets.own_start(30);
            assert_eq!(offsets.kernel_start(told, 150, 240), 20);
            assert_eq!(offsets.kernel_start(told - 25, 150, 240), 0);
        }
    }
}
