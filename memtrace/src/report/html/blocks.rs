//! Blocks that were all followed: stacks as they are listed, and what is in none of those.

use super::accounts::{UNLISTED, row};
use super::columns::{Figure, Row};
use super::data::Account;
use super::tables::Tables;
use crate::engine::snapshot::{
    Confidence, HeapTotals, PeriodFigures, PeriodSum, SampledConfidence,
};
use crate::report::flat::rest;
use crate::report::model::{AccountReport, ProcessReport, StackReport, Sum};
use crate::report::verdict::Verdict;

/// The heap's, with which what is young and of other sizes is told apart.
pub(super) fn fill_heap(
    account: &mut Account,
    tables: &mut Tables,
    number: u32,
    process: &ProcessReport,
) {
    listed(account, tables, number, process.all_stacks());
    for (what, sum) in rest(process) {
        account.push(Row::nowhere(number, tables.nowhere(what)), &live(sum));
    }
    let row = Row::nowhere(number, tables.nowhere(UNLISTED));
    let listed: Vec<_> = process.all_stacks().collect();
    let beyond = unlisted(&process.heap, &listed, process.period.as_ref());
    account.push_with(row, &beyond, &process.other_changes);
}

/// Those of another account.
pub(super) fn fill_blocks(
    account: &mut Account,
    tables: &mut Tables,
    number: u32,
    report: &AccountReport,
) {
    listed(account, tables, number, report.stacks.iter());
    let row = Row::nowhere(number, tables.nowhere(UNLISTED));
    account.push(row, &live(report.others));
    let listed: Vec<_> = report.stacks.iter().collect();
    account.push(row, &unlisted(&report.totals, &listed, None));
}

fn listed<'a>(
    account: &mut Account,
    tables: &mut Tables,
    process: u32,
    stacks: impl Iterator<Item = &'a StackReport>,
) {
    for stack in stacks {
        let row = row(tables, process, &stack.frames, &stack.function, stack.end);
        let row = Row {
            oldest: stack.oldest_age,
            thread: stack.part.thread,
            doubtful: stack.perhaps_freed,
            ..row
        };
        account.push_with(row, &figures(stack), &stack.changes);
    }
}

/// In the order of the views.
fn figures(stack: &StackReport) -> [Figure; 7] {
    let range = |of: fn(&SampledConfidence) -> Confidence| stack.confidence.as_ref().map(of);
    let live = Figure::of(stack.live_bytes, stack.live_blocks)
        .within(range(|it| it.live_bytes), range(|it| it.live_blocks));
    let is_growing = stack.verdict() == Verdict::Growing;
    [
        live,
        if is_growing { live } else { Figure::default() },
        Figure::of(stack.peak_bytes, 0).within(range(|it| it.peak_bytes), None),
        Figure::of(stack.allocated_bytes, stack.allocated_blocks)
            .within(range(|it| it.allocated_bytes), range(|it| it.allocated_blocks)),
        Figure::of(stack.freed_bytes, stack.freed_blocks)
            .within(range(|it| it.freed_bytes), range(|it| it.freed_blocks)),
        temporary(stack.period.as_ref()),
        kept(stack.period.as_ref()),
    ]
}

/// Where an account of such blocks was kept, and they are known.
fn temporary(period: Option<&PeriodFigures>) -> Figure {
    period
        .filter(|period| period.knows_temporary)
        .map_or_else(Figure::default, |period| figure(&period.temporary))
}

fn kept(period: Option<&PeriodFigures>) -> Figure {
    period.map_or_else(Figure::default, |period| figure(&period.kept))
}

fn figure(sum: &PeriodSum) -> Figure {
    let (bytes, blocks) = sum.around.unzip();
    Figure::of(sum.bytes, sum.blocks).within(bytes, blocks)
}

/// Something of which only what lives is known.
fn live(sum: Sum) -> [Figure; 7] {
    let mut figures = [Figure::default(); 7];
    figures[0] = Figure::of(sum.bytes, sum.blocks);
    figures
}

/// What the totals have beyond the stacks. What lives of it is told by others; `period` is of blocks without a stack.
fn unlisted(
    totals: &HeapTotals,
    stacks: &[&StackReport],
    period: Option<&PeriodFigures>,
) -> [Figure; 7] {
    let beyond = |total: u64, of: fn(&StackReport) -> u64| {
        total.saturating_sub(stacks.iter().map(|stack| of(stack)).fold(0, u64::saturating_add))
    };
    [
        Figure::default(),
        Figure::default(),
        Figure::of(beyond(totals.peak_bytes, |it| it.peak_bytes), 0),
        Figure::of(
            beyond(totals.allocated_bytes, |it| it.allocated_bytes),
            beyond(totals.allocated_blocks, |it| it.allocated_blocks),
        ),
        Figure::of(
            beyond(totals.freed_bytes, |it| it.freed_bytes),
            beyond(totals.freed_blocks, |it| it.freed_blocks),
        ),
        temporary(period),
        kept(period),
    ]
}
