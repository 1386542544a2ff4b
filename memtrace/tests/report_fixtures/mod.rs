//! Snapshots made by hand, and a symbolizer that knows their names.
#![allow(
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "fixtures: each test program uses some"
)]

use jiff::Timestamp;
use memtrace::engine::alerts::{Alert, Crossing, Rate, Who};
use memtrace::engine::ended::Ended;
use memtrace::engine::history::Point;
use memtrace::engine::ports::{Missing, Resolved, SourceFrame, Symbolizer};
use memtrace::engine::sampling::{Told, ToldBlocks};
use memtrace::engine::snapshot::{
    AccountSnapshot, BlockSnapshot, Bounds, Confidence, Doubtful, Found, FoundStack, Growing,
    Growth, HeapTotals, LookSnapshot, LookState, LookTotals, MappedStack, MappingTotals, Marked,
    Outcome, Owner, OwnerSum, Owners, Part, PartsConfidence, PictureSnapshot, PlacedBlocks,
    ProcessSnapshot, ResidentBounds, ResidentPart, SampledConfidence, Snapshot, SnapshotOptions,
    StackSnapshot, State, Story, SumConfidence, ToldSnapshot, ToldStack, TouchTotals,
    TouchedGrowth, Usable, Windows,
};
use memtrace::engine::trend::{AgeCount, Ages, Band, COHORTS, Past, class};
use memtrace::model::event::LookCost;
use memtrace::model::frame::Frame;
use memtrace::model::ids::{ModuleId, Nanos, ProcessKey, SECOND, StackId};
use memtrace::model::mark::MarkName;
use memtrace::model::module::{BuildId, Module};
use memtrace::model::picture::{PageKind, PageSum, Picture};
use memtrace::model::process::{ProcessInfo, Usage};
use memtrace::report::{
    Hits, LinkFacts, Report, ReportOptions, ReportWriter, SamplingChange, TextStyle, TextWriter,
    TracerFacts, Walks, resolve,
};
use memtrace_common::classes::SizeClasses;
use memtrace_common::config::LinkKind;
use memtrace_common::function::FunctionId;
use memtrace_common::wire::{Loss, StackEnd};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub const KIB: u64 = 1 << 10;
/// Parts of the watch, at whose ends it was noted what stacks hold.
const POINTS: u64 = 24;
pub const MIB: u64 = 1 << 20;
pub const GIB: u64 = 1 << 30;
/// When tracing began and when the snapshots are taken, on the events' clock.
pub const BEGAN: Nanos = 400_000 * SECOND;
pub const NOW: Nanos = BEGAN + 60 * SECOND;

pub const PROGRAM: ModuleId = ModuleId(0);
pub const LIBC: ModuleId = ModuleId(1);
pub const MAGICK: ModuleId = ModuleId(2);

/// Answers from a table and counts what it was asked.
#[derive(Default)]
pub struct FakeSymbolizer {
    pub names: HashMap<(ModuleId, u64), Vec<SourceFrame>>,
    pub calls: Vec<(ModuleId, Vec<u64>)>,
}

impl Symbolizer for FakeSymbolizer {
    fn resolve(&mut self, module: &Module, offsets: &[u64]) -> Vec<Resolved> {
        self.calls.push((module.id, offsets.to_vec()));
        let reason = if module.id == MAGICK { Missing::NoSymbols } else { Missing::NotCovered };
        let answer = |offset: &u64| match self.names.get(&(module.id, *offset)) {
            Some(frames) => Ok(Arc::from(frames.clone())),
            None => Err(reason),
        };
        offsets.iter().map(answer).collect()
    }

    fn has_debug_lines(&mut self, module: ModuleId) -> Option<bool> {
        Some(module == PROGRAM)
    }
}

pub fn source(function: &str, place: Option<(&str, u32)>) -> SourceFrame {
    SourceFrame {
        function: function.to_owned(),
        short: function.split_once('(').map(|(name, _)| name.to_owned()),
        file: place.map(|(file, _)| file.to_owned()),
        line: place.map(|(_, line)| line),
        inlined: false,
    }
}

