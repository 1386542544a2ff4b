//! The accounts of a report, none of which may be added to another: what is in each, and how it may be looked at.

use super::blocks::{fill_blocks, fill_heap};
use super::columns::{Figure, Row};
use super::data::Account;
use super::tables::Tables;
use crate::report::model::{FrameReport, ProcessReport, Report, ToldFigures};
use crate::report::text::why_it_ends;
use memtrace_common::wire::StackEnd;

/// What is in no listed stack.
pub(super) const UNLISTED: &str = "(stacks that are not listed)";

/// The view of what was allocated in a part of the run and is alive at its end.
pub(super) const KEPT: &str = "kept";

/// The views of blocks that were all followed.
const BLOCKS: &[(&str, &str, bool)] = &[
    ("live", "live", true),
    ("growing", "live, of growing stacks", true),
    ("peak", "live at the peak", false),
    ("allocated", "allocated", true),
    ("freed", "freed again", true),
    ("temporary", "temporary", true),
    // Of pages that are of a part of the run alone.
    (KEPT, "allocated in it and alive", true),
];
const TOUCHED: &[(&str, &str, bool)] = &[
    ("live", "still there", false),
    ("touched", "ever touched", false),
    ("given_back", "given back", false),
];
const MAPPED: &[(&str, &str, bool)] = &[
    ("live", "still mapped", true),
    ("mapped", "ever mapped", false),
    ("unmapped", "unmapped again", false),
];
const TOLD: &[(&str, &str, bool)] = &[("live", "live", true), ("allocated", "allocated", true)];

type Fill = fn(&mut Account, &mut Tables, u32, &ProcessReport);

/// Those in which there is something.
pub(super) fn all(report: &Report, tables: &mut Tables) -> Vec<Account> {
    let filled = empty().map(|(mut account, fill)| {
        for (number, process) in (0..).zip(&report.processes) {
            fill(&mut account, tables, number, process);
        }
        account.finished()
    });
    filled.into_iter().filter(|account| !account.views.is_empty()).collect()
}

fn empty() -> [(Account, Fill); 6] {
    let account = |key, name, unit, note, views| {
        Account { key, name, unit, note, ..Account::default() }.with(views)
    };
    [
        (account("heap", "Heap", "blocks", "", BLOCKS), fill_heap),
        (
            account(
                "touched",
                "Touched pages",
                "pages",
                "Pages by the stack that touched them first.",
                TOUCHED,
            ),
            fill_touched,
        ),
        (
            account(
                "mapped",
                "Mappings",
                "ranges",
                "Address space, not memory. What allocators map holds the blocks of the heap.",
                MAPPED,
            ),
            fill_mapped,
        ),
        (
            account(
                "pools",
                "Pools",
                "blocks",
                "What functions that you described gave out. It lies in the heap or in mappings.",
                BLOCKS,
            ),
            fill_pools,
        ),
        (
            account(
                "device",
                "Devices",
                "blocks",
                "Memory that a device's driver gave out. It is no part of the heap.",
                BLOCKS,
            ),
            fill_device,
        ),
        (
            account(
                "told",
                "Told by the program",
                "blocks",
                "The program's own estimates. The same blocks may be in the heap.",
                TOLD,
            ),
            fill_told,
        ),
    ]
}

/// Where the figures of a stack belong.
pub(super) fn row(
    tables: &mut Tables,
    process: u32,
    frames: &[FrameReport],
    function: &str,
    end: StackEnd,
) -> Row {
    let node = tables.stack(frames, function);
    let end = why_it_ends(end, frames.is_empty()).map_or(-1, |why| tables.text(why));
    Row { end, ..Row::nowhere(process, node) }
}

fn fill_touched(account: &mut Account, tables: &mut Tables, number: u32, process: &ProcessReport) {
    let Some(touched) = &process.touched else { return };
    for stack in &touched.stacks {
        let row = row(tables, number, &stack.frames, "", stack.end);
        let bytes = [stack.live_bytes, stack.touched_bytes, stack.given_back_bytes];
        let around = |number: usize| stack.confidence.map(|all| all[number]);
        let figures = [0, 1, 2].map(|it| Figure::of(bytes[it], 0).within(around(it), None));
        account.push(row, &figures);
    }
    let row = Row::nowhere(number, tables.nowhere(UNLISTED));
    let others = Figure::of(touched.others.bytes, 0).within(touched.others_confidence, None);
    account.push(row, &[others, Figure::default(), Figure::default()]);
}

fn fill_mapped(account: &mut Account, tables: &mut Tables, number: u32, process: &ProcessReport) {
    for stack in &process.mapped {
        let row = row(tables, number, &stack.frames, &stack.function, stack.end);
        account.push(
            Row { oldest: stack.oldest_age, ..row },
            &[
                Figure::of(stack.live_bytes, stack.live_ranges),
                Figure::of(stack.mapped_bytes, 0),
                Figure::of(stack.unmapped_bytes, 0),
            ],
        );
    }
    let others = Figure::of(process.mapped_others.bytes, process.mapped_others.blocks);
    let row = Row::nowhere(number, tables.nowhere(UNLISTED));
    account.push(row, &[others, Figure::default(), Figure::default()]);
}

fn fill_pools(account: &mut Account, tables: &mut Tables, number: u32, process: &ProcessReport) {
    if let Some(pools) = &process.pools {
        fill_blocks(account, tables, number, pools);
    }
}

fn fill_device(account: &mut Account, tables: &mut Tables, number: u32, process: &ProcessReport) {
    if let Some(device) = &process.device {
        fill_blocks(account, tables, number, &device.account);
    }
}

fn fill_told(account: &mut Account, tables: &mut Tables, number: u32, process: &ProcessReport) {
    let Some(told) = &process.told else { return };
    let figure = |it: &ToldFigures| {
        Figure::of(it.bytes, it.blocks).within(Some(it.bytes_ci), Some(it.blocks_ci))
    };
    for stack in &told.stacks {
        let row = row(tables, number, &stack.frames, "", stack.end);
        account.push(row, &[figure(&stack.live), figure(&stack.allocated)]);
    }
    let others = [Figure::of(told.others.bytes, 0), Figure::default()];
    account.push(Row::nowhere(number, tables.nowhere(UNLISTED)), &others);
}
