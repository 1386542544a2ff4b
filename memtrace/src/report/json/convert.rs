//! [`Report`] → the structs of the schema.

use super::SCHEMA;
use super::left_out::LeftOut;
use super::marks::Mark;
use super::schema::{
    Account, Alert, AllocatorMappings, Block, Causes, Device, Document, Ended, Frame, Heap, Kinds,
    Link, Loss, MappedStack, MappedSums, Mappings, Memory, Module, Picture, Process,
    SamplingChange, Stack, Sums, Survival, Tables, Tracer, Trend,
};
use super::series::Series;
use super::told::Told;
use super::touched::Touched;
use super::watch::{Totals, Watch};
use super::windows::{Window, WindowChange, Windows};
use crate::engine::heap::ranges::RangeKind;
use crate::engine::snapshot::{
    Confidence, Growth, HeapTotals, OddConfidence, SampledConfidence, SumConfidence,
};
use crate::engine::trend::{Band, Judgement};
use crate::model::ids::Nanos;
use crate::model::process::Usage;
use crate::report::alerts::{AlertBy, AlertReport};
use crate::report::around;
use crate::report::facts::{Ledgers, LinkFacts, TableFacts};
use crate::report::model::{
    AccountReport, BlockReport, DeviceReport, End, FrameReport, MappedReport, ModuleReport, Place,
    ProcessReport, Report, StackReport, Sum,
};
use crate::report::units::seconds;
use memtrace_common::wire::StackEnd;

impl<'a> Document<'a> {
    /// The whole report.
    pub(super) fn of(report: &'a Report) -> Self {
        let (facts, loss) = (&report.tracer, &report.loss);
        let has_marks = !report.marks.is_empty() || report.dropped_marks > 0;
        Self {
            schema: SCHEMA,
            kind: "leaks",
            sequence: facts.sequence,
            time: facts.time.to_string(),
            uptime_s: seconds(report.watched),
            is_final: report.options.is_final,
            began: facts.began.to_string(),
            min_age_s: seconds(report.blocks.min_age),
            min_size: report.blocks.min_size,
            max_size: report.blocks.max_size,
            tracer: Tracer::of(report),
            processes: report
                .processes
                .iter()
                .map(|process| Process::of(process, report.options.ledger))
                .collect(),
            ended: Ended::of(&report.ended),
            loss: Loss {
                events: loss.events,
                stacks: loss.stacks,
                evicted_blocks: loss.evicted_blocks,
                by_cause: Causes(&loss.by_cause),
            },
            alerts: report.alerts.as_ref().map(|all| all.iter().map(Alert::of).collect()),
            older_alerts: report.alerts.as_ref().map(|_| report.older_alerts),
            marks: has_marks.then(|| report.marks.iter().map(Mark::of).collect()),
            dropped_marks: has_marks.then_some(report.dropped_marks),
        }
    }
}

impl<'a> Alert<'a> {
    fn of(alert: &'a AlertReport) -> Self {
        let (processes, start_time) = match alert.by {
            AlertBy::Process { start_time, .. } => (None, Some(start_time)),
            AlertBy::All { processes } => (Some(processes), None),
        };
        Self {
            kind: alert.kind,
            scope: alert.by.scope(),
            processes,
            pid: alert.by.pid(),
            start_time,
            comm: alert.by.comm(),
            container: alert.by.container(),
            pod: alert.by.pod(),
            time: alert.time.to_string(),
            age_s: seconds(alert.age),
            value: alert.value,
            value_ci95: alert.interval.map(|(low, high)| [low, high]),
            threshold: alert.threshold,
        }
    }
}

/// A number that is said only where it is not 0.
fn some(number: u64) -> Option<u64> {
    (number > 0).then_some(number)
}

