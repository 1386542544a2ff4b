//! Which allocations are taken, and which frees are of blocks that were.
//!
//! An allocation is drawn for when its call is entered, so that of those that are not taken not even the return
//! need be seen. A block that is taken enters [`TAKEN`] before its allocator's caller knows the address, and
//! leaves it before the allocator knows that it is free: no other block can have the address between.

use crate::knobs::SAMPLES;
use crate::maps::{Target, lost};
use aya_ebpf::helpers::generated::bpf_get_prandom_u32;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap, PerCpuArray};
use memtrace_common::sampling::{Control, DRAWN, IS_COPY, NONE, REMEMBERED, TakenBlock, draw};
use memtrace_common::site::Site;
use memtrace_common::wire::{Loss, flags};

/// How allocations are taken now.
#[map]
static SAMPLING: Array<Control> = Array::with_max_entries(1, 0);

/// Blocks that were taken and are alive. User space sets the size before loading.
#[map]
static TAKEN: HashMap<TakenBlock, u64> = HashMap::with_max_entries(1, 0);

/// How far it is to the next allocation that is taken.
#[map]
static COUNTDOWN: PerCpuArray<Countdown> = PerCpuArray::with_max_entries(1, 0);

/// Bytes that are left on this CPU, and which change of the interval they were drawn after, counted from 1.
///
/// A program that is preempted by another one between reading and writing this overwrites what the other one
/// wrote. That makes no allocation more or less likely to be taken: whichever of the two values is kept is, for
/// what comes next, as good as freshly drawn, as an exponential distribution is the same after any distance
/// that was not enough. (Two allocations may depend on each other then, which the variance does not show.)
#[repr(C)]
#[derive(Clone, Copy)]
struct Countdown {
    left: u64,
    drawn_after: u64,
}

const INTERVAL_MASK: u64 = REMEMBERED as u64 - 1;
const _: () = assert!(REMEMBERED.is_power_of_two());
/// Stands for an interval of 0.
const EXACT: u32 = REMEMBERED as u32;

/// What is to become of a call when it returns.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub(crate) struct Fate(u32);

impl Fate {
    /// It happens inside another call and is no event.
    pub(crate) const NESTED: Self = Self(1);
    /// Its new block is not taken.
    const PASSED: u32 = 2;
    /// The block that it is given was taken.
    const OLD_TAKEN: u32 = 4;
    /// … or another one at its address.
    const OLD_PERHAPS: u32 = 8;
    /// Which interval it was taken with begins at this bit.
    const INTERVAL: u32 = 8;
    /// A session has 8 bytes between entry and return: the size has these, which is more than there is memory.
    const SIZE_BITS: u32 = 48;

    /// Whether the call is no event.
    #[inline(always)]
    pub(crate) const fn is_nested(self) -> bool {
        self.0 & Self::NESTED.0 != 0
    }

    /// Whether the new block is not taken.
    #[inline(always)]
    pub(crate) const fn is_passed(self) -> bool {
        self.0 & Self::PASSED != 0
    }

    /// Whether the block that it is given was taken.
    #[inline(always)]
    pub(crate) const fn is_old_taken(self) -> bool {
        self.0 & Self::OLD_TAKEN != 0
    }

    /// With what [`release`] said of the old block.
    #[inline(always)]
    pub(crate) const fn with_old(self, given: Given) -> Self {
        match given {
            Given::NotTaken => self,
            Given::Taken => Self(self.0 | Self::OLD_TAKEN),
            Given::Perhaps => Self(self.0 | Self::OLD_TAKEN | Self::OLD_PERHAPS),
        }
    }

    /// What [`release`] said of the old block.
    #[inline(always)]
    pub(crate) const fn old(self) -> Given {
        match self.0 & (Self::OLD_TAKEN | Self::OLD_PERHAPS) {
            0 => Given::NotTaken,
            Self::OLD_TAKEN => Given::Taken,
            _ => Given::Perhaps,
        }
    }

    /// As a session's cookie, of a call that is taken.
    #[inline(always)]
    pub(crate) fn with_size(self, size: u64) -> u64 {
        if SAMPLES.load() == 0 {
            return size;
        }
        let most = (1 << Self::SIZE_BITS) - 1;
        let size = if size > most { most } else { size };
        size | u64::from(self.0 >> Self::INTERVAL) << Self::SIZE_BITS
    }

    /// Fate and size of a session's cookie.
    #[inline(always)]
    pub(crate) fn from_session(cookie: u64) -> (Self, u64) {
        if SAMPLES.load() == 0 {
            return (Self(0), cookie);
        }
        let size = cookie & ((1 << Self::SIZE_BITS) - 1);
        (Self(((cookie >> Self::SIZE_BITS) << Self::INTERVAL) as u32), size)
    }

