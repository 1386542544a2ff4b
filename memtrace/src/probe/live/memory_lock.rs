//! The limit on locked memory, which older kernels hold BPF maps against.

use super::release;

/// From here on the kernel charges BPF maps to the memory control group instead.
const CHARGED_ELSEWHERE: (u32, u32) = (5, 11);

/// Lifts the limit for this process where maps count (before Linux 5.11); its usual 64 KiB would not
/// even hold the ring. If it cannot be lifted, creating the maps fails with a message of its own.
pub(super) fn lift() {
    if release::version(&release::running()).is_some_and(|version| version >= CHARGED_ELSEWHERE) {
        return;
    }
    let unlimited = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: the call reads the structure and keeps nothing of it.
    unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const unlimited) };
}
