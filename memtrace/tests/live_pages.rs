//! What the resident memory of a real process is.
#![cfg(feature = "live")]

mod support;

use serde_json::Value;
use support::kernel::kernel;
use support::may_trace;
use support::program::Program;
use support::report::number;
use support::tracer::{Tracer, exact};

const PAGE: u64 = 4096;

/// The rows by kind.
fn kinds(picture: &Value) -> &[Value] {
    picture["kinds"].as_array().expect("a picture has kinds")
}

/// A figure of one kind of mapping.
fn of(picture: &Value, kind: &str, key: &str) -> u64 {
    let row = kinds(picture).iter().find(|row| row["kind"] == kind);
    number(&row.unwrap_or_else(|| panic!("there is no kind {kind}"))[key])
}

/// Sums over kinds.
fn sum(picture: &Value, key: &str) -> u64 {
    kinds(picture).iter().map(|row| number(&row[key])).sum()
}

/// `Rss:` of all mappings together, as the kernel adds it up (`proc_pid_smaps_rollup(5)`).
fn rollup(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).expect("a rollup");
    let line = text.lines().find_map(|line| line.strip_prefix("Rss:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kibibytes.expect("a rollup has a sum") * 1024
}

#[test]
fn the_picture_is_what_the_program_touched() {
    if !may_trace() {
        return;
    }
    let mut program = Program::start("pages", &[]);
    let mut tracer = Tracer::of(&[&program]);
    tracer.signal(libc::SIGUSR1);
    let before = tracer.report();
    let before = &before.process(program.pid()).0["picture"];
    let accounts = program.work();
    let report = tracer.stop().only_report();
    let resident = rollup(program.pid());
    report.assert_nothing_lost();
    report.process(program.pid()).assert_exactly(&accounts);
    let picture = &report.process(program.pid()).0["picture"];
    let pages = |key| accounts.figure("pages ", key) * PAGE;
    let blocks = |key| accounts.figure("blocks ", key);

    // The sums are the sums, and the kernel's.
    for key in ["mapped_bytes", "resident_bytes", "swap_bytes", "hugetlb_bytes"] {
        assert_eq!(sum(picture, key), number(&picture[key]), "{key}");
    }
    assert_eq!(picture["whole"], true);
    assert_eq!(number(&picture["resident_bytes"]), resident);

    // Nothing else of the program is shared, and nothing else was touched meanwhile.
    assert_eq!(of(picture, "shared_memory", "resident_bytes"), pages("shared"));
    assert_eq!(of(picture, "shared_memory", "mapped_bytes"), pages("shared_mapped"));
    let anonymous = |picture| of(picture, "anonymous", "resident_bytes");
    assert_eq!(anonymous(picture) - anonymous(before), pages("anonymous") + pages("large"));

    // Each thread has a page or two for the library beside what it was told to touch.
    assert_eq!(of(picture, "thread_stack", "mappings"), 2);
    // Before Linux 6.7 nothing tells a stack from its neighbours, and the kernel joins them.
    let mapped = of(picture, "thread_stack", "mapped_bytes");
    assert!(
        mapped == pages("stacks_mapped") || kernel() < (6, 7) && mapped > pages("stacks_mapped")
    );
    assert!(of(picture, "thread_stack", "resident_bytes") >= pages("stack"));
    assert_eq!(number(&picture["threads"]), 3);
    assert_eq!(of(picture, "malloc_arena", "mapped_bytes"), 64 << 20);
    assert!(of(picture, "malloc_arena", "resident_bytes") >= pages("arena"));
    assert_eq!(of(picture, "main_stack", "mappings"), 1);
    assert!(of(picture, "program_code", "resident_bytes") > 0);

    // Where the blocks are is exact; how much of them is there lies between the bounds.
    assert_eq!(of(picture, "heap_segment", "live_bytes"), blocks("small"));
    assert_eq!(of(picture, "anonymous", "live_bytes"), blocks("large"));
    assert_eq!(number(&picture["live_bytes"]), blocks("small") + blocks("large"));
    assert_eq!(number(&picture["elsewhere_bytes"]), 0);
    assert!(number(&picture["touched_least_bytes"]) <= blocks("touched"));
    assert!(number(&picture["touched_most_bytes"]) >= blocks("touched"));
    assert!(program.end().success());
}

/// The heap's own account needs no look at the process's pages.
#[test]
fn without_mappings_no_picture_is_taken() {
    if !may_trace() {
        return;
    }
    let mut program = Program::start("pages", &[]);
    let report = exact(&mut program, &["--ledger", "heap"]);
    assert_eq!(report.process(program.pid()).0["picture"], Value::Null);
    assert!(program.end().success());
}
