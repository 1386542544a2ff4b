//! A ring that is too small: what it could not take is counted, to the event.
#![cfg(feature = "live")]

mod support;

use support::may_trace;
use support::program::Program;
use support::report::number;
use support::tracer::Tracer;

const THREADS: u64 = 2;

/// Every allocation and every free is either in the account or among the losses.
#[test]
fn every_lost_event_is_counted() {
    if !may_trace() {
        return;
    }
    let mut program = Program::start("churn", &["1", &THREADS.to_string()]);
    let idle = Program::start("samples", &[]);
    let tracer = Tracer::with(&[&program, &idle], &["--ring-size", "4096"]);
    let accounts = program.work();
    let run = tracer.stop();
    assert_eq!(run.status.code(), Some(3), "complete but degraded: {:#?}", run.messages);
    let report = &run.reports[0];
    let lost = |cause: &str| number(&report.0["loss"]["by_cause"][cause]);
    let (allocations, frees) = (lost("ring_full_allocation"), lost("ring_full_free"));
    assert!(allocations > 0 && frees > 0, "{}", report.0["loss"]);
    // A thread is created while the other already fills the ring.
    let others = lost("ring_full_process") + lost("ring_full_mapping");
    assert_eq!(number(&report.0["loss"]["events"]), allocations + frees + others);
    let process = report.process(program.pid());
    let pairs = accounts.all.allocated_blocks;
    assert_eq!(process.heap("allocated_blocks") + allocations, pairs);
    // A free of a block whose allocation was lost is one of an unknown block. The last word of each
    // thread is glibc's: it frees the one block in its cache, which is free already, and the cache.
    let seen = process.heap("freed_blocks") + process.heap("unknown_frees");
    assert_eq!(seen + process.heap("internal_frees") + frees, pairs + THREADS * 2);
    // A block whose free was lost goes when its address is given out again, or lives on.
    let gone = process.heap("freed_blocks") + process.heap("missed_frees");
    assert_eq!(process.heap("live_blocks"), process.heap("allocated_blocks") - gone);
    // None of these blocks lives: as many frees of theirs were lost and have not shown since, at least.
    let lost_frees = process.heap("lost_frees");
    assert_eq!(lost_frees, frees - process.heap("missed_frees"));
    assert!(process.heap("live_blocks") <= lost_frees, "{:#}", process.0);
    assert_eq!(process.heap("perhaps_freed_blocks"), process.heap("live_blocks"));
    // Nothing of it is another process's.
    let idle = report.process(idle.pid());
    assert_eq!((idle.heap("lost_frees"), idle.heap("perhaps_freed_blocks")), (0, 0));
    assert!(program.end().success());
}
