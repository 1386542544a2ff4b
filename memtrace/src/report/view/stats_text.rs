//! Statistics, laid out.

use super::ViewWriter;
use super::amount::{Amount, Order};
use super::figures::{held, is_wide, label, number, part, range_of_bytes, ranges, size};
use super::group::{self, By, Entry, Naming};
use super::stats::{Called, Sizes, allocators, apart, called};
use super::table::{Row, rows};
use super::weigh::{Subject, Weighed};
use crate::engine::snapshot::SizeClass;
use crate::report::evidence;
use crate::report::layout::{clip, width_of, wrap};
use crate::report::model::{ProcessReport, Report};
use crate::report::units::{counted, duration, percent};

/// Before what does not fit into columns.
const INDENT: &str = "            ";
/// The longest bar, and what stands before it, columns.
const BAR: usize = 20;
const BEFORE_BAR: usize = 28;
/// Shares of blocks whose ages are told: where a share falls to one of these for the first time.
const SHARES: [f64; 6] = [0.9, 0.75, 0.5, 0.25, 0.1, 0.01];

/// All sections.
pub(super) fn lines(
    report: &Report,
    weighed: &Weighed<'_>,
    naming: Naming,
    view: &ViewWriter,
) -> Vec<String> {
    let stats = Stats { report, weighed, naming, view };
    let mut lines = wrap("STATS   ", &stats.title(), view.style.columns());
    let mut sections = vec![stats.top(Order::Bytes), stats.top(Order::Count), stats.modules()];
    if weighed.subject == Subject::Blocks {
        sections.splice(0..0, [stats.totals(), stats.sizes(), stats.allocators(), stats.called()]);
        sections.push(stats.lifetimes());
    }
    for section in sections.into_iter().filter(|section| section.len() > 1) {
        lines.push(String::new());
        lines.extend(section);
    }
    lines
}

struct Stats<'a> {
    report: &'a Report,
    weighed: &'a Weighed<'a>,
    naming: Naming,
    view: &'a ViewWriter,
}

