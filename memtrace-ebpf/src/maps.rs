//! The maps, and the two kinds of counters in them.

use crate::atomic;
use crate::knobs::RING_MASK;
use aya_ebpf::bindings::BPF_NOEXIST;
use aya_ebpf::btf_maps;
use aya_ebpf::macros::{btf_map, map};
use aya_ebpf::maps::{Array, HashMap, LruHashMap, PerCpuArray, RingBuf};
use memtrace_common::limits::{
    MAX_COUNTED_SITES, MAX_NESTING, MAX_PENDING_THREADS, MAX_RINGS, MAX_SENT_STACKS,
    MAX_STATIC_PROBES, SCRATCH_SLOTS, USUAL_TARGETS,
};
use memtrace_common::usdt::Arguments;
use memtrace_common::wire::{Counter, Loss};

/// A traced process.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Target {
    /// The version of its code, which changes whenever an address may begin to mean other code (exec, a
    /// new executable mapping), so that stacks of before and after get different ids. As in
    /// [`memtrace_common::unwind::Space::epoch`].
    pub(crate) epoch: u64,
    /// The number of its address space ([`memtrace_common::sampling::address_space`]).
    pub(crate) space: u64,
}

/// A call of an allocator function (or of `munmap`, `mremap`) that has not returned.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Call {
    /// Stack pointer at the function's entry: where the return address lies.
    pub(crate) stack_pointer: u64,
    /// Bytes asked for.
    pub(crate) size: u64,
    /// The pointer argument: the old block, or the place for the result.
    pub(crate) pointer: u64,
    /// When it was entered, ns.
    pub(crate) entered: u64,
    /// The site's cookie.
    pub(crate) site: u64,
    /// What is to become of it: see [`crate::sampling::Fate`].
    pub(crate) fate: crate::sampling::Fate,
    /// What its block is to be aligned to ([`memtrace_common::classes::Alignment::power`]).
    pub(crate) alignment: u32,
}

/// What a thread has pending.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Thread {
    /// Entries of `calls` in use.
    pub(crate) depth: u64,
    /// Outermost first.
    pub(crate) calls: [Call; MAX_NESTING],
    /// Where the return address of the last call lay that has returned, if no call was entered
    /// since; else 0.
    pub(crate) returned: u64,
    /// When the pending `munmap` or `mremap` was entered, ns.
    pub(crate) mapping_entered: u64,
}

/// Records on their way to the daemon. User space sets the size before loading.
#[map]
pub(crate) static EVENTS: RingBuf = RingBuf::with_byte_size(16 << 20, 0);

/// What the verifier takes each of [`RINGS`] for. Their sizes are user space's to choose: only the kind of
/// map must be the same (`bpf_map_meta_equal`, Linux 5.10).
type AnyRing = btf_maps::RingBuf<u64, 4096>;

/// All rings, [`EVENTS`] being the first one, where there are several ([`RING_MASK`]). Ring buffers may be
/// inner maps since there are any (Linux 5.8).
#[btf_map]
static RINGS: btf_maps::ArrayOfMaps<AnyRing, { MAX_RINGS as usize }> = btf_maps::ArrayOfMaps::new();

/// The ring for a process's records: the same for all of them, so that they keep their order. `None` does
/// not happen, but the verifier does not know.
///
/// Each reservation takes a lock of its ring (`kernel/bpf/ringbuf.c`), for which all CPUs queue up. Children
/// have numbers that follow each other, so that the lowest bits spread them evenly.
#[inline(always)]
pub(crate) fn ring(process: u32) -> Option<&'static RingBuf> {
    let mask = RING_MASK.load();
    if mask == 0 {
        return Some(&EVENTS);
    }
    let ring = RINGS.get(process & mask as u32)?;
    // SAFETY: both types stand for an address that goes to helpers for ring buffers and is not read.
    Some(unsafe { &*(&raw const *ring).cast::<RingBuf>() })
}

/// Processes that are traced, by thread-group id as memtrace sees it.
#[map]
pub(crate) static TARGETS: HashMap<u32, Target> = HashMap::with_max_entries(USUAL_TARGETS, 0);

/// Threads with something pending, by [`crate::emit::Task::pending`].
#[map]
pub(crate) static THREADS: HashMap<u32, Thread> = HashMap::with_max_entries(MAX_PENDING_THREADS, 0);

