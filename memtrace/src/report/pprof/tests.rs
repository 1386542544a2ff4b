//! Profiles are read again by the messages that they are made of, and by nothing else here: that others read them
//! is shown by a test with pprof itself.

use super::changes::{self, profile};
use super::message::{Location, Profile};
use super::{PprofWriter, VALUES};
use crate::engine::snapshot::{Part, SizeClass};
use crate::report::ReportWriter as _;
use crate::report::differences::{Changed, Differences, Step};
use crate::report::flat::Named;
use crate::report::model::{
    FrameReport, ModuleReport, Place, ProcessReport, Report, StackReport, Sum,
};
use crate::report::view::Measure;
use flate2::read::GzDecoder;
use prost::Message as _;
use std::io::Read as _;

fn written(report: &Report) -> Profile {
    let writer = PprofWriter { internals: false, full_names: false };
    let (mut bytes, mut plain) = (Vec::new(), Vec::new());
    writer.write(report, &mut bytes).unwrap();
    GzDecoder::new(bytes.as_slice()).read_to_end(&mut plain).unwrap();
    Profile::decode(plain.as_slice()).unwrap()
}

fn frame(name: &str, offset: u64, inlined: bool) -> FrameReport {
    FrameReport {
        module: Some("app".to_owned()),
        build_id: Some("abcd".to_owned()),
        place: Place::Offset(offset),
        file: Some(format!("{name}.c")),
        line: Some(7),
        inlined,
        ..FrameReport::called(name)
    }
}

fn report() -> Report {
    let in_library = FrameReport {
        module: Some("lib.so".to_owned()),
        build_id: None,
        ..frame("strdup", 5, false)
    };
    let leaf = vec![
        in_library,
        frame("inner", 16, true),
        frame("outer", 16, false),
        frame("main", 99, false),
    ];
    let stack = |frames, live_bytes| StackReport {
        frames,
        live_bytes,
        live_blocks: 2,
        allocated_bytes: 1000,
        allocated_blocks: 10,
        ..StackReport::default()
    };
    let module = ModuleReport {
        name: "app".to_owned(),
        path: "/srv/app".to_owned(),
        build_id: Some("abcd".to_owned()),
        debug_lines: Some(true),
        missing: None,
    };
    let library = ModuleReport {
        name: "lib.so".to_owned(),
        path: "/usr/lib/lib.so".to_owned(),
        ..ModuleReport::default()
    };
    let process = ProcessReport {
        pid: 7,
        comm: "app".to_owned(),
        exe: Some("/srv/app".to_owned()),
        stacks: vec![stack(leaf, 50), stack(vec![], 3)],
        young: Sum { stacks: 1, blocks: 4, bytes: 40 },
        modules: vec![library, module],
        ..ProcessReport::default()
    };
    let degraded = vec!["something".to_owned()];
    Report { processes: vec![process], degraded, ..Report::default() }
}

impl Profile {
    fn text(&self, number: i64) -> &str {
        &self.string_table[usize::try_from(number).unwrap()]
    }

    fn functions(&self, place: &Location) -> Vec<&str> {
        let name = |id| self.function.iter().find(|function| function.id == id).unwrap().name;
        place.line.iter().map(|line| self.text(name(line.function_id))).collect()
    }
}

