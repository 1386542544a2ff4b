//! Differences as statistics: totals, sizes of blocks, functions of allocators, places and modules that changed most.

use super::figure::{Amount, Figure};
use super::grouping::{By, Diff, Key, Row};
use super::held::{BLOCKS, BYTES, Both, Held, Moved, Told, Unit};
use super::side::{Account, Side};
use super::table::{Row as Place, rows};
use super::text::{figures_of, text_of};
use super::view::{
    INDENT, Rank, UNKNOWN, ViewOptions, above, choose, compare, gained, legend, now, path, write,
};
use crate::report::layout::{width_of, wrap};
use crate::report::units::{bytes, count, counted};
use crate::report::view::{Entry, Order, Ranked as _, Summed as _, label};
use std::collections::BTreeMap;
use std::io;

/// From so many columns on there is room for bytes and blocks, and for both sides of one of them.
const WIDE: usize = 96;
const MIDDLE: usize = 60;
/// What statistics of one report have, and these have not: a difference of two distributions is none.
const LIFETIMES: &str = "out: lifetimes of blocks; --view lifetimes shows those of each recording";

/// Writes the statistics of the sides with these names; `by`: what places are.
///
/// # Errors
/// What `out` says.
pub fn write_stats(
    sides: [(&str, &Side); 2],
    by: By,
    options: &ViewOptions,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let diff = compare(sides, By::Stack);
    let stats = Stats { sides, options };
    let signs = legend(diff.rows.iter().map(|row| Held::of(row).both()));
    let title = format!("before, after and what changed, largest change first{signs}");
    let mut lines = above(&diff, sides, ("STATS", &title), options.columns());
    let place = by.of_views().noun().to_uppercase();
    let places = places(sides, by, options);
    let sections = [
        stats.totals(),
        stats.processes(),
        stats.listed("SIZE OF BLOCKS", Order::Bytes, By::SizeClass, &sizes(sides)),
        stats.ranked("CALLED", Order::Bytes, By::Function, called(&diff)),
        stats.ranked(&format!("MOST BYTES, BY {place}"), Order::Bytes, by, places.clone()),
        stats.ranked(&format!("MOST BLOCKS, BY {place}"), Order::Count, by, places),
        stats.ranked(
            "MODULE THAT ASKED",
            Order::Bytes,
            By::Module,
            self::places(sides, By::Module, options),
        ),
    ];
    for section in sections.into_iter().filter(|section| section.len() > 1) {
        lines.push(String::new());
        lines.extend(section);
    }
    lines.push(String::new());
    lines.extend(wrap("LEFT    ", LIFETIMES, options.columns()));
    write(&lines, &diff, sides, options.columns(), out)
}

/// What places hold themselves.
fn places(sides: [(&str, &Side); 2], by: By, options: &ViewOptions) -> Vec<(Entry, Held)> {
    let all = rows(&compare(sides, by), by, options.full_names).into_iter();
    all.filter(|row| !row.own.is_nothing()).map(|Place { entry, own, .. }| (entry, own)).collect()
}

/// By function of the allocator.
fn called(diff: &Diff) -> Vec<(Entry, Held)> {
    let mut sums: BTreeMap<Entry, Held> = BTreeMap::new();
    for row in &diff.rows {
        let entry = match &row.key {
            Key::Stack { function, .. } => Entry { name: function.clone(), ..Entry::default() },
            other => path(other, By::Function, false).pop().unwrap_or_default(),
        };
        sums.entry(entry).or_default().add(&Held::of(row));
    }
    sums.into_iter().filter(|(_, held)| !held.is_nothing()).collect()
}

/// By size, the smallest first. A side that does not tell all its blocks apart may have more of each size.
fn sizes([(_, before), (_, after)]: [(&str, &Side); 2]) -> Vec<(Entry, Held)> {
    let mut diff = Diff::between(before, after, By::SizeClass);
    let has_others = [before, after].map(|side| {
        let mut stacks = side.processes.iter().flat_map(|process| &process.stacks);
        stacks.any(|stack| stack.part.size.is_none() && stack.amount.blocks.value > 0)
    });
    diff.rows.sort_by(|a, b| a.key.cmp(&b.key));
    // What is not told apart, and left out, comes last.
    diff.rows.sort_by_key(|row| !matches!(row.key, Key::SizeClass(Some(_))));
    let held = |row: &Row| {
        let name = || path(&row.key, By::SizeClass, false).pop().unwrap_or_default();
        if !matches!(row.key, Key::SizeClass(Some(_))) {
            return (name(), Held::of(row));
        }
        let known = |side: Option<Amount>, has_others: bool| {
            side.filter(|amount| !has_others || amount.blocks.value > 0)
        };
        let (before, after) = (known(row.before, has_others[0]), known(row.after, has_others[1]));
        let mut held = Held::of(&Row { before, after, ..row.clone() });
        held.lacks(has_others);
        (name(), held)
    };
    diff.rows.iter().map(held).filter(|(_, held)| !held.is_nothing()).collect()
}

struct Stats<'a> {
    sides: [(&'a str, &'a Side); 2],
    options: &'a ViewOptions,
}

