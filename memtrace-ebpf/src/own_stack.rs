//! Keeps programs of uprobes on the stack of the thread that they run for.
//!
//! From Linux 6.13 programs of the type that uprobes share with kprobes get a *private stack*: one per
//! CPU, not per thread, on the grounds that they cannot be preempted (commit a76ab5731e32). Programs
//! of uprobes can be (since commit 8c7dcb84e3b7, Linux 6.0), and then two threads on one CPU write to
//! the same stack: figures change in mid-program, and the kernel may crash. A program with a tail call
//! in it gets no private stack (`check_max_stack_depth` in `kernel/bpf/verifier.c`), and whether there
//! is one is decided before the verifier drops what is never reached.

use crate::knobs::NEVER;
use aya_ebpf::helpers::generated::bpf_tail_call;
use aya_ebpf::macros::map;
use aya_ebpf::maps::ProgramArray;
use core::ffi::c_void;

/// Never holds a program.
#[map]
static NO_PROGRAMS: ProgramArray = ProgramArray::with_max_entries(1, 0);

/// To be called once by each program of a uprobe that uses 64 bytes of stack or more. Does nothing:
/// the tail call is never reached.
#[inline(always)]
pub(crate) fn keep(context: *mut c_void) {
    if NEVER.load() != 0 {
        let map = (&raw const NO_PROGRAMS).cast_mut().cast::<c_void>();
        // SAFETY: the context is the program's own, and the map is one of programs.
        unsafe { bpf_tail_call(context, map, 0) };
    }
}
