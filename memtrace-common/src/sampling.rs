//! Sampling by bytes: which allocations are taken, so that what they stand for can be told without bias.
//!
//! The bytes that a program asks for pass like time, and samples are the events of a Poisson process on
//! them, on average one per interval of R bytes. An allocation of S bytes is taken if at least one event
//! falls on it: with probability p = 1 − exp(−S/R). It stands for 1/p blocks of its size (Horvitz and
//! Thompson, 1952). The process has no memory, so it does not matter where counting begins, on which CPU an
//! allocation is made, or that the interval changes in between, as long as each sample tells the interval
//! with which it was drawn.
//!
//! Integers only: the kernel side draws, and has no floating point.

use crate::function::BlockKind;

/// The longest interval, bytes: a tebibyte. (Arithmetic below is exact enough up to it.)
pub const LONGEST_INTERVAL: u64 = 1 << 40;

/// Stands for an interval: no allocation is taken, and calls are only counted.
pub const NONE: u64 = u64::MAX;

/// Intervals that are remembered: of as many changes a call may be pending at the most.
pub const REMEMBERED: usize = 32;

/// How allocations are taken now: the value of the kernel side's map `SAMPLING`, which user space may change at
/// any time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Control {
    /// How often the interval has been changed. The one in force is at this number modulo [`REMEMBERED`].
    pub changes: u64,
    /// 1: all frees are told, also those of blocks that were not taken.
    pub all_frees: u64,
    /// Mean intervals, bytes; 0: every allocation is taken.
    pub intervals: [u64; REMEMBERED],
}

impl Control {
    /// With this interval from the beginning. Where every allocation is taken every free is told.
    #[must_use]
    pub const fn new(interval: u64) -> Self {
        let mut intervals = [0; REMEMBERED];
        intervals[0] = interval;
        Self { changes: 0, all_frees: (interval == 0) as u64, intervals }
    }

    /// The interval in force.
    #[must_use]
    pub const fn interval(&self) -> u64 {
        self.intervals[self.changes as usize % REMEMBERED]
    }

    /// With another interval from now on.
    #[must_use]
    pub const fn changed(mut self, interval: u64) -> Self {
        self.changes += 1;
        self.intervals[self.changes as usize % REMEMBERED] = interval;
        self
    }
}

/// What is known of a block in the kernel side's table of those that were taken: it was drawn for there.
pub const DRAWN: u64 = 0;
/// … user space has put it in, while it may have been given back already.
pub const ADOPTED: u64 = 1;

/// A block that was taken, as the kernel side remembers it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct TakenBlock {
    /// The number of its address space, new at each fork and exec: a process's number would mean other blocks
    /// then.
    pub space: u64,
    /// Its address; blocks of functions that the user describes have the highest bit as well.
    pub address: u64,
}

impl TakenBlock {
    /// Marks addresses of blocks that functions of the user gave out: they may be addresses of blocks of the heap.
    const USER_DEFINED: u64 = 1 << 63;

    /// The block of this kind at an address.
    #[must_use]
    #[inline(always)]
    pub const fn new(space: u64, kind: BlockKind, address: u64) -> Self {
        match kind {
            BlockKind::UserDefined => Self { space, address: address | Self::USER_DEFINED },
            BlockKind::Heap | BlockKind::Device => Self { space, address },
        }
    }
}

/// In the number of an address space: it began as a copy, with blocks that were taken in the other one. All its
/// frees are told.
pub const IS_COPY: u64 = 1 << 63;

/// The number of an address space that began at `time` (ns) as that of `process`. Times of 73 minutes differ in
/// the bits that are kept, and two address spaces do not begin in one process at the same time.
#[must_use]
#[inline(always)]
pub const fn address_space(time: u64, process: u32) -> u64 {
    (time << 22 ^ process as u64) & !IS_COPY
}

/// Below this, in units of 2⁻⁶⁴, `-ln(1 - x)` is x + x²/2 + x³/3 with an error of x³/4 of it, 2⁻³⁸.
const FEW: u64 = 1 << 52;
/// ln 2 in units of 2⁻³².
const LN_2: u64 = 2_977_044_472;
/// Terms of the series of the area hyperbolic tangent. Its argument is at most 1/3: what is left out is
/// less than a unit of 2⁻³².
const TERMS: u64 = 10;

/// Whether an allocation of `size` bytes is taken, given that `left` bytes are left until the next
/// event, and how many are left then. `random` gives 64 independent bits; it is asked only when one is taken.
///
/// An interval of 0 takes every allocation. One of 0 bytes counts as one of 1: it has a block.
#[must_use]
#[inline(always)]
pub fn step(left: u64, size: u64, interval: u64, random: impl FnOnce() -> u64) -> (bool, u64) {
    if interval == 0 {
        return (true, 0);
    }
    let size = if size == 0 { 1 } else { size };
    if left > size { (false, left - size) } else { (true, draw(interval, random())) }
}

/// Bytes up to the next event, itself included: exponential with mean `interval` before rounding up, at
/// least 1. From 64 independent bits.
///
/// P(draw ≤ S) is 1 − exp(−S/R) for whole S, to about one part in 10⁵.
#[must_use]
#[inline(always)]
pub const fn draw(interval: u64, random: u64) -> u64 {
    let interval = if interval > LONGEST_INTERVAL { LONGEST_INTERVAL } else { interval };
    // 1 - random/2⁶⁴ is as good as random: the event is at -ln(1 - x) intervals.
    let gap = if random < FEW {
        product_high(interval, near(random))
    } else {
        product(interval, far(random))
    };
    gap + 1
}

/// `-ln(1 - x)` for small x, in units of 2⁻⁶⁴, as x is.
const fn near(x: u64) -> u64 {
    // In units of 2⁻⁴⁴ it has at most 32 bits.
    let coarse = x >> 20;
    let square = coarse * coarse;
    let cube = (square >> 32) * coarse;
    x + (square >> 25) + (cube >> 36) / 3
}

/// `-ln(1 - x)` in units of 2⁻³², for x in units of 2⁻⁶⁴, not 0.
const fn far(x: u64) -> u64 {
    let rest = x.wrapping_neg();
    let halvings = rest.leading_zeros() as u64;
    // From 1/2 to 1, in units of 2⁻³².
    let fraction = (rest << halvings) >> 32;
    // -ln(f) = 2 artanh((1 - f)/(1 + f)).
    let argument = (((1 << 32) - fraction) << 32) / ((1 << 32) + fraction);
    let square = (argument * argument) >> 32;
    let (mut power, mut sum, mut term) = (argument, argument, 1);
    while term < TERMS {
        power = (power * square) >> 32;
        sum += power / (2 * term + 1);
        term += 1;
    }
    halvings * LN_2 + 2 * sum
}

/// `interval × ratio / 2⁶⁴`, rounded down, for a ratio below 2⁵⁴.
const fn product_high(interval: u64, ratio: u64) -> u64 {
    (interval * (ratio >> 32) + part(interval, ratio)) >> 32
}

/// `interval × ratio / 2³²`, rounded down, for a ratio below 2³⁸ of which `interval` leaves room for 2⁶.
const fn product(interval: u64, ratio: u64) -> u64 {
    interval * (ratio >> 32) + part(interval, ratio)
}

/// `interval × low / 2³²`, rounded down, for the low 32 bits of a ratio.
const fn part(interval: u64, ratio: u64) -> u64 {
    let low = ratio & 0xffff_ffff;
    (interval >> 32) * low + (((interval & 0xffff_ffff) * low) >> 32)
}

#[cfg(test)]
mod tests;
