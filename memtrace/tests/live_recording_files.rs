//! Recordings whose files may become so large only: they end there, or go on in others, each readable by itself.
#![cfg(feature = "live")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use support::may_trace;
use support::program::Program;
use support::recording::{report, text};
use support::report::{Account, Accounts, Report};
use support::tracer::{Run, Tracer};

const LIMIT: u64 = 64 << 10;

/// The last report that can be made of a file, and how that ended.
fn last_of(recording: &Path) -> (Report, Option<i32>) {
    let made = report(recording, &["-f", "json", "--top", "0", "--min-age", "0"]);
    let line = text(&made.stdout).lines().next();
    (Report::read(line.unwrap_or_else(|| panic!("{made:?}"))), made.status.code())
}

/// Traces a program that turns many blocks over, of which it keeps 100.
fn traced(folder: &Path, options: &[&str]) -> (Run, Accounts, u32, PathBuf) {
    traced_with(folder, LIMIT, ["200000", "100"], options)
}

/// As many blocks as `turns` says, of which it keeps as many as it says then.
fn traced_with(
    folder: &Path,
    limit: u64,
    turns: [&str; 2],
    options: &[&str],
) -> (Run, Accounts, u32, PathBuf) {
    let recording = folder.join("run.mtrace");
    let mut program = Program::start("turns", &turns);
    let limit = limit.to_string();
    let record = ["--record", recording.to_str().unwrap(), "--record-limit", &limit];
    let tracer = Tracer::with(&[&program], &[record.as_slice(), options].concat());
    let accounts = program.work();
    let run = tracer.stop();
    let pid = program.pid();
    assert!(program.end().success());
    (run, accounts, pid, recording)
}

/// The files of a recording that are there, in order.
fn files(first: &Path) -> Vec<PathBuf> {
    let name = |number: usize| match number {
        0 => first.to_owned(),
        number => first.with_extension(format!("{number}.mtrace")),
    };
    let there: Vec<PathBuf> = (0..1000).map(name).filter(|path| path.exists()).collect();
    let all = fs::read_dir(first.parent().unwrap()).unwrap().count();
    assert_eq!(there.len(), all, "a file with another name");
    there
}

fn size(path: &Path) -> u64 {
    path.metadata().unwrap().len()
}

#[test]
fn a_full_file_ends_the_recording_and_not_the_run() {
    if !may_trace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (run, accounts, pid, recording) = traced(folder.path(), &[]);
    assert_eq!(run.status.code(), Some(0), "{:#?}", run.messages);
    let live = &run.reports[0];
    live.process(pid).assert_exactly(&accounts);
    let said = run.messages.iter().filter(|line| line.contains("is recorded no further"));
    assert_eq!(said.count(), 1, "{:#?}", run.messages);
    assert!(
        live.0["tracer"]["notes"].to_string().contains("is recorded no further"),
        "{}",
        live.0["tracer"]
    );
    assert_eq!(files(&recording), std::slice::from_ref(&recording));
    assert!(size(&recording) <= LIMIT && size(&recording) > LIMIT / 2, "{}", size(&recording));
    let (kept, status) = last_of(&recording);
    assert_eq!(status, Some(3));
    let blocks = kept.process(pid).heap("allocated_blocks");
    assert!(blocks > 1000 && blocks < accounts.all.allocated_blocks, "{blocks}");
    let info = report(&recording, &["--info"]);
    assert_eq!(info.status.code(), Some(3));
    assert!(text(&info.stdout).starts_with("state      full"), "{}", text(&info.stdout));
}

#[test]
fn all_files_together_have_each_event_once_and_each_begins_with_what_lives() {
    if !may_trace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (run, accounts, pid, recording) = traced(folder.path(), &["--record-files", "1000"]);
    assert_eq!(run.status.code(), Some(0), "{:#?}", run.messages);
    run.reports[0].process(pid).assert_exactly(&accounts);
    assert_that_files_add_up(&recording, LIMIT, pid, &accounts);
}

