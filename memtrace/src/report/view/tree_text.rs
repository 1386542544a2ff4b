//! The tree, drawn.

use super::figures::{is_wide, label, number, part, range_of_bytes, ranges, size};
use super::group::Naming;
use super::measure;
use super::tree::{Branch, Tree, What};
use super::weigh::Weighed;
use super::{ViewOptions, ViewWriter};
use crate::report::layout::{width_of, wrap};
use crate::report::model::Report;
use crate::report::units::counted;

/// What branches are drawn with.
#[derive(Clone, Copy, Debug)]
struct Pen {
    /// Before one that others follow.
    branch: &'static str,
    /// Before the last one.
    last: &'static str,
    /// Beside what belongs to a branch that others follow.
    beside: &'static str,
    /// Beside what belongs to the last one.
    below: &'static str,
}

const BOX: Pen = Pen { branch: "├─ ", last: "└─ ", beside: "│  ", below: "   " };
const ASCII: Pen = Pen { branch: "|- ", last: "`- ", beside: "|  ", below: "   " };

/// The tree's title and lines.
pub(super) fn lines(
    report: &Report,
    weighed: &Weighed<'_>,
    naming: Naming,
    view: &ViewWriter,
) -> Vec<String> {
    let style = view.style;
    let title = title(report, weighed, naming, &view.options);
    let mut lines = wrap("TREE    ", &title, style.columns());
    let tree = Tree::of(weighed, naming, &view.options);
    let branches = tree.branches(view.options.top, view.options.least);
    if branches.is_empty() {
        return lines;
    }
    let figures = Figures { weighed, naming, view };
    let nouns = match figures.has_count() {
        true => format!("{}S", weighed.subject.noun().to_uppercase()),
        false => String::new(),
    };
    let heading = figures.columns("TOTAL", "%", &nouns);
    lines.extend([String::new(), heading.trim_end().to_owned()]);
    let mut drawing = Drawing::new(view.ascii);
    drawing.all(&branches, "", &|branch, edge| figures.one(branch, edge));
    lines.extend(drawing.lines);
    lines
}

fn title(report: &Report, weighed: &Weighed<'_>, naming: Naming, options: &ViewOptions) -> String {
    let first = if options.inverted { "innermost" } else { "outermost" };
    let measure = options.measure.unwrap_or_default();
    format!(
        "{}, {first} first; a line without figures has those of the line above it",
        measure::title(report, weighed, naming, measure, options.stretch)
    )
}

/// A tree as it is drawn, whatever it is of.
pub(in crate::report) struct Drawing {
    pen: Pen,
    pub(in crate::report) lines: Vec<String>,
}

impl Drawing {
    pub(in crate::report) const fn new(ascii: bool) -> Self {
        Self { pen: if ascii { ASCII } else { BOX }, lines: Vec::new() }
    }

    /// `told`: the figures of a branch, and its names, of which the first stands beside them, given how far it is indented.
    pub(in crate::report) fn all<A>(
        &mut self,
        branches: &[Branch<'_, A>],
        before: &str,
        told: &impl Fn(&Branch<'_, A>, usize) -> (String, Vec<String>),
    ) {
        for (number, branch) in (1..).zip(branches) {
            let (edge, beside) = match number == branches.len() {
                true => (self.pen.last, self.pen.below),
                false => (self.pen.branch, self.pen.beside),
            };
            let (edge, beside) = (format!("{before}{edge}"), format!("{before}{beside}"));
            let (figures, names) = told(branch, width_of(&edge));
            let blank = " ".repeat(width_of(&figures));
            for (number, name) in names.iter().enumerate() {
                let first = (&figures, &edge);
                let (left, edge) = if number == 0 { first } else { (&blank, &beside) };
                self.lines.push(format!("{left}{edge}{name}").trim_end().to_owned());
            }
            self.all(&branch.parts, &beside, told);
        }
    }
}

struct Figures<'a> {
    weighed: &'a Weighed<'a>,
    naming: Naming,
    view: &'a ViewWriter,
}

impl Figures<'_> {
    fn columns(&self, size: &str, part: &str, number: &str) -> String {
        if is_wide(self.view.style) {
            format!("{size:>10} {part:>7} {number:>12}  ")
        } else {
            format!("{size:>10} {part:>7}  ")
        }
    }

    fn has_count(&self) -> bool {
        self.view.options.measure.unwrap_or_default().has_count()
    }

    fn one(&self, branch: &Branch<'_>, edge: usize) -> (String, Vec<String>) {
        let amount = &branch.amount;
        let count = if self.has_count() { number(amount) } else { String::new() };
        let figures = self.columns(&size(amount), &part(amount, &self.weighed.total), &count);
        let room = self.view.style.columns().saturating_sub(width_of(&figures) + edge);
        let mut names = branch.what.names(self.naming, room);
        let range = match self.has_count() {
            true => ranges(amount, self.weighed.subject.noun()),
            false => amount.bytes_around().map(range_of_bytes),
        };
        names.extend(range.map(|it| format!("  in {it}")));
        (figures, names)
    }
}

impl What<'_> {
    /// What it is called, in lines of so many columns.
    pub(in crate::report) fn names(&self, naming: Naming, room: usize) -> Vec<String> {
        match self {
            What::Entries(entries) => {
                entries.iter().map(|entry| label(entry, naming, room)).collect()
            }
            What::Itself => vec!["(by itself)".to_owned()],
            What::Others(stacks) => vec![format!("({})", counted(*stacks, "other stack"))],
        }
    }
}
