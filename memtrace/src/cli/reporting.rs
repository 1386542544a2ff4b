//! From a snapshot to a report in its place: what a live run and the reading of a recording have in common.

use super::args::Color;
use super::diff::{Input, Layout, written};
use super::format::Format;
use super::output::{Destination, Label, OutputError};
use super::terminal::Style;
use crate::engine::ports::Symbolizer;
use crate::engine::snapshot::Snapshot;
use crate::model::ids::Pid;
use crate::report::view::Filter;
use crate::report::{
    self, CsvWriter, End, FirefoxWriter, FoldedWriter, HtmlWriter, JsonWriter, PprofWriter,
    ProcessReport, Report, ReportOptions, ReportWriter, SpeedscopeWriter, SvgWriter, TextStyle,
    TextWriter, TracerFacts, View, ViewOptions, ViewWriter,
};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::PathBuf;

/// Reports, resolved and written where the user wants them.
pub(super) struct Reporting {
    pub(super) destination: Destination,
    pub(super) format: Format,
    pub(super) color: Color,
    pub(super) view: ViewOptions,
    /// Where reports are of what changed.
    pub(super) growth: Option<Growth>,
    pub(super) wishes: ReportWishes,
}

/// What changed from report to report.
pub(super) struct Growth {
    pub(super) layout: Layout,
    /// The last report; `None`: there was none yet.
    pub(super) last: Option<Input>,
}

impl Growth {
    /// What changed since the last report, or else since the run began.
    fn bytes(&mut self, mut report: Report, filter: &Filter, style: Style) -> io::Result<Vec<u8>> {
        filter.leave_out(&mut report);
        let before = self.last.take().unwrap_or_else(|| Input::start_of(&report));
        let mut after = Input::of(&report, "now");
        let bytes = written(self.layout, style, &before, &after);
        after.name = "the report before".to_owned();
        self.last = Some(after);
        bytes
    }
}

/// What the user wants to see of a run, which a recording keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ReportWishes {
    pub(super) options: ReportOptions,
    /// The command that was started, where that is what is traced.
    pub(super) command: Option<StartedCommand>,
}

/// A command that memtrace has started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StartedCommand {
    pub(super) pid: Pid,
    /// As the kernel will call it.
    pub(super) name: String,
    /// The program of memtrace, which it was before.
    pub(super) us: Option<String>,
}

impl ReportWishes {
    /// Makes a report. A final one waits for names that have to be fetched.
    pub(super) fn report(
        &self,
        snapshot: &Snapshot,
        facts: &TracerFacts,
        is_final: bool,
        symbolizer: &mut dyn Symbolizer,
    ) -> Report {
        let options = ReportOptions { is_final, ..self.options.clone() };
        let mut report = report::resolve(snapshot, symbolizer, &options, facts);
        // What comes for earlier reports is in later ones. More may be asked for each time: a file
        // that came may name another.
        while is_final && symbolizer.await_names() {
            report = report::resolve(snapshot, symbolizer, &options, facts);
        }
        if let Some(command) = &self.command {
            command.tell(&mut report);
        }
        report
    }
}

impl Reporting {
    /// Makes a report and writes it. Gives whether its figures are not what was asked for, and the file that
    /// holds it, where that is one.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn write(
        &mut self,
        snapshot: &Snapshot,
        facts: &TracerFacts,
        is_final: bool,
        symbolizer: &mut dyn Symbolizer,
    ) -> Result<(bool, Option<PathBuf>), OutputError> {
        let report = self.report(snapshot, facts, is_final, symbolizer);
        let style = self.destination.style(self.color);
        let form = Form { format: self.format, view: &self.view, style, full: report.options.full };
        let degraded = report.is_degraded();
        // A vector takes everything.
        let bytes = match &mut self.growth {
            Some(growth) => growth.bytes(report, &self.view.filter, style),
            None => form.bytes(&report),
        };
        let bytes = bytes.map_err(OutputError::stdout)?;
        let label = Label { sequence: facts.sequence, time: facts.time };
        let file = self.destination.write(label, &bytes)?;
        Ok((degraded, file))
    }
}

