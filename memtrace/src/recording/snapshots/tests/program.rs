//! A made-up program that does all that snapshots may tell of.

use super::super::Shot;
use crate::engine::alerts::{Rate, Thresholds};
use crate::engine::limits::Limits;
use crate::engine::snapshot::SnapshotOptions;
use crate::engine::tracker::Tracker;
use crate::engine::zoom;
use crate::model::event::{
    Allocation, CodeMapping, Event, Exec, Fault, Free, Map, StackRef, Unmap, Weighted, What,
};
use crate::model::ids::{ModuleId, Nanos, ProcessKey, SECOND};
use crate::model::mark::MarkName;
use crate::model::module::{BuildId, Module};
use crate::model::picture::{Area, PageKind, Picture};
use crate::model::process::{ProcessInfo, Usage};
use memtrace_common::classes::{SizeClasses, Sizing};
use memtrace_common::function::FunctionId;
use memtrace_common::wire::{Loss, StackEnd};
use std::sync::Arc;

/// See the file's head.
pub(in crate::recording::snapshots) struct Program {
    tracker: Tracker,
    time: Nanos,
    pid: u32,
    blocks: Vec<u64>,
    next: u64,
}

const FIRST_PID: u32 = 40;

impl Program {
    pub(in crate::recording::snapshots) fn new() -> Self {
        let low = Thresholds { live: Some(9000), ..Thresholds::default() };
        let tracker = Tracker::new(Limits {
            alerts: low,
            zoom: Some(zoom::Settings {
                growth: Rate { bytes: 1, per: SECOND },
                pace: 2,
                budget: Some(100),
            }),
            ..Limits::default()
        });
        let next = 0x5555_0000_0000;
        let mut program = Self { tracker, time: 100, pid: FIRST_PID, blocks: Vec::new(), next };
        let module = Module {
            id: ModuleId(0),
            path: "/bin/program".into(),
            build_id: BuildId::new(&[7; 20]),
        };
        program.apply(What::ModuleSeen(Arc::new(module)));
        program.begin();
        program
    }

    /// Snapshots of a run, with so many steps between them.
    pub(in crate::recording::snapshots) fn run(count: usize, steps: usize) -> Vec<Shot> {
        let mut program = Self::new();
        let shot = |number: usize| {
            (0..steps).for_each(|step| {
                let number = (number * steps + step) as u16;
                program.step((number % 12) as u8, number.wrapping_mul(31));
            });
            program.shot()
        };
        (0..count).map(shot).collect()
    }

    fn begin(&mut self) {
        let key = ProcessKey { pid: self.pid, start_time: 1 };
        let exe = Some("/bin/program".into());
        let info = ProcessInfo { key, comm: "program".to_owned(), exe, ..ProcessInfo::default() };
        self.apply(What::ProcessSeen(Arc::new(info)));
        let module = ModuleId(0);
        let code = CodeMapping { start: 0x40_0000, end: 0x50_0000, file_offset: 0, module };
        self.apply(What::Mappings(Arc::new([code])));
    }

    pub(in crate::recording::snapshots) fn apply(&mut self, what: What<'_>) {
        self.time += 1_000_003;
        let process = if matches!(what, What::Mark) { 0 } else { self.pid };
        self.tracker.apply(&Event { time: self.time, process, thread: process, what });
    }

    /// So many seconds go by.
    pub(in crate::recording::snapshots) const fn wait(&mut self, seconds: u64) {
        self.time += seconds * SECOND;
    }

    /// A second goes by, and everything is looked at.
    pub(in crate::recording::snapshots) fn shot(&mut self) -> Shot {
        self.time += SECOND;
        self.apply(What::Mark);
        let options =
            SnapshotOptions { min_age: SECOND, blocks_per_stack: 2, ..Default::default() };
        let snapshot = Arc::new(self.tracker.snapshot(self.time, &options));
        let facts =
            serde_json::json!({ "sequence": self.time / SECOND, "version": "1", "cpu": 0.1 });
        Shot { snapshot, facts, is_final: false, is_report: true, is_mark: false }
    }

