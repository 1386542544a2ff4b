//! Files for other programs, judged by what those programs' makers publish: pprof opens profiles and has the same
//! sums, speedscope's schema is kept, and inferno draws folded stacks.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod report_fixtures;

use memtrace::engine::snapshot::HeapTotals;
use memtrace::report::diff::{By, Diff, Side, write_folded, write_pprof, write_speedscope};
use memtrace::report::{
    FoldedWriter, PprofWriter, Report, ReportOptions, ReportWriter, SpeedscopeWriter,
};
use report_fixtures::{facts, last, leaking, report, sampled, snapshot, totals};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Reports of an exact heap and of an estimated one, with all stacks.
fn reports() -> [Report; 2] {
    let options = ReportOptions { top: 0, ..last() };
    [leaking(), sampled()].map(|mut process| {
        // As files for other programs usually are: no block is too young for them.
        for stack in &mut process.stacks {
            (stack.young_bytes, stack.young_blocks) = (0, 0);
        }
        process.heap =
            HeapTotals { confidence: process.heap.confidence, ..totals(&process.stacks) };
        report(&snapshot(vec![process]), &options, &facts())
    })
}

fn written(writer: &dyn ReportWriter, report: &Report) -> Vec<u8> {
    let mut bytes = Vec::new();
    writer.write(report, &mut bytes).unwrap();
    bytes
}

/// What pprof says of a file; it must not ask for symbols anywhere.
#[track_caller]
fn pprof(options: &[&str], file: &Path) -> String {
    let mut command = Command::new("go");
    command.args(["tool", "pprof", "-symbolize=none"]).args(options).arg(file);
    let output = command.output();
    let output = output.expect("go is missing, whose pprof judges: cargo xtask test installs it");
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// The columns of pprof's raw form: names, and the sum of each over all samples.
fn sums(raw: &str) -> Vec<(String, i64)> {
    let (_, after) = raw.split_once("Samples:\n").unwrap();
    let (samples, _) = after.split_once("Locations\n").unwrap();
    let mut lines = samples.lines();
    let names = lines.next().unwrap().split_whitespace();
    let mut sums: Vec<_> =
        names.map(|name| (name.split('/').next().unwrap().to_owned(), 0)).collect();
    for values in lines.filter_map(|line| Some(line.split_once(": ")?.0)) {
        // A line below a sample has its labels.
        let values: Option<Vec<i64>> =
            values.split_whitespace().map(|value| value.parse().ok()).collect();
        for ((_, sum), value) in sums.iter_mut().zip(values.into_iter().flatten()) {
            *sum += value;
        }
    }
    sums
}

/// As pprof has it, the report's figures are those of all stacks.
#[track_caller]
fn judge_sums(report: &Report) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("heap.pb.gz");
    fs::write(&file, written(&PprofWriter { internals: true, full_names: true }, report)).unwrap();
    let heap = &report.processes[0].heap;
    let raw = pprof(&["-raw"], &file);
    let sums = sums(&raw);
    let of = |name: &str| {
        let found = sums.iter().find(|(it, _)| it == name);
        found.unwrap_or_else(|| panic!("no {name} in {sums:?}")).1.cast_unsigned()
    };
    assert_eq!(of("inuse_space"), heap.live_bytes);
    assert_eq!(of("inuse_objects"), heap.live_blocks);
    assert_eq!(of("alloc_space"), heap.allocated_bytes);
    assert_eq!(of("alloc_objects"), heap.allocated_blocks);
    // … and shows them to people.
    let top = pprof(&["-top", "-unit=B", "-sample_index=inuse_space"], &file);
    let whole = format!(" of {}B total", heap.live_bytes);
    assert!(top.contains(&whole), "{top}");
}

#[test]
fn pprof_has_the_sums_of_the_report() {
    for report in reports() {
        judge_sums(&report);
    }
}

#[test]
fn pprof_has_them_where_few_stacks_are_listed_or_blocks_are_young() {
    for mut process in [leaking(), sampled()] {
        process.heap =
            HeapTotals { confidence: process.heap.confidence, ..totals(&process.stacks) };
        // Its young blocks are summed, and all stacks but one.
        let options = ReportOptions { top: 1, ..last() };
        let report = report(&snapshot(vec![process]), &options, &facts());
        let [process] = report.processes.as_slice() else { panic!("one process is expected") };
        assert_eq!(process.stacks.len(), 1);
        assert!(process.heap.allocated_bytes > process.stacks[0].allocated_bytes);
        judge_sums(&report);
    }
}

/// Two sides, of which the second has less of its first stack and more of its second.
fn sides() -> (Side, Side) {
    let [before, _] = reports();
    let mut after = before.clone();
    let process = &mut after.processes[0];
    let (less, more) = (process.stacks[0].live_bytes / 2, 12_345);
    process.stacks[0].live_bytes -= less;
    process.stacks[1].live_bytes += more;
    process.heap.live_bytes = process.heap.live_bytes + more - less;
    (Side::of(&before), Side::of(&after))
}