impl Reporting {
    /// Makes a report with what the user wants to see of call stacks: views, and differences, choose that themselves.
    fn report(
        &self,
        snapshot: &Snapshot,
        facts: &TracerFacts,
        is_final: bool,
        symbolizer: &mut dyn Symbolizer,
    ) -> Report {
        let Self { wishes, view, format, .. } = self;
        if self.growth.is_some() || format.view().is_some() {
            return wishes.report(snapshot, facts, is_final, symbolizer);
        }
        // A page has views that are weighed by other figures in any case.
        let is_page = *format == Format::Html;
        let is_weighed = is_page || format.is_of_blocks() && view.weighing().is_some();
        let top = wishes.options.top;
        // What is left out is chosen from all that there is.
        let all = match top {
            0 => 0,
            _ if is_weighed => 0,
            _ if view.leaves_out() => usize::MAX,
            top => top,
        };
        let wishes = ReportWishes {
            options: ReportOptions { top: all, ..wishes.options.clone() },
            command: wishes.command.clone(),
        };
        let mut report = wishes.report(snapshot, facts, is_final, symbolizer);
        report.options.top = top;
        if is_weighed || view.leaves_out() {
            view.narrow(&mut report, top);
        }
        if format.has_paths() && view.regroups() {
            view.regroup(&mut report);
        }
        report
    }
}

/// How a report becomes bytes.
pub(super) struct Form<'a> {
    pub(super) format: Format,
    pub(super) view: &'a ViewOptions,
    pub(super) style: Style,
    /// Text is complete.
    pub(super) full: bool,
}

impl Form<'_> {
    /// All of the report.
    ///
    /// # Errors
    /// None in practice: it is written into memory.
    pub(super) fn bytes(&self, report: &Report) -> io::Result<Vec<u8>> {
        let ReportOptions { show_internals: internals, full_names, .. } = report.options;
        let mut bytes = Vec::new();
        match self.format {
            Format::Json => JsonWriter.write(report, &mut bytes),
            Format::Text => TextWriter { style: self.text_style() }.write(report, &mut bytes),
            Format::Tree => self.view_writer(View::Tree).write(report, &mut bytes),
            Format::Summary => self.view_writer(View::Summary).write(report, &mut bytes),
            Format::Stats => self.view_writer(View::Stats).write(report, &mut bytes),
            Format::ViewJson => self.view_writer(View::Json).write(report, &mut bytes),
            Format::Folded => FoldedWriter { internals, full_names }.write(report, &mut bytes),
            Format::Pprof => PprofWriter { internals, full_names }.write(report, &mut bytes),
            Format::Speedscope => {
                SpeedscopeWriter { internals, full_names }.write(report, &mut bytes)
            }
            Format::Firefox => FirefoxWriter { internals, full_names }.write(report, &mut bytes),
            Format::Csv => CsvWriter { internals, full_names }.write(report, &mut bytes),
            Format::Svg => SvgWriter { internals, full_names }.write(report, &mut bytes),
            Format::Html => {
                let measure = self.view.measure.unwrap_or_default();
                let from = self.view.stretch.from;
                HtmlWriter { full_names, measure, from }.write(report, &mut bytes)
            }
        }?;
        Ok(bytes)
    }

    fn view_writer(&self, view: View) -> ViewWriter {
        let (options, style) = (self.view.clone(), self.text_style());
        ViewWriter { view, options, style, ascii: self.style.ascii }
    }

    const fn text_style(&self) -> TextStyle {
        TextStyle { width: self.style.columns, color: self.style.color, full: self.full }
    }
}

impl StartedCommand {
    /// Takes out what the process was before it became the command: memtrace, which did nothing in it.
    /// Where nobody could look any more at what it has become the command's name is known all the same.
    fn tell(&self, report: &mut Report) {
        let is_us = |process: &ProcessReport| {
            process.pid == self.pid
                && self.us.is_some()
                && process.exe.as_deref() == self.us.as_deref()
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
