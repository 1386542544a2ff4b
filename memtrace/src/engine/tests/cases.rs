//! Heap events one by one: stacks, races between threads, growth, bounds.

use crate::engine::limits::Limits;
use crate::engine::snapshot::{Doubtful, HeapTotals, ProcessSnapshot, Snapshot, SnapshotOptions};
use crate::engine::tracker::Tracker;
use crate::model::event::{
    Allocation, CodeMapping, Event, Exec, Free, Reallocation, StackRef, What,
};
use crate::model::frame::Frame;
use crate::model::ids::{ModuleId, ProcessKey, SECOND};
use crate::model::picture::{Area, PageKind, Picture};
use crate::model::process::{ProcessInfo, Usage};
use memtrace_common::classes::{SizeClasses, Sizing};
use memtrace_common::function::FunctionId;
use memtrace_common::wire::StackEnd;
use std::sync::Arc;

pub(super) const PID: u32 = 7;

pub(super) fn seen(pid: u32, start_time: u64) -> What<'static> {
    let key = ProcessKey { pid, start_time };
    What::ProcessSeen(Arc::new(ProcessInfo { key, ..ProcessInfo::default() }))
}

/// A tracker with one process, seen at time 0.
pub(super) fn watching(limits: Limits) -> Tracker {
    let mut tracker = Tracker::new(limits);
    send(&mut tracker, 0, seen(PID, 1));
    tracker
}

pub(super) fn send(tracker: &mut Tracker, time: u64, what: What<'_>) {
    send_to(tracker, PID, time, what);
}

pub(super) fn send_to(tracker: &mut Tracker, process: u32, time: u64, what: What<'_>) {
    tracker.apply(&Event { time, process, thread: process, what });
}

pub(super) fn stack(id: u64, frames: &[u8]) -> StackRef<'_> {
    StackRef { id, end: StackEnd::Complete, frames }
}

pub(super) fn malloc(address: u64, size: u64, stack: StackRef<'_>) -> What<'_> {
    What::Allocation(call(FunctionId::MALLOC, address, size, stack))
}

pub(super) fn call(
    function: FunctionId,
    address: u64,
    size: u64,
    stack: StackRef<'_>,
) -> Allocation<'_> {
    let sizing = Sizing::of(SizeClasses::GLIBC);
    Allocation { function, sizing, address, size, sample_interval: 0, stack }
}

pub(super) fn free(address: u64) -> What<'static> {
    What::Free(Free {
        function: FunctionId::FREE,
        address,
        inside_allocator: false,
        perhaps_not_taken: false,
    })
}

fn realloc(old_address: u64, entered: u64, address: u64, size: u64) -> What<'static> {
    let new = call(FunctionId::REALLOC, address, size, StackRef::default());
    What::Reallocation(Reallocation { old_address, entered, perhaps_not_taken: false, new })
}

fn snapshot(tracker: &mut Tracker) -> Snapshot {
    tracker.snapshot(100 * SECOND, &SnapshotOptions::default())
}

pub(super) fn process(tracker: &mut Tracker) -> ProcessSnapshot {
    snapshot(tracker).processes.remove(0)
}

fn heap(tracker: &mut Tracker) -> HeapTotals {
    process(tracker).heap
}

pub(super) fn frames(addresses: &[u64]) -> Vec<u8> {
    addresses.iter().flat_map(|address| address.to_ne_bytes()).collect()
}

#[test]
fn realloc_of_nothing_to_nothing_and_in_vain() {
    let mut tracker = watching(Limits::default());
    send(&mut tracker, 64, realloc(0, 60, 0x10, 5));
    send(&mut tracker, 128, realloc(0x10, 120, 0, 9));
    assert_eq!((heap(&mut tracker).live_bytes, heap(&mut tracker).failed), (5, 1));
    send(&mut tracker, 192, realloc(0x10, 190, 0x10, 50));
    assert_eq!((heap(&mut tracker).live_bytes, heap(&mut tracker).peak_bytes), (50, 50));
    send(&mut tracker, 256, realloc(0x10, 250, 0, 0));
    let totals = heap(&mut tracker);
    assert_eq!((totals.live_blocks, totals.allocated_bytes, totals.freed_bytes), (0, 55, 55));
    assert_eq!((totals.allocated_blocks, totals.freed_blocks, totals.failed), (2, 2, 1));
}

