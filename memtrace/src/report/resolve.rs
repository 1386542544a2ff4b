//! Snapshot + symbolizer → [`Report`].
//!
//! Stacks are chosen first; only their frames and the outermost ones of the others are resolved.

use super::alerts::AlertReport;
use super::around;
use super::doubt;
use super::explain::{self, Case, Grower};
use super::facts::{Ledgers, LinkFacts, ReportOptions, Sort, TracerFacts};
use super::identity::StackDigest;
use super::internals;
use super::judged::Judged;
use super::mapped;
use super::marks::{Clocks, MarkReport};
use super::model::{
    AccountReport, BlockReport, DeviceReport, End, FrameReport, LossReport, MappedReport,
    PictureReport, ProcessReport, Report, STACKS_FULL, StackReport, Sum, ToldReport,
    ToldStackReport, TouchedReport, TouchedStackReport,
};
use super::names::{Names, clean};
use super::outermost;
use super::timeline::{self, Parts};
use super::told;
use super::touched;
use super::units::{counted, percent};
use super::verdict::{self, Figures, Verdict};
use super::watch::{self, FoundReport, LookReport, TouchedGrowthReport, WatchReport, WatchState};
use super::windows::WindowReport;
use crate::engine::ended::Sums;
use crate::engine::ports::Symbolizer;
use crate::engine::snapshot::{
    AccountSnapshot, FoundStack, HeapTotals, LookSnapshot, MappedStack, Outcome, ProcessSnapshot,
    Snapshot, StackSnapshot, State, Story, ToldSnapshot, ToldStack, TouchedGrowth, TouchedStack,
};
use crate::engine::trend::{Ages, resident_slope};
use crate::model::frame::Frame;
use crate::model::ids::Nanos;
use jiff::{SignedDuration, Timestamp};
use memtrace_common::function::FunctionId;
use memtrace_common::touches::MOST_LEVEL;
use memtrace_common::wire::{Loss, StackEnd};
use std::cmp::{Ordering, Reverse};
use std::collections::BTreeSet;

/// Why a process that lacks blocks is degraded.
const EVICTED: &str = "blocks were evicted for want of memory (raise --max-memory)";

/// Makes a report of `snapshot`: chooses the stacks that `options` ask for, has `symbolizer` name
/// their frames, and judges. `tracer` is passed on.
#[must_use]
pub fn resolve(
    snapshot: &Snapshot,
    symbolizer: &mut dyn Symbolizer,
    options: &ReportOptions,
    tracer: &TracerFacts,
) -> Report {
    let chosen: Vec<Chosen<'_>> =
        snapshot.processes.iter().map(|process| Chosen::of(process, options)).collect();
    // Of the others the outermost frame, which tells whether they are whole: a few distinct ones.
    let outermost = snapshot.processes.iter();
    let outermost = outermost.flat_map(all_stacks);
    let outermost = outermost.filter(|stack| stack.frames.len() > 1);
    let outermost = outermost.filter_map(|stack| stack.frames.last());
    let frames = chosen.iter().flat_map(Chosen::frames).chain(outermost);
    let mut names = Names::resolve(frames, &snapshot.modules, symbolizer);
    for (process, stacks) in snapshot.processes.iter().zip(&chosen) {
        names.add_generated(process.info.key, stacks.frames(), symbolizer);
    }
    let loss = loss(snapshot, options);
    let (degraded, parts) = (degraded(&loss, snapshot, tracer), timeline::parts(snapshot));
    let maker = Maker { snapshot, names, options, tracer, degraded, parts };
    let mut processes: Vec<ProcessReport> = snapshot
        .processes
        .iter()
        .zip(&chosen)
        .map(|(process, stacks)| maker.process(process, stacks))
        .collect();
    processes.sort_by_key(|process| Reverse((process.growth.bytes, process.heap.live_bytes)));
    let mut degraded = maker.degraded;
    let of_ended = [snapshot.ended.heap, snapshot.ended.pools, snapshot.ended.device];
    if snapshot.processes.iter().any(lacks_blocks) || of_ended.iter().any(lack_blocks) {
        degraded.push(EVICTED.to_owned());
    }
    Report {
        tracer: clean_facts(tracer),
        options: options.clone(),
        blocks: snapshot.options,
        watched: snapshot.time.saturating_sub(snapshot.began),
        events: snapshot.events,
        processes,
        ended: snapshot.ended,
        loss,
        degraded,
        looks: snapshot.looks,
        alerts: tracer.has_thresholds.then(|| {
            let told = |alert| AlertReport::of(alert, snapshot.time, tracer.time);
            snapshot.alerts.iter().map(told).collect()
        }),
        older_alerts: snapshot.older_alerts,
        marks: marks(snapshot, tracer),
        dropped_marks: snapshot.dropped_marks,
        parts: maker.parts,
        measure: None,
    }
}