/// While a file begins with what lives, more comes through the ring than is read at one look: all of it is in a file.
#[test]
fn what_happens_while_a_file_begins_is_in_it() {
    if !may_trace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let limit = 512 << 10;
    let turns = ["800000", "20000"];
    let (run, accounts, pid, recording) =
        traced_with(folder.path(), limit, turns, &["--record-files", "1000"]);
    assert_eq!(run.status.code(), Some(0), "{:#?}", run.messages);
    run.reports[0].process(pid).assert_exactly(&accounts);
    assert_that_files_add_up(&recording, limit, pid, &accounts);
}

/// Each file has what lives when it begins, and all that happened is in one of them.
fn assert_that_files_add_up(recording: &Path, limit: u64, pid: u32, accounts: &Accounts) {
    let files = files(recording);
    assert!(files.len() > 2, "{files:?}");
    let mut sum = Account::default();
    let mut live = (0, 0);
    for (number, file) in files.iter().enumerate() {
        assert!(size(file) <= limit, "{file:?} has {} bytes", size(file));
        let (part, status) = last_of(file);
        let is_last = number + 1 == files.len();
        assert_eq!(status, Some(if is_last { 0 } else { 3 }), "{file:?}");
        part.assert_nothing_lost();
        let process = part.process(pid);
        // It begins with what the one before ended with.
        let account = Account::of(|key| process.heap(key));
        let inherited = (
            account.live_blocks + account.freed_blocks - account.allocated_blocks,
            account.live_bytes + account.freed_bytes - account.allocated_bytes,
        );
        assert_eq!(inherited, live, "{file:?}");
        for key in ["unknown_frees", "missed_frees", "failed"] {
            assert_eq!(process.heap(key), 0, "{key}, {file:?}");
        }
        live = (account.live_blocks, account.live_bytes);
        sum = Account {
            allocated_blocks: sum.allocated_blocks + account.allocated_blocks,
            allocated_bytes: sum.allocated_bytes + account.allocated_bytes,
            freed_blocks: sum.freed_blocks + account.freed_blocks,
            freed_bytes: sum.freed_bytes + account.freed_bytes,
            ..account
        };
        let notes = part.0["tracer"]["notes"].to_string();
        assert_eq!(notes.contains("goes on where the one before ended"), number > 0, "{notes}");
        let info = report(file, &["--info"]);
        assert_eq!(text(&info.stdout).contains("\ncontinues  file "), number > 0);
        // Its stacks have names.
        assert!(!process.stacks_of("turn").is_empty(), "{file:?}");
    }
    assert_eq!(sum, accounts.all);
}

#[test]
fn of_many_files_the_latest_are_kept() {
    if !may_trace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (run, accounts, pid, recording) = traced(folder.path(), &["--record-files", "2"]);
    assert_eq!(run.status.code(), Some(0), "{:#?}", run.messages);
    let files = files(&recording);
    assert_eq!(files.len(), 2, "{files:?}");
    assert_ne!(files[0], recording, "the first has gone");
    let (last, status) = last_of(&files[1]);
    assert_eq!(status, Some(0));
    let process = last.process(pid);
    let live = (process.heap("live_blocks"), process.heap("live_bytes"));
    assert_eq!(live, (accounts.all.live_blocks, accounts.all.live_bytes));
    // Any moment of it can be shown.
    let at = report(&files[1], &["--at", "0s", "-f", "json"]);
    let at: Value = serde_json::from_slice(&at.stdout).unwrap();
    let at = |key: &str| at["processes"][0]["heap"][key].as_u64().unwrap();
    let inherited = |live: u64, freed: u64, allocated: u64| live + freed - allocated;
    let of_all = ["live_blocks", "freed_blocks", "allocated_blocks"].map(|key| process.heap(key));
    let of_it = ["live_blocks", "freed_blocks", "allocated_blocks"].map(at);
    let [begun_with, shown] =
        [of_all, of_it].map(|[live, freed, made]| inherited(live, freed, made));
    assert_eq!(shown, begun_with);
    assert!(at("allocated_blocks") + at("freed_blocks") < 10, "{of_it:?}");
}
