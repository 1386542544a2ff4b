//! Who touches pages first, without a probe on any function.
#![cfg(feature = "live")]

mod support;

use serde_json::Value;
use support::may_trace;
use support::program::Program;
use support::report::{Report, number};
use support::tracer::Tracer;

const PAGE: u64 = 4096;

/// Every page fault, whatever that costs.
const EXACT: [&str; 3] = ["--tier", "pages", "--exact"];

/// Functions of `touches.c` of which pages are left.
const TOUCHERS: [&str; 7] = [
    "write_own",
    "read_into",
    "write_again",
    "write_looked_at",
    "write_cut",
    "write_moved",
    "write_shared",
];

fn touched(process: &Value) -> &Value {
    let touched = &process["touched"];
    assert!(touched.is_object(), "touched pages were not counted: {process}");
    touched
}

/// Stacks through this function.
fn stacks_of<'a>(process: &'a Value, function: &str) -> Vec<&'a Value> {
    let goes_through = |stack: &&Value| {
        let frames = stack["frames"].as_array().expect("an array of frames");
        frames.iter().any(|frame| frame["function"] == function)
    };
    let stacks = touched(process)["stacks"].as_array().expect("an array of stacks");
    stacks.iter().filter(goes_through).collect()
}

/// What they touched first and is still there, pages.
fn pages_of(process: &Value, function: &str) -> u64 {
    stacks_of(process, function).iter().map(|stack| number(&stack["live_bytes"])).sum::<u64>()
        / PAGE
}

/// Every live page is somebody's, and the totals add up.
#[track_caller]
fn assert_adds_up(process: &Value) {
    let totals = touched(process);
    let of = |key: &str| number(&totals[key]);
    let stacks = totals["stacks"].as_array().expect("an array of stacks");
    let listed: u64 = stacks.iter().map(|stack| number(&stack["live_bytes"])).sum();
    assert_eq!(listed + number(&totals["others"]["bytes"]), of("live_bytes"), "{totals}");
    let came = of("inherited_bytes") + of("touched_bytes");
    assert_eq!(of("live_bytes"), came - of("given_back_bytes") - of("evicted_bytes"), "{totals}");
}

fn report(tracer: Tracer) -> Report {
    let report = tracer.stop().only_report();
    report.assert_nothing_lost();
    report
}

#[test]
fn first_touches_are_exact() {
    if !may_trace() {
        return;
    }
    let mut program = Program::start("touches", &[]);
    let tracer = Tracer::with(&[&program], &EXACT);
    let accounts = program.work();
    let report = report(tracer);
    let process = report.process(program.pid()).0;
    for function in TOUCHERS {
        let expected = accounts.figure("pages ", function);
        assert_eq!(pages_of(process, function), expected, "{function}: {process:#}");
        for stack in stacks_of(process, function) {
            assert_eq!(stack["end"], "complete", "{stack:#}");
        }
    }
    assert_eq!(pages_of(process, "only_look"), 0);
    assert_eq!(pages_of(process, "move"), 0, "what moved stays who touched it");
    assert_adds_up(process);
    // 4 of 9 that were looked at were written then.
    assert!(number(&touched(process)["only_read_faults"]) >= 9);
    let given_back = number(&touched(process)["given_back_bytes"]);
    assert_eq!(given_back, (10 + 8) * PAGE);
    // No function is probed.
    assert_eq!(number(&process["heap"]["allocated_blocks"]), 0);
    assert_eq!(process["allocators"], serde_json::json!([]));
    assert!(program.end().success());
}

#[test]
fn a_child_copies_pages_and_touches_its_own() {
    if !may_trace() {
        return;
    }
    let mut program = Program::start("touches", &["fork"]);
    let tracer = Tracer::with(&[&program], &["--tier", "pages", "--exact", "--follow"]);
    let accounts = program.work();
    let report = report(tracer);
    let parent = report.process(program.pid()).0;
    assert_eq!(pages_of(parent, "write_own"), 12);
    assert_eq!(number(&touched(parent)["inherited_bytes"]), 0);
    let pid = u32::try_from(accounts.figure("child ", "pid")).expect("a process number");
    let child = report.process(pid).0;
    assert_eq!(pages_of(child, "write_own"), 12, "{child:#}");
    assert_eq!(pages_of(child, "write_again"), 3);
    assert_eq!(pages_of(child, "write_copied"), 0, "a copy is no growth of the child");
    assert!(number(&touched(child)["copied_faults"]) >= 5);
    assert_adds_up(parent);
    assert_adds_up(child);
    assert!(program.end().success());
}

