//! How the code of a process changes, between two looks that user space takes at its mappings.
//!
//! A stack that leads through code of which user space has not told yet is copied for user space to walk.
//! It does so by mappings that it reads later, which are right if nothing was taken away in between. So
//! what may take code away is counted: the count in the copy and around the look must be the same.

use super::tables::{overlaps_code, space};
use crate::atomic;
use aya_ebpf::macros::map;
use aya_ebpf::maps::HashMap;
use memtrace_common::limits::USUAL_TARGETS;
use memtrace_common::unwind::{CodeChanges, Extent, FRESH_CODE};

/// By process. User space makes the entries, but for those of processes that the kernel side lets in.
#[map]
static CODE_CHANGES: HashMap<u32, CodeChanges> = HashMap::with_max_entries(USUAL_TARGETS, 0);

/// The process has got code; `epoch` is the version that it made.
#[inline(always)]
pub(crate) fn code_added(process: u32, epoch: u64, code: Extent) {
    let Some(changes) = CODE_CHANGES.get_ptr_mut(&process) else { return };
    let place = epoch as usize & (FRESH_CODE - 1);
    // SAFETY: the pointer came from the map, and the index is below the length. Threads of one process
    // that map code at the same moment have different versions, and so different places.
    unsafe { (&raw mut (*changes).fresh[place]).write_volatile(code) };
}

/// Something is unmapped, or mapped over: code, perhaps. Verified on its own. Gives 0.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn removed(process: u32, start: u64, end: u64) -> u32 {
    let extent = Extent { start, end };
    let Some(changes) = CODE_CHANGES.get_ptr_mut(&process) else { return 0 };
    // Where nothing was told of a new program, the code that the kernel itself mapped is not known here:
    // the program's first and the dynamic linker's, which nobody takes away within a millisecond of the
    // exec and after the first allocation.
    let is_known = space(process).is_some_and(|space| overlaps_code(space, extent));
    let mut common = (is_known as u64) << 63;
    for place in 0..FRESH_CODE {
        // SAFETY: the pointer came from the map, and the index is below the length.
        let fresh = unsafe { (&raw const (*changes).fresh[place]).read_volatile() };
        common |= fresh.common(extent);
    }
    if common >> 63 != 0 {
        // SAFETY: an aligned word in the map's value.
        unsafe { atomic::add(&raw mut (*changes).removed, 1) };
    }
    0
}

/// The process runs another program: all code was taken away.
#[inline(always)]
pub(crate) fn removed_all(process: u32) {
    if let Some(changes) = CODE_CHANGES.get_ptr_mut(&process) {
        // SAFETY: an aligned word in the map's value.
        unsafe { atomic::add(&raw mut (*changes).removed, 1) };
    }
}

/// How often code was taken away; `None` for a process that is not traced.
#[inline(always)]
pub(super) fn count_removed(process: u32) -> Option<u64> {
    let changes = CODE_CHANGES.get_ptr(&process)?;
    // SAFETY: an aligned word in the map's value.
    Some(unsafe { (&raw const (*changes).removed).read_volatile() })
}

/// A process begins of which nothing is known.
#[inline(always)]
pub(crate) fn begin_changes(process: u32) {
    // Where there is no room its stacks through new code end there.
    let _ = CODE_CHANGES.insert(&process, &CodeChanges::default(), 0);
}

/// A child begins with a copy of its parent's address space.
#[inline(always)]
pub(crate) fn inherit_changes(parent: u32, child: u32) {
    if let Some(changes) = CODE_CHANGES.get_ptr(&parent) {
        // SAFETY: the pointer came from the map, and the helper copies the value. An entry that the
        // parent changes meanwhile was changed by another of its threads: the child has either state.
        let _ = CODE_CHANGES.insert(&child, unsafe { &*changes }, 0);
    }
}

/// The process has gone.
#[inline(always)]
pub(crate) fn forget_changes(process: u32) {
    let _ = CODE_CHANGES.remove(&process);
}
