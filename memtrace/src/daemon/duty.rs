//! Holds a budget by windows, where looking at fewer allocations does not suffice: each call has its price while
//! there are probes, and none without. A pure decision from what was measured, once a period.
//!
//! Overhead is `cost / (CPU that the targets used - cost)`, over windows and pauses together. What one period
//! spent too much, or too little, is made up for in the next ones, so that the mean is held whatever each
//! period was like.

use super::budget::{Load, share as share_of};
use super::windowing::Window;
use std::time::Duration;

/// As long as a period is to be: longer windows tell more of how long blocks live, shorter periods more of what
/// happens when.
const USUAL_PERIOD: f64 = 20.0;
/// The longest period: who looks at a report wants to have been watched for its minute. Seconds.
const LONGEST_PERIOD: f64 = 60.0;
/// The shortest window: placing probes takes up to some 100 ms, and taking them away as long. Seconds.
const SHORTEST_WINDOW: f64 = 0.5;
/// Windows are changed if the share of time that is watched is to be this many times as large, or as small.
const HYSTERESIS: f64 = 1.3;
/// Pauses shorter than this part of a window are none.
const LEAST_PAUSE: f64 = 0.1;
/// Periods in a row that must be without need of a pause before blocks are watched all the time.
const PATIENCE: u32 = 3;
/// What was spent too much is made up for by so many windows' cost at most in one period: pauses get longer by
/// that factor …
const PAID_BACK: f64 = 3.0;
/// … and what was saved is spent by so many at most.
const SPENT_LATER: f64 = 0.3;

/// What was spent over some time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Spent {
    /// CPU that tracing cost the targets, seconds.
    pub(super) cost: f64,
    /// CPU that they used, that of tracing included, seconds.
    pub(super) used: f64,
    /// How long that was, seconds.
    pub(super) time: f64,
}

impl Spent {
    /// At this load for so long.
    pub(super) fn at(load: &Load, time: f64) -> Self {
        Self::of(load.cores() * time, load.targets * time, time)
    }

    /// So much, seconds. The price of a hit is an estimate, and may make the cost more than all that the targets used:
    /// it is taken to be no more than that.
    pub(super) const fn of(cost: f64, used: f64, time: f64) -> Self {
        Self { cost: cost.min(used), used, time }
    }

    /// Both together.
    pub(super) fn with(&self, other: &Self) -> Self {
        let (cost, used) = (self.cost + other.cost, self.used + other.used);
        Self { cost, used, time: self.time + other.time }
    }

    /// CPU that tracing cost the targets, cores.
    pub(super) const fn cores(&self) -> f64 {
        self.cost / self.time.max(f64::MIN_POSITIVE)
    }

    /// Cost in percent of what the targets would have used untraced; `None` if they used nothing.
    pub(super) fn percent(&self) -> Option<f64> {
        (self.used > 0.0).then(|| 100.0 * share_of(self.cost, self.used))
    }

    /// What the targets used for themselves.
    const fn own(&self) -> f64 {
        (self.used - self.cost).max(0.0)
    }

    /// How much more was spent than `most`, a share of what the targets use for themselves, allows.
    fn debt(&self, most: f64) -> f64 {
        most.mul_add(-self.own(), self.cost)
    }
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Decision {
    /// Go on.
    Keep,
    /// With these windows.
    Windows(Window),
    /// Watch all the time.
    Whole,
    /// The shortest windows once in the longest period, which cost more than the budget: this share of what the
    /// targets use.
    OutOfReach(Window, f64),
}

/// Follows what is spent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Duty {
    /// The budget, a share of what the targets would use untraced.
    most: f64,
    /// CPU that was spent too much so far, seconds.
    debt: f64,
    /// Periods in a row that needed no pause.
    without: u32,
}

impl Duty {
    /// Begins with windows, at `load` while probes are there and after so much was spent.
    pub(super) fn begin(load: &Load, so_far: &Spent, most: f64) -> (Self, Decision) {
        let duty = Self { most, debt: so_far.debt(most), without: 0 };
        // What a program that has all of a CPU does with the time that tracing took is not known yet: it is taken
        // to use as much as now.
        let pause = Spent { cost: 0.0, used: load.targets, time: 1.0 };
        let decision = duty.windows(&Spent::at(load, 1.0), &pause);
        (duty, decision)
    }

