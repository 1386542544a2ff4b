//! Snapshots of a made-up program, written and read.

use super::{Kept, Plan, Shot, SnapshotFile, SnapshotWriter, Snapshots};
use crate::engine::limits::Limits;
use crate::engine::snapshot::{Snapshot, SnapshotOptions};
use crate::engine::tracker::Tracker;
use crate::model::event::{Event, What};
use crate::model::ids::{Nanos, ProcessKey};
use crate::model::mark::MarkName;
use crate::recording::{Ending, Learnt, Name, Names, Reader, RecordingError};
use proptest::prelude::*;
use serde_json::Value;
use std::ffi::CString;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

/// What a program may do between two snapshots.
mod program;

pub(super) use program::Program;

fn plan(limit: u64) -> Plan {
    Plan { every: 1_000_000_000, limit, ..Plan::default() }
}

fn written(shots: &[Shot]) -> Vec<u8> {
    let mut writer = SnapshotWriter::new(Vec::new(), 7, &plan(u64::MAX)).unwrap();
    shots.iter().for_each(|shot| writer.push(shot).unwrap());
    writer.finish().unwrap()
}

fn read(bytes: &[u8]) -> (Vec<Shot>, Result<Option<Ending>, RecordingError>) {
    let mut shots = Vec::new();
    let reader = match Reader::new(bytes).and_then(Snapshots::new) {
        Ok(reader) => reader,
        Err(error) => return (shots, Err(error)),
    };
    let mut reader = reader;
    loop {
        match reader.advance() {
            Ok(true) => match reader.shot() {
                Ok(shot) => shots.push(shot),
                Err(error) => return (shots, Err(error)),
            },
            Ok(false) => return (shots, Ok(reader.ending())),
            Err(error) => return (shots, Err(error)),
        }
    }
}

/// All of it but slices, which are not kept.
fn same(a: &Shot, b: &Shot) -> bool {
    let all = |shot: &Shot| {
        let mut snapshot = Snapshot::clone(&shot.snapshot);
        snapshot.processes.iter_mut().for_each(|process| process.slices.clear());
        format!("{snapshot:?}")
    };
    let about = |shot: &Shot| (shot.facts.clone(), shot.is_final, shot.is_report, shot.is_mark);
    about(a) == about(b) && all(a) == all(b)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_run_comes_back(
        steps in prop::collection::vec((0_u8..12, any::<u16>()), 0..400),
        every in 1_usize..60,
    ) {
        let mut program = Program::new();
        let mut shots = vec![program.shot()];
        for (number, (what, with)) in steps.into_iter().enumerate() {
            program.step(what, with);
            if number % every == 0 {
                shots.push(program.shot());
            }
        }
        let (found, ending) = read(&written(&shots));
        prop_assert_eq!(ending.unwrap(), Some(Ending::Whole));
        prop_assert_eq!(found.len(), shots.len());
        for (found, shot) in found.iter().zip(&shots) {
            prop_assert!(same(found, shot));
        }
    }
}

#[test]
fn a_file_cut_anywhere_has_the_snapshots_before() {
    let shots = Program::run(3, 15);
    let bytes = written(&shots);
    let mut counts = vec![0];
    for length in 24..=bytes.len() {
        let (found, ending) = read(&bytes[..length]);
        let whole = if length == bytes.len() { Ending::Whole } else { Ending::Cut };
        assert_eq!(ending.unwrap(), Some(whole), "cut at {length}");
        // Comparing all takes long, and they come whole or not at all.
        if counts.last() != Some(&found.len()) {
            assert!(found.iter().zip(&shots).all(|(found, shot)| same(found, shot)), "{length}");
            counts.push(found.len());
        }
    }
    assert_eq!(counts, [0, 1, 2, 3]);
}

#[test]
fn a_byte_that_changed_is_found() {
    let shots = Program::run(2, 15);
    let bytes = written(&shots);
    for place in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[place] ^= 0x10;
        let (found, ending) = read(&changed);
        let times = |shots: &[Shot]| shots.iter().map(|it| it.snapshot.time).collect::<Vec<_>>();
        assert!(times(&shots).starts_with(&times(&found)), "at {place}");
        // A length that is larger than the file looks as if it was cut there.
        assert!(!matches!(ending, Ok(Some(Ending::Whole))), "at {place}");
    }
}

