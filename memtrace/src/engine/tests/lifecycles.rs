//! How processes come, multiply and go.

use super::cases::{PID, call, free, malloc, process, seen, send, send_to, stack, watching};
use crate::engine::ended::{Ended, Sums};
use crate::engine::limits::Limits;
use crate::engine::snapshot::{HeapTotals, ProcessSnapshot, SnapshotOptions, State};
use crate::engine::tracker::Tracker;
use crate::model::event::{Exec, Fork, Free, Map, StackRef, What};
use memtrace_common::function::FunctionId;

const CHILD: u32 = 8;

fn fork(clone_flags: u64) -> What<'static> {
    What::Fork(Fork {
        child_process: CHILD,
        child_thread: CHILD,
        clone_flags,
        started: 0,
        followed: false,
    })
}

fn all(tracker: &mut Tracker) -> Vec<ProcessSnapshot> {
    tracker.snapshot(1000, &SnapshotOptions::default()).processes
}

fn live(tracker: &mut Tracker) -> Vec<u64> {
    all(tracker).iter().map(|process| process.heap.live_bytes).collect()
}

#[test]
fn a_forked_child_starts_with_a_copy() {
    let mut tracker = watching(Limits::default());
    let mmap = Map { address: 0x1000, length: 0x1000, protection: 3, flags: 0x22, file_offset: 0 };
    send(&mut tracker, 64, malloc(0x10, 5, StackRef::default()));
    send(&mut tracker, 64, What::Map(mmap, StackRef::default()));
    send(&mut tracker, 128, fork(0));
    assert_eq!(process(&mut tracker).untraced_children, 1);
    send_to(&mut tracker, CHILD, 128, seen(CHILD, 2));
    send(&mut tracker, 192, free(0x10));
    send_to(&mut tracker, CHILD, 192, malloc(0x20, 7, StackRef::default()));
    assert_eq!(live(&mut tracker), [0, 12]);
    let child = all(&mut tracker).remove(1);
    assert_eq!((child.heap.inherited_bytes, child.heap.allocated_bytes), (5, 7));
    assert_eq!((child.mappings.live_bytes, child.mappings.inherited_bytes), (4096, 4096));
    assert_eq!(process(&mut tracker).untraced_children, 0);
    send_to(&mut tracker, CHILD, 256, free(0x10));
    assert_eq!(all(&mut tracker)[1].heap.freed_bytes, 5);
    assert_eq!(tracker.live_blocks(), 1);
}

/// `/proc` is read when the child has executed its program, and maybe another one after it: records of what it was
/// before are still to come.
#[test]
fn a_heap_segment_that_is_seen_too_early_is_no_growth() {
    const FAR: u64 = 1 << 45;
    let end = |end| What::Break { end, stack: StackRef::default() };
    let far = || What::BreakSeen { start: FAR, end: FAR + 0x5000 };
    let mapped = |tracker: &mut Tracker| {
        all(tracker).last().map(|process| process.mappings.live_bytes).unwrap()
    };
    let mut tracker = watching(Limits::default());
    send(&mut tracker, 64, What::BreakSeen { start: 0x10_0000, end: 0x11_0000 });
    send(&mut tracker, 64, end(0x11_1000));
    send(&mut tracker, 128, fork(0));
    send_to(&mut tracker, CHILD, 128, seen(CHILD, 2));
    send_to(&mut tracker, CHILD, 192, far());
    assert_eq!(mapped(&mut tracker), 0x1000);
    send_to(&mut tracker, CHILD, 256, end(0x11_3000));
    assert_eq!(mapped(&mut tracker), 0x3000);
    send_to(&mut tracker, CHILD, 320, What::Exec(Exec::default()));
    send_to(&mut tracker, CHILD, 320, seen(CHILD, 2));
    send_to(&mut tracker, CHILD, 384, far());
    // What the program asks for first is where its segment ends, which is where it begins.
    send_to(&mut tracker, CHILD, 448, end(0x20_0000));
    send_to(&mut tracker, CHILD, 512, end(0x20_2000));
    assert_eq!(mapped(&mut tracker), 0x2000);
}

/// Its exec has taken away what it had of its parent, whose child was not traced until then.
#[test]
fn one_that_begins_at_its_exec_inherits_nothing() {
    let mut tracker = watching(Limits::default());
    send(&mut tracker, 64, malloc(0x10, 5, StackRef::default()));
    send(&mut tracker, 128, fork(0));
    let What::ProcessSeen(info) = seen(CHILD, 2) else { panic!("another event") };
    send_to(&mut tracker, CHILD, 128, What::ProcessBegan(info));
    send_to(&mut tracker, CHILD, 192, malloc(0x10, 7, StackRef::default()));
    assert_eq!(live(&mut tracker), [5, 7]);
    assert_eq!(all(&mut tracker)[1].heap.inherited_blocks, 0);
    assert_eq!(process(&mut tracker).untraced_children, 1);
}

