//! A report of a recording is the report of the run, byte for byte; and what is left when memtrace is killed.
#![cfg(feature = "live")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use support::may_trace;
use support::program::Program;
use support::recording::{RUNS, killed, report, text};
use support::report::number;
use support::tracer::Tracer;

const MEMTRACE: &str = env!("CARGO_BIN_EXE_memtrace");

/// Traced without reports on the way.
fn traced(folder: &Path, program: &mut Program, form: &str, options: &[&str]) -> (String, PathBuf) {
    let all = [&["--interval", "0", "--format", form], options].concat();
    support::recording::traced(folder, program, &all, Duration::ZERO)
}

#[test]
fn reports_of_recordings_are_those_of_the_runs() {
    if !may_trace() {
        return;
    }
    for run in RUNS {
        println!("{run:?}");
        let (fixture, arguments, form, options) = run;
        let folder = tempfile::tempdir().unwrap();
        let mut program = Program::start(fixture, arguments);
        let (live, recording) = traced(folder.path(), &mut program, form, options);
        // Of forms that cannot follow each other there is the last report alone: here, the only one.
        let all: &[&str] = if ["text", "json"].contains(&form) { &["--all"] } else { &[] };
        let replayed = report(&recording, &[all, &["--format", form]].concat());
        assert_eq!(replayed.status.code(), Some(0), "{}", text(&replayed.stderr));
        assert_eq!(text(&replayed.stderr), "");
        assert!(!live.is_empty());
        assert_eq!(text(&replayed.stdout), live);
        assert!(program.end().success());
    }
}

/// Several processes at once, whose events come in between each other.
#[test]
fn so_is_that_of_several_processes() {
    if !may_trace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (output, recording) = (folder.path().join("live"), folder.path().join("run.mtrace"));
    let mut programs = ["7", "30", "500"].map(|blocks| Program::start("grows", &[blocks, "100"]));
    let files = ["--record", recording.to_str().unwrap(), "--output", output.to_str().unwrap()];
    let options = ["--exact", "-i", "200ms", "-f", "json", "--top", "0", "--min-age", "0"];
    let tracer = Tracer::typed(&programs.each_ref(), &[files.as_slice(), &options].concat());
    for program in &mut programs {
        program.work();
        // For a report on the way.
        std::thread::sleep(Duration::from_millis(300));
    }
    let run = tracer.stop();
    assert_eq!(run.status.code(), Some(0), "{:#?}", run.messages);
    let replayed = report(&recording, &["--all", "-f", "json"]);
    assert_eq!(replayed.status.code(), Some(0), "{}", text(&replayed.stderr));
    let live = fs::read_to_string(&output).unwrap();
    assert!(live.lines().count() > 1, "{}", live.lines().count());
    for (live, replayed) in live.lines().zip(text(&replayed.stdout).lines()) {
        assert_eq!(live, replayed);
    }
    assert_eq!(live.len(), replayed.stdout.len());
    let last: Value = serde_json::from_str(live.lines().last().unwrap()).unwrap();
    assert_eq!(last["processes"].as_array().unwrap().len(), 3);
    assert!(programs.into_iter().all(|program| program.end().success()));
}

/// A small disk in memory. It is let go when dropped.
struct Disk(tempfile::TempDir);

impl Disk {
    fn of(kilobytes: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let size = format!("size={kilobytes}k");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &size, "memtrace-test"]).arg(folder.path());
        assert!(mount.status().unwrap().success());
        Self(folder)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Else it stays until the machine is started anew, which harms nobody.
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}

/// A full disk ends the recording, which is good up to then, and not the run.
#[test]
fn a_full_disk_leaves_what_was_recorded_before() {
    if !may_trace() {
        return;
    }
    let disk = Disk::of(256);
    let recording = disk.0.path().join("run.mtrace");
    let mut program = Program::start("turns", &["400000", "100"]);
    let path = recording.to_str().unwrap();
    let tracer = Tracer::with(&[&program], &["--record", path]);
    let accounts = program.work();
    let pid = program.pid();
    let run = tracer.stop();
    let said = run.messages.iter().filter(|line| line.contains("No space left")).count();
    assert_eq!(said, 1, "{:#?}", run.messages);
    run.reports[0].process(pid).assert_exactly(&accounts);
    assert!(run.status.code().is_some_and(|code| code != 101), "{:?}", run.status);
    let kept = report(&recording, &["-f", "json"]);
    assert_eq!(kept.status.code(), Some(3), "{}", text(&kept.stderr));
    let kept: Value = serde_json::from_slice(&kept.stdout).unwrap();
    let blocks = number(&kept["processes"][0]["heap"]["allocated_blocks"]);
    assert!(blocks > 1000 && blocks < accounts.all.allocated_blocks, "{blocks}");
    assert!(program.end().success());
}

/// The map of names goes with its process: the recording has what reports said.
#[track_caller]
fn assert_same_when_it_has_gone(arguments: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let mut program = Program::start("jit", arguments);
    let options = ["--exact", "--top", "0", "--min-age", "0"];
    let (live, recording) = traced(folder.path(), &mut program, "json", &options);
    let map = PathBuf::from(format!("/tmp/perf-{}.map", program.pid()));
    assert!(program.end().success());
    // Whether the program left it there or not.
    let _ = fs::remove_file(map);
    let is_named = live.contains("generated_on_the_way");
    assert_eq!(is_named, arguments.is_empty(), "{live}");
    let replayed = report(&recording, &["--all", "--format", "json"]);
    assert_eq!(replayed.status.code(), Some(0), "{}", text(&replayed.stderr));
    assert_eq!(text(&replayed.stdout), live);
    let at_end = report(&recording, &["--at", "0s", "--format", "json", "--top", "0"]);
    assert_eq!(at_end.status.code(), Some(0), "{}", text(&at_end.stderr));
}