#[test]
fn an_overwrite_is_explained_by_a_later_realloc() {
    for gone_again in [false, true] {
        let mut tracker = watching(Limits::default());
        send(&mut tracker, 640, malloc(0x10, 8, StackRef::default()));
        // Another thread gets 0x10 while realloc, entered at 1,280, is still at work.
        send(&mut tracker, 1920, malloc(0x10, 100, StackRef::default()));
        assert_eq!((heap(&mut tracker).missed_frees, heap(&mut tracker).missed_bytes), (1, 8));
        if gone_again {
            send(&mut tracker, 1984, free(0x10));
        }
        send(&mut tracker, 2560, realloc(0x10, 1280, 0x40, 16));
        let totals = heap(&mut tracker);
        assert_eq!((totals.missed_frees, totals.missed_bytes, totals.unknown_frees), (0, 0, 0));
        let others = if gone_again { 0 } else { 100 };
        assert_eq!((totals.live_bytes, totals.freed_bytes), (16 + others, 108 - others));
    }
}

#[test]
fn a_free_by_the_allocator_itself_is_not_unknown() {
    let mut tracker = watching(Limits::default());
    let inside = Free {
        function: FunctionId::FREE,
        address: 0x10,
        inside_allocator: true,
        perhaps_not_taken: false,
    };
    send(&mut tracker, 64, What::Free(inside));
    send(&mut tracker, 64, free(0x10));
    let totals = heap(&mut tracker);
    assert_eq!((totals.internal_frees, totals.unknown_frees), (1, 1));
    send(&mut tracker, 128, malloc(0x10, 1, StackRef::default()));
    send(&mut tracker, 192, What::Free(inside));
    assert_eq!(heap(&mut tracker).freed_blocks, 1);
}

#[test]
fn stacks_know_what_they_held_at_the_peak() {
    let mut tracker = watching(Limits::default());
    let (one, two) = (frames(&[1]), frames(&[2]));
    send(&mut tracker, 1, malloc(0x10, 100, stack(1, &one)));
    send(&mut tracker, 2, malloc(0x20, 50, stack(2, &two)));
    send(&mut tracker, 3, free(0x10));
    send(&mut tracker, 4, malloc(0x30, 70, stack(2, &[])));
    let shown = process(&mut tracker);
    assert_eq!((shown.heap.peak_bytes, shown.heap.live_bytes), (150, 120));
    let by_stack: Vec<_> = shown.stacks.iter().map(|s| (s.peak_bytes, s.live_bytes)).collect();
    assert_eq!(by_stack, [(100, 0), (50, 120)]);
}

#[test]
fn marks_make_growth() {
    let mut tracker = watching(Limits::default());
    send(&mut tracker, 1, What::Usage(Usage { resident: 1000, ..Usage::default() }));
    let one = frames(&[1]);
    for second in 1..=4 {
        send(&mut tracker, second * SECOND - 1, malloc(second * 16, 10, stack(1, &one)));
        send(
            &mut tracker,
            second * SECOND - 1,
            What::Usage(Usage { resident: 900, ..Usage::default() }),
        );
        send(&mut tracker, second * SECOND, What::Mark);
    }
    let shown = process(&mut tracker);
    assert_eq!((shown.intervals, shown.growth.bytes, shown.growth.up), (4, 40, 4));
    assert_eq!(shown.growth.bytes_per_second, Some(10.0));
    assert_eq!(shown.stacks[0].growth, shown.growth);
    assert_eq!((shown.resident_growth.bytes, shown.resident_growth.up), (-100, 0));
    assert_eq!(
        (shown.usage_first.unwrap().resident, shown.usage_last.unwrap().resident),
        (1000, 900)
    );
}

