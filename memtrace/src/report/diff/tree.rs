//! Differences as a tree: call stacks put together, with what is below each function and how that changed.

use super::grouping::{By, Diff};
use super::held::{BLOCKS, BYTES, Held};
use super::little::is_little;
use super::side::Side;
use super::view::{
    ViewOptions, above, compare, counts, details, legend, path, process_of, sizes, write,
};
use crate::report::layout::{width_of, wrap};
use crate::report::view::{Branch, Drawing, Entry, Least, Maker, Order, Ranked, Summed as _, Tree};
use std::cmp::{Ordering, Reverse};
use std::collections::BTreeSet;
use std::io;

/// From so many columns on there is room for all figures.
const WIDE: usize = 80;
/// A text is not broken below this, columns.
const LEAST_TEXT: usize = 24;

/// Writes the tree of the sides with these names.
///
/// # Errors
/// What `out` says.
pub fn write_tree(
    sides: [(&str, &Side); 2],
    by: By,
    options: &ViewOptions,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let diff = compare(sides, by);
    let tree = tree(&diff, by, options);
    let top = (options.top > 0).then_some(options.top);
    let branches = tree.branches(top, options.least);
    let drawn = Drawn { by, options };
    let title = drawn.title(&diff);
    let mut lines = above(&diff, sides, ("TREE", &title), options.columns());
    if diff.rows.iter().all(|row| Held::of(row).both().is_unchanged()) {
        lines.push("nothing has changed".to_owned());
    }
    if !branches.is_empty() {
        let heading = ["TOTAL", "CHANGE", "BLOCKS", "CHANGE"].map(str::to_owned);
        lines.extend([String::new(), drawn.columns(heading)]);
        let mut drawing = Drawing::new(options.ascii);
        drawing.all(&branches, "", &|branch, edge| drawn.one(branch, edge));
        lines.extend(drawing.lines);
    }
    write(&lines, &diff, sides, options.columns(), out)
}

fn tree(diff: &Diff, by: By, options: &ViewOptions) -> Tree<Held> {
    let processes: BTreeSet<Option<&str>> =
        diff.rows.iter().map(|row| process_of(&row.key)).collect();
    let several = processes.len() > 1;
    let mut maker = Maker::new(options.inverted, options.depth);
    for row in &diff.rows {
        let held = Held::of(row);
        if held.is_nothing() {
            continue;
        }
        let process = process_of(&row.key).filter(|_| several);
        let process = process.map(|name| Entry { name: name.to_owned(), ..Entry::default() });
        maker.add(path(&row.key, by, options.full_names), process, &held);
    }
    maker.tree(Order::Bytes)
}

/// The largest change comes first, whichever way it went.
impl Ranked for Held {
    fn compare(order: Order, a: &Self, b: &Self) -> Ordering {
        let weight = |held: &Self| {
            let both = held.both();
            let (bytes, blocks) = (both.weight(BYTES), both.weight(BLOCKS));
            Reverse(if order == Order::Count { (blocks, bytes) } else { (bytes, blocks) })
        };
        weight(a).cmp(&weight(b))
    }

    fn is_worth(own: &Self, _: &Self, least: Least) -> bool {
        let own = own.both();
        !own.is_unchanged() && !is_little(own, least)
    }
}

struct Drawn<'a> {
    by: By,
    options: &'a ViewOptions,
}

impl Drawn<'_> {
    fn title(&self, diff: &Diff) -> String {
        let first = if self.options.inverted { "innermost" } else { "outermost" };
        format!(
            "what is alive after, and how it changed, by {}, {first} first, largest change first; a line without figures has \
             those of the line above it{}",
            self.by.of_views().noun(),
            legend(diff.rows.iter().map(|row| Held::of(row).both()))
        )
    }

    fn columns(&self, [total, grown, number, more]: [String; 4]) -> String {
        match self.options.columns() {
            WIDE.. => format!("{total:>10} {grown:>11} {number:>11} {more:>11}  "),
            _ => format!("{total:>10} {grown:>11}  "),
        }
    }

    fn one(&self, branch: &Branch<'_, Held>, edge: usize) -> (String, Vec<String>) {
        let both = branch.amount.both();
        let ([total, grown], [number, more]) = (sizes(both), counts(both));
        let figures = self.columns([total, grown, number, more]);
        let room = self.options.columns().saturating_sub(width_of(&figures) + edge);
        let mut names = branch.what.names(self.options.naming(self.by), room);
        if let Some(text) = details(both) {
            names.extend(wrap("  ", &text, room.max(LEAST_TEXT)));
        }
        (figures, names)
    }
}