pub fn symbolizer() -> FakeSymbolizer {
    let inlined =
        SourceFrame { inlined: true, ..source("thumb::Slot::fill()", Some(("src/slot.h", 30))) };
    let insert = source("thumb::Cache::insert(Key const&, Image&&)", Some(("src/cache.cpp", 212)));
    let names = [
        ((PROGRAM, 0x1200), vec![insert]),
        ((PROGRAM, 0x1400), vec![source("thumb::Worker::serve()", Some(("src/worker.cpp", 141)))]),
        (
            (PROGRAM, 0x1600),
            vec![
                inlined,
                source(
                    "thumb::Pool::grow(unsigned long)",
                    Some(("/home/build/thumbd/src/pool.cpp", 77)),
                ),
            ],
        ),
        ((LIBC, 0x89134), vec![source("start_thread", None)]),
    ];
    FakeSymbolizer { names: names.into_iter().collect(), calls: Vec::new() }
}

pub fn modules() -> Arc<[Arc<Module>]> {
    let module = |id: ModuleId, path: &str, build_id: u8| {
        let build_id = BuildId::new(&[build_id; 20]);
        Arc::new(Module { id, path: PathBuf::from(path), build_id })
    };
    Arc::from([
        module(PROGRAM, "/usr/sbin/thumbd", 0x9f),
        module(LIBC, "/usr/lib/x86_64-linux-gnu/libc.so.6", 0x5a),
        module(MAGICK, "/usr/lib/libMagickCore-6.so", 0x5c),
    ])
}

pub fn in_file(module: ModuleId, offset: u64) -> Frame {
    Frame::InFile { module, offset }
}

/// The stack of the leak.
pub fn leak_frames() -> Arc<[Frame]> {
    Arc::from([in_file(PROGRAM, 0x1200), in_file(PROGRAM, 0x1400), in_file(LIBC, 0x89134)])
}

pub fn growth(bytes: i64, up: u32, of: u32) -> Growth {
    let bytes_per_second = (of > 0).then(|| bytes as f64 / 60.0);
    Growth { bytes_per_second, bytes, up, of }
}

/// A stack of `blocks` live blocks of `size` bytes, none ever freed, none young.
pub fn stack(number: u32, frames: Arc<[Frame]>, blocks: u64, size: u64) -> StackSnapshot {
    let bytes = blocks * size;
    StackSnapshot {
        stack: StackId(number),
        function: FunctionId::MALLOC,
        classes: SizeClasses::GLIBC,
        frames,
        end: StackEnd::Complete,
        live_bytes: bytes,
        live_blocks: blocks,
        unknown_bytes: 0,
        unknown_blocks: 0,
        young_bytes: 0,
        young_blocks: 0,
        filtered_bytes: 0,
        filtered_blocks: 0,
        doubtful: Doubtful::default(),
        peak_bytes: bytes,
        allocated_bytes: bytes,
        allocated_blocks: blocks,
        freed_bytes: 0,
        freed_blocks: 0,
        oldest: Some(BEGAN + SECOND / 5),
        newest: Some(NOW - SECOND),
        sizes: Some((size, size)),
        growth: growth(0, 0, 6),
        confidence: None,
        all_live: None,
        parts: None,
        part: Part::default(),
        period: None,
        past: Past::default(),
        blocks: Vec::new(),
    }
}

/// Totals that agree with `stacks`.
pub fn totals(stacks: &[StackSnapshot]) -> HeapTotals {
    let sum = |of: fn(&StackSnapshot) -> u64| stacks.iter().map(of).fold(0, u64::saturating_add);
    // A word beside each block.
    let takes = sum(|stack| stack.live_bytes.saturating_add(8 * stack.live_blocks));
    HeapTotals {
        live_bytes: sum(|stack| stack.live_bytes),
        live_blocks: sum(|stack| stack.live_blocks),
        usable: Usable::known(SizeClasses::GLIBC, takes),
        peak_bytes: sum(|stack| stack.peak_bytes),
        allocated_bytes: sum(|stack| stack.allocated_bytes),
        allocated_blocks: sum(|stack| stack.allocated_blocks),
        freed_bytes: sum(|stack| stack.freed_bytes),
        freed_blocks: sum(|stack| stack.freed_blocks),
        ..HeapTotals::default()
    }
}

