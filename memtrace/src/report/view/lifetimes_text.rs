//! How old blocks become, laid out.

use super::ViewWriter;
use super::amount::Amount;
use super::figures::{is_wide, label, number};
use super::group::Naming;
use super::lifetimes::{Life, lives, together};
use super::weigh::Weighed;
use crate::engine::trend::{CLASSES, begins};
use crate::model::ids::Nanos;
use crate::report::layout::{width_of, wrap};
use crate::report::model::Report;
use crate::report::units::{count, counted, duration, exactly};
use std::ops::Range;

/// Columns of ages: the classes at which they begin, and the end.
const COLUMNS: [usize; 6] = [0, 1, 5, 10, 15, CLASSES];
/// Before what does not fit into columns.
const INDENT: &str = "            ";

/// The table's title and rows.
pub(super) fn lines(
    report: &Report,
    weighed: &Weighed<'_>,
    naming: Naming,
    view: &ViewWriter,
) -> Vec<String> {
    let lives = lives(weighed, naming);
    let all = together(&lives);
    let table = Table { naming, view };
    let mut lines = wrap("LIFETIMES ", &table.title(report, &all), view.style.columns());
    if lives.is_empty() {
        return lines;
    }
    lines.push(String::new());
    lines.push(table.heading());
    let (shown, hidden) = view.options.choose_lives(lives);
    lines.extend(shown.iter().flat_map(|life| table.row(life)));
    if !hidden.is_empty() {
        let noun = format!("other {}", naming.by.noun());
        let name = format!("({})", counted(hidden.len() as u64, &noun));
        lines.extend(table.figures(&together(&hidden), &name));
    }
    lines
}

struct Table<'a> {
    naming: Naming,
    view: &'a ViewWriter,
}

impl Table<'_> {
    fn title(&self, report: &Report, all: &Life) -> String {
        let blocks = |amount: &Amount, what: &str| {
            let range = amount.count_around();
            let range = range.map(|it| format!(" ({} to {})", count(it.low), count(it.high)));
            format!("{} {what}{}", number(amount), range.unwrap_or_default())
        };
        let untold = match all.untold {
            0 => String::new(),
            stacks => format!("; of {} no ages were kept", counted(stacks, "call stack")),
        };
        let stretch = self.view.options.stretch;
        let from = stretch.from.map(|from| {
            let [from, to] = [from, report.watched].map(exactly);
            format!(" from {from} to {to} of the run")
        });
        format!(
            "{} freed{}, {} at its end, by age at their free and by {}{untold}",
            blocks(&all.freed(0..CLASSES), "blocks"),
            from.unwrap_or_default(),
            blocks(&all.alive(0..CLASSES), "alive"),
            self.naming.by.noun()
        )
    }

    fn columns(&self, [freed, ages @ .., alive]: [&str; 7]) -> String {
        if !is_wide(self.view.style) {
            return format!("{freed:>12} {alive:>12}  ");
        }
        let ages = ages.map(|age| format!("{age:>8}")).join(" ");
        format!("{freed:>12} {ages} {alive:>12}  ")
    }

    fn heading(&self) -> String {
        let ages: Vec<String> = spans().map(|span| heading_of(&span)).collect();
        let [a, b, c, d, e] = [0, 1, 2, 3, 4].map(|at| ages.get(at).map_or("", String::as_str));
        let columns = self.columns(["FREED", a, b, c, d, e, "ALIVE"]);
        format!("{columns}{}", self.naming.by.noun().to_uppercase())
    }

    fn row(&self, life: &Life) -> Vec<String> {
        let room = self.view.style.columns().saturating_sub(width_of(&self.columns([""; 7])));
        self.figures(life, &label(&life.entry, self.naming, room))
    }

    fn figures(&self, life: &Life, name: &str) -> Vec<String> {
        let freed = life.freed(0..CLASSES);
        let alive = life.alive(0..CLASSES);
        let ages: Vec<String> = spans().map(|span| short(&life.freed(span))).collect();
        let [a, b, c, d, e] = [0, 1, 2, 3, 4].map(|at| ages.get(at).map_or("", String::as_str));
        let columns = self.columns([&number(&freed), a, b, c, d, e, &number(&alive)]);
        let mut lines = vec![format!("{columns}{name}")];
        let around = freed.count_around().zip(alive.count_around());
        if let Some((freed, alive)) = around {
            let range = |it: crate::engine::snapshot::Confidence| {
                format!("{} to {}", count(it.low), count(it.high))
            };
            let text = format!("freed {}; alive {}", range(freed), range(alive));
            lines.extend(wrap(INDENT, &text, self.view.style.columns()));
        }
        lines
    }
}

fn spans() -> impl Iterator<Item = Range<usize>> {
    COLUMNS.windows(2).map(|pair| pair[0]..pair[1])
}

/// `<1.0 ms`, of the last one `longer`.
fn heading_of(span: &Range<usize>) -> String {
    let end: Nanos =
        if span.end == CLASSES { return "longer".to_owned() } else { begins(span.end) };
    format!("<{}", duration(end))
}

/// A number of blocks in eight columns.
fn short(amount: &Amount) -> String {
    let about = if amount.is_estimate() { "≈" } else { "" };
    match amount.count {
        0 => "-".to_owned(),
        many @ 1_000_000.. => format!("{about}{}M", count(many / 1_000_000)),
        many @ 100_000.. => format!("{about}{}k", many / 1000),
        few => format!("{about}{}", count(few)),
    }
}
