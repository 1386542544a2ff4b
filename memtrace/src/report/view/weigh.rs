//! A report as call stacks with what each of them holds, and what is in none of them.

use super::amount::{Amount, Order};
use super::filter::Filter;
use super::measure::Measure;
use crate::engine::heap::ranges::PAGE;
use crate::engine::snapshot::Part;
use crate::engine::trend::Ages;
use crate::report::facts::{Ledgers, Sort};
use crate::report::flat::{NO_STACK, NOT_LISTED, whole_rest};
use crate::report::identity::StackDigest;
use crate::report::model::{FrameReport, ProcessReport, Report, StackReport, Sum};
use crate::report::touched::in_pages;
use std::collections::HashSet;

/// What the stacks hold. One view is of one of these, as they are not to be added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Subject {
    /// Blocks of the heap.
    #[default]
    Blocks,
    /// Pages, by who touched them first.
    Pages,
    /// Ranges of address space, by who mapped them.
    Ranges,
}

impl Subject {
    /// What the report is about: pages where they were looked for, as blocks are seen in looks alone then; else blocks, if
    /// any were seen or looked for.
    #[must_use]
    pub fn of(report: &Report) -> Self {
        let has_blocks = report.processes.iter().any(|it| it.heap.allocated_blocks > 0);
        Self::looked_for(report, has_blocks, true)
    }

    /// What is told of one of its processes.
    #[must_use]
    pub fn of_process(report: &Report, process: &ProcessReport) -> Self {
        Self::looked_for(report, process.heap.allocated_blocks > 0, process.touched.is_some())
    }

    /// `has_pages`: pages were told of, where they were looked for.
    fn looked_for(report: &Report, has_blocks: bool, has_pages: bool) -> Self {
        match (report.options.touches && has_pages, report.options.ledger) {
            (true, _) => Self::Pages,
            _ if has_blocks => Self::Blocks,
            (false, Ledgers::Mappings) => Self::Ranges,
            (false, _) => Self::Blocks,
        }
    }

    /// What one of them is called.
    #[must_use]
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Blocks => "block",
            Self::Pages => "page",
            Self::Ranges => "range",
        }
    }
}

/// A call stack and what it holds.
#[derive(Clone, Copy, Debug)]
pub struct Weighted<'a> {
    /// Whose it is.
    pub process: &'a ProcessReport,
    /// Which it is.
    pub id: StackDigest,
    /// The function that it called, where that is an allocator's.
    pub called: Option<&'a str>,
    /// All its frames, innermost first.
    pub frames: &'a [FrameReport],
    /// Which of its blocks these are, where they are told apart.
    pub part: Part,
    /// How old they become, where that is known.
    pub ages: Option<&'a Ages>,
    /// Size of its smallest and its largest block, where it holds blocks.
    pub sizes: Option<(u64, u64)>,
    /// What it holds.
    pub amount: Amount,
}

/// What is held and is in no stack that is known or listed.
#[derive(Clone, Copy, Debug)]
pub struct Rest<'a> {
    /// Whose it is.
    pub process: &'a ProcessReport,
    /// What it is.
    pub what: &'static str,
    /// How much.
    pub amount: Amount,
}

/// What patterns left out.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LeftOut {
    /// Stacks.
    pub stacks: u64,
    /// What they hold.
    pub amount: Amount,
    /// Of that, what has no call stack: nobody knows whether it belongs in.
    pub nameless: Amount,
}

/// All that a report says is held.
#[derive(Clone, Debug, Default)]
pub struct Weighed<'a> {
    /// What it is.
    pub subject: Subject,
    /// Stacks that hold something and are in the view.
    pub stacks: Vec<Weighted<'a>>,
    /// What is in no stack.
    pub rest: Vec<Rest<'a>>,
    /// Stacks that are not in the view.
    pub left_out: LeftOut,
    /// All of it together.
    pub total: Amount,
    /// What comes first.
    pub order: Order,
    /// Stacks that are not in the view, of which there are several parts.
    out: HashSet<(*const ProcessReport, StackDigest)>,
}