impl<'a> Tracer<'a> {
    fn of(report: &'a Report) -> Self {
        let facts = &report.tracer;
        Self {
            version: &facts.version,
            kernel: &facts.kernel,
            link: facts.link.map(memtrace_common::config::LinkKind::name),
            links: facts.links.iter().map(Link::of).collect(),
            sample_interval_bytes: facts.sample_interval_bytes,
            sampling_changes: facts.sampling_changes.iter().map(SamplingChange::of).collect(),
            sampling_changes_left_out: some(facts.sampling_changes_left_out),
            window: facts.window.map(Window::of),
            window_changes: facts.window_changes.iter().map(WindowChange::of).collect(),
            window_changes_left_out: some(facts.window_changes_left_out),
            unwind: &facts.unwind,
            unwind_tables: facts.tables.as_ref().map(Tables::of),
            cpu_s: facts.cpu_seconds,
            rss_bytes: facts.rss_bytes,
            events: report.events,
            events_per_s: facts.events_per_second,
            target_cost_cores: facts.target_cost_cores,
            target_cost_percent: facts.target_cost_percent,
            hits_per_s: facts.hits.map(|hits| hits.per_second),
            hit_cost_ns: facts.hits.map(|hits| hits.cost),
            overhead_budget_percent: facts.overhead_budget,
            overhead_budget_from_cores: facts.budget_from_cores,
            walks_made: facts.walks.made,
            walks_checked: facts.walks.checked,
            walks_differed: facts.walks.differed,
            longest_gap_ms: facts.longest_gap.as_secs_f64() * 1e3,
            stacks_copied: facts.walks.copied,
            stacks_finished: facts.walks.finished,
            skipped_reports: facts.skipped_reports,
            blind_windows: facts.blind_windows,
            notes: &facts.notes,
            degraded: &report.degraded,
            watch: Totals::of(report),
        }
    }
}

impl<'a> SamplingChange<'a> {
    fn of(change: &'a crate::report::SamplingChange) -> Self {
        Self {
            time: change.time.to_string(),
            sample_interval_bytes: change.interval,
            reason: &change.reason,
        }
    }
}

impl<'a> Link<'a> {
    fn of(link: &'a LinkFacts) -> Self {
        Self {
            allocator: &link.allocator,
            whom: if link.for_all { "all" } else { "each" },
            processes: link.processes,
            other_processes: link.others,
        }
    }
}

impl Tables {
    const fn of(tables: &TableFacts) -> Self {
        let TableFacts {
            files,
            no_information,
            foreign,
            unreadable,
            malformed,
            too_large,
            no_room,
        } = *tables;
        Self { files, no_information, foreign, unreadable, malformed, too_large, no_room }
    }
}

impl<'a> Process<'a> {
    // long: a field per line
    fn of(process: &'a ProcessReport, ledger: Ledgers) -> Self {
        let around = process.around.as_deref();
        Self {
            pid: process.pid,
            start_time: process.start_time,
            comm: &process.comm,
            exe: process.exe.as_deref(),
            cmdline: process.cmdline.as_deref(),
            uid: process.uid,
            cgroup: process.cgroup.as_deref(),
            container: process.container.as_deref(),
            pod_uid: process.pod_uid.as_deref(),
            pod: process.pod.as_deref(),
            state: if process.end == End::Running { "running" } else { "exited" },
            exit_status: exit_status(process.end),
            heap: Heap::of(&process.heap, process.perhaps_freed),
            mappings: Mappings::of(process),
            rss_bytes: process.usage_last.map(|usage| usage.resident),
            rss_at_attach_bytes: process.usage_first.map(|usage| usage.resident),
            verdict: process.verdict.key(),
            trend: Trend::of(&process.judgement, &process.survival),
            untold_frees: process.untold_frees,
            explanation: &process.explanation,
            end: end(process.end),
            exit_signal: match process.end {
                End::Killed(signal) => Some(signal),
                _ => None,
            },
            started: process.started.map(|started| started.to_string()),
            watched_s: seconds(process.watched),
            intervals: process.intervals,
            allocators: &process.allocators,
            growth_bytes: process.growth.bytes,
            growth_bytes_ci95: growth_of(&process.growth, &process.heap),
            growth_bytes_per_s: process.growth.bytes_per_second,
            memory_at_attach: process.usage_first.map(Memory::of),
            memory: process.usage_last.map(Memory::of),
            picture: process.picture.as_ref().map(|it| Picture::of(it, ledger)),
            cgroup_limit_bytes: process.cgroup_limit,
            unseen_vforks: process.unseen_vforks,
            untraced_children: process.untraced_children,
            incomplete_blocks: process.incomplete_blocks,
            no_table_yet_blocks: process.early.blocks,
            no_table_yet_stacks: process.early.stacks,
            others: Sums::around(process.others, around.map(|it| it.others)),
            young: Sums::around(process.young, around.map(|it| it.young)),
            filtered: Sums::around(process.filtered, around.map(|it| it.filtered)),
            modules: process.modules.iter().map(Module::of).collect(),
            stacks: process.stacks.iter().map(Stack::of).collect(),
            left_out: process.left_out.iter().map(LeftOut::of).collect(),
            pools: process.pools.as_ref().map(Account::of),
            device: process.device.as_ref().map(Device::of),
            mapped_stacks: process.mapped.iter().map(MappedStack::of).collect(),
            mapped_others: MappedSums::of(process.mapped_others),
            allocator_mappings: AllocatorMappings::all(process),
            touched: process.touched.as_ref().map(|it| Touched::of(it, process)),
            told: process.told.as_ref().map(Told::of),
            watch: process.watch.as_ref().map(Watch::of),
            windows: process.windows.as_ref().map(Windows::of),
            memory_over_time: Series::of(&process.memory),
        }
    }
}

