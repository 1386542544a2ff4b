//! `memtrace diff`: what changed between two reports.

mod args;
mod place;
mod read;
mod recorded;
mod snapshots;

pub use args::{DiffArgs, DiffFormat};

use super::aggregated::Found;
use super::args::Color;
use super::exit::{Exit, UsageError};
use super::format::Format;
use super::log::{self, Verbosity};
use super::output::{Destination, Label};
use super::plan;
use super::terminal::{Style, stderr_color};
use super::view;
use crate::recording::{self, Head};
use crate::report::diff::{self, By, Diff, Side, TextOptions, ViewOptions, Which};
use crate::report::view::{Filter, Least};
use crate::report::{Report, TextStyle};
use anyhow::{Context as _, bail};
use jiff::Timestamp;
use place::{At, Place};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::path::Path;

/// Differences that are shown unless more are asked for.
const TOP: u64 = 10;

/// Compares, and writes what is different.
///
/// # Errors
/// When one of the two cannot be read, or is neither a recording nor a report; when the result cannot be written.
pub fn run(args: &DiffArgs) -> anyhow::Result<Exit> {
    log::init(Verbosity::Normal, stderr_color(Color::Auto));
    let format = Format::from(args.format()?);
    let by = args.by.map_or_else(|| usual(format), By::from);
    let layout = Layout {
        format,
        by,
        top: args.top,
        full_names: args.full_names,
        inverted: args.inverted,
        depth: args.depth,
        least: Least { bytes: args.min_bytes.unwrap_or(0), count: args.min_count.unwrap_or(0) },
    };
    check(&layout)?;
    let filter = view::filter(&args.include, &args.exclude)?;
    let output = plan::output(args.output.as_deref())?;
    let mut destination = Destination::of(output.as_ref(), format, std::process::id())?;
    let grain = layout.grain();
    let [before, after] =
        [&args.before, &args.after].map(|typed| Input::read(typed, &filter, grain));
    let (before, after) = (before?, after?);
    let style = destination.style(Color::Auto);
    let text = written(layout, style, &before, &after)?;
    let time = after.side.time.unwrap_or(Timestamp::UNIX_EPOCH);
    destination.write(Label { sequence: after.side.sequence, time }, &text)?;
    let is_degraded = before.is_degraded() || after.is_degraded();
    Ok(if is_degraded { Exit::Degraded } else { Exit::Success })
}

/// Most forms are of all differences: their sums are those of the whole.
///
/// # Errors
/// When an option was typed that the form has no use for.
pub(super) fn check(layout: &Layout) -> Result<(), UsageError> {
    let Layout { format, top, inverted, depth, .. } = *layout;
    let is_of_some = matches!(format, Format::Text | Format::Json) || format.view().is_some();
    let of_trees = [("--inverted", inverted), ("--depth", depth.is_some())];
    let typed = of_trees.iter().find(|(_, given)| *given && format != Format::Tree);
    match (top, typed) {
        (Some(_), _) if !is_of_some => Err(UsageError(
            "--top is about differences as text, JSON and views (tree, summary, stats), other formats have all of them: leave it \
             out"
            .to_owned(),
        )),
        (_, Some((option, _))) => Err(UsageError(format!(
            "{option} is about differences as a tree: add --format tree"
        ))),
        _ => Ok(()),
    }
}

/// By what differences are told apart where nobody says it.
pub(super) const fn usual(format: Format) -> By {
    match format {
        Format::Summary | Format::Tree => By::Function,
        Format::Stats => By::Line,
        _ => By::Stack,
    }
}

/// How differences are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// As text whatever differences have no form of.
    pub(super) format: Format,
    pub(super) by: By,
    /// What was typed; 0: all.
    pub(super) top: Option<u64>,
    pub(super) full_names: bool,
    /// Of a tree, and the next one, too.
    pub(super) inverted: bool,
    pub(super) depth: Option<u64>,
    /// What changed by less is summed.
    pub(super) least: Least,
}

impl Layout {
    pub(super) fn grain(&self) -> Grain {
        Grain { by: self.by, has_sizes: self.format == Format::Stats }
    }

    fn view(self, style: Style, top: usize) -> ViewOptions {
        let Style { columns: width, color, ascii } = style;
        let Self { full_names, inverted, depth, least, .. } = self;
        let style = TextStyle { width, color, full: true };
        let depth = depth.map(|depth| usize::try_from(depth).unwrap_or(usize::MAX));
        ViewOptions { top, least, full_names, inverted, depth, style, ascii }
    }
}

/// The differences as they are written.
///
/// # Errors
/// None but those of JSON.
pub(super) fn written(
    layout: Layout,
    style: Style,
    before: &Input,
    after: &Input,
) -> io::Result<Vec<u8>> {
    let sides = [(before.name.as_str(), &before.side), (after.name.as_str(), &after.side)];
    let usual = if layout.format == Format::Json { 0 } else { TOP };
    let top = usize::try_from(layout.top.unwrap_or(usual)).unwrap_or(usize::MAX);
    let full_names = layout.full_names;
    let mut out = Vec::new();
    let view = layout.view(style, top);
    match layout.format {
        Format::Tree => diff::write_tree(sides, layout.by, &view, &mut out)?,
        Format::Stats => diff::write_stats(sides, layout.by, &view, &mut out)?,
        Format::Summary => diff::write_summary(sides, layout.by, &view, &mut out)?,
        _ => return of_all(layout, sides, TextOptions { top, full_names }),
    }
    Ok(out)
}