impl<'a> Weighed<'a> {
    /// Weighs the stacks of `report` that `filter` admits.
    #[must_use]
    pub fn of(report: &'a Report, filter: &Filter) -> Self {
        Self::measured(report, filter, Measure::default())
    }

    /// … by something else than what is alive.
    #[must_use]
    pub fn measured(report: &'a Report, filter: &Filter, measure: Measure) -> Self {
        let subject = subject(report, measure);
        let order = if report.options.sort == Sort::Blocks { Order::Count } else { Order::Bytes };
        let mut weighed = Self { subject, order, ..Self::default() };
        for process in report.processes.iter().filter(|process| measure.counts(process)) {
            for stack in stacks(process, subject, measure) {
                weighed.stack(stack, filter);
            }
            for rest in rests(process, subject, measure) {
                weighed.total.add(&rest.amount);
                weighed.rest.push(rest);
            }
        }
        let has_period = report.processes.iter().any(|process| process.period.is_some());
        if subject == Subject::Blocks && measure == Measure::Leaks && !has_period {
            // The heap's own intervals are of the young blocks, too.
            weighed.total = weighed.total.trusted_as(&heaps(report));
        }
        weighed
    }

    fn stack(&mut self, stack: Weighted<'a>, filter: &Filter) {
        if stack.amount.is_nothing() && stack.ages.is_none_or(|ages| ages.0.is_empty()) {
            return;
        }
        self.total.add(&stack.amount);
        if filter.admits(stack.frames) {
            self.stacks.push(stack);
            return;
        }
        let is_whole = stack.part == Part::default();
        let is_new = is_whole || self.out.insert((std::ptr::from_ref(stack.process), stack.id));
        self.left_out.stacks += u64::from(is_new);
        self.left_out.amount.add(&stack.amount);
        if stack.frames.is_empty() {
            self.left_out.nameless.add(&stack.amount);
        }
    }
}

/// What is weighed of one process: its stacks that hold something, and what is in none of them.
pub(in crate::report) fn of_process<'a>(
    report: &Report,
    process: &'a ProcessReport,
    measure: Measure,
) -> (Vec<Weighted<'a>>, Vec<Rest<'a>>) {
    if !measure.counts(process) {
        return (Vec::new(), Vec::new());
    }
    let subject = subject(report, measure);
    let mut weighed = stacks(process, subject, measure);
    weighed.retain(|stack| !stack.amount.is_nothing());
    (weighed, rests(process, subject, measure))
}

/// What a report's stacks hold that are weighed by `measure`.
pub(in crate::report) fn subject(report: &Report, measure: Measure) -> Subject {
    if measure.is_of_the_moment() { Subject::of(report) } else { Subject::Blocks }
}

/// What is in no stack that is listed, as far as it is anything.
fn rests(process: &ProcessReport, subject: Subject, measure: Measure) -> Vec<Rest<'_>> {
    let left_out = process.left_out.iter().filter(|_| subject == Subject::Blocks);
    let left_out = left_out.map(|left| (left.reason.label(), measure.of_stack(&left.sum)));
    let mut all: Vec<_> = left_out.map(|(what, amount)| Rest { process, what, amount }).collect();
    all.retain(|rest| !rest.amount.is_nothing());
    all.extend(nameless(process, subject, measure));
    all
}

/// … and in none that is left out either.
pub(in crate::report) fn nameless(
    process: &ProcessReport,
    subject: Subject,
    measure: Measure,
) -> Vec<Rest<'_>> {
    let all = unknown(process, subject, measure).into_iter();
    let all = all.map(|(what, amount)| Rest { process, what, amount });
    all.filter(|rest| !rest.amount.is_nothing()).collect()
}

/// All heaps together.
fn heaps(report: &Report) -> Amount {
    let mut sum = Amount::default();
    for heap in report.processes.iter().map(|process| &process.heap) {
        let around = heap.confidence.as_ref().map(|it| (it.live_bytes, it.live_blocks));
        sum.add(&Amount::new(heap.live_bytes, heap.live_blocks, around));
    }
    sum
}

