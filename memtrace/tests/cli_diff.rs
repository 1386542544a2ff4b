//! `memtrace diff`: files of reports in, differences out; and what it says of files that are none.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod report_fixtures;

use memtrace::engine::snapshot::ProcessSnapshot;
use memtrace::recording::{Entry, Head, Note, Writer};
use memtrace::report::diff::{Side, read_report};
use memtrace::report::view::Filter;
use memtrace::report::{
    JsonWriter, Report, ReportOptions, ReportWriter as _, TracerFacts, ViewOptions,
};
use memtrace::selection::Pattern;
use memtrace::source::synthetic::{SyntheticSource, Workload};
use report_fixtures::*;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

fn diff(folder: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_memtrace"));
    command.arg("diff").args(words).current_dir(folder).stdin(Stdio::null()).output().unwrap()
}

#[track_caller]
fn printed(folder: &Path, words: &[&str]) -> String {
    let output = diff(folder, words);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), errors.as_str()), (Some(0), ""), "{words:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The one line on standard error of a call that fails with this code.
#[track_caller]
fn refused(folder: &Path, words: &[&str], code: i32) -> String {
    let output = diff(folder, words);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{words:?}: {errors}");
    assert_eq!(output.stdout, b"", "{words:?}");
    assert_eq!(errors.lines().count(), 1, "{words:?}: {errors}");
    errors
}

fn whole() -> ReportOptions {
    ReportOptions { top: 0, ..last() }
}

fn json(report: &Report) -> Vec<u8> {
    let mut out = Vec::new();
    JsonWriter.write(report, &mut out).unwrap();
    out
}

/// The leak of the fixtures, and how it was a minute before.
fn leak() -> (Report, Report) {
    let now = report(&snapshot(vec![leaking()]), &whole(), &facts());
    let mut process = leaking();
    process.stacks[2].live_blocks -= 50_000;
    process.stacks[2].live_bytes -= 50_000 * KIB;
    process.heap.live_blocks -= 50_000;
    process.heap.live_bytes -= 50_000 * KIB;
    let time = "2026-03-01T03:12:08Z".parse().unwrap();
    let before =
        report(&snapshot(vec![process]), &whole(), &TracerFacts { sequence: 5, time, ..facts() });
    (before, now)
}

/// A folder with `a.json`, `b.json` and, with both in it, `both.json`.
fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    let (before, now) = leak();
    let (before, now) = (json(&before), json(&now));
    fs::write(folder.path().join("both.json"), [&before[..], &now].concat()).unwrap();
    fs::write(folder.path().join("a.json"), before).unwrap();
    fs::write(folder.path().join("b.json"), now).unwrap();
    folder
}

/// What is read from JSON is what the report says.
#[test]
fn a_report_is_the_same_from_json() {
    let (pooling, pool_facts) = pooling();
    let cases: Vec<(ProcessSnapshot, TracerFacts)> = vec![
        (leaking(), facts()),
        (sampled(), facts()),
        (pooling, pool_facts),
        (telling(), facts()),
    ];
    for (process, facts) in cases {
        for options in [last(), whole()] {
            let report = report(&snapshot(vec![process.clone()]), &options, &facts);
            let read = read_report(&json(&report), &Filter::default()).unwrap();
            assert_eq!(read, Side::of(&report));
            assert!(!read.processes[0].stacks.is_empty());
        }
    }
}

/// What a report leaves out by wish has not gone: it may be what the other report lists.
#[test]
fn what_was_left_out_by_wish_is_not_gone() {
    let (before, mut now) = leak();
    let live = now.processes[0].heap.live_bytes;
    let exclude = vec![Pattern::of_name("*").unwrap()];
    let filter = Filter { exclude, ..Filter::default() };
    ViewOptions { filter, ..ViewOptions::default() }.narrow(&mut now, 0);
    assert!(now.processes[0].stacks.is_empty() && !now.processes[0].left_out.is_empty());
    let side = read_report(&json(&now), &Filter::default()).unwrap();
    assert!(!side.processes[0].is_whole());
    let parts = side.processes[0].left_out.iter().map(|part| part.amount.bytes.value);
    assert_eq!(parts.sum::<u64>(), live);
    let folder = folder();
    fs::write(folder.path().join("less.json"), json(&now)).unwrap();
    fs::write(folder.path().join("before.json"), json(&before)).unwrap();
    let told = printed(folder.path(), &["before.json", "less.json", "-f", "json"]);
    let told: Value = serde_json::from_str(&told).unwrap();
    let rows = told["differences"].as_array().unwrap();
    let listed: Vec<_> = rows.iter().filter(|row| row["left_out"].is_null()).collect();
    assert!(listed.len() > 1, "{told}");
    for row in listed {
        assert_eq!(row["bytes_after"], Value::Null, "nobody knows: {row}");
    }
}