impl Stats<'_> {
    fn title(&self) -> String {
        format!("{} alive", held(&self.weighed.total, self.weighed.subject.noun()))
    }

    fn most(&self) -> usize {
        self.view.options.top.unwrap_or(usize::MAX)
    }

    /// What is left of a line for a name.
    fn room(&self, figures: &str) -> usize {
        self.view.style.columns().saturating_sub(width_of(figures))
    }

    /// Each process's heap.
    fn totals(&self) -> Vec<String> {
        let heading = ["ALLOCATED", "BLOCKS", "FREED", "LIVE", "PEAK"];
        let mut lines = vec![format!("{}PROCESS", self.totals_columns(heading))];
        let mut processes: Vec<&ProcessReport> = self.report.processes.iter().collect();
        processes.sort_by_key(|it| std::cmp::Reverse((it.heap.live_bytes, it.heap.peak_bytes)));
        let shown = processes.len().min(self.most());
        lines.extend(processes[..shown].iter().flat_map(|process| self.heap(process)));
        if let [_, ..] = processes[shown..] {
            let sum = |of: fn(&ProcessReport) -> u64| {
                processes[shown..].iter().map(|it| of(it)).fold(0, u64::saturating_add)
            };
            let live = crate::report::units::bytes(sum(|it| it.heap.live_bytes));
            let others = counted((processes.len() - shown) as u64, "other process");
            lines.push(format!("{INDENT}({others} with {live} alive)"));
        }
        lines
    }

    fn totals_columns(&self, [allocated, blocks, freed, live, peak]: [&str; 5]) -> String {
        if is_wide(self.view.style) {
            format!("{allocated:>10} {blocks:>12} {freed:>10} {live:>10} {peak:>10}  ")
        } else {
            format!("{allocated:>10} {live:>10} {peak:>10}  ")
        }
    }

    fn heap(&self, process: &ProcessReport) -> Vec<String> {
        let heap = &process.heap;
        let around = heap.confidence.as_ref();
        let blocks = around.map(|it| it.allocated_blocks);
        let amount = |bytes, around| {
            let count = heap.allocated_blocks;
            Amount::new(bytes, count, Option::zip(around, blocks))
        };
        let figures = [
            ("allocated", amount(heap.allocated_bytes, around.map(|it| it.allocated_bytes))),
            ("freed", amount(heap.freed_bytes, around.map(|it| it.freed_bytes))),
            ("live", amount(heap.live_bytes, around.map(|it| it.live_bytes))),
            ("peak", amount(heap.peak_bytes, around.map(|it| it.peak_bytes))),
        ];
        let [allocated, freed, live, peak] = figures.each_ref().map(|(_, amount)| size(amount));
        let blocks = number(&figures[0].1);
        let columns = self.totals_columns([&allocated, &blocks, &freed, &live, &peak]);
        let name = label(&Entry::process(process), self.naming, self.room(&columns));
        let mut lines = vec![format!("{columns}{name}")];
        let ranges = figures.iter().filter_map(|(name, amount)| {
            Some(format!("{name} {}", range_of_bytes(amount.bytes_around()?)))
        });
        let ranges = ranges.collect::<Vec<_>>().join("; ");
        lines.extend(self.below(&ranges));
        lines
    }

    /// Text below a line of figures, if there is any.
    fn below(&self, text: &str) -> Vec<String> {
        if text.is_empty() { Vec::new() } else { wrap(INDENT, text, self.view.style.columns()) }
    }

    fn sizes(&self) -> Vec<String> {
        let sizes = Sizes::of(self.weighed);
        let counts = sizes.classes.iter().map(|class| class.amount.count);
        let most = counts.max().unwrap_or(0).max(1);
        let mut lines = vec![self.heading("SIZE OF BLOCKS")];
        for class in &sizes.classes {
            let name = group::sizes(SizeClass::of(class.least));
            let bar = self.bar(&class.amount, most);
            lines.extend(self.line(&class.amount, &format!("{name:<BEFORE_BAR$}  {bar}")));
        }
        for (name, amount) in [
            ("(from stacks with blocks of several of these)", sizes.mixed),
            ("(of sizes that are not known)", sizes.unknown),
        ] {
            if !amount.is_nothing() {
                lines.extend(self.line(&amount, name));
            }
        }
        lines
    }

    /// How many there are beside `most`, as far as there is room.
    fn bar(&self, amount: &Amount, most: u64) -> String {
        let room = self.room(&self.columns(amount)).saturating_sub(BEFORE_BAR + 2).min(BAR);
        let length = (u128::from(amount.count) * room as u128).div_ceil(u128::from(most));
        let stroke = if self.view.ascii { "#" } else { "█" };
        stroke.repeat(usize::try_from(length).unwrap_or_default().min(room))
    }

    fn columns(&self, amount: &Amount) -> String {
        self.figures([&size(amount), &part(amount, &self.weighed.total), &number(amount)])
    }

    fn figures(&self, [bytes, part, number]: [&str; 3]) -> String {
        format!("{bytes:>10} {part:>7} {number:>12}  ")
    }

    fn heading(&self, what: &str) -> String {
        let nouns = format!("{}S", self.weighed.subject.noun().to_uppercase());
        format!("{}{what}", self.figures(["LIVE", "%", &nouns]))
    }

    fn line(&self, amount: &Amount, name: &str) -> Vec<String> {
        let mut lines = vec![format!("{}{name}", self.columns(amount)).trim_end().to_owned()];
        let ranges = ranges(amount, self.weighed.subject.noun()).unwrap_or_default();
        lines.extend(self.below(&ranges));
        lines
    }

    /// By allocator, with what is apart from the heap.
    fn allocators(&self) -> Vec<String> {
        let mut all = allocators(self.report, &self.view.options.filter, self.weighed.order);
        all.extend(apart(self.report));
        self.called_lines("ALLOCATOR", &all)
    }

    /// By function of the allocator.
    fn called(&self) -> Vec<String> {
        let all = called(self.report, &self.view.options.filter, self.weighed.order);
        self.called_lines("CALLED", &all)
    }

    fn called_lines(&self, what: &str, all: &[Called]) -> Vec<String> {
        let columns = |[allocated, blocks, freed, live]: [&str; 4]| {
            format!("{allocated:>10} {blocks:>12} {freed:>10} {live:>10}  ")
        };
        let mut lines =
            vec![format!("{}{what}", columns(["ALLOCATED", "BLOCKS", "FREED", "LIVE"]))];
        for it in all {
            let figures =
                [&size(&it.allocated), &number(&it.allocated), &size(&it.freed), &size(&it.live)];
            let figures = columns(figures.map(String::as_str));
            lines.push(format!("{figures}{}", clip(&it.name, self.room(&figures))));
            let allocated = ranges(&it.allocated, "block");
            let [freed, live] =
                [&it.freed, &it.live].map(|it| it.bytes_around().map(range_of_bytes));
            let text = [
                allocated.map(|it| format!("allocated {it}")),
                freed.map(|it| format!("freed {it}")),
                live.map(|it| format!("live {it}")),
            ];
            lines.extend(self.below(&text.into_iter().flatten().collect::<Vec<_>>().join("; ")));
        }
        lines
    }

    /// The places that hold most themselves.
    fn top(&self, order: Order) -> Vec<String> {
        let by = self.view.options.by.unwrap_or(By::Line);
        let what = match order {
            Order::Bytes => "BYTES".to_owned(),
            Order::Count => format!("{}S", self.weighed.subject.noun().to_uppercase()),
        };
        self.ranked(by, order, &format!("MOST {what}, BY {}", by.noun().to_uppercase()))
    }

    fn modules(&self) -> Vec<String> {
        self.ranked(By::Module, self.weighed.order, "MODULE THAT ASKED")
    }

    fn ranked(&self, by: By, order: Order, what: &str) -> Vec<String> {
        let naming = Naming { by, ..self.naming };
        let mut rows: Vec<Row> = rows(self.weighed, naming);
        rows.retain(|row| !row.own.is_nothing());
        rows.sort_by(|a, b| order.compare(&a.own, &b.own).then_with(|| a.entry.cmp(&b.entry)));
        let mut lines = vec![self.heading(what)];
        let (mut left, mut others, mut number) = (self.most(), Amount::default(), 0);
        for row in rows {
            let shown = row.entry.is_rest || left > 0 && self.view.options.least.holds(&row.own);
            if !shown {
                others.add(&row.own);
                number += 1;
                continue;
            }
            left -= usize::from(!row.entry.is_rest);
            let room = self.room(&self.columns(&row.own));
            lines.extend(self.line(&row.own, &label(&row.entry, naming, room)));
        }
        if number > 0 {
            let noun = format!("other {}", by.noun());
            lines.extend(self.line(&others, &format!("({})", counted(number, &noun))));
        }
        lines
    }

    /// How long blocks live, of each process; of all its blocks, whatever is filtered.
    fn lifetimes(&self) -> Vec<String> {
        let mut lines = vec!["LIFETIMES of all blocks".to_owned()];
        let known = self.report.processes.iter().filter(|it| !it.survival.is_empty());
        for process in known.take(self.most()) {
            let columns = self.view.style.columns();
            let name = Entry::process(process).name;
            lines.push(format!("  {}", clip(&name, columns.saturating_sub(2))));
            for text in shares(process) {
                lines.extend(wrap("    ", &text, columns));
            }
        }
        lines
    }
}

/// `50 % live 1.0 s or longer (95 %: 48 % to 52 %)`.
fn shares(process: &ProcessReport) -> Vec<String> {
    let steps = SHARES
        .iter()
        .filter_map(|share| process.survival.iter().find(|(_, band)| band.middle <= *share));
    let mut steps: Vec<_> = steps.collect();
    steps.dedup_by_key(|(age, _)| *age);
    let mut texts: Vec<String> = steps
        .into_iter()
        .map(|(age, band)| {
            let [low, middle, high] = [band.low, band.middle, band.high].map(percent);
            format!("{middle} live {} or longer (95 %: {low} to {high})", duration(*age))
        })
        .collect();
    texts.extend(evidence::lifetimes(&process.judgement));
    texts
}
