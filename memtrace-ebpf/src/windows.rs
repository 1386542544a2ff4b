//! Which processes' allocations and frees are told now ([`memtrace_common::windows`]).
//!
//! One word says so, so that all sites begin and stop to count at the same instant, however long it takes to
//! place probes or to take them away. Mappings and the life of processes are told all the time.

use crate::knobs::MAY_CLOSE;
use crate::maps::lost;
use crate::pending::thread;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap};
use memtrace_common::limits::USUAL_TARGETS;
use memtrace_common::windows::HeapWindow;
use memtrace_common::wire::Loss;

/// By process; not of those that have always been open.
#[map]
static WINDOWS: HashMap<u32, HeapWindow> = HashMap::with_max_entries(USUAL_TARGETS, 0);

/// How processes begin that the kernel side lets in.
#[map]
static NEWCOMERS: Array<HeapWindow> = Array::with_max_entries(1, 0);

/// From when on calls of this process count that were entered: 0 (all) where it has always been open,
/// [`HeapWindow::CLOSED`] where none does now.
#[inline(always)]
pub(crate) fn opened(process: u32) -> u64 {
    if MAY_CLOSE.load() == 0 {
        return 0;
    }
    match window(process) {
        Some(window) => window.opened(),
        None => 0,
    }
}

#[inline(always)]
fn window(process: u32) -> Option<HeapWindow> {
    // SAFETY: user space replaces values as a whole.
    unsafe { WINDOWS.get(&process) }.copied()
}

/// A call is being entered: whether it counts. What the thread has pending from an earlier window is dropped.
#[inline(always)]
pub(crate) fn counts(process: u32, pending: u32) -> bool {
    MAY_CLOSE.load() == 0 || counts_now(process, pending) != 0
}

/// A function of its own, whose stack is not that of programs which walk stacks as well.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn counts_now(process: u32, pending: u32) -> u64 {
    let since = opened(process);
    if since == HeapWindow::CLOSED {
        return 0;
    }
    if since != 0
        && let Some(thread) = thread(pending)
    {
        thread.forget_before(since);
    }
    1
}

/// The child of a target begins as its parent is now.
#[inline(always)]
pub(crate) fn inherit_window(parent: u32, child: u32) {
    if MAY_CLOSE.load() == 0 {
        return;
    }
    match window(parent) {
        Some(window) => begin(child, window),
        None => forget_window(child),
    }
}

/// A process is let in.
#[inline(always)]
pub(crate) fn begin_window(process: u32) {
    if MAY_CLOSE.load() == 0 {
        return;
    }
    match NEWCOMERS.get(0).copied() {
        Some(window) if window.closed != 0 => begin(process, window),
        _ => forget_window(process),
    }
}

#[inline(always)]
fn begin(process: u32, window: HeapWindow) {
    // There is room for as many as there are targets.
    if WINDOWS.insert(&process, &window, 0).is_err() {
        lost(Loss::TargetsFull);
    }
}

/// The process has gone.
#[inline(always)]
pub(crate) fn forget_window(process: u32) {
    if MAY_CLOSE.load() != 0 {
        let _ = WINDOWS.remove(&process);
    }
}