/// The bytes before and after of all differences of `a.json` and `b.json`, and of what is left out for this reason.
fn sums(folder: &Path, words: &[&str], why: &str) -> [(u64, u64); 2] {
    let told = printed(folder, &[&["a.json", "b.json", "-f", "json"], words].concat());
    let told: Value = serde_json::from_str(&told).unwrap();
    let rows = told["differences"].as_array().unwrap();
    let sum = |side: &str, is_meant: &dyn Fn(&&Value) -> bool| -> u64 {
        rows.iter().filter(is_meant).map(|row| row[side].as_u64().unwrap()).sum()
    };
    let both = |is_meant: &dyn Fn(&&Value) -> bool| {
        (sum("bytes_before", is_meant), sum("bytes_after", is_meant))
    };
    [both(&|_| true), both(&|row| row["left_out"] == why)]
}

/// What is not wanted by its names, or for its size, is summed up: the total stays.
#[test]
fn names_and_sizes_choose_what_is_compared() {
    const NAMES: &str = "left out by --include or --exclude";
    const LITTLE: &str = "changed by less than --min-bytes or --min-count";
    let folder = folder();
    let path = folder.path();
    let [all, young] = sums(path, &[], "younger than --min-age");
    let [with, excluded] = sums(path, &["--exclude", "cache.cpp"], NAMES);
    let [only, others] = sums(path, &["--include", "cache.cpp"], NAMES);
    assert_eq!((with, only), (all, all));
    assert!(excluded.1 > 0 && others.1 > 0, "{excluded:?} {others:?}");
    let sum = [excluded, others, young].iter().fold((0, 0), |sum, it| (sum.0 + it.0, sum.1 + it.1));
    assert_eq!(sum, all);
    let text = printed(path, &["a.json", "b.json", "--exclude", "cache.cpp"]);
    assert!(text.contains(&format!("{NAMES}: size=")), "{text}");
    let [large, little] = sums(path, &["--min-bytes", "1MiB"], LITTLE);
    assert_eq!((large, little.0), (all, little.1));
    assert!(little.0 > 0, "only one changed");
    let text = printed(path, &["a.json", "b.json", "--min-bytes", "1MiB", "--top", "0"]);
    assert!(!text.contains(LITTLE), "it has not changed: {text}");
    let text = printed(path, &["a.json", "b.json", "--min-bytes", "1GiB"]);
    assert!(text.contains(&format!("{LITTLE}: size=")), "{text}");
    let page = kept(path, &["a.json", "b.json", "--min-count", "2"], "little.html");
    assert!(String::from_utf8_lossy(&page).contains(LITTLE));
}

