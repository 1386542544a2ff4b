//! What tracing costs the targets, estimated from what was calibrated and counted.
//!
//! cost = traps × their calibrated price + program runs × their measured mean duration. The price
//! is that of a probe with a program that does nothing, on a function of ours, at start-up. Page faults make a trap
//! anyway: they cost what the program on them takes, which is measured.

use super::budget::Load;
use super::duty::Spent;
use crate::model::ids::{Nanos, SECOND};
use crate::probe::live::calibrate::Prices;

/// The kernel side's counters and the targets' CPU time at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Reading {
    pub(super) time: Nanos,
    /// Entries that ran for targets.
    pub(super) entries: u64,
    /// Returns that ran for targets.
    pub(super) returns: u64,
    /// Calls that were taken. (Where calls nest, the returns of the others run, too.)
    pub(super) taken: u64,
    /// Measured runs at returns and the sum of their durations.
    pub(super) timed_returns: Timed,
    /// … at entries that need no return.
    pub(super) timed_entries: Timed,
    /// What the program on page faults took, ns.
    pub(super) faults: Nanos,
    /// Bytes that were allocated.
    pub(super) bytes: u64,
    /// CPU time of all targets.
    pub(super) target_cpu: Nanos,
}

/// What the program at a return is taken to run for where every call is taken, before any was, ns: a stack of a dozen
/// frames is walked, and both the allocation and its free are told. (`docs/benchmarks/overhead.md`: an exact pair takes
/// some 1.6 µs more than one of empty probes.)
const TAKEN_RUN: f64 = 1_500.0;

/// Some runs of programs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Timed {
    pub(super) runs: u64,
    pub(super) nanoseconds: u64,
}

/// Runs that were measured between two readings from which on their mean is taken for that time: before, for what the
/// runs do now, those of the whole run are the better guess.
const ENOUGH_RUNS: u64 = 30;

impl Timed {
    fn mean(self) -> f64 {
        self.nanoseconds as f64 / (self.runs as f64).max(1.0)
    }

    /// The mean duration since `before`: what a run takes changes with how many calls are taken.
    fn mean_since(self, before: Self) -> f64 {
        let runs = self.runs.saturating_sub(before.runs);
        if runs < ENOUGH_RUNS {
            return self.mean();
        }
        Self { runs, nanoseconds: self.nanoseconds.saturating_sub(before.nanoseconds) }.mean()
    }
}

/// Whether probe sites are emulated, for the two kinds of probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sites {
    pub(super) calls_emulated: bool,
    pub(super) entries_emulated: bool,
}

/// Follows the cost.
#[derive(Debug)]
pub(super) struct Meter {
    /// `None` until they are measured.
    prices: Option<Prices>,
    last: Reading,
    /// Where the phase began that goes on: a window, a pause, or the run.
    phase: Reading,
    /// Until when what the phase cost has been added up, each part with the prices of its time, and how much that is,
    /// seconds of CPU.
    priced: Reading,
    phase_cost: f64,
    /// What was spent in the phases before.
    past: Spent,
}

impl Meter {
    /// From this reading on, without prices.
    pub(super) const fn new(now: Reading) -> Self {
        Self {
            prices: None,
            last: now,
            phase: now,
            priced: now,
            phase_cost: 0.0,
            past: Spent { cost: 0.0, used: 0.0, time: 0.0 },
        }
    }

    /// The prices are known now. What was counted before gets them, too.
    pub(super) const fn learn(&mut self, prices: Prices) {
        self.prices = Some(prices);
    }

    /// `None` while the prices are not known.
    fn between(&self, before: &Reading, now: &Reading, sites: Sites) -> Option<Load> {
        let prices = self.prices?;
        let elapsed = (now.time.saturating_sub(before.time) as f64).max(1.0);
        let rate = |of: fn(&Reading) -> u64| of(now).saturating_sub(of(before)) as f64 / elapsed;
        let call = if sites.calls_emulated { prices.call } else { prices.call_stepped };
        let entry = if sites.entries_emulated { prices.entry } else { prices.entry_stepped };
        let (entries, returns) = (rate(|it| it.entries), rate(|it| it.returns));
        // What the trap at a return costs beside that at the entry.
        let back = (call - entry).max(0.0);
        let taken = rate(|it| it.taken).min(returns);
        // A return that is not taken does next to nothing. Its run is among those that were measured, which makes
        // the others look cheaper than they are: all that was measured is theirs.
        let runs = returns * now.timed_returns.mean_since(before.timed_returns);
        let (entries_cost, faults) = (
            entries * (entry + now.timed_entries.mean_since(before.timed_entries)),
            rate(|it| it.faults),
        );
        // Of entries whose returns are not waited for about half are frees.
        let calls = returns.max(entries / 2.0);
        Some(Load {
            exact: calls.mul_add(back + TAKEN_RUN, entries_cost + faults),
            floor: entries_cost + (returns - taken) * back + faults,
            taken: taken * back + runs,
            samples: taken * SECOND as f64,
            bytes: rate(|it| it.bytes) * SECOND as f64,
            targets: rate(|it| it.target_cpu),
            seconds: elapsed / SECOND as f64,
        })
    }