impl Stats<'_> {
    /// Of all processes together. What a side does not say of one of its processes it does not say of all.
    fn totals(&self) -> Vec<String> {
        let sum = |of: fn(&Account) -> Option<Amount>| {
            Both(self.sides.map(|(_, side)| {
                let mut all = side.processes.iter().map(|process| of(&process.account));
                Told::of(all.try_fold(Amount::default(), |sum, it| Some(sum.plus(it?))))
            }))
        };
        let live = Both(self.sides.map(|(_, side)| Told::of(Some(side.live()))));
        let allocated = sum(|account| account.allocated);
        let freed = sum(|account| account.freed);
        let peak = sum(|account| Some(Amount { bytes: account.peak?, blocks: Figure::default() }));
        // Those of several processes may have been at different moments.
        let is_one = self.sides.iter().all(|(_, side)| side.processes.len() < 2);
        let peaks = if is_one { "peak bytes" } else { "peak bytes of each process, added up" };
        let heading = ["BEFORE", "AFTER", "CHANGE"].map(str::to_owned);
        let mut lines = vec![format!("{}ALL PROCESSES", self.three(heading))];
        for (name, both, unit) in [
            ("bytes alive", live, BYTES),
            ("blocks alive", live, BLOCKS),
            ("bytes allocated", allocated, BYTES),
            ("blocks allocated", allocated, BLOCKS),
            ("bytes freed", freed, BYTES),
            ("blocks freed", freed, BLOCKS),
            (peaks, peak, BYTES),
        ] {
            let write = if name.contains("bytes") { bytes } else { count };
            lines.push(format!("{}{name}", self.three(cells(both, unit, write))));
            let is_estimate = |side: &Told| side.amount.is_some_and(|it| unit(it).is_estimate());
            if both.0.iter().any(is_estimate) && !both.is_partial() {
                lines.extend(wrap(INDENT, &text_of(both, unit, write), self.options.columns()));
            }
        }
        lines
    }

    fn processes(&self) -> Vec<String> {
        let all = places(self.sides, By::Process, self.options);
        if all.len() < 2 {
            return Vec::new();
        }
        self.ranked("PROCESS", Order::Bytes, By::Process, all)
    }

    /// The largest changes first.
    fn ranked(&self, what: &str, order: Order, by: By, mut all: Vec<(Entry, Held)>) -> Vec<String> {
        all.sort_by(|a, b| Held::compare(order, &a.1, &b.1).then_with(|| a.0.cmp(&b.0)));
        let [shown, others, unchanged] = choose(all, self.options.most(), |(entry, held)| {
            let both = held.both();
            Rank::of(entry, both, !both.is_unchanged(), self.options.least)
        });
        let mut lines = self.listed(what, order, by, &shown);
        for (rows, name) in [
            (&others, format!("({} changed)", counted(others.len() as u64, "other"))),
            (&unchanged, format!("({} unchanged)", count(unchanged.len() as u64))),
        ] {
            let mut sum = Held::default();
            rows.iter().for_each(|(_, held)| sum.add(held));
            let entry = Entry { name, place: String::new(), is_rest: true };
            lines.extend(
                (!rows.is_empty())
                    .then(|| self.line(order, by, &entry, &sum))
                    .into_iter()
                    .flatten(),
            );
        }
        lines
    }

    fn listed(&self, what: &str, order: Order, by: By, all: &[(Entry, Held)]) -> Vec<String> {
        let heading = ["BEFORE", "AFTER", "CHANGE"].map(str::to_owned);
        let blocks = ["BLOCKS", "AFTER", "CHANGE"].map(str::to_owned);
        let mut lines = vec![format!("{}{what}", self.six(order, heading, blocks))];
        lines.extend(all.iter().flat_map(|(entry, held)| self.line(order, by, entry, held)));
        lines
    }

    fn line(&self, order: Order, by: By, entry: &Entry, held: &Held) -> Vec<String> {
        let both = held.both();
        let figures = self.six(order, cells(both, BYTES, bytes), cells(both, BLOCKS, count));
        let room = self.options.columns().saturating_sub(width_of(&figures));
        let name = label(entry, self.options.naming(by), room);
        let mut lines = vec![format!("{figures}{name}")];
        if !both.is_plain() {
            lines.extend(wrap(INDENT, &figures_of(both), self.options.columns()));
        }
        lines
    }

    fn six(&self, order: Order, bytes: [String; 3], blocks: [String; 3]) -> String {
        let is_wide = self.options.columns() >= WIDE;
        match order {
            _ if is_wide => {
                format!("{}{}", self.three(bytes).trim_end_matches("  "), self.three(blocks))
            }
            Order::Bytes => self.three(bytes),
            Order::Count => self.three(blocks),
        }
    }

    fn three(&self, [before, after, change]: [String; 3]) -> String {
        match self.options.columns() {
            MIDDLE.. => format!("{before:>10} {after:>10} {change:>11}  "),
            _ => format!("{after:>10} {change:>11}  "),
        }
    }
}

/// Before, after, and what was added; what a side does not say is not known.
fn cells(both: Both, unit: Unit, write: fn(u64) -> String) -> [String; 3] {
    let [before, after] = both.0.map(|side| now(side, unit, write));
    let is_known = both.0.iter().all(|side| side.amount.is_some());
    let change = match both.moved(unit) {
        Moved::Unknown => UNKNOWN.to_owned(),
        _ if !is_known => UNKNOWN.to_owned(),
        _ => gained(both, unit, write),
    };
    [before, after, change]
}