/// Of a program that was running before, what grows is told, and by whom.
#[test]
fn a_slow_leak_is_found_by_its_stack() {
    if !may_trace() {
        return;
    }
    let mut program = Program::start("touches", &["leak"]);
    let tracer = Tracer::with(&[&program], &EXACT);
    program.work();
    let report = report(tracer);
    let process = report.process(program.pid()).0;
    let first = &touched(process)["stacks"][0];
    let names: Vec<&str> = first["frames"]
        .as_array()
        .expect("an array of frames")
        .iter()
        .filter_map(|frame| frame["function"].as_str())
        .collect();
    assert_eq!(names[..2], ["leak_page", "leak"], "{first:#}");
    let leaked = number(&first["live_bytes"]);
    assert!(leaked > 100 * PAGE, "{leaked}");
    // Nothing else of the program grows but by a few pages, and the kernel says so, too.
    let grown = number(&touched(process)["live_bytes"]);
    assert!(leaked * 10 > grown * 9, "{leaked} of {grown}");
    assert!(program.end().success());
}

/// What no fault tells of is stated with its figure: pages of a huge one beyond the first, what `MAP_POPULATE`
/// filled, what is locked.
#[test]
fn what_is_not_touched_is_stated() {
    if !may_trace() {
        return;
    }
    let mut program = Program::start("blind_pages", &[]);
    let tracer = Tracer::with(&[&program], &EXACT);
    let accounts = program.work();
    let report = report(tracer);
    let process = report.process(program.pid()).0;
    let of = |key: &str| number(&touched(process)[key]);
    assert_eq!(pages_of(process, "touch_huge"), accounts.figure("pages ", "touch_huge"));
    assert_eq!(of("populated_bytes"), accounts.figure("bytes ", "populated"));
    assert_eq!(of("locked_bytes"), accounts.figure("bytes ", "locked"));
    assert_eq!(of("pinned_bytes"), 0);
    let huge = accounts.figure("bytes ", "huge");
    assert_eq!(of("huge_bytes"), huge);
    let further = of("huge_not_touched_most_bytes");
    assert_eq!(further, huge - huge / 512);
    assert_eq!((pages_of(process, "populate"), pages_of(process, "lock")), (0, 0));
    // Resident memory grew by all of it. (The kernel's own sum may lag behind by some pages per CPU.)
    let rest = of("resident_not_touched_bytes");
    assert!(rest > of("populated_bytes"), "{:#}", touched(process));
    assert!(program.end().success());
}

/// As far as it may lie from the truth in 95 of 100 cases, and as far again.
fn is_near(value: &Value, key: &str, truth: u64) -> bool {
    let estimate = number(&value[key]);
    let range = &value[&format!("{key}_ci95")];
    let (low, high) = (number(&range[0]), number(&range[1]));
    assert!(low < estimate && estimate < high, "{key}: {value:#}");
    // Four standard errors.
    let (below, above) = (estimate - low, high - estimate);
    estimate.saturating_sub(2 * below) <= truth && truth <= estimate + 2 * above
}

/// Where faults are too many some pages stand for others, and the cost is what it may be.
#[test]
fn a_flood_of_faults_is_sampled() {
    if !may_trace() {
        return;
    }
    let mut program = Program::start("touches", &["flood"]);
    let tracer = Tracer::with(&[&program], &["--tier", "pages"]);
    let accounts = program.work();
    let report = report(tracer);
    let process = report.process(program.pid()).0;
    let all = touched(process);
    assert!(number(&all["one_page_in_most"]) >= 4, "{all:#}");
    let mut live = 0;
    for function in ["flood_much", "flood_some"] {
        let stacks = stacks_of(process, function);
        let truth = accounts.figure("pages ", function) * PAGE;
        assert_eq!(stacks.len(), 1, "{function}: {all:#}");
        assert!(is_near(stacks[0], "live_bytes", truth), "{function}, {truth}: {all:#}");
        assert!(is_near(stacks[0], "touched_bytes", truth), "{function}, {truth}: {all:#}");
        live += truth;
    }
    let gone = stacks_of(process, "flood_and_go")[0];
    assert_eq!(number(&gone["live_bytes"]), 0);
    assert!(is_near(gone, "given_back_bytes", 8000 * PAGE), "{gone:#}");
    // Beside these a few pages of the program's own.
    assert!(is_near(all, "live_bytes", live), "{all:#}");
    assert!(is_near(all, "touched_bytes", live + 8000 * PAGE), "{all:#}");
    assert!(program.end().success());
}