fn marks(snapshot: &Snapshot, tracer: &TracerFacts) -> Vec<MarkReport> {
    let clocks = Clocks { began: snapshot.began, now: snapshot.time, time: tracer.time };
    snapshot.marks.iter().map(|mark| MarkReport::of(mark, clocks)).collect()
}

fn clean_facts(tracer: &TracerFacts) -> TracerFacts {
    TracerFacts {
        notes: tracer.notes.iter().map(|note| clean(note)).collect(),
        degraded: tracer.degraded.iter().map(|reason| clean(reason)).collect(),
        links: tracer.links.iter().map(clean_link).collect(),
        user_functions: tracer.user_functions.iter().map(|name| clean(name)).collect(),
        ..tracer.clone()
    }
}

fn clean_link(link: &LinkFacts) -> LinkFacts {
    LinkFacts { allocator: clean(&link.allocator), ..link.clone() }
}

fn loss(snapshot: &Snapshot, options: &ReportOptions) -> LossReport {
    let sum = |of_events: bool| -> u64 {
        let causes = snapshot.losses.iter().filter(|(cause, _)| cause.loses_event() == of_events);
        causes.fold(0, |sum, (_, count)| sum.saturating_add(*count))
    };
    let own = [
        ("undecodable_record", snapshot.undecodable),
        ("stack_missing", snapshot.unknown_stacks),
        (STACKS_FULL, snapshot.bounds.crowded_out),
    ];
    let without = snapshot.unknown_stacks.saturating_add(snapshot.bounds.crowded_out);
    let evicted = snapshot
        .processes
        .iter()
        .flat_map(|process| [&process.heap, &process.pools.totals, &process.device.totals])
        .map(|totals| totals.evicted_blocks);
    let ended = [snapshot.ended.heap, snapshot.ended.pools, snapshot.ended.device];
    let evicted = evicted.chain(ended.map(|sums| sums.evicted_blocks));
    LossReport {
        events: sum(true).saturating_add(snapshot.undecodable),
        stacks: sum(false).saturating_add(without),
        evicted_blocks: evicted.fold(0, u64::saturating_add),
        by_cause: snapshot
            .losses
            .iter()
            .filter(|(cause, count)| *count > 0 || is_looked_for(*cause, snapshot, options))
            .map(|(cause, count)| (cause.name(), *count))
            .chain(own)
            .collect(),
    }
}

/// What is not looked for is not lost.
fn is_looked_for(cause: Loss, snapshot: &Snapshot, options: &ReportOptions) -> bool {
    match cause {
        Loss::RingFault => options.touches,
        Loss::RingWeighted | Loss::ArgumentUnreadable => {
            snapshot.processes.iter().any(|process| process.told.is_some())
        }
        _ => true,
    }
}

/// Reasons that hold for every process.
fn degraded(loss: &LossReport, snapshot: &Snapshot, tracer: &TracerFacts) -> Vec<String> {
    let mut reasons: Vec<String> = tracer.degraded.iter().map(|reason| clean(reason)).collect();
    let share = loss.share(snapshot.events);
    if share > verdict::TOLERATED_LOSS {
        reasons.push(format!(
            "{} of the events were lost, so blocks may be missing or seem alive",
            percent(share)
        ));
    }
    let refused = snapshot.bounds.refused_processes;
    if refused > 0 {
        let are = if refused == 1 { "is" } else { "are" };
        reasons.push(format!(
            "{} {are} not in the report, as there was no room for more (raise --max-memory)",
            counted(refused, "process")
        ));
    }
    reasons
}

