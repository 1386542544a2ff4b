//! Views of reports, as typed and as meant.

use super::exit::UsageError;
use super::format::Format;
use super::plan::DEFAULT_TOP;
use super::{help, values};
use crate::report::view::{By, Filter, Least};
use crate::report::{View, ViewOptions};
use crate::selection::Pattern;
use clap::{Args, ValueEnum};

/// What `--format tree` and its like show.
#[derive(Clone, Debug, Default, Args)]
pub struct ViewArgs {
    /// Sum views by this [default: function; places of statistics: line]
    #[arg(long, value_name = "WHAT", help_heading = help::VIEWS)]
    pub by: Option<Grouping>,
    /// Turn the tree around: the functions that asked for memory come first, below them their callers
    #[arg(long, help_heading = help::VIEWS)]
    pub inverted: bool,
    /// Follow the branches of the tree for so many functions; what lies deeper is summed at the last one
    #[arg(long, value_name = "N", value_parser = values::positive_count,
          allow_negative_numbers = true, help_heading = help::VIEWS)]
    pub depth: Option<u64>,
    /// Only call stacks with such a name in them (repeatable: any of them)
    ///
    /// Names are those of functions, in full or short, of source files, with or without their directories, and of
    /// programs and libraries. The whole of a name must match: 'cache_*', '*.cpp', 'libssl*'. What is left
    /// out is summed in a line of its own.
    #[arg(long, value_name = "PATTERN", help_heading = help::VIEWS)]
    pub include: Vec<String>,
    /// No call stacks with such a name in them (repeatable)
    #[arg(long, value_name = "PATTERN", help_heading = help::VIEWS)]
    pub exclude: Vec<String>,
    /// Sum what holds fewer bytes than this, instead of showing it
    #[arg(long, value_name = "BYTES", value_parser = values::size,
          allow_negative_numbers = true, help_heading = help::VIEWS)]
    pub min_bytes: Option<u64>,
    /// Sum what holds fewer blocks than this, instead of showing it
    #[arg(long, value_name = "N", value_parser = values::count,
          allow_negative_numbers = true, help_heading = help::VIEWS)]
    pub min_count: Option<u64>,
}

/// By what views sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Grouping {
    /// Functions
    Function,
    /// Lines of functions, where there is debug information
    Line,
    /// Source files, where there is debug information
    File,
    /// Programs and libraries
    Module,
    /// Processes
    Process,
    /// Whole call stacks
    Stack,
}

impl From<Grouping> for By {
    fn from(typed: Grouping) -> Self {
        match typed {
            Grouping::Function => Self::Function,
            Grouping::Line => Self::Line,
            Grouping::File => Self::File,
            Grouping::Module => Self::Module,
            Grouping::Process => Self::Process,
            Grouping::Stack => Self::Stack,
        }
    }
}

/// What was typed, if it makes sense with `format`. `top` is what was typed, too; 0: all.
///
/// # Errors
/// When the format has no use for an option, or a pattern makes no sense.
pub(super) fn options(
    args: &ViewArgs,
    format: Format,
    top: Option<u64>,
) -> Result<ViewOptions, UsageError> {
    fits(args, format)?;
    let number = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    Ok(ViewOptions {
        by: args.by.map(Into::into),
        inverted: args.inverted,
        depth: args.depth.map(number),
        top: Some(number(top.unwrap_or(DEFAULT_TOP))).filter(|top| *top > 0),
        least: Least { bytes: args.min_bytes.unwrap_or(0), count: args.min_count.unwrap_or(0) },
        filter: Filter {
            include: patterns("--include", &args.include)?,
            exclude: patterns("--exclude", &args.exclude)?,
        },
    })
}

/// An option that would change nothing is refused: whoever typed it would believe that it did.
fn fits(args: &ViewArgs, format: Format) -> Result<(), UsageError> {
    let view = format.view();
    let of_views = [
        ("--by", args.by.is_some()),
        ("--include", !args.include.is_empty()),
        ("--exclude", !args.exclude.is_empty()),
        ("--min-bytes", args.min_bytes.is_some()),
        ("--min-count", args.min_count.is_some()),
    ];
    let of_trees = [("--inverted", args.inverted), ("--depth", args.depth.is_some())];
    let needless = |options: &[(&'static str, bool)]| {
        options.iter().find(|(_, given)| *given).map(|(option, _)| *option)
    };
    if let Some(option) = needless(&of_trees).filter(|_| view != Some(View::Tree)) {
        return Err(UsageError(format!("{option} is about the tree: add --format tree")));
    }
    if let Some(option) = needless(&of_views).filter(|_| view.is_none()) {
        return Err(UsageError(format!(
            "{option} is about views of a report: add --format tree, summary or stats"
        )));
    }
    Ok(())
}

fn patterns(option: &str, typed: &[String]) -> Result<Vec<Pattern>, UsageError> {
    let pattern = |text: &String| {
        Pattern::of_name(text).map_err(|error| UsageError(format!("{option}: {error}")))
    };
    typed.iter().map(pattern).collect()
}

#[cfg(test)]
mod tests {
    use super::{By, Format, Grouping, ViewArgs, options};

    fn refused(args: &ViewArgs, format: Format) -> String {
        options(args, format, None).unwrap_err().to_string()
    }

    #[test]
    fn options_without_effect_are_refused() {
        let by = ViewArgs { by: Some(Grouping::Line), ..ViewArgs::default() };
        assert!(refused(&by, Format::Text).contains("--by is about views"));
        assert_eq!(options(&by, Format::Summary, None).unwrap().by, Some(By::Line));
        let deep = ViewArgs { depth: Some(3), ..ViewArgs::default() };
        assert!(refused(&deep, Format::Summary).contains("--depth is about the tree"));
        assert_eq!(options(&deep, Format::Tree, None).unwrap().depth, Some(3));
        assert!(options(&ViewArgs::default(), Format::Pprof, None).is_ok());
    }

    #[test]
    fn patterns_that_make_no_sense_name_their_option() {
        let args = ViewArgs { exclude: vec!["a[".to_owned()], ..ViewArgs::default() };
        assert!(refused(&args, Format::Tree).starts_with("--exclude: pattern"));
        let long = "a".repeat(200);
        let args = ViewArgs { include: vec![long], ..ViewArgs::default() };
        assert_eq!(options(&args, Format::Tree, None).unwrap().filter.include.len(), 1);
    }

    #[test]
    fn ten_are_shown_and_nought_means_all() {
        let top = |typed| options(&ViewArgs::default(), Format::Tree, typed).unwrap().top;
        assert_eq!((top(None), top(Some(0)), top(Some(3))), (Some(10), None, Some(3)));
    }
}
