//! The kernel's clocks, as far as `/proc` needs them.

use crate::model::ids::{Nanos, SECOND};

/// A time of `CLOCK_BOOTTIME` in clock ticks (as `/proc/PID/stat` has it), on `CLOCK_MONOTONIC`.
///
/// The two run alike but for the time that the machine was suspended, so a process that started
/// before a suspension gets a time that is too early by less than that; times before boot are 0.
pub(super) fn boot_ticks_to_monotonic(ticks: u64) -> Option<Nanos> {
    let since_boot = ticks_to_nanos(ticks)?;
    let suspended = now(libc::CLOCK_BOOTTIME)?.saturating_sub(now(libc::CLOCK_MONOTONIC)?);
    Some(since_boot.saturating_sub(suspended))
}

/// Clock ticks (`USER_HZ`, 100 per second on every known machine) in nanoseconds.
pub(super) fn ticks_to_nanos(ticks: u64) -> Option<Nanos> {
    // SAFETY: sysconf only reads its argument.
    let per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    let per_second = u64::try_from(per_second).ok().filter(|&hz| hz > 0)?;
    let nanos = u128::from(ticks) * u128::from(SECOND) / u128::from(per_second);
    u64::try_from(nanos).ok()
}

fn now(clock: libc::clockid_t) -> Option<Nanos> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for one timespec.
    let result = unsafe { libc::clock_gettime(clock, &raw mut time) };
    let seconds = u64::try_from(time.tv_sec).ok()?;
    let rest = u64::try_from(time.tv_nsec).ok()?;
    (result == 0).then(|| seconds.saturating_mul(SECOND).saturating_add(rest))
}

#[cfg(test)]
mod tests {
    use super::{boot_ticks_to_monotonic, now, ticks_to_nanos};

    #[test]
    fn ticks_grow_into_nanoseconds() {
        assert_eq!(ticks_to_nanos(0), Some(0));
        assert!(ticks_to_nanos(100).unwrap() >= 100_000_000);
        assert_eq!(ticks_to_nanos(u64::MAX), None);
    }

    #[test]
    fn boot_lies_in_the_past() {
        assert_eq!(boot_ticks_to_monotonic(0), Some(0));
        assert!(now(libc::CLOCK_MONOTONIC).unwrap() > 0);
    }
}