/// So many blocks of a process were not kept that its figures are not what was asked for.
fn lacks_blocks(process: &ProcessSnapshot) -> bool {
    let accounts = [&process.heap, &process.pools.totals, &process.device.totals];
    accounts.iter().any(|totals| verdict::degraded(0.0, totals))
}

/// … of those that are not listed any more.
fn lack_blocks(sums: &Sums) -> bool {
    let Sums { evicted_blocks, allocated_blocks, .. } = *sums;
    verdict::degraded(
        0.0,
        &HeapTotals { evicted_blocks, allocated_blocks, ..HeapTotals::default() },
    )
}

/// Live blocks that are neither young nor filtered out: (bytes, blocks).
pub(super) fn visible(stack: &StackSnapshot) -> (u64, u64) {
    let bytes = stack.live_bytes.saturating_sub(stack.young_bytes);
    let blocks = stack.live_blocks.saturating_sub(stack.young_blocks);
    (bytes.saturating_sub(stack.filtered_bytes), blocks.saturating_sub(stack.filtered_blocks))
}

/// The stacks of a process that are to be listed.
struct Chosen<'a> {
    heap: Vec<&'a StackSnapshot>,
    pools: Vec<&'a StackSnapshot>,
    device: Vec<&'a StackSnapshot>,
    mapped: Vec<&'a MappedStack>,
    judged: Judged,
    touched: Vec<&'a TouchedStack>,
    told: Vec<&'a ToldStack>,
    story: Option<&'a Story>,
}

impl<'a> Chosen<'a> {
    fn of(process: &'a ProcessSnapshot, options: &ReportOptions) -> Self {
        let judged = Judged::of(process);
        let choose = |stacks| choose(stacks, &judged, options);
        Self {
            heap: choose(&process.stacks),
            pools: choose(&process.pools.stacks),
            device: choose(&process.device.stacks),
            mapped: mapped::choose(process, options.top),
            judged,
            touched: touched::choose(process, options.top),
            told: told::choose(process.told.as_deref(), options.top),
            story: process.story.as_deref(),
        }
    }

    /// All their frames.
    fn frames(&self) -> impl Iterator<Item = &'a Frame> {
        let blocks = self.heap.iter().chain(&self.pools).chain(&self.device);
        let blocks = blocks.map(|stack| &stack.frames);
        let mapped = self.mapped.iter().map(|stack| &stack.frames);
        let touched = self.touched.iter().map(|stack| &stack.frames);
        let told = self.told.iter().map(|stack| &stack.frames);
        let listed = blocks.chain(mapped).chain(touched).chain(told);
        let listed = listed.flat_map(|frames| frames.iter());
        listed.chain(self.story.into_iter().flat_map(watch::frames))
    }
}

/// The stacks of all accounts.
fn all_stacks(process: &ProcessSnapshot) -> impl Iterator<Item = &StackSnapshot> {
    process.stacks.iter().chain(&process.pools.stacks).chain(&process.device.stacks)
}

/// The stacks to list, in order: those with something to show, and with `top` 0 also those with
/// nothing alive, so that sums over stacks are the heap's totals.
fn choose<'a>(
    all: &'a [StackSnapshot],
    judged: &Judged,
    options: &ReportOptions,
) -> Vec<&'a StackSnapshot> {
    let wanted = |stack: &&StackSnapshot| {
        let shown = visible(stack).1 > 0 || stack.unknown_blocks > 0;
        shown || (options.top == 0 && stack.live_blocks == 0)
    };
    let mut stacks: Vec<&StackSnapshot> = all.iter().filter(wanted).collect();
    stacks.sort_by(|a, b| order(a, b, judged, options.sort));
    if options.top != 0 {
        stacks.truncate(options.top);
    }
    stacks
}