#[test]
fn what_has_not_changed_takes_next_to_nothing() {
    let mut program = Program::new();
    for number in 0..2000 {
        program.step(0, number * 7);
        program.wait(5);
    }
    let first = program.shot();
    let mut writer = SnapshotWriter::new(Vec::new(), 7, &plan(u64::MAX)).unwrap();
    writer.push(&first).unwrap();
    let (whole, stacks) = (writer.written(), first.snapshot.processes[0].stacks.len());
    program.step(0, 7);
    writer.push(&program.shot()).unwrap();
    let next = writer.written() - whole;
    assert!(stacks > 500, "{stacks}");
    assert!(next < whole / 20, "{next} of {whole} bytes");
}

/// A file on disk with such a limit, and all snapshots of a run that were put into it.
fn filled(limit: u64, count: usize) -> (tempfile::TempDir, Vec<u8>, Vec<Shot>, u64) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.mtrace");
    let file = File::create_new(&path).unwrap();
    let mut file = SnapshotFile::new(path.clone(), file, 7, plan(limit)).unwrap();
    let mut program = Program::new();
    let (mut shots, mut thinned) = (Vec::new(), 0);
    for number in 0..count {
        (0..5).for_each(|step| program.step(0, ((number * 5 + step) % 200) as u16));
        let mut shot = program.shot();
        if number == count / 3 {
            program.mark("deployed");
            shot = Shot { is_mark: true, ..program.shot() };
        }
        thinned += u64::from(file.push(&shot).unwrap() == Kept::Thinned);
        assert!(path.metadata().unwrap().len() <= limit);
        shots.push(shot);
    }
    assert_eq!(file.thinned().times, thinned);
    file.finish().unwrap();
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    (folder, bytes, shots, thinned)
}

#[test]
fn a_full_file_keeps_what_it_says() {
    let (_folder, bytes, shots, times) = filled(64 << 10, 400);
    assert!(bytes.len() <= 64 << 10 && times > 1, "{} bytes, thinned {times} times", bytes.len());
    let mut reader = Snapshots::new(Reader::new(&*bytes).unwrap()).unwrap();
    let thinned = reader.plan().thinned;
    let mut kept: Vec<Shot> = Vec::new();
    while reader.advance().unwrap() {
        kept.push(reader.shot().unwrap());
    }
    assert_eq!(kept.len() as u64 + thinned.dropped, shots.len() as u64);
    assert_eq!((thinned.times, thinned.dropped_marks), (times, 0));
    // Each is one that was put in, unchanged.
    let mut all = shots.iter();
    for shot in &kept {
        assert!(all.any(|it| it.snapshot.time == shot.snapshot.time && same(it, shot)));
    }
    let times_of = |shots: &[Shot]| shots.iter().map(|it| it.snapshot.time).collect::<Vec<Nanos>>();
    let (all, kept_times) = (times_of(&shots), times_of(&kept));
    assert_eq!((kept_times.first(), kept_times.last()), (all.first(), all.last()));
    assert!(kept.iter().any(|shot| shot.is_mark));
    let late: Vec<Nanos> = all.iter().copied().filter(|time| *time >= thinned.whole_from).collect();
    assert!(kept_times.ends_with(&late) && late.len() > 10, "{} latest ones", late.len());
    for time in all {
        let before = kept_times.iter().rev().find(|kept| **kept <= time).unwrap();
        assert!(time - before < thinned.spacing, "none near {time}");
    }
}

/// One that takes about as many bytes as `length`, after others: nothing in its text repeats.
fn of_size(time: Nanos, length: usize) -> Shot {
    let mut random = time.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let text = (0..length).map(|_| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        char::from(b'0' + (random % 64) as u8)
    });
    let facts = serde_json::json!({ "text": text.collect::<String>() });
    let snapshot = Arc::new(Snapshot { time, ..Snapshot::default() });
    Shot { snapshot, facts, is_final: false, is_report: true, is_mark: false }
}

/// A program that is idle for five minutes, then busy: each of the later snapshots is as large as many before.
#[test]
fn what_is_known_of_an_idle_time_stays_when_a_busy_one_fills_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.mtrace");
    let (limit, second) = (130_000, 1_000_000_000);
    let file = File::create_new(&path).unwrap();
    let mut file = SnapshotFile::new(path.clone(), file, 7, plan(limit)).unwrap();
    let mut thinned = 0;
    for number in 0..700_u64 {
        let length = if number < 300 { 5 } else { 700 };
        if file.push(&of_size(number * second, length)).unwrap() == Kept::Thinned {
            thinned += 1;
            let (size, about) = (path.metadata().unwrap().len(), file.thinned());
            assert!((limit / 2..limit).contains(&size), "{size} bytes, {about:?}");
            assert!(about.spacing <= 64 * second, "{about:?}");
        }
    }
    let about = file.thinned();
    file.finish().unwrap();
    assert!(thinned > 2, "{about:?}");
    let times: Vec<u64> = read(&std::fs::read(&path).unwrap())
        .0
        .iter()
        .map(|shot| shot.snapshot.time / second)
        .collect();
    let idle = times.iter().filter(|time| **time < 300).count() as u64;
    assert!(idle >= 300 * second / about.spacing, "{idle} of the idle time, {about:?}");
    assert!(times.windows(2).all(|pair| (pair[1] - pair[0]) * second < 2 * about.spacing));
}

