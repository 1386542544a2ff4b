//! Which pages' faults are looked at, where there are too many to look at each.
//!
//! Pages are chosen, not faults: a page is looked at if the first bits of a hash of its address are 0, so that all
//! faults of such a page are seen and none of any other, and what becomes of it is told rightly (first touch, copy,
//! swapped in, moved to another node). The number of those bits is the level in force: at level L a page is taken
//! with a probability of 2⁻ᴸ and stands for 2ᴸ pages (Horvitz and Thompson, 1952). Sampling by a hash of the
//! address is known from cache simulation: Waldspurger, Park, Garthwaite, Ahmad, *Efficient MRC construction with
//! SHARDS*, FAST 2015.
//!
//! The level follows what looking has cost on the CPU just before, and not the page at hand. Where it has fallen, a page
//! whose fault is seen for the first time may have been touched before, when it was not taken: so each fault tells up to
//! which level its page is taken ([`rank`]), and whoever counts leaves out what others stand for already.

use crate::stack_id::mix;

/// A period has 2²³ ns, 8.4 ms.
pub const PERIOD_BITS: u32 = 23;
/// The highest level: one page in 65,536.
pub const MOST_LEVEL: u64 = 16;
/// A period that cost less than this part of what it may has a lower level after it.
const LITTLE: u64 = 4;

/// How one CPU looks at page faults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Pace {
    /// Number of the period.
    pub period: u64,
    /// What looking has cost in it since the level was changed, ns.
    pub spent: u64,
    /// The level in force.
    pub level: u64,
}

impl Pace {
    /// At a fault at `now` (ns), where looking may cost `most` ns in a period.
    #[must_use]
    #[inline(always)]
    pub const fn at(self, now: u64, most: u64) -> Self {
        let period = now >> PERIOD_BITS;
        if period == self.period {
            return self;
        }
        // Periods without a fault cost nothing.
        let idle = period.wrapping_sub(self.period) - 1;
        let little = (self.spent < most / LITTLE) as u64;
        let lower = if idle > MOST_LEVEL { MOST_LEVEL } else { idle + little };
        let fallen = if self.level < lower { self.level } else { lower };
        Self { period, spent: 0, level: self.level - fallen }
    }

    /// After looking at a fault took `nanoseconds`. Each time that what a period may cost is used up, pages half as
    /// many are looked at.
    #[must_use]
    #[inline(always)]
    pub const fn spent(self, nanoseconds: u64, most: u64) -> Self {
        let spent = self.spent + nanoseconds;
        if spent <= most {
            return Self { spent, ..self };
        }
        let level = if self.level < MOST_LEVEL { self.level + 1 } else { MOST_LEVEL };
        Self { spent: 0, level, ..self }
    }
}

/// Whether faults on a page are looked at, at this level. `program` is the number of the program that its process runs
/// ([`crate::unwind::Space::program`]), so that the pages of one tell nothing of those of another. A forked child has
/// its parent's, as it has the parent's pages: which of them were seen is known.
#[must_use]
#[inline(always)]
pub const fn is_taken(page: u64, program: u64, level: u64) -> bool {
    level == 0 || hash(page, program) >> (64 - (level & 63)) == 0
}

/// The highest level at which faults on the page are looked at; at most [`MOST_LEVEL`].
#[must_use]
#[inline(always)]
pub const fn rank(page: u64, program: u64) -> u64 {
    let zeros = hash(page, program).leading_zeros() as u64;
    if zeros < MOST_LEVEL { zeros } else { MOST_LEVEL }
}

#[inline(always)]
const fn hash(page: u64, program: u64) -> u64 {
    mix(mix(mix(0, program), page), program)
}

#[cfg(test)]
mod tests {
    use super::{MOST_LEVEL, PERIOD_BITS, Pace, is_taken, rank};

    const PAGE: u64 = 4096;
    const MOST: u64 = 168_000;

    /// What a second of so many faults costs, ns, with so many ns each, and the level at its end.
    fn second(faults: u64, price: u64) -> (u64, Pace) {
        let (mut pace, mut cost) = (Pace::default(), 0);
        for number in 0..faults {
            let now = (1 << 40) + number * 1_000_000_000 / faults;
            pace = pace.at(now, MOST);
            if is_taken(0x5555_0000_0000 + number * PAGE, 7, pace.level) {
                cost += price;
                pace = pace.spent(price, MOST);
            }
        }
        (cost, pace)
    }

    #[test]
    fn few_faults_are_all_looked_at() {
        // 1.6 % of a CPU.
        let (cost, pace) = second(2_000, 8_000);
        assert_eq!((cost, pace.level), (16_000_000, 0));
    }

    #[test]
    fn many_faults_cost_what_they_may() {
        for faults in [10_000, 50_000, 200_000, 1_000_000] {
            for price in [2_000, 10_000, 60_000] {
                let (cost, pace) = second(faults, price);
                // 2 % of a CPU, and what it takes to find the level. A single look may cost a third of a period.
                assert!(cost < 30_000_000, "{faults} × {price}: {cost}, {pace:?}");
                assert!(cost > 2_000_000, "{faults} × {price}: {cost}, {pace:?}");
            }
        }
    }

    #[test]
    fn pauses_bring_every_page_back() {
        let busy = Pace { period: 100, spent: MOST / 2, level: 5 };
        assert_eq!(busy.at(101 << PERIOD_BITS, MOST).level, 5);
        assert_eq!(busy.at(104 << PERIOD_BITS, MOST).level, 2);
        assert_eq!(busy.at(u64::MAX, MOST), Pace { period: u64::MAX >> 23, spent: 0, level: 0 });
        // A clock of another CPU may be behind.
        assert_eq!(busy.at(99 << PERIOD_BITS, MOST).level, 0);
        assert_eq!(Pace { level: MOST_LEVEL, ..busy }.spent(MOST, MOST).level, MOST_LEVEL);
    }

    /// Within four standard errors, for pages in a row, far apart, and in blocks.
    #[test]
    fn one_page_in_two_to_the_level_is_taken() {
        for stride in [1, 2, 16, 512, 513] {
            for level in [0, 1, 4, 8] {
                let pages = 1 << 18;
                let taken = (0..pages)
                    .filter(|page| is_taken(0x7f12_3456_7000 + page * stride * PAGE, 99, level))
                    .count() as f64;
                let expected = (pages >> level) as f64;
                let error = (taken - expected).abs();
                assert!(error <= 4.0 * expected.sqrt(), "{stride}, {level}: {taken}, {expected}");
            }
        }
    }

    #[test]
    fn what_is_taken_at_a_level_is_at_those_below() {
        let pages = || (0..100_000).map(|page| 0x5600_0000_0000 + page * PAGE);
        for page in pages().filter(|page| is_taken(*page, 3, 6)) {
            assert!((0..6).all(|level| is_taken(page, 3, level)));
        }
        for page in pages() {
            let rank = rank(page, 3);
            assert!((0..=MOST_LEVEL).all(|level| is_taken(page, 3, level) == (level <= rank)));
        }
        // Of other address spaces others are.
        let both = pages().filter(|page| is_taken(*page, 3, 6) && is_taken(*page, 4, 6)).count();
        assert!(both < 60, "{both}: one in 4,096 would be 24");
    }
}
