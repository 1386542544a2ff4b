//! What a tracker tells of what lives makes another one hold the same, now and later.

use super::any_order;
use super::heap_model::{apply, steps};
use crate::engine::decode::decode;
use crate::engine::encode::encode;
use crate::engine::limits::Limits;
use crate::engine::process::Process;
use crate::engine::snapshot::{ProcessSnapshot, Snapshot, SnapshotOptions, StackSnapshot, State};
use crate::engine::tracker::Tracker;
use crate::model::event::{Map, StackRef, What};
use crate::model::frame::Frame;
use crate::model::ids::Nanos;
use memtrace_common::wire::StackEnd;
use proptest::prelude::*;
use std::collections::BTreeMap;

const OPTIONS: SnapshotOptions =
    SnapshotOptions { min_age: 64, min_size: 10, max_size: None, blocks_per_stack: 3 };

/// A tracker that begins with what this one holds, told as a recording would: what has a record as that.
fn continued(tracker: &Tracker, time: Nanos) -> Tracker {
    let mut next = Tracker::new(Limits::default());
    tracker.carry_over(time, &mut |event| {
        let mut record = Vec::new();
        if encode(event, &mut record) {
            next.apply(&decode(&record).unwrap());
        } else {
            next.apply(event);
        }
    });
    next
}

fn running(snapshot: &Snapshot) -> BTreeMap<u32, &ProcessSnapshot> {
    let running = snapshot.processes.iter().filter(|process| process.state == State::Running);
    running.map(|process| (process.info.key.pid, process)).collect()
}

type Key = (u8, Vec<Frame>, u8);

/// What a stack holds, by which stack it is. Those that hold nothing are left out.
fn held(process: &ProcessSnapshot) -> BTreeMap<String, Vec<u64>> {
    let key = |stack: &StackSnapshot| -> Key {
        (stack.function.0, stack.frames.to_vec(), stack.end as u8)
    };
    let of = |stack: &StackSnapshot| {
        let (oldest, newest) = (stack.oldest.unwrap_or(0), stack.newest.unwrap_or(0));
        let (least, most) = stack.sizes.unwrap_or_default();
        let unknown = [stack.unknown_bytes, stack.unknown_blocks];
        let mut all = vec![stack.live_bytes, stack.live_blocks, oldest, newest, least, most];
        all.extend(unknown);
        all.extend(stack.blocks.iter().flat_map(|block| [block.address, block.size, block.born]));
        all
    };
    let holds = |stack: &&StackSnapshot| stack.live_blocks + stack.unknown_blocks > 0;
    let stacks = process.stacks.iter().filter(holds);
    stacks.map(|stack| (format!("{:?}", key(stack)), of(stack))).collect()
}

fn assert_same(shown: &ProcessSnapshot, expected: &ProcessSnapshot) {
    assert_eq!(held(shown), held(expected));
    let takes = |process: &ProcessSnapshot| {
        let usable = process.heap.usable;
        (usable.bytes, usable.unknown_bytes, usable.unknown_blocks())
    };
    assert_eq!(takes(shown), takes(expected));
    assert_eq!(shown.windows.is_open(), expected.windows.is_open());
    let mapped = |process: &ProcessSnapshot| {
        let totals = process.mappings;
        (totals.live_bytes, totals.live_ranges, totals.live_by_kind)
    };
    assert_eq!(mapped(shown), mapped(expected));
}

/// It lives in the address space of a process that has gone.
fn is_orphan(tracker: &Tracker, process: &Process) -> bool {
    let is_owner =
        |other: &Process| other.owns_space && other.space == process.space && is_running(other);
    is_running(process) && !process.owns_space && !tracker.processes.iter().any(is_owner)
}

