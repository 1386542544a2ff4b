//! The second ledger, of mappings, in a real process.
#![cfg(feature = "live")]

mod support;

use support::may_trace;
use support::program::Program;
use support::report::number;
use support::tracer::Tracer;

#[test]
fn mappings_are_counted_exactly() {
    if !may_trace() {
        return;
    }
    let mut program = Program::start("mappings", &[]);
    let tracer = Tracer::of(&[&program]);
    let accounts = program.work();
    let report = tracer.stop().only_report();
    report.assert_nothing_lost();
    let process = report.process(program.pid());
    process.assert_exactly(&accounts);
    let mappings = &process.0["mappings"];
    let said = |key| accounts.figure("mappings ", key);
    assert_eq!(number(&mappings["mapped_bytes"]), said("mapped"));
    assert_eq!(number(&mappings["unmapped_bytes"]), said("unmapped"));
    assert_eq!(number(&mappings["live_bytes"]), said("live"));
    // The hole of 4 pages, which one munmap goes across, was not mapped any more.
    assert_eq!(number(&mappings["unknown_unmapped_bytes"]), 4 * 4096);
    // The heap segment: up 5 pages, down 2.
    assert_eq!(number(&mappings["live_heap_segment_bytes"]), 3 * 4096);
    assert_eq!(number(&mappings["live_anonymous_bytes"]), said("live") - 3 * 4096);
    // 4 pages in a: 2 + 0 + 2 (its beginning, and what is left before its end); c in 3 parts, of
    // which the replaced middle is a range of its own; d where e was; what stays of f, and what f has become; the
    // heap segment.
    assert_eq!(number(&mappings["live_ranges"]), 10);
    assert!(program.end().success());
}
