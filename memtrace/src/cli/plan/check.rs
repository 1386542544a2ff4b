//! Options that contradict each other, and remarks on those that only surprise.

use super::super::args::{Ledger, TraceArgs};
use super::super::exit::UsageError;
use super::super::format::Format;
use super::super::tier::Tier;
use super::super::values::SampleInterval;
use super::{RecordPlan, TracePlan, functions, usage, watching};
use memtrace_common::site::Role;
use std::path::PathBuf;
use std::time::Duration;

/// Pairs of options that cannot both be meant.
pub(super) fn contradictions(args: &TraceArgs) -> Result<(), UsageError> {
    if args.quiet && args.verbose > 0 {
        return usage("--quiet and --verbose contradict each other: give only one");
    }
    if args.exact && args.sample_interval.is_some_and(|it| it != SampleInterval::Bytes(0)) {
        return usage("--exact and --sample-interval contradict each other: give only one");
    }
    if args.exact && args.overhead_budget.is_some() {
        return usage(
            "--exact accepts any cost and --overhead-budget limits it: give only one of them",
        );
    }
    tier(args)?;
    if args.ledger == Ledger::Pages && functions::are_described(&args.functions) {
        return usage(
            "--ledger pages probes no function, so none can be described: leave --ledger out, or \
             --alloc-fn and its like",
        );
    }
    if args.ledger == Ledger::Pages && args.window.is_some() {
        return usage(
            "--window is about blocks, and --ledger pages watches none: give only one of them",
        );
    }
    if args.ledger == Ledger::Pages && !args.tier.has_touches() && args.format().is_of_blocks() {
        return usage(
            "--ledger pages watches no blocks, and reports of this form have no mappings: give --format text, json, tree, \
             summary, stats or html, or --tier pages, which tells who touches pages first",
        );
    }
    match (args.min_size, args.max_size) {
        (Some(min), Some(max)) if min > max => usage(format!(
            "--min-size {min} is larger than --max-size {max}, so no block would be left: \
             exchange them"
        )),
        _ => Ok(()),
    }
}

/// An alert has a report, besides the last one.
pub(super) fn alerts_have_a_place(plan: &TracePlan) -> Result<(), UsageError> {
    if plan.alerts.are_wished() && plan.has_one_report() {
        return usage(
            "an alert makes a report besides the last one, and reports of this form cannot follow each other in \
             one stream: name a file with -o (or `-o NAME-{seq}`, for a file each)",
        );
    }
    Ok(())
}

/// The least that files of a recording may be allowed: each has to hold what it begins with.
const LEAST_RECORD: u64 = 64 << 10;
/// The least time between two snapshots that are recorded.
const LEAST_RECORD_EVERY: Duration = Duration::from_millis(100);
/// Most bytes of a file of snapshots, where nothing was typed.
const SNAPSHOTS_LIMIT: u64 = 64 << 20;

/// Where the run is recorded: how large its files may become, and how many of them are kept.
pub(super) fn record(args: &TraceArgs, tier: Tier) -> Result<Option<RecordPlan>, UsageError> {
    if let Some(limit) = args.record_limit.filter(|limit| *limit < LEAST_RECORD) {
        return usage(format!(
            "--record-limit {limit} is too little for a recording: give at least 64KiB"
        ));
    }
    let files = args.record_files.unwrap_or(1);
    if files > 1 && tier.has_touches() {
        return usage(
            "--record-files is about blocks, and this tier watches pages, which a further file would know nothing of: \
             leave it out, or choose another --tier",
        );
    }
    let files = u32::try_from(files).unwrap_or(u32::MAX);
    if let Some(every) = args.record_every.filter(|every| *every < LEAST_RECORD_EVERY) {
        return usage(format!(
            "--record-every {every:?} is too often for snapshots: give at least 100ms, or leave it out to record all events"
        ));
    }
    let (every, usual) = (args.record_every, args.record_every.map(|_| SNAPSHOTS_LIMIT));
    let limit = args.record_limit.or(usual);
    let plan = |path: &PathBuf| RecordPlan { path: path.clone(), limit, files, every };
    Ok(args.record.as_ref().map(plan))
}

/// Options about reports that are written make no sense where they are shown.
pub(super) fn fits_a_screen(args: &TraceArgs) -> Result<(), UsageError> {
    if args.output.is_some() || args.format.is_some() {
        return usage(
            "live shows reports on a screen: leave out --output and --format, and press `w` to write what is shown \
             to a file",
        );
    }
    if let Some(option) = args.view.first_given() {
        return usage(format!("live has views of its own: leave out {option}"));
    }
    if args.interval == Some(Duration::ZERO) {
        return usage("live shows nothing without reports: give --interval at least 100ms");
    }
    Ok(())
}

