//! What views of differences have in common: what a row is called, its figures in columns, what stands above and below.

use super::flat::notes;
use super::grouping::{By, Diff, Key};
use super::held::{BLOCKS, BYTES, Both, Moved, Told, Unit};
use super::little::is_little;
use super::side::{Frame, Side};
use super::text::{figures_of, place, size_class};
use crate::report::flat::NO_STACK;
use crate::report::layout::{wrap, wrap_hanging};
use crate::report::text::TextStyle;
use crate::report::units::{bytes, count};
use crate::report::view::{self, Entry, Least, Naming};
use std::io;

/// Innermost functions that name a stack.
const NAMED: usize = 3;
/// What is not listed, and what a side does not say.
pub(super) const UNKNOWN: &str = "unknown";
/// Before what does not fit into columns.
pub(super) const INDENT: &str = "            ";

/// What a view of differences shows, and how it looks.
#[derive(Clone, Copy, Debug, Default)]
pub struct ViewOptions {
    /// Rows, or ends of branches, to show; 0: all that changed.
    pub top: usize,
    /// What changed by less is not shown by itself.
    pub least: Least,
    /// Functions by their full names.
    pub full_names: bool,
    /// The innermost functions are the roots of the tree.
    pub inverted: bool,
    /// Most entries from a root of the tree to an end; `None`: any number.
    pub depth: Option<usize>,
    /// Its width.
    pub style: TextStyle,
    /// It is drawn with ASCII characters alone.
    pub ascii: bool,
}

impl ViewOptions {
    pub(super) const fn columns(&self) -> usize {
        self.style.columns()
    }

    pub(super) const fn most(&self) -> usize {
        if self.top == 0 { usize::MAX } else { self.top }
    }

    /// How names are fitted into a column.
    pub(super) fn naming(&self, by: By) -> Naming {
        // A line is called by its file.
        let by = if by == By::Line { view::By::File } else { by.of_views() };
        Naming { by, full_names: self.full_names, internals: false }
    }
}

impl By {
    /// The same of reports.
    pub(super) const fn of_views(self) -> view::By {
        match self {
            Self::Stack => view::By::Stack,
            Self::Function => view::By::Function,
            Self::Line => view::By::Line,
            Self::File => view::By::File,
            Self::Module => view::By::Module,
            Self::Process => view::By::Process,
            Self::Thread => view::By::Thread,
            Self::SizeClass => view::By::SizeClass,
        }
    }

    /// By what two sides are compared, so that what this sums by is the way of each stack through its frames.
    const fn whole(self) -> Self {
        match self {
            Self::Process | Self::Thread | Self::SizeClass => self,
            _ => Self::Stack,
        }
    }
}

/// Two sides, compared as a view needs it.
pub(super) fn compare([before, after]: [(&str, &Side); 2], by: By) -> Diff {
    Diff::between(before.1, after.1, by.whole())
}

/// What a row leads through, outermost first; at least one.
pub(super) fn path(key: &Key, by: By, full_names: bool) -> Vec<Entry> {
    let named = |name: &str, place: &str| Entry {
        name: name.to_owned(),
        place: place.to_owned(),
        is_rest: false,
    };
    let rest = |name: &str| vec![Entry { is_rest: true, ..named(name, "") }];
    match key {
        Key::Stack { frames, .. } if frames.is_empty() => rest(NO_STACK),
        Key::Stack { process, frames, .. } if by == By::Stack => {
            vec![named(&innermost(frames, full_names), process)]
        }
        Key::Stack { frames, .. } => through(frames, by, full_names),
        Key::Caller(frame) => {
            frame.as_ref().map_or_else(|| rest(NO_STACK), |it| vec![entry(it, by, full_names)])
        }
        Key::Process(name) => vec![named(name, "")],
        Key::Thread { process, thread } => vec![named(&thread.name(), process)],
        Key::SizeClass(class) => vec![named(&size_class(*class), "")],
        Key::LeftOut { why, .. } => rest(&format!("({why})")),
    }
}

/// The process that a row is of, where rows are of one.
pub(super) fn process_of(key: &Key) -> Option<&str> {
    match key {
        Key::Stack { process, .. } => Some(process),
        Key::LeftOut { process, .. } => process.as_deref(),
        _ => None,
    }
}

fn through(frames: &[Frame], by: By, full_names: bool) -> Vec<Entry> {
    let mut path: Vec<Entry> =
        frames.iter().rev().map(|frame| entry(frame, by, full_names)).collect();
    // A file that calls itself is one thing, a function that does is recursion.
    if matches!(by, By::File | By::Module) {
        path.dedup();
    }
    path
}

fn entry(frame: &Frame, by: By, full_names: bool) -> Entry {
    let part = by.part_of(frame);
    let (name, place) = match &part.function {
        Some(_) => (part.name(full_names), part.module.unwrap_or_default()),
        None => (place(Some(&part), full_names), String::new()),
    };
    Entry { name, place, is_rest: false }
}

