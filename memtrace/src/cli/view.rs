//! Views of reports, as typed and as meant.

use super::args::Sort;
use super::diff::Layout;
use super::exit::UsageError;
use super::format::Format;
use super::plan::DEFAULT_TOP;
use super::{help, values};
use crate::engine::detail::{Detail, Period, Temporary};
use crate::model::ids::Nanos;
use crate::report::diff;
use crate::report::view::{By, Filter, Least, Measure, Stretch};
use crate::report::{View, ViewOptions};
use crate::selection::Pattern;
use clap::{Args, ValueEnum};
use std::time::Duration;

/// What is shown of call stacks.
#[derive(Clone, Debug, Default, Args)]
pub struct ViewArgs {
    /// What to show of call stacks [default: leaks]
    ///
    /// Chooses --format summary where no format is given (growth: text); with --format json it is an object of its
    /// own (schema memtrace.view/1). Formats for other programs and flame graphs show any of them but lifetimes: then
    /// that is their one figure. Of a run, `growth` is that since its last report, or since it began; of a recording
    /// that from --from to --to.
    #[arg(long, value_name = "WHAT", help_heading = help::VIEWS)]
    pub view: Option<Shown>,
    /// What --view temporary takes for temporary: freed before its thread has made so many more allocations, or at
    /// this age or earlier, such as 10ms [default: 1]
    ///
    /// 1 means: before the thread allocates again. A realloc is a free and an allocation.
    #[arg(long, value_name = "N|DUR", value_parser = temporary, help_heading = help::VIEWS)]
    pub temporary: Option<Temporary>,
    /// Sum views by this [default: function; places of statistics: line]
    ///
    /// In folded stacks, flame graphs, CSV, speedscope and Firefox files lines, source files and modules stand for
    /// functions, and threads and sizes are the outermost frame below the process; in pprof files these are labels.
    #[arg(long, value_name = "WHAT", help_heading = help::VIEWS)]
    pub by: Option<Grouping>,
    /// Turn the tree around: the functions that asked for memory come first, below them their callers
    ///
    /// Also folded stacks, flame graphs, CSV, speedscope and Firefox files, within a process (and a thread, or size).
    #[arg(long, help_heading = help::VIEWS)]
    pub inverted: bool,
    /// Follow the branches of the tree for so many functions; what lies deeper is summed at the last one
    ///
    /// In the same formats as --inverted. `-f csv --by module --inverted --depth 1` is a table of modules.
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
    /// Sum what holds fewer bytes than this (growth: what changed by fewer), instead of showing it
    #[arg(long, value_name = "BYTES", value_parser = values::size,
          allow_negative_numbers = true, help_heading = help::VIEWS)]
    pub min_bytes: Option<u64>,
    /// Sum what holds fewer blocks than this (growth: what changed by fewer), instead of showing it
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
    /// Threads that allocated
    Thread,
    /// Sizes from a power of two to below the next one
    SizeClass,
    /// Whole call stacks
    Stack,
}

/// What views show of call stacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shown {
    /// What is alive; with --from what was allocated after that and is alive at the end
    Leaks,
    /// What was alive at the high-water mark of all heaps together; of a live run, when each process held most
    Peak,
    /// All that was allocated
    Allocated,
    /// What was freed soon
    Temporary,
    /// What changed, as memtrace diff has it
    Growth,
    /// How old blocks became
    Lifetimes,
}

/// Most allocations that `--temporary` counts: each thread's latest are kept.
const MOST_ALLOCATIONS: u64 = 1000;

/// A number of allocations, or with a unit a length of time.
fn temporary(text: &str) -> Result<Temporary, String> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        let age = values::duration(text).map_err(|error| error.to_string())?;
        return Ok(Temporary::Age(u64::try_from(age.as_nanos()).unwrap_or(u64::MAX)));
    }
    let number = values::positive_count(text).map_err(|error| error.to_string())?;
    match u32::try_from(number) {
        Ok(number) if u64::from(number) <= MOST_ALLOCATIONS => Ok(Temporary::Allocations(number)),
        _ => Err(format!(
            "at most {MOST_ALLOCATIONS} allocations are counted; a duration has a unit"
        )),
    }
}

