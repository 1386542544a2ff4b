//! Which probe site a program runs for: the link's cookie, or what stands for it on kernels without.
//!
//! Before Linux 5.15 a link carries no cookie. There each site gets a copy of the program, in which
//! user space has written the site's number, and a map knows the number's cookie.

use crate::knobs::HAS_ATTACH_COOKIES;
use crate::maps::SITES;
use aya_ebpf::helpers::generated::bpf_get_attach_cookie;
use core::ffi::c_void;

/// The cookie of the site that the program with this `context` was linked to.
#[inline(always)]
pub(crate) fn cookie(context: *mut c_void) -> u64 {
    if HAS_ATTACH_COOKIES.load() != 0 {
        // SAFETY: a context of this program's type is what the helper wants.
        return unsafe { bpf_get_attach_cookie(context) };
    }
    SITES.get(own_number()).copied().unwrap_or(0)
}

/// The number in this copy of the program.
#[inline(always)]
fn own_number() -> u32 {
    // SAFETY: user space replaces this call by a constant before it loads the program
    // (`memtrace/src/probe/live/object.rs`), so nothing is called.
    unsafe {
        let number: unsafe extern "C" fn() -> u64 = core::mem::transmute(0x7f00_0003_usize);
        number() as u32
    }
}