#[test]
fn a_picture_is_of_the_program_that_it_was_read_of() {
    let area = |start: u64, end: u64, resident: u64| Area {
        start,
        end,
        resident,
        kind: PageKind::HeapSegment,
        writable: true,
        pages: None,
    };
    let picture = |began: u64, areas: &[Area]| {
        What::Picture(Box::new(Picture { began, ..Picture::default() }), areas.into())
    };
    let mut tracker = watching(Limits::default());
    send(&mut tracker, 1, malloc(0x2000, 100, StackRef::default()));
    send(&mut tracker, 2, malloc(0x9000, 10, StackRef::default()));
    send(&mut tracker, 4, picture(3, &[area(0x1000, 0x4000, 0x3000)]));
    // What comes later is in the next one.
    send(&mut tracker, 5, malloc(0x3000, 100, StackRef::default()));
    let seen = process(&mut tracker).picture.unwrap();
    assert_eq!((seen.time, seen.blocks.live, seen.blocks.elsewhere), (4, 110, 10));
    assert_eq!((seen.blocks.touched_least, seen.blocks.touched_most), (100, 100));
    // Read before the exec, heard of afterwards.
    send(&mut tracker, 7, What::Exec(Exec { device: 0, inode: 0 }));
    send(&mut tracker, 8, picture(6, &[]));
    let shown = snapshot(&mut tracker);
    assert!(shown.processes.iter().all(|process| process.picture.is_none()));
    send(&mut tracker, 10, picture(9, &[]));
    assert_eq!(snapshot(&mut tracker).processes[1].picture.unwrap().time, 10);
}

#[test]
fn one_id_with_two_functions_makes_two_stacks() {
    let mut tracker = watching(Limits::default());
    let one = frames(&[1]);
    send(&mut tracker, 1, malloc(0x10, 1, stack(5, &one)));
    let calloc = What::Allocation(call(FunctionId::CALLOC, 0x20, 2, stack(5, &[])));
    send(&mut tracker, 2, calloc);
    let shown = snapshot(&mut tracker);
    let stacks = &shown.processes[0].stacks;
    assert_eq!((stacks.len(), shown.unknown_stacks), (2, 0));
    assert_eq!(stacks[0].frames, stacks[1].frames);
    assert_ne!(stacks[0].stack, stacks[1].stack);
}

#[test]
fn an_unknown_id_is_asked_for_again() {
    let mut tracker = watching(Limits::default());
    for address in [0x10, 0x20] {
        send(&mut tracker, 1, malloc(address, 1, stack(5, &[])));
    }
    send_to(&mut tracker, 99, 1, malloc(0x10, 1, stack(6, &frames(&[1]))));
    assert_eq!(snapshot(&mut tracker).unknown_stacks, 2);
    assert_eq!(tracker.take_forgotten(), [(PID, 5), (99, 6)]);
    send(&mut tracker, 2, malloc(0x30, 1, stack(5, &frames(&[1]))));
    send(&mut tracker, 2, malloc(0x40, 1, stack(5, &[])));
    assert_eq!(snapshot(&mut tracker).unknown_stacks, 2);
    assert!(tracker.take_forgotten().is_empty());
}

#[test]
fn frames_of_a_failed_call_are_learned() {
    let mut tracker = watching(Limits::default());
    send(&mut tracker, 1, malloc(0, 1, stack(5, &frames(&[1]))));
    send(&mut tracker, 2, malloc(0x10, 1, stack(5, &[])));
    let shown = snapshot(&mut tracker);
    assert_eq!((shown.unknown_stacks, shown.processes[0].heap.failed), (0, 1));
    assert_eq!(shown.processes[0].stacks[0].frames[..], [Frame::Unmapped(1)]);
}

