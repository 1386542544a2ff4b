//! Windows that a budget calls for.

use super::Actor;
use super::spending::said;
use crate::daemon::budget::Load;
use crate::daemon::cost::Reading;
use crate::daemon::duty::{Decision, Duty, Spent};
use crate::daemon::settings::SamplingWish;
use crate::daemon::windowing::Window;
use std::time::Duration;
use tokio::time::Instant;

impl Actor<'_> {
    /// Begins to watch in windows, as fewer samples do not help; `false`: that may not be, or is not enough by far.
    pub(super) fn begin_windows(&mut self, load: &Load, most: f64) -> bool {
        if !self.settings.may_close() || self.windowing.window().is_some() {
            return false;
        }
        // What lives by their account would be more and more. Whoever names a budget does without them.
        if self.settings.overhead_budget.is_none() && self.intake.targets.uses_static_probes() {
            return false;
        }
        let sites = self.intake.targets.sites();
        let so_far = self.meter.spent_so_far(sites).unwrap_or_default();
        let (duty, decision) = Duty::begin(load, &so_far, most / 100.0);
        let window = match decision {
            Decision::Windows(window) => window,
            Decision::OutOfReach(window, reached) if reached < 2.0 * most / 100.0 => window,
            // Nothing is gained by windows that cost over twice the budget, too.
            Decision::OutOfReach(..) | Decision::Keep | Decision::Whole => return false,
        };
        let reason = format!(
            "{}, over the budget of {most} % however few allocations are looked at",
            said(load)
        );
        self.intake.targets.use_no_static_probes();
        self.duty = Some(duty);
        self.missed = reached(decision).map(|reached| (reached * 100.0, most));
        self.opened = self.reading();
        self.meter.turn(self.opened, sites);
        self.change_windows(Some(window), reason);
        true
    }

    /// A period is over: a window and a pause, in which so much was spent.
    pub(super) fn after_period(&mut self, pause: Option<Spent>, now: &Reading) {
        let (Some(open), Some(pause)) = (self.spent_open.take(), pause) else { return };
        let (Some(window), Some(most)) = (self.windowing.window(), self.budget_in_force()) else {
            return;
        };
        let Some(duty) = &mut self.duty else { return self.adjust_windowed(now, most) };
        let decision = duty.period(&open, &pause, window);
        let overhead = percent_of(&open, &pause);
        match decision {
            Decision::Keep => self.missed = None,
            Decision::Whole => {
                self.duty = None;
                self.missed = None;
                let reason = "all that is watched costs less than the budget".to_owned();
                self.change_windows(None, reason);
            }
            Decision::Windows(next) => {
                self.missed = None;
                self.change_windows(Some(next), reason(overhead, most));
            }
            Decision::OutOfReach(next, reached) => {
                self.missed = Some((reached * 100.0, most));
                if next != window {
                    self.change_windows(Some(next), reason(overhead, most));
                }
            }
        }
    }

    /// Windows that the user chose stay as they are; how many allocations are looked at in them may change, if the user
    /// did not choose that, too.
    fn adjust_windowed(&mut self, now: &Reading, most: f64) {
        if self.settings.sampling != SamplingWish::Auto {
            return;
        }
        let sites = self.intake.targets.sites();
        if let Some(load) = self.meter.load(&self.opened, now, sites) {
            self.adjust(&load, most);
        }
    }

    fn change_windows(&mut self, window: Option<Window>, reason: String) {
        let how = window.map_or_else(
            || "all the time".to_owned(),
            |Window { on, period }| format!("for {} of each {}", said_time(on), said_time(period)),
        );
        tracing::info!("blocks are watched {how} from now on: {reason}");
        self.windowing.change(window, reason, Instant::now());
    }

    /// What to say of a budget that windows do not hold.
    pub(super) fn missed_budget(&self) -> Option<String> {
        let (reached, most) = self.missed?;
        Some(format!(
            "the budget of {most} % is not reached by the shortest windows, either: they cost about \
             {reached:.1} % (--tier pages probes no function)"
        ))
    }
}

/// What the shortest windows reach, if they do not hold the budget: a share of what the targets use.
const fn reached(decision: Decision) -> Option<f64> {
    match decision {
        Decision::OutOfReach(_, reached) => Some(reached),
        Decision::Keep | Decision::Windows(_) | Decision::Whole => None,
    }
}

fn said_time(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

/// The overhead over a window and a pause, percent.
fn percent_of(open: &Spent, pause: &Spent) -> f64 {
    open.with(pause).percent().unwrap_or_default()
}

fn reason(overhead: f64, most: f64) -> String {
    let overhead =
        if overhead > 1000.0 { "over 1,000".to_owned() } else { format!("{overhead:.1}") };
    format!(
        "window and pause together cost {overhead} % of the CPU time that the targets use otherwise, the \
         budget is {most} %"
    )
}
