//! Which stacks are chosen, in which order, and what the symbolizer is asked.

mod report_fixtures;

use memtrace::engine::ended::{Ended, Sums};
use memtrace::engine::ports::{Missing, Resolved, Symbolizer};
use memtrace::engine::snapshot::{Bounds, Doubtful, ProcessSnapshot, Snapshot, StackSnapshot};
use memtrace::model::frame::Frame;
use memtrace::model::ids::{ModuleId, ProcessKey, SECOND};
use memtrace::model::module::Module;
use memtrace::report::units::counted;
use memtrace::report::{Place, ReportOptions, Sort, Trend, Verdict, resolve};
use memtrace_common::wire::Loss;
use report_fixtures::*;
use std::sync::Arc;

fn options(top: usize, sort: Sort) -> ReportOptions {
    ReportOptions { top, sort, ..last() }
}

#[test]
fn only_listed_frames_are_resolved_once_and_module_by_module() {
    let mut symbolizer = symbolizer();
    let twice = snapshot(vec![leaking(), leaking()]);
    let _ = resolve(&twice, &mut symbolizer, &options(2, Sort::Growth), &facts());
    assert_eq!(
        symbolizer.calls,
        [(PROGRAM, vec![0x1200, 0x1400, 0x1600]), (LIBC, vec![0x89134]), (MAGICK, vec![0x4440]),]
    );
}

fn order(stacks: Vec<StackSnapshot>, sort: Sort) -> Vec<u64> {
    let report = report(&snapshot(vec![process(1, "x", stacks)]), &options(10, sort), &facts());
    report.processes[0].stacks.iter().map(|stack| stack.live_blocks).collect()
}

#[test]
fn stacks_come_in_the_order_asked_for() {
    let mut grows = stack(0, leak_frames(), 5, 10);
    grows.growth = growth(100_000, 6, 6);
    let mut shrinks = stack(1, leak_frames(), 1, 2000);
    shrinks.growth = growth(-100_000, 0, 6);
    let mut old = stack(2, leak_frames(), 20, 1);
    old.oldest = Some(BEGAN);
    let stacks = vec![shrinks, old, grows];
    assert_eq!(order(stacks.clone(), Sort::Growth), [5, 20, 1]);
    assert_eq!(order(stacks.clone(), Sort::Bytes), [1, 5, 20]);
    assert_eq!(order(stacks.clone(), Sort::Blocks), [20, 5, 1]);
    assert_eq!(order(stacks, Sort::Age), [20, 1, 5]);
}

#[test]
fn young_blocks_are_apart_and_stacks_of_them_alone_are_not_listed() {
    let report = report(&snapshot(vec![leaking()]), &options(0, Sort::Growth), &facts());
    let process = &report.processes[0];
    assert_eq!(process.stacks.len(), 13);
    assert!(process.stacks.iter().all(|stack| stack.live_blocks > 0));
    assert_eq!((process.young.stacks, process.young.blocks, process.only_young), (1, 41_870, 1));
    assert_eq!(process.others.stacks, 0);
}

#[test]
fn what_is_cut_off_is_summed_up() {
    let report = report(&snapshot(vec![leaking()]), &options(1, Sort::Bytes), &facts());
    let process = &report.processes[0];
    assert_eq!(process.stacks.len(), 1);
    assert_eq!((process.others.stacks, process.others.blocks), (12, 510));
    assert_eq!(process.others.bytes, 400 * 4096 + 110 * 64);
    assert_eq!(process.others_growing, 0);
}

#[test]
fn processes_come_by_growth() {
    let mut small = process(1, "small", vec![]);
    small.growth = growth(-5, 0, 6);
    let report =
        report(&snapshot(vec![small, process(2, "flat", vec![]), leaking()]), &last(), &facts());
    let pids: Vec<u32> = report.processes.iter().map(|process| process.pid).collect();
    assert_eq!(pids, [1234, 2, 1]);
}