fn is_running(process: &Process) -> bool {
    process.state == State::Running
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn what_lives_is_the_same_wherever_a_recording_is_cut(steps in steps(), at in any::<prop::sample::Index>()) {
        let at = at.index(steps.len());
        let mut whole = Tracker::new(Limits::default());
        let latest = |steps: &[super::heap_model::Step]| {
            steps.iter().map(|step| step.time).max().unwrap_or(0)
        };
        steps[..at].iter().for_each(|step| apply(&mut whole, step));
        let time = latest(&steps[..at]);
        let before = whole.snapshot(time, &OPTIONS);
        // What has ended is not told of any more.
        for process in before.processes.iter().filter(|it| it.state != State::Running) {
            if !running(&before).contains_key(&process.info.key.pid) {
                whole.forget(process.info.key.pid);
            }
        }
        // What lived in the memory of a parent that has gone was the parent's, and is shown nowhere any more: there the
        // new tracker knows more.
        prop_assume!(!whole.processes.iter().any(|it| is_orphan(&whole, it)));
        let mut part = continued(&whole, time);
        let first = part.snapshot(time, &OPTIONS);
        prop_assert_eq!((first.events, first.unknown_stacks, first.began), (0, 0, time));
        for (pid, process) in running(&first) {
            let heap = process.heap;
            prop_assert_eq!((heap.allocated_blocks, heap.freed_blocks, heap.failed), (0, 0, 0));
            prop_assert_eq!(heap.inherited_bytes, heap.live_bytes + heap.unknown_bytes);
            assert_same(process, running(&before)[&pid]);
        }
        prop_assert_eq!(running(&first).len(), running(&before).len());
        for step in &steps[at..] {
            apply(&mut whole, step);
            apply(&mut part, step);
        }
        let time = latest(&steps);
        let (whole, part) = (whole.snapshot(time, &OPTIONS), part.snapshot(time, &OPTIONS));
        let (expected, shown) = (running(&whole), running(&part));
        prop_assert_eq!(shown.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
        for (pid, process) in shown {
            let all = expected[&pid];
            assert_same(process, all);
            // The programs that it ran before have accounts of their own.
            if let Some(before) = running(&before).get(&pid).filter(|it| it.seen == all.seen) {
                let done = |heap: &crate::engine::snapshot::HeapTotals| {
                    [heap.allocated_bytes, heap.allocated_blocks, heap.freed_bytes, heap.freed_blocks,
                     heap.unknown_frees, heap.missed_frees, heap.failed]
                };
                let since: Vec<u64> =
                    done(&all.heap).iter().zip(done(&before.heap)).map(|(all, before)| all - before).collect();
                prop_assert_eq!(done(&process.heap).to_vec(), since);
            }
        }
    }

    #[test]
    fn any_tracker_can_be_told_of(steps in prop::collection::vec(any_order::step(), 0..120)) {
        let mut tracker = Tracker::new(Limits::default());
        steps.iter().for_each(|step| any_order::apply(&mut tracker, step));
        let live = tracker.live_blocks();
        let mut next = continued(&tracker, u64::MAX);
        prop_assert_eq!(tracker.live_blocks(), live);
        prop_assert!(next.live_blocks() <= live);
        next.snapshot(u64::MAX, &OPTIONS);
    }
}

#[test]
fn mappings_and_the_heap_segment_go_on() {
    use super::cases::{PID, send, watching};
    let mut tracker = watching(Limits::default());
    let map = |address, length, protection, flags| {
        let map = Map { address, length, protection, flags, file_offset: 0 };
        What::Map(
            map,
            StackRef { id: 9, end: StackEnd::Complete, frames: &[7, 0, 0, 0, 0, 0, 0, 0] },
        )
    };
    send(&mut tracker, 64, What::BreakSeen { start: 0x10_0000, end: 0x11_0000 });
    send(&mut tracker, 64, What::Break { end: 0x13_0000, stack: StackRef::default() });
    for (number, (protection, flags)) in
        [(3, 0x22), (3, 2), (3, 0x2_0022), (0, 0x22), (3, 0x21), (5, 2)].into_iter().enumerate()
    {
        send(&mut tracker, 128, map(0x100_0000 * (number as u64 + 1), 0x3000, protection, flags));
    }
    let unmap = |address| crate::model::event::Unmap { address, length: 0x1000, entered: 200 };
    send(&mut tracker, 192, What::Unmap(unmap(0x12_0000)));
    let mut next = continued(&tracker, 256);
    for tracker in [&mut tracker, &mut next] {
        send(tracker, 320, What::Break { end: 0x12_8000, stack: StackRef::default() });
        send(tracker, 384, What::Unmap(unmap(0x100_1000)));
    }
    let (whole, part) = (tracker.snapshot(400, &OPTIONS), next.snapshot(400, &OPTIONS));
    let (whole, part) = (running(&whole)[&PID], running(&part)[&PID]);
    assert_same(part, whole);
    assert_eq!(part.mappings.mapped_bytes, 0);
    assert_eq!(part.mappings.unmapped_bytes, 0x8000 + 0x1000);
    assert_eq!(part.mapped.len(), whole.mapped.len());
}
