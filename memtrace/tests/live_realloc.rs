//! Chains of realloc in a real process: in place, moving, failing, from NULL, to zero.
#![cfg(feature = "live")]

mod support;

use support::may_trace;
use support::program::Program;
use support::tracer::exact;

#[test]
fn chains_of_realloc_are_counted_exactly() {
    if !may_trace() {
        return;
    }
    let mut program = Program::start("realloc_chain", &[]);
    let report = exact(&mut program, &[]);
    let process = report.process(program.pid());
    assert_eq!(process.heap("failed"), 3);
    for caller in ["grow", "shrink", "from_null"] {
        assert_eq!(process.functions(caller), ["realloc".to_owned()].into(), "{caller}");
    }
    // Both chains at 1 MiB and one wall: a block that moves is never counted twice.
    assert_eq!(process.heap("peak_bytes"), 2 * (1 << 20) + 16);
    assert!(program.end().success());
}

/// The stack of a block is that of its latest realloc.
#[test]
fn a_block_belongs_to_its_latest_realloc() {
    if !may_trace() {
        return;
    }
    let mut program = Program::start("realloc_chain", &[]);
    let report = exact(&mut program, &["--show-blocks", "5"]);
    let process = report.process(program.pid());
    let blocks = |caller: &str| {
        let stacks = process.stacks_of(caller);
        let blocks =
            stacks.iter().flat_map(|stack| stack["blocks"].as_array().into_iter().flatten());
        blocks.map(|block| block["size"].as_u64()).collect::<Vec<_>>()
    };
    assert_eq!(blocks("start"), []);
    assert_eq!(blocks("grow"), [Some(1 << 20)]);
    assert_eq!(blocks("shrink"), [Some(16)]);
    assert_eq!(blocks("from_null"), [Some(5000)]);
}

/// A realloc gives its old address up before it returns. That another thread gets the address in the
/// meantime is neither a missed free nor an unknown one.
#[test]
fn threads_that_resize_at_the_same_time_are_counted_exactly() {
    if !may_trace() {
        return;
    }
    let mut program = Program::start("realloc_race", &[]);
    let report = exact(&mut program, &[]);
    let process = report.process(program.pid());
    assert_eq!(process.functions("resize"), ["realloc".to_owned()].into());
    // At most what 4 threads hold at the same time.
    assert!(process.heap("peak_bytes") <= 4 * 4500);
    assert!(program.end().success());
}
