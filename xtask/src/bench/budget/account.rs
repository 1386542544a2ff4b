//! The arithmetic: what tracing cost, from the work that a program did with its CPU time.

/// Work, and the CPU time that a program used for it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Work {
    /// Requests, pairs of calls, whatever the program does.
    pub(super) units: f64,
    /// CPU time of the program, seconds.
    pub(super) cpu: f64,
}

impl Work {
    /// What was done since `earlier`.
    pub(super) const fn since(self, earlier: Self) -> Self {
        Self { units: self.units - earlier.units, cpu: self.cpu - earlier.cpu }
    }

    /// CPU seconds per unit; `None` if nothing was done.
    pub(super) fn each(self) -> Option<f64> {
        (self.units > 0.0).then(|| self.cpu / self.units)
    }
}

/// All of it together.
pub(super) fn total(all: &[Work]) -> Work {
    all.iter().fold(Work::default(), |sum, work| Work {
        units: sum.units + work.units,
        cpu: sum.cpu + work.cpu,
    })
}

/// One run: without tracing, with it, and without it again.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Course {
    /// In slices of about a second.
    pub(super) before: Vec<Work>,
    /// From before memtrace was started until it was gone, in slices that are shorter than most windows.
    pub(super) traced: Vec<Work>,
    /// As `before`.
    pub(super) after: Vec<Work>,
}

/// A figure with the range in which the true one lies in 95 of 100 cases.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Estimate {
    pub(super) value: f64,
    pub(super) range: [f64; 2],
}

impl Course {
    /// Percent of CPU time per unit that the traced stretch took more than the others. The range tells how the
    /// slices without tracing differ; `None` with fewer than three of them.
    pub(super) fn overhead(&self) -> Option<Estimate> {
        let slices: Vec<f64> =
            self.before.iter().chain(&self.after).filter_map(|slice| slice.each()).collect();
        let traced = total(&self.traced).each()?;
        let (mean, off) = mean(&slices)?;
        let percent = |untraced: f64| 100.0 * (traced / untraced - 1.0);
        // A range that reaches zero has no upper end.
        let most = if off < mean { percent(mean - off) } else { f64::INFINITY };
        Some(Estimate { value: percent(mean), range: [percent(mean + off), most] })
    }

    /// How much dearer a unit was in the second stretch without tracing than in the first, percent.
    pub(super) fn drift(&self) -> Option<f64> {
        Some(100.0 * (total(&self.after).each()? / total(&self.before).each()? - 1.0))
    }

    /// Where there were windows: percent that the slices took in which units were `dear` times as dear as in the
    /// median one, and those beside them, beyond what the same units took in pauses. It sees no cost of pauses, but
    /// it does not matter to it how fast the machine was before and after. `None` if there are no pauses to compare
    /// with.
    pub(super) fn overhead_in_windows(&self, dear: f64) -> Option<f64> {
        let each = |slice: &Work| slice.each();
        let mut costs: Vec<f64> = self.traced.iter().filter_map(each).collect();
        costs.sort_by(f64::total_cmp);
        let pause = *costs.get(costs.len().checked_sub(1)? / 2)?;
        // A slice in which nothing was done was not a pause, either.
        let is_dear = |slice: &Work| slice.each().is_none_or(|each| each > dear * pause);
        let mut cost = 0.0;
        for (place, slice) in self.traced.iter().enumerate() {
            // A window begins and ends within a slice.
            let near = &self.traced[place.saturating_sub(1)..self.traced.len().min(place + 2)];
            if near.iter().any(is_dear) {
                cost += pause.mul_add(-slice.units, slice.cpu);
            }
        }
        let own = total(&self.traced).cpu - cost;
        (own > 0.0).then(|| 100.0 * cost / own)
    }
}

/// Mean and half the width of its interval of 95 %.
fn mean(figures: &[f64]) -> Option<(f64, f64)> {
    if figures.len() < 3 {
        return None;
    }
    let count = figures.len() as f64;
    let mean = figures.iter().sum::<f64>() / count;
    let squares: f64 = figures.iter().map(|figure| (figure - mean).powi(2)).sum();
    let error = (squares / (count - 1.0) / count).sqrt();
    Some((mean, error * student(count - 1.0)))
}

/// The 97.5 % point of Student's distribution, by its expansion in 1/ν (Abramowitz and Stegun, 26.7.5); at two
/// degrees of freedom 5 % too small, from three on 1 % at most.
fn student(freedom: f64) -> f64 {
    let z: f64 = 1.959_964;
    let first = (z.powi(3) + z) / 4.0;
    let second = (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / 96.0;
    let third = (3.0 * z.powi(7) + 19.0 * z.powi(5) + 17.0 * z.powi(3) - 15.0 * z) / 384.0;
    z + first / freedom + second / freedom.powi(2) + third / freedom.powi(3)
}

/// A budget is held if what was reached is within this part of it.
pub(super) const TOLERANCE: f64 = 0.3;

/// What a budget allows, percent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Allowed {
    /// Less is wasted: nothing had to be left out. `None`: nothing was, as all of it is cheap enough.
    least: Option<f64>,
    most: f64,
}