    /// CPU time that tracing cost between two readings; `None` while the prices are not known.
    pub(super) fn price(&self, before: &Reading, now: &Reading, sites: Sites) -> Option<Nanos> {
        let elapsed = now.time.saturating_sub(before.time) as f64;
        self.between(before, now, sites).map(|load| (load.cores() * elapsed) as Nanos)
    }

    /// Takes a reading, and gives the cost since the last one; `None` if that was just before, or the prices are
    /// not known yet.
    pub(super) fn step(&mut self, now: Reading, sites: Sites) -> Option<Load> {
        if now.time.saturating_sub(self.last.time) < SECOND / 2 {
            return None;
        }
        let load = self.between(&self.last, &now, sites);
        self.last = now;
        if let Some(cost) = self.cost(&self.priced, &now, sites) {
            (self.priced, self.phase_cost) = (now, self.phase_cost + cost);
        }
        load
    }

    /// Seconds of CPU that tracing cost between two readings.
    fn cost(&self, before: &Reading, now: &Reading, sites: Sites) -> Option<f64> {
        let load = self.between(before, now, sites)?;
        Some(load.cores() * load.seconds)
    }

    /// What it was like between two readings; `None` while the prices are not known.
    pub(super) fn load(&self, before: &Reading, now: &Reading, sites: Sites) -> Option<Load> {
        self.between(before, now, sites)
    }

    /// What was spent in the phase until `now`; `None` while the prices are not known. What has a price already keeps
    /// it: that later probes are dearer makes no earlier ones so.
    fn spent(&self, now: &Reading, sites: Sites) -> Option<Spent> {
        let cost = self.phase_cost + self.cost(&self.priced, now, sites)?;
        let nanoseconds =
            |of: fn(&Reading) -> Nanos| of(now).saturating_sub(of(&self.phase)) as f64;
        let used = nanoseconds(|it| it.target_cpu) / SECOND as f64;
        Some(Spent::of(cost, used, nanoseconds(|it| it.time) / SECOND as f64))
    }

    /// Probes have come or gone. Each phase is told by itself: where prices are too high, what a window cost is more
    /// than all that the targets used in it, which the pauses' use would hide. Gives what was spent in the one that
    /// ends; `None` while the prices are not known: it goes on then.
    pub(super) fn turn(&mut self, now: Reading, sites: Sites) -> Option<Spent> {
        let spent = self.spent(&now, sites)?;
        self.past = self.past.with(&spent);
        (self.phase, self.priced, self.last) = (now, now, now);
        self.phase_cost = 0.0;
        Some(spent)
    }

    /// What was spent over the whole run; `None` while the prices are not known.
    pub(super) fn spent_so_far(&self, sites: Sites) -> Option<Spent> {
        Some(self.past.with(&self.spent(&self.last, sites)?))
    }
}

#[cfg(test)]
mod tests {
    use super::{Meter, Prices, Reading, SECOND, Sites, Timed};

    const SITES: Sites = Sites { calls_emulated: true, entries_emulated: true };

    fn reading(second: u64, calls: u64) -> Reading {
        Reading {
            time: second * SECOND,
            entries: 2 * calls,
            returns: calls,
            taken: calls,
            timed_returns: Timed { runs: 10, nanoseconds: 1000 },
            timed_entries: Timed { runs: 4, nanoseconds: 200 },
            faults: 0,
            bytes: calls * 100,
            target_cpu: second * SECOND,
        }
    }

    fn meter(prices: Prices) -> Meter {
        let mut meter = Meter::new(reading(0, 0));
        meter.learn(prices);
        meter
    }

    #[test]
    fn returns_of_calls_that_are_not_taken_belong_to_the_floor() {
        let prices = Prices { entry: 500.0, entry_stepped: 0.0, call: 900.0, call_stepped: 0.0 };
        let mut meter = meter(prices);
        let now = Reading { taken: 1000, ..reading(1, 100_000) };
        let load = meter.step(now, SITES).unwrap();
        assert!((load.floor - (0.11 + 99_000.0 * 400e-9)).abs() < 1e-9, "{load:?}");
        assert!((load.taken - (1000.0 * 400e-9 + 0.01)).abs() < 1e-9, "{load:?}");
        assert_eq!(load.samples, 1000.0);
    }

