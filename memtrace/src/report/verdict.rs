//! Verdicts on processes, from the trends of their heaps and stacks. A verdict says no more than the figures do.

use crate::engine::snapshot::{Growth, HeapTotals};
use crate::engine::trend::{Band, Judgement, Trend, matters};
use crate::model::ids::Nanos;

/// Share of lost events (or evicted blocks) above which figures are not to be relied on.
pub const TOLERATED_LOSS: f64 = 0.01;
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
    /// The live heap grows, or a stack of it does that the ups and downs of the others hide.
    Growing,
    /// Neither the heap nor the resident set grows.
    Stable,
    /// The live heap shrinks.
    Draining,
    /// The resident set grows, and the live heap does not explain it.
    NotTheHeap,
    /// It runs, and was not watched for long enough, or by too few samples.
    #[default]
    TooShort,
    /// It ended before it was watched for long enough.
    Ended,
    /// A stack that was not watched for long enough, or of which there are too few samples.
    New,
    /// Too much was lost to say.
    Degraded,
}

impl Verdict {
    /// For people.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Growing => "GROWING",
            Self::Stable => "STABLE",
            Self::Draining => "DRAINING",
            Self::NotTheHeap => "NOT THE HEAP",
            Self::TooShort => "TOO SHORT",
            Self::Ended => "ENDED",
            Self::New => "NEW",
            Self::Degraded => "DEGRADED",
        }
    }

    /// For machines.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Growing => "growing",
            Self::Stable => "stable",
            Self::Draining => "draining",
            Self::NotTheHeap => "not_the_heap",
            Self::TooShort | Self::Ended | Self::New => "new",
            Self::Degraded => "degraded",
        }
    }
}

impl From<Trend> for Verdict {
    /// The verdict on a stack.
    fn from(trend: Trend) -> Self {
        match trend {
            Trend::Growing => Self::Growing,
            Trend::Stable => Self::Stable,
            Trend::Draining => Self::Draining,
            Trend::New => Self::New,
        }
    }
}

/// The figures that a process is judged by.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    /// Time watched, ns.
    pub watched: Nanos,
    /// Blocks were not watched all the time: what else the heap holds is not known.
    pub in_windows: bool,
    /// It runs no more.
    pub has_ended: bool,
    /// Heap totals.
    pub heap: HeapTotals,
    /// Growth of the live heap.
    pub growth: Growth,
    /// What the trend of the live heap is.
    pub judgement: Judgement,
    /// What its growing stacks gain together at least, bytes per second.
    pub stacks_gain: f64,
    /// Growth of the resident set.
    pub resident: Growth,
    /// Its slope, as the heap's: over the later half of the watch.
    pub resident_slope: Option<Band>,
    /// Resident set when first seen, bytes.
    pub resident_first: Option<u64>,
}

/// Judges a process by its figures; what was lost is judged by [`degraded`].
#[must_use]
pub fn process(figures: &Figures) -> Verdict {
    if figures.judgement.trend == Trend::New {
        return if figures.has_ended { Verdict::Ended } else { Verdict::TooShort };
    }
    let explains = if resident_grows(figures) && !figures.in_windows {
        heap_explains_resident(figures)
    } else {
        Explains::Yes
    };
    if explains == Explains::No {
        Verdict::NotTheHeap
    } else if heap_grows(figures) && !replaces_older_blocks(figures) {
        Verdict::Growing
    } else if explains == Explains::Perhaps {
        Verdict::TooShort
    } else if figures.judgement.trend == Trend::Draining {
        Verdict::Draining
    } else {
        Verdict::Stable
    }
}

/// Whether the live heap explains that the resident set grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Explains {
    /// By what it gained.
    Yes,
    /// By the most that it may have gained, but not by its estimate: there are too few samples to say.
    Perhaps,
    /// Not even so.
    No,
}