/// Of children that had one pid after another only the latest can be seen.
#[test]
fn an_older_child_with_the_pid_has_gone_unseen() {
    let mut tracker = watching(Limits::default());
    send(&mut tracker, 64, malloc(0x10, 5, StackRef::default()));
    send(&mut tracker, 128, fork(0));
    send(&mut tracker, 192, fork(0));
    send_to(&mut tracker, CHILD, 192, seen(CHILD, 2));
    send_to(&mut tracker, CHILD, 256, seen(CHILD, 3));
    assert_eq!(live(&mut tracker), [5, 5, 0]);
    assert_eq!(process(&mut tracker).untraced_children, 1);
    // A child that was taken for the pid's last process.
    send_to(&mut tracker, CHILD, 320, What::Exit { status: Some(0) });
    send(&mut tracker, 384, fork(0));
    send_to(&mut tracker, CHILD, 448, What::Exec(Exec::default()));
    send_to(&mut tracker, CHILD, 512, seen(CHILD, 4));
    assert_eq!(all(&mut tracker).last().map(|last| last.heap.live_bytes), Some(0));
}

#[test]
fn a_copy_without_room_is_evicted() {
    let mut tracker = watching(Limits { max_blocks: 3, ..Limits::default() });
    for address in [0x10, 0x20] {
        send(&mut tracker, 64, malloc(address, 5, StackRef::default()));
    }
    send(&mut tracker, 128, fork(0));
    send_to(&mut tracker, CHILD, 128, seen(CHILD, 2));
    let child = all(&mut tracker).remove(1).heap;
    assert_eq!((child.live_blocks, child.inherited_blocks, child.evicted_blocks), (0, 2, 2));
    assert_eq!(tracker.live_blocks(), 2);
}

/// The heap's addresses say nothing of a device's, and a child cannot use what its parent has there.
#[test]
fn memory_of_devices_is_apart_from_the_heap_and_is_not_inherited() {
    let mut tracker = watching(Limits::default());
    let given = |function, size| What::Allocation(call(function, 0x10, size, StackRef::default()));
    send(&mut tracker, 64, malloc(0x10, 5, StackRef::default()));
    send(&mut tracker, 64, given(FunctionId::CUDA_MALLOC, 700));
    send(&mut tracker, 128, fork(0));
    send_to(&mut tracker, CHILD, 128, seen(CHILD, 2));
    let device = |tracker: &mut Tracker, place: usize| all(tracker).remove(place).device.totals;
    assert_eq!((live(&mut tracker), tracker.live_blocks()), (vec![5, 5], 3));
    assert_eq!(device(&mut tracker, 0).live_bytes, 700);
    assert_eq!(device(&mut tracker, 1), HeapTotals::default());
    // Whichever of the interfaces frees it.
    let function = FunctionId::CU_MEM_FREE;
    let give_back =
        Free { function, address: 0x10, inside_allocator: false, perhaps_not_taken: false };
    send(&mut tracker, 192, What::Free(give_back));
    let parents = device(&mut tracker, 0);
    assert_eq!((parents.live_bytes, parents.freed_bytes, parents.unknown_frees), (0, 700, 0));
    assert_eq!((live(&mut tracker), tracker.live_blocks()), (vec![5, 5], 2));
}

#[test]
fn a_vfork_child_works_in_its_parents_memory_until_exec() {
    let mut tracker = watching(Limits::default());
    send(&mut tracker, 64, fork(0x100));
    assert_eq!(process(&mut tracker).unseen_vforks, 1);
    send_to(&mut tracker, CHILD, 64, seen(CHILD, 2));
    send_to(&mut tracker, CHILD, 128, malloc(0x10, 5, StackRef::default()));
    assert_eq!((live(&mut tracker), process(&mut tracker).unseen_vforks), (vec![5, 0], 0));
    send_to(&mut tracker, CHILD, 192, What::Exec(Exec::default()));
    send_to(&mut tracker, CHILD, 256, malloc(0x10, 9, StackRef::default()));
    assert_eq!(live(&mut tracker), [5, 9], "nothing of its own before");
    tracker.forget(PID);
    tracker.forget(CHILD);
    assert_eq!((tracker.live_blocks(), tracker.spaces.len()), (0, 0));
}

#[test]
fn a_parents_memory_outlives_it_while_a_vfork_child_is_there() {
    let mut tracker = watching(Limits::default());
    send(&mut tracker, 64, malloc(0x10, 5, StackRef::default()));
    send(&mut tracker, 64, fork(0x100));
    send_to(&mut tracker, CHILD, 64, seen(CHILD, 2));
    tracker.forget(PID);
    send_to(&mut tracker, CHILD, 128, free(0x10));
    assert_eq!((live(&mut tracker), tracker.live_blocks()), (vec![0], 0));
    tracker.forget(CHILD);
    assert_eq!(tracker.spaces.len(), 0);
}

#[test]
fn threads_are_no_children() {
    let mut tracker = watching(Limits::default());
    let thread = Fork {
        child_process: PID,
        child_thread: 9,
        clone_flags: 0x100,
        started: 0,
        followed: false,
    };
    send(&mut tracker, 64, What::Fork(thread));
    let shown = process(&mut tracker);
    assert_eq!((shown.unseen_vforks, shown.untraced_children), (0, 0));
}

