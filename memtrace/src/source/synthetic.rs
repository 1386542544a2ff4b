//! A source that makes up a program's allocations: for tests without root and for benchmarks.

use crate::engine::encode::encode;
use crate::engine::ports::{Drained, EventSource};
use crate::model::event::{Allocation, CodeMapping, Event, Free, Reallocation, StackRef, What};
use crate::model::ids::{ModuleId, Nanos, Pid, ProcessKey};
use crate::model::module::Module;
use crate::model::process::ProcessInfo;
use memtrace_common::classes::{SizeClasses, Sizing};
use memtrace_common::function::FunctionId;
use memtrace_common::wire::StackEnd;
use std::sync::Arc;

/// Where the made-up program's code is mapped, and how much of it there is.
const CODE: u64 = 0x40_0000;
const CODE_LENGTH: u64 = 16 << 20;

/// Address of the first block; each takes [`SPACING`] bytes.
const HEAP: u64 = 0x5555_5555_0000;
const SPACING: u64 = 64;

/// What the made-up program does. The same workload gives the same records, byte for byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workload {
    /// Its pid.
    pub pid: Pid,
    /// Threads that take turns; at least 1.
    pub threads: u32,
    /// Call stacks that allocate; at least 1.
    pub stacks: u32,
    /// Frames of each.
    pub frames: u32,
    /// Live blocks at which it stops growing and frees as much as it allocates.
    pub live_blocks: u32,
    /// Of a hundred allocations this many are reallocations of a live block.
    pub reallocations: u32,
    /// Of a thousand freed blocks this many are freed without a record, as if it had been lost.
    pub lost_frees: u32,
    /// Records after which the source ends; `None`: never.
    pub records: Option<u64>,
    /// Any number: another one gives another order of events.
    pub seed: u64,
}

impl Default for Workload {
    fn default() -> Self {
        Self {
            pid: 4242,
            threads: 4,
            stacks: 1000,
            frames: 12,
            live_blocks: 100_000,
            reallocations: 5,
            lost_frees: 0,
            records: None,
            seed: 1,
        }
    }
}

/// The source; see [`Workload`].
#[derive(Debug)]
pub struct SyntheticSource {
    workload: Workload,
    random: Random,
    time: Nanos,
    made: u64,
    /// Numbers of the places of live blocks, and of free ones.
    live: Vec<u32>,
    free: Vec<u32>,
    places: u32,
    sent: Vec<bool>,
    frames: Vec<u8>,
    record: Vec<u8>,
}

impl SyntheticSource {
    /// A program at its start.
    #[must_use]
    pub fn new(workload: Workload) -> Self {
        Self {
            workload,
            random: Random(workload.seed),
            time: 1_000_000_000,
            made: 0,
            live: Vec::new(),
            free: Vec::new(),
            places: 0,
            sent: vec![false; workload.stacks.max(1) as usize],
            frames: Vec::new(),
            record: Vec::new(),
        }
    }

    /// What `/proc` would tell of the program: to be applied before the first record.
    #[must_use]
    pub fn introduction(&self) -> Vec<Event<'static>> {
        let module = Module { id: ModuleId(0), path: "/usr/bin/synthetic".into(), build_id: None };
        let info = ProcessInfo {
            key: ProcessKey { pid: self.workload.pid, start_time: 1 },
            comm: "synthetic".to_owned(),
            exe: Some(module.path.clone()),
            ..ProcessInfo::default()
        };
        let code =
            CodeMapping { start: CODE, end: CODE + CODE_LENGTH, file_offset: 0, module: module.id };
        [
            What::ModuleSeen(Arc::new(module)),
            What::ProcessSeen(Arc::new(info)),
            What::Mappings(Arc::new([code])),
        ]
        .map(|what| Event { time: self.time, process: self.workload.pid, thread: 0, what })
        .into()
    }

    /// Blocks that are live in the program.
    #[must_use]
    pub fn live_blocks(&self) -> usize {
        self.live.len()
    }

    /// Appends the next record to `out`.
    pub fn next_record(&mut self, out: &mut Vec<u8>) {
        self.made += 1;
        self.time += 100 + self.random.below(900);
        while self.live.len() >= self.workload.live_blocks.max(1) as usize {
            let address = self.take_block();
            if self.random.below(1000) >= u64::from(self.workload.lost_frees) {
                let function = FunctionId::FREE;
                let free =
                    Free { function, address, inside_allocator: false, perhaps_not_taken: false };
                return self.write(What::Free(free), out);
            }
        }
        let resizes = self.random.below(100) < u64::from(self.workload.reallocations);
        if resizes && !self.live.is_empty() {
            self.reallocation(out);
        } else {
            self.allocation(out);
        }
    }

    fn allocation(&mut self, out: &mut Vec<u8>) {
        let function = FunctionId::MALLOC;
        let (id, frames) = self.stack();
        let stack = StackRef { id, end: StackEnd::Complete, frames: &frames };
        let allocation = self.new_block(function, stack);
        self.write(What::Allocation(allocation), out);
        self.frames = frames;
    }

    fn reallocation(&mut self, out: &mut Vec<u8>) {
        let entered = self.time - 50;
        let old_address = self.take_block();
        let (id, frames) = self.stack();
        let stack = StackRef { id, end: StackEnd::Complete, frames: &frames };
        let new = self.new_block(FunctionId::REALLOC, stack);
        self.write(
            What::Reallocation(Reallocation {
                old_address,
                entered,
                perhaps_not_taken: false,
                new,
            }),
            out,
        );
        self.frames = frames;
    }

    fn write(&mut self, what: What<'_>, out: &mut Vec<u8>) {
        let thread = self.workload.pid + self.random.below(self.workload.threads.into()) as u32;
        encode(&Event { time: self.time, process: self.workload.pid, thread, what }, out);
    }

    /// A random stack's id, and its frames if it was not sent before, in a buffer that should be
    /// put back.
    fn stack(&mut self) -> (u64, Vec<u8>) {
        let stack = self.random.below(self.sent.len() as u64);
        let mut frames = std::mem::take(&mut self.frames);
        frames.clear();
        if !std::mem::replace(&mut self.sent[stack as usize], true) {
            let mut place = Random(stack);
            for _ in 0..self.workload.frames {
                frames.extend((CODE + 1 + place.below(CODE_LENGTH)).to_ne_bytes());
            }
        }
        (stack + 1, frames)
    }

    fn new_block<'a>(&mut self, function: FunctionId, stack: StackRef<'a>) -> Allocation<'a> {
        let place = self.free.pop().unwrap_or_else(|| {
            self.places += 1;
            self.places
        });
        self.live.push(place);
        Allocation {
            function,
            sizing: Sizing::of(SizeClasses::GLIBC),
            address: HEAP + u64::from(place) * SPACING,
            size: 1 + self.random.below(SPACING - 8),
            sample_interval: 0,
            stack,
        }
    }

    /// Takes a random live block out: its address.
    fn take_block(&mut self) -> u64 {
        let index = self.random.below(self.live.len() as u64) as usize;
        let place = self.live.swap_remove(index);
        self.free.push(place);
        HEAP + u64::from(place) * SPACING
    }
}

