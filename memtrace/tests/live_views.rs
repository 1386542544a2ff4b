//! Views of a live process and of its recording say exactly what a program did whose every block is known.
#![cfg(feature = "live")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use support::may_trace;
use support::program::Program;
use support::tracer::Tracer;
use support::wait_until;

const MEMTRACE: &str = env!("CARGO_BIN_EXE_memtrace");

/// Bytes and blocks by name.
type Rows = BTreeMap<String, (u64, u64)>;

fn report(recording: &Path, words: &[&str]) -> Output {
    let words = [&["report", recording.to_str().unwrap()], words].concat();
    Command::new(MEMTRACE).args(words).stdin(Stdio::null()).output().unwrap()
}

#[track_caller]
fn view(recording: &Path, words: &[&str]) -> Value {
    let output = report(recording, &[&["-f", "json", "-T", "0", "--view"], words].concat());
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), &*errors), (Some(0), ""), "{words:?}");
    let view: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(view["schema"], "memtrace.view/1");
    assert_eq!((&view["lost_events"], &view["lost_stacks"]), (&0.into(), &0.into()));
    view
}

fn figures(of: &Value) -> (u64, u64) {
    assert!(of["bytes_ci95"].is_null() && of["bytes_is_estimate"] == false, "{of}");
    (of["bytes"].as_u64().unwrap(), of["count"].as_u64().unwrap())
}

/// What each entry did itself, where that is anything; the sum of it is the view's total.
#[track_caller]
fn own(view: &Value) -> Rows {
    let rows = view["rows"].as_array().unwrap().iter();
    let rows = rows.map(|row| (row["name"].as_str().unwrap().to_owned(), figures(&row["own"])));
    let rows: Rows = rows.filter(|(_, own)| *own != (0, 0)).collect();
    let sum = rows.values().fold((0, 0), |sum, own| (sum.0 + own.0, sum.1 + own.1));
    assert_eq!(sum, figures(&view["total"]), "{view}");
    rows
}

fn rows(expected: &[(&str, u64, u64)]) -> Rows {
    expected.iter().map(|(name, bytes, blocks)| ((*name).to_owned(), (*bytes, *blocks))).collect()
}