fn order(a: &StackSnapshot, b: &StackSnapshot, judged: &Judged, sort: Sort) -> Ordering {
    let (a_bytes, a_blocks) = visible(a);
    let (b_bytes, b_blocks) = visible(b);
    let first = match sort {
        // What grows comes before what has grown.
        Sort::Growth => (judged.grows(b), b.growth.bytes).cmp(&(judged.grows(a), a.growth.bytes)),
        Sort::Bytes => Ordering::Equal,
        Sort::Blocks => b_blocks.cmp(&a_blocks),
        Sort::Age => a.oldest.unwrap_or(Nanos::MAX).cmp(&b.oldest.unwrap_or(Nanos::MAX)),
    };
    first.then(b_bytes.cmp(&a_bytes)).then(a.stack.cmp(&b.stack))
}

/// What all processes' reports are made with.
struct Maker<'a> {
    snapshot: &'a Snapshot,
    names: Names<'a>,
    options: &'a ReportOptions,
    tracer: &'a TracerFacts,
    degraded: Vec<String>,
    parts: Parts,
}

impl Maker<'_> {
    fn process(&self, process: &ProcessSnapshot, chosen: &Chosen<'_>) -> ProcessReport {
        let mut report = self.facts(process);
        let stacks = &chosen.heap;
        let judged = &chosen.judged;
        count_stacks(&mut report, process, stacks, judged);
        report.modules = self.names.modules(chosen.frames());
        report.pools = self.pools(process, &chosen.pools, judged);
        report.device = self.device(process, &chosen.device, judged);
        let told = process.told.as_deref();
        report.told = told.map(|told| self.told(told, &chosen.told, process));
        report.mapped = chosen.mapped.iter().map(|stack| self.mapped(stack, process)).collect();
        report.mapped_others = mapped::others(process, &chosen.mapped);
        report.touched = self.options.touches.then(|| TouchedReport {
            totals: process.touched,
            stacks: chosen.touched.iter().map(|stack| self.touched(stack, process)).collect(),
            others: touched::others(process, &chosen.touched),
            others_confidence: touched::around_others(process, &chosen.touched),
            // A file may say anything.
            one_in: 1 << u64::from(self.snapshot.touch_level).min(MOST_LEVEL),
        });
        report.watch = chosen.story.map(|story| self.watch(story, process));
        report.allocator_mapped = mapped::by_allocators(process, &self.snapshot.modules);
        report.stacks =
            stacks.iter().map(|stack| self.stack(stack, process, &process.heap, judged)).collect();
        self.tell_by_time(&mut report, process, stacks);
        for stack in &process.stacks {
            let (end, blocks) = (self.end(stack, process), stack.allocated_blocks);
            if end != StackEnd::Complete {
                report.incomplete_blocks = report.incomplete_blocks.saturating_add(blocks);
            }
            if end == StackEnd::NoTableYet {
                report.early.stacks += 1;
                report.early.blocks = report.early.blocks.saturating_add(blocks);
                report.early.bytes = report.early.bytes.saturating_add(stack.allocated_bytes);
            }
        }
        self.judge(&mut report, process, judged);
        report
    }

    fn tell_by_time(
        &self,
        report: &mut ProcessReport,
        process: &ProcessSnapshot,
        listed: &[&StackSnapshot],
    ) {
        report.memory = timeline::memory(process, self.snapshot, self.options);
        let (mut by_stack, others) = timeline::changes(process, self.snapshot, &self.parts, listed);
        report.other_changes = others;
        for (stack, told) in listed.iter().zip(&mut report.stacks) {
            told.changes = by_stack.remove(&stack.past.number).unwrap_or_default();
        }
    }

    fn mapped(&self, stack: &MappedStack, process: &ProcessSnapshot) -> MappedReport {
        let names = |frame: &Frame| self.names.of(*frame, process.info.key);
        let function = clean(self.tracer.function_name(stack.function));
        let frames = internals::marked(stack.frames.iter().flat_map(names).collect());
        let last = stack.frames.last().filter(|_| stack.frames.len() > 1);
        MappedReport {
            id: StackDigest::of(&function, &stack.frames, &self.snapshot.modules),
            function,
            by_allocator: stack.allocator.is_some() || mapped::is_by_allocator(&frames),
            live_bytes: stack.live_bytes,
            live_ranges: stack.live_ranges,
            live_by_kind: stack.live_by_kind,
            calls: stack.calls,
            mapped_bytes: stack.mapped_bytes,
            unmapped_bytes: stack.unmapped_bytes,
            resident: stack.resident,
            oldest_age: stack.oldest.map(|born| process.until.saturating_sub(born)),
            end: outermost::end(stack.end, &last.map_or_else(Vec::new, names)),
            frames,
        }
    }

    fn touched(&self, stack: &TouchedStack, process: &ProcessSnapshot) -> TouchedStackReport {
        let names = |frame: &Frame| self.names.of(*frame, process.info.key);
        let last = stack.frames.last().filter(|_| stack.frames.len() > 1);
        TouchedStackReport {
            id: StackDigest::of(FunctionId::FAULT.name(), &stack.frames, &self.snapshot.modules),
            live_bytes: stack.live_bytes,
            touched_bytes: stack.touched_bytes,
            given_back_bytes: stack.given_back_bytes,
            confidence: stack.confidence,
            end: outermost::end(stack.end, &last.map_or_else(Vec::new, names)),
            frames: internals::marked(stack.frames.iter().flat_map(names).collect()),
        }
    }

    /// What the program tells of blocks that it samples.
    fn told(
        &self,
        told: &ToldSnapshot,
        listed: &[&ToldStack],
        process: &ProcessSnapshot,
    ) -> ToldReport {
        let figures = |sum: &_| told::figures(sum, told.unseen);
        let names = |frame: &Frame| self.names.of(*frame, process.info.key);
        let stack = |stack: &&ToldStack| {
            let last = stack.frames.last().filter(|_| stack.frames.len() > 1);
            let function = FunctionId::OTEL_MEMORY_ALLOC.name();
            ToldStackReport {
                id: StackDigest::of(function, &stack.frames, &self.snapshot.modules),
                live: figures(&stack.sums.live),
                allocated: figures(&stack.sums.allocated),
                end: outermost::end(stack.end, &last.map_or_else(Vec::new, names)),
                frames: internals::marked(stack.frames.iter().flat_map(names).collect()),
            }
        };
        ToldReport {
            live: figures(&told.totals.live),
            allocated: figures(&told.totals.allocated),
            oddities: told.oddities,
            stacks: listed.iter().map(stack).collect(),
            others: told::others(told, listed),
        }
    }

    /// The story of a process that is watched for growth.
    fn watch(&self, story: &Story, process: &ProcessSnapshot) -> WatchReport {
        WatchReport {
            growing: story.growing,
            state: WatchState::of(story.state, process.until),
            looks: story.looks.iter().map(|look| self.look(look, process)).collect(),
            dropped: story.dropped,
        }
    }

    fn look(&self, look: &LookSnapshot, process: &ProcessSnapshot) -> LookReport {
        let outcome = match &look.outcome {
            Outcome::Refused(reason) => Outcome::Refused(clean(reason).into()),
            other => other.clone(),
        };
        LookReport {
            time: self.wall_clock(look.time).unwrap_or(self.tracer.time),
            age: self.snapshot.time.saturating_sub(look.time),
            growth: look.growth,
            lasted: look.lasted,
            interval: look.interval,
            outcome,
            found: look.found.iter().map(|stack| self.found(stack, look, process)).collect(),
            touched: look.touched.iter().map(|stack| self.touched_growth(stack, process)).collect(),
            cost: look.cost,
        }
    }

    fn found(
        &self,
        stack: &FoundStack,
        look: &LookSnapshot,
        process: &ProcessSnapshot,
    ) -> FoundReport {
        let function = clean(self.tracer.function_name(stack.function));
        let (end, frames) = self.named(&stack.frames, stack.end, process);
        FoundReport {
            id: StackDigest::of(&function, &stack.frames, &self.snapshot.modules),
            function,
            rate: stack.rate,
            gained: stack.gained,
            range: stack.range,
            share: stack.rate.middle / look.growth.rate.middle.max(f64::MIN_POSITIVE),
            end,
            frames,
        }
    }

    fn touched_growth(
        &self,
        stack: &TouchedGrowth,
        process: &ProcessSnapshot,
    ) -> TouchedGrowthReport {
        let (end, frames) = self.named(&stack.frames, stack.end, process);
        let id = StackDigest::of(FunctionId::FAULT.name(), &stack.frames, &self.snapshot.modules);
        let TouchedGrowth { gained, confidence, .. } = *stack;
        TouchedGrowthReport { id, gained, confidence, end, frames }
    }

    /// A stack's frames with their names, and how it ended.
    fn named(
        &self,
        frames: &[Frame],
        end: StackEnd,
        process: &ProcessSnapshot,
    ) -> (StackEnd, Vec<FrameReport>) {
        let names = |frame: &Frame| self.names.of(*frame, process.info.key);
        let last = frames.last().filter(|_| frames.len() > 1);
        let end = outermost::end(end, &last.map_or_else(Vec::new, names));
        (end, internals::marked(frames.iter().flat_map(names).collect()))
    }

    /// What the functions that the user describes gave out, if any is described.
    fn pools(
        &self,
        process: &ProcessSnapshot,
        listed: &[&StackSnapshot],
        judged: &Judged,
    ) -> Option<AccountReport> {
        let functions = &self.tracer.user_functions;
        if functions.is_empty() {
            return None;
        }
        Some(AccountReport {
            functions: functions.iter().map(|name| clean(name)).collect(),
            ..self.account(&process.pools, process, listed, judged)
        })
    }

    /// Memory of devices, if there were calls for any.
    fn device(
        &self,
        process: &ProcessSnapshot,
        listed: &[&StackSnapshot],
        judged: &Judged,
    ) -> Option<DeviceReport> {
        let device = &process.device;
        if device.totals == HeapTotals::default() {
            return None;
        }
        let functions: BTreeSet<&str> =
            device.stacks.iter().map(|stack| self.tracer.function_name(stack.function)).collect();
        let mut pinned = Sum::default();
        for stack in device.stacks.iter().filter(|stack| stack.function.is_pinned_host()) {
            add(&mut pinned, stack.live_blocks, stack.live_bytes);
        }
        Some(DeviceReport {
            account: AccountReport {
                functions: functions.into_iter().map(str::to_owned).collect(),
                ..self.account(device, process, listed, judged)
            },
            pinned,
        })
    }

    /// An account, without the names of its functions.
    fn account(
        &self,
        account: &AccountSnapshot,
        process: &ProcessSnapshot,
        listed: &[&StackSnapshot],
        judged: &Judged,
    ) -> AccountReport {
        let mut others = Sum {
            stacks: account.stacks.iter().filter(|stack| stack.live_blocks > 0).count() as u64,
            blocks: account.totals.live_blocks,
            bytes: account.totals.live_bytes,
        };
        for stack in listed {
            let (bytes, blocks) = visible(stack);
            others.stacks -= u64::from(stack.live_blocks > 0).min(others.stacks);
            others.blocks = others.blocks.saturating_sub(blocks);
            others.bytes = others.bytes.saturating_sub(bytes);
        }
        AccountReport {
            functions: Vec::new(),
            totals: account.totals,
            growth: account.growth,
            perhaps_freed: doubt::of_account(&account.totals, &account.stacks),
            stacks: listed
                .iter()
                .map(|stack| self.stack(stack, process, &account.totals, judged))
                .collect(),
            others,
            others_around: around::of_account(account, listed),
        }
    }

    fn facts(&self, process: &ProcessSnapshot) -> ProcessReport {
        let info = &process.info;
        ProcessReport {
            pid: info.key.pid,
            start_time: info.key.start_time,
            started: info.started.and_then(|started| self.wall_clock(started)),
            comm: clean(&info.comm),
            exe: info.exe.as_ref().map(|exe| clean(&exe.to_string_lossy())),
            cmdline: info.cmdline.as_ref().map(|all| all.iter().map(|word| clean(word)).collect()),
            uid: info.uid,
            cgroup: info.cgroup.as_deref().map(clean),
            container: info.container.as_deref().map(clean),
            pod_uid: info.pod_uid.as_deref().map(clean),
            pod: info.pod.as_deref().map(clean),
            cgroup_limit: info.cgroup_limit,
            allocators: info.allocators.iter().map(|allocator| clean(allocator)).collect(),
            end: end(process.state),
            windows: WindowReport::of(process),
            watched: process.until.saturating_sub(process.seen),
            up: info.started.map(|started| process.until.saturating_sub(started)),
            heap: process.heap,
            mappings: process.mappings,
            usage_first: process.usage_first,
            usage_last: process.usage_last,
            picture: process.picture.map(|it| PictureReport {
                age: self.snapshot.time.saturating_sub(it.time),
                picture: it.picture,
                is_sampled: it.is_sampled,
                blocks: it.blocks,
                owners: it.owners,
            }),
            intervals: process.intervals,
            growth: process.growth,
            untold_frees: process.untold_frees,
            perhaps_freed: doubt::of_account(&process.heap, &process.stacks),
            resident_growth: process.resident_growth,
            period: process.period.as_deref().copied(),
            unseen_vforks: process.unseen_vforks,
            untraced_children: process.untraced_children,
            ..ProcessReport::default()
        }
    }

    /// The wall clock at an instant of the events' clock.
    fn wall_clock(&self, time: Nanos) -> Option<Timestamp> {
        let ago = i64::try_from(self.snapshot.time.checked_sub(time)?).ok()?;
        self.tracer.time.checked_sub(SignedDuration::from_nanos(ago)).ok()
    }

    fn judge(&self, report: &mut ProcessReport, process: &ProcessSnapshot, judged: &Judged) {
        report.judgement = judged.heap;
        report.survival.clone_from(&judged.survival);
        let figures = Figures {
            watched: report.windows.map_or(report.watched, |it| it.in_a_row),
            in_windows: report.windows.is_some(),
            has_ended: report.end != End::Running,
            judgement: judged.heap,
            stacks_gain: judged.stacks_gain,
            resident_slope: resident_slope(process),
            heap: report.heap,
            growth: report.growth,
            resident: report.resident_growth,
            resident_first: report.usage_first.map(|usage| usage.resident),
        };
        let verdict = verdict::process(&figures);
        let mut degraded = self.degraded.clone();
        if lacks_blocks(process) {
            degraded.push(EVICTED.to_owned());
        }
        if verdict == Verdict::Growing && doubt::may_be_growth(process, judged) {
            degraded.push(doubt::reason(process));
        }
        let case = Case {
            figures,
            verdict,
            degraded: &degraded,
            stacks: process.stacks.iter().map(|stack| grower(stack, judged)).collect(),
            end: report.end,
            mappings: report.mappings,
            usage: report.usage_first.zip(report.usage_last),
            cgroup_limit: report.cgroup_limit,
        };
        let verdict = if self.options.ledger == Ledgers::Mappings {
            report.explanation = mapped::explain(&case);
            mapped::verdict(verdict)
        } else {
            report.explanation = explain::explain(&case);
            verdict
        };
        report.verdict = if degraded.is_empty() { verdict } else { Verdict::Degraded };
    }

    fn stack(
        &self,
        stack: &StackSnapshot,
        process: &ProcessSnapshot,
        totals: &HeapTotals,
        judged: &Judged,
    ) -> StackReport {
        let (live_bytes, live_blocks) = visible(stack);
        let age = |born: Nanos| process.until.saturating_sub(born);
        let ages = stack.past.ages.as_ref();
        let blocks = stack.blocks.iter().take(self.options.show_blocks);
        let function = clean(self.tracer.function_name(stack.function));
        StackReport {
            id: StackDigest::of(&function, &stack.frames, &self.snapshot.modules),
            function,
            allocator: stack.classes.name(),
            live_bytes,
            live_blocks,
            young: (stack.young_bytes, stack.young_blocks),
            parts: stack.parts,
            filtered: (stack.filtered_bytes, stack.filtered_blocks),
            unknown: (stack.unknown_bytes, stack.unknown_blocks),
            perhaps_freed: doubt::of_stack(totals, stack),
            may_not_grow: doubt::may_be_growth_of(totals, stack),
            peak_bytes: stack.peak_bytes,
            allocated_bytes: stack.allocated_bytes,
            allocated_blocks: stack.allocated_blocks,
            freed_bytes: stack.freed_bytes,
            freed_blocks: stack.freed_blocks,
            oldest_age: stack.oldest.map(age),
            newest_age: stack.newest.map(age),
            sizes: stack.sizes,
            growth: stack.growth,
            confidence: stack.confidence,
            all_live: stack.all_live.map(|(bytes, _)| bytes),
            judgement: judged.stack(stack),
            survival: ages.map_or_else(Vec::new, |ages| ages.lifetimes().steps()),
            part: stack.part,
            period: stack.period.as_ref().map(|period| period.0),
            changes: Vec::new(),
            ages: ages_told(stack),
            end: self.end(stack, process),
            frames: internals::marked(
                stack
                    .frames
                    .iter()
                    .flat_map(|frame| self.names.of(*frame, process.info.key))
                    .collect(),
            ),
            blocks: blocks
                .map(|b| BlockReport { address: b.address, size: b.size, age: age(b.born) })
                .collect(),
        }
    }
}

