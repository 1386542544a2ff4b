//! Reading the target's and the kernel's memory, bounded and never faulting.

use aya_ebpf::helpers::generated::{bpf_probe_read_kernel, bpf_probe_read_user};
use core::arch::asm;
use core::ffi::c_void;
use core::mem::MaybeUninit;

/// Plain values for which every bit pattern is valid.
pub(crate) trait Plain: Copy {}
impl Plain for u32 {}
impl Plain for u64 {}
impl<const N: usize> Plain for [u64; N] {}
impl<const N: usize> Plain for [u8; N] {}

/// The same number, of which the compiler knows nothing any more. Before a check of bounds, so that
/// the check stays the last thing done to the register that is used: older verifiers learn bounds
/// from nothing else.
#[inline(always)]
pub(crate) fn opaque(mut value: u64) -> u64 {
    // A move to itself: with no instruction at all, two lines of source would claim the next one,
    // which the kernel refuses ("Invalid line_info").
    // SAFETY: it changes nothing.
    unsafe { asm!("{0} = {0}", inout(reg) value, options(pure, nomem, nostack, preserves_flags)) };
    value
}

/// Reads from the current process's memory; `None` if the page is not there or not readable.
#[inline(always)]
pub(crate) fn read_user<T: Plain>(address: u64) -> Option<T> {
    let mut value = MaybeUninit::<T>::uninit();
    // SAFETY: the helper writes exactly `size_of::<T>()` bytes to a buffer of that size; it checks
    // the source itself. On success the value is initialised, and any bits are a valid `T`.
    unsafe {
        let status = bpf_probe_read_user(
            value.as_mut_ptr().cast::<c_void>(),
            size_of::<T>() as u32,
            address as *const c_void,
        );
        if status == 0 { Some(value.assume_init()) } else { None }
    }
}

/// Copies `length` bytes of the current process's memory; `false` if they are not all there.
#[inline(always)]
pub(crate) fn read_user_into<T: Plain>(place: &mut T, length: u32, address: u64) -> bool {
    if length as usize > size_of::<T>() {
        return false;
    }
    // SAFETY: the helper writes at most `length` bytes, which fit; any bits are a valid `T`.
    let status =
        unsafe { bpf_probe_read_user((place as *mut T).cast(), length, address as *const c_void) };
    status == 0
}

/// Copies a value that programs share from one place to another.
///
/// # Safety
/// `to` is a place in a map's value that nobody else writes to, and any bits are a valid `T`.
#[inline(always)]
pub(crate) unsafe fn copy_kernel<T: Copy>(to: *mut T, from: *const T) {
    // SAFETY: the helper writes exactly a `T`; both are places in maps, which can be read.
    let _ = unsafe { bpf_probe_read_kernel(to.cast(), size_of::<T>() as u32, from.cast()) };
}

/// Reads kernel memory; `None` if it cannot be read.
#[inline(always)]
pub(crate) fn read_kernel<T: Plain>(address: u64) -> Option<T> {
    let mut value = MaybeUninit::<T>::uninit();
    // SAFETY: as in `read_user`.
    unsafe {
        let status = bpf_probe_read_kernel(
            value.as_mut_ptr().cast::<c_void>(),
            size_of::<T>() as u32,
            address as *const c_void,
        );
        if status == 0 { Some(value.assume_init()) } else { None }
    }
}