fn unlisted(process: &ProcessReport, subject: Subject, sum: Sum) -> Amount {
    if let (Subject::Pages, Some(touched)) = (subject, &process.touched) {
        let around = touched.others_confidence.map(|bytes| (bytes, in_pages(bytes)));
        return Amount::new(sum.bytes, sum.blocks, around);
    }
    let is_estimate = subject == Subject::Blocks && process.heap.confidence.is_some();
    let amount = if is_estimate { Amount::vague } else { Amount::exact };
    amount(sum.bytes, sum.blocks)
}

/// What is in no stack that is listed.
fn unknown(
    process: &ProcessReport,
    subject: Subject,
    measure: Measure,
) -> Vec<(&'static str, Amount)> {
    if let Some(period) = &process.period
        && let Some(amount) = measure.of_period(period)
    {
        // All stacks are listed that did anything.
        return vec![(NO_STACK, amount)];
    }
    match measure {
        Measure::Allocated => vec![(NOT_LISTED, others_allocated(process))],
        Measure::OwnPeaks => vec![(NOT_LISTED, others_at_peak(process))],
        Measure::Temporary(_) | Measure::Lifetimes => Vec::new(),
        Measure::Leaks | Measure::Peak => {
            let rest = rest(process, subject).into_iter();
            rest.map(|(what, sum)| (what, unlisted(process, subject, sum))).collect()
        }
    }
}

fn others_allocated(process: &ProcessReport) -> Amount {
    let sum =
        |of: fn(&StackReport) -> u64| process.all_stacks().map(of).fold(0, u64::saturating_add);
    let bytes = process.heap.allocated_bytes.saturating_sub(sum(|it| it.allocated_bytes));
    let blocks = process.heap.allocated_blocks.saturating_sub(sum(|it| it.allocated_blocks));
    Amount::beside(process.heap.confidence.is_some(), bytes, blocks)
}

fn others_at_peak(process: &ProcessReport) -> Amount {
    let listed = process.all_stacks().map(|stack| stack.peak_bytes);
    let listed = listed.fold(0, u64::saturating_add);
    let bytes = process.heap.peak_bytes.saturating_sub(listed);
    Amount::beside(process.heap.confidence.is_some(), bytes, 0)
}

fn stacks(process: &ProcessReport, subject: Subject, measure: Measure) -> Vec<Weighted<'_>> {
    match subject {
        Subject::Blocks => {
            process.stacks.iter().map(|stack| blocks(process, stack, measure)).collect()
        }
        Subject::Pages => {
            let touched = process.touched.iter().flat_map(|touched| &touched.stacks);
            let pages = touched.map(|stack| Weighted {
                process,
                id: stack.id,
                called: None,
                frames: &stack.frames,
                part: Part::default(),
                ages: None,
                sizes: None,
                amount: Amount::new(
                    stack.live_bytes,
                    stack.live_bytes / PAGE,
                    stack.confidence.map(|[live, ..]| (live, in_pages(live))),
                ),
            });
            pages.collect()
        }
        Subject::Ranges => {
            let ranges = process.mapped.iter().map(|stack| Weighted {
                process,
                id: stack.id,
                called: Some(&stack.function),
                frames: &stack.frames,
                part: Part::default(),
                ages: None,
                sizes: None,
                amount: Amount::exact(stack.live_bytes, stack.live_ranges),
            });
            ranges.collect()
        }
    }
}

fn blocks<'a>(
    process: &'a ProcessReport,
    stack: &'a StackReport,
    measure: Measure,
) -> Weighted<'a> {
    Weighted {
        process,
        id: stack.id,
        called: Some(&stack.function),
        frames: &stack.frames,
        part: stack.part,
        ages: stack.ages.as_ref().filter(|_| measure == Measure::Lifetimes),
        sizes: stack.sizes,
        amount: measure.of_stack(stack),
    }
}

fn rest(process: &ProcessReport, subject: Subject) -> Vec<(&'static str, Sum)> {
    match subject {
        Subject::Blocks => whole_rest(process).to_vec(),
        Subject::Pages => {
            process.touched.iter().map(|touched| (NOT_LISTED, touched.others)).collect()
        }
        Subject::Ranges => vec![("(mapped by stacks that are not known)", process.mapped_others)],
    }
}
