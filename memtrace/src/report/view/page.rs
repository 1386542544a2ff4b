//! What stands above and below each view: whose it is, what is not in it, how far to trust it.

use super::figures::{held, size};
use super::measure::Measure;
use super::weigh::{Subject, Weighed};
use crate::report::layout::{wrap, wrap_hanging};
use crate::report::model::{ProcessReport, Report};
use crate::report::place::name_of;
use crate::report::text::{TextStyle, footer, header};
use crate::report::units::{bytes, counted};
use std::cmp::Reverse;

/// Processes that are named above a view.
const MOST_NAMED: usize = 4;

/// The first lines.
pub(super) fn above(report: &Report, style: TextStyle) -> Vec<String> {
    let mut lines = header::header(report, style);
    lines
        .extend(members(report).iter().flat_map(|text| wrap_hanging("", 2, text, style.columns())));
    lines.push(String::new());
    lines
}

/// Which processes there are, and where, if there are several: those that hold the most.
fn members(report: &Report) -> Option<String> {
    let mut all: Vec<&ProcessReport> = report.processes.iter().collect();
    if all.len() < 2 {
        return None;
    }
    all.sort_by_key(|it| (Reverse(it.heap.live_bytes), it.pid));
    let (named, others) = all.split_at(all.len().min(MOST_NAMED));
    let mut names: Vec<String> = named.iter().map(|process| name_of(process)).collect();
    names.extend((!others.is_empty()).then(|| format!("{} more", others.len())));
    Some(format!("of {}", names.join(", ")))
}

/// The last lines.
pub(super) fn below(
    report: &Report,
    weighed: &Weighed<'_>,
    measure: Measure,
    style: TextStyle,
) -> Vec<String> {
    let columns = style.columns();
    let mut lines = vec![String::new()];
    lines.extend(left_out(weighed).iter().flat_map(|text| wrap("LEFT    ", text, columns)));
    lines.extend(unknown(report, measure).iter().flat_map(|text| wrap("UNKNOWN ", text, columns)));
    lines.extend(beside(report, weighed).iter().flat_map(|text| wrap("BESIDE  ", text, columns)));
    lines.extend(report.degraded.iter().flat_map(|why| wrap("DEGRADED ", why, columns)));
    lines.extend(footer::trustworthiness(report, style));
    lines
}

/// What patterns left out.
fn left_out(weighed: &Weighed<'_>) -> Option<String> {
    let left = &weighed.left_out;
    let noun = weighed.subject.noun();
    let nameless = match left.nameless.is_nothing() {
        true => String::new(),
        false => format!("; {} of that has no call stack", size(&left.nameless)),
    };
    (left.stacks > 0).then(|| {
        let stacks = counted(left.stacks, "stack");
        format!("out by --include or --exclude: {} of {stacks}{nameless}", held(&left.amount, noun))
    })
}

/// What belongs in the view, or does not, which nobody knows.
pub(super) fn unknown(report: &Report, measure: Measure) -> Vec<String> {
    let sum = |of: fn(&ProcessReport) -> u64| {
        report.processes.iter().map(of).fold(0, u64::saturating_add)
    };
    let mut unknown: Vec<String> = between_windows(&sum).into_iter().collect();
    let periods = || report.processes.iter().filter_map(|process| process.period.as_ref());
    if matches!(measure, Measure::Temporary(_)) {
        let unfollowed = periods().map(|it| it.unfollowed).fold(0, u64::saturating_add);
        if unfollowed > 0 {
            let blocks = counted(unfollowed, "block");
            unknown.push(format!("{blocks} may have been temporary: there was no room for them"));
        }
        let vague = periods().filter(|it| !it.knows_temporary).count() as u64;
        if vague > 0 {
            unknown.push(format!(
                "{} had allocations sampled, and how many lie between an allocation and its free is not known: say \
                 a duration, such as --temporary 10ms",
                counted(vague, "process")
            ));
        }
    }
    if measure == Measure::Lifetimes {
        let untold = sum(|it| it.period.as_ref().map_or(it.untold_frees, |it| it.untold_frees));
        if untold > 0 {
            unknown.push(format!("ages of {} were not kept", counted(untold, "freed block")));
        }
    }
    unknown
}

/// Blocks that may have been freed between windows.
fn between_windows(sum: &dyn Fn(fn(&ProcessReport) -> u64) -> u64) -> Option<String> {
    let blocks = sum(|process| process.heap.unknown_blocks);
    (blocks > 0).then(|| {
        let size = bytes(sum(|process| process.heap.unknown_bytes));
        let blocks = counted(blocks, "block");
        format!("{size} in {blocks} that lived when a window closed and may have been freed since")
    })
}

/// What the report has and the view has not: it may be the same memory, and is never added.
fn beside(report: &Report, weighed: &Weighed<'_>) -> Option<String> {
    let any = |of: fn(&ProcessReport) -> bool| report.processes.iter().any(of);
    let accounts = [
        ("pools", any(|process| process.pools.is_some())),
        ("memory of devices", any(|process| process.device.is_some())),
        ("what programs tell themselves", any(|process| process.told.is_some())),
        (
            "touched pages",
            weighed.subject != Subject::Pages && any(|process| process.touched.is_some()),
        ),
        (
            "mappings",
            weighed.subject != Subject::Ranges && any(|process| process.mappings.mapped_bytes > 0),
        ),
    ];
    let there: Vec<&str> = accounts.iter().filter(|it| it.1).map(|it| it.0).collect();
    (!there.is_empty()).then(|| {
        format!("not in this view, and not to be added to it: {} (--format text)", there.join(", "))
    })
}
