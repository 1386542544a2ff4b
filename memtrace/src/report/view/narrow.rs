//! Which call stacks of a report are listed, for formats that show whole reports: by names, by what they hold, and no
//! more than so many. The others are summed, so that totals still add up.
//!
//! This is the one place for it between a report and its writers, which know nothing of it. Blocks of the heap that are
//! left out are told of by the reason ([`LeftOutStacks`]); what is counted beside them (pages, mappings, pools, devices, what
//! programs tell) joins what is not listed there.

use super::amount::Amount;
use super::measure::Measure;
use super::{Least, Order, ViewOptions};
use crate::engine::heap::ranges::PAGE;
use crate::engine::snapshot::{Confidence, SumConfidence};
use crate::report::facts::Sort;
use crate::report::joined::within;
use crate::report::left_out::{LeftOutStacks, Reason};
use crate::report::model::{
    AccountReport, FrameReport, MappedReport, ProcessReport, Report, StackReport, Sum, ToldReport,
    ToldStackReport, TouchedReport, TouchedStackReport,
};
use crate::report::verdict::Verdict;
use std::mem::take;

impl ViewOptions {
    /// Stacks are left out for their names, or for what they hold.
    #[must_use]
    pub fn leaves_out(&self) -> bool {
        let filter = &self.filter;
        self.least != Least::default() || !(filter.include.is_empty() && filter.exclude.is_empty())
    }

    /// What stacks are weighed by, where that is something else than what they hold at the moment of the report.
    #[must_use]
    pub fn weighing(&self) -> Option<Measure> {
        self.measure.filter(|it| *it != Measure::Leaks || self.stretch.from.is_some())
    }

    /// Leaves out what is not admitted, what holds less than is asked for, and what comes after the first `top` (0: none)
    /// stacks of a process. `report` is to list all stacks that count.
    pub fn narrow(&self, report: &mut Report, top: usize) {
        let order = if report.options.sort == Sort::Blocks { Order::Count } else { Order::Bytes };
        let top = if top == 0 { usize::MAX } else { top };
        for process in &mut report.processes {
            self.blocks(process, top, order);
            process.touched.iter_mut().for_each(|it| self.touched(it, top));
            self.mapped(process, top);
            process.pools.iter_mut().for_each(|it| self.account(it, top));
            process.device.iter_mut().for_each(|it| self.account(&mut it.account, top));
            process.told.iter_mut().for_each(|it| self.told(it, top));
        }
        report.measure = self.weighing();
    }

    fn blocks(&self, process: &mut ProcessReport, top: usize, order: Order) {
        let weight = |stack: &StackReport| match self.weighing() {
            Some(measure) => measure.of_stack(stack),
            None => held(stack),
        };
        let named = |stack: &StackReport| self.filter.admits(&stack.frames);
        let (kept, unwanted): (Vec<_>, Vec<_>) =
            take(&mut process.stacks).into_iter().partition(named);
        let (mut kept, little): (Vec<_>, Vec<_>) =
            kept.into_iter().partition(|stack| self.least.holds(&weight(stack)));
        if self.weighing().is_some() {
            kept.sort_by(|a, b| order.compare(&weight(a), &weight(b)));
        }
        let beyond = kept.split_off(top.min(kept.len()));
        process.stacks = kept;
        process.left_out.extend(LeftOutStacks::of(Reason::Names, &unwanted));
        process.left_out.extend(LeftOutStacks::of(Reason::Little, &little));
        // Of others it is only told what lives.
        if self.weighing().is_some() || process.period.is_some() {
            process.left_out.extend(LeftOutStacks::of(Reason::Beyond, &beyond));
        } else {
            not_listed(process, &beyond);
        }
    }

    /// Takes out of `all` what is not to be listed.
    fn take_out<T>(
        &self,
        all: &mut Vec<T>,
        top: usize,
        about: impl Fn(&T) -> (&[FrameReport], Amount),
    ) -> Vec<T> {
        let wanted = |it: &T| {
            let (frames, amount) = about(it);
            self.filter.admits(frames) && self.least.holds(&amount)
        };
        let (mut kept, mut out): (Vec<_>, Vec<_>) = take(all).into_iter().partition(wanted);
        out.extend(kept.split_off(top.min(kept.len())));
        *all = kept;
        out
    }