    /// After a period: a window, in which `open` was spent, and a pause, in which `closed` was.
    pub(super) fn period(&mut self, open: &Spent, closed: &Spent, now: Window) -> Decision {
        self.debt += open.with(closed).debt(self.most);
        let decision = self.windows(open, closed);
        self.without = if decision == Decision::Whole { self.without + 1 } else { 0 };
        match decision {
            Decision::Whole if self.without < PATIENCE => Decision::Keep,
            Decision::Windows(window) if is_alike(share(window), share(now)) => Decision::Keep,
            Decision::OutOfReach(window, reached) if window == now => {
                Decision::OutOfReach(now, reached)
            }
            other => other,
        }
    }

    /// The windows with which what they cost, and some of what was spent too much before, is paid for by the end of
    /// the pause.
    fn windows(&self, open: &Spent, closed: &Spent) -> Decision {
        if open.cost <= 0.0 || open.time <= 0.0 {
            return Decision::Whole;
        }
        let rates = Rates::of(open, closed);
        let owed = (self.debt / (open.cost + closed.cost)).clamp(-SPENT_LATER, PAID_BACK);
        let due = rates.times(1.0 + owed);
        let on = due.on(USUAL_PERIOD, self.most);
        if on * (1.0 + LEAST_PAUSE) > USUAL_PERIOD {
            return Decision::Whole;
        }
        if on >= SHORTEST_WINDOW {
            return Decision::Windows(window(on, USUAL_PERIOD));
        }
        let period = due.period(SHORTEST_WINDOW, self.most).max(USUAL_PERIOD);
        let window = window(SHORTEST_WINDOW, period.min(LONGEST_PERIOD));
        let reached = rates.overhead(SHORTEST_WINDOW, LONGEST_PERIOD);
        if period > LONGEST_PERIOD && reached > self.most * HYSTERESIS {
            Decision::OutOfReach(window, reached)
        } else {
            Decision::Windows(window)
        }
    }
}

/// What windows cost, and what pays for them.
#[derive(Clone, Copy, Debug)]
struct Rates {
    /// Cost while a window is open, cores.
    open: f64,
    /// Cost of taking probes away and placing them again, CPU seconds per window, however long that is: they are
    /// hit meanwhile, and with perf links it takes longer than the shortest window.
    each: f64,
    /// What the targets use for themselves in a window, and in a pause, cores.
    own_open: f64,
    own_closed: f64,
}

impl Rates {
    fn of(open: &Spent, closed: &Spent) -> Self {
        let own_closed = closed.own() / closed.time.max(f64::MIN_POSITIVE);
        Self {
            open: open.cost / open.time,
            each: closed.cost,
            own_open: open.own() / open.time,
            // Of nothing nothing is paid, and nobody has so many cores.
            own_closed: own_closed.clamp(1e-6, 1e6),
        }
    }

    /// The same at so many times the cost.
    fn times(self, factor: f64) -> Self {
        Self { open: self.open * factor, each: self.each * factor, ..self }
    }

    /// How long windows may be of which one comes in each `period`, seconds; not above zero if none may.
    fn on(&self, period: f64, most: f64) -> f64 {
        // each + open × on = most × (own_open × on + own_closed × (period - on))
        let per_second = most.mul_add(self.own_closed - self.own_open, self.open);
        if per_second <= 0.0 {
            return f64::INFINITY;
        }
        (most * self.own_closed).mul_add(period, -self.each) / per_second
    }

    /// How often windows of `on` seconds may come, seconds.
    fn period(&self, on: f64, most: f64) -> f64 {
        let cost = self.open.mul_add(on, self.each);
        on + self.own_open.mul_add(-on, cost / most).max(0.0) / self.own_closed
    }

    /// What such windows cost, a share of what the targets use for themselves.
    fn overhead(&self, on: f64, period: f64) -> f64 {
        let own = self.own_open.mul_add(on, self.own_closed * (period - on));
        self.open.mul_add(on, self.each) / own.max(f64::MIN_POSITIVE)
    }
}

fn window(on: f64, period: f64) -> Window {
    // To milliseconds: people read them.
    let time = |seconds: f64| Duration::from_millis((seconds * 1e3).round() as u64);
    Window { on: time(on), period: time(period) }
}

/// The share of time that is watched.
fn share(window: Window) -> f64 {
    window.on.as_secs_f64() / window.period.as_secs_f64().max(f64::MIN_POSITIVE)
}

fn is_alike(one: f64, other: f64) -> bool {
    (1.0 / HYSTERESIS..=HYSTERESIS).contains(&(one / other))
}

