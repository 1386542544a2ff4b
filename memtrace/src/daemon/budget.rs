//! Holds the cost of tracing to a budget, by looking at fewer allocations.
//!
//! A pure decision from what was measured: the traps are paid for every call, whatever is made of it; what
//! samples cost falls with the interval. The smallest interval that fits is wanted, as it gives the narrowest
//! ranges.

/// What tracing costs the targets, in cores, over some time: the last second or so, or a window and a pause.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Load {
    /// For calls, whether taken or not.
    pub(super) floor: f64,
    /// Besides for those that were taken.
    pub(super) taken: f64,
    /// What it would cost in all to take every call, as far as can be told before that was done.
    pub(super) exact: f64,
    /// Allocations that were taken, per second.
    pub(super) samples: f64,
    /// Bytes that were allocated, per second.
    pub(super) bytes: f64,
    /// CPU that the targets use, that of tracing included.
    pub(super) targets: f64,
    /// The time of which this is, seconds.
    pub(super) seconds: f64,
}

impl Load {
    /// CPU that tracing costs the targets, cores.
    pub(super) const fn cores(&self) -> f64 {
        self.floor + self.taken
    }

    /// Percent of what the targets would use untraced; `None` if they use nothing.
    pub(super) fn percent(&self) -> Option<f64> {
        (self.targets > 0.0).then(|| self.overhead() * 100.0)
    }

    /// Cost as a share of what the targets would use untraced.
    pub(super) fn overhead(&self) -> f64 {
        share(self.cores(), self.targets)
    }
}

/// `cost / (targets - cost)`: tracing is paid by the targets, whose CPU time holds it.
pub(super) fn share(cost: f64, targets: f64) -> f64 {
    cost / (targets - cost).max(cost * LEAST).max(f64::MIN_POSITIVE)
}

/// An estimate of the cost may be more than all CPU time that there was.
const LEAST: f64 = 0.01;

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Decision {
    /// Go on.
    Keep,
    /// With this interval.
    Interval(u64),
    /// Samples are as few as makes a difference, and the calls alone cost more than the budget.
    OutOfReach,
}

/// The shortest interval that is chosen: below, nearly all blocks are taken anyway.
const SHORTEST: u64 = 1 << 10;
/// The longest one that is chosen: of a gibibyte that is alive the estimate is right to some 6 % then.
const LONGEST: u64 = 4 << 20;
/// Where calls alone cost more than the budget, samples may cost this share of what these do.
const NEGLIGIBLE: f64 = 0.1;
/// The budget is held if the cost is at most this many times as much: estimates waver.
const TOLERANCE: f64 = 1.1;
/// Targets that use fewer cores than this cost nobody anything.
const IDLE: f64 = 0.001;
/// Seconds in a row that speak for a shorter interval before it is chosen.
const PATIENCE: u32 = 10;

/// The interval with which samples tell at first how much is allocated.
const FIRST: u64 = 512 << 10;
/// Samples per second that tell that.
const ENOUGH: f64 = 20.0;

/// CPU that tracing may cost in any case where the user names no budget, cores: a multiple of what an idle
/// program uses is nothing still.
pub(super) const FREE: f64 = 0.05;

/// Follows the cost.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Budget {
    /// Costs below this are not weighed, cores.
    free: f64,
    /// Seconds in a row in which a shorter interval would have fit.
    under: u32,
    /// Sampling has begun with [`FIRST`], whatever fits.
    is_first: bool,
}

impl Budget {
    /// One that does not weigh costs below so many cores.
    pub(super) const fn new(free: f64) -> Self {
        Self { free, under: 0, is_first: false }
    }

    /// Cores below which a cost is not weighed.
    pub(super) const fn free(&self) -> f64 {
        self.free
    }

    /// The interval to begin with, after a time in which calls were only counted; 0: every allocation, if that is
    /// predicted to fit. Else how many bytes are allocated must be known first.
    pub(super) fn begin(&mut self, load: &Load, most: f64) -> u64 {
        let untraced = (load.targets - load.cores()).max(0.0);
        let fits = load.exact <= most * untraced || load.exact < self.free || load.targets < IDLE;
        self.is_first = !fits;
        if fits { 0 } else { FIRST }
    }

