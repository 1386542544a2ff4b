//! What is made of all blocks piece by piece is what is made of them at once, whatever happens meanwhile.

use crate::engine::limits::Limits;
use crate::engine::snapshot::{Snapshot, SnapshotOptions};
use crate::engine::tracker::Tracker;
use crate::model::event::{Allocation, Event, Exec, Fork, Free, Map, Reallocation, StackRef, What};
use crate::model::ids::ProcessKey;
use crate::model::picture::{Area, PageKind, Picture};
use crate::model::process::ProcessInfo;
use memtrace_common::classes::{SizeClasses, Sizing};
use memtrace_common::function::FunctionId;
use memtrace_common::wire::StackEnd;
use proptest::prelude::*;
use std::sync::Arc;

const OPTIONS: SnapshotOptions =
    SnapshotOptions { min_age: 20_000, min_size: 20, max_size: Some(80), blocks_per_stack: 3 };
const HEAP: u64 = 0x10_0000;
const CLONE_VM: u64 = 0x100;
/// Functions whose blocks are of different kinds.
const FUNCTIONS: [FunctionId; 3] =
    [FunctionId::MALLOC, FunctionId(FunctionId::FIRST_DEVICE), FunctionId(128)];

#[derive(Clone, Debug)]
enum Act {
    /// Allocates neighbours: from which one, and how many.
    Fill(u64, u64, usize),
    Drain(u64, u64, usize),
    Resize(u64, u64),
    Sample(u64),
    Map(u64, u64),
    Picture(u64),
    /// Frees are not seen from then on, or again.
    Close,
    Open,
    Fork(u32, bool),
    Exec,
    Exit,
    Forget,
}

/// Who does it.
type Step = (Act, u32);

fn act() -> impl Strategy<Value = Act> {
    let run = || (0_u64..30_000, prop_oneof![3 => 1_u64..100, 1 => 1_u64..20_000]);
    let kind = || prop_oneof![6 => Just(0_usize), 1 => 1_usize..3];
    prop_oneof![
        6 => (run(), kind()).prop_map(|((from, count), kind)| Act::Fill(from, count, kind)),
        4 => (run(), kind()).prop_map(|((from, count), kind)| Act::Drain(from, count, kind)),
        2 => (0_u64..30_000, 0_u64..30_000).prop_map(|(old, new)| Act::Resize(old, new)),
        1 => (0_u64..30_000).prop_map(Act::Sample),
        1 => (0_u64..300, 1_u64..100).prop_map(|(page, pages)| Act::Map(page, pages)),
        2 => (1_u64..600).prop_map(Act::Picture),
        1 => Just(Act::Close),
        1 => Just(Act::Open),
        1 => (1_u32..4, any::<bool>()).prop_map(|(child, shares)| Act::Fork(child, shares)),
        1 => Just(Act::Exec),
        1 => Just(Act::Exit),
        1 => Just(Act::Forget),
    ]
}

fn steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec((act(), 1_u32..3), 1..most)
}

/// A tracker that is made to go on after each event, by so many blocks.
struct Subject {
    tracker: Tracker,
    piece: usize,
    time: u64,
}

impl Subject {
    fn new(piece: usize) -> Self {
        let mut subject = Self { tracker: Tracker::new(Limits::default()), piece, time: 1000 };
        [1, 2].into_iter().for_each(|pid| subject.see(pid));
        subject
    }

    fn send(&mut self, process: u32, what: What<'_>) {
        self.time += 7;
        self.tracker.apply(&Event { time: self.time, process, thread: process, what });
        self.tracker.advance(self.piece);
    }

    fn see(&mut self, pid: u32) {
        let key = ProcessKey { pid, start_time: 1 };
        self.send(pid, What::ProcessSeen(Arc::new(ProcessInfo { key, ..Default::default() })));
    }

    fn run(&mut self, steps: &[Step]) {
        for (act, pid) in steps {
            self.act(*pid, act);
        }
    }

    fn act(&mut self, pid: u32, act: &Act) {
        match *act {
            Act::Fill(from, count, kind) => {
                (from..from + count).for_each(|block| self.allocate(pid, block, kind, 0));
            }
            Act::Drain(from, count, kind) => {
                (from..from + count).for_each(|block| self.free(pid, block, kind));
            }
            Act::Resize(old, new) => self.resize(pid, old, new),
            Act::Sample(block) => self.allocate(pid, block, 0, 500),
            Act::Map(page, pages) => {
                let map = Map {
                    address: HEAP + page * 4096,
                    length: pages * 4096,
                    protection: 3,
                    flags: 0x22,
                    file_offset: 0,
                };
                self.send(pid, What::Map(map, stack(page % 3, &[])));
            }
            Act::Picture(pages) => self.picture(pid, pages),
            Act::Close => self.send(pid, What::WindowClosed),
            Act::Open => self.send(pid, What::WindowOpened),
            Act::Fork(child, shares) => {
                let fork = Fork {
                    child_process: child,
                    child_thread: child,
                    clone_flags: if shares { CLONE_VM } else { 0 },
                    started: 0,
                    followed: false,
                };
                self.send(pid, What::Fork(fork));
                self.see(child);
            }
            Act::Exec => self.send(pid, What::Exec(Exec { device: 0, inode: 0 })),
            Act::Exit => self.send(pid, What::Exit { status: Some(0) }),
            Act::Forget => self.tracker.forget(pid),
        }
    }