/// Forms of rows, and not of what stacks lead through.
fn of_all(layout: Layout, sides: [(&str, &Side); 2], text: TextOptions) -> io::Result<Vec<u8>> {
    let [(_, before), (_, after)] = sides;
    let TextOptions { top, full_names } = text;
    let mut out = Vec::new();
    let diff = Diff::between(before, after, layout.by).without_little(layout.least);
    match layout.format {
        Format::Json => diff::write_json(&diff, sides, top, &mut out)?,
        Format::Folded => diff::write_folded(&diff, full_names, &mut out)?,
        Format::Svg => diff::write_svg(&diff, sides, full_names, &mut out)?,
        Format::Csv => diff::write_csv(&diff, sides, full_names, &mut out)?,
        Format::Pprof => diff::write_pprof(&diff, sides, full_names, &mut out)?,
        Format::Speedscope => diff::write_speedscope(&diff, sides, full_names, &mut out)?,
        Format::Firefox => diff::write_firefox(&diff, sides, full_names, &mut out)?,
        Format::Html => diff::write_html(&diff, sides, full_names, &mut out)?,
        _ => diff::write_text(&diff, sides, text, &mut out)?,
    }
    Ok(out)
}

/// What a side must tell apart.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Grain {
    by: By,
    /// Sizes of blocks, as far as that can be had.
    has_sizes: bool,
}

impl Grain {
    /// Without it there is no such comparison.
    const fn is_typed(self) -> bool {
        matches!(self.by, By::Thread | By::SizeClass)
    }
}

/// One of the two.
pub(super) struct Input {
    pub(super) name: String,
    pub(super) side: Side,
    /// It is at the moment that was asked for.
    is_there: bool,
}

impl Input {
    fn read(typed: &OsStr, filter: &Filter, grain: Grain) -> anyhow::Result<Self> {
        let place = Place::of(typed);
        let path = &place.file;
        let file = File::open(path).with_context(|| format!("cannot open {path:?}"))?;
        let mut input = BufReader::new(file);
        let beginning = input.fill_buf().with_context(|| format!("cannot read {path:?}"))?;
        let is_recording = beginning.first() == Some(&Head::FIRST_BYTE);
        let (side, is_there) = match &place.at {
            At::Report(which) if is_recording => {
                recorded::side(input, path, *which, filter, grain)?
            }
            At::Report(_) if grain.is_typed() => bail!(
                "{path:?} is a file of reports, which tell neither threads nor sizes apart: leave out --by, or compare recordings \
                 (memtrace --record FILE)"
            ),
            At::Report(which) => {
                let read = read::report(input, *which, filter);
                (read.with_context(|| format!("cannot compare {path:?}"))?, true)
            }
            At::Moment(typed) if is_recording => {
                (recorded::side_at_moment(path, typed, filter, grain)?, true)
            }
            At::Moment(typed) => bail!(
                "{path:?} is a file of reports: what follows @ must be first, last or a number, and not {typed:?}, as \
                 only recordings have moments"
            ),
        };
        Ok(Self { name: place.name(), side, is_there })
    }

    /// A report of all stacks, under this name.
    pub(super) fn of(report: &Report, name: &str) -> Self {
        Self { name: name.to_owned(), side: Side::of(report), is_there: true }
    }

    /// The beginning of the run of `report`, when nothing was known to be alive.
    pub(super) fn start_of(report: &Report) -> Self {
        let side = Side {
            time: Some(report.tracer.began),
            sample_interval: report.tracer.sample_interval_bytes,
            ..Side::default()
        };
        Self { name: "start".to_owned(), side, is_there: true }
    }

    /// A moment of a recording, of the stacks that `filter` admits, under this name.
    ///
    /// # Errors
    /// When the recording cannot be read so far.
    pub(super) fn at(
        path: &Path,
        place: &recording::Place,
        filter: &Filter,
        grain: Grain,
        name: String,
    ) -> anyhow::Result<Self> {
        Ok(Self { name, side: recorded::side_at(path, place, filter, grain)?, is_there: true })
    }

    /// A snapshot of a recording, likewise.
    ///
    /// # Errors
    /// When it makes no sense.
    pub(super) fn of_snapshot(
        path: &Path,
        found: &Found,
        filter: &Filter,
        grain: Grain,
        name: String,
    ) -> anyhow::Result<Self> {
        Ok(Self { name, side: snapshots::side_of(path, found, filter, grain)?, is_there: true })
    }

    /// A recording's end, likewise.
    ///
    /// # Errors
    /// When the recording is none, or has nothing.
    pub(super) fn at_end(path: &Path, filter: &Filter, grain: Grain) -> anyhow::Result<Self> {
        let file = File::open(path).with_context(|| format!("cannot open {path:?}"))?;
        let (side, is_there) =
            recorded::side(BufReader::new(file), path, Which::Last, filter, grain)?;
        Ok(Self { name: "end".to_owned(), side, is_there })
    }

    pub(super) fn is_degraded(&self) -> bool {
        !self.side.degraded.is_empty() || !self.is_there
    }
}
