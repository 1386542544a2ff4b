//! Reports into real files.

use super::{Destination, Label, OutputError, OutputName};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use tempfile::TempDir;

fn label(sequence: u64) -> Label {
    Label { sequence, time: "2026-01-02T03:04:05Z".parse().unwrap() }
}

fn open(path: &Path) -> Result<Destination, OutputError> {
    Destination::open(&OutputName::parse(path.as_os_str()).unwrap(), 12)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn entries(directory: &TempDir) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn reports_are_appended_to_one_private_file() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("leaks.json");
    let mut destination = open(&path).unwrap();
    destination.write(label(1), b"{1}\n").unwrap();
    destination.write(label(2), b"{2}\n").unwrap();
    drop(destination);
    open(&path).unwrap().write(label(1), b"{3}\n").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"{1}\n{2}\n{3}\n");
    assert_eq!(mode(&path), 0o600);
}

#[test]
fn the_pid_alone_still_names_one_file() {
    let directory = TempDir::new().unwrap();
    let mut destination = open(&directory.path().join("r-{pid}")).unwrap();
    destination.write(label(1), b"a\n").unwrap();
    destination.write(label(2), b"b\n").unwrap();
    assert_eq!(fs::read(directory.path().join("r-12")).unwrap(), b"a\nb\n");
}

#[test]
fn a_line_that_a_killed_run_left_is_ended_first() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("leaks.json");
    fs::write(&path, b"{\"half\":").unwrap();
    let mut destination = open(&path).unwrap();
    destination.write(label(1), b"{1}\n").unwrap();
    destination.write(label(2), b"{2}\n").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"{\"half\":\n{1}\n{2}\n");
}

#[test]
fn each_report_gets_a_private_file_of_its_own() {
    let directory = TempDir::new().unwrap();
    let mut destination = open(&directory.path().join("r-{seq}.txt")).unwrap();
    assert!(entries(&directory).is_empty());
    destination.write(label(1), b"one\n").unwrap();
    destination.write(label(2), b"two\n").unwrap();
    assert_eq!(entries(&directory), ["r-1.txt", "r-2.txt"]);
    assert_eq!(fs::read(directory.path().join("r-2.txt")).unwrap(), b"two\n");
    assert_eq!(mode(&directory.path().join("r-1.txt")), 0o600);
}

#[test]
fn reports_of_one_second_do_not_replace_each_other() {
    let directory = TempDir::new().unwrap();
    let mut destination = open(&directory.path().join("{time}")).unwrap();
    for sequence in 1..=3 {
        destination.write(label(sequence), b"x\n").unwrap();
    }
    let name = "20260102T030405Z";
    assert_eq!(entries(&directory), [name.to_owned(), format!("{name}.2"), format!("{name}.3")]);
}

#[test]
fn a_run_without_reports_leaves_no_file() {
    let directory = TempDir::new().unwrap();
    drop(open(&directory.path().join("leaks.txt")).unwrap());
    drop(open(&directory.path().join("leaks-{seq}.txt")).unwrap());
    assert!(entries(&directory).is_empty());
    let kept = directory.path().join("kept");
    fs::write(&kept, b"").unwrap();
    drop(open(&kept).unwrap());
    assert!(kept.exists());
}

#[test]
fn symbolic_links_are_not_followed() {
    let directory = TempDir::new().unwrap();
    let (victim, link) = (directory.path().join("victim"), directory.path().join("link"));
    fs::write(&victim, b"precious\n").unwrap();
    symlink(&victim, &link).unwrap();
    assert!(matches!(open(&link), Err(OutputError::Link(_))));
    let dangling = directory.path().join("dangling");
    symlink(directory.path().join("nothing"), &dangling).unwrap();
    assert!(matches!(open(&dangling), Err(OutputError::Link(_))));
    assert_eq!(entries(&directory), ["dangling", "link", "victim"]);

    let numbered = directory.path().join("r-1");
    symlink(&victim, &numbered).unwrap();
    open(&directory.path().join("r-{seq}")).unwrap().write(label(1), b"x\n").unwrap();
    assert!(numbered.symlink_metadata().unwrap().is_file());
    assert_eq!(fs::read(&victim).unwrap(), b"precious\n");
}

#[test]
fn hard_links_are_refused_where_anybody_may_write() {
    let directory = TempDir::new().unwrap();
    let (victim, second) = (directory.path().join("victim"), directory.path().join("second"));
    fs::write(&victim, b"precious\n").unwrap();
    fs::hard_link(&victim, &second).unwrap();
    assert!(open(&second).is_ok());
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o1777)).unwrap();
    assert!(matches!(open(&second), Err(OutputError::Untrusted(_))));
    fs::remove_file(&victim).unwrap();
    assert!(open(&second).is_ok());
}

