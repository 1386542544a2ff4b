//! Clocks of our time namespace (`time_namespaces(7)`). The kernel side tells times of the initial one; what
//! we ask for, and what `/proc` tells us of starts, is shifted by our namespace's offsets.

use super::process::lossy;
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
        Self::of(&lossy(Path::new("/proc/self/timens_offsets")).unwrap_or_default())
    }

    /// Lines `monotonic SECONDS NANOSECONDS` and `boottime …`.
    fn of(text: &str) -> Self {
        let offset = |name: &str| {
            let mut words =
                text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace();
            let (seconds, rest) = (words.next()?.parse::<i64>().ok()?, words.next()?.parse().ok()?);
            seconds.checked_mul(1_000_000_000)?.checked_add(rest)
        };
        Self {
            monotonic: offset("monotonic ").unwrap_or(0),
            boot: offset("boottime ").unwrap_or(0),
        }
    }

    /// A moment of our `CLOCK_MONOTONIC` as the kernel side tells it, which is the clock of [`Nanos`].
    #[must_use]
    pub const fn kernel_monotonic(self, ours: Nanos) -> Nanos {
        ours.saturating_add_signed(self.monotonic.saturating_neg())
    }

    /// A moment of the kernel side's `CLOCK_BOOTTIME` as `/proc` tells it to us.
    #[must_use]
    pub const fn own_boot(self, kernels: Nanos) -> Nanos {
        kernels.saturating_add_signed(self.boot)
    }
}

#[cfg(test)]
mod tests {
    use super::ClockOffsets;

    #[test]
    fn offsets_are_read_and_taken_off() {
        let offsets =
            ClockOffsets::of("monotonic         -5         7\nboottime        90000  0\n");
        assert_eq!(offsets, ClockOffsets { monotonic: -4_999_999_993, boot: 90_000_000_000_000 });
        assert_eq!(offsets.kernel_monotonic(10), 5_000_000_003);
        assert_eq!(offsets.own_boot(5), 90_000_000_000_005);
        assert_eq!(ClockOffsets::of("nonsense\nboottime 1\n"), ClockOffsets::default());
        assert_eq!(ClockOffsets { boot: -9, monotonic: 9 }.own_boot(5), 0);
    }
}
