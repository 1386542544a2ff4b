//! Which part of a recording a report is of, and what its tables keep for it.

use super::ReportArgs;
use crate::cli::exit::UsageError;
use crate::cli::format::Format;
use crate::cli::replaying::{most, open};
use crate::cli::values;
use crate::cli::view::{Shown, Source};
use crate::engine::detail::{Detail, Period, Temporary};
use crate::model::ids::Nanos;
use crate::model::mark::MarkName;
use crate::recording::{LocateError, Place, Replay, Wanted, exactly, locate, peak};
use crate::report::view::Measure;
use anyhow::{Context as _, bail};
use std::path::Path;

/// The moment that is no mark's and no time's name.
const PEAK: &str = "peak";

/// A part of a recording.
#[derive(Debug, Default)]
pub(super) struct Scope {
    /// What happened until then is not in it; `None`: all is.
    pub(super) from: Option<Place>,
    /// Where it ends; `None`: where the recording does.
    pub(super) until: Option<Place>,
    /// What is to be kept.
    pub(super) detail: Detail,
}

impl Scope {
    /// Looks the moments up that were typed.
    ///
    /// # Errors
    /// When there are no such moments, or they are in the wrong order.
    pub(super) fn of(args: &ReportArgs, measure: Option<Measure>) -> anyhow::Result<Self> {
        let (from, until) = moments(args)?;
        let after = from.as_ref().map_or(0, |from| from.time);
        let until = match measure {
            Some(Measure::Peak) => Some(high_water_mark(&args.file, after, until.as_ref())?),
            _ => until,
        };
        let detail = detail(args, measure, from.is_some().then_some(after));
        Ok(Self { from, until, detail })
    }

    /// Whether it begins before it ends, at `until`.
    ///
    /// # Errors
    /// When it does not.
    pub(super) fn is_before(&self, until: Nanos) -> anyhow::Result<()> {
        match &self.from {
            Some(from) if from.time >= until => {
                bail!(
                    "nothing was recorded after --from, {} after the start",
                    exactly(from.since_start)
                )
            }
            _ => Ok(()),
        }
    }
}

/// The moments that were typed, each in the place where it is.
///
/// # Errors
/// As for [`Scope::of`].
pub(super) fn moments(args: &ReportArgs) -> anyhow::Result<(Option<Place>, Option<Place>)> {
    let path = &args.file;
    let option = if args.to.is_some() { "--to" } else { "--at" };
    let from = args.from.as_deref().map(|typed| place(path, "--from", typed)).transpose()?;
    let until = args.until().map(|typed| place(path, option, typed)).transpose()?;
    if let (Some(from), Some(until)) = (&from, &until)
        && from.time >= until.time
    {
        bail!(
            "--from is {} after the start of {path:?} and {option} {}: there is nothing between them, exchange them or \
             choose others",
            exactly(from.since_start),
            exactly(until.since_start)
        );
    }
    Ok((from, until))
}

/// Options that do not go together. (That some need others is clap's to say.)
///
/// # Errors
/// When there are some.
pub(super) fn check(args: &ReportArgs) -> Result<(), UsageError> {
    if args.all && args.format().is_one_only(args.output.as_deref()) {
        return Err(UsageError(
            "reports of this form cannot follow each other on standard output: with --all name files with -o, \
             such as `-o NAME-{seq}`"
                .to_owned(),
        ));
    }
    if args.from.is_some() && args.view.view.is_none() {
        return Err(UsageError(
            "--from is about views: add --view, such as --view leaks or --view growth".into(),
        ));
    }
    if args.all && args.view.view.is_some_and(|view| matches!(view, Shown::Peak | Shown::Growth)) {
        return Err(UsageError(
            "--all is of moments, and this view is of the whole run: leave it out".into(),
        ));
    }
    let of_reports = [("--full", args.full), ("--show-internals", args.show_internals)];
    if args.view.view == Some(Shown::Growth)
        && let Some((option, _)) = of_reports.iter().find(|(_, given)| *given)
    {
        return Err(UsageError(format!("{option} is not for --view growth: leave it out")));
    }
    Ok(())
}

/// What views are made of.
pub(super) const fn source(args: &ReportArgs) -> Source {
    Source::Recording { has_period: args.from.is_some() }
}

/// `after`: where a part begins, if one was typed.
pub(super) fn detail(args: &ReportArgs, measure: Option<Measure>, after: Option<Nanos>) -> Detail {
    let detail = args.view.detail(measure, after);
    let is_page = args.format() == Format::Html;
    // A page may be switched to any view.
    let of_pages = Period { after: after.unwrap_or(0), temporary: Temporary::default() };
    Detail {
        by_size: detail.by_size || args.format() == Format::Stats,
        period: detail.period.or(is_page.then_some(of_pages)),
        slices: is_page,
        ..detail
    }
}

/// What was typed, as either.
fn wanted(option: &str, typed: &str) -> anyhow::Result<Wanted> {
    let since_start = values::duration(typed).ok();
    let since_start =
        since_start.map(|time| Nanos::try_from(time.as_nanos()).unwrap_or(Nanos::MAX));
    let name = MarkName::new(typed);
    if since_start.is_none() && name.is_err() {
        let context = || format!("{option} is neither a time such as 90s nor a mark");
        name.clone().with_context(context)?;
    }
    Ok(Wanted { name: name.ok(), since_start })
}

/// Where the moment is that was typed.
///
/// # Errors
/// When there is none.
pub(in crate::cli) fn place(path: &Path, option: &str, typed: &str) -> anyhow::Result<Place> {
    let wanted = wanted(option, typed)?;
    match locate(&mut open(path)?, &wanted) {
        Err(LocateError::NoSuchMark { .. }) if typed == PEAK => high_water_mark(path, 0, None),
        found => found.with_context(|| format!("{path:?}, {option} {typed}")),
    }
}

fn high_water_mark(path: &Path, after: Nanos, until: Option<&Place>) -> anyhow::Result<Place> {
    let found = peak(&mut open(path)?, Replay::new(most()), after, until);
    Ok(found.with_context(|| format!("{path:?}"))?.place)
}

#[cfg(test)]
mod tests {
    use super::wanted as wanted_by;
    use crate::recording::Wanted;

    fn wanted(typed: &str) -> anyhow::Result<Wanted> {
        wanted_by("--at", typed)
    }

    #[test]
    fn a_time_may_be_a_name_too() {
        let both = wanted("90s").unwrap();
        assert_eq!(both.since_start, Some(90_000_000_000));
        assert_eq!(both.name.unwrap().as_str(), "90s");
        assert_eq!(wanted("deploy").unwrap().since_start, None);
        assert_eq!(wanted("12.346s").unwrap().since_start, Some(12_346_000_000));
        assert!(wanted("").is_err());
        assert!(wanted("a\nb").is_err());
    }
}