#[test]
fn names_of_generated_code_are_kept() {
    if may_trace() {
        assert_same_when_it_has_gone(&[]);
    }
}

#[test]
fn that_there_was_no_name_is_kept() {
    if may_trace() {
        assert_same_when_it_has_gone(&["foreign"]);
    }
}

#[test]
fn what_a_killed_memtrace_recorded_is_there() {
    if !may_trace() {
        return;
    }
    // A checkpoint is made each second.
    let folder = tempfile::tempdir().unwrap();
    killed(folder.path(), &[], Duration::ZERO);
}

/// It has no last report, as there was nobody to make it for.
#[test]
fn a_run_whose_reader_went_away_leaves_a_whole_recording() {
    if !may_trace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let recording = folder.path().join("run.mtrace");
    let mut program = Program::start("grows", &["7", "100"]);
    program.work();
    let run = "timeout -s INT 60 \"$1\" --pid \"$2\" --record \"$3\" -i 200ms -f json --exact | head -n 1";
    let mut shell = Command::new("sh");
    shell.args(["-c", run, "sh", MEMTRACE, &program.pid().to_string()]);
    let output = shell.arg(&recording).stdin(Stdio::null()).output().unwrap();
    assert!(output.stdout.starts_with(b"{"), "{output:?}");
    let info = report(&recording, &["--info"]);
    assert!(text(&info.stdout).starts_with("state      whole\n"), "{}", text(&info.stdout));
    assert!(program.end().success());
}

#[test]
fn a_command_that_was_started_is_recorded_from_its_first_instruction() {
    if !may_trace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (output, recording) = (folder.path().join("live"), folder.path().join("run.mtrace"));
    let mut command = Command::new(MEMTRACE);
    command.arg("run").arg("--record").arg(&recording).arg("-f").arg("json").arg("-o").arg(&output);
    let run = command.args(["--", "ls", "/"]).stdin(Stdio::null()).output().unwrap();
    assert_eq!(run.status.code(), Some(0), "{}", text(&run.stderr));
    let replayed = report(&recording, &["-f", "json"]);
    assert_eq!(text(&replayed.stdout), fs::read_to_string(&output).unwrap());
    // A recording is never written over.
    let again = Command::new(MEMTRACE)
        .args(["run", "--record"])
        .arg(&recording)
        .args(["--", "true"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(again.status.code(), Some(125));
    assert!(text(&again.stderr).contains("exists already"), "{}", text(&again.stderr));
    let info = report(&recording, &["--info"]);
    assert_eq!(info.status.code(), Some(0));
    assert!(text(&info.stdout).starts_with("state      whole\n"), "{}", text(&info.stdout));
}

/// One run in all forms that other programs read, each chosen by the file's name: all have the same sum.
#[test]
fn a_name_chooses_the_form_and_all_forms_have_the_same_sum() {
    if !may_trace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut program = Program::start("two_sizes", &[]);
    let (_, recording) = traced(folder.path(), &mut program, "text", &["--exact"]);
    assert!(program.end().success());
    let written = |name: &str| {
        let file = folder.path().join(name);
        let replayed = report(&recording, &["-o", file.to_str().unwrap()]);
        assert_eq!(replayed.status.code(), Some(0), "{name}: {}", text(&replayed.stderr));
        fs::read_to_string(file).unwrap()
    };
    let json = |name: &str| serde_json::from_str::<Value>(&written(name)).unwrap();
    let live = number(&json("heap.json")["processes"][0]["heap"]["live_bytes"]);
    assert!(live >= 6400 + 40960, "{live}");
    let sum = |weights: &Value| -> i64 {
        weights.as_array().unwrap().iter().map(|it| it.as_i64().unwrap()).sum()
    };
    let live = i64::try_from(live).unwrap();
    assert_eq!(sum(&json("heap.speedscope.json")["profiles"][0]["weights"]), live);
    assert_eq!(sum(&json("heap.firefox.json")["threads"][0]["nativeAllocations"]["weight"]), live);
    let folded = written("heap.folded");
    let bytes = folded.lines().map(|line| line.rsplit_once(' ').unwrap().1.parse::<i64>().unwrap());
    assert_eq!(bytes.sum::<i64>(), live);
    let csv = written("heap.csv");
    let mut lines = csv.lines();
    let column = lines.next().unwrap().split(',').position(|name| name == "live_bytes").unwrap();
    // What is quoted is no figure: without it the commas are those between cells.
    let bytes = lines.map(|line| {
        let plain: String = line.split('"').step_by(2).collect();
        let cell = plain.split(',').nth(column).unwrap().to_owned();
        if cell.is_empty() { 0 } else { cell.parse::<i64>().unwrap() }
    });
    assert_eq!(bytes.sum::<i64>(), live);
    assert_eq!(written("heap.csv"), csv, "a table is replaced, as a second one cannot follow it");
}