impl Shown {
    const fn name(self) -> &'static str {
        match self {
            Self::Leaks => "leaks",
            Self::Peak => "peak",
            Self::Allocated => "allocated",
            Self::Temporary => "temporary",
            Self::Growth => "growth",
            Self::Lifetimes => "lifetimes",
        }
    }
}

/// What views are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// A process that runs.
    Live,
    /// A recording; whether a period of it is meant.
    Recording { has_period: bool },
}

impl ViewArgs {
    /// It shows what changed.
    pub(super) fn is_growth(&self) -> bool {
        self.view == Some(Shown::Growth)
    }

    /// The first of these options that was typed.
    pub(super) fn first_given(&self) -> Option<&'static str> {
        let own = [("--view", self.view.is_some()), ("--temporary", self.temporary.is_some())];
        let mut all = own.into_iter().chain(self.of_views()).chain(self.of_trees());
        all.find(|(_, given)| *given).map(|(option, _)| option)
    }

    const fn of_views(&self) -> [(&'static str, bool); 5] {
        [
            ("--by", self.by.is_some()),
            ("--include", !self.include.is_empty()),
            ("--exclude", !self.exclude.is_empty()),
            ("--min-bytes", self.min_bytes.is_some()),
            ("--min-count", self.min_count.is_some()),
        ]
    }

    const fn of_trees(&self) -> [(&'static str, bool); 2] {
        [("--inverted", self.inverted), ("--depth", self.depth.is_some())]
    }

    /// The format that is meant where this one was chosen.
    pub(super) const fn format(&self, chosen: Format) -> Format {
        match (self.view, chosen) {
            (None | Some(Shown::Growth), _) => chosen,
            (Some(_), Format::Text) => Format::Summary,
            (Some(_), Format::Json) => Format::ViewJson,
            _ => chosen,
        }
    }

    /// What is measured; `None`: nothing was typed.
    fn measure(&self, source: Source) -> Option<Measure> {
        Some(match self.view? {
            Shown::Leaks | Shown::Growth => Measure::Leaks,
            Shown::Peak if source == Source::Live => Measure::OwnPeaks,
            Shown::Peak => Measure::Peak,
            Shown::Allocated => Measure::Allocated,
            Shown::Temporary => Measure::Temporary(self.temporary.unwrap_or_default()),
            Shown::Lifetimes => Measure::Lifetimes,
        })
    }

    /// Whether only what is alive at a moment matters.
    pub(super) fn is_of_the_moment(&self, source: Source) -> bool {
        match (self.view, source) {
            (None, _) | (Some(Shown::Peak), Source::Recording { .. }) => true,
            (Some(Shown::Leaks), source) => source != Source::Recording { has_period: true },
            _ => false,
        }
    }

    /// What tables keep for it. `after`: where a part of the run begins, if that is what is meant.
    pub(super) fn detail(&self, measure: Option<Measure>, after: Option<Nanos>) -> Detail {
        let temporary = match measure {
            Some(Measure::Temporary(rule)) => Some(rule),
            _ => None,
        };
        let has_account = temporary.is_some() || after.is_some() && measure != Some(Measure::Peak);
        let period = Period { after: after.unwrap_or(0), temporary: temporary.unwrap_or_default() };
        Detail {
            by_thread: self.by == Some(Grouping::Thread),
            by_size: self.by == Some(Grouping::SizeClass),
            period: has_account.then_some(period),
            slices: false,
        }
    }

    /// How growth is shown, if that is the view.
    ///
    /// # Errors
    /// When it is not told apart by that.
    pub(super) fn growth(
        &self,
        format: Format,
        top: Option<u64>,
        full_names: bool,
    ) -> Result<Option<Layout>, UsageError> {
        if self.view != Some(Shown::Growth) {
            return Ok(None);
        }
        let by = match self.by {
            None => super::diff::usual(format),
            Some(Grouping::Stack) => diff::By::Stack,
            Some(Grouping::Function) => diff::By::Function,
            Some(Grouping::Line) => diff::By::Line,
            Some(Grouping::File) => diff::By::File,
            Some(Grouping::Module) => diff::By::Module,
            Some(Grouping::Process) => diff::By::Process,
            Some(Grouping::Thread) => diff::By::Thread,
            Some(Grouping::SizeClass) => diff::By::SizeClass,
        };
        let Self { inverted, depth, .. } = *self;
        let least = self.least();
        let layout = Layout { format, by, top, full_names, inverted, depth, least };
        super::diff::check(&layout)?;
        Ok(Some(layout))
    }

    /// Patterns of names.
    ///
    /// # Errors
    /// When one makes no sense.
    pub(super) fn filter(&self) -> Result<Filter, UsageError> {
        filter(&self.include, &self.exclude)
    }

    fn least(&self) -> Least {
        Least { bytes: self.min_bytes.unwrap_or(0), count: self.min_count.unwrap_or(0) }
    }
}

impl From<Grouping> for By {
    fn from(typed: Grouping) -> Self {
        match typed {
            Grouping::Function => Self::Function,
            Grouping::Line => Self::Line,
            Grouping::File => Self::File,
            Grouping::Module => Self::Module,
            Grouping::Process => Self::Process,
            Grouping::Thread => Self::Thread,
            Grouping::SizeClass => Self::SizeClass,
            Grouping::Stack => Self::Stack,
        }
    }
}

/// What was typed that views heed, too, but other reports as well.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Beside {
    /// Rows; 0: all.
    pub(super) top: Option<u64>,
    /// What comes first.
    pub(super) sort: Option<Sort>,
    /// The first option that says which live blocks are meant.
    pub(super) of_blocks: Option<&'static str>,
}

