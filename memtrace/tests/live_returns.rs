//! Stacks with return addresses that other tracers' probes have had replaced.
#![cfg(feature = "live")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use memtrace::probe::live::kernel_side::{KernelSide, LoadOptions};
use memtrace::probe::live::link::{Part, Point, Purpose};
use memtrace_common::config::LinkKind;
use object::{Object as _, ObjectSection as _, ObjectSymbol as _};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use support::may_trace;
use support::program::Program;
use support::report::{number, path_of};
use support::tracer::exact;

/// Where in the program's file the functions begin.
fn points(path: &PathBuf, names: &[&str]) -> Vec<Point> {
    let bytes = std::fs::read(path).unwrap();
    let file = object::File::parse(&*bytes).unwrap();
    let text = file.section_by_name(".text").unwrap();
    let to_offset = text.file_range().unwrap().0.wrapping_sub(text.address());
    let symbols = file.symbols().filter(|symbol| names.contains(&symbol.name().unwrap_or("")));
    let offset = |address: u64| address.wrapping_add(to_offset);
    symbols
        .map(|symbol| Point {
            offset: offset(symbol.address()),
            cookie: 0,
            part: Part::Call,
            semaphore: None,
        })
        .collect()
}

/// Probes with empty programs, as another tracer would have them.
fn others_probes(program: &Program, times: usize) -> Vec<OwnedFd> {
    let options = LoadOptions { link: Some(LinkKind::Perf), ..LoadOptions::default() };
    let other = KernelSide::load(options).unwrap();
    let path = PathBuf::from(format!("/proc/{}/exe", program.pid()));
    let points = points(&path, &["probed", "probed_often"]);
    assert_eq!(points.len(), 2);
    let attach = || other.attach_for(Purpose::Nothing, &path, &points, Some(program.pid()));
    (0..times).flat_map(|_| attach().unwrap()).collect()
}

fn assert_whole(others: usize) {
    let mut program = Program::start("returns", &[]);
    let links = others_probes(&program, others);
    let report = exact(&mut program, &[]);
    let process = report.process(program.pid());
    for (size, path) in [
        (2001, &["take", "probed", "main"][..]),
        (2002, &["take", "probed", "probed_often", "probed_often", "probed_often"]),
    ] {
        let mut stacks = process.stacks().iter();
        let stack = stacks.find(|stack| number(&stack["allocated_bytes"]) == size).unwrap();
        assert_eq!(stack["end"], "complete", "{others} probes, {size}: {:?}", path_of(stack));
        assert!(path_of(stack).starts_with(path), "{others} probes: {:?}", path_of(stack));
        let often = path_of(stack).iter().filter(|name| **name == "probed_often").count();
        assert_eq!(often, if size == 2002 { 5 } else { 0 }, "{:?}", path_of(stack));
    }
    drop(links);
    assert!(program.end().success());
}

#[test]
fn replaced_return_addresses_are_seen_through() {
    if !may_trace() {
        return;
    }
    assert_whole(0);
    assert_whole(1);
    // Several probes on one return: the kernel keeps an entry for each.
    assert_whole(2);
}
