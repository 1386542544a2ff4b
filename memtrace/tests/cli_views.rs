//! Every view in every format with every option: each either succeeds, with figures that add up to the same total, or is
//! refused in a sentence.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod made_up;
mod report_fixtures;

use flate2::read::GzDecoder;
use made_up::recorded;
use serde_json::Value;
use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const RECORDS: u64 = 1_200;

const FORMATS: [&str; 12] = [
    "text",
    "json",
    "tree",
    "summary",
    "stats",
    "folded",
    "pprof",
    "speedscope",
    "firefox",
    "csv",
    "svg",
    "html",
];

const VIEWS: [&[&str]; 8] = [
    &[],
    &["--view", "leaks"],
    &["--view", "leaks", "--from", "9s", "--to", "18s"],
    &["--view", "peak"],
    &["--view", "allocated"],
    &["--view", "allocated", "--from", "9s"],
    &["--view", "temporary"],
    &["--view", "lifetimes"],
];

const OPTIONS: [&[&str]; 17] = [
    &[],
    &["--include", "nothing*"],
    &["--exclude", "synthetic"],
    &["--min-bytes", "300"],
    &["--min-count", "2"],
    &["--top", "2"],
    &["--by", "function"],
    &["--by", "line"],
    &["--by", "file"],
    &["--by", "module"],
    &["--by", "process"],
    &["--by", "thread"],
    &["--by", "size-class"],
    &["--by", "stack"],
    &["--inverted"],
    &["--depth", "2"],
    &[
        "--exclude",
        "nothing*",
        "--min-count",
        "2",
        "--by",
        "thread",
        "--inverted",
        "--depth",
        "1",
        "--top",
        "1",
    ],
];

fn memtrace(folder: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_memtrace"));
    command.args(words).current_dir(folder).stdin(Stdio::null()).output().unwrap()
}

/// The bytes that a report's stacks and what stands beside them come to; `None`: people read it.
fn total(format: &str, view: &[&str], bytes: &[u8]) -> Option<u64> {
    let text = || String::from_utf8(bytes.to_vec()).unwrap();
    let json = || serde_json::from_slice::<Value>(bytes).unwrap();
    Some(match format {
        // They are numbers of blocks by age.
        _ if view.contains(&"lifetimes") => return None,
        "json" if view.is_empty() => of_report(&json()),
        "json" => json()["total"]["bytes"].as_u64().unwrap(),
        "folded" => text().lines().map(|line| number(line.rsplit_once(' ').unwrap().1)).sum(),
        "csv" => of_table(&text()),
        "speedscope" => numbers(&json()["profiles"][0]["weights"]).sum(),
        "firefox" => of_firefox(&json()),
        "pprof" => {
            of_pprof(bytes, if view.is_empty() || view == ["--view", "leaks"] { 3 } else { 1 })
        }
        "svg" => of_picture(&text()),
        "html" => of_page(&text()),
        _ => return None,
    })
}

fn number(text: &str) -> u64 {
    text.replace(',', "").parse().unwrap_or_else(|_| panic!("{text} is no number"))
}

fn numbers(values: &Value) -> impl Iterator<Item = u64> + '_ {
    values.as_array().into_iter().flatten().map(|value| value.as_u64().unwrap())
}

fn of_report(report: &Value) -> u64 {
    let of = |process: &Value| -> u64 {
        let lists = [&process["stacks"], &process["left_out"]];
        let stacks = lists.into_iter().flat_map(|list| list.as_array().into_iter().flatten());
        let stacks = stacks.map(|stack| stack["live_bytes"].as_u64().unwrap()).sum::<u64>();
        let rest =
            ["others", "young", "filtered"].map(|key| process[key]["bytes"].as_u64().unwrap());
        stacks + rest.iter().sum::<u64>()
    };
    report["processes"].as_array().unwrap().iter().map(of).sum()
}

