//! Watch and zoom: what grows is looked at and named, nothing else is probed, and probes go again.
#![cfg(feature = "live")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use support::program::{Program, compiled};
use support::report::{Report, number};
use support::tracer::Tracer;
use support::{may_trace, patience, wait_until};

/// As fast as it goes, and growth that noise does not make.
const WATCHING: [&str; 10] = [
    "--tier",
    "watch",
    "--watch-pace",
    "1s",
    "--watch-growth",
    "200KiB/s",
    "--interval",
    "0",
    "--format",
    "json",
];

/// Copies of the C program under names that nothing else on this machine has, with a libc of their own.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// What the names of all begin with.
    fn prefix() -> String {
        format!("mz{}", std::process::id())
    }

    fn start(&self, how: &str) -> Program {
        let file: PathBuf = self.0.path().join(format!("{}{how}", Self::prefix()));
        fs::copy(compiled("zoom"), &file).unwrap();
        let mut program = Program::start_file_with_libc(&file, &[how], self.0.path());
        program.tell();
        program
    }
}

fn watch<'a>(report: &'a Report, program: &Program) -> &'a Value {
    let watch = &report.process(program.pid()).0["watch"];
    assert!(watch.is_object(), "it is not watched: {report:?}", report = report.0);
    watch
}

fn looks<'a>(report: &'a Report, program: &Program) -> &'a [Value] {
    watch(report, program)["looks"].as_array().unwrap()
}

/// Asks for reports until one is as wanted. To know that something grows takes 19 paces, and noise may take as
/// many.
fn wait_for(tracer: &mut Tracer, what: &str, wanted: impl Fn(&Report) -> bool) -> Report {
    let begin = Instant::now();
    loop {
        tracer.signal(libc::SIGUSR1);
        let report = tracer.report();
        if wanted(&report) {
            return report;
        }
        let watched = &report.0["processes"];
        let limit = patience(Duration::from_secs(60));
        assert!(begin.elapsed() < limit, "waited in vain for {what}: {watched:#}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Of three programs one leaks: it alone is looked at, the function that leaks is named, and afterwards no probe
/// is left, until the next look.
#[test]
fn what_leaks_is_looked_at_and_named_and_let_alone_again() {
    if !may_trace() {
        return;
    }
    let folder = Folder::new();
    let [steady, saw, leak] = ["steady", "saw", "leak"].map(|how| folder.start(how));
    let code = leak.libc_code();
    let selected = format!("{}*", Folder::prefix());
    let mut tracer = Tracer::typed(&[], &[&WATCHING[..], &["--comm", &selected]].concat());
    assert!(leak.libc_code() == code, "a probe where nothing has grown yet");
    let others_are_let_alone = |report: &Report| {
        for program in [&steady, &saw] {
            assert_eq!(looks(report, program), [Value::Null; 0], "not the one that leaks");
            assert!(program.libc_code() == code, "a probe in one that does not leak");
        }
    };
    let looking =
        wait_for(&mut tracer, "a look", |report| watch(report, &leak)["state"] == "looking");
    others_are_let_alone(&looking);
    let found =
        wait_for(&mut tracer, "its end", |report| watch(report, &leak)["state"] == "resting");
    others_are_let_alone(&found);
    let [look] = looks(&found, &leak) else { panic!("{:#}", watch(&found, &leak)) };
    assert_eq!(look["outcome"], "heap", "{look:#}");
    let [stack] = &look["stacks"].as_array().unwrap()[..] else { panic!("{look:#}") };
    assert_eq!(stack["function"], "malloc");
    let names: Vec<&str> = stack["frames"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|frame| frame["function"].as_str())
        .collect();
    assert!(names.contains(&"leak") && !names.contains(&"churn"), "{names:?}");
    let rate = stack["bytes_per_s"].as_f64().unwrap();
    assert!(stack["bytes_per_s_ci95"][0].as_f64().unwrap() > 0.0 && rate > 1e5, "{stack:#}");
    assert!(number(&look["hits"]) > 0 && look["cost_is_shared"] == false, "{look:#}");
    assert!(watch(&found, &leak)["growing"].is_object(), "{:#}", watch(&found, &leak));
    assert_eq!(number(&found.0["tracer"]["watch"]["looks"]), 1);
    wait_until("the code as it was", || (leak.libc_code() == code).then_some(()));
    // It leaks on, and is looked at again, later.
    let again = wait_for(&mut tracer, "another look", |report| looks(report, &leak).len() == 2);
    let [first, second] = looks(&again, &leak) else { panic!("{:#}", watch(&again, &leak)) };
    let apart = first["age_s"].as_f64().unwrap() - second["age_s"].as_f64().unwrap();
    // The pause is twelve paces long.
    assert!(apart >= 12.0 + first["lasted_s"].as_f64().unwrap(), "{apart}: {first:#} {second:#}");
    others_are_let_alone(&again);
    let run = tracer.stop();
    assert_eq!(run.status.code(), Some(0), "{:#?}", run.messages);
    wait_until("the code as it was", || (leak.libc_code() == code).then_some(()));
}
