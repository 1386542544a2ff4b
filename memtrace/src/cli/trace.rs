//! Carries out a tracing run: the plan becomes the daemon's settings, and reports become bytes.

use super::args::{BpfLog, Color, Format, Ledger, LinkFor, Sort};
use super::exit::Exit;
use super::log;
use super::output::{Destination, Label, OutputError};
use super::plan::TracePlan;
use super::values::SampleInterval;
use super::who::find::Found;
use crate::daemon::{self, Outlet, Publication, Published, Settings};
use crate::engine::ports::Symbolizer;
use crate::launch::Watcher;
use crate::model::ids::Pid;
use crate::report::{
    self, End, FoldedWriter, JsonWriter, ProcessReport, Report, ReportOptions, ReportWriter,
    TextStyle, TextWriter,
};
use crate::symbolize::{self, DebugFiles};
use std::path::PathBuf;

/// What is traced, and where its reports go.
pub(super) struct Job {
    pub(super) found: Found,
    pub(super) destination: Destination,
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
    let job = Job { found, destination, started: None, foreseen: Vec::new() };
    let degraded = carry_out(plan, job, &mut log::announce)?;
    Ok(if degraded { Exit::Degraded } else { Exit::Success })
}

/// Does the job; gives whether the last report is degraded. `announce` hears the line that says that
/// the probes are in place.
///
/// # Errors
/// As [`run`].
pub(super) fn carry_out(
    plan: &TracePlan,
    job: Job,
    announce: &mut dyn FnMut(&str),
) -> anyhow::Result<bool> {
    let settings = settings(plan, &job);
    let outlet = ReportOutlet {
        destination: job.destination,
        options: ReportOptions { from_start: job.started.is_some(), ..options(plan) },
        format: plan.format,
        color: plan.color,
        started: job.started,
    };
    // Remarks on a run that does not come about would only hide the reason.
    let mut announce = |line: &str| {
        for note in &plan.notes {
            tracing::info!("note: {note}");
        }
        announce(line);
    };
    let names = symbolize::Options { room: Some(plan.max_memory), elsewhere: elsewhere(plan)? };
    Ok(daemon::run(&settings, Box::new(outlet), names, &mut announce)?.degraded)
}

fn options(plan: &TracePlan) -> ReportOptions {
    ReportOptions {
        top: plan.top.unwrap_or(0),
        sort: sort(plan.sort),
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

fn settings(plan: &TracePlan, job: &Job) -> Settings {
    Settings {
        pids: job.found.pids.clone(),
        selection: job.found.selection.clone(),
        beyond: job.found.beyond,
        started_here: job.started.is_some(),
        foreseen: job.foreseen.clone(),
        user_functions: plan.user_functions.clone(),
        interval: plan.interval,
        duration: plan.duration,
        count: plan.count,
        alerts: daemon::AlertSettings {
            thresholds: plan.alerts.thresholds,
            command: plan.alerts.command.clone(),
            limit: plan.alerts.limit,
        },
        snapshot: plan.snapshot_options(),
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
        window: plan.window.map(|window| daemon::Window { on: window.on, period: window.period }),
        overhead_budget: plan.overhead_budget,
        max_memory: plan.max_memory,
        link: plan.link,
        link_for: match plan.link_for {
            LinkFor::Auto => daemon::LinkFor::Auto,
            LinkFor::All => daemon::LinkFor::All,
            LinkFor::Each => daemon::LinkFor::Each,
        },
        unwind: plan.unwind,
        cache_walks: plan.cache_walks,
        follow: plan.who.follow,
        ring_bytes: plan.ring_size,
        log_level: log_level(plan.bpf_log),
    }
}

const fn ledger(typed: Ledger) -> report::Ledgers {
    match typed {
        Ledger::Heap => report::Ledgers::Heap,
        Ledger::Pages => report::Ledgers::Mappings,
        Ledger::Both => report::Ledgers::Both,
    }
}

const fn sort(typed: Sort) -> report::Sort {
    match typed {
        Sort::Growth => report::Sort::Growth,
        Sort::Bytes => report::Sort::Bytes,
        Sort::Blocks => report::Sort::Blocks,
        Sort::Age => report::Sort::Age,
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

/// Reports, resolved and written where the user wants them.
struct ReportOutlet {
    destination: Destination,
    options: ReportOptions,
    format: Format,
    color: Color,
    started: Option<Started>,
}

impl ReportOutlet {
    fn write(
        &mut self,
        publication: &Publication,
        symbolizer: &mut dyn Symbolizer,
    ) -> Result<(bool, Option<PathBuf>), OutputError> {
        let facts = &publication.facts;
        let options = ReportOptions { is_final: publication.is_final, ..self.options.clone() };
        let mut report = report::resolve(&publication.snapshot, symbolizer, &options, facts);
        // What comes for earlier reports is in later ones. More may be asked for each time: a file
        // that came may name another.
        while publication.is_final && symbolizer.await_names() {
            report = report::resolve(&publication.snapshot, symbolizer, &options, facts);
        }
        if let Some(started) = &self.started {
            started.tell(&mut report);
        }
        let mut bytes = Vec::new();
        let written = match self.format {
            Format::Json => JsonWriter.write(&report, &mut bytes),
            Format::Text => self.text_writer().write(&report, &mut bytes),
            Format::Folded => {
                let ReportOptions { show_internals, full_names, .. } = self.options;
                FoldedWriter { internals: show_internals, full_names }.write(&report, &mut bytes)
            }
        };
        // A vector takes everything.
        written.map_err(OutputError::stdout)?;
        let label = Label { sequence: facts.sequence, time: facts.time };
        let file = self.destination.write(label, &bytes)?;
        Ok((report.is_degraded(), file))
    }

    fn text_writer(&self) -> TextWriter {
        let style = self.destination.style(self.color);
        let style = TextStyle { width: style.columns, color: style.color, full: self.options.full };
        TextWriter { style }
    }
}

impl Started {
    /// Takes out what the process was before it became the command: memtrace, which did nothing in it.
    /// Where nobody could look any more at what it has become the command's name is known all the same.
    fn tell(&self, report: &mut Report) {
        let us = std::env::current_exe().ok();
        let us = us.as_ref().map(|path| path.to_string_lossy());
        let is_us = |process: &ProcessReport| {
            process.pid == self.pid && us.is_some() && process.exe.as_deref() == us.as_deref()
        };
        report.processes.retain(|process| {
            let did_something = process.heap.allocated_blocks > 0 || process.heap.failed > 0;
            did_something || process.end != End::Execed || !is_us(process)
        });
        for process in report.processes.iter_mut().filter(|process| is_us(process)) {
            process.comm.clone_from(&self.name);
            process.exe = None;
        }
    }
}

impl Outlet for ReportOutlet {
    fn publish(&mut self, publication: &Publication, symbolizer: &mut dyn Symbolizer) -> Published {
        // There is nothing to report of a command that could not be executed.
        if self.started.as_ref().is_some_and(|started| started.watcher.has_failed()) {
            return Published::Written { degraded: false, file: None };
        }
        match self.write(publication, symbolizer) {
            Ok((degraded, file)) => Published::Written { degraded, file },
            Err(OutputError::Closed) => Published::Closed,
            Err(error) => Published::Failed(super::exit::one_line(&error)),
        }
    }
}
