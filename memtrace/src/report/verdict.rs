//! Verdicts by plain rules on intervals and totals. A verdict says no more than the figures do.

use crate::engine::snapshot::{Growth, HeapTotals};
use crate::model::ids::{Nanos, SECOND};

/// Fewer intervals tell no growth.
pub const LEAST_INTERVALS: u32 = 3;
/// A shorter watch tells no growth, ns.
pub const LEAST_WATCH: Nanos = 10 * SECOND;
/// Share of lost events (or evicted blocks) above which figures are not to be relied on.
pub const TOLERATED_LOSS: f64 = 0.01;
/// A heap that gained less than this did not grow, bytes …
const LEAST_GROWTH: u64 = 4096;
/// … nor did one that gained less than this part of what it holds.
const LEAST_GROWTH_PART: u64 = 100;
/// A resident set that gained less than this did not grow, bytes …
const LEAST_RESIDENT_GROWTH: u64 = 1 << 20;
/// … nor did one that gained less than this part of what it was.
const LEAST_RESIDENT_PART: u64 = 20;
/// What a block may cost over what was asked for, bytes: glibc adds a header of 8, rounds up to 16
/// and gives no less than 32 (`malloc.c`, "Minimum allocated size").
const BLOCK_OVERHEAD: u64 = 32;

/// What is the matter with a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// The live heap grows.
    Growing,
    /// Neither the heap nor the resident set grows.
    Steady,
    /// The resident set grows, and the live heap does not explain it.
    NotTheHeap,
    /// Not watched for long enough.
    #[default]
    TooShort,
    /// Too much was lost to say.
    Degraded,
}

impl Verdict {
    /// For people.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Growing => "GROWING",
            Self::Steady => "STEADY",
            Self::NotTheHeap => "NOT THE HEAP",
            Self::TooShort => "TOO SHORT",
            Self::Degraded => "DEGRADED",
        }
    }

    /// For machines.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Growing => "growing",
            Self::Steady => "steady",
            Self::NotTheHeap => "not_the_heap",
            Self::TooShort => "too_short",
            Self::Degraded => "degraded",
        }
    }
}

/// What is the matter with a stack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StackVerdict {
    /// Its live bytes grow.
    Growing,
    /// They do not.
    Steady,
    /// Not watched for long enough.
    #[default]
    TooShort,
}

impl StackVerdict {
    /// The verdict with the same words.
    #[must_use]
    pub const fn as_verdict(self) -> Verdict {
        match self {
            Self::Growing => Verdict::Growing,
            Self::Steady => Verdict::Steady,
            Self::TooShort => Verdict::TooShort,
        }
    }
}

/// The figures that a process is judged by.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    /// Time watched, ns.
    pub watched: Nanos,
    /// Heap totals.
    pub heap: HeapTotals,
    /// Growth of the live heap.
    pub growth: Growth,
    /// Growth of the resident set.
    pub resident: Growth,
    /// Resident set when first seen, bytes.
    pub resident_first: Option<u64>,
}

/// Whether a growth series is long enough to judge.
#[must_use]
pub const fn long_enough(watched: Nanos, growth: &Growth) -> bool {
    watched >= LEAST_WATCH && growth.of >= LEAST_INTERVALS
}

/// Judges a stack (or a whole heap) of `live` bytes.
#[must_use]
pub fn stack(watched: Nanos, growth: &Growth, live: u64) -> StackVerdict {
    if !long_enough(watched, growth) {
        StackVerdict::TooShort
    } else if grew(growth, LEAST_GROWTH.max(live / LEAST_GROWTH_PART)) {
        StackVerdict::Growing
    } else {
        StackVerdict::Steady
    }
}

/// Judges a process by its figures; what was lost is judged by [`degraded`].
#[must_use]
pub fn process(figures: &Figures) -> Verdict {
    let heap = stack(figures.watched, &figures.growth, figures.heap.live_bytes);
    if heap == StackVerdict::TooShort {
        Verdict::TooShort
    } else if resident_grows(figures) && !heap_explains_resident(figures) {
        Verdict::NotTheHeap
    } else if heap == StackVerdict::Growing && !replaces_older_blocks(figures) {
        Verdict::Growing
    } else {
        Verdict::Steady
    }
}

/// The resident set grows by the rule for growth.
#[must_use]
pub fn resident_grows(figures: &Figures) -> bool {
    let part = figures.resident_first.unwrap_or(0) / LEAST_RESIDENT_PART;
    figures.resident.of >= LEAST_INTERVALS
        && grew(&figures.resident, LEAST_RESIDENT_GROWTH.max(part))
}

/// The new blocks took the place of about as many from before attach, and the resident set does not
/// grow: what we see growing is only what we can see.
#[must_use]
pub fn replaces_older_blocks(figures: &Figures) -> bool {
    let older = figures.heap.unknown_frees.saturating_mul(4);
    older >= figures.heap.live_blocks.saturating_mul(3)
        && figures.heap.unknown_frees > 0
        && figures.resident_first.is_some()
        && !resident_grows(figures)
}