#[test]
fn differences_are_text_json_folded_stacks_and_pictures() {
    let folder = folder();
    let path = folder.path();
    insta::assert_snapshot!("text", printed(path, &["a.json", "b.json"]));
    insta::assert_snapshot!("by_line", printed(path, &["a.json", "b.json", "--by", "line"]));
    insta::assert_snapshot!("stats", printed(path, &["a.json", "b.json", "-f", "stats"]));
    insta::assert_snapshot!("tree", printed(path, &["a.json", "b.json", "-f", "tree"]));
    insta::assert_snapshot!("summary", printed(path, &["a.json", "b.json", "-f", "summary"]));

    let line = printed(path, &["a.json", "b.json", "--format", "json"]);
    assert_eq!(line.matches('\n').count(), 1);
    let told: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(told["schema"], "memtrace.diff/1");
    let grown = &told["differences"][0];
    assert_eq!(
        (&grown["bytes_difference"], &grown["blocks_difference"]),
        (&51_200_000.into(), &50_000.into())
    );
    assert_eq!(grown["bytes_told_from_zero"], true);
    assert_eq!(told["total"]["bytes_difference"], 51_200_000);
    assert_eq!(told["span_s"], 60.0);
    assert_eq!(told["others"]["differences"], 0);
    let top: Value =
        serde_json::from_str(&printed(path, &["a.json", "b.json", "-f", "json", "-T", "1"]))
            .unwrap();
    assert_eq!(top["differences"].as_array().unwrap().len(), 1);
    assert_eq!(top["differences"][0], *grown);
    let all = told["differences"].as_array().unwrap().len();
    assert_eq!(top["others"]["differences"], all - 1);

    let folded = printed(path, &["a.json", "b.json", "-f", "folded"]);
    for line in folded.lines() {
        let mut words = line.rsplitn(3, ' ');
        let numbers =
            [words.next(), words.next()].map(|word| word.unwrap().parse::<u64>().unwrap());
        assert!(numbers != [0, 0] && words.next().unwrap().starts_with("thumbd (1234);"), "{line}");
    }

    let picture = printed(path, &["a.json", "b.json", "-f", "svg"]);
    assert!(picture.starts_with("<svg ") && picture.ends_with("</svg>\n"), "{picture}");
    assert!(picture.contains("total: size="), "{picture}");
    assert!(picture.contains("thumbd (1234): "), "{picture}");
}

/// What a command writes into a file of that name.
#[track_caller]
fn kept(folder: &Path, words: &[&str], name: &str) -> Vec<u8> {
    assert_eq!(printed(folder, &[words, &["-o", name]].concat()), "");
    fs::read(folder.join(name)).unwrap()
}

/// The end of a name chooses the form; all of them say the same.
#[test]
fn differences_are_tables_profiles_and_pages() {
    let folder = folder();
    let path = folder.path();
    let pair = &["a.json", "b.json"][..];
    let table = String::from_utf8(kept(path, pair, "out.csv")).unwrap();
    insta::assert_snapshot!("csv", table.replace("\r\n", "\n"));
    assert_eq!(table.matches("\r\n").count(), table.lines().count());

    let profile = kept(path, pair, "out.pb.gz");
    assert_eq!(profile[..2], [0x1f, 0x8b], "it is compressed");

    let told: Value = serde_json::from_slice(&kept(path, pair, "out.speedscope.json")).unwrap();
    let names: Vec<&str> = told["profiles"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["grew by 51,200,000 B", "shrank by 0 B"]);
    let told: Value = serde_json::from_slice(&kept(path, pair, "out.firefox.json")).unwrap();
    assert_eq!(told["threads"][0]["nativeAllocations"]["weight"][0], 51_200_000);

    let page = String::from_utf8(kept(path, pair, "out.html")).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("[82417664,"), "{page}");
    // What was there is replaced, and not added to.
    assert_eq!(kept(path, pair, "out.html"), page.as_bytes());

    let folded = printed(path, &["a.json", "b.json", "-f", "folded", "--by", "process"]);
    assert_eq!(folded.lines().count(), 1);
    assert!(folded.starts_with("thumbd (1234) "), "{folded}");
    let picture = printed(path, &["a.json", "b.json", "-f", "svg", "--by", "line"]);
    assert!(picture.contains("src/cache.cpp:"), "{picture}");
}

#[test]
fn a_file_of_several_reports_has_moments() {
    let folder = folder();
    let path = folder.path();
    let differences = |words: &[&str]| {
        let words = [words, &["-f", "json"]].concat();
        let told: Value = serde_json::from_str(&printed(path, &words)).unwrap();
        told["differences"].clone()
    };
    let expected = differences(&["a.json", "b.json"]);
    assert_eq!(differences(&["both.json@first", "both.json"]), expected);
    assert_eq!(differences(&["both.json@5", "both.json@6"]), expected);
    assert_eq!(differences(&["a.json@last", "both.json@last"]), expected);
    let error = refused(path, &["a.json", "both.json@7"], 1);
    assert!(error.contains("there is no report 7 in it"), "{error}");
}

#[test]
fn the_same_file_twice_is_fine() {
    let folder = folder();
    let text = printed(folder.path(), &["b.json", "b.json"]);
    assert!(text.contains("\nnothing has changed\n"), "{text}");
}

