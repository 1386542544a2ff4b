//! Atomic operations on map values. The BPF target of Rust's `core` declares atomic loads and stores
//! only, so the rest comes from the compiler's intrinsics (an unstable feature that the eBPF crate's
//! toolchain has anyway, as it builds `core` itself).

use crate::knobs::HAS_FETCH_ATOMICS;
use core::intrinsics::{AtomicOrdering, atomic_xadd, atomic_xchg};

/// Adds. The old value is not used, so every kernel takes the instruction (`BPF_XADD`).
///
/// # Safety
/// `place` is an aligned word of a map's value that is alive.
#[inline(always)]
pub(crate) unsafe fn add(place: *mut u64, amount: u64) {
    // SAFETY: the caller's.
    unsafe { atomic_xadd::<u64, u64, { AtomicOrdering::Relaxed }>(place, amount) };
}

/// Puts `value` in and gives what was there. The instruction came with Linux 5.12; before, programs
/// on the same CPU cannot interrupt each other between two instructions (kernels up to 5.11 run them
/// with preemption off, `trace_call_bpf`), so two do.
///
/// # Safety
/// As for [`add`].
#[inline(always)]
pub(crate) unsafe fn swap(place: *mut u64, value: u64) -> u64 {
    if HAS_FETCH_ATOMICS.load() == 0 {
        // SAFETY: the caller's.
        return unsafe {
            let before = place.read_volatile();
            place.write_volatile(value);
            before
        };
    }
    // SAFETY: the caller's.
    unsafe { atomic_xchg::<u64, { AtomicOrdering::SeqCst }>(place, value) }
}

/// Stores. An aligned 8-byte store is one instruction; BPF has no other.
///
/// # Safety
/// As for [`add`].
#[inline(always)]
pub(crate) unsafe fn store(place: *mut u64, value: u64) {
    // SAFETY: the caller's.
    unsafe { place.write_volatile(value) };
}