#[test]
fn exec_closes_one_program_and_begins_another() {
    let mut tracker = watching(Limits::default());
    send(&mut tracker, 64, malloc(0x10, 5, stack(1, &0x1234_u64.to_ne_bytes())));
    send(&mut tracker, 128, What::Exec(Exec::default()));
    assert_eq!(tracker.take_forgotten(), [(PID, 1)]);
    send(&mut tracker, 192, malloc(0x10, 7, StackRef::default()));
    send(&mut tracker, 256, seen(PID, 1));
    send(&mut tracker, 320, malloc(0x20, 8, StackRef::default()));
    let shown = all(&mut tracker);
    let ends: Vec<_> =
        shown.iter().map(|p| (p.state, p.seen, p.until, p.heap.live_bytes)).collect();
    assert_eq!(ends, [(State::Execed, 0, 128, 5), (State::Running, 128, 1000, 15)]);
    assert_eq!(shown[0].stacks[0].frames.len(), 1);
    assert_eq!(tracker.live_blocks(), 2);
}

#[test]
fn what_a_dead_process_held_stays_until_it_is_forgotten() {
    let mut tracker = watching(Limits::default());
    send(&mut tracker, 64, malloc(0x10, 5, StackRef::default()));
    send(&mut tracker, 128, What::Exit { status: Some(256) });
    let options = SnapshotOptions { min_age: 100, ..SnapshotOptions::default() };
    let shown = tracker.snapshot(1000, &options).processes.remove(0);
    assert_eq!((shown.state, shown.until), (State::Exited(Some(256)), 128));
    // Its age is that at the end.
    assert_eq!((shown.heap.live_bytes, shown.stacks[0].young_bytes), (5, 5));
    tracker.forget(PID);
    assert!(all(&mut tracker).is_empty() && !tracker.is_watched(PID));
    send(&mut tracker, 192, free(0x10));
    assert_eq!(tracker.snapshot(1000, &options).bounds.foreign_events, 1);
}

#[test]
fn a_pid_that_is_used_again_is_another_process() {
    let mut tracker = watching(Limits { max_closed: 2, ..Limits::default() });
    send(&mut tracker, 64, malloc(0x10, 5, StackRef::default()));
    send(&mut tracker, 128, seen(PID, 1));
    assert_eq!(live(&mut tracker), [5]);
    for start_time in 2..=4 {
        send(&mut tracker, start_time * 128, seen(PID, start_time));
    }
    let states: Vec<_> =
        all(&mut tracker).iter().map(|p| (p.info.key.start_time, p.state)).collect();
    let gone = State::Exited(None);
    assert_eq!(states, [(2, gone), (3, gone), (4, State::Running)]);
    let bounds = tracker.snapshot(1000, &SnapshotOptions::default()).bounds;
    assert_eq!((bounds.dropped_processes, tracker.live_blocks()), (1, 0));
}

#[test]
fn too_many_processes_are_refused_and_counted() {
    let mut tracker = watching(Limits { max_processes: 1, ..Limits::default() });
    send_to(&mut tracker, CHILD, 64, seen(CHILD, 2));
    send_to(&mut tracker, CHILD, 64, free(0x10));
    let bounds = tracker.snapshot(1000, &SnapshotOptions::default()).bounds;
    assert_eq!((bounds.refused_processes, bounds.foreign_events), (1, 1));
}

#[test]
fn those_that_are_retired_stay_in_the_sums() {
    let mut tracker = watching(Limits { max_closed: 1, ..Limits::default() });
    for start_time in 1..=3 {
        send(&mut tracker, start_time * 128, seen(PID, start_time));
        send(&mut tracker, start_time * 128 + 1, malloc(0x10, 5, StackRef::default()));
        send(&mut tracker, start_time * 128 + 2, malloc(0x20, 7, StackRef::default()));
        send(&mut tracker, start_time * 128 + 3, free(0x10));
    }
    let ended = |tracker: &mut Tracker| tracker.snapshot(1000, &SnapshotOptions::default()).ended;
    assert_eq!(ended(&mut tracker).processes, 1, "there was no room for the first");
    // More than it has blocks: each of those may be gone, and no other process's.
    send(&mut tracker, 800, What::FreesLost { count: 9 });
    send(&mut tracker, 900, What::Exit { status: Some(0) });
    tracker.retire(PID);
    let sums = Sums {
        allocated_bytes: 36,
        allocated_blocks: 6,
        freed_bytes: 15,
        freed_blocks: 3,
        live_bytes: 21,
        live_blocks: 3,
        lost_frees: 9,
        perhaps_freed_blocks: 1,
        ..Sums::default()
    };
    // Of which kind of blocks they were is not known.
    let others = Sums { lost_frees: 9, ..Sums::default() };
    let expected = Ended { processes: 3, heap: sums, pools: others, device: others };
    assert_eq!(ended(&mut tracker), expected);
    assert!(all(&mut tracker).is_empty());
    tracker.retire(PID);
    assert_eq!(ended(&mut tracker).processes, 3);
}