#[test]
fn stacks_values_and_labels_are_there() {
    let profile = written(&report());
    let kinds: Vec<_> = profile
        .sample_type
        .iter()
        .map(|it| (profile.text(it.r#type), profile.text(it.unit)))
        .collect();
    assert_eq!(kinds, VALUES);
    let values: Vec<_> = profile.sample.iter().map(|sample| sample.value.as_slice()).collect();
    assert_eq!(values, [[10, 1000, 2, 50], [10, 1000, 2, 3], [0, 0, 4, 40]]);
    let stacks: Vec<Vec<&str>> = profile
        .sample
        .iter()
        .map(|sample| {
            let place = |id: &u64| &profile.location[usize::try_from(*id).unwrap() - 1];
            sample.location_id.iter().flat_map(|id| profile.functions(place(id))).collect()
        })
        .collect();
    assert_eq!(stacks[0], ["strdup", "inner", "outer", "main"]);
    assert_eq!(
        (&stacks[1][..], &stacks[2][..]),
        (&["(no call stack)"][..], &["(younger than --min-age)"][..])
    );
    // What is inlined has no place of its own.
    assert_eq!(profile.sample[0].location_id.len(), 3);
    for sample in &profile.sample {
        let [process, pid] = sample.label.as_slice() else { panic!("{:?}", sample.label) };
        assert_eq!((profile.text(process.key), profile.text(process.str)), ("process", "app"));
        assert_eq!((profile.text(pid.key), pid.num), ("pid", 7));
    }
    let comments: Vec<_> = profile.comment.iter().map(|it| profile.text(*it)).collect();
    assert_eq!(comments, ["memtrace ", "something"]);
}

#[test]
fn what_stacks_allocated_that_are_not_listed_has_a_place() {
    let mut report = report();
    let heap = &mut report.processes[0].heap;
    (heap.allocated_blocks, heap.allocated_bytes) = (25, 7000);
    let profile = written(&report);
    let last = profile.sample.last().unwrap();
    assert_eq!(last.value, [5, 5000, 0, 0]);
    let place = &profile.location[usize::try_from(last.location_id[0]).unwrap() - 1];
    assert_eq!(profile.functions(place), ["(allocated by stacks that are not listed)"]);
}

#[test]
fn files_are_told_apart_by_address_and_known_by_build_id() {
    let profile = written(&report());
    // The program is the first, whatever the innermost function is in.
    let [mapping, library] = profile.mapping.as_slice() else { panic!("{:?}", profile.mapping) };
    assert_eq!(profile.text(library.filename), "/usr/lib/lib.so");
    assert_eq!(
        (profile.text(mapping.filename), profile.text(mapping.build_id)),
        ("/srv/app", "abcd")
    );
    let place = &profile.location[1];
    assert_eq!(place.address - mapping.memory_start, 16);
    assert!((mapping.memory_start..mapping.memory_limit).contains(&place.address));
    assert_eq!(profile.string_table[0], "");
}

#[test]
fn threads_and_sizes_are_labels_and_a_measure_has_values_of_its_own() {
    let mut report = report();
    let size = Some(SizeClass::of(64));
    report.processes[0].stacks[0].part = Part { thread: Some(9), size };
    report.measure = Some(Measure::Allocated);
    let profile = written(&report);
    let text = |number: i64| profile.string_table[usize::try_from(number).unwrap()].as_str();
    let kinds: Vec<_> = profile.sample_type.iter().map(|kind| text(kind.r#type)).collect();
    assert_eq!(kinds, ["alloc_objects", "alloc_space"]);
    assert_eq!(text(profile.default_sample_type), "alloc_space");
    let sample = &profile.sample[0];
    assert_eq!(sample.value, [10, 1000]);
    let labels: Vec<_> =
        sample.label.iter().map(|it| (text(it.key), text(it.str), it.num)).collect();
    assert!(labels.contains(&("thread", "", 9)), "{labels:?}");
    assert!(labels.contains(&("size_class", "64 B to 127 B", 0)), "{labels:?}");
    report.measure = None;
    assert_eq!(written(&report).sample[0].label.len(), labels.len());
}

#[test]
fn differences_have_signs() {
    let step = |name: &str, line| Step {
        named: Named { name: name.to_owned(), file: Some("a.c".to_owned()), line: Some(line) },
        full: None,
        module: Some("app".to_owned()),
    };
    let changed = |name, bytes, blocks| Changed {
        process: Some("app (7)".to_owned()),
        path: vec![step("main", 1), step(name, 2)],
        bytes,
        blocks,
    };
    let stacks = vec![
        changed("leak", [100, 300], [1, 3]),
        changed("gone", [50, 0], [2, 0]),
        changed("same", [9, 9], [1, 1]),
        changed("most", [0, u64::MAX], [u64::MAX, 0]),
    ];
    let notes = vec!["from A to B".to_owned()];
    let after = "2026-03-01T03:14:08Z".parse().ok();
    let before = "2026-03-01T03:13:08Z".parse().ok();
    let profile = profile(&Differences { stacks, notes, before, after, ..Differences::default() });
    let kinds: Vec<_> = profile
        .sample_type
        .iter()
        .map(|it| (profile.text(it.r#type), profile.text(it.unit)))
        .collect();
    assert_eq!(kinds, changes::VALUES);
    let values: Vec<_> = profile.sample.iter().map(|sample| sample.value.as_slice()).collect();
    assert_eq!(values, [[2, 200], [-2, -50], [-i64::MAX, i64::MAX]]);
    let places = profile.sample[0].location_id.iter();
    let place = |id: &u64| &profile.location[usize::try_from(*id).unwrap() - 1];
    let functions: Vec<_> = places.flat_map(|id| profile.functions(place(id))).collect();
    assert_eq!(functions, ["leak", "main"]);
    assert_eq!(profile.text(profile.mapping[0].filename), "app");
    assert_eq!(profile.mapping.len(), 1);
    let label = &profile.sample[0].label[0];
    assert_eq!((profile.text(label.key), profile.text(label.str)), ("process", "app (7)"));
    assert_eq!(profile.duration_nanos, 60_000_000_000);
    let comments: Vec<_> = profile.comment.iter().map(|it| profile.text(*it)).collect();
    assert_eq!(comments[1..], ["from A to B"]);
}
