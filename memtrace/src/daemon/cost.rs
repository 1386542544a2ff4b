//! What tracing costs the targets, estimated from what was calibrated and counted.
//!
//! cost = traps × their calibrated price + program runs × their measured mean duration. The price
//! is that of a probe with a program that does nothing, on a function of ours, at start-up.

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
    /// Measured runs and the sum of their durations.
    pub(super) timed_runs: u64,
    pub(super) timed_nanoseconds: u64,
    /// CPU time of all targets.
    pub(super) target_cpu: Nanos,
}

/// Cost over the last step.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Cost {
    /// CPU that tracing costs the targets, cores.
    pub(super) cores: f64,
    /// CPU that the targets use in all, cores.
    pub(super) target_cores: f64,
}

impl Cost {
    /// Percent of the targets' CPU time; `None` if they used none.
    pub(super) fn percent(self) -> Option<f64> {
        (self.target_cores > 0.0).then(|| (self.cores / self.target_cores * 100.0).min(100.0))
    }
}

/// Whether probe sites are emulated, for the two kinds of probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sites {
    pub(super) calls_emulated: bool,
    pub(super) entries_emulated: bool,
}

/// Follows the cost and the budget.
#[derive(Debug)]
pub(super) struct Meter {
    /// `None` until they are measured.
    prices: Option<Prices>,
    first: Reading,
    last: Reading,
    /// Steps in a row that were over twice the budget.
    over: u32,
    latest: Option<Cost>,
}

/// Steps (of about a second) over twice the budget after which tracing ends.
const PATIENCE: u32 = 3;

impl Meter {
    /// From this reading on, without prices.
    pub(super) const fn new(now: Reading) -> Self {
        Self { prices: None, first: now, last: now, over: 0, latest: None }
    }

    /// The prices are known now. What was counted before gets them, too.
    pub(super) const fn learn(&mut self, prices: Prices) {
        self.prices = Some(prices);
    }

    /// `None` while the prices are not known.
    fn between(&self, before: &Reading, now: &Reading, sites: Sites) -> Option<Cost> {
        let prices = self.prices?;
        let returns = now.returns.saturating_sub(before.returns) as f64;
        let entries = now.entries.saturating_sub(before.entries) as f64;
        let call = if sites.calls_emulated { prices.call } else { prices.call_stepped };
        let entry = if sites.entries_emulated { prices.entry } else { prices.entry_stepped };
        let mean = now.timed_nanoseconds as f64 / (now.timed_runs as f64).max(1.0);
        let nanoseconds =
            returns * call + (entries - returns).max(0.0) * entry + (entries + returns) * mean;
        let elapsed = (now.time.saturating_sub(before.time) as f64).max(1.0);
        let target = now.target_cpu.saturating_sub(before.target_cpu) as f64;
        Some(Cost { cores: nanoseconds / elapsed, target_cores: target / elapsed })
    }

    /// Takes a reading; `true` if the cost was over twice `budget` percent for [`PATIENCE`] steps.
    pub(super) fn step(&mut self, now: Reading, sites: Sites, budget: Option<f64>) -> bool {
        if now.time.saturating_sub(self.last.time) < SECOND / 2 {
            return false;
        }
        self.latest = self.between(&self.last, &now, sites);
        self.last = now;
        let over = budget
            .zip(self.latest.and_then(Cost::percent))
            .is_some_and(|(most, is)| is > 2.0 * most);
        self.over = if over { self.over + 1 } else { 0 };
        self.over >= PATIENCE
    }

    /// Cost over the whole run.
    pub(super) fn overall(&self, sites: Sites) -> Option<Cost> {
        self.between(&self.first, &self.last, sites)
    }

    /// Cost over the last step.
    pub(super) const fn latest(&self) -> Option<Cost> {
        self.latest
    }
}

#[cfg(test)]
mod tests {
    use super::{Meter, Prices, Reading, SECOND, Sites};

    const SITES: Sites = Sites { calls_emulated: true, entries_emulated: true };

    fn reading(second: u64, calls: u64) -> Reading {
        Reading {
            time: second * SECOND,
            entries: 2 * calls,
            returns: calls,
            timed_runs: 10,
            timed_nanoseconds: 1000,
            target_cpu: second * SECOND,
        }
    }

    fn meter(prices: Prices) -> Meter {
        let mut meter = Meter::new(reading(0, 0));
        meter.learn(prices);
        meter
    }

    #[test]
    fn without_prices_there_is_no_cost() {
        let mut meter = Meter::new(reading(0, 0));
        assert!(!meter.step(reading(1, 100_000), SITES, Some(1e-9)));
        assert_eq!((meter.latest(), meter.overall(SITES)), (None, None));
        meter.learn(Prices { call: 900.0, ..Prices::default() });
        // What was counted before has a price, too.
        assert!(meter.overall(SITES).is_some_and(|cost| cost.cores > 0.09));
    }

    #[test]
    fn cost_is_traps_and_runs() {
        let prices = Prices { entry: 500.0, entry_stepped: 9e9, call: 900.0, call_stepped: 9e9 };
        let mut meter = meter(prices);
        assert!(!meter.step(reading(1, 100_000), SITES, Some(10.0)));
        // 100,000 calls at 900 ns, as many frees at 500 ns, 300,000 runs of 100 ns: 170 ms.
        let (latest, overall) = (meter.latest().unwrap(), meter.overall(SITES).unwrap());
        assert!((latest.cores - 0.17).abs() < 1e-9);
        assert!((latest.percent().unwrap() - 17.0).abs() < 1e-6);
        assert!((overall.cores - 0.17).abs() < 1e-9);
    }

    #[test]
    fn three_steps_over_twice_the_budget_are_enough() {
        let prices = Prices { entry: 500.0, entry_stepped: 0.0, call: 900.0, call_stepped: 0.0 };
        let mut meter = meter(prices);
        assert!(!meter.step(reading(1, 100_000), SITES, Some(8.0)));
        assert!(!meter.step(reading(2, 200_000), SITES, Some(8.0)));
        assert!(meter.step(reading(3, 300_000), SITES, Some(8.0)));
        assert!(!meter.step(reading(4, 300_000), SITES, Some(8.0)));
        assert!(!meter.step(reading(5, 400_000), SITES, Some(8.5)));
    }
}
