//! Programs that do nothing, or only count: the floor for benchmarks, the calibration of a probe
//! site's price, and `doctor`'s one-second count of hits before anything is traced.

use crate::emit::Task;
use crate::maps::{count, hit, target};
use crate::sites::cookie;
use aya_ebpf::EbpfContext as _;
use aya_ebpf::macros::{uprobe, uretprobe};
use aya_ebpf::programs::{ProbeContext, RetProbeContext};
use core::ffi::c_void;
use memtrace_common::wire::Counter;

/// Nothing, at an entry or (session) at entry and return.
#[unsafe(no_mangle)]
#[unsafe(link_section = "uprobe")]
fn nothing_session(_context: *mut c_void) -> u32 {
    0
}

/// Nothing, at an entry.
#[uprobe]
fn nothing_entry(_context: ProbeContext) -> u32 {
    0
}

/// Nothing, at a return.
#[uretprobe]
fn nothing_return(_context: RetProbeContext) -> u32 {
    0
}

/// Counts entries of traced processes, also by site: here the cookie is the site's number.
#[uprobe]
fn count_entry(context: ProbeContext) -> u32 {
    if target(Task::current().process).is_some() {
        count(Counter::Entries, 1);
        hit(cookie(context.as_ptr()));
    }
    0
}