pub fn info(pid: u32, comm: &str) -> ProcessInfo {
    ProcessInfo {
        key: ProcessKey { pid, start_time: 4_711_000 },
        comm: comm.to_owned(),
        exe: Some(PathBuf::from("/usr/sbin/thumbd")),
        cmdline: None,
        uid: Some(998),
        cgroup: Some("/system.slice/thumbd.service".to_owned()),
        container: None,
        pod_uid: None,
        pod: None,
        cgroup_limit: Some(8 * GIB),
        started: Some(NOW - 352_860 * SECOND),
        allocators: vec!["glibc 2.36".to_owned()],
    }
}

/// A running process that was watched for a minute in six intervals.
pub fn process(pid: u32, comm: &str, stacks: Vec<StackSnapshot>) -> ProcessSnapshot {
    let first = Usage {
        resident: 6_359 * MIB,
        resident_anonymous: 6_300 * MIB,
        resident_file: 59 * MIB,
        swap: 0,
        locked: 0,
        pinned: 0,
        cgroup: Some(6_492 * MIB),
        oom_kills: Some(0),
        cpu: 5_000 * SECOND,
    };
    ProcessSnapshot {
        period: None,
        story: None,
        touched: TouchTotals::default(),
        touched_stacks: Vec::new(),
        mapped: vec![MappedStack {
            stack: memtrace::model::ids::StackId(900),
            function: FunctionId::MMAP,
            allocator: None,
            frames: leak_frames(),
            end: StackEnd::Complete,
            live_bytes: MIB,
            live_ranges: 1,
            live_by_kind: [MIB, 0, 0, 0, 0, 0, 0],
            calls: 1,
            mapped_bytes: MIB,
            unmapped_bytes: 0,
            resident: Some(ResidentPart { of: MIB, least: MIB, most: MIB }),
            oldest: Some(BEGAN),
        }],
        info: Arc::new(info(pid, comm)),
        state: State::Running,
        seen: BEGAN,
        until: NOW,
        windows: Windows::default(),
        heap: totals(&stacks),
        mappings: MappingTotals::default(),
        usage_first: Some(first),
        usage_last: Some(Usage { cpu: 5_186 * SECOND, ..first }),
        picture: None,
        intervals: 6,
        slices: Vec::new(),
        history: Box::default(),
        untold_frees: 0,
        growth: growth(0, 3, 6),
        resident_growth: growth(0, 1, 6),
        unseen_vforks: 0,
        untraced_children: 0,
        stacks,
        pools: AccountSnapshot::default(),
        device: AccountSnapshot::default(),
        told: None,
    }
}

/// Gives a process the past that its figures speak of: stacks that changed evenly since it was seen, and
/// freed blocks a second after they were born.
pub fn remember(process: &mut ProcessSnapshot) {
    let watched = process.until.saturating_sub(process.seen);
    let at = |live: u64, gained: i64, point: u64| {
        let left = (gained as f64 * (POINTS - point) as f64 / POINTS as f64) as i64;
        u64::try_from(i128::from(live) - i128::from(left)).unwrap_or(0)
    };
    let resident = process.usage_last.map(|usage| usage.resident);
    let points = (0..=POINTS).map(|point| Point {
        time: process.seen.saturating_add(watched / POINTS * point),
        heap: at(process.heap.live_bytes, process.growth.bytes, point),
        resident: resident.map(|now| at(now, process.resident_growth.bytes, point)),
        stacks: process
            .stacks
            .iter()
            .map(|stack| at(stack.live_bytes, stack.growth.bytes, point))
            .collect(),
        ..Point::default()
    });
    process.history = points.map(Arc::new).collect();
    for (number, stack) in (0..).zip(&mut process.stacks) {
        let count =
            |age, freed, alive| AgeCount { class: class(age) as u8, freed, alive, masses: None };
        let ages = [count(SECOND, stack.freed_blocks, 0), count(30 * SECOND, 0, stack.live_blocks)];
        let even = u32::try_from(stack.live_blocks / COHORTS as u64).unwrap_or(u32::MAX);
        // What does not grow holds what it got at the beginning.
        let mut cohorts = [0; COHORTS];
        let born = if stack.growth.bytes > 0 { COHORTS } else { 1 };
        cohorts[..born].fill(even);
        stack.past = Past { number, since: process.seen, ages: Some(Ages(ages.into())), cohorts };
    }
}