/// Ids of call stacks whose frames were sent.
#[map]
pub(crate) static SENT_STACKS: LruHashMap<u64, u64> =
    LruHashMap::with_max_entries(MAX_SENT_STACKS, 0);

/// Buffers for call stacks; see [`crate::stack::Scratch`].
#[map]
pub(crate) static SCRATCH: PerCpuArray<crate::stack::Scratch> =
    PerCpuArray::with_max_entries(SCRATCH_SLOTS, 0);

/// Which of this CPU's buffers are taken (0 free, 1 taken).
#[map]
pub(crate) static SCRATCH_TAKEN: PerCpuArray<u64> = PerCpuArray::with_max_entries(SCRATCH_SLOTS, 0);

/// The cookie of the site that this CPU is at, where links have none; see [`crate::sites`].
#[map]
pub(crate) static SITE_COOKIE: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

/// Where static probes have their arguments, by the number in their cookie.
#[map]
pub(crate) static STATIC_PROBES: Array<Arguments> = Array::with_max_entries(MAX_STATIC_PROBES, 0);

/// What was not sent, by [`Loss`].
#[map]
pub(crate) static LOSSES: PerCpuArray<u64> =
    PerCpuArray::with_max_entries(Loss::ALL.len() as u32, 0);

/// What was done, by [`Counter`].
#[map]
pub(crate) static COUNTERS: PerCpuArray<u64> = PerCpuArray::with_max_entries(Counter::COUNT, 0);

/// Frees that may have been lost, by process: as long as it is one that user space keeps.
#[map]
static LOST_FREES: HashMap<u32, u64> = HashMap::with_max_entries(USUAL_TARGETS, 0);

/// Hits of sites that are only counted, by the number in their cookie.
#[map]
pub(crate) static HITS: PerCpuArray<u64> = PerCpuArray::with_max_entries(MAX_COUNTED_SITES, 0);

/// Adds to a per-CPU counter. Atomic, because another program may preempt this one on its CPU.
#[inline(always)]
fn add(map: &PerCpuArray<u64>, index: u32, amount: u64) {
    if let Some(counter) = map.get_ptr_mut(index) {
        // SAFETY: the map's value is an aligned u64 that lives as long as the program runs, and is
        // only ever accessed atomically or read by user space.
        unsafe { atomic::add(counter, amount) };
    }
}

/// Counts something that was not sent.
#[inline(always)]
pub(crate) fn lost(cause: Loss) {
    add(&LOSSES, cause as u32, 1);
}

/// Counts something of a process that was not sent.
#[inline(always)]
pub(crate) fn lost_of(process: u32, cause: Loss) {
    lost(cause);
    if cause.may_hide_free() {
        lost_free(process.into());
    }
}

/// Counts that a block of the process may have been given back, and nobody is told. A function of its own: losses
/// are rare, and its stack is not that of programs which walk stacks.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn lost_free(process: u64) -> u64 {
    let process = process as u32;
    if LOST_FREES.get_ptr_mut(&process).is_none() {
        // Another CPU may have done so meanwhile.
        let _ = LOST_FREES.insert(&process, &0, u64::from(BPF_NOEXIST));
    }
    match LOST_FREES.get_ptr_mut(&process) {
        // SAFETY: an aligned word of the map's value, which is only ever accessed atomically.
        Some(counter) => unsafe { atomic::add(counter, 1) },
        None => count(Counter::LostFreesOfAny, 1),
    }
    0
}

/// Adds to an activity counter.
#[inline(always)]
pub(crate) fn count(counter: Counter, amount: u64) {
    add(&COUNTERS, counter as u32, amount);
}

/// Counts a hit of a site that is only counted.
#[inline(always)]
pub(crate) fn hit(site: u64) {
    add(&HITS, site.min(u64::from(MAX_COUNTED_SITES) - 1) as u32, 1);
}

/// The traced process that runs now, if it is one.
#[inline(always)]
pub(crate) fn target(process: u32) -> Option<Target> {
    // SAFETY: values are plain data; a torn epoch cannot occur, it is one aligned word.
    unsafe { TARGETS.get(&process) }.copied()
}
