//! What tracing a process would cost it.
//!
//! cost = Σ over functions of hits per second × the price of a traced hit, as calibrated. It comes on
//! top of the CPU that the process used before anything was probed.

use super::super::model::{Cell, Column, Line, Section, State, Table, Topic};
use super::hits::{Count, OwnUse, functions};
use super::not_tried;
use super::prices::price;
use super::trial::Trial;
use crate::model::ids::Nanos;
use crate::probe::allocator::FoundAllocator;
use crate::probe::live::calibrate::{Prices, TRACED_FRAMES};
use crate::report::units::{count, duration};

/// Least CPU time from which a percentage means something: `/proc` counts in ticks of 10 ms.
const LEAST_CPU: Nanos = 50_000_000;
/// From this share of the process's own CPU time on, the cost is a hazard.
const DEAR: f64 = 0.1;
/// A cost in cores below this is none that anybody notices, whatever its share.
const CHEAP: f64 = 0.01;

/// What is predicted.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Prediction {
    hits_per_second: f64,
    /// CPU that tracing adds, cores.
    cost_cores: f64,
    /// What the process uses without tracing.
    own: Option<OwnUse>,
}

impl Prediction {
    /// CPU that the process uses itself, cores.
    fn own_cores(&self) -> Option<f64> {
        self.own.map(|own| own.cpu as f64 / own.window.as_nanos() as f64)
    }

    /// Cost over own; `None` if the process used too little to tell.
    fn share(&self) -> Option<f64> {
        self.own.filter(|own| own.cpu >= LEAST_CPU)?;
        self.own_cores().map(|own| self.cost_cores / own)
    }
}

/// The section; `counted` may be the reason why there is none.
pub(super) fn section(
    allocators: &[FoundAllocator],
    trial: &Trial,
    own: Option<OwnUse>,
    counted: Result<Count, Line>,
) -> Section {
    let title = "Predicted cost of tracing it";
    let (counted, traced) = match (counted, trial.traced) {
        (Err(line), _) => return Section::new(Topic::Cost, title, vec![line]),
        (Ok(counted), Some(traced)) => (counted, traced),
        _ => {
            return Section::new(
                Topic::Cost,
                title,
                vec![not_tried("cost", "the prices are not known")],
            );
        }
    };
    let prediction = predict(allocators, &counted, own, &traced);
    let section = Section::new(Topic::Cost, title, vec![verdict(&prediction, &counted)]);
    if prediction.hits_per_second == 0.0 {
        return section;
    }
    section.table(table(&prediction)).note(format!(
        "A prediction from {:.1} s: hits/s × ns/hit, summed over the functions above; ns/hit is the \
         calibrated price of the trap, a call stack of {TRACED_FRAMES} frames and a record. Deeper \
         stacks cost more, shallower ones less, and other seconds may be busier. A thread that has no \
         CPU time to spare for it becomes slower by it.",
        counted.window.as_secs_f64(),
    ))
}

fn predict(
    allocators: &[FoundAllocator],
    counted: &Count,
    own: Option<OwnUse>,
    traced: &Prices,
) -> Prediction {
    let sum = |price: &dyn Fn(bool, bool) -> f64| -> f64 {
        functions(allocators)
            .map(|(at, it)| counted.rate(at) * price(it.wants_return, it.emulated))
            .sum()
    };
    Prediction {
        hits_per_second: sum(&|_, _| 1.0),
        cost_cores: sum(&|returns, emulated| price(traced, returns, emulated)) / 1e9,
        own,
    }
}

