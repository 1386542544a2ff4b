//! The budget: what tracing costs, and what is done about it.

use super::{Actor, End};
use crate::daemon::budget::{Decision, Load};
use crate::daemon::cost::{Reading, Timed};
use crate::daemon::sampling::Sampling;
use crate::daemon::settings::SamplingWish;
use crate::report::units;
use jiff::Timestamp;
use memtrace_common::wire::Counter;

/// Steps (of about a second) over twice the budget after which tracing ends, where nothing else helps.
const PATIENCE: u32 = 3;
/// Percent of the targets' CPU time that tracing may cost where the user names no budget.
const USUAL_BUDGET: f64 = 10.0;

/// A budget that is not held though nothing more can be done, or was not for a time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unmet {
    /// The cost when it was over the budget last.
    load: Load,
    /// The budget, percent.
    most: f64,
    /// For how long in all, seconds.
    seconds: f64,
    /// It still is.
    now: bool,
}

impl Actor<'_> {
    /// Once a second: looks at the cost, and changes what is traced if it does not fit the budget.
    pub(super) fn spend(&mut self) -> Option<End> {
        let (reading, sites) = (self.reading(), self.intake.targets.sites());
        let load = self.meter.step(reading, sites)?;
        if self.sampling.as_ref().is_some_and(Sampling::is_counting) {
            self.begin_looking(&load);
            return None;
        }
        if self.windowing.window().is_some() {
            // A second tells of a window or of a pause: they are looked at together, once a period.
            return None;
        }
        let is_adjusted = self.settings.sampling == SamplingWish::Auto;
        let most = self.budget_in_force()?;
        if is_adjusted && self.adjust(&load, most) {
            return None;
        }
        let is_over = load.percent().is_some_and(|is| is > 2.0 * most);
        self.over = if is_over { self.over + 1 } else { 0 };
        // Nobody asked to end for the usual one.
        if self.over < PATIENCE || self.settings.overhead_budget.is_none() {
            return None;
        }
        let reason = format!(
            "{}, over twice the budget of {most} %, for {PATIENCE} s: probes taken away",
            said(&load)
        );
        tracing::warn!("{reason}");
        self.degraded.push(reason);
        Some(End::OverBudget)
    }

    /// Calls were only counted until now: looks at as many allocations as are predicted to fit the budget.
    fn begin_looking(&mut self, load: &Load) {
        let most = self.budget_in_force();
        let (Some(sampling), Some(most)) = (&mut self.sampling, most) else { return };
        let interval = self.budget.begin(load, most / 100.0);
        let predicted = Load { floor: load.exact, taken: 0.0, ..*load };
        let own = (load.targets - load.cores()).max(0.0);
        let predicted = Load { targets: own + predicted.floor, ..predicted };
        let reason =
            format!("if every one were looked at {}, the budget is {most} %", would(&predicted));
        let counted = Timestamp::now().duration_since(self.began).unsigned_abs();
        let kernel = &mut self.intake.kernel;
        if let Err(error) = sampling.begin(kernel, interval, reason.clone(), counted) {
            tracing::warn!("calls are only counted, still: {error}");
            return;
        }
        if interval > 0 {
            let size = units::bytes(interval);
            tracing::info!("one allocation for {size} is looked at: {reason}");
        }
    }

    /// What to say of the time in which no allocation was looked at.
    pub(super) fn counted(&self) -> Option<String> {
        let sampling = self.sampling.as_ref()?;
        if sampling.is_counting() {
            return Some(
                "calls were only counted yet, to know what looking at them costs: --exact looks at once"
                    .to_owned(),
            );
        }
        let seconds = sampling.counted()?.as_secs_f64();
        Some(format!(
            "in the first {seconds:.1} s calls were only counted, so that the cost was known before it was paid"
        ))
    }

    /// Changes how many allocations are looked at, if that helps; `false`: it does not, or need not.
    pub(super) fn adjust(&mut self, load: &Load, most: f64) -> bool {
        let Some(sampling) = &mut self.sampling else { return false };
        let interval = match self.budget.decide(load, sampling.interval(), most / 100.0) {
            Decision::Interval(interval) => interval,
            Decision::OutOfReach => {
                if self.begin_windows(load, most) {
                    self.unmet.iter_mut().for_each(|unmet| unmet.now = false);
                    return true;
                }
                let seconds = self.unmet.map_or(0.0, |unmet| unmet.seconds) + load.seconds;
                self.unmet = Some(Unmet { load: *load, most, seconds, now: true });
                return false;
            }
            Decision::Keep => {
                if let Some(unmet) = &mut self.unmet {
                    unmet.now &= load.percent().is_some_and(|is| is > most);
                }
                return false;
            }
        };
        let reason = if interval > sampling.interval() {
            format!("{}, the budget is {most} %", said(load))
        } else {
            format!("{}, less than the budget of {most} %", said(load))
        };
        let size = units::bytes(interval);
        match sampling.change(&mut self.intake.kernel, interval, reason.clone()) {
            Ok(()) => {
                tracing::info!("one allocation for {size} is looked at from now on: {reason}");
            }
            Err(error) => tracing::warn!("the sampling interval stays as it is: {error}"),
        }
        true
    }

    /// What to say of a budget that cannot be held, or could not and was exceeded for that by the whole run, which
    /// cost so many percent.
    pub(super) fn unmet(&self, whole: Option<f64>) -> Option<String> {
        let Unmet { load, most, seconds, now } = self.unmet?;
        if !now && whole.is_none_or(|whole| whole <= most) {
            return None;
        }
        let remedy = match self.settings.overhead_budget {
            _ if self.settings.no_windows => {
                "(without --no-windows it is held by watching in windows, --tier pages probes none, --exact accepts it)"
            }
            Some(_) => "(--tier pages probes none, --exact accepts it)",
            // The programs' own probes are in use, or windows are too little.
            None => {
                "(--overhead-budget holds it by watching in windows, --tier pages probes none, --exact \
                 accepts it)"
            }
        };
        let time =
            if now { String::new() } else { format!(" for {seconds:.0} s, and is within it now") };
        Some(format!(
            "{}, over the budget of {most} % however few allocations are looked at{time}: each call costs that \
             {remedy}",
            said(&load)
        ))
    }

    /// The budget, if it is to be held: percent.
    pub(super) fn budget_in_force(&self) -> Option<f64> {
        // Looks are paid for one by one (`engine/zoom`).
        if self.settings.zoom.is_some() {
            return None;
        }
        // Looking at page faults holds a share of each CPU by itself.
        let is_adjusted = self.settings.heap && self.settings.sampling == SamplingWish::Auto;
        self.settings.overhead_budget.or(is_adjusted.then_some(USUAL_BUDGET))
    }

    pub(super) fn reading(&self) -> Reading {
        let counter = |counter| self.intake.kernel.counter(counter).unwrap_or_default();
        let timed =
            |runs, nanoseconds| Timed { runs: counter(runs), nanoseconds: counter(nanoseconds) };
        Reading {
            time: self.intake.time(),
            entries: counter(Counter::Entries),
            returns: counter(Counter::Returns),
            taken: counter(Counter::Taken),
            timed_returns: timed(Counter::TimedRuns, Counter::TimedNanoseconds),
            timed_entries: timed(Counter::TimedEntries, Counter::TimedEntryNanoseconds),
            faults: counter(Counter::FaultNanoseconds),
            bytes: self.intake.tracker.allocated_bytes(),
            target_cpu: self.intake.targets.cpu(),
        }
    }
}

pub(super) fn said(load: &Load) -> String {
    format!("tracing cost {} of the CPU time that the targets use otherwise", percent(load))
}

/// The same of what was not done.
fn would(load: &Load) -> String {
    format!("tracing would cost {} of the CPU time that the targets use otherwise", percent(load))
}

fn percent(load: &Load) -> String {
    // An estimate may be more than all that the targets use.
    match load.percent().unwrap_or_default() {
        percent if percent > 1000.0 => "over 1,000 %".to_owned(),
        percent => format!("about {percent:.0} %"),
    }
}
