//! Memory and CPU time of a process at one moment.

use super::cgroup::Cgroup;
use super::clock;
use super::stat::Stat;
use super::status::Status;
use crate::model::process::Usage;

/// Puts the figures together; what the kernel does not say is 0.
///
/// From `status` and not `smaps_rollup`: the kernel keeps these counters anyway (exact to 64 pages
/// per CPU and thread), while a rollup walks all page tables under the target's memory lock.
pub(super) fn usage(stat: &Stat, status: &Status, cgroup: Option<&Cgroup>) -> Usage {
    let bytes = |key| status.bytes(key).unwrap_or(0);
    Usage {
        resident: bytes("VmRSS"),
        resident_anonymous: bytes("RssAnon"),
        resident_file: bytes("RssFile").saturating_add(bytes("RssShmem")),
        swap: bytes("VmSwap"),
        cgroup: cgroup.and_then(Cgroup::current),
        oom_kills: cgroup.and_then(Cgroup::oom_kills),
        cpu: clock::ticks_to_nanos(stat.cpu_ticks).unwrap_or(0),
    }
}