impl Allowed {
    /// By `budget`, percent; `is_limited`: samples or windows were chosen to hold it.
    pub(super) fn by(budget: f64, is_limited: bool) -> Self {
        let least = is_limited.then_some(budget * (1.0 - TOLERANCE));
        Self { least, most: budget * (1.0 + TOLERANCE) }
    }

    /// Whether what was reached is neither too much nor limited needlessly.
    pub(super) fn holds(self, reached: f64) -> bool {
        reached <= self.most && self.least.is_none_or(|least| reached >= least)
    }
}

impl Estimate {
    /// Whether the range lies on both sides of a limit: then the figure does not decide.
    pub(super) fn is_undecided(&self, allowed: Allowed) -> bool {
        let mut limits = allowed.least.into_iter().chain([allowed.most]);
        limits.any(|limit| (self.range[0]..=self.range[1]).contains(&limit))
    }
}

#[cfg(test)]
mod tests {
    use super::{Allowed, Course, Estimate, Work, mean, student};

    fn work(units: f64, cpu: f64) -> Work {
        Work { units, cpu }
    }

    #[test]
    fn overhead_is_what_a_unit_costs_more() {
        let course = Course {
            before: vec![work(100.0, 1.0); 4],
            traced: vec![work(400.0, 5.0), work(600.0, 7.0)],
            after: vec![work(100.0, 1.0); 4],
        };
        let overhead = course.overhead().unwrap();
        assert!((overhead.value - 20.0).abs() < 1e-9, "{overhead:?}");
        assert!((overhead.range[1] - overhead.range[0]).abs() < 1e-9, "{overhead:?}");
        assert!(course.drift().unwrap().abs() < 1e-9);
    }

    #[test]
    fn slices_that_differ_make_the_range_wide() {
        let course = Course {
            before: vec![work(100.0, 0.98), work(100.0, 1.0), work(100.0, 1.02)],
            traced: vec![work(1000.0, 10.5)],
            after: vec![work(100.0, 1.03), work(100.0, 0.97), work(100.0, 1.0)],
        };
        let overhead = course.overhead().unwrap();
        assert!((overhead.value - 5.0).abs() < 1e-9, "{overhead:?}");
        assert!(overhead.range[0] < 3.5 && overhead.range[1] > 6.5, "{overhead:?}");
        assert!(overhead.is_undecided(Allowed::by(5.0, true)));
        assert!(!overhead.is_undecided(Allowed::by(20.0, true)));
    }

    #[test]
    fn the_machine_may_change_between_the_stretches() {
        let course = Course {
            before: vec![work(100.0, 1.0)],
            traced: vec![work(0.0, 1.0)],
            after: vec![work(100.0, 1.1)],
        };
        assert!((course.drift().unwrap() - 10.0).abs() < 1e-9);
        assert_eq!(course.overhead(), None);
        assert_eq!(Course::default().drift(), None);
    }

    #[test]
    fn windows_are_told_from_pauses() {
        // The machine is slower than before and after; a window has one whole slice, in which little is done, and
        // half of another one.
        let mut traced = vec![work(100.0, 1.2); 18];
        traced.extend([work(1.0, 1.2), work(50.0, 1.2)]);
        // What is a little dearer in a pause is no window.
        traced.splice(4..5, [work(60.0, 1.2)]);
        let [before, after] = [(); 2].map(|()| vec![work(100.0, 1.0); 3]);
        let course = Course { before, traced, after };
        let cost = 1.2 * (0.99 + 0.5);
        let told = course.overhead_in_windows(10.0).unwrap();
        assert!((told - 100.0 * cost / (24.0 - cost)).abs() < 1e-9, "{told}");
        assert!(course.overhead().unwrap().value > 25.0);
        assert_eq!(Course::default().overhead_in_windows(10.0), None);
    }

    #[test]
    fn intervals_are_students() {
        for (freedom, tabled) in [(3.0, 3.182), (5.0, 2.571), (9.0, 2.262), (60.0, 2.000)] {
            assert!((student(freedom) / tabled - 1.0).abs() < 0.01, "{freedom}");
        }
        let (mean, off) = mean(&[1.0, 2.0, 3.0, 4.0]).unwrap();
        assert!((mean - 2.5).abs() < 1e-9 && (off - 0.6455 * 3.182).abs() < 0.02, "{off}");
    }

    #[test]
    fn held_means_within_thirty_percent() {
        let limited = Allowed::by(5.0, true);
        assert!([3.51, 5.0, 6.49].iter().all(|reached| limited.holds(*reached)));
        assert!([3.49, 6.51].iter().all(|reached| !limited.holds(*reached)));
        let sure = Estimate { value: 20.0, range: [19.0, 21.0] };
        assert!(!sure.is_undecided(Allowed::by(20.0, true)));
    }

    /// An idle program costs nearly nothing, and nothing was left out for the budget.
    #[test]
    fn less_than_a_budget_is_no_miss_where_nothing_was_limited() {
        let free = Allowed::by(20.0, false);
        assert!(free.holds(0.1) && free.holds(25.9) && !free.holds(26.1));
        let around = |low, high| Estimate { value: (low + high) / 2.0, range: [low, high] };
        assert!(!around(13.0, 15.0).is_undecided(free));
        assert!(around(13.0, 15.0).is_undecided(Allowed::by(20.0, true)));
        assert!(around(25.0, 27.0).is_undecided(free));
    }
}