pub fn snapshot(mut processes: Vec<ProcessSnapshot>) -> Snapshot {
    processes.iter_mut().for_each(remember);
    Snapshot {
        ended: Ended::default(),
        time: NOW,
        began: BEGAN,
        options: SnapshotOptions { min_age: 10 * SECOND, ..SnapshotOptions::default() },
        processes,
        modules: modules(),
        losses: Loss::ALL.iter().map(|cause| (*cause, 0)).collect(),
        unknown_stacks: 0,
        undecodable: 0,
        events: 9_493_456,
        bounds: Bounds::default(),
        alerts: Vec::new(),
        looks: None,
        touch_level: 0,
        older_alerts: 0,
        marks: Vec::new(),
        dropped_marks: 0,
    }
}

/// The process of the example: one stack keeps everything.
pub fn leaking() -> ProcessSnapshot {
    let mut leak = stack(0, leak_frames(), 80_486, 1024);
    leak.growth = growth(82_417_664, 6, 6);
    let mut pool =
        stack(1, Arc::from([in_file(PROGRAM, 0x1600), in_file(MAGICK, 0x4440)]), 400, 4096);
    pool.allocated_blocks = 4_000;
    pool.allocated_bytes = 4_000 * 4096;
    pool.freed_blocks = 3_600;
    pool.freed_bytes = 3_600 * 4096;
    pool.sizes = Some((16, 4096));
    pool.end = StackEnd::NoFramePointer;
    let mut young = stack(2, Arc::from([Frame::Unmapped(0x7f12_3456_7000)]), 41_870, 40);
    (young.young_bytes, young.young_blocks) = (41_870 * 40, 41_870);
    let mut stacks = vec![young, pool, leak];
    for number in 0..11 {
        stacks.push(stack(
            3 + number,
            Arc::from([in_file(LIBC, 0x9000 + u64::from(number))]),
            10,
            64,
        ));
    }
    let mut process = process(1234, "thumbd", stacks);
    process.heap.unknown_frees = 9_420;
    process.growth = growth(85_851_733, 6, 6);
    process.resident_growth = growth(85_983_232, 6, 6);
    process.mappings = MappingTotals {
        live_bytes: 84 * MIB,
        live_ranges: 3,
        mapped_bytes: 96 * MIB,
        unmapped_bytes: 12 * MIB,
        unknown_unmapped_bytes: 0,
        live_by_kind: [0, 0, 0, 84 * MIB, 0, 0, 0],
        ..MappingTotals::default()
    };
    process.mapped.push(MappedStack {
        stack: memtrace::model::ids::StackId(901),
        function: FunctionId::BRK,
        allocator: Some(LIBC),
        live_bytes: 83 * MIB,
        live_by_kind: [0, 0, 0, 83 * MIB, 0, 0, 0],
        calls: 700,
        mapped_bytes: 95 * MIB,
        unmapped_bytes: 12 * MIB,
        resident: Some(ResidentPart { of: 83 * MIB, least: 81 * MIB, most: 83 * MIB }),
        ..process.mapped[0].clone()
    });
    process.picture = Some(picture(process.heap.live_bytes));
    process.usage_last = process.usage_first.map(|first| Usage {
        resident: first.resident + 82 * MIB,
        resident_anonymous: first.resident_anonymous + 81 * MIB,
        resident_file: first.resident_file + MIB,
        cgroup: first.cgroup.map(|size| size + 82 * MIB),
        cpu: first.cpu + 186 * SECOND,
        ..first
    });
    process
}