fn innermost(frames: &[Frame], full_names: bool) -> String {
    let mut names: Vec<String> =
        frames.iter().take(NAMED + 1).map(|frame| frame.name(full_names)).collect();
    if let Some(more) = names.get_mut(NAMED) {
        *more = "…".to_owned();
    }
    names.join(" < ")
}

/// What a side has: `4.88 KiB`, `≈` of an estimate, `≥` of what is listed in part.
pub(super) fn now(after: Told, unit: Unit, write: fn(u64) -> String) -> String {
    let Some(figure) = after.amount.map(unit) else { return UNKNOWN.to_owned() };
    let sign = match (after.is_all, figure.is_estimate()) {
        (false, _) => "≥",
        (true, true) => "≈",
        (true, false) => "",
    };
    format!("{sign}{}", write(figure.value))
}

/// What it gained: `+3.91 KiB`, likewise.
pub(super) fn gained(both: Both, unit: Unit, write: fn(u64) -> String) -> String {
    let (about, value) = match both.moved(unit) {
        Moved::By(change) if change.is_estimate() => ("≈", change.value),
        Moved::By(change) => ("", change.value),
        Moved::AtMost(most) => ("≤", most),
        Moved::AtLeast(least) => ("≥", least),
        Moved::Unknown => return UNKNOWN.to_owned(),
    };
    let sign = if value < 0 { '-' } else { '+' };
    let size = u64::try_from(value.unsigned_abs()).unwrap_or(u64::MAX);
    format!("{about}{sign}{}", write(size))
}

/// Bytes after, and how many more than before.
pub(super) fn sizes(both: Both) -> [String; 2] {
    [now(both.0[1], BYTES, bytes), gained(both, BYTES, bytes)]
}

/// Likewise blocks.
pub(super) fn counts(both: Both) -> [String; 2] {
    [now(both.0[1], BLOCKS, count), gained(both, BLOCKS, count)]
}

/// What columns have no room for: where estimates lie, and which side does not list something.
pub(super) fn details(both: Both) -> Option<String> {
    (!both.is_plain()).then(|| figures_of(both))
}

/// What is compared, and the totals; then what this is.
pub(super) fn above(
    diff: &Diff,
    sides: [(&str, &Side); 2],
    (word, title): (&str, &str),
    columns: usize,
) -> Vec<String> {
    let notes = notes(diff, sides);
    let mut lines: Vec<String> =
        notes.iter().take(2).flat_map(|note| wrap_hanging("", 2, note, columns)).collect();
    lines.push(String::new());
    lines.extend(wrap(&format!("{word:<8}"), title, columns));
    lines
}

/// Writes a view, and below it what is missing of the sides, and why their figures may not be right.
pub(super) fn write(
    lines: &[String],
    diff: &Diff,
    sides: [(&str, &Side); 2],
    columns: usize,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let notes = notes(diff, sides);
    let doubts = notes.iter().skip(2).flat_map(|note| wrap_hanging("", 2, note, columns));
    let below = [String::new()].into_iter().chain(doubts);
    for line in lines.iter().cloned().chain(below) {
        writeln!(out, "{}", line.trim_end())?;
    }
    out.flush()
}

/// What the signs before figures mean, where there are any.
pub(super) fn legend(all: impl IntoIterator<Item = Both>) -> &'static str {
    let (mut is_estimate, mut is_partial) = (false, false);
    for both in all {
        is_partial |= both.is_partial();
        is_estimate |= !both.is_partial() && !both.is_plain();
    }
    match (is_estimate, is_partial) {
        (false, false) => "",
        (true, false) => "; ≈ is an estimate",
        (false, true) => "; ≥, ≤ and unknown: a side does not list it, or not all of it",
        (true, true) => {
            "; ≈ is an estimate; ≥, ≤ and unknown: a side does not list it, or not all of it"
        }
    }
}

/// Whether a row is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rank {
    /// In any case, as it stands for what is not known.
    Rest,
    /// If it is among the largest.
    Large,
    /// Not, as it changed by too little.
    Little,
    /// Not, as it did not change.
    Unchanged,
}

impl Rank {
    /// Of a row that changed in this way.
    pub(super) fn of(entry: &Entry, both: Both, is_changed: bool, least: Least) -> Self {
        match is_changed {
            _ if entry.is_rest => Self::Rest,
            false => Self::Unchanged,
            true if is_little(both, least) => Self::Little,
            true => Self::Large,
        }
    }
}

/// Rows to show, others that changed, and others that did not.
pub(super) fn choose<T>(rows: Vec<T>, most: usize, of: impl Fn(&T) -> Rank) -> [Vec<T>; 3] {
    let [mut shown, mut others, mut unchanged] = [Vec::new(), Vec::new(), Vec::new()];
    let mut left = most;
    for row in rows {
        match of(&row) {
            Rank::Rest => shown.push(row),
            Rank::Unchanged => unchanged.push(row),
            Rank::Large if left > 0 => {
                left -= 1;
                shown.push(row);
            }
            Rank::Large | Rank::Little => others.push(row),
        }
    }
    [shown, others, unchanged]
}