#[test]
fn two_runs_do_not_mix_in_one_file() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("leaks.json");
    let first = open(&path).unwrap();
    assert!(matches!(open(&path), Err(OutputError::Busy(_))));
    drop(first);
    assert!(open(&path).is_ok());
}

#[test]
fn places_that_cannot_be_written_are_known_beforehand() {
    let directory = TempDir::new().unwrap();
    let message = |path: &Path| open(path).unwrap_err().to_string();
    for name in ["missing/leaks.txt", "missing/leaks-{seq}.txt"] {
        let message = message(&directory.path().join(name));
        assert!(message.contains("missing/leaks") && message.contains("create its directory"));
        assert!(!message.contains(".memtrace-"), "{message}");
    }
    fs::create_dir(directory.path().join("sub")).unwrap();
    fs::create_dir(directory.path().join("r-1")).unwrap();
    assert!(message(&directory.path().join("sub")).contains("give a file's name"));
    assert!(message(&directory.path().join("r-{seq}")).contains("give a file's name"));
    let long = "n".repeat(300);
    assert!(message(&directory.path().join(&long)).contains("cannot open"));
    assert!(message(&directory.path().join(long + "{seq}")).contains("cannot open"));
    assert!(message(Path::new("/proc/leaks-{seq}")).contains("cannot open"));
    assert!(message(Path::new("/proc/leaks")).contains("cannot open"));
}

#[test]
fn a_full_device_is_an_error_that_names_it() {
    let mut destination = open(Path::new("/dev/full")).unwrap();
    let message = destination.write(label(1), b"x\n").unwrap_err().to_string();
    assert!(message.contains("/dev/full") && message.contains("free some space"), "{message}");
    open(Path::new("/dev/null")).unwrap().write(label(1), b"x\n").unwrap();
}

#[test]
fn pipes_need_a_reader_and_get_whole_reports() {
    use std::io::Read;
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("pipe");
    let name = std::ffi::CString::new(path.as_os_str().as_encoded_bytes()).unwrap();
    // SAFETY: `name` is a string that ends with a zero byte.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
    assert!(open(&path).unwrap_err().to_string().contains("start the pipe's reader"));

    let reading = path.clone();
    let reader = std::thread::spawn(move || {
        let mut text = Vec::new();
        fs::File::open(reading).unwrap().read_to_end(&mut text).unwrap();
        text
    });
    let mut destination = loop {
        match open(&path) {
            Ok(destination) => break destination,
            Err(_) => std::thread::yield_now(),
        }
    };
    // Larger than a pipe holds: a report waits for its reader.
    let report = vec![b'x'; 1 << 20];
    destination.write(label(1), &report).unwrap();
    drop(destination);
    assert_eq!(reader.join().unwrap(), report);
}

#[test]
fn a_reader_that_leaves_a_pipe_is_no_failure() {
    let (reader, writer) = std::io::pipe().unwrap();
    let name = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&writer));
    assert!(matches!(open(Path::new(&name)), Err(OutputError::Link(_))));
    drop(reader);
    let error = std::io::Write::write_all(&mut &writer, b"x").unwrap_err();
    assert!(matches!(OutputError::torn(Path::new(&name), error), OutputError::Closed));
}

#[test]
fn a_clock_that_is_set_back_overwrites_no_report() {
    let directory = TempDir::new().unwrap();
    let mut by_time = open(&directory.path().join("{time}")).unwrap();
    let mut by_number = open(&directory.path().join("n{seq}")).unwrap();
    let times = ["2026-01-02T03:04:05Z", "2026-01-02T03:04:06Z", "2026-01-02T03:04:05Z"];
    for (sequence, time) in (1..).zip(times) {
        let label = Label { sequence, time: time.parse().unwrap() };
        by_time.write(label, format!("{sequence}\n").as_bytes()).unwrap();
        by_number.write(label, b"\n").unwrap();
    }
    let names = entries(&directory);
    assert_eq!(names.len(), 6, "{names:?}");
    assert_eq!(fs::read(directory.path().join(&names[0])).unwrap(), b"1\n");
    assert_eq!(fs::read(directory.path().join(format!("{}.3", names[0]))).unwrap(), b"3\n");
    assert!(names.contains(&"n3".to_owned()), "{names:?}");
}
