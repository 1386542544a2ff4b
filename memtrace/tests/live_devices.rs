//! Memory of devices: what CUDA's runtime and driver give out is counted exactly, once, and apart from the heap.
#![cfg(feature = "live")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeMap;
use support::kernel::has_link;
use support::may_trace;
use support::program::{Program, compiled};
use support::report::{Account, Report, number, path_of};
use support::tracer::Tracer;

/// Traces the program's work; both the heap and the device must be right to the byte.
#[track_caller]
fn exact(options: &[&str]) -> (Report, u32) {
    let libraries = ["library/cuda", "library/cudart"].map(compiled);
    let paths: Vec<&str> = libraries.iter().map(|path| path.to_str().unwrap()).collect();
    let mut program = Program::start("devices", &paths);
    let pid = program.pid();
    let tracer = Tracer::with(&[&program], options);
    let accounts = program.work();
    let report = tracer.stop().only_report();
    report.assert_nothing_lost();
    let process = report.process(pid);
    let device = &process.0["device"];
    let account = Account::of(|key| number(&device["totals"][key]));
    assert_eq!(account, accounts.callers["device"], "{device:#}");
    for (key, expected) in [("failed", 1), ("unknown_frees", 0), ("missed_frees", 0)] {
        assert_eq!(device["totals"][key], expected, "{key}");
    }
    let pinned = accounts.callers["pinned"];
    let sums = ["blocks", "bytes"].map(|key| number(&device["pinned_host"][key]));
    assert_eq!(sums, [pinned.live_blocks, pinned.live_bytes]);
    process.assert_exactly(&accounts.without("device").without("pinned"));
    assert!(program.end().success());
    (report, pid)
}

/// A call of the runtime is one event and under its name, though it ends in the driver.
#[test]
fn memory_of_devices_is_counted_apart_from_the_heap() {
    if !may_trace() {
        return;
    }
    let (report, pid) = exact(&[]);
    let mut calls = BTreeMap::<(String, String), (u64, u64)>::new();
    for stack in report.process(pid).0["device"]["stacks"].as_array().unwrap() {
        let caller = path_of(stack).into_iter().find(|name| name.starts_with("by_")).unwrap();
        let function = stack["function"].as_str().unwrap().to_owned();
        let sum = calls.entry((caller.to_owned(), function)).or_default();
        sum.0 += number(&stack["allocated_blocks"]);
        sum.1 += number(&stack["allocated_bytes"]);
    }
    let expected = [
        ("by_driver", "cuMemAlloc", 10, 10_000),
        ("by_driver", "cuMemAllocManaged", 2, 6000),
        ("by_driver", "cuMemAllocAsync", 3 + 2, 1500 + 140),
        ("by_driver", "cuMemAllocFromPoolAsync", 1, 90),
        ("by_driver", "cuMemAllocPitch", 1, 1000),
        ("by_driver", "cuMemAllocHost", 2, 128),
        ("by_driver", "cuMemHostAlloc", 1, 32),
        ("by_runtime", "cudaMalloc", 5, 10_000),
        ("by_runtime", "cudaMallocManaged", 1, 700),
        ("by_runtime", "cudaMallocAsync", 2, 1200),
        ("by_runtime", "cudaMallocFromPoolAsync", 1, 800),
        ("by_runtime", "cudaMallocPitch", 1, 210),
        ("by_runtime", "cudaMallocHost", 1, 40),
        ("by_runtime", "cudaHostAlloc", 2, 32),
    ];
    let expected = expected.map(|(caller, function, blocks, bytes)| {
        ((caller.to_owned(), function.to_owned()), (blocks, bytes))
    });
    assert_eq!(calls, BTreeMap::from(expected));
}

/// The same on other links, which pair calls in another way.
#[test]
fn every_kind_of_link_counts_the_same() {
    if !may_trace() {
        return;
    }
    for link in ["multi", "perf"].into_iter().filter(|link| has_link(link)) {
        exact(&["--link", link]);
    }
}
