//! Recordings on the command line: what each form of report says of one and the same, and what is said of files that
//! are none, or no good.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod made_up;
mod report_fixtures;

use made_up::{note, recorded};
use memtrace::recording::{Entry, Head, Note, Told, Writer};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// Records of half a minute of a made-up program.
const RECORDS: u64 = 6_000;

fn memtrace(folder: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_memtrace"));
    command.args(words).current_dir(folder).stdin(Stdio::null()).output().unwrap()
}

fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("run.mtrace"), recorded(RECORDS)).unwrap();
    folder
}

/// What each command says of the recording.
#[test]
fn reports_of_a_recording_are_what_they_were() {
    let folder = folder();
    for (name, words) in [
        ("info", &["--info"][..]),
        ("text", &[]),
        ("early", &["--at", "6s"]),
        ("tree", &["-f", "tree"]),
        ("summary", &["-f", "summary"]),
        ("stats", &["-f", "stats"]),
        ("folded", &["-f", "folded"]),
        ("csv", &["-f", "csv"]),
        ("csv_left_out", &["-f", "csv", "--min-bytes", "1700"]),
        ("csv_temporary", &["-f", "csv", "--view", "temporary"]),
        ("csv_modules", &["-f", "csv", "--by", "module", "--inverted", "--depth", "1"]),
        ("folded_allocated", &["-f", "folded", "--view", "allocated", "--top", "2"]),
        ("folded_threads", &["-f", "folded", "--by", "thread", "--depth", "2"]),
        ("folded_sizes", &["-f", "folded", "--by", "size-class", "--depth", "1"]),
        ("folded_inverted", &["-f", "folded", "--inverted", "--depth", "2"]),
        ("folded_window", &["-f", "folded", "--view", "leaks", "--from", "9s", "--to", "18s"]),
        ("text_left_out", &["--exclude", "synthetic"]),
        ("json", &["-f", "json", "--top", "2"]),
        ("peak", &["--view", "peak", "-f", "summary"]),
        ("allocated", &["--view", "allocated", "-f", "summary"]),
        ("temporary", &["--view", "temporary", "-f", "summary"]),
        ("lifetimes", &["--view", "lifetimes", "-f", "summary"]),
        ("growth", &["--view", "growth"]),
        ("growth_by_thread", &["--view", "growth", "--by", "thread"]),
        ("growth_by_size", &["--view", "growth", "--by", "size-class"]),
        ("growth_csv", &["--view", "growth", "--by", "function", "-f", "csv"]),
        ("growth_folded", &["--view", "growth", "--by", "line", "-f", "folded"]),
        ("window", &["--view", "leaks", "--from", "9s", "--to", "18s", "-f", "summary"]),
        ("by_thread", &["--by", "thread", "-f", "summary"]),
        ("by_size", &["--by", "size-class", "-f", "summary"]),
        ("inverted", &["-f", "tree", "--inverted", "--depth", "2"]),
    ] {
        let output = memtrace(folder.path(), &[&["report", "run.mtrace"], words].concat());
        let [said, errors] =
            [output.stdout, output.stderr].map(|it| String::from_utf8(it).unwrap());
        assert_eq!((output.status.code(), errors.as_str()), (Some(0), ""), "{words:?}");
        insta::assert_snapshot!(name, said);
    }
}