/// The share of events (or of blocks) lost is too high.
#[must_use]
pub fn degraded(lost_share: f64, heap: &HeapTotals) -> bool {
    let evicted = heap.evicted_blocks as f64;
    lost_share > TOLERATED_LOSS || evicted > TOLERATED_LOSS * heap.allocated_blocks as f64
}

/// At least half of the resident set's growth may be live blocks and what they cost at most.
fn heap_explains_resident(figures: &Figures) -> bool {
    let overhead = figures.heap.live_blocks.saturating_mul(BLOCK_OVERHEAD);
    let heap = positive(figures.growth.bytes).saturating_add(overhead);
    figures.growth.bytes > 0 && heap.saturating_mul(2) >= positive(figures.resident.bytes)
}

/// Up in three quarters of the intervals, and over all by more than `least` bytes.
fn grew(growth: &Growth, least: u64) -> bool {
    u64::from(growth.up) * 4 >= u64::from(growth.of) * 3 && positive(growth.bytes) > least
}

fn positive(bytes: i64) -> u64 {
    u64::try_from(bytes).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{Figures, LEAST_WATCH, StackVerdict, Verdict, degraded, process, stack};
    use crate::engine::snapshot::{Growth, HeapTotals};

    const MIB: i64 = 1 << 20;

    fn growth(bytes: i64, up: u32, of: u32) -> Growth {
        Growth { bytes_per_second: None, bytes, up, of }
    }

    fn figures(heap: Growth, resident: Growth) -> Figures {
        let live_bytes = u64::try_from(heap.bytes).unwrap_or(0);
        Figures {
            watched: 6 * LEAST_WATCH,
            heap: HeapTotals { live_bytes, live_blocks: 1000, ..HeapTotals::default() },
            growth: heap,
            resident,
            resident_first: Some(10 << 20),
        }
    }

    #[test]
    fn three_quarters_of_the_intervals_must_be_up() {
        let of = |up, of| stack(LEAST_WATCH, &growth(5000, up, of), 5000);
        assert_eq!(of(3, 4), StackVerdict::Growing);
        assert_eq!(of(2, 4), StackVerdict::Steady);
        assert_eq!(of(2, 2), StackVerdict::TooShort);
        assert_eq!(stack(LEAST_WATCH - 1, &growth(5000, 4, 4), 5000), StackVerdict::TooShort);
    }

    #[test]
    fn little_growth_is_none() {
        let of = |bytes, live| stack(LEAST_WATCH, &growth(bytes, 4, 4), live);
        assert_eq!(of(4096, 4096), StackVerdict::Steady);
        assert_eq!(of(4097, 4097), StackVerdict::Growing);
        assert_eq!(of(MIB, 200 << 20), StackVerdict::Steady);
        assert_eq!(of(-MIB, 200 << 20), StackVerdict::Steady);
    }

    #[test]
    fn a_growing_heap_is_growing() {
        let figures = figures(growth(8 * MIB, 6, 6), growth(9 * MIB, 6, 6));
        assert_eq!(process(&figures), Verdict::Growing);
    }

    #[test]
    fn a_resident_set_that_the_heap_does_not_explain_is_not_the_heap() {
        let flat = growth(0, 0, 6);
        assert_eq!(process(&figures(flat, growth(8 * MIB, 6, 6))), Verdict::NotTheHeap);
        assert_eq!(process(&figures(flat, growth(8 * MIB, 4, 6))), Verdict::Steady);
        assert_eq!(process(&figures(flat, growth(MIB, 6, 6))), Verdict::Steady);
        assert_eq!(
            process(&figures(growth(MIB, 6, 6), growth(8 * MIB, 6, 6))),
            Verdict::NotTheHeap
        );
        let mut large = figures(flat, growth(8 * MIB, 6, 6));
        large.resident_first = Some(200 << 20);
        assert_eq!(process(&large), Verdict::Steady, "less than a twentieth of what it was");
    }

    #[test]
    fn tiny_blocks_cost_more_than_was_asked_for() {
        let mut tiny = figures(growth(100_000, 6, 6), growth(3 * MIB, 6, 6));
        tiny.heap.live_blocks = 100_000;
        assert_eq!(process(&tiny), Verdict::Growing);
    }

    #[test]
    fn turnover_of_older_blocks_is_no_growth() {
        let mut turnover = figures(growth(8 * MIB, 6, 6), growth(0, 0, 6));
        turnover.heap.unknown_frees = 900;
        assert_eq!(process(&turnover), Verdict::Steady);
        turnover.resident = growth(8 * MIB, 6, 6);
        assert_eq!(process(&turnover), Verdict::Growing);
        turnover.resident = growth(0, 0, 6);
        turnover.heap.unknown_frees = 100;
        assert_eq!(process(&turnover), Verdict::Growing);
    }

    #[test]
    fn more_than_a_hundredth_lost_is_degraded() {
        let heap = HeapTotals { allocated_blocks: 1000, ..HeapTotals::default() };
        assert!(!degraded(0.01, &heap));
        assert!(degraded(0.011, &heap));
        assert!(degraded(0.0, &HeapTotals { evicted_blocks: 11, ..heap }));
        assert!(!degraded(0.0, &HeapTotals { evicted_blocks: 10, ..heap }));
    }
}
