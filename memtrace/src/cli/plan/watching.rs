//! Watch and zoom: whether it is meant, and how.

use super::super::args::{Ledger, LinkFor, TraceArgs};
use super::super::exit::UsageError;
use super::super::tier::Tier;
use super::super::values::SampleInterval;
use super::{functions, usage};
use crate::engine::alerts::Rate;
use crate::engine::zoom;
use crate::model::ids::SECOND;
use std::time::Duration;

/// Growth that is worth a look, where the user names none.
const USUAL_GROWTH: Rate = Rate { bytes: 1 << 20, per: 60 * SECOND };
/// Percent of the CPU time of a process that looks at it may cost.
const USUAL_BUDGET: f64 = 10.0;
const USUAL_PACE: Duration = Duration::from_secs(5);
/// Memory is read once a second.
const SHORTEST_PACE: Duration = Duration::from_secs(1);
const LONGEST_PACE: Duration = Duration::from_secs(3600);
/// Mean bytes between samples of a look: of the usual growth, over the longest look, 64 samples.
pub(super) const USUAL_SAMPLES: u64 = 16 << 10;

/// How closely to look. A whole machine is watched, unless an option says that blocks are wanted all the time.
pub(super) fn tier(args: &TraceArgs, all: bool) -> Tier {
    let wants_blocks = args.exact
        || args.sample_interval.is_some()
        || args.overhead_budget.is_some()
        || args.ledger != Ledger::Both
        || args.window.is_some()
        || args.no_windows
        || args.link_for == LinkFor::All
        || args.show_blocks > 0
        || args.alerts.alert_live.is_some()
        || args.alerts.alert_growth.is_some()
        || args.alerts.alert_total_live.is_some()
        || args.alerts.alert_total_growth.is_some()
        || functions::are_described(&args.functions);
    match args.tier {
        Tier::Auto if all && !wants_blocks => Tier::Watch,
        tier => tier,
    }
}

/// What cannot be had where blocks are seen in looks alone.
///
/// # Errors
/// One line that names the contradiction.
pub(super) fn contradictions(args: &TraceArgs) -> Result<(), UsageError> {
    let blocks = [
        ("--ledger", args.ledger != Ledger::Both),
        ("--window", args.window.is_some()),
        ("--no-windows", args.no_windows),
        ("--show-blocks", args.show_blocks > 0),
        ("--alert-live", args.alerts.alert_live.is_some()),
        ("--alert-growth", args.alerts.alert_growth.is_some()),
        ("--alert-total-live", args.alerts.alert_total_live.is_some()),
        ("--alert-total-growth", args.alerts.alert_total_growth.is_some()),
        ("--alloc-fn and its like", functions::are_described(&args.functions)),
    ];
    match blocks.into_iter().find(|(_, given)| *given) {
        None if args.link_for == LinkFor::All => usage(
            "--tier watch looks at one process at a time, for which nobody else is to pay, as with --link-for \
             all: give only one of them",
        ),
        None => Ok(()),
        Some((option, _)) => usage(format!(
            "--tier watch sees blocks only while it looks closer, and {option} is about all of them: give \
             only one of them"
        )),
    }
}

/// How often to sample in a look.
pub(super) fn samples(args: &TraceArgs) -> SampleInterval {
    match args.sample_interval {
        Some(SampleInterval::Bytes(interval)) => SampleInterval::Bytes(interval),
        _ if args.exact => SampleInterval::Bytes(0),
        _ => SampleInterval::Bytes(USUAL_SAMPLES),
    }
}

/// When to look closer; `None`: that is not what is meant.
///
/// # Errors
/// One line that names what makes no sense and the remedy.
pub(super) fn settings(args: &TraceArgs, tier: Tier) -> Result<Option<zoom::Settings>, UsageError> {
    if tier != Tier::Watch {
        return match (args.watch_growth, args.watch_pace) {
            (None, None) => Ok(None),
            _ => usage(
                "--watch-growth and --watch-pace say when to look closer, which is done with --tier watch \
                 alone (or --all without options about blocks): give that, too",
            ),
        };
    }
    let pace = args.watch_pace.unwrap_or(USUAL_PACE);
    if !(SHORTEST_PACE..=LONGEST_PACE).contains(&pace) {
        return usage("--watch-pace must be from 1s to 1h: memory is read once a second");
    }
    let pace = u64::try_from(pace.as_nanos()).unwrap_or(u64::MAX);
    let percent = args.overhead_budget.unwrap_or(USUAL_BUDGET);
    let budget = (!args.exact).then_some((percent * 10.0).round() as u64);
    Ok(Some(zoom::Settings { growth: args.watch_growth.unwrap_or(USUAL_GROWTH), pace, budget }))
}
