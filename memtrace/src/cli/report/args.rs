//! `memtrace report`, as typed.

use super::super::args::{Color, Sort};
use super::super::format::Format;
use super::super::view::ViewArgs;
use super::super::{help, values};
use clap::Args;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// Arguments of `memtrace report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The recording
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Say what is in the recording, and whether it is whole, instead of making a report
    #[arg(long, conflicts_with_all = ["all", "at", "from", "to", "view", "format", "output"])]
    pub info: bool,
    /// Every report that the run made, instead of only the last one
    #[arg(long)]
    pub all: bool,
    /// The report as it was at a moment: so long after the start, such as 90s, or at a mark
    ///
    /// At a mark it is what was told before it. `peak` is the high-water mark of all heaps together. If the name of a
    /// mark looks like one of these, the mark is meant. A mark that is not there has those listed that are. Of a
    /// recording of snapshots a time takes the latest one before it, a mark the first one at or after it, and `peak`
    /// the one in which most was alive.
    #[arg(long, value_name = "TIME|MARK|peak", conflicts_with = "all")]
    pub at: Option<String>,
    /// Of a view only what happened after this moment: a time or a mark, as with --at
    ///
    /// Moments are taken in steps of 64 ns.
    #[arg(long, value_name = "TIME|MARK|peak", conflicts_with = "all")]
    pub from: Option<String>,
    /// … and until this one: the same as --at
    #[arg(long, value_name = "TIME|MARK|peak", conflicts_with_all = ["all", "at"])]
    pub to: Option<String>,
    /// Sum blocks younger than this in a line of their own; 0 lists them [default: as the run did; with views and
    /// formats for other programs 0]
    #[arg(long, value_name = "DUR", value_parser = values::duration,
          allow_negative_numbers = true, help_heading = help::CONTENT)]
    pub min_age: Option<Duration>,
    /// Leave out blocks smaller than this [default: as the run did]
    #[arg(short = 'z', long, value_name = "BYTES", value_parser = values::size,
          allow_negative_numbers = true, help_heading = help::CONTENT)]
    pub min_size: Option<u64>,
    /// Leave out blocks larger than this [default: as the run did]
    #[arg(short = 'Z', long, value_name = "BYTES", value_parser = values::size,
          allow_negative_numbers = true, help_heading = help::CONTENT)]
    pub max_size: Option<u64>,
    /// Show this many call stacks, or rows of a view; 0 = all [default: as the run did; with formats for other
    /// programs all, with views 10]
    #[arg(short = 'T', long, value_name = "N", value_parser = values::count,
          allow_negative_numbers = true, help_heading = help::CONTENT)]
    pub top: Option<u64>,
    /// Which call stacks come first [default: as the run had it]
    #[arg(short, long, value_name = "KEY", help_heading = help::CONTENT)]
    pub sort: Option<Sort>,
    /// Make every text report complete, not only the final one
    #[arg(long, help_heading = help::CONTENT)]
    pub full: bool,
    /// Name functions in full, with parameters and the arguments of templates, however long
    #[arg(long, help_heading = help::CONTENT)]
    pub full_names: bool,
    /// List frames of allocators and start code, too (JSON reports always do, and mark them)
    #[arg(long, help_heading = help::CONTENT)]
    pub show_internals: bool,
    /// What views show.
    #[command(flatten)]
    pub view: ViewArgs,
    /// How to write reports [default: as the name of --output ends, or else text]
    ///
    /// Names that end in .json, .speedscope.json, .firefox.json, .pb.gz (for pprof), .folded, .csv, .svg, .html or .txt choose.
    /// If a format is given it is that one, whatever the name.
    #[arg(short, long, value_name = "FORMAT", help_heading = help::OUTPUT)]
    pub format: Option<Format>,
    /// Write reports to this file (mode 0600) instead of standard output
    ///
    /// As with tracing: {seq} and {time} in the name make a file of each report.
    #[arg(short, long, value_name = "FILE", help_heading = help::OUTPUT)]
    pub output: Option<OsString>,
    /// When to use colours
    #[arg(long, value_name = "WHEN", default_value = "auto", help_heading = help::OUTPUT)]
    pub color: Color,
}

impl ReportArgs {
    /// How reports are written.
    #[must_use]
    pub fn format(&self) -> Format {
        self.view.format(Format::chosen(self.format, self.output.as_deref()))
    }

    /// The end that was typed.
    #[must_use]
    pub fn until(&self) -> Option<&str> {
        self.to.as_deref().or(self.at.as_deref())
    }
}
