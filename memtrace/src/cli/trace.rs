//! Carries out a tracing run: the plan becomes the daemon's settings, and reports become bytes.

use super::args::{BpfLog, Color, Format, Sort};
use super::exit::Exit;
use super::log;
use super::output::{Destination, Label, OutputError};
use super::plan::TracePlan;
use crate::daemon::{self, Outlet, Publication, Published, Settings};
use crate::engine::ports::Symbolizer;
use crate::report::{self, JsonWriter, ReportOptions, ReportWriter, TextStyle, TextWriter};
use crate::symbolize::{self, DebugFiles};

/// Traces as planned, until the end of the plan, the targets or the user's patience.
///
/// # Errors
/// One line that names the thing and the remedy; the target is unharmed.
#[expect(clippy::needless_pass_by_value, reason = "the run owns its plan")]
pub fn run(plan: TracePlan) -> anyhow::Result<Exit> {
    let pid = plan.pids.first().copied().unwrap_or_default();
    let outlet = ReportOutlet {
        destination: plan.open_destination(pid)?,
        options: ReportOptions {
            top: plan.top.unwrap_or(0),
            sort: sort(plan.sort),
            show_blocks: plan.show_blocks,
            full: plan.full,
            full_names: plan.full_names,
            show_internals: plan.show_internals,
            is_final: false,
            interval: plan.interval,
        },
        format: plan.format,
        color: plan.color,
    };
    // Remarks on a run that does not come about would only hide the reason.
    let mut announce = |line: &str| {
        for note in &plan.notes {
            tracing::info!("note: {note}");
        }
        log::announce(line);
    };
    let names = symbolize::Options { room: Some(plan.max_memory), elsewhere: elsewhere(&plan)? };
    let outcome = daemon::run(&settings(&plan), Box::new(outlet), names, &mut announce)?;
    Ok(if outcome.degraded { Exit::Degraded } else { Exit::Success })
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

fn settings(plan: &TracePlan) -> Settings {
    Settings {
        pids: plan.pids.clone(),
        interval: plan.interval,
        duration: plan.duration,
        count: plan.count,
        snapshot: plan.snapshot_options(),
        cmdline: plan.cmdline,
        overhead_budget: plan.overhead_budget,
        max_memory: plan.max_memory,
        link: plan.link,
        unwind: plan.unwind,
        cache_walks: plan.cache_walks,
        follow: plan.follow,
        ring_bytes: plan.ring_size,
        log_level: log_level(plan.bpf_log),
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
}

impl ReportOutlet {
    fn write(
        &mut self,
        publication: &Publication,
        symbolizer: &mut dyn Symbolizer,
    ) -> Result<bool, OutputError> {
        let facts = &publication.facts;
        let options = ReportOptions { is_final: publication.is_final, ..self.options.clone() };
        let mut report = report::resolve(&publication.snapshot, symbolizer, &options, facts);
        // What comes for earlier reports is in later ones. More may be asked for each time: a file
        // that came may name another.
        while publication.is_final && symbolizer.await_names() {
            report = report::resolve(&publication.snapshot, symbolizer, &options, facts);
        }
        let mut bytes = Vec::new();
        let written = match self.format {
            Format::Json => JsonWriter.write(&report, &mut bytes),
            Format::Text => self.text_writer().write(&report, &mut bytes),
        };
        // A vector takes everything.
        written.map_err(OutputError::stdout)?;
        let label = Label { sequence: facts.sequence, time: facts.time };
        self.destination.write(label, &bytes)?;
        Ok(report.is_degraded())
    }

    fn text_writer(&self) -> TextWriter {
        let style = self.destination.style(self.color);
        let style = TextStyle { width: style.columns, color: style.color, full: self.options.full };
        TextWriter { style }
    }
}

impl Outlet for ReportOutlet {
    fn publish(&mut self, publication: &Publication, symbolizer: &mut dyn Symbolizer) -> Published {
        match self.write(publication, symbolizer) {
            Ok(degraded) => Published::Written { degraded },
            Err(OutputError::Closed) => Published::Closed,
            Err(error) => Published::Failed(super::exit::one_line(&error)),
        }
    }
}