#[test]
fn it_may_go_to_a_file() {
    let folder = folder();
    let path = folder.path();
    assert_eq!(printed(path, &["a.json", "b.json", "-o", "out"]), "");
    let written = fs::read_to_string(path.join("out")).unwrap();
    assert_eq!(written, printed(path, &["a.json", "b.json"]));
}

#[test]
fn degraded_figures_are_told_by_the_exit_code() {
    let folder = folder();
    let (mut before, _) = leak();
    before.degraded = vec!["the budget was exceeded".to_owned()];
    fs::write(folder.path().join("bad.json"), json(&before)).unwrap();
    for words in [["bad.json", "b.json"], ["b.json", "bad.json"]] {
        let output = diff(folder.path(), &words);
        assert_eq!(output.status.code(), Some(3));
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains(" is degraded: the budget was exceeded\n"), "{text}");
    }
}

#[test]
fn files_that_are_no_reports_are_refused_in_one_line() {
    let folder = folder();
    let path = folder.path();
    let write = |name: &str, bytes: &[u8]| fs::write(path.join(name), bytes).unwrap();
    let good = fs::read_to_string(path.join("a.json")).unwrap();
    write("text", b"hello\n");
    write("other.json", b"{\"schema\":7}\n");
    write("newer.json", good.replacen("memtrace.report/1", "memtrace.report/2", 1).as_bytes());
    write("hostile.json", b"{\"schema\":\"\\u001b[2J\"}\n");
    write("part.json", b"{\"schema\":\"memtrace.report/1\",\"sequence\":1}\n");
    write("cut.json", &good.as_bytes()[..good.len() / 2]);
    write("deep.json", "[".repeat(100_000).as_bytes());
    write("empty.json", b"");
    write("cut.mtrace", b"\x8bmtrace\n\x01");
    for (name, words) in [
        ("text", "neither a recording nor a report"),
        ("other.json", "neither a recording nor a report"),
        (
            "newer.json",
            "has the schema \"memtrace.report/2\", and this memtrace reads \"memtrace.report/1\"",
        ),
        ("hostile.json", "has the schema"),
        ("part.json", "this report is damaged: missing field"),
        ("cut.json", "line 1: "),
        ("deep.json", "neither a recording nor a report"),
        ("empty.json", "there is no report in it"),
        ("cut.mtrace", "cut.mtrace"),
        ("missing", "cannot open \"missing\": No such file"),
        (".", "cannot read \".\": Is a directory"),
    ] {
        let error = refused(path, &[name, "b.json"], 1);
        assert!(error.contains(words) && !error.contains('\x1b'), "{name}: {error}");
        refused(path, &["b.json", name], 1);
    }
}

/// JSON may be anybody's: names in it neither steer a terminal nor become lines, frames or markup.
#[test]
fn hostile_names_in_reports_command_nothing() {
    let folder = folder();
    let path = folder.path();
    let evil = "\\u001b]0;owned\\u0007\\nrm;all 7\\u202e<script>alert('1')</script>&\\u009b2J";
    for name in ["a.json", "b.json"] {
        let good = fs::read_to_string(path.join(name)).unwrap();
        let bad = ["thumb::Cache::insert", "src/cache.cpp", "thumbd"]
            .iter()
            .fold(good.clone(), |text, word| text.replace(word, evil));
        assert_ne!(bad, good);
        fs::write(path.join(name), bad).unwrap();
    }
    let plain = |it: char| matches!(it, '\n' | '\r') || !it.is_control() && it != '\u{202e}';
    let forms = ["text", "json", "folded", "svg", "csv", "speedscope", "firefox", "html"]
        .map(|form| vec!["a.json", "b.json", "-f", form]);
    let by = ["function", "line", "file", "module", "process"]
        .map(|by| vec!["a.json", "b.json", "--by", by, "--full-names"]);
    // Else names are cut where a column ends.
    let views = ["summary", "tree", "stats"]
        .map(|form| vec!["a.json", "b.json", "-f", form, "--full-names"]);
    for words in forms.into_iter().chain(by).chain(views) {
        let out = printed(path, &words);
        assert!(out.contains("owned") && out.chars().all(plain), "{words:?}: {out}");
        let is_svg = words.last() == Some(&"svg");
        assert!(!is_svg || !out.contains("<script>alert"), "{out}");
        if words.last() == Some(&"html") {
            assert_eq!((out.matches("<script").count(), out.matches("</script").count()), (2, 2));
        }
        if words.last() == Some(&"csv") {
            let told = printed(path, &["a.json", "b.json", "-f", "json"]);
            let told: Value = serde_json::from_str(&told).unwrap();
            let rows = told["differences"].as_array().unwrap().len();
            assert_eq!(out.matches("\r\n").count(), rows + 1, "no name is a line: {out}");
        }
        if words.last() == Some(&"folded") {
            let two = |line: &str| line.rsplitn(3, ' ').take(2).all(|it| it.parse::<u64>().is_ok());
            assert!(out.lines().all(two), "{out}");
        }
    }
}