#[test]
fn newer_mappings_give_places_to_what_had_none() {
    let mut tracker = watching(Limits::default());
    let mapping = |start, module| CodeMapping {
        start,
        end: start + 0x1000,
        file_offset: 0,
        module: ModuleId(module),
    };
    send(&mut tracker, 1, What::Mappings([mapping(0x1000, 0)].into()));
    let (known, late) = (frames(&[0x1010]), frames(&[0x1010, 0x5010]));
    send(&mut tracker, 2, malloc(0x10, 1, stack(1, &known)));
    send(&mut tracker, 2, malloc(0x20, 1, stack(2, &late)));
    send(&mut tracker, 3, What::Mappings([mapping(0x1000, 0), mapping(0x5000, 1)].into()));
    assert_eq!(tracker.take_forgotten(), [(PID, 2)]);
    // The kernel side does not know that yet.
    send(&mut tracker, 3, malloc(0x28, 1, stack(2, &[])));
    send(&mut tracker, 4, malloc(0x30, 1, stack(2, &late)));
    assert_eq!(snapshot(&mut tracker).unknown_stacks, 0);
    let shown = process(&mut tracker);
    let ends: Vec<_> = shown.stacks.iter().map(|stack| (stack.frames.len(), stack.end)).collect();
    use StackEnd::{Complete, NoMapping};
    assert_eq!(ends, [(1, Complete), (1, NoMapping), (2, Complete)]);
    // Where code has gone an id may mean another stack.
    send(&mut tracker, 5, What::Mappings([mapping(0x5000, 1)].into()));
    let mut forgotten = tracker.take_forgotten();
    forgotten.sort_unstable();
    assert_eq!(forgotten, [(PID, 1), (PID, 2)]);
}

#[test]
fn a_full_table_evicts_new_blocks_but_not_resized_ones() {
    let mut tracker = watching(Limits { max_blocks: 2, ..Limits::default() });
    for address in [0x10, 0x20, 0x30] {
        send(&mut tracker, 64, malloc(address, 5, StackRef::default()));
    }
    send(&mut tracker, 128, realloc(0x10, 120, 0x40, 7));
    send(&mut tracker, 192, free(0x30));
    let totals = heap(&mut tracker);
    assert_eq!((totals.evicted_blocks, totals.evicted_bytes, totals.unknown_frees), (1, 5, 1));
    assert_eq!((totals.live_blocks, totals.live_bytes, totals.allocated_blocks), (2, 12, 4));
}

#[test]
fn ids_and_stacks_are_bounded() {
    let mut tracker = watching(Limits { max_stacks: 30, max_stack_ids: 20, ..Limits::default() });
    for id in 1..=40 {
        send(&mut tracker, 1, malloc(id * 16, 1, stack(id, &frames(&[id]))));
    }
    let shown = snapshot(&mut tracker);
    assert_eq!((shown.bounds.refused_stacks, shown.bounds.crowded_out), (10, 10));
    assert_eq!(shown.unknown_stacks, 0);
    assert_eq!((shown.bounds.evicted_stack_ids, tracker.take_forgotten().len()), (10, 10));
    assert_eq!(shown.processes[0].stacks.len(), 31);
}

#[test]
fn blocks_out_of_reach_are_counted() {
    let mut tracker = watching(Limits::default());
    send(&mut tracker, 1, malloc(1 << 50, 5, StackRef::default()));
    send(&mut tracker, 1, malloc(0x10, 1 << 60, StackRef::default()));
    let shown = snapshot(&mut tracker);
    assert_eq!(shown.bounds.unsupported_blocks, 2);
    assert_eq!(shown.processes[0].heap.evicted_bytes, 5 + (1 << 60));
}