impl<'a> Device<'a> {
    fn of(device: &'a DeviceReport) -> Self {
        Self { account: Account::of(&device.account), pinned_host: Sums::of(device.pinned) }
    }
}

impl<'a> Account<'a> {
    fn of(account: &'a AccountReport) -> Self {
        Self {
            functions: &account.functions,
            totals: Heap::of(&account.totals, account.perhaps_freed),
            growth_bytes: account.growth.bytes,
            growth_bytes_ci95: growth_of(&account.growth, &account.totals),
            growth_bytes_per_s: account.growth.bytes_per_second,
            others: Sums::around(account.others, account.others_around),
            stacks: account.stacks.iter().map(Stack::of).collect(),
        }
    }
}

/// As a shell's `$?` has it.
fn exit_status(end: End) -> Option<u32> {
    match end {
        End::Exited(code) => Some(u32::from(code)),
        End::Killed(signal) => Some(128 + u32::from(signal)),
        End::Running | End::Unknown | End::Execed => None,
    }
}

fn end(end: End) -> Option<&'static str> {
    match end {
        End::Running => None,
        End::Exited(_) => Some("exit"),
        End::Killed(_) => Some("signal"),
        End::Execed => Some("exec"),
        End::Unknown => Some("unknown"),
    }
}

/// Why it is not known what a block takes.
const NO_CLASSES: &str =
    "no size classes are known for this allocator, or for blocks of this size or alignment";

pub(super) const fn ends(confidence: Confidence) -> [u64; 2] {
    [confidence.low, confidence.high]
}

