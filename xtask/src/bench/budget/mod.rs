//! `cargo xtask bench budget`: whether `--overhead-budget` is held, by memtrace's own account and by what the traced
//! program's work really cost. Each workload is a module and a line in [`WORKLOADS`].

mod account;
mod churn;
mod redis;
mod table;
mod told;

use self::account::Course;
use self::told::Told;
use super::peers::shop::Shop;
use super::sections::chosen;
use super::tracer::{Programs, SIGN, Tracer};
use super::{keep, machine};
use crate::{elevate, setup};
use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

/// The longest that a budget can be held for: the loop keeps an account of 409 seconds.
const LONGEST: i64 = 330;

/// How much is measured.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Options {
    /// Seconds that each budget is held for; the promise is about five minutes
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(10..=LONGEST))]
    seconds: u32,
    /// Budgets, percent of the CPU time that the program uses for itself
    #[arg(long, value_delimiter = ',', default_values_t = [5.0, 20.0], value_parser = percent)]
    budgets: Vec<f64>,
    /// Measure only these workloads: loop, redis
    #[arg(long, value_delimiter = ',', conflicts_with = "write")]
    only: Vec<String>,
    /// 20 seconds for each budget: whether all of it works
    #[arg(long, conflicts_with_all = ["seconds", "write"])]
    quick: bool,
    /// Also keep the table, as docs/benchmarks/budget.md
    #[arg(long)]
    write: bool,
}

/// How long the parts of a run last, seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Plan {
    /// Until caches and tables are full.
    warm_up: f64,
    /// Without tracing, before and after.
    beside: f64,
    traced: f64,
}

impl Plan {
    fn new(seconds: u32) -> Self {
        let traced = f64::from(seconds);
        Self { warm_up: 2.0, beside: (traced / 5.0).clamp(5.0, 30.0), traced }
    }

    /// All parts together.
    fn whole(&self) -> f64 {
        self.warm_up + 2.0 * self.beside + self.traced
    }

    /// The longest that a run may take, with its beginning and end.
    fn patience(&self) -> Duration {
        Duration::from_secs_f64(self.whole() + 120.0)
    }
}

/// memtrace, from its start to its end.
struct Tracing<'a> {
    programs: &'a Programs,
    plan: Plan,
    /// Percent.
    budget: f64,
    tracer: Option<Tracer>,
    report: Option<Value>,
}

impl Tracing<'_> {
    /// Starts it on this process, and returns once it traces.
    fn begin(&mut self, pid: u32) -> Result<()> {
        let mut command = self.programs.within_budget(pid, self.budget);
        self.tracer = Some(Tracer::start_within(&mut command, &[SIGN], self.plan.patience())?);
        Ok(())
    }

    /// Ends it, and returns once it is gone.
    fn end(&mut self) -> Result<()> {
        let ended = self.tracer.take().map(Tracer::end).transpose()?;
        self.report = ended.and_then(|ended| ended.report);
        Ok(())
    }
}

/// What is traced.
#[derive(Clone, Copy)]
struct Workload {
    title: &'static str,
    /// What it does, for the document.
    about: &'static str,
    /// What it does over and over.
    unit: &'static str,
    /// In what the cost of that is given: its name, and how many there are in a second.
    time: (&'static str, f64),
    /// A slice belongs to a window if its units were so many times as dear as the median.
    dear: f64,
    /// Runs it once: without tracing, with it, and without it again.
    run: fn(&Shop, &Plan, &mut Tracing<'_>) -> Result<Course>,
}

/// In the document's order, by the names that `--only` takes.
const WORKLOADS: [(&str, Workload); 2] = [("loop", churn::WORKLOAD), ("redis", redis::WORKLOAD)];

/// One workload with one budget.
struct Row {
    /// Percent.
    budget: f64,
    course: Course,
    told: Told,
}

/// `cargo xtask bench budget`.
pub(crate) fn budget(no_install: bool, options: &Options) -> Result<()> {
    if !elevate::is_root() {
        bail!("the benchmark traces processes: run it as root, or through sudo");
    }
    let workloads = chosen(&WORKLOADS, &options.only)?;
    setup::ensure(setup::Purpose::Build, no_install)?;
    if workloads.iter().any(|(name, _)| *name == "redis") && !Path::new(REDIS).exists() {
        setup::ensure_packages(&["redis-server"], no_install)?;
    }
    // Before anything of ours loads the machine.
    let machine = machine::describe()?;
    let shop = Shop::open(Programs::build_memtrace()?)?;
    let plan = Plan::new(if options.quick { QUICK } else { options.seconds });
    let mut document = table::head(&machine, &plan);
    for (name, workload) in workloads {
        let mut rows = Vec::new();
        for budget in &options.budgets {
            eprintln!("xtask: {name} with a budget of {budget} %, {:.0} s", plan.whole());
            rows.push(measure(&shop, &plan, workload, *budget)?);
        }
        document.push_str(&table::section(workload, &rows));
    }
    println!("{document}");
    if options.write {
        keep("budget.md", &document)?;
    }
    Ok(())
}

/// Seconds with `--quick`.
const QUICK: u32 = 20;
const REDIS: &str = "/usr/bin/redis-server";

fn measure(shop: &Shop, plan: &Plan, workload: Workload, budget: f64) -> Result<Row> {
    let mut tracing =
        Tracing { programs: &shop.programs, plan: *plan, budget, tracer: None, report: None };
    let course = (workload.run)(shop, plan, &mut tracing)?;
    let report = tracing.report.context("memtrace left no report")?;
    Ok(Row { budget, course, told: Told::read(&report) })
}

/// A budget as it is typed.
fn percent(text: &str) -> Result<f64> {
    let percent: f64 = text.trim_end_matches('%').parse().context("it is no number")?;
    if !(percent > 0.0 && percent <= 1000.0) {
        bail!("a budget is more than 0 and at most 1000 %");
    }
    Ok(percent)
}

#[cfg(test)]
mod tests {
    use super::{Plan, percent};

    #[test]
    fn stretches_without_tracing_are_a_fifth_each() {
        assert_eq!(Plan::new(60).beside, 12.0);
        assert_eq!((Plan::new(10).beside, Plan::new(300).beside), (5.0, 30.0));
        assert_eq!(Plan::new(300).whole(), 362.0);
    }

    #[test]
    fn budgets_are_percentages() {
        assert_eq!(percent("5").unwrap(), 5.0);
        assert_eq!(percent("2.5%").unwrap(), 2.5);
        assert!(["0", "-1", "NaN", "inf", "much"].iter().all(|text| percent(text).is_err()));
    }
}