/// What the memory of [`leaking`] is. Some blocks are in pages that were never touched.
pub fn picture(live: u64) -> PictureSnapshot {
    let sum =
        |mappings, mapped, resident| PageSum { mappings, mapped, resident, ..PageSum::default() };
    let mut picture =
        Picture { began: NOW, whole: true, threads: 9, threads_placed: 7, ..Picture::default() };
    let kinds = [
        (PageKind::HeapSegment, sum(1, 6_330 * MIB, 6_330 * MIB)),
        (PageKind::Arena, sum(4, 128 * MIB, 3 * MIB)),
        (PageKind::Anonymous, sum(31, 72 * MIB, 40 * MIB)),
        (PageKind::ThreadStack, sum(7, 56 * MIB, 300 * KIB)),
        (PageKind::MainStack, sum(1, 132 * KIB, 80 * KIB)),
        (PageKind::Code, sum(40, 30 * MIB, 24 * MIB)),
        (PageKind::ProgramData, sum(120, 20 * MIB, 8 * MIB)),
        (PageKind::Kernel, sum(3, 28 * KIB, 4 * KIB)),
    ];
    for (kind, sum) in kinds {
        picture.kinds[kind as usize] = sum;
    }
    picture.counted = picture.sum().resident + 52 * KIB;
    let mut blocks = PlacedBlocks {
        live,
        touched_least: live - 3 * MIB,
        touched_most: live - MIB,
        elsewhere: 16 * KIB,
        ..PlacedBlocks::default()
    };
    blocks.by_kind[PageKind::HeapSegment as usize] = live - 4 * MIB - 16 * KIB;
    blocks.by_kind[PageKind::Anonymous as usize] = 4 * MIB;
    PictureSnapshot { time: NOW, picture, is_sampled: false, blocks, owners: owners(live) }
}

/// Whose that is: of what `touched_least` leaves a part could not be looked at.
fn owners(live: u64) -> Owners {
    let bounds = |least, most| ResidentBounds { least, most };
    let mut owners = Owners::default();
    let touched = live - 3 * MIB;
    let all = 6_373 * MIB;
    let mut give = |owner: Owner, sum| owners.sums[owner as usize] = sum;
    let rounding = bounds(2 * MIB, 2 * MIB);
    let resident = bounds(84 * MIB, 86 * MIB);
    let beyond = bounds(5 * MIB, 6 * MIB);
    give(
        Owner::Allocator,
        OwnerSum { writable: 86 * MIB, resident, live: 79 * MIB, rounding, beyond },
    );
    let program = bounds(32 * MIB, 32 * MIB);
    give(
        Owner::Program,
        OwnerSum { writable: 40 * MIB, resident: program, beyond: program, ..OwnerSum::default() },
    );
    let older = bounds(all - touched - 42 * MIB, all - touched - 41 * MIB);
    give(
        Owner::OlderAllocator,
        OwnerSum { writable: 6_372 * MIB, resident: older, beyond: older, ..OwnerSum::default() },
    );
    owners.undecided = 3 * MIB;
    owners.allocator_mapped = 86 * MIB;
    owners
}

pub fn facts() -> TracerFacts {
    TracerFacts {
        version: "0.1.0".to_owned(),
        kernel: "6.18.0".to_owned(),
        link: Some(LinkKind::Session),
        links: vec![LinkFacts {
            allocator: "libc.so.6".to_owned(),
            for_all: true,
            processes: 1,
            others: 0,
        }],
        unwind: "fp".to_owned(),
        tables: None,
        sample_interval_bytes: 0,
        sampling_changes: Vec::new(),
        sampling_changes_left_out: 0,
        window: None,
        window_changes: Vec::new(),
        window_changes_left_out: 0,
        cpu_seconds: 18.6,
        rss_bytes: 148 * MIB,
        events_per_second: 158_224.3,
        target_cost_cores: Some(0.23),
        walks: Walks { made: 120, checked: 16, differed: 0, copied: 4, finished: 3 },
        longest_gap: Duration::from_millis(21),
        target_cost_percent: Some(7.0),
        hits: Some(Hits { per_second: 158_000.0, cost: 1_456.0 }),
        overhead_budget: None,
        budget_from_cores: 0.0,
        sequence: 6,
        skipped_reports: 0,
        blind_windows: 0,
        time: "2026-03-01T03:13:08Z".parse::<Timestamp>().unwrap(),
        began: "2026-03-01T03:12:08Z".parse::<Timestamp>().unwrap(),
        user_functions: Vec::new(),
        notes: Vec::new(),
        has_thresholds: false,
        degraded: Vec::new(),
    }
}

/// Fewer allocations are looked at, for the cost.
pub fn sampling_change() -> SamplingChange {
    SamplingChange {
        time: "2026-03-01T03:12:10Z".parse::<Timestamp>().unwrap(),
        interval: 64 << 10,
        reason: "tracing cost about 47 % of the CPU time that the targets use otherwise, the budget is 10 %"
            .to_owned(),
    }
}