    /// The interval that the new block was taken with.
    #[inline(always)]
    pub(crate) fn interval(self) -> u64 {
        if SAMPLES.load() == 0 {
            return 0;
        }
        let number = self.0 >> Self::INTERVAL;
        match SAMPLING.get(0) {
            Some(control) if number & EXACT == 0 => {
                control.intervals[(u64::from(number) & INTERVAL_MASK) as usize]
            }
            _ => 0,
        }
    }
}

/// Draws for a call that is being entered.
#[inline(always)]
pub(crate) fn draw_for(site: Site, size: u64) -> Fate {
    if SAMPLES.load() == 0 {
        return Fate(0);
    }
    let (Some(control), Some(countdown)) = (SAMPLING.get(0), COUNTDOWN.get_ptr_mut(0)) else {
        return Fate(Fate::PASSED);
    };
    let changes = control.changes;
    let taken = Fate(((changes & INTERVAL_MASK) as u32) << Fate::INTERVAL);
    let interval = control.intervals[(changes & INTERVAL_MASK) as usize];
    if interval == 0 {
        return taken;
    }
    if interval == NONE {
        return Fate(Fate::PASSED);
    }
    // Calls for memory of devices are few and large.
    if site.is_of_device() {
        return Fate(EXACT << Fate::INTERVAL);
    }
    // SAFETY: aligned words of a map's value.
    let Countdown { left, drawn_after } = unsafe { countdown.read_volatile() };
    let left = if drawn_after == changes + 1 { left } else { distance(interval) };
    let size = if size == 0 { 1 } else { size };
    let is_taken = left <= size;
    let left = if is_taken { distance(interval) } else { left - size };
    // SAFETY: as above.
    unsafe { countdown.write_volatile(Countdown { left, drawn_after: changes + 1 }) };
    if is_taken { taken } else { Fate(Fate::PASSED) }
}

/// Bytes to the next allocation that is taken. A function of its own: the verifier looks at it once.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn distance(interval: u64) -> u64 {
    // SAFETY: the helper has no preconditions.
    let random = || u64::from(unsafe { bpf_get_prandom_u32() });
    draw(interval, random() << 32 | random())
}

/// Remembers a block that was taken with `interval`; `false` (counted) if there is no room: then it must not be
/// told of, as nobody would tell of its end.
#[inline(always)]
pub(crate) fn keep(target: Target, site: Site, address: u64, interval: u64) -> bool {
    if SAMPLES.load() == 0 || interval == 0 || address == 0 {
        return true;
    }
    let kept = keep_block(target.space, marked(target, site, address)) != 0;
    if !kept {
        lost(Loss::SampledFull);
    }
    kept
}

/// Functions of their own, whose stacks are not those of programs which walk stacks as well: all calls together
/// have 512 bytes.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn keep_block(space: u64, address: u64) -> u64 {
    u64::from(TAKEN.insert(&TakenBlock { space, address }, &DRAWN, 0).is_ok())
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn release_block(space: u64, address: u64) -> u64 {
    let key = TakenBlock { space, address };
    // Looking up takes no lock; most blocks were not taken.
    // SAFETY: a value is one aligned word, which is written once.
    let Some(value) = unsafe { TAKEN.get(&key) }.copied() else { return Given::NotTaken as u64 };
    if TAKEN.remove(&key).is_err() {
        return Given::NotTaken as u64;
    }
    if value == DRAWN { Given::Taken as u64 } else { Given::Perhaps as u64 }
}

/// Of a block that is given back.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum Given {
    /// It was not taken.
    NotTaken = 0,
    /// It was taken.
    Taken = 1,
    /// A block at its address was counted, which may have been another one.
    Perhaps = 2,
}

/// A block is given back: whether it was taken. It is forgotten.
#[inline(always)]
pub(crate) fn release(target: Target, site: Site, address: u64) -> Given {
    if SAMPLES.load() == 0 {
        return Given::Taken;
    }
    match release_block(target.space, marked(target, site, address)) {
        0 => Given::NotTaken,
        1 => Given::Taken,
        _ => Given::Perhaps,
    }
}

/// Whether the end of a block is told, of which [`release`] said `given`, and with which of [`flags`].
#[inline(always)]
pub(crate) fn is_told(target: Target, site: Site, given: Given) -> Option<u8> {
    if SAMPLES.load() == 0 || given == Given::Taken || site.is_of_device() {
        return Some(0);
    }
    if given == Given::Perhaps {
        return Some(flags::PERHAPS_NOT_TAKEN);
    }
    let control = SAMPLING.get(0)?;
    if control.all_frees == 0 && target.space & IS_COPY == 0 {
        return None;
    }
    // As long as every allocation was taken, this one was, too.
    let all_taken = control.changes == 0 && control.intervals[0] == 0;
    Some(if all_taken { 0 } else { flags::PERHAPS_NOT_TAKEN })
}

#[inline(always)]
const fn marked(target: Target, site: Site, address: u64) -> u64 {
    TakenBlock::new(target.space, site.function.kind(), address).address
}