/// What was typed, if it makes sense with `format`.
///
/// # Errors
/// When the format has no use for an option, or a pattern makes no sense.
pub(super) fn options(
    args: &ViewArgs,
    format: Format,
    beside: Beside,
    source: Source,
) -> Result<ViewOptions, UsageError> {
    if args.temporary.is_some() && args.view != Some(Shown::Temporary) {
        return Err(UsageError("--temporary is about one view: add --view temporary".into()));
    }
    suits(args, format, source)?;
    fits(args, format)?;
    measures(args, beside.sort, source)?;
    if let Some(option) = beside.of_blocks.filter(|_| !args.is_of_the_moment(source)) {
        return Err(UsageError(format!(
            "{option} is about blocks that are alive at a moment: leave it out with this view"
        )));
    }
    let top = beside.top;
    let is_long = matches!(format.view(), None | Some(View::Json));
    let usual = if is_long { 0 } else { DEFAULT_TOP };
    let number = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    Ok(ViewOptions {
        by: args.by.map(Into::into),
        inverted: args.inverted,
        depth: args.depth.map(number),
        top: Some(number(top.unwrap_or(usual))).filter(|top| *top > 0),
        least: args.least(),
        filter: args.filter()?,
        measure: args.measure(source),
        stretch: Stretch::default(),
    })
}

/// The first of these that was typed.
pub(super) fn of_blocks(
    min_age: Option<Duration>,
    min_size: Option<u64>,
    max_size: Option<u64>,
) -> Option<&'static str> {
    let all = [
        ("--min-age", min_age.is_some()),
        ("--min-size", min_size.is_some()),
        ("--max-size", max_size.is_some()),
    ];
    all.iter().find(|(_, given)| *given).map(|(option, _)| *option)
}

/// Options about figures that a view has not.
fn measures(args: &ViewArgs, sort: Option<Sort>, source: Source) -> Result<(), UsageError> {
    let by_blocks = sort == Some(Sort::Blocks);
    let (view, needless, why): (_, &[_], _) = match args.view {
        Some(Shown::Peak) if source == Source::Live => (
            "--view peak of a live run",
            &[("--min-count", args.min_count.is_some()), ("--sort blocks", by_blocks)],
            "knows bytes alone: leave it out, or trace with --record FILE and show the peak of that",
        ),
        Some(Shown::Lifetimes) => (
            "--view lifetimes",
            &[("--min-bytes", args.min_bytes.is_some()), ("--sort", sort.is_some())],
            "counts blocks and has most of them first: leave it out (--min-count N leaves rows out)",
        ),
        Some(Shown::Growth) => (
            "--view growth",
            &[("--sort", sort.is_some())],
            "has the largest differences first: leave it out",
        ),
        _ => return Ok(()),
    };
    match needless.iter().find(|(_, given)| *given) {
        Some((option, _)) => Err(UsageError(format!("{option} has no effect: {view} {why}"))),
        None => Ok(()),
    }
}

