//! Every allocator function, traced in a real process: counts to the byte, callers by name.
#![cfg(feature = "live")]

mod support;

use serde_json::Value;
use support::may_trace;
use support::program::Program;
use support::report::path_of;
use support::tracer::exact;

/// Callers of `each_function.c`, who calls them, and the functions that they call. glibc:
/// `aligned_alloc` is another name for `memalign`, and `reallocarray` jumps to `realloc`.
const CALLED: [(&str, &str, &str); 9] = [
    ("by_malloc", "work_malloc", "malloc"),
    ("by_calloc", "work_calloc", "calloc"),
    ("by_realloc", "work_realloc", "realloc"),
    ("by_reallocarray", "work_reallocarray", "realloc"),
    ("by_posix_memalign", "work_posix_memalign", "posix_memalign"),
    ("by_aligned_alloc", "work_aligned", "memalign"),
    ("by_memalign", "work_aligned", "memalign"),
    ("by_valloc", "work_pages", "valloc"),
    ("by_pvalloc", "work_pages", "pvalloc"),
];

#[test]
fn each_function_is_counted_exactly() {
    if !may_trace() {
        return;
    }
    let mut program = Program::start("each_function", &[]);
    let report = exact(&mut program, &[]);
    let process = report.process(program.pid());
    for (caller, above, function) in CALLED {
        assert_eq!(process.functions(caller), [function.to_owned()].into(), "{caller}");
        for stack in process.stacks_of(caller) {
            assert_eq!(path_of(stack)[..3], [caller, above, "main"]);
            assert_place(&stack["frames"][0]);
        }
    }
    // The most is alive when aligned_alloc's 8,192 bytes are: 300 of malloc, 450 of calloc, 400 and
    // 330 of realloc, 610 of posix_memalign, 640 of aligned_alloc.
    assert_eq!(process.heap("peak_bytes"), 300 + 450 + 400 + 330 + 610 + 640 + 8192);
    let at_peak: u64 = process.sum("peak_bytes");
    assert_eq!(at_peak, process.heap("peak_bytes"), "what stacks held at the peak");
    assert!(program.end().success());
}

/// A frame of the program says where it is in the source and in the file.
#[track_caller]
fn assert_place(frame: &Value) {
    assert_eq!(frame["module"], "each_function");
    assert!(frame["file"].as_str().is_some_and(|file| file.ends_with("/each_function.c")));
    assert!(frame["line"].as_u64().is_some_and(|line| line > 0), "{frame}");
    assert!(frame["build_id"].as_str().is_some_and(|id| !id.is_empty()), "{frame}");
    assert!(frame["offset"].as_u64().is_some_and(|offset| offset > 0), "{frame}");
}

/// The same work in two processes has the same stacks, by number too.
#[test]
fn stacks_have_the_same_number_in_each_run() {
    if !may_trace() {
        return;
    }
    let numbers = || {
        let mut program = Program::start("each_function", &[]);
        let report = exact(&mut program, &[]);
        report.process(program.pid()).stack_ids()
    };
    assert_eq!(numbers(), numbers());
}

/// A function that calls or jumps to another one inside the allocator counts once, under the name
/// that the program called.
#[test]
fn nested_calls_count_once() {
    if !may_trace() {
        return;
    }
    let mut program = Program::start("nested", &[]);
    let report = exact(&mut program, &[]);
    let process = report.process(program.pid());
    for (caller, function) in [
        ("realloc_null", "realloc"),
        ("realloc_moves", "realloc"),
        ("memalign_small", "memalign"),
        ("posix_memalign_small", "posix_memalign"),
        ("reallocarray_null", "realloc"),
        ("reallocarray_again", "realloc"),
        ("calloc_small", "calloc"),
        ("strdup", "malloc"),
        ("strndup", "malloc"),
    ] {
        assert_eq!(process.functions(caller), [function.to_owned()].into(), "{caller}");
    }
    assert!(program.end().success());
}

/// Calls that never return do not spoil what the thread does afterwards.
#[test]
fn calls_left_by_longjmp_leave_no_trace() {
    if !may_trace() {
        return;
    }
    let mut program = Program::start("signal_longjmp", &[]);
    let report = exact(&mut program, &[]);
    let process = report.process(program.pid());
    assert_eq!(process.functions("in_handler"), ["malloc".to_owned()].into());
    assert_eq!(process.functions("resize"), ["realloc".to_owned()].into());
    assert_eq!(process.functions("align"), ["memalign".to_owned()].into());
    assert!(program.end().success());
}

#[test]
fn callers_are_told_apart_and_sorted() {
    if !may_trace() {
        return;
    }
    let mut program = Program::start("two_sizes", &[]);
    let report = exact(&mut program, &["--sort", "bytes"]);
    let process = report.process(program.pid());
    let order: Vec<&str> = process.stacks().iter().map(|stack| path_of(stack)[0]).collect();
    assert_eq!(order, ["few_large", "many_small", "keeps_nothing"]);
    assert_eq!(process.heap("peak_bytes"), 100 * 64 + 10 * 4096 + 256);
}