impl Heap {
    fn of(heap: &HeapTotals, perhaps_freed: u64) -> Self {
        let usable = &heap.usable;
        let of = |part: fn(&SampledConfidence) -> Confidence| {
            heap.confidence.as_ref().map(part).map(ends)
        };
        let odd = |value: u64, part: fn(&OddConfidence) -> Confidence| {
            heap.odd_confidence.as_ref().filter(|_| value > 0).map(part).map(ends)
        };
        let around = around::usable(heap);
        let unknown = around.as_ref().filter(|_| usable.unknown_blocks() > 0);
        let any_known = usable.unknown_blocks() < heap.live_blocks || heap.live_blocks == 0;
        Self {
            live_bytes: heap.live_bytes,
            live_bytes_ci95: of(|it| it.live_bytes),
            live_blocks: heap.live_blocks,
            live_blocks_ci95: of(|it| it.live_blocks),
            peak_bytes: heap.peak_bytes,
            peak_bytes_ci95: of(|it| it.peak_bytes),
            allocated_bytes: heap.allocated_bytes,
            allocated_bytes_ci95: of(|it| it.allocated_bytes),
            allocated_blocks: heap.allocated_blocks,
            allocated_blocks_ci95: of(|it| it.allocated_blocks),
            freed_bytes: heap.freed_bytes,
            freed_bytes_ci95: of(|it| it.freed_bytes),
            freed_blocks: heap.freed_blocks,
            freed_blocks_ci95: of(|it| it.freed_blocks),
            unknown_bytes: heap.unknown_bytes,
            unknown_bytes_ci95: of(|it| it.unknown.bytes).filter(|_| heap.unknown_bytes > 0),
            unknown_blocks: heap.unknown_blocks,
            unknown_blocks_ci95: of(|it| it.unknown.blocks).filter(|_| heap.unknown_blocks > 0),
            unknown_frees: heap.unknown_frees,
            missed_frees: heap.missed_frees,
            missed_frees_ci95: odd(heap.missed_frees, |it| it.missed_frees),
            lost_frees: heap.lost_frees,
            perhaps_freed_blocks: perhaps_freed,
            failed: heap.failed,
            internal_frees: heap.internal_frees,
            evicted_blocks: heap.evicted_blocks,
            evicted_blocks_ci95: odd(heap.evicted_blocks, |it| it.evicted.blocks),
            evicted_bytes: heap.evicted_bytes,
            evicted_bytes_ci95: odd(heap.evicted_bytes, |it| it.evicted.bytes),
            usable_bytes: any_known.then_some(usable.bytes),
            usable_bytes_ci95: around.as_ref().filter(|_| any_known).map(|it| ends(it.bytes)),
            usable_exact: any_known && usable.is_exact() && usable.unknown_blocks() == 0,
            usable_unknown_blocks: usable.unknown_blocks(),
            usable_unknown_blocks_ci95: unknown.map(|it| ends(it.unknown.blocks)),
            usable_unknown_bytes: usable.unknown_bytes,
            usable_unknown_bytes_ci95: unknown.map(|it| ends(it.unknown.bytes)),
            usable_classes: usable.allocators().collect(),
            usable_missing: (usable.unknown_blocks() > 0).then_some(NO_CLASSES),
        }
    }
}

impl Mappings {
    const fn of(process: &ProcessReport) -> Self {
        let mappings = &process.mappings;
        let kinds = Kinds::of(&mappings.live_by_kind);
        Self {
            live_bytes: mappings.live_bytes,
            live_ranges: mappings.live_ranges,
            mapped_bytes: mappings.mapped_bytes,
            unmapped_bytes: mappings.unmapped_bytes,
            unknown_unmapped_bytes: mappings.unknown_unmapped_bytes,
            live_anonymous_bytes: kinds.anonymous,
            live_file_bytes: kinds.file,
            live_stack_bytes: kinds.stack,
            live_heap_segment_bytes: kinds.heap_segment,
            live_reserved_bytes: kinds.reserved,
            live_shared_bytes: kinds.shared,
            live_code_bytes: kinds.code,
            inherited_bytes: mappings.inherited_bytes,
            evicted_bytes: mappings.evicted_bytes,
        }
    }
}

impl Kinds {
    const fn of(live: &[u64; RangeKind::COUNT]) -> Self {
        let [anonymous, file, stack, heap_segment, reserved, shared, code] = *live;
        Self { anonymous, file, stack, heap_segment, reserved, shared, code }
    }
}

impl MappedSums {
    const fn of(sum: Sum) -> Self {
        Self { stacks: sum.stacks, ranges: sum.blocks, bytes: sum.bytes }
    }
}