    /// What to do after a second in which tracing cost `load`, with `interval` in force and a budget of `most`,
    /// a share of what the targets would use untraced.
    pub(super) fn decide(&mut self, load: &Load, interval: u64, most: f64) -> Decision {
        if load.targets < IDLE || load.cores() < self.free {
            return Decision::Keep;
        }
        let fitting = fitting(load, most);
        if self.is_first && load.samples >= ENOUGH {
            self.is_first = false;
            if fitting < interval && load.overhead() <= most * TOLERANCE {
                return Decision::Interval(fitting);
            }
        }
        if load.overhead() > most * TOLERANCE {
            self.under = 0;
            return match fitting.max(interval.saturating_mul(2)).min(LONGEST) {
                wanted if wanted > interval && has_effect(load) => Decision::Interval(wanted),
                _ => Decision::OutOfReach,
            };
        }
        // Back to every allocation does not go: what was not seen meanwhile stays unknown.
        self.under =
            if interval > SHORTEST && fitting <= interval / 4 { self.under + 1 } else { 0 };
        if self.under < PATIENCE {
            return Decision::Keep;
        }
        self.under = 0;
        Decision::Interval((interval / 2).max(SHORTEST))
    }
}

/// Whether fewer samples would cost noticeably less.
fn has_effect(load: &Load) -> bool {
    load.taken > load.floor * NEGLIGIBLE
}

/// The smallest interval with which the cost fits, a power of two.
///
/// At R bytes between samples there are at most bytes/R of them. (Fewer where blocks are larger.) Each costs as
/// much as they do now.
fn fitting(load: &Load, most: f64) -> u64 {
    if load.samples <= 0.0 {
        return SHORTEST;
    }
    let each = load.taken / load.samples;
    // cost / (targets - cost) = most, with untraced targets as they are now.
    let allowed = (load.targets - load.floor - load.taken).max(0.0) * most - load.floor;
    let allowed = allowed.max(load.floor * NEGLIGIBLE);
    let interval = (load.bytes * each / allowed).clamp(SHORTEST as f64, LONGEST as f64);
    (interval as u64).next_power_of_two()
}

#[cfg(test)]
mod tests {
    use super::{Budget, Decision, ENOUGH, FIRST, FREE, LONGEST, Load, PATIENCE, SHORTEST};

    /// A program that calls malloc and free so often per second, with this interval.
    fn load(calls: f64, size: f64, interval: u64, untraced: f64) -> Load {
        let (trap, sample) = (0.4e-6, 2e-6);
        let taken = match interval {
            0 => 1.0,
            interval => 1.0 - (-size / interval as f64).exp(),
        };
        let (floor, samples) = (2.0 * calls * trap, calls * taken);
        let cost = floor + samples * sample;
        let targets = untraced + cost;
        let exact = calls.mul_add(sample, floor);
        let taken = samples * sample;
        Load { floor, taken, exact, samples, bytes: calls * size, targets, seconds: 1.0 }
    }

    /// Decides until it settles, and gives interval and overhead.
    fn settled(calls: f64, size: f64, untraced: f64, most: f64) -> (u64, f64, bool) {
        let (mut budget, mut interval, mut reached) = (Budget::default(), 0, true);
        for _ in 0..200 {
            match budget.decide(&load(calls, size, interval, untraced), interval, most) {
                Decision::Keep => {}
                Decision::Interval(next) => interval = next,
                Decision::OutOfReach => reached = false,
            }
        }
        (interval, load(calls, size, interval, untraced).overhead(), reached)
    }

    #[test]
    fn what_fits_stays_exact() {
        let (interval, overhead, reached) = settled(10_000.0, 100.0, 0.5, 0.10);
        assert_eq!((interval, reached), (0, true));
        assert!(overhead < 0.10);
    }

    #[test]
    fn the_smallest_interval_that_fits_is_found() {
        for size in [16.0, 100.0, 3000.0] {
            let (interval, overhead, reached) = settled(60_000.0, size, 0.9, 0.10);
            assert!(reached && overhead <= 0.11, "{size}: {overhead} with {interval}");
            let shorter = load(60_000.0, size, interval / 4, 0.9).overhead();
            assert!(interval <= SHORTEST || shorter > 0.10, "{size}: {shorter}, {interval}");
        }
    }

