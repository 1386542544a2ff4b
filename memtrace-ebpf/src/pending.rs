//! Calls that have been entered and not yet returned, per thread: pairing and nesting.
//!
//! A call is known by the stack pointer at its entry, so calls left behind by `longjmp` or a killed
//! frame are recognised when the thread is seen higher up its stack again, and nothing has to be
//! cleaned up. The pointer is marked with the kind of the function: a pool that jumps to `malloc` is one
//! call, and `malloc` another one.

use crate::maps::{Call, THREADS, Thread, lost};
use crate::memory::read_user;
use crate::sampling::Fate;
use memtrace_common::limits::{MAX_NESTING, NESTING_SPAN_BYTES, OTHER_STACK_BYTES};
use memtrace_common::site::{Role, Site};
use memtrace_common::wire::Loss;

const NO_CALL: Call =
    Call { stack_pointer: 0, size: 0, pointer: 0, entered: 0, site: 0, fate: Fate::NESTED };
const NO_THREAD: Thread =
    Thread { depth: 0, calls: [NO_CALL; MAX_NESTING], returned: 0, mapping_entered: 0 };
/// Bounds an index for the verifier; `MAX_NESTING` is a power of two.
const MASK: u64 = MAX_NESTING as u64 - 1;
const _: () = assert!(MAX_NESTING.is_power_of_two());

/// The call that is being entered.
#[derive(Clone, Copy)]
pub(crate) struct Entry {
    /// What is called.
    pub(crate) site: Site,
    /// Address of the probed instruction.
    pub(crate) probed: u64,
    /// Where the return address lies, marked as [`Site::mark`] does.
    pub(crate) stack_pointer: u64,
    /// Bytes asked for.
    pub(crate) size: u64,
    /// The pointer argument.
    pub(crate) pointer: u64,
}

/// The thread's entry in the table, if it ever had something pending.
#[inline(always)]
pub(crate) fn thread(id: u32) -> Option<&'static mut Thread> {
    // SAFETY: a thread's entry is used by programs running on behalf of that thread only, and a
    // thread runs one program at a time; the entry is removed only when the thread exits.
    THREADS.get_ptr_mut(&id).map(|thread| unsafe { &mut *thread })
}

/// The thread's entry, made if need be; `None` (counted) if the table is full.
#[inline(always)]
pub(crate) fn thread_or_new(id: u32) -> Option<&'static mut Thread> {
    if let Some(thread) = thread(id) {
        return Some(thread);
    }
    if THREADS.insert(&id, &NO_THREAD, 0).is_err() {
        lost(Loss::PendingFull);
        return None;
    }
    thread(id)
}

impl Thread {
    /// The innermost pending call.
    #[inline(always)]
    fn top(&mut self) -> Option<&mut Call> {
        let depth = self.depth;
        if depth == 0 || depth > MAX_NESTING as u64 {
            return None;
        }
        Some(&mut self.calls[((depth - 1) & MASK) as usize])
    }

    /// Drops what is pending if it was entered before `since`, when there were no probes that would see its
    /// return.
    #[inline(always)]
    pub(crate) fn forget_before(&mut self, since: u64) {
        if self.top().is_some_and(|call| call.entered < since) {
            self.depth = 0;
        }
    }

    /// Whether `entry` happens inside a pending call of another allocator function whose blocks are
    /// counted together with its own, so that it is not an event of its own. Drops calls that the thread
    /// has left behind.
    #[inline(always)]
    pub(crate) fn is_nested(&mut self, entry: &Entry) -> bool {
        for _ in 0..MAX_NESTING {
            let Some(outer) = self.top() else { return false };
            let outer = *outer;
            let above = outer.stack_pointer.wrapping_sub(entry.stack_pointer);
            let below = entry.stack_pointer.wrapping_sub(outer.stack_pointer);
            // So far above that it is another stack (of a signal handler, of a coroutine): the
            // pending call will go on when this one has been left.
            if (OTHER_STACK_BYTES..u64::MAX / 2).contains(&below) {
                return false;
            }
            let site = Site::unpack(outer.site);
            // A function that is left through its own `ret`s is not waited for once it has jumped.
            let abandoned = outer.stack_pointer < entry.stack_pointer
                || above == 0 && (site.exits || !is_tail_jump(&outer, entry));
            if !abandoned {
                return above == 0 || is_called_from(&outer, above, entry);
            }
            self.depth -= 1;
        }
        false
    }

    /// Adds a pending call; `false` (counted) if the thread is nested too deeply.
    #[inline(always)]
    pub(crate) fn push(&mut self, entry: &Entry, entered: u64, fate: Fate) -> bool {
        let depth = self.depth;
        self.returned = 0;
        if depth >= MAX_NESTING as u64 {
            lost(Loss::NestingDepth);
            return false;
        }
        self.calls[(depth & MASK) as usize] = Call {
            stack_pointer: entry.stack_pointer,
            size: entry.size,
            pointer: entry.pointer,
            entered,
            site: entry.site.pack(),
            fate,
        };
        self.depth = depth + 1;
        true
    }

    /// Whether the call whose (marked) return address lay at `stack_pointer` has been taken out just before.
    ///
    /// Several perf links on one function, each for a process of its own, all see a return in any of
    /// these processes: the kernel applies their filters to entries only (`uretprobe_perf_func`,
    /// seen up to Linux 6.12).
    #[inline(always)]
    pub(crate) const fn has_just_returned(&self, stack_pointer: u64) -> bool {
        self.returned == stack_pointer
    }

    /// Takes out the call whose (marked) return address lay at `stack_pointer`, dropping abandoned ones.
    #[inline(always)]
    pub(crate) fn pop(&mut self, stack_pointer: u64) -> Option<Call> {
        for _ in 0..MAX_NESTING {
            let call = *self.top()?;
            if call.stack_pointer > stack_pointer {
                return None;
            }
            self.depth -= 1;
            if call.stack_pointer == stack_pointer {
                self.returned = stack_pointer;
                return Some(call);
            }
        }
        None
    }
}

/// A function entered with the very stack pointer of a pending one: reached by a tail jump (with
/// the same arguments: `realloc(NULL, n)` → `malloc(n)`), or the pending one was left by `longjmp`.
#[inline(always)]
fn is_tail_jump(outer: &Call, entry: &Entry) -> bool {
    let site = Site::unpack(outer.site);
    if !site.nests || site.function.0 == entry.site.function.0 {
        return false;
    }
    match entry.site.role {
        Role::Allocate => {
            outer.size == entry.size
                && (site.role as u8 == Role::Allocate as u8 || outer.pointer == 0)
        }
        Role::Reallocate => outer.size == entry.size && outer.pointer == entry.pointer,
        Role::Free => outer.size == 0 && outer.pointer == entry.pointer,
    }
}

/// Called by a pending function: a little further down the stack, from the allocator's own code.
///
/// What a device's runtime calls of its driver is another library's code, and lies as far down the stack as the
/// runtime likes; so a call for memory of a device is nested in any such call.
#[inline(always)]
fn is_called_from(outer: &Call, above: u64, entry: &Entry) -> bool {
    if entry.site.is_of_device() {
        return Site::same_kind(above);
    }
    if !Site::unpack(outer.site).nests || above > NESTING_SPAN_BYTES {
        return false;
    }
    read_user::<u64>(Site::unmarked(entry.stack_pointer))
        .is_some_and(|caller| entry.site.is_inside_allocator(entry.probed, caller))
}