#[test]
fn pprof_has_differences_with_their_signs() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("diff.pb.gz");
    let (before, after) = sides();
    let told = [("before", &before), ("after", &after)];
    let difference =
        after.live().bytes.value.cast_signed() - before.live().bytes.value.cast_signed();
    assert!(difference < 0);
    for by in [By::Stack, By::Function, By::Line, By::Module, By::Process] {
        let mut bytes = Vec::new();
        write_pprof(&Diff::between(&before, &after, by), told, true, &mut bytes).unwrap();
        fs::write(&file, bytes).unwrap();
        let sums = sums(&pprof(&["-raw"], &file));
        let expected =
            [("diff_inuse_objects".to_owned(), 0), ("diff_inuse_space".to_owned(), difference)];
        assert_eq!(sums, expected, "{by:?}");
        let top = pprof(&["-top", "-unit=B", "-nodefraction=0"], &file);
        assert!(top.contains("Type: diff_inuse_space"), "{top}");
        assert!(by == By::Process || by == By::Module || top.contains(" 12345B "), "{top}");
        assert!(pprof(&["-comments"], &file).contains("from A (before, "));
    }
}

/// Installed by `cargo xtask test`, as it is not ours.
const INFERNO: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../target/judges/bin/inferno-flamegraph");

/// The title of the whole picture that inferno draws of folded stacks, of which it leaves out nothing.
#[track_caller]
fn drawn(folded: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("heap.folded");
    fs::write(&file, folded).unwrap();
    let output = Command::new(INFERNO).arg(&file).output();
    let output = output.expect("inferno is missing: cargo xtask test installs it");
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && errors.is_empty(), "{errors}");
    let picture = String::from_utf8(output.stdout).unwrap();
    let title = picture.split("<title>").find_map(|it| it.strip_prefix("all ("));
    let title = title.unwrap_or_else(|| panic!("nothing is drawn: {picture}"));
    title.split(')').next().unwrap().to_owned()
}

/// `1,234 samples, 100%`.
fn all(samples: u64) -> String {
    let digits = samples.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|it| std::str::from_utf8(it).unwrap()).collect();
    format!("{} samples, 100%", groups.join(","))
}

#[test]
fn inferno_draws_folded_stacks_and_has_their_sum() {
    for report in reports() {
        for internals in [true, false] {
            let folded = written(&FoldedWriter { internals, full_names: true }, &report);
            assert_eq!(drawn(&folded), all(report.processes[0].heap.live_bytes));
        }
    }
}

/// … and differences, with what there was after.
#[test]
fn inferno_draws_differences() {
    let [after, _] = reports();
    let mut before = after.clone();
    before.processes[0].stacks[0].live_bytes /= 2;
    let (before, after) = (Side::of(&before), Side::of(&after));
    let mut folded = Vec::new();
    write_folded(&Diff::between(&before, &after, By::Stack), true, &mut folded).unwrap();
    let text = std::str::from_utf8(&folded).unwrap();
    let sum = |place: usize| -> u64 {
        text.lines().map(|line| line.rsplit(' ').nth(place).unwrap().parse::<u64>().unwrap()).sum()
    };
    assert_eq!(drawn(&folded), all(sum(0)));
    assert!(sum(0) > 0 && sum(1) > 0 && sum(0) != sum(1), "{text}");
}

/// Fetched by `cargo xtask test`, as it is not ours.
const SCHEMA: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../target/judges/speedscope.schema.json");

/// Prints what Python's jsonschema has against the file that is named second, by the schema that is named first.
const JUDGE: &str = "\
import json, sys, jsonschema
schema, file = (json.load(open(name)) for name in sys.argv[1:])
judge = jsonschema.validators.validator_for(schema)
judge.check_schema(schema)
for error in judge(schema).iter_errors(file): print(error.message)
";

/// See [`JUDGE`]; empty where it has nothing to say.
fn complaints(file: &Path) -> String {
    let output = Command::new("python3").args(["-c", JUDGE, SCHEMA]).arg(file).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}\n(cargo xtask test installs python3-jsonschema)");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn speedscopes_schema_is_kept() {
    let is_there = fs::exists(SCHEMA).unwrap();
    assert!(is_there, "speedscope's schema is missing: cargo xtask test fetches it");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("heap.speedscope.json");
    for report in reports() {
        let bytes = written(&SpeedscopeWriter { internals: true, full_names: true }, &report);
        fs::write(&file, &bytes).unwrap();
        assert_eq!(complaints(&file), "");
        // The judge can say no.
        let mut wrong: Value = serde_json::from_slice(&bytes).unwrap();
        wrong["profiles"][0]["samples"] = "none".into();
        fs::write(&file, wrong.to_string()).unwrap();
        assert!(complaints(&file).contains("none"));
    }
    let (before, after) = sides();
    let mut bytes = Vec::new();
    let diff = Diff::between(&before, &after, By::Stack);
    write_speedscope(&diff, [("before", &before), ("after", &after)], true, &mut bytes).unwrap();
    fs::write(&file, &bytes).unwrap();
    assert_eq!(complaints(&file), "");
}
