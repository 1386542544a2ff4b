//! The clock that the kernel's records carry.

use crate::model::ids::Nanos;
use crate::procfs::ClockOffsets;

/// `CLOCK_MONOTONIC` of the initial time namespace now, the clock of `bpf_ktime_get_ns`.
pub(super) fn now() -> Nanos {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes one `timespec`. It cannot fail for this clock (`clock_gettime(2)`).
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let ours = seconds * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0);
    ClockOffsets::own().kernel_monotonic(ours)
}