#[test]
fn verdicts_are_those_of_the_figures() {
    let report = report(&snapshot(vec![leaking()]), &last(), &facts());
    let process = &report.processes[0];
    assert_eq!(process.verdict, Verdict::Growing);
    let verdicts: Vec<_> =
        process.stacks.iter().take(2).map(|stack| stack.judgement.trend).collect();
    assert_eq!(verdicts, [Trend::Growing, Trend::Stable]);
    assert!(!report.is_degraded());
}

#[test]
fn every_degraded_report_says_why() {
    let reasons = |snapshot: &Snapshot| report(snapshot, &last(), &facts()).degraded;
    let quiet = snapshot(vec![process(1, "x", vec![])]);
    assert_eq!(reasons(&quiet), [] as [&str; 0]);
    let mut evicted = quiet.clone();
    evicted.processes[0].heap.allocated_blocks = 100;
    evicted.processes[0].heap.evicted_blocks = 2;
    let of_ended = Sums { allocated_blocks: 100, evicted_blocks: 2, ..Sums::default() };
    let ended = Ended { processes: 3, heap: of_ended, ..Ended::default() };
    let bounds = Bounds { refused_processes: 2, ..Bounds::default() };
    for (bad, part) in [
        (evicted, "blocks were evicted"),
        (Snapshot { ended, ..quiet.clone() }, "blocks were evicted"),
        (Snapshot { bounds, ..quiet.clone() }, "2 processes are not in the report"),
        (
            Snapshot { losses: vec![(Loss::RingProcess, quiet.events)], ..quiet },
            "% of the events were lost",
        ),
    ] {
        let reasons = reasons(&bad);
        assert!(reasons.len() == 1 && reasons[0].contains(part), "{reasons:?}");
    }
}

#[test]
fn evicted_blocks_degrade_their_process_alone() {
    let mut bad = leaking();
    bad.heap.evicted_blocks = bad.heap.allocated_blocks / 50;
    let report = report(&snapshot(vec![bad, process(2, "y", vec![])]), &last(), &facts());
    assert_eq!(report.processes[0].verdict, Verdict::Degraded);
    assert_eq!(report.processes[1].verdict, Verdict::Stable);
    assert!(report.is_degraded());
}

#[test]
fn odd_snapshots_do_no_harm() {
    let mut odd = stack(0, Arc::from([]), 1, 1);
    (odd.young_bytes, odd.young_blocks) = (u64::MAX, u64::MAX);
    (odd.filtered_bytes, odd.filtered_blocks) = (u64::MAX, u64::MAX);
    (odd.allocated_blocks, odd.freed_blocks) = (u64::MAX, u64::MAX);
    (odd.oldest, odd.newest) = (Some(u64::MAX), Some(u64::MAX));
    odd.growth = growth(i64::MIN, u32::MAX, u32::MAX);
    let mut process = process(1, "x", vec![odd.clone(), odd, stack(1, leak_frames(), 1, 1)]);
    process.growth = growth(i64::MAX, u32::MAX, u32::MAX);
    process.resident_growth = growth(i64::MIN, 0, 9);
    (process.seen, process.until) = (u64::MAX, 0);
    process.heap.unknown_frees = u64::MAX;
    process.heap.evicted_blocks = u64::MAX;
    let mut snapshot = snapshot(vec![process.clone(), process]);
    (snapshot.began, snapshot.time) = (u64::MAX, 0);
    snapshot.options.min_age = 5 * SECOND;
    (snapshot.undecodable, snapshot.unknown_stacks) = (u64::MAX, u64::MAX);
    for is_final in [true, false] {
        let report =
            report(&snapshot, &ReportOptions { is_final, ..options(0, Sort::Age) }, &facts());
        assert!(text(&report, memtrace::report::TextStyle::default()).contains("pid 1"));
    }
}

