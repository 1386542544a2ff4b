//! A page of a live run and those of its recording, in a real browser, say what the run's JSON report says.
#![cfg(feature = "live")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod browser;
mod support;

use browser::Browser;
use std::path::Path;
use std::process::{Command, Stdio};
use support::may_trace;
use support::program::Program;
use support::report::Report;
use support::tracer::Tracer;

/// The bytes and blocks that a page shows of a view: `live: 5.86 KiB (6,000 B), 60 blocks`, or `live: 60 B, 1 blocks`.
#[track_caller]
fn shown(browser: &mut Browser, page: &Path, fragment: &str) -> (u64, u64) {
    browser.open(page, fragment);
    let text = browser.text("shown");
    let number = |text: &str| text.replace(',', "").parse::<u64>().unwrap();
    let (bytes, blocks) = text.rsplit_once(" B").unwrap_or_else(|| panic!("{fragment}: {text}"));
    let bytes = bytes.rsplit([' ', '(']).next().unwrap();
    let blocks = blocks.rsplit_once(", ").unwrap().1.split(' ').next().unwrap();
    (number(bytes), number(blocks))
}

fn report(recording: &Path, words: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_memtrace"));
    let output = command.arg("report").arg(recording).args(words).stdin(Stdio::null()).output();
    let output = output.unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), &*errors), (Some(0), ""), "{words:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn pages_say_what_json_says_and_windows_add_up() {
    if !may_trace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let (live, recording, recorded) = (file("live.html"), file("run.mtrace"), file("all.html"));
    let mut program = Program::start("grows", &["60", "4000", "20"]);
    let pid = program.pid();
    let options = ["--exact", "-i", "0", "--record", recording.to_str().unwrap(), "-o"];
    let tracer = Tracer::typed(&[&program], &[&options[..], &[live.to_str().unwrap()]].concat());
    let accounts = program.work();
    let run = tracer.stop();
    assert_eq!(run.status.code(), Some(0), "{:#?}", run.messages);
    assert!(program.end().success());
    let json = report(&recording, &["-f", "json", "--top", "0", "--min-age", "0"]);
    let json = Report::read(json.trim_end());
    json.assert_nothing_lost();
    let process = json.process(pid);
    process.assert_exactly(&accounts);
    let heap = |what: &str| {
        (process.heap(&format!("{what}_bytes")), process.heap(&format!("{what}_blocks")))
    };
    assert!(heap("live").0 >= 240_000 && heap("allocated").1 >= 60);
    report(&recording, &["-o", recorded.to_str().unwrap(), "--by", "thread"]);

    let mut browser = Browser::start();
    browser.resize(1200, 800);
    for page in [&live, &recorded] {
        for view in ["live", "allocated"] {
            let fragment = format!("#view={view}");
            assert_eq!(shown(&mut browser, page, &fragment), heap(view), "{view} of {page:?}");
        }
    }
    browser.picture("live");
    let data = "JSON.parse(document.getElementById('data').textContent)";
    browser.open(&live, "");
    assert_eq!(browser.value(&format!("{data}.timeline.ends.length")), 0);
    let points = browser.value(&format!("{data}.processes[0].memory.heap"));
    let points = points.as_array().unwrap();
    assert!(points.len() > 2, "a mark comes twice a second: {points:?}");
    assert_eq!(points.last().unwrap().as_u64(), Some(heap("live").0));

    browser.open(&recorded, "");
    let threads = "[...document.getElementById('thread').options].map((it) => it.value).join()";
    assert_eq!(browser.value(threads), format!("-1,{pid}"), "it has one thread");
    browser.picture("recorded");
    let ends = browser.value(&format!("{data}.timeline.ends.length")).as_u64().unwrap();
    assert!((2..=33).contains(&ends), "{ends} parts");
    assert_windows_add_up(&mut browser, &recorded, ends, heap("allocated"), heap("live").0);
    browser.assert_clean();
}

/// What was done in all parts of the run is what was done, and what lived at the end of the last is what lives.
#[track_caller]
fn assert_windows_add_up(
    browser: &mut Browser,
    page: &Path,
    ends: u64,
    allocated: (u64, u64),
    live: u64,
) {
    let (mut sum, mut busy, mut last) = ((0, 0), 0, 0);
    for part in 0..ends {
        let window = format!("#from={part}&to={}", part + 1);
        let alive = shown(browser, page, &window).0;
        assert!(alive >= last, "nothing is freed");
        last = alive;
        let views = "[...document.getElementById('view').options].map((it) => it.value).join()";
        if browser.value(views).as_str().unwrap().contains("allocated") {
            let (bytes, blocks) = shown(browser, page, &format!("{window}&view=allocated"));
            sum = (sum.0 + bytes, sum.1 + blocks);
            busy += 1;
        }
    }
    assert_eq!((sum, last), (allocated, live));
    assert!(busy > 2, "the program took more than a second");
}
