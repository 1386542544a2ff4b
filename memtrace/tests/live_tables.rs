//! Unwinding tables on the kernel side: room that is given up comes back, and not too early.
#![cfg(feature = "live")]

mod support;

use memtrace::probe::live::code_tables::{CodeTables, FilePages, Room};
use memtrace::probe::live::kernel_side::{KernelSide, LoadOptions};
use memtrace_common::config::UnwindMode;
use memtrace_common::limits::{MAX_UNWIND_ROW_PAIRS, USUAL_CODE_MAPPINGS};
use memtrace_common::unwind::{CodeRange, Rule};
use support::{may_trace, wait_until};

/// Rows that there is room for.
const ROWS: usize = MAX_UNWIND_ROW_PAIRS as usize * 2;

fn load() -> Option<KernelSide> {
    let options = LoadOptions { unwind: UnwindMode::Auto, ..LoadOptions::default() };
    may_trace().then(|| KernelSide::load(options).expect("the kernel side loads"))
}

/// What a table of one page with so many rows takes.
fn room(rows: usize) -> Room {
    Room::of([rows as u32].into_iter())
}

/// Adds a table of one page with so many rows.
fn add(tables: &mut CodeTables, rows: usize) -> Option<FilePages> {
    let rules = [Rule::GAP, Rule::UNSUPPORTED];
    tables.add_file(&rules, (0..rows).map(|row| row as u32), [rows as u32].into_iter(), 0)
}

#[test]
fn room_that_is_given_up_comes_back_when_no_walk_can_read_there() {
    let Some(mut kernel) = load() else { return };
    let tables = kernel.code_tables().unwrap();
    let quarters: Vec<FilePages> = (0..4).map(|_| add(tables, ROWS / 4).unwrap()).collect();
    assert!(quarters.windows(2).all(|pair| pair[0].first != pair[1].first));
    assert_eq!(add(tables, 1), None);
    assert_eq!(tables.to_give_up(room(ROWS / 4), &quarters), Some(1));
    assert_eq!(tables.to_give_up(room(ROWS / 4 + 1), &quarters), Some(2));
    assert_eq!(tables.to_give_up(room(ROWS + 1), &quarters), None);

    tables.remove_file(quarters[1]);
    assert!(!tables.has_room(room(1)));
    assert_eq!(tables.to_give_up(room(ROWS / 4), &[]), Some(0));
    wait_until("the room", || tables.has_room(room(ROWS / 4)).then_some(()));
    assert!(add(tables, ROWS / 4).is_some());
    assert_eq!(add(tables, 1), None);
}

#[test]
fn mappings_without_room_leave_the_old_ones() {
    let Some(mut kernel) = load() else { return };
    let tables = kernel.code_tables().unwrap();
    let ranges = vec![CodeRange::default(); USUAL_CODE_MAPPINGS as usize / 2];
    tables.set_ranges(1, &ranges, 0).unwrap();
    tables.set_ranges(2, &ranges, 0).unwrap();
    assert!(tables.set_ranges(3, &ranges[..1], 0).is_err());
    assert!(tables.set_ranges(3, &[], 0).is_ok());
    // The place rests, so it is not given to another one at once.
    tables.forget(1);
    assert!(tables.set_ranges(3, &ranges, 0).is_err());
}
