//! Runs that are recorded, and what is made of their recordings.

use super::program::Program;
use super::report::number;
use super::tracer::Tracer;
use super::wait_until;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

/// A fixture with its arguments, the form of its report, and options of tracing.
pub type Traced = (&'static str, &'static [&'static str], &'static str, &'static [&'static str]);

/// Runs of many kinds, whose reports are to be those of their recordings. (A page of a recording is none of them: it has
/// more by time than a run keeps, and says so.)
pub const RUNS: [Traced; 10] = [
    ("grows", &["7", "100"], "text", &["--exact"]),
    ("stacks", &[], "json", &["--exact", "--top", "0", "--min-age", "0"]),
    (
        "grows",
        &["2000", "100"],
        "json",
        &["--sample-interval", "512", "--top", "0", "--min-age", "0"],
    ),
    ("touches", &[], "json", &["--tier", "pages", "--exact", "--top", "0"]),
    ("touches", &["flood"], "json", &["--tier", "pages", "--top", "0"]),
    ("grows", &["50", "100"], "json", &["--window", "300ms/600ms", "--top", "0", "--min-age", "0"]),
    ("stacks", &[], "stats", &["--exact"]),
    ("stacks", &[], "csv", &["--exact", "--top", "0"]),
    ("stacks", &[], "folded", &["--exact"]),
    ("stacks", &[], "svg", &["--exact"]),
];

/// `memtrace report` of a recording.
pub fn report(recording: &Path, options: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_memtrace"));
    command.arg("report").arg(recording).args(options).stdin(Stdio::null()).output().unwrap()
}

/// What a program wrote.
pub fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Kills a run that traces `grows`, once there are its seven blocks in a report of what was recorded until then, and looks
/// at what is left of it. `options` are those of recording.
pub fn killed(folder: &Path, options: &[&str], rest: Duration) -> PathBuf {
    let recording = folder.join("run.mtrace");
    let mut program = Program::start("grows", &["7", "100"]);
    let path = recording.to_str().unwrap();
    let all = [&["--record", path, "--exact", "-i", "0", "-f", "json"], options].concat();
    let tracer = Tracer::typed(&[&program], &all);
    program.work();
    wait_until("what was recorded", || {
        let replayed = report(&recording, &["-f", "json"]);
        let read: Value = serde_json::from_slice(&replayed.stdout).ok()?;
        (number(&read["processes"][0]["heap"]["allocated_blocks"]) >= 7).then_some(())
    });
    std::thread::sleep(rest);
    tracer.signal(libc::SIGKILL);
    drop(tracer);
    assert!(program.end().success());
    let replayed = report(&recording, &["-f", "json"]);
    assert_eq!(replayed.status.code(), Some(3));
    assert!(text(&replayed.stderr).contains("ends before its run did"), "{replayed:?}");
    let info = report(&recording, &["--info"]);
    assert_eq!(info.status.code(), Some(3));
    assert!(text(&info.stdout).starts_with("state      cut off"), "{}", text(&info.stdout));
    recording
}

/// Traces `program` through its work, and for as long as it is to `rest` then; reports go to a file. Gives reports and
/// recording.
pub fn traced(
    folder: &Path,
    program: &mut Program,
    options: &[&str],
    rest: Duration,
) -> (String, PathBuf) {
    let (output, recording) = (folder.join("live"), folder.join("run.mtrace"));
    let mut all = vec!["--record", recording.to_str().unwrap()];
    all.extend(["--output", output.to_str().unwrap()].iter().chain(options));
    let tracer = Tracer::typed(&[program], &all);
    program.work();
    std::thread::sleep(rest);
    let run = tracer.stop();
    assert_eq!(run.status.code(), Some(0), "{:#?}", run.messages);
    (fs::read_to_string(output).unwrap(), recording)
}