impl<'a> MappedStack<'a> {
    fn of(stack: &'a MappedReport) -> Self {
        Self {
            id: stack.id.to_string(),
            function: &stack.function,
            by_allocator: stack.by_allocator,
            live_bytes: stack.live_bytes,
            live_ranges: stack.live_ranges,
            live_bytes_by_kind: Kinds::of(&stack.live_by_kind),
            calls: stack.calls,
            mapped_bytes: stack.mapped_bytes,
            unmapped_bytes: stack.unmapped_bytes,
            resident_of_bytes: stack.resident.map(|it| it.of),
            resident_least_bytes: stack.resident.map(|it| it.least),
            resident_most_bytes: stack.resident.map(|it| it.most),
            oldest_age_s: stack.oldest_age.map(seconds),
            complete: stack.end == StackEnd::Complete,
            end: stack_end(stack.end),
            frames: stack.frames.iter().map(Frame::of).collect(),
        }
    }
}

impl Memory {
    fn of(usage: Usage) -> Self {
        Self {
            resident_bytes: usage.resident,
            resident_anonymous_bytes: usage.resident_anonymous,
            resident_file_bytes: usage.resident_file,
            swap_bytes: usage.swap,
            cgroup_bytes: usage.cgroup,
            oom_kills: usage.oom_kills,
            cpu_s: seconds(usage.cpu),
        }
    }
}

impl Sums {
    const fn of(sum: Sum) -> Self {
        let Sum { stacks, blocks, bytes } = sum;
        Self { stacks, blocks, blocks_ci95: None, bytes, bytes_ci95: None }
    }

    /// The same, of an estimate.
    fn around(sum: Sum, around: Option<SumConfidence>) -> Self {
        Self {
            blocks_ci95: around.map(|it| ends(it.blocks)),
            bytes_ci95: around.map(|it| ends(it.bytes)),
            ..Self::of(sum)
        }
    }
}

/// Where growth lies: what is alive is an estimate, and what there was before is known.
fn growth_around(growth: i64, live: u64, around: Option<Confidence>) -> Option<[i64; 2]> {
    let Confidence { low, high } = around?;
    let (below, above) = (live.saturating_sub(low), high.saturating_sub(live));
    Some([growth.saturating_sub_unsigned(below), growth.saturating_add_unsigned(above)])
}

fn growth_of(growth: &Growth, totals: &HeapTotals) -> Option<[i64; 2]> {
    growth_around(growth.bytes, totals.live_bytes, totals.confidence.map(|it| it.live_bytes))
}

impl<'a> Module<'a> {
    fn of(module: &'a ModuleReport) -> Self {
        Self {
            name: &module.name,
            path: &module.path,
            build_id: module.build_id.as_deref(),
            debug_lines: module.debug_lines,
            missing: module.missing.map(crate::engine::ports::Missing::reason),
        }
    }
}

