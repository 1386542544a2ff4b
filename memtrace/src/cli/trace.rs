//! Carries out a tracing run: the plan becomes the daemon's settings, and reports become bytes.

use super::args::{BpfLog, Ledger, LinkFor};
use super::exit::Exit;
use super::log;
use super::output::{Destination, OutputError, create, numbered};
use super::plan::{RecordPlan, TracePlan};
use super::reporting::{Growth, ReportWishes, Reporting, StartedCommand};
use super::values::SampleInterval;
use super::who::find::Found;
use crate::daemon::{self, Outlet, Publication, Published, Recording, Settings};
use crate::engine::ports::Symbolizer;
use crate::launch::Watcher;
use crate::model::ids::Pid;
use crate::report::{self, ReportOptions};
use crate::symbolize::{self, DebugFiles};
use std::fs::File;
use std::path::{Path, PathBuf};

/// What is traced.
pub(super) struct Job {
    pub(super) found: Found,
    /// A command of ours, where that is what is traced.
    pub(super) started: Option<Started>,
    /// Files that the command will map.
    pub(super) foreseen: Vec<PathBuf>,
}

/// A command that waits for being traced.
pub(super) struct Started {
    pub(super) pid: Pid,
    /// As the kernel will call it.
    pub(super) name: String,
    pub(super) watcher: Watcher,
}

/// Traces as planned, until the end of the plan, the targets or the user's patience.
///
/// # Errors
/// One line that names the thing and the remedy; the target is unharmed.
pub fn run(plan: &TracePlan, found: Found) -> anyhow::Result<Exit> {
    let pid = found.pids.first().copied().unwrap_or_default();
    let destination = plan.open_destination(pid)?;
    let degraded = carry_out(plan, Job::of(found), destination, &mut log::announce)?;
    Ok(if degraded { Exit::Degraded } else { Exit::Success })
}

/// Does the job, reports going to `destination`; gives whether the last one is degraded. `announce` hears the
/// line that says that the probes are in place.
///
/// # Errors
/// As [`run`].
pub(super) fn carry_out(
    plan: &TracePlan,
    mut job: Job,
    destination: Destination,
    announce: &mut dyn FnMut(&str),
) -> anyhow::Result<bool> {
    let wishes = wishes(plan, &job);
    let reporting = Reporting {
        destination,
        format: plan.format,
        color: plan.color,
        view: plan.view.clone(),
        growth: plan.growth.map(|layout| Growth { layout, last: None }),
        wishes: wishes.clone(),
    };
    let settings = Settings { only_final: plan.has_one_report(), ..settings(plan, &job) };
    let watcher = job.started.take().map(|started| started.watcher);
    let outlet = Box::new(ReportOutlet { reporting, watcher });
    trace_to(plan, &settings, &wishes, outlet, announce)
}

/// Traces, reports going to `outlet`.
///
/// # Errors
/// As [`run`].
pub(super) fn trace_to(
    plan: &TracePlan,
    settings: &Settings,
    wishes: &ReportWishes,
    outlet: Box<dyn Outlet>,
    announce: &mut dyn FnMut(&str),
) -> anyhow::Result<bool> {
    let recording = recording(plan, wishes)?;
    // Remarks on a run that does not come about would only hide the reason.
    let mut announce = |line: &str| {
        for note in &plan.notes {
            tracing::info!("note: {note}");
        }
        announce(line);
    };
    let names = symbolize::Options { room: Some(plan.max_memory), elsewhere: elsewhere(plan)? };
    Ok(daemon::run(settings, outlet, names, recording, &mut announce)?.degraded)
}

/// What the user wants to see.
pub(super) fn wishes(plan: &TracePlan, job: &Job) -> ReportWishes {
    ReportWishes {
        options: ReportOptions { from_start: job.started.is_some(), ..options(plan) },
        command: job.started.as_ref().map(Started::told),
    }
}

impl Job {
    /// Processes that run already.
    pub(super) const fn of(found: Found) -> Self {
        Self { found, started: None, foreseen: Vec::new() }
    }
}

/// The file for a recording, where one is wished.
fn recording(plan: &TracePlan, wishes: &ReportWishes) -> anyhow::Result<Option<Recording>> {
    let Some(RecordPlan { path, limit, files, every }) = &plan.record else { return Ok(None) };
    Ok(Some(Recording {
        path: path.clone(),
        file: create(path)?,
        wishes: serde_json::to_value(wishes)?,
        limit: *limit,
        files: *files,
        every: *every,
        next: create_numbered,
    }))
}

/// The file of a recording with this number, beside the first one.
fn create_numbered(first: &Path, number: u64) -> Result<(PathBuf, File), String> {
    let path = numbered(first, number);
    let file = create(&path).map_err(|error| error.to_string())?;
    Ok((path, file))
}

impl Started {
    fn told(&self) -> StartedCommand {
        let us = std::env::current_exe().ok().map(|path| path.to_string_lossy().into_owned());
        StartedCommand { pid: self.pid, name: self.name.clone(), us }
    }
}