#[cfg(test)]
mod tests {
    use super::{
        Decision, Duty, LONGEST_PERIOD, Load, Rates, SHORTEST_WINDOW, Spent, USUAL_PERIOD, Window,
    };

    /// A program under trace: how much CPU tracing takes while it is watched, and whether it would use that for
    /// itself otherwise (as a loop does) or leave it alone (as a server does that waits for requests).
    #[derive(Clone, Copy)]
    struct Target {
        cost: f64,
        used_open: f64,
        used_closed: f64,
        /// Seconds that probes are hit for after each window.
        leaving: f64,
    }

    const LOOP: Target = Target { cost: 0.85, used_open: 1.0, used_closed: 1.0, leaving: 0.0 };
    const SERVER: Target = Target { cost: 0.3, used_open: 0.8, used_closed: 0.5, leaving: 0.0 };

    impl Target {
        fn load(self) -> Load {
            Load { floor: self.cost, targets: self.used_open, ..Load::default() }
        }

        fn open(self, window: Window, noise: f64) -> Spent {
            let time = window.on.as_secs_f64();
            let cost = (self.cost * noise).min(self.used_open * 0.99);
            Spent { cost: cost * time, used: self.used_open * time, time }
        }

        fn closed(self, window: Window) -> Spent {
            let time = (window.period - window.on).as_secs_f64();
            let leaving = self.leaving.min(time);
            let used = self.used_open * leaving + self.used_closed * (time - leaving);
            Spent { cost: self.cost * leaving, used, time }
        }
    }

    /// Traces for five minutes, at first for `whole` seconds all the time. Gives the overhead over all of it, the last windows and how
    /// often they were changed.
    fn five_minutes(target: Target, most: f64, noise: &[f64], whole: f64) -> (f64, Window, usize) {
        let before = Spent::at(&target.load(), whole);
        let (mut duty, first) = Duty::begin(&target.load(), &before, most);
        let Decision::Windows(mut window) = first else { panic!("{first:?}") };
        let (mut all, mut changes) = (before, 1);
        for noise in noise.iter().cycle() {
            let (open, closed) = (target.open(window, *noise), target.closed(window));
            all.cost += open.cost + closed.cost;
            all.used += open.used + closed.used;
            all.time += open.time + closed.time;
            if all.time >= 300.0 {
                break;
            }
            match duty.period(&open, &closed, window) {
                Decision::Keep => {}
                Decision::Windows(next) => (window, changes) = (next, changes + 1),
                other => panic!("{other:?}"),
            }
        }
        (all.cost / all.own(), window, changes)
    }

    #[test]
    fn budgets_are_held_over_five_minutes() {
        for target in [LOOP, SERVER] {
            for most in [0.05, 0.2] {
                for noise in [&[1.0][..], &[0.6, 1.3, 1.0, 0.8, 1.3]] {
                    let (overhead, window, changes) = five_minutes(target, most, noise, 3.0);
                    assert!((0.7 * most..1.3 * most).contains(&overhead), "{most}: {overhead}");
                    assert!(window.on.as_secs_f64() >= SHORTEST_WINDOW, "{window:?}");
                    assert!(window.period.as_secs_f64() <= USUAL_PERIOD + 0.01, "{window:?}");
                    assert!(changes < 20, "{changes} changes");
                }
            }
        }
    }

    #[test]
    fn probes_that_leave_slowly_are_paid_for_too() {
        // As with perf links: they are hit for longer than the shortest window.
        for target in [LOOP, SERVER] {
            for most in [0.05, 0.2] {
                let target = Target { leaving: 1.8, ..target };
                let (overhead, window, _) = five_minutes(target, most, &[0.6, 1.3, 1.0], 3.0);
                assert!(
                    (0.7 * most..1.3 * most).contains(&overhead),
                    "{most}: {overhead} {window:?}"
                );
            }
        }
    }

    #[test]
    fn windows_take_what_is_left_by_their_own_beginning_and_end() {
        let rates = Rates { open: 0.8, each: 1.0, own_open: 0.2, own_closed: 1.0 };
        let on = rates.on(60.0, 0.05);
        // 1 s for the window as such and 0.8 s for each of its seconds, of 5 % of what is left.
        assert!((0.8f64.mul_add(on, 1.0) - 0.05 * (60.0 - 0.8 * on)).abs() < 1e-9, "{on}");
        assert!((rates.period(on, 0.05) - 60.0).abs() < 1e-9, "{on}");
        assert!((rates.overhead(on, 60.0) - 0.05).abs() < 1e-9, "{on}");
        assert!(rates.on(10.0, 0.05) < 0.0);
    }