    /// After an hour in which each call was taken one in many is: what a return takes now is what it is worth.
    #[test]
    fn what_a_run_takes_is_of_the_time_that_is_looked_at() {
        let mut meter = meter(Prices { call: 0.0, ..Prices::default() });
        let timed = |runs, nanoseconds| Timed { runs, nanoseconds };
        let begin = Reading { timed_returns: timed(100_000, 150_000_000), ..reading(1, 100_000) };
        meter.step(begin, SITES);
        let few = Reading { timed_returns: timed(100_029, 150_000_000), ..reading(2, 200_000) };
        let load = meter.step(few, SITES).unwrap();
        assert!((load.taken - 0.15).abs() < 0.001, "{load:?}");
        let next = Reading { timed_returns: timed(101_029, 150_100_000), ..reading(3, 300_000) };
        let load = meter.step(next, SITES).unwrap();
        assert!((load.taken - 0.01).abs() < 0.001, "{load:?}");
    }

    #[test]
    fn without_prices_there_is_no_cost() {
        let mut meter = Meter::new(reading(0, 0));
        assert_eq!(meter.step(reading(1, 100_000), SITES), None);
        assert_eq!(meter.spent_so_far(SITES), None);
        meter.learn(Prices { call: 900.0, ..Prices::default() });
        // What was counted before has a price, too.
        assert!(meter.spent_so_far(SITES).is_some_and(|spent| spent.cost > 0.09));
    }

    #[test]
    fn cost_is_traps_and_runs() {
        let prices = Prices { entry: 500.0, entry_stepped: 9e9, call: 900.0, call_stepped: 9e9 };
        let mut meter = meter(prices);
        let load = meter.step(reading(1, 100_000), SITES).unwrap();
        // 200,000 entries of 500 + 50 ns, 100,000 returns of 400 + 100 ns.
        assert!((load.floor - 0.11).abs() < 1e-9 && (load.taken - 0.05).abs() < 1e-9, "{load:?}");
        assert_eq!((load.samples, load.bytes), (100_000.0, 10_000_000.0));
        // Of a core that the target used, 16 % were for tracing.
        assert!((load.overhead() - 0.16 / 0.84).abs() < 1e-9);
        let spent = meter.spent_so_far(SITES).unwrap();
        assert!((spent.cores() - 0.16).abs() < 1e-9, "{spent:?}");
        assert!((spent.percent().unwrap() - 100.0 * 0.16 / 0.84).abs() < 1e-9, "{spent:?}");
        assert_eq!(meter.step(reading(1, 200_000), SITES), None, "too soon");
    }

    /// A dear probe that comes late makes dear what comes after it.
    #[test]
    fn what_was_spent_keeps_its_price() {
        let prices = Prices { entry: 0.0, call: 900.0, call_stepped: 9_000.0, ..Prices::default() };
        let mut meter = meter(prices);
        meter.step(reading(1, 100_000), SITES);
        let cheap = meter.spent_so_far(SITES).unwrap().cost;
        let dear = Sites { calls_emulated: false, ..SITES };
        assert_eq!(meter.spent_so_far(dear).unwrap().cost, cheap);
        meter.step(reading(2, 110_000), dear);
        let spent = meter.spent_so_far(dear).unwrap().cost - cheap;
        assert!((spent - 10_000.0 * 9_200e-9).abs() < 1e-3, "{spent}");
    }

    #[test]
    fn page_faults_cost_what_was_measured() {
        let mut meter = meter(Prices::default());
        let now = Reading { faults: SECOND / 50, ..reading(1, 0) };
        let load = meter.step(now, SITES).unwrap();
        assert!((load.cores() - 0.02).abs() < 1e-9, "{load:?}");
    }

    #[test]
    fn a_window_costs_no_more_than_was_used_in_it() {
        // Calls cost three times what a core can do.
        let prices = Prices { entry: 0.0, call: 30_000.0, ..Prices::default() };
        let mut meter = meter(prices);
        let window = Reading { time: SECOND, target_cpu: SECOND, ..reading(1, 100_000) };
        let spent = meter.turn(window, SITES).unwrap();
        assert_eq!((spent.cost, spent.used), (1.0, 1.0));
        let pause = Reading { time: 6 * SECOND, target_cpu: 6 * SECOND, ..window };
        meter.step(pause, SITES);
        let spent = meter.spent_so_far(SITES).unwrap();
        assert_eq!((spent.cost, spent.used, spent.time), (1.0, 6.0, 6.0));
        assert!((spent.percent().unwrap() - 20.0).abs() < 1e-9);
        meter.turn(pause, SITES);
        assert_eq!(meter.spent_so_far(SITES), Some(spent));
    }
}