/// Records the fixture, with the mark `middle` between its phases; gives its number.
fn record(recording: &Path, socket: &Path) -> u32 {
    let mut program = Program::start("views", &[]);
    let pid = program.pid();
    let (record, control) = (recording.to_str().unwrap(), socket.to_str().unwrap());
    let usual = ["--exact", "-i", "0", "-f", "json", "--min-age", "0", "--top", "0"];
    let options = [&usual[..], &["--record", record, "--control", control]].concat();
    let tracer = Tracer::typed(&[&program], &options);
    program.tell();
    program.wait_for("phase 1");
    let marked = Command::new(MEMTRACE)
        .args(["ctl", "--control", control, "mark", "middle"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(marked.status.success(), "{marked:?}");
    let accounts = program.work();
    let run = tracer.stop();
    assert_eq!(run.status.code(), Some(0), "{:#?}", run.messages);
    let report = run.only_report();
    report.assert_nothing_lost();
    report.process(pid).assert_exactly(&accounts);
    assert!(program.end().success());
    pid
}

#[test]
fn a_recording_shows_its_views_exactly() {
    if !may_trace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let recording = folder.path().join("run.mtrace");
    let pid = record(&recording, &folder.path().join("control"));
    of_the_whole(&recording);
    of_a_part(&recording);
    by_thread_and_size(&recording, pid);
    lifetimes(&recording);
    growth(&recording);
    bad_input(&recording);
}

fn of_the_whole(recording: &Path) {
    let leaks = [("held", 6000, 6), ("elsewhere", 12_000, 18), ("late", 3072, 6)];
    assert_eq!(own(&view(recording, &["leaks"])), rows(&leaks));
    let allocated = [
        ("held", 10_000, 10),
        ("brief", 1120, 35),
        ("older", 480, 10),
        ("newer", 560, 10),
        ("handed", 480, 5),
        ("elsewhere", 12_000, 18),
        ("hump", 81_920, 20),
        ("late", 4096, 8),
    ];
    assert_eq!(own(&view(recording, &["allocated"])), rows(&allocated));
    let peak = [("held", 10_000, 10), ("elsewhere", 3000, 15), ("hump", 81_920, 20)];
    assert_eq!(own(&view(recording, &["peak"])), rows(&peak));
    // As a report of that moment.
    let at = report(recording, &["--at", "peak", "-f", "json"]);
    let at: Value = serde_json::from_slice(&at.stdout).unwrap();
    let heap = &at["processes"][0]["heap"];
    assert_eq!((&heap["live_bytes"], &heap["live_blocks"]), (&94_920.into(), &45.into()));
    // After the last of the twenty its thread allocates no more before it is freed.
    let temporary =
        [("brief", 1120, 35), ("newer", 560, 10), ("handed", 480, 5), ("hump", 4096, 1)];
    assert_eq!(own(&view(recording, &["temporary"])), rows(&temporary));
    let of_two = [
        ("brief", 1120, 35),
        ("newer", 560, 10),
        ("older", 480, 10),
        ("handed", 480, 5),
        ("hump", 8192, 2),
    ];
    assert_eq!(own(&view(recording, &["temporary", "--temporary", "2"])), rows(&of_two));
    // All that was freed was freed within an hour.
    let freed = [
        ("held", 4000, 4),
        ("brief", 1120, 35),
        ("older", 480, 10),
        ("newer", 560, 10),
        ("handed", 480, 5),
        ("hump", 81_920, 20),
        ("late", 1024, 2),
    ];
    assert_eq!(own(&view(recording, &["temporary", "--temporary", "1h"])), rows(&freed));
}

fn of_a_part(recording: &Path) {
    let second = ["--from", "middle"];
    let of = |what: &[&str]| own(&view(recording, &[what, &second].concat()));
    assert_eq!(of(&["leaks"]), rows(&[("elsewhere", 9000, 3), ("late", 3072, 6)]));
    let allocated = [("brief", 160, 5), ("elsewhere", 9000, 3), ("late", 4096, 8)];
    assert_eq!(of(&["allocated"]), rows(&allocated));
    assert_eq!(of(&["temporary"]), rows(&[("brief", 160, 5)]));
    let peak = [("held", 6000, 6), ("elsewhere", 12_000, 18), ("late", 3072, 6), ("brief", 32, 1)];
    assert_eq!(of(&["peak"]), rows(&peak));
    let first = |what| own(&view(recording, &[what, "--to", "middle"]));
    assert_eq!(first("leaks"), rows(&[("held", 10_000, 10), ("elsewhere", 3000, 15)]));
    let temporary = [("brief", 960, 30), ("newer", 560, 10), ("handed", 480, 5), ("hump", 4096, 1)];
    assert_eq!(first("temporary"), rows(&temporary));
    assert_eq!(first("allocated").get("hump"), Some(&(81_920, 20)));
    assert_eq!(first("allocated").get("late"), None);
}

fn by_thread_and_size(recording: &Path, pid: u32) {
    let threads = own(&view(recording, &["allocated", "--by", "thread"]));
    assert_eq!(threads.len(), 2, "{threads:?}");
    let main = format!("thread {pid} (the main one)");
    assert_eq!(threads[&main], (98_656, 98));
    assert!(threads.values().any(|worker| *worker == (12_000, 18)), "{threads:?}");
    let sizes = own(&view(recording, &["leaks", "--by", "size-class"]));
    let expected = [
        ("512 B to 1,023 B", 9072, 12),
        ("128 B to 255 B", 3000, 15),
        ("2,048 B to 4,095 B", 9000, 3),
    ];
    assert_eq!(sizes, rows(&expected));
    // Functions hold what they held, whatever is told apart.
    let stats = report(recording, &["-f", "stats"]);
    let text = String::from_utf8(stats.stdout).unwrap();
    assert!(!text.contains("from stacks with blocks of several of these"), "{text}");
}

fn lifetimes(recording: &Path) {
    let view = view(recording, &["lifetimes", "--by", "function"]);
    let lives = view["lifetimes"].as_array().unwrap();
    let of = |name: &str| {
        let life = lives.iter().find(|life| life["name"] == name).unwrap();
        let sum = |what: &str| -> u64 {
            life["ages"].as_array().unwrap().iter().map(|age| age[what].as_u64().unwrap()).sum()
        };
        let figures = (life["freed"].as_u64().unwrap(), life["alive"].as_u64().unwrap());
        assert_eq!(figures, (sum("freed"), sum("alive")), "{life}");
        figures
    };
    let figures = ["held", "brief", "elsewhere", "hump", "late"].map(of);
    assert_eq!(figures, [(4, 6), (35, 0), (0, 18), (20, 0), (2, 6)]);
    let words = ["lifetimes", "--by", "function", "--from", "middle"];
    let part = self::view(recording, &words);
    let freed = |name: &str| {
        let life = part["lifetimes"].as_array().unwrap().iter().find(|life| life["name"] == name);
        life.map(|life| life["freed"].as_u64().unwrap())
    };
    assert_eq!(["held", "brief", "late", "hump"].map(freed), [Some(4), Some(5), Some(2), None]);
}

fn growth(recording: &Path) {
    let words = ["--view", "growth", "--from", "middle", "-f", "json", "--by", "function"];
    let output = report(recording, &words);
    let diff: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(diff["schema"], "memtrace.diff/1");
    let total = &diff["total"];
    assert_eq!((&total["bytes_before"], &total["bytes_after"]), (&13_000.into(), &21_072.into()));
    let change = |name: &str| {
        let all = diff["differences"].as_array().unwrap();
        let one = all.iter().find(|one| one["frames"][0]["function"] == name).unwrap();
        (one["bytes_difference"].as_i64().unwrap(), one["blocks_difference"].as_i64().unwrap())
    };
    let changes = ["held", "elsewhere", "late"].map(change);
    assert_eq!(changes, [(-4000, -4), (9000, 3), (3072, 6)]);
}

fn bad_input(recording: &Path) {
    for (words, status, message) in [
        (&["--view", "leaks", "--from", "nowhere"][..], 1, "`middle` ("),
        (&["--view", "leaks", "--from", "middle", "--to", "0"], 1, "nothing between them"),
        (&["--view", "leaks", "--from", "middle", "--to", "middle"], 1, "nothing between them"),
        (&["--view", "allocated", "--from", "9h"], 1, "it ends "),
        (&["--from", "middle"], 2, "add --view"),
        (&["--view", "allocated", "--min-age", "1s"], 2, "--min-age is about blocks"),
        (&["--view", "lifetimes", "-f", "csv"], 2, "add --format summary or json"),
        (&["--view", "leaks", "--by", "treads"], 2, "'thread'"),
        (&["--view", "leak"], 2, "'leaks'"),
        (&["--view", "temporary", "--temporary", "0"], 2, "at least 1"),
    ] {
        let output = report(recording, words);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(status), "{words:?}: {errors}");
        assert!(errors.contains(message), "{words:?}: {errors}");
        assert!(output.stdout.is_empty(), "{words:?}");
    }
}

/// Traces the fixture to its end; gives what is written, and the fixture's number.
fn traced(options: &[&str]) -> (String, u32) {
    let mut program = Program::start("views", &[]);
    let pid = program.pid();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("view");
    let usual = ["--exact", "-i", "0", "-T", "0", "-f", "json", "-o", file.to_str().unwrap()];
    let tracer = Tracer::typed(&[&program], &[&usual[..], options].concat());
    program.tell();
    program.wait_for("phase 1");
    program.work();
    let run = tracer.stop();
    assert_eq!(run.status.code(), Some(0), "{:#?}", run.messages);
    assert!(program.end().success());
    (std::fs::read_to_string(&file).unwrap(), pid)
}

#[track_caller]
fn traced_view(options: &[&str]) -> (Value, u32) {
    let (text, pid) = traced(options);
    let view: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(view["schema"], "memtrace.view/1");
    assert_eq!((&view["lost_events"], &view["lost_stacks"]), (&0.into(), &0.into()));
    assert_eq!(view["unknown"], Value::Array(Vec::new()));
    (view, pid)
}

#[test]
fn a_live_run_shows_what_it_can_know() {
    if !may_trace() {
        return;
    }
    let (leaks, _) = traced_view(&["--view", "leaks"]);
    let expected = [("held", 6000, 6), ("elsewhere", 12_000, 18), ("late", 3072, 6)];
    assert_eq!(own(&leaks), rows(&expected));
    let (peak, _) = traced_view(&["--view", "peak"]);
    let bytes = |row: &Value| {
        assert!(row["own"]["count"].is_null(), "{row}");
        (row["name"].as_str().unwrap().to_owned(), row["own"]["bytes"].as_u64().unwrap())
    };
    let found = peak["rows"].as_array().unwrap().iter().map(bytes);
    let found: BTreeMap<String, u64> = found.filter(|(_, bytes)| *bytes > 0).collect();
    let expected = [("held", 10_000), ("elsewhere", 3000), ("hump", 81_920)];
    assert_eq!(found, expected.map(|(name, bytes)| (name.to_owned(), bytes)).into());
}

#[test]
fn a_live_run_knows_what_was_temporary() {
    if !may_trace() {
        return;
    }
    let expected = [("brief", 1120, 35), ("newer", 560, 10), ("handed", 480, 5), ("hump", 4096, 1)];
    assert_eq!(own(&traced_view(&["--view", "temporary"]).0), rows(&expected));
    let expected = [
        ("brief", 1120, 35),
        ("newer", 560, 10),
        ("older", 480, 10),
        ("handed", 480, 5),
        ("hump", 8192, 2),
    ];
    let (of_two, _) = traced_view(&["--view", "temporary", "--temporary", "2"]);
    assert_eq!(own(&of_two), rows(&expected));
}

#[test]
fn a_live_run_tells_threads_and_sizes_apart() {
    if !may_trace() {
        return;
    }
    let (view, pid) = traced_view(&["--view", "allocated", "--by", "thread"]);
    let threads = own(&view);
    let main = format!("thread {pid} (the main one)");
    assert_eq!((threads.len(), threads[&main]), (2, (98_656, 98)), "{threads:?}");
    assert!(threads.values().any(|worker| *worker == (12_000, 18)), "{threads:?}");
    let (sizes, _) = traced_view(&["--view", "leaks", "--by", "size-class"]);
    let expected = [
        ("512 B to 1,023 B", 9072, 12),
        ("128 B to 255 B", 3000, 15),
        ("2,048 B to 4,095 B", 9000, 3),
    ];
    assert_eq!(own(&sizes), rows(&expected));
}

/// One line for each function that changed: bytes and blocks.
#[track_caller]
fn changes(line: &str) -> BTreeMap<String, (i64, i64)> {
    let diff: Value = serde_json::from_str(line).unwrap();
    assert_eq!(diff["schema"], "memtrace.diff/1");
    let all = diff["differences"].as_array().unwrap().iter();
    let change = all.map(|one| {
        let name = one["frames"][0]["function"].as_str().unwrap().to_owned();
        let figure = |name: &str| one[name].as_i64().unwrap();
        (name, (figure("bytes_difference"), figure("blocks_difference")))
    });
    change.filter(|(_, change)| *change != (0, 0)).collect()
}

#[test]
fn a_live_run_shows_growth_from_report_to_report() {
    if !may_trace() {
        return;
    }
    let of = |all: &[(&str, i64, i64)]| -> BTreeMap<String, (i64, i64)> {
        all.iter().map(|(name, bytes, blocks)| ((*name).to_owned(), (*bytes, *blocks))).collect()
    };
    let (text, _) = traced(&["--view", "growth", "--by", "function"]);
    let whole = [("held", 6000, 6), ("elsewhere", 12_000, 18), ("late", 3072, 6)];
    assert_eq!(changes(&text), of(&whole));
    // A report is asked for between the phases: it is since the beginning, the last one since then.
    let mut program = Program::start("views", &[]);
    let folder = tempfile::tempdir().unwrap();
    let (file, socket) = (folder.path().join("growth"), folder.path().join("control"));
    let control = socket.to_str().unwrap();
    let usual = ["--exact", "-i", "0", "-f", "json", "-o", file.to_str().unwrap()];
    let view = ["--view", "growth", "--by", "function", "--control", control];
    let tracer = Tracer::typed(&[&program], &[&usual[..], &view[..]].concat());
    program.tell();
    program.wait_for("phase 1");
    let asked = Command::new(MEMTRACE)
        .args(["ctl", "--control", control, "report"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(asked.status.success(), "{asked:?}");
    wait_until("the report that was asked for", || {
        std::fs::read_to_string(&file).ok().filter(|text| text.ends_with('\n'))
    });
    program.work();
    let run = tracer.stop();
    assert_eq!(run.status.code(), Some(0), "{:#?}", run.messages);
    assert!(program.end().success());
    let text = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<_> = text.lines().map(changes).collect();
    let first = of(&[("held", 10_000, 10), ("elsewhere", 3000, 15)]);
    let second = of(&[("held", -4000, -4), ("elsewhere", 9000, 3), ("late", 3072, 6)]);
    assert_eq!(lines, [first, second]);
}