    fn allocate(&mut self, pid: u32, block: u64, kind: usize, sample_interval: u64) {
        let frames = (block % 5).to_ne_bytes();
        let new = allocation(block, FUNCTIONS[kind], sample_interval, &frames);
        self.send(pid, What::Allocation(new));
    }

    fn free(&mut self, pid: u32, block: u64, kind: usize) {
        self.send(
            pid,
            What::Free(Free {
                function: FUNCTIONS[kind],
                address: address(block),
                inside_allocator: false,
                perhaps_not_taken: false,
            }),
        );
    }

    fn resize(&mut self, pid: u32, old: u64, new: u64) {
        let frames = (new % 5).to_ne_bytes();
        let call = Reallocation {
            old_address: address(old),
            entered: self.time,
            perhaps_not_taken: false,
            new: allocation(new, FunctionId::REALLOC, 0, &frames),
        };
        self.send(pid, What::Reallocation(call));
    }

    fn picture(&mut self, pid: u32, pages: u64) {
        let (end, kind) = (HEAP + pages * 4096, PageKind::HeapSegment);
        let area =
            Area { start: HEAP, end, resident: pages * 2048, kind, writable: true, pages: None };
        let picture = Picture { began: self.time, ..Picture::default() };
        self.send(pid, What::Picture(Box::new(picture), [area].into()));
    }
}

fn address(block: u64) -> u64 {
    HEAP + block * 48
}

fn stack(id: u64, frames: &[u8]) -> StackRef<'_> {
    StackRef { id: id + 1, end: StackEnd::Complete, frames }
}

fn allocation(
    block: u64,
    function: FunctionId,
    sample_interval: u64,
    frames: &[u8],
) -> Allocation<'_> {
    let (address, size) = (address(block), block % 100);
    Allocation {
        function,
        sizing: Sizing::of(SizeClasses::GLIBC),
        address,
        size,
        sample_interval,
        stack: stack(block % 5, frames),
    }
}

/// All that a snapshot says. Sums of what samples stand for are rounded: their last digits go by the order in
/// which blocks are added up.
fn said(snapshot: &Snapshot) -> Vec<String> {
    let rounded = |line: &str| -> Option<String> {
        let (name, number) = line.strip_suffix(',')?.split_once(": ")?;
        let is_fraction = number.contains('.');
        let number: f64 = number.parse().ok().filter(|_| is_fraction)?;
        Some(format!("{name}: {number:.9e}"))
    };
    let text = format!("{snapshot:#?}");
    text.lines().map(|line| rounded(line).unwrap_or_else(|| line.to_owned())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn a_snapshot_in_pieces_is_that_of_its_moment(
        before in steps(12), meanwhile in steps(12), piece in 1_usize..9000
    ) {
        let mut at_once = Subject::new(usize::MAX);
        at_once.run(&before);
        let expected = at_once.tracker.snapshot(at_once.time, &OPTIONS);

        let mut pieces = Subject::new(piece);
        pieces.run(&before);
        pieces.tracker.begin_snapshot(pieces.time, &OPTIONS);
        pieces.run(&meanwhile);
        let found = pieces.tracker.finish_snapshot().unwrap();
        prop_assert_eq!(said(&found), said(&expected));

        // And nothing is left of it.
        at_once.run(&meanwhile);
        let expected = at_once.tracker.snapshot(at_once.time, &OPTIONS);
        let found = pieces.tracker.snapshot(pieces.time, &OPTIONS);
        prop_assert_eq!(said(&found), said(&expected));
        prop_assert!(pieces.tracker.finish_snapshot().is_none());
    }
}

#[test]
fn a_piece_is_not_much_longer_than_was_asked_for() {
    let mut subject = Subject::new(0);
    subject.act(1, &Act::Fill(0, 100_000, 0));
    subject.tracker.begin_snapshot(subject.time, &OPTIONS);
    let mut pieces = 1;
    while !subject.tracker.advance(1000) {
        pieces += 1;
    }
    // A shard has between 3,000 and 7,000 blocks.
    assert!((14..40).contains(&pieces), "{pieces}");
    let snapshot = subject.tracker.finish_snapshot().unwrap();
    assert_eq!(snapshot.processes[0].heap.live_blocks, 100_000);
}

#[test]
fn a_large_program_that_ends_is_looked_at_in_pieces() {
    const BLOCKS: u64 = 50_000;
    let mut subject = Subject::new(0);
    subject.act(1, &Act::Fill(0, BLOCKS, 0));
    subject.act(1, &Act::Fork(3, false));
    assert!(subject.tracker.advance(0), "a fork leaves nothing to be done");
    assert_eq!(subject.tracker.live_blocks() as u64, 2 * BLOCKS);
    subject.act(1, &Act::Exec);
    // Nothing of it counts any more, and most of the walk is still to be done.
    assert_eq!(subject.tracker.live_blocks() as u64, BLOCKS);
    assert!(!subject.tracker.advance(1000));
    let snapshot = subject.tracker.snapshot(subject.time, &OPTIONS);
    let held: Vec<u64> = snapshot
        .processes
        .iter()
        .map(|process| process.stacks.iter().map(|stack| stack.live_blocks).sum())
        .collect();
    // The program that ended, pid 2, the child, and the new program.
    assert_eq!(held, [BLOCKS, 0, BLOCKS, 0]);
    assert!(subject.tracker.walks_are_over());
    assert!(subject.tracker.advance(usize::MAX), "its memory has been given back");
}