#[test]
fn a_pool_has_an_account_of_its_own() {
    const ALLOC: FunctionId = FunctionId(FunctionId::FIRST_USER_DEFINED);
    const RESIZE: FunctionId = FunctionId(FunctionId::FIRST_USER_DEFINED + 1);
    let mut tracker = watching(Limits::default());
    let bytes = frames(&[1, 2]);
    send(&mut tracker, 1, malloc(0x1000, 4096, stack(1, &bytes)));
    // The pool's first block is where the heap's is, and the stack has the same number.
    send(&mut tracker, 2, What::Allocation(call(ALLOC, 0x1000, 100, stack(1, &[]))));
    send(&mut tracker, 3, What::Allocation(call(ALLOC, 0x1100, 50, stack(1, &[]))));
    let new = call(RESIZE, 0x1200, 80, stack(1, &[]));
    let resize = Reallocation { old_address: 0x1100, entered: 3, perhaps_not_taken: false, new };
    send(&mut tracker, 4, What::Reallocation(resize));
    let shown = process(&mut tracker);
    assert_eq!((shown.heap.live_bytes, shown.heap.missed_frees), (4096, 0));
    let pools = shown.pools.totals;
    assert_eq!((pools.live_bytes, pools.live_blocks, pools.peak_bytes), (180, 2, 180));
    assert_eq!((pools.allocated_bytes, pools.freed_bytes), (230, 50));
    let of = |stacks: &[crate::engine::snapshot::StackSnapshot]| -> Vec<(FunctionId, u64)> {
        stacks.iter().map(|stack| (stack.function, stack.live_bytes)).collect()
    };
    assert_eq!(of(&shown.stacks), [(FunctionId::MALLOC, 4096)]);
    assert_eq!(of(&shown.pools.stacks), [(ALLOC, 100), (RESIZE, 80)]);
    assert_eq!(tracker.live_blocks(), 3);
    // A free of one kind does not reach the other.
    send(&mut tracker, 5, free(0x1200));
    let give_back = Free {
        function: ALLOC,
        address: 0x1000,
        inside_allocator: false,
        perhaps_not_taken: false,
    };
    send(&mut tracker, 6, What::Free(give_back));
    let shown = process(&mut tracker);
    assert_eq!((shown.heap.live_bytes, shown.heap.unknown_frees), (4096, 1));
    assert_eq!((shown.pools.totals.live_bytes, shown.pools.totals.unknown_frees), (80, 0));
    assert_eq!(tracker.live_blocks(), 2);
}

#[test]
fn lost_frees_put_older_blocks_in_doubt() {
    let mut tracker = watching(Limits::default());
    let words = frames(&[5]);
    let stack = stack(1, &words);
    send(&mut tracker, SECOND, malloc(0x10, 8, stack));
    send(&mut tracker, SECOND, malloc(0x20, 32, stack));
    send(&mut tracker, 2 * SECOND, What::FreesLost { count: 1 });
    // Born after the loss: it lives for sure.
    send(&mut tracker, 3 * SECOND, malloc(0x30, 64, stack));
    let seen = process(&mut tracker);
    assert_eq!((seen.heap.lost_frees, seen.heap.live_blocks), (1, 3));
    assert_eq!(seen.stacks[0].doubtful, Doubtful { blocks: 2, bytes: 40, largest: 32 });
    // Another process's losses are none of this one's, and those of nobody known may be.
    send_to(&mut tracker, PID + 1, 4 * SECOND, What::FreesLost { count: 9 });
    assert_eq!(heap(&mut tracker).lost_frees, 1);
    // The address is given out again: that was the free.
    send(&mut tracker, 4 * SECOND, malloc(0x10, 8, stack));
    let seen = process(&mut tracker);
    assert_eq!((seen.heap.lost_frees, seen.heap.missed_frees), (0, 1));
    assert_eq!(seen.stacks[0].doubtful, Doubtful::default());
    send_to(&mut tracker, 0, 5 * SECOND, What::FreesLost { count: 2 });
    assert_eq!(process(&mut tracker).stacks[0].doubtful.blocks, 3);
    // A new program has a heap in which nothing was lost.
    send(&mut tracker, 6 * SECOND, What::Exec(Exec::default()));
    let all = snapshot(&mut tracker).processes;
    let lost: Vec<u64> = all.iter().map(|process| process.heap.lost_frees).collect();
    assert_eq!(lost, [2, 0]);
}
