//! What memtrace itself uses, and how it steps back when memory runs out.

use std::fs;
use std::time::Duration;

/// CPU time of this process so far, all threads, user and system.
pub(super) fn cpu() -> Duration {
    // SAFETY: all zero is a valid `rusage`, and the call fills in one.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
        usage
    };
    let time = |value: libc::timeval| {
        Duration::from_secs(value.tv_sec.unsigned_abs())
            + Duration::from_micros(value.tv_usec.unsigned_abs())
    };
    time(usage.ru_utime) + time(usage.ru_stime)
}

/// Resident memory of this process, bytes; 0 if `/proc` does not say.
pub(super) fn resident_bytes() -> u64 {
    fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|status| {
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
            line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
        })
        .map_or(0, |kibibytes| kibibytes * 1024)
}

/// `proc_pid_oom_score_adj(5)`: what goes on top of the score by which the kernel chooses whom to end when
/// memory runs out. Children inherit it.
const OOM_SCORE: &str = "/proc/self/oom_score_adj";
/// First of all.
const FIRST: &str = "1000";

/// With which [`OOM_SCORE`] memtrace was started; none if it has kept that.
#[derive(Clone, Debug, Default)]
pub(super) struct Rank(Option<String>);

impl Rank {
    /// Does what makes a process, so that it gets the score that memtrace was started with: it is the user's,
    /// and no part of memtrace. Meanwhile memtrace has it, too.
    pub(super) fn at_first<T>(&self, start: impl FnOnce() -> T) -> T {
        let Some(score) = &self.0 else { return start() };
        if let Err(error) = fs::write(OOM_SCORE, score) {
            tracing::debug!("{OOM_SCORE} stays as it is for what is started now: {error}");
        }
        let started = start();
        let _ = fs::write(OOM_SCORE, FIRST);
        started
    }
}

/// Makes this process the kernel's first choice when memory runs out, and gives it room for a
/// descriptor per mapped file. Both are courtesies: a refusal changes nothing.
pub(super) fn step_back() -> Rank {
    let before = fs::read_to_string(OOM_SCORE).ok();
    let rank = Rank(before.filter(|_| fs::write(OOM_SCORE, FIRST).is_ok()));
    // SAFETY: both calls read or write one `rlimit`.
    unsafe {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) == 0 {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
        }
    }
    rank
}

#[cfg(test)]
mod tests {
    #[test]
    fn we_use_something() {
        assert!(super::resident_bytes() > 1 << 20);
        let before = super::cpu();
        std::hint::black_box((0..2_000_000_u64).fold(0, |sum, n| sum ^ n.wrapping_mul(sum | 1)));
        assert!(super::cpu() >= before);
    }
}