fn verdict(prediction: &Prediction, counted: &Count) -> Line {
    const NAME: &str = "cost";
    if prediction.hits_per_second == 0.0 {
        let detail = format!(
            "none while it is as idle as now: no call in {:.1} s; for a prediction run doctor while \
             it works",
            counted.window.as_secs_f64()
        );
        return Line::new(NAME, State::Ok, detail);
    }
    let hits = count(prediction.hits_per_second.round() as u64);
    let cost = cores(prediction.cost_cores);
    let detail = format!("{cost} at {hits} hits/s, {}", comparison(prediction));
    let dear = prediction.share().is_none_or(|share| share >= DEAR);
    if prediction.cost_cores < CHEAP || !dear {
        return Line::new(NAME, State::Ok, detail);
    }
    Line::new(NAME, State::Hazard, detail).remedy(
        "trace for a short time (--duration 30s), or set a limit at which memtrace lets go \
         (--overhead-budget 10)",
    )
}

/// The cost beside what the process uses itself.
fn comparison(prediction: &Prediction) -> String {
    let (Some(own), Some(cores)) = (prediction.own, prediction.own_cores()) else {
        return "beside an own use that is not known".to_owned();
    };
    match prediction.share() {
        Some(share) if share < 2.0 => {
            format!("{:.0} % on top of the {cores:.2} that it uses itself", share * 100.0)
        }
        Some(share) => format!("{share:.0} times the {cores:.2} that it uses itself"),
        None => {
            let window = own.window.as_secs_f64();
            format!("while it uses {} of CPU itself in {window:.1} s", duration(own.cpu))
        }
    }
}

fn cores(cores: f64) -> String {
    if cores < 0.005 {
        "less than 0.01 cores".to_owned()
    } else {
        format!("about {cores:.2} cores")
    }
}

fn table(prediction: &Prediction) -> Table {
    let columns = vec![
        Column { key: "hits_per_s", title: "hits/s" },
        Column { key: "own_cores", title: "own cores" },
        Column { key: "tracing_cores", title: "tracing cores" },
        Column { key: "tracing_percent_of_own", title: "% of own" },
    ];
    let row = vec![
        Cell::Number(prediction.hits_per_second.round() as u64),
        prediction.own_cores().map_or(Cell::Unknown, Cell::Decimal),
        Cell::Decimal(prediction.cost_cores),
        prediction
            .share()
            .map_or(Cell::Unknown, |share| Cell::Number((share * 100.0).round() as u64)),
    ];
    Table { columns, rows: vec![row] }
}

#[cfg(test)]
mod tests {
    use super::super::super::model::State;
    use super::{Count, OwnUse, Prediction, predict, verdict};
    use crate::probe::live::calibrate::Prices;
    use std::time::Duration;

    const SECOND: Duration = Duration::from_secs(1);

    fn prediction(cost_cores: f64, cpu: u64) -> Prediction {
        let own = Some(OwnUse { cpu, window: SECOND });
        Prediction { hits_per_second: 1e6, cost_cores, own }
    }

    fn line(cost_cores: f64, cpu: u64) -> (State, String) {
        let line = verdict(&prediction(cost_cores, cpu), &Count::none(SECOND));
        assert_eq!(line.remedy.is_some(), line.state != State::Ok);
        (line.state, line.detail)
    }

    #[test]
    fn an_idle_process_costs_nothing() {
        let prediction = predict(&[], &Count::none(SECOND), None, &Prices::default());
        let line = verdict(&prediction, &Count::none(SECOND));
        assert_eq!(line.state, State::Ok);
        assert!(line.detail.contains("no call in 1.0 s"));
    }

    #[test]
    fn what_is_dear_is_a_hazard() {
        let dear =
            "about 0.60 cores at 1,000,000 hits/s, 120 % on top of the 0.50 that it uses itself";
        assert_eq!(line(0.6, 500_000_000), (State::Hazard, dear.to_owned()));
        assert_eq!(line(0.02, 500_000_000).0, State::Ok);
        assert!(line(0.6, 100_000_000).1.ends_with("6 times the 0.10 that it uses itself"));
    }

    #[test]
    fn little_cpu_time_gives_no_percentage() {
        assert!(line(0.6, 10_000_000).1.ends_with("while it uses 10 ms of CPU itself in 1.0 s"));
        assert_eq!(line(0.6, 10_000_000).0, State::Hazard);
        assert_eq!(line(0.001, 10_000_000).0, State::Ok);
    }
}
