//! What the resident memory of a real process is, and who mapped it.
#![cfg(feature = "live")]

mod support;

use serde_json::Value;
use support::kernel::kernel;
use support::may_trace;
use support::program::Program;
use support::report::{Accounts, Report, number};
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

    // Where the blocks are is exact, and so is how much of them is there: whole pages, but for the two words
    // before the large one.
    assert_eq!(of(picture, "heap_segment", "live_bytes"), blocks("small"));
    assert_eq!(of(picture, "anonymous", "live_bytes"), blocks("large"));
    assert_eq!(number(&picture["live_bytes"]), blocks("small") + blocks("large"));
    assert_eq!(number(&picture["elsewhere_bytes"]), 0);
    let touched = blocks("small") + pages("large") - 16;
    assert!(touched >= blocks("touched"));
    for bound in ["touched_least_bytes", "touched_most_bytes"] {
        assert_eq!(number(&picture[bound]), touched, "{bound}");
    }
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

/// Functions of `who_maps.c` with the kind of what each maps, and the system call.
const MAPPERS: [(&str, &str, &str); 11] = [
    ("map_holed", "anonymous", "mmap"),
    ("map_moved", "anonymous", "mmap"),
    ("grow", "anonymous", "mremap"),
    ("replace", "anonymous", "mmap"),
    ("grow_segment", "heap_segment", "brk"),
    ("reserve", "reserved", "mmap"),
    ("map_stack", "stack", "mmap"),
    ("map_shared", "shared", "mmap"),
    ("map_file", "file", "mmap"),
    ("map_touched", "anonymous", "mmap"),
    ("take_block", "anonymous", "mmap"),
];

/// Stacks that mapped something.
fn mappers(process: &Value) -> &[Value] {
    process["mapped_stacks"].as_array().expect("an array of stacks")
}

/// Names of a stack's functions, innermost first.
fn names(stack: &Value) -> Vec<&str> {
    let frames = stack["frames"].as_array().expect("an array of frames");
    frames.iter().filter_map(|frame| frame["function"].as_str()).collect()
}

fn live_of(stacks: &[Value]) -> u64 {
    stacks.iter().map(|stack| number(&stack["live_bytes"])).sum()
}

/// The stacks hold what the program says, and together with what nobody mapped, all that is mapped.
#[track_caller]
fn assert_mapped(process: &Value, accounts: &Accounts) {
    for (function, kind, call) in MAPPERS {
        let mine = mappers(process).iter().filter(|stack| names(stack).contains(&function));
        let mine: Vec<Value> = mine.cloned().collect();
        let bytes = accounts.figure("pages ", function) * PAGE;
        assert_eq!(live_of(&mine), bytes, "{function}: {mine:#?}");
        let of_kind: u64 = mine.iter().map(|it| number(&it["live_bytes_by_kind"][kind])).sum();
        assert_eq!(of_kind, bytes, "{function} {kind}: {mine:#?}");
        for stack in &mine {
            assert_eq!(stack["function"], call);
            assert_eq!(stack["end"], "complete", "{stack:#?}");
            assert_eq!(stack["by_allocator"], function == "take_block", "{stack:#?}");
            let wrapper = names(stack)[0];
            assert!(wrapper.contains(call) || call == "brk", "{wrapper} in {stack:#?}");
        }
    }
    assert_all_is_somebodys(process);
}

#[track_caller]
fn assert_all_is_somebodys(process: &Value) {
    let (others, totals) = (&process["mapped_others"], &process["mappings"]);
    let live = live_of(mappers(process)) + number(&others["bytes"]);
    assert_eq!(live, number(&totals["live_bytes"]));
    assert_eq!(number(&others["bytes"]), 0, "{others}");
}

/// Traces `program` through its work.
#[track_caller]
fn traced(program: &mut Program, options: &[&str]) -> (Report, Accounts) {
    let tracer = Tracer::with(&[program], options);
    let accounts = program.work();
    let report = tracer.stop().only_report();
    report.assert_nothing_lost();
    (report, accounts)
}

#[test]
fn who_maps_is_told_with_exact_sums() {
    if !may_trace() {
        return;
    }
    let mut program = Program::start("who_maps", &[]);
    let (report, accounts) = traced(&mut program, &[]);
    report.process(program.pid()).assert_exactly(&accounts);
    let process = report.process(program.pid()).0;
    assert_mapped(process, &accounts);
    // 9 pages of it are one mapping of the kernel, 5 of them touched.
    let touched = mappers(process).iter().find(|stack| names(stack).contains(&"map_touched"));
    let touched = touched.expect("a stack");
    for bound in ["resident_least_bytes", "resident_most_bytes"] {
        assert_eq!(number(&touched[bound]), 5 * PAGE, "{touched}");
    }
    assert!(program.end().success());
}

/// Without probes on functions: there are no blocks then, and the mappings are the same.
#[test]
fn mappings_alone_need_no_allocator() {
    if !may_trace() {
        return;
    }
    let mut program = Program::start("who_maps", &[]);
    let (report, accounts) = traced(&mut program, &["--ledger", "pages"]);
    let process = report.process(program.pid()).0;
    assert_mapped(process, &accounts);
    assert_eq!(number(&process["heap"]["allocated_blocks"]), 0);
    assert_eq!(process["allocators"], serde_json::json!([]));
    assert!(program.end().success());
}

/// Nothing is known of its allocator, nor any name: the sums and the places in its file are.
#[test]
fn a_static_program_without_symbols_says_who_maps() {
    if !may_trace() {
        return;
    }
    let mut program = Program::start("who_maps_static", &[]);
    let (report, accounts) = traced(&mut program, &["--ledger", "pages"]);
    let process = report.process(program.pid()).0;
    assert_all_is_somebodys(process);
    let pages = |function| accounts.figure("pages ", function) * PAGE;
    let all: u64 = MAPPERS.iter().map(|(function, ..)| pages(function)).sum();
    assert_eq!(live_of(mappers(process)), all);
    for (call, function) in [("mremap", "grow"), ("brk", "grow_segment")] {
        let of_call = mappers(process).iter().filter(|stack| stack["function"] == call);
        assert_eq!(of_call.map(|stack| number(&stack["live_bytes"])).sum::<u64>(), pages(function));
    }
    for stack in mappers(process) {
        assert_eq!(stack["end"], "complete", "{stack:#?}");
        let frames = stack["frames"].as_array().expect("an array of frames");
        assert!(frames.len() > 2 && frames.iter().all(|it| it["module"] == "who_maps_static"));
    }
    assert!(program.end().success());
}

/// Where nobody asks who maps, no stack is walked for it.
#[test]
fn the_heap_alone_says_nothing_of_who_maps() {
    if !may_trace() {
        return;
    }
    let mut program = Program::start("who_maps", &[]);
    let (report, accounts) = traced(&mut program, &["--ledger", "heap"]);
    let process = report.process(program.pid());
    process.assert_exactly(&accounts);
    assert_eq!(process.0["mapped_stacks"], serde_json::json!([]));
    assert_eq!(process.0["mapped_others"]["bytes"], process.0["mappings"]["live_bytes"]);
    assert!(program.end().success());
}