/// Formats that can show a view.
fn suits(args: &ViewArgs, format: Format, source: Source) -> Result<(), UsageError> {
    let Some(view) = args.view else { return Ok(()) };
    let has_period = source == Source::Recording { has_period: true };
    let why = match (view, format) {
        (Shown::Growth, _) => return Ok(()),
        (_, Format::Summary | Format::ViewJson) => return Ok(()),
        (Shown::Lifetimes, _) => {
            "counts blocks by their age, which other formats have no place for: add --format summary or json"
        }
        // All formats are about what is alive.
        (Shown::Leaks, _) if !has_period => return Ok(()),
        (Shown::Peak, _) if source != Source::Live => return Ok(()),
        (_, Format::Stats) => {
            "is no part of statistics, which tell of what is alive and of all that was allocated: add another --format, \
             such as summary"
        }
        _ => return Ok(()),
    };
    let period = if view == Shown::Leaks { " of a part of the run" } else { "" };
    Err(UsageError(format!("--view {}{period} {why}", view.name())))
}

/// An option that would change nothing is refused: whoever typed it would believe that it did.
fn fits(args: &ViewArgs, format: Format) -> Result<(), UsageError> {
    if args.is_growth() {
        // Differences have checks of their own.
        return Ok(());
    }
    let of_trees = args.of_trees();
    let typed = of_trees.iter().find(|(_, given)| *given).map(|(option, _)| *option);
    let why = match (typed, args.by) {
        (Some(option), _) if !turns(format) => Some((option, instead_of_trees(format))),
        (_, Some(by)) if !groups(by, format) => Some(("--by", instead_of_groups(format))),
        _ => None,
    };
    match why {
        Some((option, why)) => Err(UsageError(format!(
            "{option} has no effect with --format {}: {why}",
            format.name()
        ))),
        None => Ok(()),
    }
}

/// Call stacks are shown as paths, which can be turned around and cut.
const fn turns(format: Format) -> bool {
    format.has_paths() || matches!(format, Format::Tree)
}

fn instead_of_trees(format: Format) -> &'static str {
    match format {
        Format::Pprof => "pprof turns and cuts graphs itself; or add --format svg or folded",
        Format::Html => {
            "the page turns its graph around itself (its key ? lists how); or add --format tree or svg"
        }
        _ => "it is about paths of calls: add --format tree, svg or folded",
    }
}

/// Whether a format can sum by this.
const fn groups(by: Grouping, format: Format) -> bool {
    match format {
        Format::Text | Format::Json => false,
        // A page tells threads apart by a switch.
        Format::Html => matches!(by, Grouping::Thread),
        Format::Pprof => matches!(
            by,
            Grouping::Thread | Grouping::SizeClass | Grouping::Process | Grouping::Stack
        ),
        _ => true,
    }
}

fn instead_of_groups(format: Format) -> &'static str {
    match format {
        Format::Pprof => {
            "pprof sums by functions, lines and files itself (-functions, -lines, -files); or add --format svg or folded"
        }
        Format::Html => {
            "the page lists stacks or functions as its reader chooses (--by thread gives it a switch); or add --format summary \
             or svg"
        }
        Format::Json => "it lists whole call stacks: add --view leaks, whose JSON is grouped",
        _ => "it lists whole call stacks: add --format summary, tree or svg",
    }
}

/// Patterns of names as they were typed.
///
/// # Errors
/// When one makes no sense.
pub(super) fn filter(include: &[String], exclude: &[String]) -> Result<Filter, UsageError> {
    Ok(Filter {
        include: patterns("--include", include)?,
        exclude: patterns("--exclude", exclude)?,
    })
}

fn patterns(option: &str, typed: &[String]) -> Result<Vec<Pattern>, UsageError> {
    let pattern = |text: &String| {
        Pattern::of_name(text).map_err(|error| UsageError(format!("{option}: {error}")))
    };
    typed.iter().map(pattern).collect()
}

#[cfg(test)]
mod tests {
    use super::{
        Beside, By, Detail, Format, Grouping, Measure, Period, Shown, Sort, Source, Temporary,
        ViewArgs, options, temporary,
    };

    const NONE: Beside = Beside { top: None, sort: None, of_blocks: None };