    fn touched(&self, touched: &mut TouchedReport, top: usize) {
        let out = self.take_out(&mut touched.stacks, top, of_pages);
        let range = |bytes| SumConfidence { bytes, blocks: Confidence::default() };
        let before = ((touched.others.bytes, 0), touched.others_confidence.map(range));
        let more =
            out.iter().map(|it| ((it.live_bytes, 0), it.confidence.map(|all| range(all[0]))));
        let around = within(std::iter::once(before).chain(more));
        touched.others_confidence = touched.others_confidence.map(|_| around.bytes);
        for stack in &out {
            add(&mut touched.others, stack.live_bytes / PAGE, stack.live_bytes);
        }
    }

    fn mapped(&self, process: &mut ProcessReport, top: usize) {
        for stack in self.take_out(&mut process.mapped, top, of_ranges) {
            add(&mut process.mapped_others, stack.live_ranges, stack.live_bytes);
        }
    }

    fn account(&self, account: &mut AccountReport, top: usize) {
        let out = self.take_out(&mut account.stacks, top, of_blocks);
        account.others_around = account.others_around.map(|it| joint(account.others, it, &out));
        for stack in &out {
            add(&mut account.others, stack.live_blocks, stack.live_bytes);
        }
    }

    fn told(&self, told: &mut ToldReport, top: usize) {
        for stack in self.take_out(&mut told.stacks, top, of_told) {
            let others = &mut told.others;
            others.stacks += u64::from(stack.live.samples > 0);
            others.samples = others.samples.saturating_add(stack.live.samples);
            others.bytes = others.bytes.saturating_add(stack.live.bytes);
        }
    }
}

fn held(stack: &StackReport) -> Amount {
    Amount::exact(stack.live_bytes, stack.live_blocks)
}

fn of_blocks(stack: &StackReport) -> (&[FrameReport], Amount) {
    (&stack.frames, held(stack))
}

fn of_pages(stack: &TouchedStackReport) -> (&[FrameReport], Amount) {
    (&stack.frames, Amount::exact(stack.live_bytes, stack.live_bytes / PAGE))
}

fn of_ranges(stack: &MappedReport) -> (&[FrameReport], Amount) {
    (&stack.frames, Amount::exact(stack.live_bytes, stack.live_ranges))
}

fn of_told(stack: &ToldStackReport) -> (&[FrameReport], Amount) {
    (&stack.frames, Amount::exact(stack.live.bytes, stack.live.blocks))
}

/// Stacks that are not listed as others come first.
fn not_listed(process: &mut ProcessReport, beyond: &[StackReport]) {
    if let Some(around) = &mut process.around {
        around.others = joint(process.others, around.others, beyond);
    }
    for stack in beyond {
        add(&mut process.others, stack.live_blocks, stack.live_bytes);
        let is_growing = stack.live_blocks > 0 && stack.verdict() == Verdict::Growing;
        process.others_growing += u64::from(is_growing);
    }
}

/// Where `others` lies together with what `stacks` hold.
fn joint(others: Sum, around: SumConfidence, stacks: &[StackReport]) -> SumConfidence {
    let before = ((others.bytes, others.blocks), Some(around));
    let more = stacks.iter().map(|it| {
        let range = it
            .confidence
            .as_ref()
            .map(|it| SumConfidence { bytes: it.live_bytes, blocks: it.live_blocks });
        ((it.live_bytes, it.live_blocks), range)
    });
    within(std::iter::once(before).chain(more))
}

fn add(sum: &mut Sum, blocks: u64, bytes: u64) {
    sum.stacks += u64::from(bytes > 0 || blocks > 0);
    sum.blocks = sum.blocks.saturating_add(blocks);
    sum.bytes = sum.bytes.saturating_add(bytes);
}