/// What contradicts a tier.
fn tier(args: &TraceArgs) -> Result<(), UsageError> {
    let every = SampleInterval::Bytes(0);
    match args.tier {
        Tier::Pages => no_blocks(args),
        Tier::Watch => watching::contradictions(args),
        Tier::Exact if args.sample_interval.is_some_and(|it| it != every) => {
            usage("--tier exact and --sample-interval contradict each other: give only one")
        }
        Tier::Exact if args.overhead_budget.is_some() => usage(
            "--tier exact accepts any cost and --overhead-budget limits it: give only one of them",
        ),
        Tier::Sampled if args.exact || args.sample_interval == Some(every) => {
            usage("--tier sampled and every allocation contradict each other: give only one")
        }
        Tier::Sampled | Tier::Exact | Tier::Auto => Ok(()),
    }
}

/// What cannot be had where no function is probed.
fn no_blocks(args: &TraceArgs) -> Result<(), UsageError> {
    let blocks = [
        ("--sample-interval", args.sample_interval.is_some()),
        ("--window", args.window.is_some()),
        ("--no-windows", args.no_windows),
        ("--ledger heap", args.ledger == Ledger::Heap),
        ("--alloc-fn and its like", functions::are_described(&args.functions)),
        ("--show-blocks", args.show_blocks > 0),
        ("--alert-live", args.alerts.alert_live.is_some()),
        ("--alert-growth", args.alerts.alert_growth.is_some()),
        ("--alert-total-live", args.alerts.alert_total_live.is_some()),
        ("--alert-total-growth", args.alerts.alert_total_growth.is_some()),
    ];
    match blocks.into_iter().find(|(_, given)| *given) {
        None => Ok(()),
        Some((option, _)) => usage(format!(
            "--tier pages probes no function, and {option} is about blocks: give only one of them"
        )),
    }
}

/// Options that say when to end.
pub(super) fn end(
    args: &TraceArgs,
    interval: Option<Duration>,
    count: Option<u64>,
) -> Result<(), UsageError> {
    if args.duration == Some(Duration::ZERO) {
        return usage("--duration 0 would end at once: give a longer time, or leave it out");
    }
    if interval.is_none() && count.is_some() {
        return usage(
            "--count counts reports, but --interval 0 makes only the final one: give an interval, \
             or end with --duration instead of --count",
        );
    }
    Ok(())
}

/// `{pid}` needs exactly one process.
pub(super) fn names_one_process(plan: &TracePlan) -> Result<(), UsageError> {
    match &plan.output {
        Some(name) if name.has_pid() && (plan.who.pids.len() > 1 || plan.who.is_search()) => usage(
            "--output has {pid} in its name, but --pid or a search may name several processes, \
             which share each report: use {seq} or {time}, or run one memtrace per process",
        ),
        _ => Ok(()),
    }
}

/// Somebody must be traced. `interval` is typed without an option where a number was expected.
pub(super) fn names_somebody(plan: &TracePlan, interval: bool) -> Result<(), UsageError> {
    match (plan.who.is_empty(), interval) {
        (false, _) => Ok(()),
        (true, true) => usage(
            "no process given, only an interval: process numbers follow --pid, as in \
             `memtrace --pid 1234 10`; see `memtrace --help`",
        ),
        (true, false) => usage(
            "no process given: name one with --pid PID (`pgrep -l NAME` finds it), look for some with \
             --comm, --exe, --uid, --cgroup, --container or --all, start one with `memtrace run`, or run \
             `memtrace doctor` to see what this machine allows; see `memtrace --help`",
        ),
    }
}

/// Remarks on a legal plan. A default interval is not remarked upon: nobody asked for it.
pub(super) fn notes(plan: &TracePlan, interval_typed: bool) -> Vec<String> {
    let mut notes = Vec::new();
    if let (true, Some(interval), Some(duration)) = (interval_typed, plan.interval, plan.duration)
        && interval >= duration
    {
        notes.push(format!(
            "--interval {interval:?} is not shorter than --duration {duration:?}: there will be \
             only the final report"
        ));
    }
    if let Some(duration) = plan.duration
        && plan.min_age >= duration
    {
        notes.push(format!(
            "no block can become older than --min-age {:?} within --duration {duration:?}: call \
             stacks will be summed as YOUNG; --min-age 0 lists them",
            plan.min_age
        ));
    }
    if let (Some(window), Some(duration)) = (plan.window, plan.duration)
        && window.on >= duration
    {
        notes.push(format!(
            "the first window of --window, {:?}, is not over within --duration {duration:?}: blocks will \
             be watched all the time",
            window.on
        ));
    }
    let mut roles = plan.user_functions.iter().map(|function| function.role);
    if !plan.user_functions.is_empty() && !roles.any(|role| role == Role::Free) {
        notes.push(
            "functions that allocate are described, but none that frees (--free-fn): all that they give \
             out will seem alive"
                .to_owned(),
        );
    }
    if plan.usdt_semaphores {
        notes.push(
            "--usdt-semaphores: where a static probe has a counter (semaphore), the kernel raises that in the \
             target's memory while memtrace is attached"
                .to_owned(),
        );
    }
    let ignored = [
        ("--full", plan.full && plan.format != Format::Text),
        ("--full-names", plan.full_names && plan.format == Format::Json),
        ("--show-internals", plan.show_internals && plan.format == Format::Json),
    ];
    for (option, is_ignored) in ignored {
        if is_ignored {
            notes.push(format!(
                "{option} changes text reports only; the others are always complete"
            ));
        }
    }
    notes
}