/// Moments of a recording are compared as reports are; the whole gains what its parts do.
#[test]
fn moments_of_a_recording_are_compared() {
    let folder = folder();
    let total = |before: &str, after: &str| {
        let output = memtrace(folder.path(), &["diff", before, after, "-f", "json"]);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), errors.as_str()), (Some(0), ""), "{before} {after}");
        let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let of = |key: &str| told["total"][key].as_i64().unwrap();
        (of("bytes_difference"), of("blocks_difference"))
    };
    let parts = [("6s", "12.5s"), ("12.5s", "peak"), ("peak", "last")].map(|(before, after)| {
        total(&format!("run.mtrace@{before}"), &format!("run.mtrace@{after}"))
    });
    let whole = total("run.mtrace@6s", "run.mtrace");
    let sum = |of: fn(&(i64, i64)) -> i64| parts.iter().map(of).sum::<i64>();
    assert_eq!((sum(|it| it.0), sum(|it| it.1)), whole);
    assert!(parts[2].0 <= 0, "nothing is above the peak: {parts:?}");
    // By whatever they are told apart, the sum is the same.
    for by in ["thread", "size-class", "module"] {
        let words = ["diff", "run.mtrace@6s", "run.mtrace", "-f", "csv", "--by", by];
        let output = memtrace(folder.path(), &words);
        assert_eq!(output.status.code(), Some(0), "{by}");
        let text = String::from_utf8(output.stdout).unwrap();
        // What is in quotes has commas in it.
        let plain: String = text.split('"').step_by(2).collect();
        let mut lines = plain.lines().map(|line| line.split(',').collect::<Vec<_>>());
        let columns = lines.next().unwrap();
        let at = |name: &str| columns.iter().position(|it| *it == name).unwrap();
        let (bytes, blocks) = (at("bytes_difference"), at("blocks_difference"));
        let (mut sum, mut rows) = ((0, 0), 0);
        for line in lines {
            sum.0 += line[bytes].parse::<i64>().unwrap();
            sum.1 += line[blocks].parse::<i64>().unwrap();
            rows += 1;
        }
        assert_eq!(sum, whole, "{by}: {text}");
        assert!(rows > 0 && !text.contains("not told apart"), "{by}: {text}");
    }
    let error = refused(folder.path(), &["diff", "run.mtrace@nowhere", "run.mtrace"]);
    assert!(error.contains("there is no mark `nowhere`"), "{error}");
    fs::write(folder.path().join("a.json"), "{}").unwrap();
    let error = refused(folder.path(), &["diff", "a.json@peak", "run.mtrace"]);
    assert!(error.contains("only recordings have moments"), "{error}");
}

/// The growth view is written in every form that differences have, and as they are.
#[test]
fn growth_has_the_forms_of_differences() {
    let folder = folder();
    for form in [
        "text",
        "json",
        "summary",
        "tree",
        "stats",
        "folded",
        "csv",
        "svg",
        "html",
        "pprof",
        "speedscope",
        "firefox",
    ] {
        let words = ["--view", "growth", "--from", "6s", "--to", "12s", "-f", form];
        let output = memtrace(folder.path(), &[&["report", "run.mtrace"], &words[..]].concat());
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), &*errors), (Some(0), ""), "{form}");
        let words = ["run.mtrace@6s", "run.mtrace@12s", "-f", form];
        let compared = memtrace(folder.path(), &[&["diff"], &words[..]].concat());
        assert_eq!(compared.status.code(), Some(0), "{form}");
        // Moments are called otherwise, and profiles are compressed with that in them.
        let lengths = [output.stdout.len(), compared.stdout.len()];
        assert!(
            form == "folded" || lengths[0].abs_diff(lengths[1]) < 200 + lengths[0] / 2,
            "{form}: {lengths:?}"
        );
        assert!(form != "folded" || output.stdout == compared.stdout);
    }
}

/// The one line of a refusal.
#[track_caller]
fn refused(folder: &Path, words: &[&str]) -> String {
    let output = memtrace(folder, words);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{words:?}: {errors}");
    assert_eq!((output.stdout.as_slice(), errors.lines().count()), (&b""[..], 1), "{errors}");
    assert!(errors.starts_with("memtrace: error: ") && !errors.contains('\x1b'), "{errors}");
    errors
}

#[test]
fn what_is_no_recording_is_refused_in_a_line() {
    let folder = folder();
    let path = folder.path();
    let good = recorded(RECORDS);
    let changed = |place: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[place] = byte;
        bytes
    };
    for (name, bytes, said) in [
        ("foreign", b"\x7fELF and more".to_vec(), "no recording"),
        ("empty", Vec::new(), "no recording"),
        ("begun", good[..20].to_vec(), "no recording"),
        ("newer", changed(8, 9), "of format 9"),
        ("newer records", changed(10, 200), "records of version 200"),
        ("damaged head", changed(15, good[15] ^ 1), "damaged at byte 0"),
    ] {
        fs::write(path.join(name), bytes).unwrap();
        for words in [&["report", name][..], &["report", name, "--info"]] {
            let error = refused(path, words);
            assert!(error.contains(said), "{words:?}: {error}");
        }
    }
    assert!(refused(path, &["report", "missing"]).contains("cannot open \"missing\""));
}