/// A process whose figures are estimates.
pub fn sampled() -> ProcessSnapshot {
    let mut process = leaking();
    let around = |value: u64| Confidence { low: value / 10 * 9, high: value / 10 * 11 };
    process.heap.live_bytes = 100 * MIB;
    if let Some(picture) = &mut process.picture {
        (picture.is_sampled, picture.blocks) = (true, PlacedBlocks::default());
    }
    let heap = process.heap;
    process.heap.confidence = Some(SampledConfidence {
        live_bytes: around(heap.live_bytes),
        live_blocks: around(heap.live_blocks),
        peak_bytes: around(heap.peak_bytes),
        allocated_bytes: around(heap.allocated_bytes),
        allocated_blocks: around(heap.allocated_blocks),
        freed_bytes: around(heap.freed_bytes),
        freed_blocks: around(heap.freed_blocks),
        unknown: SumConfidence::default(),
        samples: 512,
    });
    for stack in &mut process.stacks {
        stack.confidence = Some(SampledConfidence {
            live_bytes: around(stack.live_bytes),
            live_blocks: around(stack.live_blocks),
            peak_bytes: around(stack.peak_bytes),
            allocated_bytes: around(stack.allocated_bytes),
            allocated_blocks: around(stack.allocated_blocks),
            freed_bytes: around(stack.freed_bytes),
            freed_blocks: around(stack.freed_blocks),
            unknown: SumConfidence::default(),
            samples: 46,
        });
        let both = |bytes: u64, blocks: u64| SumConfidence {
            bytes: around(bytes),
            blocks: around(blocks),
        };
        stack.parts = Some(PartsConfidence {
            young: both(stack.young_bytes, stack.young_blocks),
            filtered: both(stack.filtered_bytes, stack.filtered_blocks),
        });
        stack.all_live = Some((around(stack.live_bytes), around(stack.live_blocks)));
    }
    process
}

/// The options of a final report.
pub fn last() -> ReportOptions {
    ReportOptions {
        top: 10,
        is_final: true,
        interval: Some(Duration::from_secs(10)),
        ..ReportOptions::default()
    }
}

pub fn report(snapshot: &Snapshot, options: &ReportOptions, facts: &TracerFacts) -> Report {
    resolve(snapshot, &mut symbolizer(), options, facts)
}

