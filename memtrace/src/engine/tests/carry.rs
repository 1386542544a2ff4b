//! What a tracker tells of what lives makes another one hold the same, now and later.

use super::any_order;
use super::heap_model::{Step, apply, steps};
use crate::engine::decode::decode;
use crate::engine::encode::encode;
use crate::engine::limits::Limits;
use crate::engine::process::Process;
use crate::engine::snapshot::{
    HeapTotals, ProcessSnapshot, Snapshot, SnapshotOptions, StackSnapshot, State,
};
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

/// Programs that run, by place in the order of first sight: another program may have been seen at the same time.
fn programs(tracker: &Tracker) -> BTreeMap<u32, u64> {
    tracker.processes.iter().filter(|it| is_running(it)).map(|it| (it.pid, it.order)).collect()
}

/// What a program did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Done {
    allocated: [u64; 2],
    freed: [u64; 2],
    unknown_frees: u64,
    missed_frees: i64,
    failed: u64,
}

fn done(heap: &HeapTotals) -> Done {
    Done {
        allocated: [heap.allocated_bytes, heap.allocated_blocks],
        freed: [heap.freed_bytes, heap.freed_blocks],
        unknown_frees: heap.unknown_frees,
        missed_frees: heap.missed_frees as i64,
        failed: heap.failed,
    }
}

impl Done {
    fn since(&self, before: &Self) -> Self {
        let minus = |all: [u64; 2], before: [u64; 2]| [all[0] - before[0], all[1] - before[1]];
        Self {
            allocated: minus(self.allocated, before.allocated),
            freed: minus(self.freed, before.freed),
            unknown_frees: self.unknown_frees - before.unknown_frees,
            missed_frees: self.missed_frees - before.missed_frees,
            failed: self.failed - before.failed,
        }
    }
}

/// Equal, but for at most `late` reallocations that explain where blocks went whose addresses were given out again
/// before the cut: those are no missed frees any more where all is known, and unknown frees where it is not.
fn assert_done(shown: &Done, expected: &Done, late: usize) {
    let explained = shown.missed_frees - expected.missed_frees;
    assert!((0..=late as i64).contains(&explained), "{shown:?} {expected:?} {late}");
    let count = explained as u64;
    let bytes = if count > 0 { shown.freed[0].min(expected.freed[0]) } else { expected.freed[0] };
    let expected = Done {
        freed: [bytes, expected.freed[1] - count],
        unknown_frees: expected.unknown_frees + count,
        missed_frees: expected.missed_frees + explained,
        ..*expected
    };
    assert_eq!(*shown, expected);
}