/// What was there before counts, and the status says that it is not all.
#[test]
fn a_damaged_recording_is_good_up_to_the_damage() {
    let folder = folder();
    let path = folder.path();
    let good = recorded(RECORDS);
    let mut damaged = good.clone();
    let last = damaged.len() - 60;
    damaged[last] ^= 0x10;
    for (name, bytes, state) in [
        ("cut", good[..good.len() - 70].to_vec(), "cut off"),
        ("damaged", damaged, "damaged at byte "),
    ] {
        fs::write(path.join(name), bytes).unwrap();
        let info = memtrace(path, &["report", name, "--info"]);
        let said = String::from_utf8(info.stdout).unwrap();
        assert!(said.starts_with("state      ") && said.contains(state), "{said}");
        assert_ne!(info.status.code(), Some(0), "{name}");
        let report = memtrace(path, &["report", name]);
        let errors = String::from_utf8(report.stderr).unwrap();
        assert!(
            matches!(report.status.code(), Some(1 | 3)) && !errors.is_empty(),
            "{name}: {errors}"
        );
    }
}

/// `--info` checks what a report would need: also that each note is one that is known.
#[test]
fn a_note_that_nobody_knows_is_no_part_of_a_whole_recording() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = Writer::new(Vec::new(), Head::default()).unwrap();
    note(&mut writer, &Note::Limits(Box::default()));
    let lost = Told::Lost { cause: 0, count: 3 };
    note(&mut writer, &Note::Event { time: 5, process: 0, thread: 0, what: lost });
    writer.push(Entry::Note(b"{\"Later\":1}")).unwrap();
    fs::write(folder.path().join("later"), writer.finish().unwrap()).unwrap();
    let info = memtrace(folder.path(), &["report", "later", "--info"]);
    let said = String::from_utf8(info.stdout).unwrap();
    assert!(said.contains("a note of an unknown kind: it is damaged, or of a newer"), "{said}");
    assert_eq!(info.status.code(), Some(1), "{said}");
}

/// The keys that the first column of a table has, from the row on that has `begin` in it.
fn documented(document: &str, begin: &str) -> BTreeSet<String> {
    let rows = document.lines().skip_while(|line| !line.contains(begin));
    let cells = rows.take_while(|line| line.starts_with("| `")).map(|line| line.split('|').nth(1));
    cells.flat_map(|cell| names(cell.unwrap())).collect()
}

/// What stands in a text as code.
fn names(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(|name| name.replace("[]", "")).collect()
}

fn keys(value: &Value) -> BTreeSet<String> {
    value.as_object().unwrap().keys().cloned().collect()
}

fn read(folder: &Path, words: &[&str]) -> Value {
    let output = memtrace(folder, words);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), errors.as_str()), (Some(0), ""), "{words:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Views have the keys that their document lists, each of them.
#[test]
fn views_are_as_their_document_says() {
    let document = include_str!("../../docs/report-json.md");
    let listed = documented(document, "`memtrace.view/1` |");
    let folder = folder();
    for view in ["leaks", "peak", "allocated", "temporary", "lifetimes"] {
        let words = ["report", "run.mtrace", "--view", view, "-f", "json", "--top", "3"];
        assert_eq!(keys(&read(folder.path(), &words)), listed, "{view}");
    }
}

/// Differences likewise; of the keys of their parts each is named.
#[test]
fn differences_are_as_their_document_says() {
    let document = include_str!("../../docs/diff-json.md");
    let listed = documented(document, "`memtrace.diff/1` |");
    let all: BTreeSet<String> = names(document).into_iter().collect();
    let folder = folder();
    for by in ["stack", "function", "process", "thread", "size-class"] {
        let words = ["diff", "run.mtrace@6s", "run.mtrace", "-f", "json", "--by", by];
        let told = read(folder.path(), &words);
        assert_eq!(keys(&told), listed, "{by}");
        let row = &told["differences"][0];
        let parts = [&told["before"], &told["after"], &told["total"], &told["others"], row];
        for key in parts.into_iter().chain(row["frames"].get(0)).flat_map(keys) {
            // Figures stand there for bytes and blocks alike.
            let figure = key.strip_prefix("bytes_").or_else(|| key.strip_prefix("blocks_"));
            let is_named = all.contains(&key)
                || figure.is_some_and(|figure| all.contains(&format!("X_{figure}")));
            assert!(is_named, "{by}: {key}");
        }
    }
}