impl Maker<'_> {
    /// How a stack ended, its outermost function's name considered.
    fn end(&self, stack: &StackSnapshot, process: &ProcessSnapshot) -> StackEnd {
        let last = stack.frames.last().filter(|_| stack.frames.len() > 1);
        let names = |frame: &Frame| self.names.of(*frame, process.info.key);
        outermost::end(stack.end, &last.map_or_else(Vec::new, names))
    }
}

/// The ages of the blocks that were freed, in a period if an account of one was kept, and of those alive.
fn ages_told(stack: &StackSnapshot) -> Option<Ages> {
    let all = stack.past.ages.as_ref();
    let Some(period) = &stack.period else { return all.cloned() };
    Some(all?.freed_as(period.1.as_ref()?))
}

fn grower(stack: &StackSnapshot, judged: &Judged) -> Grower {
    Grower {
        gained: stack.growth.bytes,
        allocated: stack.allocated_blocks,
        freed: stack.freed_blocks,
        live: stack.live_blocks,
        held: stack.live_bytes,
        trend: judged.stack(stack).trend,
    }
}

/// Sums up what is not listed. Every live block is in exactly one of: listed stacks, others, young,
/// filtered.
fn count_stacks(
    report: &mut ProcessReport,
    process: &ProcessSnapshot,
    listed: &[&StackSnapshot],
    judged: &Judged,
) {
    for stack in &process.stacks {
        let (bytes, blocks) = visible(stack);
        add(&mut report.others, blocks, bytes);
        add(&mut report.young, stack.young_blocks, stack.young_bytes);
        add(&mut report.filtered, stack.filtered_blocks, stack.filtered_bytes);
        report.others_growing += u64::from(blocks > 0 && judged.grows(stack));
        report.only_young +=
            u64::from(stack.young_blocks > 0 && stack.young_blocks == stack.live_blocks);
        report.empty_stacks += u64::from(stack.live_blocks == 0);
    }
    report.around = around::of(process, listed).map(Box::new);
    for stack in listed {
        let (bytes, blocks) = visible(stack);
        report.others.stacks -= u64::from(blocks > 0).min(report.others.stacks);
        report.others.blocks = report.others.blocks.saturating_sub(blocks);
        report.others.bytes = report.others.bytes.saturating_sub(bytes);
        let growing = u64::from(blocks > 0 && judged.grows(stack));
        report.others_growing = report.others_growing.saturating_sub(growing);
    }
}

fn add(sum: &mut Sum, blocks: u64, bytes: u64) {
    sum.stacks += u64::from(blocks > 0);
    sum.blocks = sum.blocks.saturating_add(blocks);
    sum.bytes = sum.bytes.saturating_add(bytes);
}

/// `wait(2)`: the low seven bits are the signal (0: none), the next byte the exit code.
fn end(state: State) -> End {
    match state {
        State::Running => End::Running,
        State::Execed => End::Execed,
        State::Exited(None) => End::Unknown,
        State::Exited(Some(status)) => match (status & 0x7f) as u8 {
            0 => End::Exited((status >> 8) as u8),
            signal => End::Killed(signal),
        },
    }
}