#[cfg(test)]
mod tests {
    use super::{Least, Measure, Reason, Report, ViewOptions};
    use crate::engine::snapshot::Confidence;
    use crate::report::example::{ESTIMATED_LIVE, EXACT_LIVE, report};
    use crate::report::view::Filter;
    use crate::report::{FoldedWriter, JsonWriter, ReportWriter, TextStyle, TextWriter};
    use crate::selection::Pattern;

    fn excluding(pattern: &str) -> ViewOptions {
        let exclude = vec![Pattern::of_name(pattern).unwrap()];
        ViewOptions { filter: Filter { exclude, ..Filter::default() }, ..ViewOptions::default() }
    }

    fn narrowed(options: &ViewOptions, top: usize) -> Report {
        let mut report = report();
        options.narrow(&mut report, top);
        report
    }

    fn written(writer: &dyn ReportWriter, report: &Report) -> String {
        let mut bytes = Vec::new();
        writer.write(report, &mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    fn folded(report: &Report) -> Vec<(String, u64)> {
        let text = written(&FoldedWriter { internals: false, full_names: false }, report);
        let line = |line: &str| {
            let (path, bytes) = line.rsplit_once(' ').unwrap();
            (path.to_owned(), bytes.parse().unwrap())
        };
        text.lines().map(line).collect()
    }

    fn sum(report: &Report) -> u64 {
        folded(report).iter().map(|(_, bytes)| bytes).sum()
    }

    #[test]
    fn what_is_left_out_is_summed_by_its_reason_with_its_range() {
        let report = narrowed(&excluding("main"), 0);
        assert_eq!(sum(&report), EXACT_LIVE + ESTIMATED_LIVE);
        let left = &report.processes[1].left_out[0];
        assert_eq!((left.reason, left.sum.live_bytes), (Reason::Names, ESTIMATED_LIVE));
        let range = Confidence { low: 4 << 32, high: 6 << 32 };
        assert_eq!(left.sum.confidence.unwrap().live_bytes, range);
        let label = "(left out by --include or --exclude)";
        assert!(folded(&report).iter().any(|(path, _)| path.ends_with(label)));
        let json: serde_json::Value = serde_json::from_str(&written(&JsonWriter, &report)).unwrap();
        let told = &json["processes"][1]["left_out"][0];
        assert_eq!(
            (&told["reason"], &told["live_bytes"]),
            (&"names".into(), &ESTIMATED_LIVE.into())
        );
        assert!(json["processes"][0].get("left_out").is_none());
    }

    #[test]
    fn text_has_a_line_for_it() {
        let mut report = report();
        report.processes.iter_mut().for_each(|it| it.heap.allocated_blocks = 9);
        report.processes[0].stacks[0].frames.clear();
        let least = Least { bytes: 51, count: 0 };
        ViewOptions { least, ..ViewOptions::default() }.narrow(&mut report, 0);
        let style = TextStyle { full: true, ..TextStyle::default() };
        let text = written(&TextWriter { style }, &report);
        let line = text.lines().find(|line| line.starts_with("LEFT    ")).unwrap();
        assert!(line.contains("2 stacks (less than --min-bytes or --min-count)"), "{line}");
    }

    #[test]
    fn those_that_come_later_are_others() {
        let report = narrowed(&excluding("nothing"), 1);
        let process = &report.processes[0];
        assert_eq!((process.stacks.len(), process.others.bytes, process.others.stacks), (1, 33, 2));
        assert_eq!(sum(&report), EXACT_LIVE + ESTIMATED_LIVE);
    }

    #[test]
    fn by_another_measure_what_is_left_out_has_that() {
        let measured = ViewOptions { measure: Some(Measure::Allocated), ..excluding("main") };
        for (top, options) in [(0, &measured), (1, &measured)] {
            let report = narrowed(options, top);
            assert_eq!(sum(&report), 2100 + ESTIMATED_LIVE, "{top}");
            let lines = folded(&report);
            let out = |(path, bytes): &(String, u64)| {
                path.contains("(left out") && *bytes == ESTIMATED_LIVE
            };
            assert!(lines.iter().any(out), "{lines:?}");
        }
    }
}