    fn refused(args: &ViewArgs, format: Format) -> String {
        options(args, format, NONE, Source::Live).unwrap_err().to_string()
    }

    #[test]
    fn options_without_effect_are_refused() {
        let by = ViewArgs { by: Some(Grouping::Line), ..ViewArgs::default() };
        assert!(refused(&by, Format::Text).contains("--by has no effect with --format text"));
        assert_eq!(options(&by, Format::Summary, NONE, Source::Live).unwrap().by, Some(By::Line));
        let deep = ViewArgs { depth: Some(3), ..ViewArgs::default() };
        assert!(
            refused(&deep, Format::Summary).contains("--depth has no effect with --format sum")
        );
        assert_eq!(options(&deep, Format::Tree, NONE, Source::Live).unwrap().depth, Some(3));
        assert!(options(&ViewArgs::default(), Format::Pprof, NONE, Source::Live).is_ok());
    }

    #[test]
    fn options_about_figures_that_a_view_has_not_are_refused() {
        let recorded = Source::Recording { has_period: false };
        let of = |view| ViewArgs { view: Some(view), ..ViewArgs::default() };
        let many = |view| ViewArgs { min_count: Some(3), ..of(view) };
        let large = |view| ViewArgs { min_bytes: Some(3), ..of(view) };
        let asked = |args: &ViewArgs, sort, source| {
            let format = args.format(Format::Text);
            options(args, format, Beside { sort, ..NONE }, source)
                .map_err(|error| error.to_string())
        };
        for (args, sort, source, option) in [
            (many(Shown::Peak), None, Source::Live, "--min-count has no effect"),
            (of(Shown::Peak), Some(Sort::Blocks), Source::Live, "--sort blocks has no effect"),
            (large(Shown::Lifetimes), None, Source::Live, "--min-bytes has no effect"),
            (of(Shown::Lifetimes), Some(Sort::Bytes), recorded, "--sort has no effect"),
            (of(Shown::Growth), Some(Sort::Bytes), recorded, "--sort has no effect"),
        ] {
            let error = asked(&args, sort, source).unwrap_err();
            assert!(error.starts_with(option) && error.contains("leave it out"), "{error}");
        }
        for (args, sort, source) in [
            (many(Shown::Peak), Some(Sort::Blocks), recorded),
            (large(Shown::Peak), Some(Sort::Bytes), Source::Live),
            (many(Shown::Lifetimes), None, Source::Live),
        ] {
            assert!(asked(&args, sort, source).is_ok(), "{args:?}");
        }
    }

    #[test]
    fn patterns_that_make_no_sense_name_their_option() {
        let args = ViewArgs { exclude: vec!["a[".to_owned()], ..ViewArgs::default() };
        assert!(refused(&args, Format::Tree).starts_with("--exclude: pattern"));
        let long = "a".repeat(200);
        let args = ViewArgs { include: vec![long], ..ViewArgs::default() };
        assert_eq!(
            options(&args, Format::Tree, NONE, Source::Live).unwrap().filter.include.len(),
            1
        );
    }

    #[test]
    fn ten_are_shown_and_nought_means_all() {
        let top = |top| {
            let beside = Beside { top, ..NONE };
            options(&ViewArgs::default(), Format::Tree, beside, Source::Live).unwrap().top
        };
        assert_eq!((top(None), top(Some(0)), top(Some(3))), (Some(10), None, Some(3)));
    }

