//! Asking for memory before it is needed: a wait for it, about 100 ns, then overlaps with others and with work.

/// On all machines that this runs on.
pub(super) const CACHE_LINE: usize = 64;

/// Has the processor fetch where `place` begins, without waiting for it.
#[inline]
pub(super) fn fetch<T>(place: &T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: PREFETCHT0 is a hint: it changes nothing that a program can see, and takes any address
        // (Intel SDM, volume 2B). SSE, which has it, is part of x86-64.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(place).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = place;
}