impl<'a> Stack<'a> {
    fn of(stack: &'a StackReport) -> Self {
        let age = |age: Option<Nanos>| age.map(seconds);
        let of = |part: fn(&SampledConfidence) -> Confidence| {
            stack.confidence.as_ref().map(part).map(ends)
        };
        let parts = stack.parts;
        Self {
            id: stack.id.to_string(),
            function: &stack.function,
            live_bytes: stack.live_bytes,
            live_bytes_ci95: of(|it| it.live_bytes),
            live_blocks: stack.live_blocks,
            live_blocks_ci95: of(|it| it.live_blocks),
            unknown_bytes: stack.unknown.0,
            unknown_bytes_ci95: of(|it| it.unknown.bytes).filter(|_| stack.unknown.0 > 0),
            unknown_blocks: stack.unknown.1,
            unknown_blocks_ci95: of(|it| it.unknown.blocks).filter(|_| stack.unknown.1 > 0),
            perhaps_freed_blocks: stack.perhaps_freed,
            peak_bytes: stack.peak_bytes,
            peak_bytes_ci95: of(|it| it.peak_bytes),
            allocated_bytes: stack.allocated_bytes,
            allocated_bytes_ci95: of(|it| it.allocated_bytes),
            allocated_blocks: stack.allocated_blocks,
            allocated_blocks_ci95: of(|it| it.allocated_blocks),
            oldest_age_s: age(stack.oldest_age),
            newest_age_s: age(stack.newest_age),
            growth_bytes_per_s: stack.growth.bytes_per_second,
            verdict: stack.verdict().key(),
            trend: Trend::of(&stack.judgement, &stack.survival),
            complete: stack.end == StackEnd::Complete,
            end: stack_end(stack.end),
            freed_bytes: stack.freed_bytes,
            freed_bytes_ci95: of(|it| it.freed_bytes),
            freed_blocks: stack.freed_blocks,
            freed_blocks_ci95: of(|it| it.freed_blocks),
            growth_bytes: stack.growth.bytes,
            growth_bytes_ci95: growth_around(
                stack.growth.bytes,
                stack.live_bytes.saturating_add(stack.young.0).saturating_add(stack.filtered.0),
                stack.all_live,
            ),
            up_intervals: stack.growth.up,
            intervals: stack.growth.of,
            smallest_block_bytes: stack.sizes.map(|(smallest, _)| smallest),
            largest_block_bytes: stack.sizes.map(|(_, largest)| largest),
            young_bytes: stack.young.0,
            young_bytes_ci95: parts.map(|it| ends(it.young.bytes)),
            young_blocks: stack.young.1,
            young_blocks_ci95: parts.map(|it| ends(it.young.blocks)),
            filtered_bytes: stack.filtered.0,
            filtered_bytes_ci95: parts.map(|it| ends(it.filtered.bytes)),
            filtered_blocks: stack.filtered.1,
            filtered_blocks_ci95: parts.map(|it| ends(it.filtered.blocks)),
            samples: stack.confidence.map(|it| it.samples),
            blocks: stack.blocks.iter().map(Block::of).collect(),
            frames: stack.frames.iter().map(Frame::of).collect(),
        }
    }
}

impl Trend {
    fn of(judgement: &Judgement, survival: &[(Nanos, Band)]) -> Self {
        let interval = |band: Band| [band.low, band.high];
        let lasting = judgement.lasting;
        Self {
            slope_bytes_per_second: judgement.slope.map(|slope| slope.middle),
            slope_bytes_per_second_ci95: judgement.slope.map(interval),
            points: judgement.points,
            staying_share: judgement.staying.map(|share| share.middle),
            staying_share_ci95: judgement.staying.map(interval),
            half_life_s: lasting.half.map(seconds),
            none_freed_from_s: (lasting.older > 0).then(|| seconds(lasting.none_freed_from)),
            older_blocks: lasting.older,
            survival: survival.iter().map(Survival::of).collect(),
        }
    }
}

impl Survival {
    fn of((age, band): &(Nanos, Band)) -> Self {
        Self { age_s: seconds(*age), share: band.middle, share_ci95: [band.low, band.high] }
    }
}

pub(super) const fn stack_end(end: StackEnd) -> &'static str {
    match end {
        StackEnd::Unknown => "unknown",
        StackEnd::Complete => "complete",
        StackEnd::Depth => "depth",
        StackEnd::NoMapping => "no_mapping",
        StackEnd::Unreadable => "unreadable",
        StackEnd::NoFramePointer => "no_frame_pointer",
        StackEnd::NoTable => "no_table",
        StackEnd::NoTableYet => "no_table_yet",
    }
}

impl Block {
    fn of(block: &BlockReport) -> Self {
        Self {
            address: format!("{:#x}", block.address),
            size: block.size,
            age_s: seconds(block.age),
        }
    }
}

impl<'a> Frame<'a> {
    pub(super) fn of(frame: &'a FrameReport) -> Self {
        let (offset, address) = match frame.place {
            Place::Offset(offset) => (Some(offset), None),
            Place::Address(address) => (None, Some(format!("{address:#x}"))),
            Place::Unknown => (None, None),
        };
        Self {
            function: frame.function.as_deref(),
            module: frame.module.as_deref(),
            build_id: frame.build_id.as_deref(),
            offset,
            file: frame.file.as_deref(),
            line: frame.line,
            inlined: frame.inlined,
            address,
            missing: frame.missing.map(crate::engine::ports::Missing::reason),
            short: frame.short.as_deref().or(frame.function.as_deref()),
            internal: frame.internal,
        }
    }
}