fn heap_grows(figures: &Figures) -> bool {
    let Figures { watched, heap, judgement, .. } = figures;
    match judgement.trend {
        Trend::Growing => true,
        Trend::Stable => matters(figures.stacks_gain, *watched, heap.live_bytes),
        Trend::Draining | Trend::New => false,
    }
}

/// The resident set grows: still, and by a part of it that matters.
#[must_use]
pub fn resident_grows(figures: &Figures) -> bool {
    let part = figures.resident_first.unwrap_or(0) / LEAST_RESIDENT_PART;
    let least = LEAST_RESIDENT_GROWTH.max(part);
    figures.resident_slope.is_some_and(|slope| slope.low > 0.0)
        && positive(figures.resident.bytes) > least
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

/// At least half of the resident set's growth may be live blocks and what they cost at most. Of samples all
/// of the range counts in which the truth lies: that it is *not* the heap can be said only where the other
/// end says so, too.
#[must_use]
pub fn heap_explains_resident(figures: &Figures) -> Explains {
    let heap = &figures.heap;
    if explain(figures, figures.growth.bytes, heap.live_blocks) {
        return Explains::Yes;
    }
    let most = heap.confidence.map_or(heap.live_blocks, |it| it.live_blocks.high);
    if explain(figures, most_gained(figures), most) { Explains::Perhaps } else { Explains::No }
}

/// The most that the live heap may have gained: the sums of its growth are those of now, which have a range, and
/// of when it was seen first, when it had no samples.
#[must_use]
pub fn most_gained(figures: &Figures) -> i64 {
    let Figures { growth, heap, .. } = figures;
    let beyond = heap.confidence.map_or(0, |it| it.live_bytes.high.saturating_sub(heap.live_bytes));
    growth.bytes.saturating_add_unsigned(beyond)
}

fn explain(figures: &Figures, gained: i64, blocks: u64) -> bool {
    let overhead = blocks.saturating_mul(BLOCK_OVERHEAD);
    let heap = positive(gained).saturating_add(overhead);
    gained > 0 && heap.saturating_mul(2) >= positive(figures.resident.bytes)
}

fn positive(bytes: i64) -> u64 {
    u64::try_from(bytes).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{Explains, Figures, Verdict, degraded, heap_explains_resident, process};
    use crate::engine::snapshot::{Confidence, Growth, HeapTotals, SampledConfidence};
    use crate::engine::trend::{Band, Judgement, Trend};
    use crate::model::ids::SECOND;

    const MIB: i64 = 1 << 20;

    fn growth(bytes: i64) -> Growth {
        Growth { bytes, ..Growth::default() }
    }

    fn slope(bytes: i64) -> Option<Band> {
        let middle = bytes as f64 / 60.0;
        Some(Band { low: middle - 10.0, middle, high: middle + 10.0 })
    }

    /// A heap and a resident set that gained so much evenly, in a minute.
    fn figures(heap: i64, resident: i64) -> Figures {
        let live_bytes = u64::try_from(heap).unwrap_or(0);
        let trend = match heap {
            0 => Trend::Stable,
            1.. => Trend::Growing,
            _ => Trend::Draining,
        };
        Figures {
            watched: 60 * SECOND,
            heap: HeapTotals { live_bytes, live_blocks: 1000, ..HeapTotals::default() },
            growth: growth(heap),
            judgement: Judgement { trend, slope: slope(heap), ..Judgement::default() },
            resident: growth(resident),
            resident_slope: slope(resident),
            resident_first: Some(10 << 20),
            ..Figures::default()
        }
    }

    #[test]
    fn a_heap_is_what_its_trend_is() {
        assert_eq!(process(&figures(8 * MIB, 9 * MIB)), Verdict::Growing);
        assert_eq!(process(&figures(0, 0)), Verdict::Stable);
        assert_eq!(process(&figures(-8 * MIB, 0)), Verdict::Draining);
    }

    #[test]
    fn what_was_not_watched_for_long_is_not_judged() {
        let mut short = Figures { resident: growth(8 * MIB), ..Figures::default() };
        assert_eq!(process(&short), Verdict::TooShort);
        short.has_ended = true;
        assert_eq!(process(&short), Verdict::Ended);
    }

    #[test]
    fn a_stack_that_grows_under_churn_makes_the_process_grow() {
        let mut hidden = figures(0, 0);
        hidden.heap.live_bytes = 10 << 20;
        hidden.stacks_gain = 1000.0;
        assert_eq!(process(&hidden), Verdict::Stable, "less than a hundredth of what is held");
        hidden.stacks_gain = 2000.0;
        assert_eq!(process(&hidden), Verdict::Growing);
        hidden.judgement.trend = Trend::Draining;
        assert_eq!(process(&hidden), Verdict::Draining, "others give up more");
    }

    #[test]
    fn a_resident_set_that_the_heap_does_not_explain_is_not_the_heap() {
        assert_eq!(process(&figures(0, 8 * MIB)), Verdict::NotTheHeap);
        assert_eq!(process(&figures(0, MIB)), Verdict::Stable);
        assert_eq!(process(&figures(MIB, 8 * MIB)), Verdict::NotTheHeap);
        let mut early = figures(0, 8 * MIB);
        early.resident_slope = Some(Band { low: -1.0, middle: 0.0, high: 1.0 });
        assert_eq!(process(&early), Verdict::Stable, "it grew, but does no more");
        let mut large = figures(0, 8 * MIB);
        large.resident_first = Some(200 << 20);
        assert_eq!(process(&large), Verdict::Stable, "less than a twentieth of what it was");
    }

    /// Few large samples: the estimate says one thing, and its range allows the other.
    #[test]
    fn what_samples_cannot_tell_is_not_said() {
        let sampled = |heap: i64, high: u64| {
            let mut figures = figures(heap, 8 * MIB);
            let live_bytes = Confidence { low: 0, high };
            let live_blocks = Confidence { low: 0, high: 1000 };
            figures.heap.confidence =
                Some(SampledConfidence { live_bytes, live_blocks, ..SampledConfidence::default() });
            figures
        };
        let [few, enough] = [sampled(MIB, 6 << 20), sampled(MIB, 2 << 20)];
        assert_eq!(heap_explains_resident(&few), Explains::Perhaps);
        assert_eq!(process(&few), Verdict::Growing, "that much the heap's own trend tells");
        assert_eq!(heap_explains_resident(&enough), Explains::No);
        assert_eq!(process(&enough), Verdict::NotTheHeap);
        assert_eq!(process(&sampled(0, 6 << 20)), Verdict::TooShort, "it is not known which");
        assert_eq!(process(&sampled(0, 2 << 20)), Verdict::NotTheHeap);
        assert_eq!(process(&sampled(5 * MIB, 6 << 20)), Verdict::Growing);
    }

    #[test]
    fn tiny_blocks_cost_more_than_was_asked_for() {
        let mut tiny = figures(100_000, 3 * MIB);
        tiny.heap.live_blocks = 100_000;
        assert_eq!(process(&tiny), Verdict::Growing);
    }

    #[test]
    fn what_is_not_known_of_the_heap_may_explain_resident_memory() {
        let figures = figures(0, 40 * MIB);
        assert_eq!(process(&figures), Verdict::NotTheHeap);
        assert_ne!(process(&Figures { in_windows: true, ..figures }), Verdict::NotTheHeap);
    }

    #[test]
    fn turnover_of_older_blocks_is_no_growth() {
        let mut turnover = figures(8 * MIB, 0);
        turnover.heap.unknown_frees = 900;
        assert_eq!(process(&turnover), Verdict::Stable);
        turnover.resident = growth(8 * MIB);
        turnover.resident_slope = slope(8 * MIB);
        assert_eq!(process(&turnover), Verdict::Growing);
        turnover.resident = growth(0);
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