pub fn text(report: &Report, style: TextStyle) -> String {
    let mut out = Vec::new();
    TextWriter { style }.write(report, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

pub fn block(address: u64, size: u64, born: Nanos) -> BlockSnapshot {
    BlockSnapshot { address, size, born }
}

/// A process with a pool, and what the tracer says of its functions.
pub fn pooling() -> (ProcessSnapshot, TracerFacts) {
    let function = FunctionId(FunctionId::FIRST_USER_DEFINED);
    let stacks = vec![StackSnapshot { function, ..stack(60, leak_frames(), 50, 100) }];
    let pools = AccountSnapshot { totals: totals(&stacks), growth: growth(5_000, 6, 6), stacks };
    let functions = ["pool_alloc", "pool_free"].map(str::to_owned).to_vec();
    let facts = TracerFacts { user_functions: functions, ..facts() };
    (ProcessSnapshot { pools, ..leaking() }, facts)
}

/// Memory of a device, some of it pinned memory of the host.
pub fn device() -> AccountSnapshot {
    let of = |function, number, blocks| StackSnapshot {
        function,
        ..stack(number, leak_frames(), blocks, 1 << 20)
    };
    let stacks = vec![of(FunctionId::CUDA_MALLOC, 70, 24), of(FunctionId::CUDA_HOST_ALLOC, 71, 8)];
    AccountSnapshot { totals: totals(&stacks), growth: growth(8 * (1 << 20), 6, 6), stacks }
}

/// A process that tells of samples itself: two of 512 KiB that were drawn, and one that stands for itself.
pub fn telling() -> ProcessSnapshot {
    let mut account = ToldBlocks::new(10, 10, 1);
    let leak = StackId(901);
    for (address, size, weighted, stack) in [
        (1, 16, 512 << 10, Some(leak)),
        (2, 16, 512 << 10, Some(leak)),
        (3, 1 << 20, 1 << 20, Some(leak)),
        (4, 64, 512 << 10, None),
        (5, 64, 512 << 10, None),
    ] {
        account.allocate(address, Told { size, weighted, stack }, true);
    }
    account.free(5);
    account.free(6);
    let named = |(stack, sums): (StackId, &_)| ToldStack {
        stack,
        frames: leak_frames(),
        end: StackEnd::Complete,
        sums: *sums,
    };
    let told = ToldSnapshot {
        totals: *account.totals(),
        unseen: account.unseen(),
        oddities: account.oddities(),
        stacks: account.stacks().map(named).collect(),
    };
    ProcessSnapshot { told: Some(Box::new(told)), ..leaking() }
}

/// A snapshot with an alert of each shape.
pub fn alarming() -> Snapshot {
    let process = leaking();
    let alert = |age: u64, crossing| Alert {
        who: Who::One(Arc::clone(&process.info)),
        time: NOW - age * SECOND,
        crossing,
    };
    let rate = Band { low: 1.5e6, middle: 1.6e6, high: 1.75e6 };
    let alerts = vec![
        alert(40, Crossing::Live { bytes: 70 << 20, range: None, threshold: 64 << 20 }),
        alert(3, Crossing::Growth { rate, threshold: Rate { bytes: 60 << 20, per: 60 * SECOND } }),
    ];
    Snapshot { alerts, older_alerts: 2, ..snapshot(vec![process]) }
}

/// A snapshot with two marks, and others that are not kept.
pub fn marked() -> Snapshot {
    let mark = |name: &str, age: u64| Marked {
        name: MarkName::new(name).unwrap(),
        time: NOW - age * SECOND,
    };
    // Of the second one the name would turn the direction of writing.
    let marks = vec![mark("deploy  7", 40), mark("a\u{202e}b", 3)];
    Snapshot { marks, dropped_marks: 5, ..snapshot(vec![leaking()]) }
}

/// By so many KiB per second.
fn growing(kib: f64) -> Growing {
    Growing {
        rate: Band { low: 0.95 * kib * 1024.0, middle: kib * 1024.0, high: 1.04 * kib * 1024.0 },
        span: 55 * SECOND,
        from: 40 * MIB,
        to: 42 * MIB,
    }
}

/// A process that grew and was looked at, three times, with all that can come of that; beside one that did not.
pub fn zoomed() -> Snapshot {
    let found = |number: u32, kib: f64| FoundStack {
        stack: StackId(number),
        function: FunctionId::MALLOC,
        frames: leak_frames(),
        end: StackEnd::Complete,
        rate: growing(kib).rate,
        gained: 800 * KIB,
        range: None,
    };
    let touched = TouchedGrowth {
        stack: StackId(901),
        frames: Arc::from([in_file(PROGRAM, 0x1600), in_file(MAGICK, 0x4440)]),
        end: StackEnd::Complete,
        gained: 3 * MIB,
        confidence: None,
    };
    let look = |age: u64, outcome| LookSnapshot {
        time: NOW - age * SECOND,
        growth: growing(40.0),
        lasted: 20 * SECOND,
        interval: 16 * KIB,
        outcome,
        found: Vec::new(),
        touched: vec![touched.clone()],
        cost: Some(LookCost { hits: 12_345, cpu: Some(SECOND / 50), shared: false }),
    };
    let first =
        LookSnapshot { found: vec![found(900, 38.0)], ..look(2000, Outcome::Found(Found::Heap)) };
    let cost = Some(LookCost { hits: 1, cpu: None, shared: true });
    let second = LookSnapshot { cost, ..look(500, Outcome::Found(Found::NotTheHeap)) };
    let third = LookSnapshot {
        interval: 0,
        found: vec![found(900, 41.5)],
        ..look(300, Outcome::Found(Found::Heap))
    };
    let refused = LookSnapshot {
        cost: None,
        touched: Vec::new(),
        ..look(60, Outcome::Refused("no allocator\u{1b}[31m".into()))
    };
    let story = Story {
        looks: vec![first, second, third, refused],
        dropped: 7,
        growing: Some(growing(40.0)),
        state: LookState::Resting(NOW + 90 * SECOND),
    };
    let mut process = leaking();
    process.stacks.clear();
    process.story = Some(Box::new(story));
    let mut quiet = leaking();
    quiet.stacks.clear();
    quiet.story = Some(Box::default());
    let looks = Some(LookTotals { looking: 1, waiting: 2, looks: 12 });
    Snapshot { looks, ..snapshot(vec![process, quiet]) }
}