/// Nothing is its doing, and it holds the same.
fn assert_begins_with(part: &mut Tracker, expected: &Snapshot) {
    let first = part.snapshot(expected.time, &OPTIONS);
    assert_eq!((first.events, first.unknown_stacks, first.began), (0, 0, expected.time));
    assert_eq!((first.bounds.unsupported_blocks, first.bounds.foreign_events), (0, 0));
    for (pid, process) in running(&first) {
        let heap = process.heap;
        let done = (heap.allocated_blocks, heap.freed_blocks, heap.failed, heap.evicted_blocks);
        assert_eq!(done, (0, 0, 0, 0));
        assert_eq!(heap.inherited_bytes, heap.live_bytes + heap.unknown_bytes);
        assert_same(process, running(expected)[&pid]);
    }
    assert_eq!(running(&first).len(), running(expected).len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn what_lives_is_the_same_wherever_a_recording_is_cut(steps in steps(), at in any::<prop::sample::Index>()) {
        let at = at.index(steps.len());
        let mut whole = Tracker::new(Limits::default());
        let latest = |steps: &[Step]| steps.iter().map(|step| step.time).max().unwrap_or(0);
        steps[..at].iter().for_each(|step| apply(&mut whole, step));
        let cut = latest(&steps[..at]);
        let before = whole.snapshot(cut, &OPTIONS);
        // What has ended is not told of any more.
        for process in before.processes.iter().filter(|it| it.state != State::Running) {
            if !running(&before).contains_key(&process.info.key.pid) {
                whole.forget(process.info.key.pid);
            }
        }
        // What lived in the memory of a parent that has gone was the parent's, and is shown nowhere any more: there the
        // new tracker knows more.
        prop_assume!(!whole.processes.iter().any(|it| is_orphan(&whole, it)));
        let once = continued(&whole, cut);
        let twice = continued(&once, cut);
        let mut parts = [once, twice];
        parts.iter_mut().for_each(|part| assert_begins_with(part, &before));
        let programs_before = programs(&whole);
        for step in &steps[at..] {
            apply(&mut whole, step);
            parts.iter_mut().for_each(|part| apply(part, step));
        }
        // The programs that they ran before have accounts of their own.
        let mut same = programs(&whole);
        same.retain(|pid, order| programs_before.get(pid) == Some(order));
        let late = steps[at..].iter().filter(|step| step.entered().is_some_and(|it| it < cut)).count();
        let time = latest(&steps);
        let whole = whole.snapshot(time, &OPTIONS);
        let expected = running(&whole);
        for part in &mut parts {
            let part = part.snapshot(time, &OPTIONS);
            let shown = running(&part);
            prop_assert_eq!(shown.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
            for (pid, process) in shown {
                let all = expected[&pid];
                assert_same(process, all);
                if same.contains_key(&pid) {
                    let since = done(&all.heap).since(&done(&running(&before)[&pid].heap));
                    assert_done(&done(&process.heap), &since, late);
                }
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

/// Hours after the process was seen, in the second file and in a child's memory.
#[test]
fn births_of_long_ago_are_kept() {
    use super::cases::{PID, malloc, seen, send, send_to, watching};
    use crate::model::event::Fork;
    const HOUR: u64 = 3_600_000_000_000;
    let child = PID + 1;
    let mut tracker = watching(Limits::default());
    send(&mut tracker, HOUR, malloc(64, 80, StackRef::default()));
    let fork = Fork {
        child_process: child,
        child_thread: child,
        clone_flags: 0,
        started: 0,
        followed: false,
    };
    send(&mut tracker, 10 * HOUR, What::Fork(fork));
    send_to(&mut tracker, child, 10 * HOUR, seen(child, 2));
    let expected = tracker.snapshot(20 * HOUR, &OPTIONS);
    for pid in [PID, child] {
        assert_eq!(running(&expected)[&pid].stacks[0].oldest, Some(HOUR / 64 * 64));
    }
    let mut once = continued(&tracker, 20 * HOUR);
    assert_begins_with(&mut once, &expected);
    assert_begins_with(&mut continued(&once, 20 * HOUR), &expected);
}

/// The window of a process in its parent's memory closed before its child was forked, and later than the parent's.
#[test]
fn what_a_child_knows_stays_known() {
    use super::cases::{PID, malloc, seen, send, send_to, watching};
    use crate::model::event::Fork;
    let fork = |child, clone_flags| {
        let (child_process, child_thread) = (child, child);
        What::Fork(Fork { child_process, child_thread, clone_flags, started: 0, followed: false })
    };
    let (tenant, child) = (PID + 1, PID + 2);
    let mut tracker = watching(Limits::default());
    send(&mut tracker, 64, malloc(64, 80, StackRef::default()));
    send(&mut tracker, 128, What::WindowClosed);
    send(&mut tracker, 192, What::WindowOpened);
    send(&mut tracker, 256, fork(tenant, 0x100));
    send_to(&mut tracker, tenant, 256, seen(tenant, 2));
    send(&mut tracker, 320, malloc(128, 90, StackRef::default()));
    send_to(&mut tracker, tenant, 384, What::WindowClosed);
    send_to(&mut tracker, tenant, 448, What::WindowOpened);
    send_to(&mut tracker, tenant, 512, fork(child, 0));
    send_to(&mut tracker, child, 512, seen(child, 3));
    let expected = tracker.snapshot(640, &OPTIONS);
    let heap = running(&expected)[&child].heap;
    assert_eq!((heap.live_bytes, heap.unknown_bytes), (90, 80));
    assert_begins_with(&mut continued(&tracker, 640), &expected);
}

/// A window closes with an event that comes late: what was born until the newest birth is unknown from then on, also
/// if that block had gone before the cut. Kinds have newest births of their own.
#[test]
fn the_newest_birth_goes_on() {
    use super::cases::{PID, call, free, malloc, send, watching};
    use memtrace_common::function::FunctionId;
    let nowhere = StackRef::default();
    let pool = |address| {
        What::Allocation(call(FunctionId(FunctionId::FIRST_USER_DEFINED), address, 20, nowhere))
    };
    let mut tracker = watching(Limits::default());
    send(&mut tracker, 640, malloc(64, 80, nowhere));
    send(&mut tracker, 650, free(64));
    send(&mut tracker, 320, pool(64));
    let mut once = continued(&tracker, 704);
    let mut twice = continued(&once, 704);
    for tracker in [&mut tracker, &mut once, &mut twice] {
        send(tracker, 512, What::WindowClosed);
        send(tracker, 520, What::WindowOpened);
        send(tracker, 576, malloc(128, 90, nowhere));
        send(tracker, 577, pool(128));
    }
    // In yet another file the kinds are still apart.
    let third = continued(&twice, 704);
    for mut tracker in [tracker, once, twice, third] {
        send(&mut tracker, 580, malloc(256, 70, nowhere));
        send(&mut tracker, 580, pool(256));
        let snapshot = tracker.snapshot(704, &OPTIONS);
        let process = running(&snapshot)[&PID];
        let sums = |it: &HeapTotals| (it.live_bytes, it.unknown_bytes);
        assert_eq!(sums(&process.heap), (0, 160));
        assert_eq!(sums(&process.pools.totals), (40, 20));
    }
}
