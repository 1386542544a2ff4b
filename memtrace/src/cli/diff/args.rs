//! `memtrace diff`, as typed.

use super::super::exit::UsageError;
use super::super::format::Format;
use super::super::{help, values};
use crate::report::diff::By;
use clap::{Args, ValueEnum};
use std::ffi::OsString;

/// Arguments of `memtrace diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// What was before: a recording or JSON reports; with @N, @first or @last behind the name one of several, of a
    /// recording also with @90s, @MARK or @peak that moment
    #[arg(value_name = "A")]
    pub before: OsString,
    /// What is after, likewise
    #[arg(value_name = "B")]
    pub after: OsString,
    /// What is one difference [default: stack; of a summary and a tree function, of statistics, whose
    /// places it is of, line]
    #[arg(long, value_name = "WHAT", help_heading = help::CONTENT)]
    pub by: Option<Grouping>,
    /// Show this many differences, the largest first; 0 = all [default: 10; with --format json all]
    ///
    /// With text, JSON, summary, statistics (of each section) and tree (ends of branches): other forms have all of them.
    #[arg(short = 'T', long, value_name = "N", value_parser = values::count,
          allow_negative_numbers = true, help_heading = help::CONTENT)]
    pub top: Option<u64>,
    /// Turn the tree around: the functions that asked for memory come first, below them their callers
    #[arg(long, help_heading = help::CONTENT)]
    pub inverted: bool,
    /// Follow the branches of the tree for so many functions; what lies deeper is summed at the last one
    #[arg(long, value_name = "N", value_parser = values::positive_count,
          allow_negative_numbers = true, help_heading = help::CONTENT)]
    pub depth: Option<u64>,
    /// Only call stacks with such a name in them (repeatable: any of them)
    ///
    /// Names are those of functions, in full or short, of source files, with or without their directories, and of
    /// programs and libraries. The whole of a name must match: 'cache_*', '*.cpp', 'libssl*'. What is left
    /// out is summed in a line of its own.
    #[arg(long, value_name = "PATTERN", help_heading = help::CONTENT)]
    pub include: Vec<String>,
    /// No call stacks with such a name in them (repeatable)
    #[arg(long, value_name = "PATTERN", help_heading = help::CONTENT)]
    pub exclude: Vec<String>,
    /// Sum what changed by fewer bytes than this, instead of showing it
    #[arg(long, value_name = "BYTES", value_parser = values::size,
          allow_negative_numbers = true, help_heading = help::CONTENT)]
    pub min_bytes: Option<u64>,
    /// Sum what changed by fewer blocks than this, instead of showing it
    #[arg(long, value_name = "N", value_parser = values::count,
          allow_negative_numbers = true, help_heading = help::CONTENT)]
    pub min_count: Option<u64>,
    /// Name functions in full, with parameters and the arguments of templates, however long
    #[arg(long, help_heading = help::CONTENT)]
    pub full_names: bool,
    /// How to write it [default: as the end of the output's name says (.txt, .json, .csv, .pb.gz, .html, .svg, .folded,
    /// .speedscope.json, .firefox.json), else text]
    #[arg(short, long, value_name = "FORMAT", help_heading = help::OUTPUT)]
    pub format: Option<DiffFormat>,
    /// Write it to this file (mode 0600) instead of standard output: text, JSON and folded stacks are appended, other
    /// formats replace it
    #[arg(short, long, value_name = "FILE", help_heading = help::OUTPUT)]
    pub output: Option<OsString>,
}

/// What blocks have in common that are one difference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Grouping {
    /// Process and call stack
    #[default]
    Stack,
    /// The function that called the allocator
    Function,
    /// The source line of that call, or where that is not known the function
    Line,
    /// The source file of it, or where that is not known the program or library
    File,
    /// The program or library of it
    Module,
    /// The process
    Process,
    /// The thread that allocated; of recordings
    Thread,
    /// Sizes from a power of two to below the next one; of recordings
    SizeClass,
}

impl From<Grouping> for By {
    fn from(typed: Grouping) -> Self {
        match typed {
            Grouping::Stack => Self::Stack,
            Grouping::Function => Self::Function,
            Grouping::Line => Self::Line,
            Grouping::File => Self::File,
            Grouping::Module => Self::Module,
            Grouping::Process => Self::Process,
            Grouping::Thread => Self::Thread,
            Grouping::SizeClass => Self::SizeClass,
        }
    }
}

/// Form of the differences.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum DiffFormat {
    /// For people, in the form of Python's tracemalloc
    #[default]
    Text,
    /// For programs: a JSON object on a line of its own
    Json,
    /// For people: call stacks as a tree, with what lives below each function and how that changed
    Tree,
    /// For people: totals, sizes of blocks, functions of allocators, places and modules that changed most, before and after
    Stats,
    /// For people: a row per function, with what it holds itself and with all that it called, and how both changed
    Summary,
    /// For programs that draw differential flame graphs: a line per call stack, outermost function first, with
    /// its live bytes before and after at the end
    Folded,
    /// For pprof: a profile of the differences, negative where something shrank, compressed. A file of that name is
    /// replaced
    Pprof,
    /// For speedscope: a profile of what grew and one of what shrank. Where to as with pprof
    Speedscope,
    /// For the Firefox Profiler: what grew and what shrank, as a process each. Where to as with pprof
    Firefox,
    /// For spreadsheets: a line per difference, columns named in the first line. Where to as with pprof
    Csv,
    /// For people: a flame graph as a picture (SVG), as wide as the larger of before and after; red grew, blue
    /// shrank. Where to as with pprof
    Svg,
    /// For people, in a browser: one page with such a flame graph and a table that needs nothing else. Where to as with
    /// pprof
    Html,
}

impl DiffArgs {
    /// What was typed, or else what the name of the output asks for, or else text.
    ///
    /// # Errors
    /// When that name asks for a form that differences do not have.
    pub fn format(&self) -> Result<DiffFormat, UsageError> {
        if let Some(typed) = self.format {
            return Ok(typed);
        }
        let asked = Format::chosen(None, self.output.as_deref());
        DiffFormat::of(asked).ok_or_else(|| {
            UsageError(
                "the end of the output's name asks for a format that differences do not have: give --format, or another \
                 name"
                    .to_owned(),
            )
        })
    }
}

impl DiffFormat {
    /// The one of differences that is called so, if there is one.
    pub fn of(format: Format) -> Option<Self> {
        Self::value_variants().iter().copied().find(|form| Format::from(*form) == format)
    }
}

impl From<DiffFormat> for Format {
    fn from(typed: DiffFormat) -> Self {
        match typed {
            DiffFormat::Text => Self::Text,
            DiffFormat::Json => Self::Json,
            DiffFormat::Tree => Self::Tree,
            DiffFormat::Stats => Self::Stats,
            DiffFormat::Summary => Self::Summary,
            DiffFormat::Folded => Self::Folded,
            DiffFormat::Pprof => Self::Pprof,
            DiffFormat::Speedscope => Self::Speedscope,
            DiffFormat::Firefox => Self::Firefox,
            DiffFormat::Csv => Self::Csv,
            DiffFormat::Svg => Self::Svg,
            DiffFormat::Html => Self::Html,
        }
    }
}
