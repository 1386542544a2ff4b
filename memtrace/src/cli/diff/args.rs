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
    /// What is one difference
    #[arg(long, value_name = "WHAT", default_value = "stack", help_heading = help::CONTENT)]
    pub by: Grouping,
    /// Show this many differences, the largest first; 0 = all [default: 10; with --format json all]
    #[arg(short = 'T', long, value_name = "N", value_parser = values::count,
          allow_negative_numbers = true, help_heading = help::CONTENT)]
    pub top: Option<u64>,
    /// Name functions in full, with parameters and the arguments of templates, however long
    #[arg(long, help_heading = help::CONTENT)]
    pub full_names: bool,
    /// How to write it [default: as the end of the output's name says (.txt, .json, .folded, .svg), else text]
    #[arg(short, long, value_name = "FORMAT", help_heading = help::OUTPUT)]
    pub format: Option<DiffFormat>,
    /// Append it to this file (mode 0600) instead of writing it to standard output
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
    /// For programs that draw differential flame graphs: a line per call stack, outermost function first, with
    /// its live bytes before and after at the end
    Folded,
    /// For people: a flame graph as a picture (SVG), as wide as the larger of before and after; red grew, blue
    /// shrank. A file of that name is replaced
    Svg,
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
        match Format::chosen(None, self.output.as_deref()) {
            Format::Text => Ok(DiffFormat::Text),
            Format::Json => Ok(DiffFormat::Json),
            Format::Folded => Ok(DiffFormat::Folded),
            Format::Svg => Ok(DiffFormat::Svg),
            _ => Err(UsageError(
                "the end of the output's name asks for a format that differences do not have: give --format text, \
                 json, folded or svg, or another name"
                    .to_owned(),
            )),
        }
    }
}

impl From<DiffFormat> for Format {
    fn from(typed: DiffFormat) -> Self {
        match typed {
            DiffFormat::Text => Self::Text,
            DiffFormat::Json => Self::Json,
            DiffFormat::Folded => Self::Folded,
            DiffFormat::Svg => Self::Svg,
        }
    }
}