    fn allocate(&mut self, function: FunctionId, with: u16, sample_interval: u64) {
        let place = u64::from(with % 3000);
        let frames = [0x40_1000 + place * 8, 0x40_2000 + place / 10 * 8, 0x7f00_0000_0000];
        let frames = frames.map(u64::to_ne_bytes).concat();
        self.next += 64;
        self.blocks.push(self.next);
        let classes = SizeClasses::from_bits((with % 8) as u8);
        let allocation = Allocation {
            function,
            sizing: Sizing { classes, ..Sizing::default() },
            address: if with % 50 == 49 { 0 } else { self.next },
            size: u64::from(with % 60) + 1,
            sample_interval,
            stack: StackRef { id: place + 1, end: StackEnd::Complete, frames: &frames },
        };
        self.apply(What::Allocation(allocation));
    }

    /// One of twelve things, in some manner.
    pub(in crate::recording::snapshots) fn step(&mut self, what: u8, with: u16) {
        let number = u64::from(with);
        let frames = (0x40_3000 + number % 7 * 8).to_ne_bytes();
        let stack = StackRef { id: number % 7 + 5000, end: StackEnd::Depth, frames: &frames };
        let page = 0x7f10_0000_0000 + number % 64 * 4096;
        match what {
            1 if !self.blocks.is_empty() => {
                let address = self.blocks.swap_remove(usize::from(with) % self.blocks.len());
                let (function, inside_allocator) = (FunctionId::FREE, with.is_multiple_of(20));
                let perhaps_not_taken = false;
                self.apply(What::Free(Free {
                    function,
                    address,
                    inside_allocator,
                    perhaps_not_taken,
                }));
            }
            2 => self.allocate(FunctionId::MALLOC, with, 4096),
            3 => {
                let (length, protection, flags, file_offset) = (4096 * (number % 5), 3, 0x22, 0);
                let map = Map { address: page, length, protection, flags, file_offset };
                self.apply(What::Map(map, stack));
            }
            4 => self.apply(What::Fault(Fault { address: page, error: 6 }, stack)),
            5 => {
                let weighted = Weighted { address: page, size: number, weighted: number * 9 };
                self.apply(What::Weighted(weighted, stack));
            }
            6 => self.apply(What::Named(MarkName::numbered(number))),
            7 => self.memory(number),
            8 => self.allocate(FunctionId(128 + (with % 2) as u8), with, 0),
            9 => self.allocate(FunctionId(64), with, 0),
            10 => self.seldom(with),
            11 => {
                let unmap = Unmap { address: page, length: 8192, entered: self.time };
                self.apply(What::Unmap(unmap));
            }
            _ => self.allocate(FunctionId::MALLOC, with, 0),
        }
    }

    fn memory(&mut self, number: u64) {
        self.apply(What::Usage(Usage { resident: number << 12, cpu: number, ..Usage::default() }));
        let area = Area {
            start: 0x5555_0000_0000,
            end: 0x5555_0010_0000,
            resident: number << 4,
            kind: PageKind::HeapSegment,
            writable: true,
            pages: None,
        };
        self.apply(What::Picture(
            Box::new(Picture { whole: true, ..Picture::default() }),
            [area].into(),
        ));
    }

    fn seldom(&mut self, with: u16) {
        match with % 7 {
            0 => self.apply(What::Lost { cause: Loss::RingFree, count: 2 }),
            1 => self.apply(What::FreesLost { count: 1 }),
            2 => self.apply(What::WindowClosed),
            3 => self.apply(What::WindowOpened),
            4 => self.apply(What::Exec(Exec::default())),
            5 => {
                self.apply(What::Exit { status: Some(u32::from(with)) });
                self.pid += 1;
                self.begin();
            }
            _ => self.begin(),
        }
    }
}