/// Of the view's column, if there is one.
fn of_table(table: &str) -> u64 {
    // Every second piece is in quotes, and no figure is.
    let bare = |line: &str| line.split('"').step_by(2).collect::<String>();
    let bare: Vec<String> = table.lines().map(bare).collect();
    let mut lines = bare.iter().map(|line| line.split(',').collect::<Vec<_>>());
    let columns = lines.next().unwrap();
    let place = |name: &str| columns.iter().position(|column| *column == name);
    let column = place("view_bytes").or_else(|| place("live_bytes")).unwrap();
    lines.filter(|cells| !cells[column].is_empty()).map(|cells| number(cells[column])).sum()
}

fn of_firefox(profile: &Value) -> u64 {
    let threads = profile["threads"].as_array().unwrap().iter();
    let weights = threads.flat_map(|thread| thread["nativeAllocations"]["weight"].as_array());
    let sum = weights.flatten().map(|weight| weight.as_i64().unwrap()).sum::<i64>();
    u64::try_from(sum).unwrap()
}

fn of_picture(picture: &str) -> u64 {
    let all =
        picture.split("<title>all: ").nth(1).map_or("0", |rest| rest.split(' ').next().unwrap());
    number(all)
}

fn of_page(page: &str) -> u64 {
    let data = page.split("id=\"data\">").nth(1).unwrap().split("</script").next().unwrap();
    let data: Value = serde_json::from_str(data).unwrap();
    let views = data["accounts"][0]["views"].as_array().unwrap().iter();
    let timeline = &data["timeline"];
    if timeline["from"].is_f64() && data["first_view"] != "kept" {
        return of_parts(&data, timeline);
    }
    let first = views.clone().find(|view| view["key"] == data["first_view"]);
    first.map_or(0, |view| numbers(&view["bytes"]).sum())
}

/// Of the parts of the run that the page is of.
fn of_parts(data: &Value, timeline: &Value) -> u64 {
    let ends = timeline["ends"].as_array().unwrap().iter();
    let before =
        ends.take_while(|end| end.as_f64() <= timeline["from"].as_f64().map(|it| it + 1e-7));
    let parts = data["accounts"][0]["parts"].as_array().unwrap().iter().skip(before.count());
    let key = data["first_view"].as_str().unwrap();
    let changes = parts.flat_map(|part| part[key][0].as_array().unwrap());
    changes.map(|change| change.as_u64().unwrap()).sum()
}

/// Sums the values with this number of all samples (field 2 of a profile, whose field 2 are values).
fn of_pprof(bytes: &[u8], value: usize) -> u64 {
    let mut profile = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut profile).unwrap();
    let samples = fields(&profile).into_iter().filter(|(number, _)| *number == 2);
    let value = |sample: &[u8]| {
        let packed = fields(sample).into_iter().find(|(number, _)| *number == 2).unwrap().1;
        let mut packed = packed.as_slice();
        let mut values = Vec::new();
        while !packed.is_empty() {
            values.push(varint(&mut packed));
        }
        values[value]
    };
    samples.map(|(_, sample)| value(&sample)).sum()
}

/// Fields of a message that have a length, by number.
fn fields(mut message: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let mut all = Vec::new();
    while !message.is_empty() {
        let tag = varint(&mut message);
        let number = varint(&mut message);
        if tag & 7 == 2 {
            let (field, rest) = message.split_at(usize::try_from(number).unwrap());
            all.push((tag >> 3, field.to_vec()));
            message = rest;
        }
    }
    all
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first().unwrap();
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            break;
        }
    }
    value
}

/// What every format is to come to.
fn expected(folder: &Path, view: &[&str]) -> u64 {
    let words = [&["report", "run.mtrace", "-f", "json"], view].concat();
    let output = memtrace(folder, &words);
    assert!(output.status.success(), "{words:?}");
    total("json", view, &output.stdout).unwrap_or_default()
}