fn options(plan: &TracePlan) -> ReportOptions {
    ReportOptions {
        top: plan.top.unwrap_or(0),
        sort: plan.sort.into(),
        show_blocks: plan.show_blocks,
        full: plan.full,
        full_names: plan.full_names,
        show_internals: plan.show_internals,
        ledger: ledger(plan.ledger),
        touches: plan.tier.has_touches(),
        from_start: false,
        is_final: false,
        interval: plan.interval,
    }
}

/// Where debug information comes from that this machine has not, if the user wants that.
fn elsewhere(plan: &TracePlan) -> anyhow::Result<Option<Box<dyn DebugFiles>>> {
    if !plan.debuginfod {
        return Ok(None);
    }
    #[cfg(feature = "debuginfod")]
    {
        use crate::symbolize::debuginfod::{Debuginfod, Settings};
        let settings = Settings::from_environment(|name| std::env::var_os(name))?;
        Ok(Some(Box::new(Debuginfod::start(settings)?)))
    }
    #[cfg(not(feature = "debuginfod"))]
    anyhow::bail!("this memtrace was built without --debuginfod (cargo's feature `debuginfod`)")
}

/// What the daemon is to do.
pub(super) fn settings(plan: &TracePlan, job: &Job) -> Settings {
    Settings {
        pids: job.found.pids.clone(),
        selection: job.found.selection.clone(),
        beyond: job.found.beyond,
        started_here: job.started.is_some(),
        only_final: false,
        foreseen: job.foreseen.clone(),
        user_functions: plan.user_functions.clone(),
        interval: plan.interval,
        duration: plan.duration,
        count: plan.count,
        alerts: daemon::AlertSettings {
            thresholds: plan.alerts.thresholds,
            total: plan.alerts.total,
            command: plan.alerts.command.clone(),
            limit: plan.alerts.limit,
        },
        snapshot: plan.snapshot_options(),
        detail: plan.detail,
        cmdline: plan.cmdline,
        heap: plan.ledger != Ledger::Pages || plan.zoom.is_some(),
        mappings: plan.ledger != Ledger::Heap,
        pictures: plan.ledger != Ledger::Heap,
        sampling: match plan.sample_interval {
            SampleInterval::Auto => daemon::SamplingWish::Auto,
            SampleInterval::Bytes(0) => daemon::SamplingWish::Exact,
            SampleInterval::Bytes(interval) => daemon::SamplingWish::Every(interval),
        },
        zoom: plan.zoom,
        faults: plan.tier.has_touches(),
        most_for_faults: plan.most_for_faults(),
        no_windows: plan.no_windows,
        window: plan.window.map(|window| daemon::Window { on: window.on, period: window.period }),
        overhead_budget: plan.overhead_budget,
        max_memory: plan.max_memory,
        link: plan.link,
        link_for: match plan.link_for {
            LinkFor::Auto => daemon::LinkFor::Auto,
            LinkFor::All => daemon::LinkFor::All,
            LinkFor::Each => daemon::LinkFor::Each,
        },
        static_probes: match (plan.usdt, plan.usdt_semaphores) {
            (false, _) => daemon::StaticProbeWish::No,
            (true, false) => daemon::StaticProbeWish::Unasked,
            (true, true) => daemon::StaticProbeWish::Semaphores,
        },
        unwind: plan.unwind,
        cache_walks: plan.cache_walks,
        follow: plan.who.follow,
        ring_bytes: plan.ring_size,
        rings: plan.rings,
        log_level: log_level(plan.bpf_log),
        control: control(plan),
    }
}

fn control(plan: &TracePlan) -> daemon::ControlWish {
    match &plan.control {
        _ if !plan.has_control => daemon::ControlWish::No,
        Some(path) => daemon::ControlWish::At(path.clone()),
        None => daemon::ControlWish::Usual,
    }
}

const fn ledger(typed: Ledger) -> report::Ledgers {
    match typed {
        Ledger::Heap => report::Ledgers::Heap,
        Ledger::Pages => report::Ledgers::Mappings,
        Ledger::Both => report::Ledgers::Both,
    }
}

/// Numbers of `aya_log_common::Level`.
const fn log_level(typed: BpfLog) -> u8 {
    match typed {
        BpfLog::Off => 0,
        BpfLog::Error => 1,
        BpfLog::Warn => 2,
        BpfLog::Info => 3,
        BpfLog::Debug => 4,
        BpfLog::Trace => 5,
    }
}

/// Reports of a live run.
struct ReportOutlet {
    reporting: Reporting,
    watcher: Option<Watcher>,
}

impl Outlet for ReportOutlet {
    fn publish(&mut self, publication: &Publication, symbolizer: &mut dyn Symbolizer) -> Published {
        // There is nothing to report of a command that could not be executed.
        if self.watcher.as_ref().is_some_and(Watcher::has_failed) {
            return Published::Written { degraded: false, file: None };
        }
        let Publication { snapshot, facts, is_final } = publication;
        match self.reporting.write(snapshot, facts, *is_final, symbolizer) {
            Ok((degraded, file)) => Published::Written { degraded, file },
            Err(OutputError::Closed) => Published::Closed,
            Err(error) => Published::Failed(super::exit::one_line(&error)),
        }
    }
}
