//! Stacks that are taken for known ones instead of walked again.
#![cfg(feature = "live")]

mod support;

use support::kernel::kernel;
use support::may_trace;
use support::program::Program;
use support::report::{Report, number, path_of};
use support::tracer::exact;

/// Turns and callers in `repeats.c`, with the levels between each and `take`.
const TURNS: u64 = 20_000;
const CALLERS: [(&str, usize); 5] =
    [("near_left", 1), ("near_right", 1), ("far_left", 30), ("far_middle", 30), ("far_right", 30)];
/// Since when programs can keep others from writing to the same place.
const CACHED_SINCE: (u32, u32) = (5, 12);

fn traced(options: &[&str]) -> Report {
    let mut program = Program::start("repeats", &[]);
    let report = exact(&mut program, options);
    let process = report.process(program.pid());
    for (caller, levels) in CALLERS {
        let its = |stack: &&serde_json::Value| path_of(stack).contains(&caller);
        let stacks: Vec<_> = process.stacks().iter().filter(its).collect();
        assert_eq!(stacks.len(), 1, "{caller}: {stacks:#?}");
        let path = path_of(stacks[0]);
        let deeper = path.iter().filter(|name| **name == "deeper").count();
        assert_eq!((deeper, path[levels + 1]), (levels, caller), "{path:?}");
        assert_eq!(stacks[0]["end"], "complete", "{path:?}");
        assert_eq!(number(&stacks[0]["allocated_blocks"]), TURNS, "{caller}");
    }
    assert!(program.end().success());
    report
}

#[test]
fn a_stack_is_known_only_while_every_word_is_as_it_was() {
    if !may_trace() {
        return;
    }
    let report = traced(&[]);
    let tracer = &report.0["tracer"];
    let walks = ["walks_made", "walks_checked", "walks_differed"].map(|key| number(&tracer[key]));
    if kernel() < CACHED_SINCE {
        assert_eq!(walks, [0, 0, 0]);
        return;
    }
    let [made, checked, differed] = walks;
    assert_eq!(differed, 0);
    // Three callers take turns in two places, so some walks are made again; those of the near ones
    // alone are two fifths of all, and need no second walk.
    assert!(made < 5 * TURNS * 2 / 3, "{made} walks of {}", 5 * TURNS);
    assert!(checked > 0, "of {made} walks made");
}

#[test]
fn every_stack_is_walked_on_request() {
    if !may_trace() {
        return;
    }
    let report = traced(&["--no-walk-cache"]);
    for key in ["walks_made", "walks_checked", "walks_differed"] {
        assert_eq!(number(&report.0["tracer"][key]), 0, "{key}");
    }
}
