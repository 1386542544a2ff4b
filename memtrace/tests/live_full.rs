//! Tables that are full: what found no room is counted, to the event, and said.
#![cfg(feature = "live")]

mod support;

use serde_json::Value;
use support::program::Program;
use support::report::{Report, number};
use support::tracer::Tracer;
use support::{is_guest, may_trace};

fn lost(report: &Report, cause: &str) -> u64 {
    number(&report.0["loss"]["by_cause"][cause])
}

/// The last report, whatever it says of itself.
fn last(tracer: Tracer) -> Report {
    tracer.stop().reports.pop().expect("a report")
}

/// A block that the kernel side cannot keep is not told of, as nobody would tell of its end: it is no leak.
#[test]
fn sampled_blocks_without_room_are_counted() {
    if !may_trace() {
        return;
    }
    const BLOCKS: u64 = 100_000;
    let mut program = Program::start("many_blocks", &[&BLOCKS.to_string()]);
    // The smallest of tables, and an interval that takes all blocks.
    let options = ["--sample-interval", "1", "--max-memory", "32MiB", "--ring-size", "8MiB"];
    let tracer = Tracer::with(&[&program], &options);
    let accounts = program.work();
    let report = last(tracer);
    assert_eq!(accounts.all.allocated_blocks, BLOCKS);
    let full = lost(&report, "sampled_table_full");
    assert!(full > 0, "{}", report.0["loss"]);
    assert_eq!(number(&report.0["loss"]["events"]), full, "nothing else is lost");
    let process = report.process(program.pid());
    assert_eq!(process.heap("allocated_blocks") + full, BLOCKS);
    let kept = process.heap("live_blocks") + process.heap("evicted_blocks");
    assert_eq!(kept + process.heap("freed_blocks"), process.heap("allocated_blocks"));
    assert_eq!((process.heap("unknown_frees"), process.heap("lost_frees")), (0, 0));
    assert_eq!(process.0["verdict"], "degraded");
    assert!(program.end().success());
}

/// Stacks without room are not listed; their blocks are counted all the same.
#[test]
fn stacks_without_room_are_counted() {
    if !may_trace() {
        return;
    }
    let mut program = Program::start("many_stacks", &[]);
    let tracer = Tracer::with(&[&program], &["--max-memory", "32MiB", "--ring-size", "8MiB"]);
    let accounts = program.work();
    let report = last(tracer);
    let without = lost(&report, "stack_table_full");
    assert!(without > 0, "{}", report.0["loss"]);
    assert_eq!(number(&report.0["loss"]["events"]), 0);
    assert!(number(&report.0["loss"]["stacks"]) >= without, "{}", report.0["loss"]);
    let process = report.process(program.pid());
    assert_eq!(process.heap("allocated_blocks"), accounts.all.allocated_blocks);
    assert_eq!(process.heap("freed_blocks"), accounts.all.freed_blocks);
    let listed = process.0["stacks"].as_array().expect("an array of stacks");
    let has_frames = |stack: &&Value| stack["frames"] != serde_json::json!([]);
    let (known, unknown): (Vec<_>, Vec<_>) = listed.iter().partition(has_frames);
    let allocated = |stacks: &[&Value]| -> u64 {
        stacks.iter().map(|stack| number(&stack["allocated_blocks"])).sum()
    };
    assert_eq!(allocated(&unknown), without);
    assert_eq!(allocated(&known) + without, accounts.all.allocated_blocks);
    assert!(program.end().success());
}

/// More threads inside functions that call others than the kernel side can follow.
#[test]
fn pending_calls_without_room_are_counted() {
    if !may_trace() {
        return;
    }
    if is_guest() {
        support::not_run("a guest has no room for so many threads");
        return;
    }
    let threads = u64::from(memtrace_common::limits::MAX_PENDING_THREADS) + 100;
    let mut program = Program::start("many_threads", &[&threads.to_string()]);
    let tracer = Tracer::with(&[&program], &[]);
    let accounts = program.work();
    let report = last(tracer);
    assert_eq!(accounts.all.allocated_blocks, threads);
    let full = lost(&report, "pending_table_full");
    assert!(full >= 100, "{}", report.0["loss"]);
    assert_eq!(number(&report.0["loss"]["events"]), full, "{}", report.0["loss"]);
    let process = report.process(program.pid());
    assert_eq!(process.heap("allocated_blocks") + full, threads);
    assert!(program.end().success());
}
