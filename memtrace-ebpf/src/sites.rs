//! Which probe site a program runs for: the link's cookie, or what stands for it on kernels without.
//!
//! Before Linux 5.15 a link carries no cookie. There each site has a program of a few instructions that notes the
//! site's cookie for the CPU and goes on into ours (`memtrace/src/probe/live/entrance.rs`). Nothing can come
//! between: until Linux 6.0 a uprobe's programs run with preemption switched off (`__uprobe_perf_func` in
//! `kernel/trace/trace_uprobe.c`), and another program of a probe does not interrupt them (`bpf_prog_active` in
//! `trace_call_bpf`).

use crate::knobs::HAS_ATTACH_COOKIES;
use crate::maps::SITE_COOKIE;
use aya_ebpf::helpers::generated::bpf_get_attach_cookie;
use core::ffi::c_void;

/// The cookie of the site that the program with this `context` was linked to.
#[inline(always)]
pub(crate) fn cookie(context: *mut c_void) -> u64 {
    if HAS_ATTACH_COOKIES.load() != 0 {
        // SAFETY: a context of this program's type is what the helper wants.
        return unsafe { bpf_get_attach_cookie(context) };
    }
    // SAFETY: an aligned u64 of this CPU, which nobody else uses meanwhile: see above.
    SITE_COOKIE.get_ptr(0).map_or(0, |cookie| unsafe { *cookie })
}