/// Names of which nothing repeats.
fn names_of_size(number: u64, length: usize) -> Vec<u8> {
    let Value::String(name) = of_size(number, length).facts["text"].take() else { panic!() };
    let process = ProcessKey { pid: 7, start_time: 9 };
    let names = vec![(process, vec![(number, Name::Known(name))])];
    Learnt { time: number, names }.bytes().unwrap()
}

#[test]
fn names_stay_when_the_file_is_written_anew_and_take_no_more_than_a_quarter() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.mtrace");
    let file = File::create_new(&path).unwrap();
    let limit = 64 << 10;
    let mut file = SnapshotFile::new(path.clone(), file, 7, plan(limit)).unwrap();
    let mut names = Vec::new();
    for number in 1..400 {
        file.push(&of_size(number, 300)).unwrap();
        // Chunks of some bytes, of which the file is full at any time, and larger ones.
        let length = if number.is_multiple_of(7) { 3000 } else { 30 };
        let pushed = file.push_names(&names_of_size(number, length)).unwrap();
        assert!(path.metadata().unwrap().len() <= limit);
        names.extend(pushed.map(|_| number));
    }
    assert!(names.len() < 399 && file.names > limit / 8 && file.names <= limit / 4);
    assert_eq!(file.push_names(&names_of_size(400, 20_000)).unwrap(), None);
    let thinned = file.thinned();
    assert!(thinned.times > 3, "{thinned:?}");
    file.finish().unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let found = Names::of(Reader::new(&*bytes).unwrap());
    let process = ProcessKey { pid: 7, start_time: 9 };
    let found: Vec<u64> =
        (1..=400).filter(|number| found.at(process, *number, 0).is_some()).collect();
    assert_eq!(found, names);
    let (shots, ending) = read(&bytes);
    assert_eq!(ending.unwrap(), Some(Ending::Whole));
    assert_eq!(shots.len() as u64 + thinned.dropped, 399);
}

#[test]
fn older_snapshots_make_room_for_names_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.mtrace");
    let file = File::create_new(&path).unwrap();
    let limit = 64 << 10;
    let mut file = SnapshotFile::new(path.clone(), file, 7, plan(limit)).unwrap();
    let mut number = 0;
    while path.metadata().unwrap().len() + 3000 < limit {
        number += 1;
        assert_eq!(file.push(&of_size(number, 300)).unwrap(), Kept::Added);
    }
    assert_eq!(file.push_names(&names_of_size(1, 8000)).unwrap(), Some(Kept::Thinned));
    let thinned = file.thinned();
    file.finish().unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let names = Names::of(Reader::new(&*bytes).unwrap());
    assert!(names.at(ProcessKey { pid: 7, start_time: 9 }, 1, 0).is_some());
    assert_eq!(read(&bytes).0.len() as u64 + thinned.dropped, number);
}

#[test]
fn where_not_even_one_has_room_it_is_full() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.mtrace");
    let file = File::create_new(&path).unwrap();
    let mut file = SnapshotFile::new(path.clone(), file, 7, plan(4096)).unwrap();
    let mut program = Program::new();
    file.push(&program.shot()).unwrap();
    (0..3000).for_each(|number| program.step(0, number * 11));
    assert!(matches!(file.push(&program.shot()), Err(RecordingError::Full)));
    file.finish().unwrap();
    let (found, ending) = read(&std::fs::read(&path).unwrap());
    assert_eq!((found.len(), ending.unwrap()), (1, Some(Ending::Whole)));
}

/// Pushes until the file is full, after its name was given to something else.
fn filled_after(replace: impl Fn(&Path)) -> (tempfile::TempDir, RecordingError) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.mtrace");
    let file = File::create_new(&path).unwrap();
    let mut file = SnapshotFile::new(path.clone(), file, 7, plan(16 << 10)).unwrap();
    std::fs::remove_file(&path).unwrap();
    replace(&path);
    let error = (0..1000).find_map(|time| file.push(&of_size(time, 700)).err());
    (folder, error.unwrap())
}

