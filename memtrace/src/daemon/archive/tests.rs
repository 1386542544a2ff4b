//! What becomes of snapshots and names is told, whatever happens to the file.

use super::{Archive, Recording, Shot, Told, Writer};
use crate::engine::snapshot::Snapshot;
use crate::model::ids::ProcessKey;
use crate::recording::{Name, Names, Reader};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

const PROCESS: ProcessKey = ProcessKey { pid: 7, start_time: 9 };

fn begun(path: &Path, file: File, limit: u64) -> Archive {
    let recording = Recording {
        path: path.to_owned(),
        file,
        wishes: serde_json::Value::Null,
        limit: Some(limit),
        files: 1,
        next: |_, _| Err("there is one".to_owned()),
        every: Some(Duration::from_secs(60)),
    };
    Archive::begin(recording, Duration::from_secs(60)).unwrap()
}

fn shot(time: u64, is_final: bool) -> Shot {
    let snapshot = Arc::new(Snapshot { time, ..Snapshot::default() });
    Shot { snapshot, facts: serde_json::json!({}), is_final, is_report: true, is_mark: false }
}

fn heard(address: u64, name: &str) -> Vec<(ProcessKey, u64, Name)> {
    vec![(PROCESS, address, Name::Known(name.to_owned()))]
}

#[tokio::test]
async fn names_without_room_are_told_and_offered_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.mtrace");
    let mut archive = begun(&path, File::create_new(&path).unwrap(), 8 << 10);
    archive.push(shot(1, false));
    // Numbers of which none repeats: too much for a quarter, packed.
    let long: String = (0..2000_u64).map(|n| format!("{:x}", n * n * 2_654_435_761)).collect();
    let large = [heard(1, "f"), heard(2, &long)].concat();
    archive.names(1, &large);
    while archive.notes().next().is_none() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(archive.notes().any(|note| note.contains("names of generated code")));
    assert!(archive.is_written() && archive.failure().is_none());
    archive.names(2, &heard(1, "f"));
    archive.push(shot(3, true));
    archive.end();
    let names = Names::of(Reader::new(File::open(&path).unwrap()).unwrap());
    assert_eq!(names.at(PROCESS, 1, 3), Some(&Name::Known("f".to_owned())));
    assert_eq!(names.at(PROCESS, 2, 3), None);
}

#[tokio::test]
async fn names_of_the_last_report_wait_for_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.mtrace");
    let mut archive = begun(&path, File::create_new(&path).unwrap(), 1 << 20);
    archive.push(shot(1, true));
    for address in 0..500 {
        archive.names(1, &heard(address, "f"));
    }
    archive.end();
    let names = Names::of(Reader::new(File::open(&path).unwrap()).unwrap());
    assert!((0..500).all(|address| names.at(PROCESS, address, 1).is_some()));
}

#[tokio::test]
async fn a_failure_of_the_last_snapshot_is_known_after_the_end() {
    let (reader, writer) = std::io::pipe().unwrap();
    let mut archive = begun(Path::new("pipe"), File::from(OwnedFd::from(writer)), 1 << 20);
    archive.push(shot(1, false));
    // All is well until here.
    drop(reader);
    archive.push(shot(2, true));
    archive.end();
    let failure = archive.failure().unwrap();
    assert!(failure.contains("is recorded no further"), "{failure}");
    assert!(!archive.is_written());
}

#[test]
fn a_thread_that_panics_is_a_failure() {
    let told = Arc::new(Mutex::new(Told::default()));
    let writer = Writer { path: "run.mtrace".into(), limit: 1, told: Arc::clone(&told) };
    let thread = thread::spawn(move || {
        let _writer = writer;
        std::panic::resume_unwind(Box::new("unforeseen"));
    });
    assert!(thread.join().is_err());
    let failure = told.lock().unwrap().failure.clone().unwrap();
    assert!(failure.contains("please report this"), "{failure}");
}