    #[test]
    fn what_is_predicted_to_fit_begins_exact_and_all_else_by_samples() {
        // Counted alone: none is taken.
        let counted = |calls: f64, untraced: f64| {
            let load = load(calls, 100.0, 1 << 40, untraced);
            (Budget::new(FREE).begin(&load, 0.1), load.cores())
        };
        let (interval, cost) = counted(20_000.0, 0.9);
        assert!(interval == 0 && cost < 0.02, "{cost}");
        assert_eq!(counted(60_000.0, 0.9).0, FIRST);
        assert_eq!(counted(10_000.0, 0.001).0, 0, "less than is free");
    }

    #[test]
    fn what_fits_is_found_at_once_when_it_is_known_how_much_is_allocated() {
        let mut budget = Budget::default();
        let first = budget.begin(&load(60_000.0, 1000.0, 1 << 40, 0.9), 0.1);
        let few = Load { samples: ENOUGH / 2.0, ..load(60_000.0, 1000.0, first, 0.9) };
        assert_eq!(budget.decide(&few, first, 0.1), Decision::Keep, "too few to say");
        let Decision::Interval(next) =
            budget.decide(&load(60_000.0, 1000.0, first, 0.9), first, 0.1)
        else {
            panic!("samples have told how much is allocated")
        };
        assert!(next < first / 4 && load(60_000.0, 1000.0, next, 0.9).overhead() <= 0.11, "{next}");
        let next = budget.decide(&load(60_000.0, 1000.0, next, 0.9), next, 0.1);
        assert_eq!(next, Decision::Keep);
    }

    #[test]
    fn what_calls_alone_cost_too_much_is_told() {
        let (interval, overhead, reached) = settled(900_000.0, 64.0, 0.2, 0.10);
        assert!(!reached && overhead > 1.0);
        assert!((SHORTEST..=LONGEST).contains(&interval));
        // Samples are few then.
        let load = load(900_000.0, 64.0, interval, 0.2);
        assert!(load.taken <= load.floor * 0.21, "{load:?}");
    }

    #[test]
    fn what_an_idle_program_costs_is_not_weighed_unless_that_is_wished() {
        // 4 ms per second for tracing, of a program that uses 3 ms.
        let idle = load(1_500.0, 100.0, 0, 0.003);
        assert!(idle.overhead() > 1.0 && idle.cores() < FREE, "{idle:?}");
        assert_eq!(Budget::new(FREE).decide(&idle, 0, 0.1), Decision::Keep);
        let weighed = Budget::default().decide(&idle, 0, 0.1);
        assert!(matches!(weighed, Decision::Interval(_)), "{weighed:?}");
    }

    #[test]
    fn a_shorter_interval_takes_patience_and_exactness_does_not_come_back() {
        let mut budget = Budget::default();
        let quiet = load(100.0, 100.0, 1 << 20, 0.5);
        for _ in 1..PATIENCE {
            assert_eq!(budget.decide(&quiet, 1 << 20, 0.1), Decision::Keep);
        }
        assert_eq!(budget.decide(&quiet, 1 << 20, 0.1), Decision::Interval(1 << 19));
        for _ in 0..100 {
            assert_eq!(budget.decide(&quiet, SHORTEST, 0.1), Decision::Keep);
        }
    }

    #[test]
    fn odd_figures_decide_nothing_odd() {
        let mut budget = Budget::default();
        for targets in [0.0, 1e-9, 1.0, 1e9] {
            for taken in [0.0, 1e-12, 1.0, 1e9] {
                for samples in [0.0, 1.0, 1e12] {
                    let load = Load {
                        floor: taken / 2.0,
                        taken,
                        exact: taken,
                        samples,
                        bytes: samples,
                        targets,
                        seconds: 1.0,
                    };
                    if let Decision::Interval(next) = budget.decide(&load, 4096, 0.05) {
                        assert!((SHORTEST..=LONGEST).contains(&next), "{load:?}: {next}");
                    }
                    assert!(load.overhead() >= 0.0 && load.overhead().is_finite());
                }
            }
        }
    }
}