#[test]
fn a_file_that_took_the_name_is_left_alone() {
    let (folder, error) = filled_after(|path| std::fs::write(path, "another").unwrap());
    assert!(error.to_string().contains("another file has its name"), "{error}");
    assert_eq!(std::fs::read(folder.path().join("run.mtrace")).unwrap(), b"another");
}

#[test]
fn neither_a_pipe_nor_a_link_in_its_place_is_waited_for_or_followed() {
    let pipe = |path: &Path| {
        let name = CString::new(path.as_os_str().as_encoded_bytes()).unwrap();
        // SAFETY: `name` is a string that ends with a zero byte.
        assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
    };
    let (_folder, error) = filled_after(pipe);
    assert!(error.to_string().contains("another file has its name"), "{error}");
    let (_folder, error) =
        filled_after(|path| std::os::unix::fs::symlink("elsewhere", path).unwrap());
    let RecordingError::Write(error) = error else { panic!("{error}") };
    assert_eq!(error.raw_os_error(), Some(libc::ELOOP));
}

#[test]
fn who_reads_events_is_told() {
    let bytes = written(&Program::run(2, 5));
    let mut reader = Reader::new(&*bytes).unwrap();
    assert!(matches!(reader.next_chunk(), Err(RecordingError::Aggregated)));
}

#[test]
fn rows_of_another_layout_are_refused_by_name() {
    let mut bytes = written(&[]);
    bytes[10] += 1;
    let error = Reader::new(&*bytes).unwrap_err().to_string();
    assert!(error.contains("format 2 with records of version 3"), "{error}");
}

impl Program {
    fn mark(&mut self, name: &str) {
        self.apply(What::Named(MarkName::new(name).unwrap()));
    }
}

#[test]
fn an_empty_snapshot_comes_back() {
    let mut tracker = Tracker::new(Limits::default());
    tracker.apply(&Event { time: 5, process: 0, thread: 0, what: What::Mark });
    let snapshot = Arc::new(tracker.snapshot(9, &SnapshotOptions::default()));
    let facts = serde_json::json!({ "a": 0.1 + 0.2, "b": ["é", null] });
    let shot = Shot { snapshot, facts, is_final: true, is_report: false, is_mark: false };
    let (found, ending) = read(&written(std::slice::from_ref(&shot)));
    assert_eq!((found.len(), ending.unwrap()), (1, Some(Ending::Whole)));
    assert!(same(&found[0], &shot));
}

/// A week with a snapshot every five minutes, of a program with some thousand stacks, or as much of its beginning as
/// takes seconds where nothing is optimised. `MEMTRACE_WHOLE_WEEK` has all of it done, and tells how it went.
#[test]
fn a_week_stays_within_its_limit_and_is_read() {
    let is_whole = std::env::var_os("MEMTRACE_WHOLE_WEEK").is_some();
    let (count, limit) = if is_whole { (7 * 24 * 12, 4 << 20) } else { (200, 1 << 20) };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("week.mtrace");
    let file = File::create_new(&path).unwrap();
    let mut file = SnapshotFile::new(path.clone(), file, 7, plan(limit)).unwrap();
    let mut program = Program::new();
    for number in 0..count {
        for step in 0..100 {
            program.step((step % 3 == 1).into(), (number * 37 + step * 11) as u16);
            program.wait(3);
        }
        file.push(&program.shot()).unwrap();
        assert!(path.metadata().unwrap().len() <= limit);
    }
    let thinned = file.thinned();
    file.finish().unwrap();
    let began = std::time::Instant::now();
    let bytes = std::fs::read(&path).unwrap();
    let mut reader = Snapshots::new(Reader::new(&*bytes).unwrap()).unwrap();
    while reader.advance().unwrap() {}
    let stacks = reader.shot().unwrap().snapshot.processes[0].stacks.len();
    let (read, took) = (reader.count(), began.elapsed());
    println!(
        "{read} snapshots of {stacks} stacks, {} bytes, read in {took:?}; {thinned:?}",
        bytes.len()
    );
    assert_eq!(read + thinned.dropped, count);
    // What is old is known of all of the run alike, and not of its beginning alone.
    let brief = reader.brief().unwrap();
    assert!(thinned.spacing < (brief.time - brief.began) / 8, "{thinned:?}");
    assert!(thinned.times > 0 && read > 10 && stacks > 1000, "{thinned:?}, {stacks} stacks");
}