    #[test]
    fn the_share_of_time_is_what_the_budget_pays_for() {
        let nothing = Spent::default();
        let (_, decision) = Duty::begin(&LOOP.load(), &nothing, 0.05);
        let Decision::Windows(Window { on, period }) = decision else { panic!("{decision:?}") };
        // Of each second of a window 0.85 s are for tracing, which 17 s pay for that the loop has for itself:
        // 0.15 s of the window and 16.85 s of pause.
        assert!(
            (period.as_secs_f64() / on.as_secs_f64() - 17.85).abs() < 0.02,
            "{on:?}/{period:?}"
        );
        assert!((period.as_secs_f64() - USUAL_PERIOD).abs() < 0.01);
    }

    #[test]
    fn what_steady_programs_cost_changes_nothing() {
        let (overhead, _, changes) = five_minutes(LOOP, 0.2, &[1.0], 0.0);
        assert!(changes <= 2, "{changes}, {overhead}");
    }

    #[test]
    fn what_cannot_be_met_is_told_with_what_is_reached() {
        let (mut duty, decision) = Duty::begin(&LOOP.load(), &Spent::default(), 0.001);
        let Decision::OutOfReach(window, reached) = decision else { panic!("{decision:?}") };
        assert_eq!(window.on.as_secs_f64(), SHORTEST_WINDOW);
        assert_eq!(window.period.as_secs_f64(), LONGEST_PERIOD);
        // 0.425 s in 60 s, of which the loop has the rest for itself.
        assert!((reached - 0.425 / 59.575).abs() < 1e-3, "{reached}");
        let again = duty.period(&LOOP.open(window, 1.0), &LOOP.closed(window), window);
        assert!(matches!(again, Decision::OutOfReach(..)), "{again:?}");
    }

    #[test]
    fn no_more_is_spent_than_was_used() {
        // Hits are cheaper here than they are taken to be.
        let load = Load { floor: 1.3, targets: 1.0, ..Load::default() };
        let spent = Spent::at(&load, 2.0);
        assert_eq!(spent, Spent { cost: 2.0, used: 2.0, time: 2.0 });
        let (_, decision) = Duty::begin(&load, &Spent::default(), 0.05);
        // 1 s of each 21 s, and not of each 27 s.
        let Decision::Windows(window) = decision else { panic!("{decision:?}") };
        let share = window.on.as_secs_f64() / window.period.as_secs_f64();
        assert!((share - 1.0 / 21.0).abs() < 1e-3, "{window:?}");
    }

    #[test]
    fn a_program_that_calms_down_is_watched_all_the_time_again() {
        let (mut duty, decision) = Duty::begin(&SERVER.load(), &Spent::default(), 0.2);
        let Decision::Windows(window) = decision else { panic!("{decision:?}") };
        let calm = Target { cost: 0.01, used_open: 0.5, used_closed: 0.49, leaving: 0.0 };
        let decisions: Vec<Decision> = (0..4)
            .map(|_| duty.period(&calm.open(window, 1.0), &calm.closed(window), window))
            .collect();
        assert_eq!(decisions[..2], [Decision::Keep; 2]);
        assert_eq!(decisions[2..], [Decision::Whole; 2]);
    }

    #[test]
    fn odd_figures_decide_nothing_odd() {
        for cost in [0.0, 1e-12, 1.0, 1e9] {
            for used in [0.0, 1e-9, 1.0, 1e9] {
                for time in [0.0, 1e-9, 1.0, 1e9] {
                    let spent = Spent { cost, used, time };
                    let now = Window {
                        on: std::time::Duration::from_secs(1),
                        period: std::time::Duration::from_secs(9),
                    };
                    let mut duty = Duty { most: 0.05, debt: cost - used, without: 0 };
                    match duty.period(&spent, &spent, now) {
                        Decision::Windows(window) | Decision::OutOfReach(window, _) => {
                            assert!(window.on < window.period, "{spent:?}: {window:?}");
                            assert!(window.on.as_secs_f64() >= SHORTEST_WINDOW);
                            assert!(window.period.as_secs_f64() <= LONGEST_PERIOD);
                        }
                        Decision::Keep | Decision::Whole => {}
                    }
                }
            }
        }
    }
}