    #[test]
    fn what_is_temporary_is_a_number_or_a_time() {
        assert_eq!(temporary("3"), Ok(Temporary::Allocations(3)));
        assert_eq!(temporary("10ms"), Ok(Temporary::Age(10_000_000)));
        for wrong in ["0", "1001", "99999999999", "-1", "", "soon", "1x"] {
            assert!(temporary(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn tables_keep_what_a_view_needs() {
        let of = |view| ViewArgs { view: Some(view), ..ViewArgs::default() };
        let detail = |args: &ViewArgs, after| args.detail(args.measure(Source::Live), after);
        assert_eq!(detail(&of(Shown::Allocated), None), Detail::default());
        let rule = Temporary::Allocations(7);
        let brief = ViewArgs { temporary: Some(rule), ..of(Shown::Temporary) };
        let period = Period { after: 0, temporary: rule };
        assert_eq!(detail(&brief, None).period, Some(period));
        assert_eq!(detail(&of(Shown::Leaks), Some(128)).period.map(|it| it.after), Some(128));
        let by = |by| ViewArgs { by: Some(by), ..ViewArgs::default() };
        let [threads, sizes] =
            [Grouping::Thread, Grouping::SizeClass].map(|it| detail(&by(it), None));
        assert_eq!((threads.by_thread, threads.by_size), (true, false));
        assert_eq!((sizes.by_thread, sizes.by_size), (false, true));
    }

    #[test]
    fn which_live_blocks_matters_of_a_moment_alone() {
        let recorded = Source::Recording { has_period: false };
        let typed = Beside { of_blocks: Some("--min-age"), ..NONE };
        let asked = |view, source| {
            let args = ViewArgs { view: Some(view), ..ViewArgs::default() };
            options(&args, args.format(Format::Text), typed, source).is_ok()
        };
        assert!(asked(Shown::Leaks, Source::Live) && asked(Shown::Peak, recorded));
        for view in
            [Shown::Peak, Shown::Allocated, Shown::Temporary, Shown::Growth, Shown::Lifetimes]
        {
            assert!(!asked(view, Source::Live), "{view:?}");
        }
    }

    #[test]
    fn views_have_their_formats() {
        let of = |view| ViewArgs { view: Some(view), ..ViewArgs::default() };
        let recorded = Source::Recording { has_period: false };
        let period = Source::Recording { has_period: true };
        let refused = |view, format, source| {
            options(&of(view), format, NONE, source).unwrap_err().to_string()
        };
        assert_eq!(of(Shown::Allocated).format(Format::Text), Format::Summary);
        assert_eq!(of(Shown::Allocated).format(Format::Json), Format::ViewJson);
        assert_eq!(of(Shown::Growth).format(Format::Json), Format::Json);
        assert!(options(&of(Shown::Allocated), Format::Csv, NONE, recorded).is_ok());
        assert!(
            refused(Shown::Allocated, Format::Stats, recorded).contains("no part of statistics")
        );
        assert!(refused(Shown::Leaks, Format::Stats, period).contains("of a part of the run"));
        assert!(options(&of(Shown::Leaks), Format::Html, NONE, period).is_ok());
        assert!(options(&of(Shown::Leaks), Format::Html, NONE, recorded).is_ok());
        assert!(refused(Shown::Lifetimes, Format::Tree, recorded).contains("summary or json"));
        assert!(refused(Shown::Lifetimes, Format::Csv, recorded).contains("summary or json"));
        let peak = |source| options(&of(Shown::Peak), Format::Tree, NONE, source).unwrap().measure;
        assert_eq!(peak(Source::Live), Some(Measure::OwnPeaks));
        assert_eq!(peak(recorded), Some(Measure::Peak));
        let by = ViewArgs { by: Some(Grouping::Thread), ..of(Shown::Growth) };
        assert!(options(&by, Format::Text, NONE, recorded).is_ok());
        let layout = by.growth(Format::Csv, None, false).unwrap().unwrap();
        assert_eq!(layout.by, crate::report::diff::By::Thread);
        let top = by.growth(Format::Csv, Some(3), false).unwrap_err().to_string();
        assert!(top.contains("--top is about"), "{top}");
        let summary = of(Shown::Growth).growth(Format::Summary, Some(3), false).unwrap().unwrap();
        assert_eq!(summary.by, crate::report::diff::By::Function);
        let depth = ViewArgs { depth: Some(2), ..of(Shown::Growth) };
        assert_eq!(depth.growth(Format::Tree, None, false).unwrap().unwrap().depth, Some(2));
        let error = depth.growth(Format::Text, None, false).unwrap_err().to_string();
        assert!(error.contains("--depth is about differences as a tree"), "{error}");
        let least = ViewArgs { min_bytes: Some(2), ..of(Shown::Growth) };
        assert_eq!(least.growth(Format::Tree, None, false).unwrap().unwrap().least.bytes, 2);
        let rule = ViewArgs { temporary: Some(Default::default()), ..ViewArgs::default() };
        let error = options(&rule, Format::Text, NONE, Source::Live).unwrap_err().to_string();
        assert!(error.contains("add --view temporary"), "{error}");
    }
}