impl EventSource for SyntheticSource {
    fn drain(
        &mut self,
        budget: usize,
        take: &mut dyn FnMut(&[u8]),
    ) -> Result<Drained, Box<dyn std::error::Error + Send + Sync>> {
        let mut record = std::mem::take(&mut self.record);
        let mut left = budget;
        let ended = loop {
            if self.workload.records.is_some_and(|records| self.made >= records) {
                break true;
            }
            if left == 0 {
                break false;
            }
            left -= 1;
            record.clear();
            self.next_record(&mut record);
            take(&record);
        };
        self.record = record;
        Ok(if ended { Drained::End } else { Drained::More })
    }
}

/// `SplitMix64` (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
#[derive(Clone, Copy, Debug)]
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        ((u128::from(mixed) * u128::from(bound)) >> 64) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::{SyntheticSource, Workload};
    use crate::engine::decode::decode;
    use crate::engine::limits::Limits;
    use crate::engine::ports::{Drained, EventSource};
    use crate::engine::snapshot::{Snapshot, SnapshotOptions};
    use crate::engine::tracker::Tracker;

    fn workload(lost_frees: u32) -> Workload {
        let (stacks, live_blocks) = (50, 300);
        Workload { stacks, live_blocks, lost_frees, records: Some(5000), ..Workload::default() }
    }

    fn watched(workload: Workload) -> (SyntheticSource, Snapshot) {
        let mut source = SyntheticSource::new(workload);
        let mut tracker = Tracker::new(Limits::default());
        source.introduction().iter().for_each(|event| tracker.apply(event));
        while source.drain(99, &mut |record| tracker.apply(&decode(record).unwrap())).unwrap()
            != Drained::End
        {}
        let snapshot = tracker.snapshot(source.time, &SnapshotOptions::default());
        (source, snapshot)
    }

    #[test]
    fn the_tracker_sees_what_the_program_did() {
        let (source, snapshot) = watched(workload(0));
        let process = &snapshot.processes[0];
        assert_eq!((snapshot.events, snapshot.unknown_stacks), (5000, 0));
        assert_eq!(process.heap.live_blocks, source.live_blocks() as u64);
        assert_eq!((process.heap.unknown_frees, process.heap.missed_frees), (0, 0));
        // Each stack calls malloc, and most of them realloc too.
        assert!((50..=100).contains(&process.stacks.len()));
        assert!(process.stacks.iter().all(|stack| stack.frames.len() == 12));
    }

    #[test]
    fn lost_frees_show_as_missed_or_live() {
        let (source, snapshot) = watched(workload(200));
        let heap = snapshot.processes[0].heap;
        assert!(heap.missed_frees > 0);
        // Places are used again at once, so that nearly every lost free shows as missed.
        assert!(heap.live_blocks >= source.live_blocks() as u64);
        assert_eq!(heap.allocated_blocks, heap.freed_blocks + heap.missed_frees + heap.live_blocks);
    }

    #[test]
    fn the_same_workload_gives_the_same_records() {
        let records = || {
            let (mut source, mut all) = (SyntheticSource::new(workload(3)), Vec::new());
            (0..1000).for_each(|_| source.next_record(&mut all));
            all
        };
        assert_eq!(records(), records());
    }
}