#[test]
fn generated_code_is_named_by_its_process() {
    /// Knows one address, in one process.
    struct Runtime(ProcessKey);

    impl Symbolizer for Runtime {
        fn resolve(&mut self, _: &Module, offsets: &[u64]) -> Vec<Resolved> {
            vec![Err(Missing::NoSymbols); offsets.len()]
        }

        fn resolve_generated(
            &mut self,
            process: ProcessKey,
            addresses: &[u64],
        ) -> Vec<Option<Resolved>> {
            let name = |address: &u64| {
                let known = process == self.0 && *address == 0x7f00;
                known.then(|| Ok(Arc::from([source("LazyCompile:~f", None)])))
            };
            addresses.iter().map(name).collect()
        }

        fn has_debug_lines(&mut self, _: ModuleId) -> Option<bool> {
            None
        }
    }

    let of = |pid, address| {
        process(pid, "node", vec![stack(0, Arc::from([Frame::Unmapped(address)]), 1, 8)])
    };
    let snapshot = snapshot(vec![of(1, 0x7f00), of(2, 0x7f00), of(1, 0x7f01)]);
    let mut runtime = Runtime(snapshot.processes[0].info.key);
    let report = resolve(&snapshot, &mut runtime, &last(), &facts());
    let mut names: Vec<(u32, Place, Option<&str>)> = report
        .processes
        .iter()
        .map(|process| {
            (process.pid, process.stacks[0].frames[0].place, process.stacks[0].frames[0].name(true))
        })
        .collect();
    names.sort_by_key(|(pid, place, _)| (*pid, format!("{place:?}")));
    assert_eq!(names[0], (1, Place::Address(0x7f00), Some("LazyCompile:~f")));
    assert_eq!(names[1], (1, Place::Address(0x7f01), None));
    assert_eq!(names[2], (2, Place::Address(0x7f00), None));
}

/// A leak of which all blocks were born before so many frees were lost.
fn leaking_with_losses(lost_frees: u64) -> ProcessSnapshot {
    let mut process = leaking();
    process.heap.lost_frees = lost_frees;
    for stack in &mut process.stacks {
        let largest = stack.sizes.map_or(0, |(_, largest)| largest);
        stack.doubtful = Doubtful { blocks: stack.live_blocks, bytes: stack.live_bytes, largest };
    }
    process
}

#[test]
fn growth_that_may_be_lost_frees_is_not_called_growth() {
    let judged = |lost_frees| {
        let snapshot = snapshot(vec![leaking_with_losses(lost_frees)]);
        report(&snapshot, &options(0, Sort::Growth), &facts()).processes.remove(0)
    };
    let few = judged(5);
    assert_eq!((few.verdict, few.perhaps_freed), (Verdict::Growing, 5));
    assert_eq!((few.stacks[0].verdict(), few.stacks[0].perhaps_freed), (Verdict::Growing, 5));
    let many = judged(u64::MAX);
    assert_eq!((many.verdict, many.perhaps_freed), (Verdict::Degraded, many.heap.live_blocks));
    assert_eq!(many.stacks[0].verdict(), Verdict::Degraded);
    let reason =
        format!("{} may have been freed unseen", counted(many.perhaps_freed, "live block"));
    assert!(many.explanation[0].starts_with(&reason), "{:?}", many.explanation);
    assert!(many.explanation[1].contains("GROWING"), "{:?}", many.explanation);
    // As many as it takes for all that it gained, and one less.
    let grower = leaking().stacks.into_iter().max_by_key(|stack| stack.growth.bytes).unwrap();
    let needed = grower.growth.bytes.unsigned_abs().div_ceil(grower.sizes.unwrap().1);
    assert_eq!(judged(needed - 1).stacks[0].verdict(), Verdict::Growing);
    assert_eq!(judged(needed).stacks[0].verdict(), Verdict::Degraded);
}

#[test]
fn blocks_that_may_have_been_freed_are_told() {
    let snapshot = snapshot(vec![leaking_with_losses(5)]);
    let report = report(&snapshot, &options(0, Sort::Growth), &facts());
    let text = text(&report, memtrace::report::TextStyle::default());
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("; up to 5 live blocks may have been freed unseen"), "{text}");
    assert!(text.contains("up to 5 live blocks perhaps freed unseen"), "{text}");
}