/// Gives whether it is accepted.
fn check(folder: &Path, words: &[&str], format: &str, view: &[&str], expected: u64) -> bool {
    let output = memtrace(folder, words);
    let errors = String::from_utf8(output.stderr).unwrap();
    match output.status.code() {
        Some(0) => {
            assert_eq!(errors, "", "{words:?}");
            if let Some(total) = total(format, view, &output.stdout) {
                assert_eq!(total, expected, "{words:?}");
            }
            true
        }
        Some(2) => {
            assert!(output.stdout.is_empty(), "{words:?}");
            let line = errors.lines().next().unwrap();
            assert!(line.starts_with("memtrace: error: --"), "{words:?}: {errors}");
            assert!(line.contains(": ") && line.len() > 60, "{words:?} says why: {line}");
            false
        }
        other => panic!("{words:?}: {other:?}: {errors}"),
    }
}

/// A row of the table for each view and format: `+` for each option that is accepted, `-` for one that is refused.
#[test]
fn each_combination_adds_up_or_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("run.mtrace"), recorded(RECORDS)).unwrap();
    let path = folder.path();
    let of_view = |view: &&[&str]| {
        let expected = expected(path, view);
        assert!(expected > 0 || view.contains(&"lifetimes"), "{view:?}");
        let row = |format: &&str| {
            let marks = OPTIONS.map(|options| {
                let words = [&["report", "run.mtrace", "-f", format], *view, options].concat();
                if check(path, &words, format, view, expected) { '+' } else { '-' }
            });
            format!("{:<42} {format:<10} {}\n", view.join(" "), marks.iter().collect::<String>())
        };
        FORMATS.iter().map(row).collect::<String>()
    };
    let table: String = std::thread::scope(|scope| {
        let views: Vec<_> = VIEWS.iter().map(|view| scope.spawn(move || of_view(view))).collect();
        views.into_iter().map(|view| view.join().unwrap()).collect()
    });
    let options = OPTIONS.map(|options| options.join(" "));
    let numbered = (1..).zip(options).map(|(number, options)| format!("{number:>2} {options}\n"));
    insta::assert_snapshot!("table", format!("{}{table}", numbered.collect::<String>()));
}

/// What changed, in each form for people: of the same totals, whatever is cut.
#[test]
fn growth_has_every_form() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("run.mtrace"), recorded(RECORDS)).unwrap();
    let path = folder.path();
    let growth = ["report", "run.mtrace", "--view", "growth", "--from", "9s", "--to", "18s", "-f"];
    let ran = |words: &[&str]| {
        let output = memtrace(path, &[&growth[..], words].concat());
        let [out, errors] = [output.stdout, output.stderr].map(|it| String::from_utf8(it).unwrap());
        (output.status.code(), out, errors)
    };
    // It may be broken where it is laid out.
    let total = |text: &str| {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let (_, rest) = text.split_once(" total: ").unwrap();
        rest.split(", average=").next().unwrap().to_owned()
    };
    let (_, text, _) = ran(&["text"]);
    for format in ["tree", "summary", "stats"] {
        for options in OPTIONS {
            let (code, out, errors) = ran(&[&[format], options].concat());
            let cuts = options.contains(&"--inverted") || options.contains(&"--depth");
            let is_refused = cuts && format != "tree";
            assert_eq!(
                code,
                Some(if is_refused { 2 } else { 0 }),
                "{format} {options:?}: {errors}"
            );
            if !is_refused && !options.contains(&"--include") && !options.contains(&"--exclude") {
                assert_eq!(total(&out), total(&text), "{format} {options:?}");
            }
        }
    }
    let words = ["diff", "run.mtrace@9s", "run.mtrace@18s", "-f", "stats"];
    let output = memtrace(path, &words);
    let out = String::from_utf8(output.stdout).unwrap();
    assert_eq!(total(&out), total(&text));
    let sizes: Vec<&str> = out.lines().filter(|line| line.contains(" B to ")).collect();
    assert!(!sizes.is_empty() && !out.contains("sizes are not told apart"), "{out}");
    assert!(out.contains("  peak bytes\n"), "{out}");
}