/// What would be a formula to a spreadsheet is none.
#[test]
fn names_are_no_formulas_in_tables() {
    let folder = folder();
    let path = folder.path();
    for name in ["a.json", "b.json"] {
        let good = fs::read_to_string(path.join(name)).unwrap();
        fs::write(path.join(name), good.replace("src/cache.cpp", "=1+1")).unwrap();
    }
    for by in ["stack", "line", "file"] {
        let table = printed(path, &["a.json", "b.json", "-f", "csv", "--by", by]);
        assert!(
            table.contains("'=1+1") && !table.contains(",=") && !table.contains("\"="),
            "{table}"
        );
    }
}

/// A recording of a run that was killed: what was there until then is compared.
#[test]
fn a_recording_is_told_by_its_content() {
    let folder = folder();
    let mut source = SyntheticSource::new(Workload { live_blocks: 500, ..Workload::default() });
    let mut writer =
        Writer::new(Vec::new(), Head { began: 1_700_000_000_000_000_000, ..Head::default() })
            .unwrap();
    for note in source.introduction().iter().filter_map(Note::of) {
        writer.push(Entry::Note(&note.bytes().unwrap())).unwrap();
    }
    let mut record = Vec::new();
    for _ in 0..2_000 {
        record.clear();
        source.next_record(&mut record);
        writer.push(Entry::Record(&record)).unwrap();
    }
    fs::write(folder.path().join("run.json"), writer.finish().unwrap()).unwrap();
    let output = diff(folder.path(), &["run.json", "run.json", "-f", "json"]);
    assert_eq!(output.status.code(), Some(3));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(errors.matches("\"run.json\" has no last report").count(), 2, "{errors}");
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let total = &told["total"];
    assert_eq!(total["blocks_after"], source.live_blocks(), "{total}");
    assert_eq!((&total["blocks_difference"], &told["span_s"]), (&0.into(), &Value::Null));
    let error = refused(folder.path(), &["run.json@3", "b.json"], 1);
    assert!(error.contains("has no report 3"), "{error}");
}

#[test]
fn reports_tell_neither_threads_nor_sizes_apart() {
    let folder = folder();
    for by in ["thread", "size-class"] {
        let error = refused(folder.path(), &["a.json", "b.json", "--by", by], 1);
        assert!(error.contains("\"a.json\" is a file of reports, which tell neither"), "{error}");
    }
}

#[test]
fn usage_errors_are_one_line() {
    let folder = folder();
    for words in [
        &[][..],
        &["a.json"],
        &["a.json", "b.json", "--by", "colour"],
        &["a.json", "b.json", "-f", "dot"],
        &["a.json", "b.json", "--inverted"],
        &["a.json", "b.json", "-f", "summary", "--depth", "2"],
        &["a.json", "b.json", "-f", "folded", "--top", "3"],
        &["a.json", "b.json", "-f", "csv", "--top", "3"],
        &["a.json", "b.json", "-o", ""],
        &["a.json", "b.json", "--exclude", "a["],
        &["a.json", "b.json", "--min-bytes", "-1"],
        &["a.json", "b.json", "-o", "out.html", "--top", "3"],
    ] {
        let error = refused(folder.path(), words, 2);
        assert!(error.starts_with("memtrace: error: "), "{error}");
    }
}
