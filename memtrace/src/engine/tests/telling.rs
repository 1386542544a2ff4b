//! What programs tell of blocks that they sample: an account beside the heap's, per address space.

use super::cases::{malloc, process, seen, send, send_to, watching};
use crate::engine::limits::Limits;
use crate::engine::sampling::{Oddities, Sums};
use crate::engine::snapshot::{ProcessSnapshot, SnapshotOptions, ToldSnapshot};
use crate::engine::tracker::Tracker;
use crate::model::event::{Exec, Fork, StackRef, Weighted, What};
use memtrace_common::wire::StackEnd;

const CHILD: u32 = 8;
const WEIGHT: u64 = 512 << 10;

fn told(address: u64) -> What<'static> {
    What::Weighted(Weighted { address, size: 16, weighted: WEIGHT }, StackRef::default())
}

const fn given_back(address: u64) -> What<'static> {
    What::WeightedFree { address }
}

fn fork(clone_flags: u64) -> What<'static> {
    let (child_process, child_thread, started, followed) = (CHILD, CHILD, 0, false);
    What::Fork(Fork { child_process, child_thread, clone_flags, started, followed })
}

fn all(tracker: &mut Tracker) -> Vec<ProcessSnapshot> {
    tracker.snapshot(1000, &SnapshotOptions::default()).processes
}

fn account(process: &ProcessSnapshot) -> ToldSnapshot {
    *process.told.clone().expect("an account")
}

/// Live and allocated bytes.
fn bytes(account: &ToldSnapshot) -> (f64, f64) {
    let Sums { live, allocated } = account.totals;
    (live.bytes.value(), allocated.bytes.value())
}

#[test]
fn what_is_told_is_counted_beside_the_heap() {
    let mut tracker = watching(Limits::default());
    send(&mut tracker, 64, malloc(0x10, 16, StackRef::default()));
    assert!(process(&mut tracker).told.is_none(), "nothing was told");
    send(&mut tracker, 64, told(0x10));
    send(&mut tracker, 64, told(0x20));
    send(&mut tracker, 128, given_back(0x20));
    send(&mut tracker, 128, given_back(0x30));
    let process = process(&mut tracker);
    assert_eq!((process.heap.live_bytes, process.heap.unknown_frees), (16, 0));
    let account = account(&process);
    assert_eq!(bytes(&account), (WEIGHT as f64, 2.0 * WEIGHT as f64));
    assert_eq!(account.oddities, Oddities { unknown_frees: 1, ..Oddities::default() });
    assert_eq!(tracker.live_blocks(), 2);
}

#[test]
fn who_tells_has_a_stack() {
    let mut tracker = watching(Limits::default());
    let frames: Vec<u8> = [7_u64, 9].into_iter().flat_map(u64::to_ne_bytes).collect();
    let first = StackRef { id: 5, end: StackEnd::Complete, frames: &frames };
    let again = StackRef { frames: &[], ..first };
    for (address, stack) in [(0x10, first), (0x20, again)] {
        let block = Weighted { address, size: 16, weighted: WEIGHT };
        send(&mut tracker, 64, What::Weighted(block, stack));
    }
    let process = process(&mut tracker);
    let account = account(&process);
    let [stack] = &account.stacks[..] else { panic!("{account:?}") };
    // Of addresses without a mapping the first is kept, as for the heap's stacks.
    assert_eq!((stack.frames.len(), stack.end), (1, StackEnd::NoMapping));
    assert_eq!(stack.sums.live.bytes.value(), 2.0 * WEIGHT as f64);
    assert!(process.stacks.is_empty(), "the heap has no such stack");
}

#[test]
fn a_forked_child_has_a_copy_and_a_vforked_one_shares() {
    let mut tracker = watching(Limits::default());
    send(&mut tracker, 64, told(0x10));
    send(&mut tracker, 128, fork(0));
    send_to(&mut tracker, CHILD, 128, seen(CHILD, 2));
    send(&mut tracker, 192, given_back(0x10));
    send_to(&mut tracker, CHILD, 192, told(0x20));
    let [parent, child] = &all(&mut tracker)[..] else { panic!("two processes") };
    assert_eq!(bytes(&account(parent)), (0.0, WEIGHT as f64));
    assert_eq!(bytes(&account(child)), (2.0 * WEIGHT as f64, WEIGHT as f64));
    assert_eq!(account(child).oddities, Oddities { inherited: 1, ..Oddities::default() });
    // `CLONE_VM | CLONE_VFORK`.
    let mut tracker = watching(Limits::default());
    send(&mut tracker, 64, told(0x10));
    send(&mut tracker, 128, fork(0x4100));
    send_to(&mut tracker, CHILD, 128, seen(CHILD, 2));
    send_to(&mut tracker, CHILD, 192, given_back(0x10));
    let [parent, child] = &all(&mut tracker)[..] else { panic!("two processes") };
    assert_eq!(bytes(&account(parent)), (0.0, WEIGHT as f64));
    assert!(child.told.is_none(), "what it does is its parent's");
}

#[test]
fn an_exec_begins_anew() {
    let mut tracker = watching(Limits::default());
    send(&mut tracker, 64, told(0x10));
    send(&mut tracker, 128, What::Exec(Exec::default()));
    send(&mut tracker, 192, given_back(0x10));
    let [before, after] = &all(&mut tracker)[..] else { panic!("two programs") };
    assert_eq!(bytes(&account(before)), (WEIGHT as f64, WEIGHT as f64));
    assert_eq!(bytes(&account(after)), (0.0, 0.0));
    assert_eq!(account(after).oddities.unknown_frees, 1);
    assert_eq!(tracker.live_blocks(), 0);
}

#[test]
fn what_does_not_fit_is_counted() {
    let limits = Limits { max_blocks: 3, max_told_blocks: 2, ..Limits::default() };
    let mut tracker = watching(limits);
    (1..=3).for_each(|address| send(&mut tracker, 64, told(address)));
    assert_eq!(account(&process(&mut tracker)).oddities.evicted, 1, "of its own limit");
    send(&mut tracker, 64, given_back(1));
    send(&mut tracker, 64, malloc(0x10, 16, StackRef::default()));
    send(&mut tracker, 64, malloc(0x20, 16, StackRef::default()));
    send(&mut tracker, 64, told(4));
    assert_eq!(account(&process(&mut tracker)).oddities.evicted, 2, "of that of all tables");
    assert_eq!(tracker.live_blocks(), 3);
    assert_eq!(process(&mut tracker).heap.evicted_blocks, 0);
}
