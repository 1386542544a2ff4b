//! Reports into files on a disk that fills up, which a limit on file sizes stands in for: the
//! limit holds for a whole process, so each test runs itself again in one of its own.

use memtrace::cli::output::{Destination, Label, OutputError, OutputName};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

const INSIDE: &str = "MEMTRACE_TEST_OUTPUT_DIRECTORY";
const LIMIT: u64 = 4096;

/// Runs `test` of this program again with the limit, in a directory that is then looked at.
fn run_limited(test: &str) -> TempDir {
    let directory = TempDir::new().expect("a directory");
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", test]).env(INSIDE, directory.path());
    // SAFETY: between fork and exec only setrlimit(2) is called, which is async-signal-safe.
    unsafe {
        command.pre_exec(|| {
            let limit = libc::rlimit { rlim_cur: LIMIT, rlim_max: LIMIT };
            match libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            }
        });
    }
    let output = command.output().expect("memtrace starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    directory
}

fn open(path: &Path) -> Destination {
    Destination::open(&OutputName::parse(path.as_os_str()).expect("a name"), 12)
        .expect("a destination")
}

fn label(sequence: u64) -> Label {
    Label { sequence, time: jiff::Timestamp::UNIX_EPOCH }
}

/// A report of a kibibyte, and one that does not fit.
fn reports() -> (Vec<u8>, Vec<u8>) {
    let line = |length: usize| [vec![b'x'; length - 1], vec![b'\n']].concat();
    (line(1024), line(2 * LIMIT as usize))
}

/// Small, too large, small.
fn write_three(name: &str, directory: &Path) {
    memtrace::cli::output::outlive_size_limits();
    let (small, large) = reports();
    let mut destination = open(&directory.join(name));
    destination.write(label(1), &small).expect("there is room");
    let error = destination.write(label(2), &large).expect_err("there is no room");
    assert!(matches!(error, OutputError::Write { .. }), "{error}");
    let message = error.to_string();
    assert!(message.contains("leaks") && message.contains("ulimit -f"), "{message}");
    destination.write(label(3), &small).expect("there is room");
}

#[test]
fn one_file_keeps_whole_reports_only() {
    const NAME: &str = "leaks.json";
    if let Some(directory) = std::env::var_os(INSIDE) {
        return write_three(NAME, Path::new(&directory));
    }
    let directory = run_limited("one_file_keeps_whole_reports_only");
    let (small, _) = reports();
    assert_eq!(std::fs::read(directory.path().join(NAME)).unwrap(), small.repeat(2));
}

#[test]
fn a_file_per_report_is_whole_or_not_there() {
    if let Some(directory) = std::env::var_os(INSIDE) {
        return write_three("leaks-{seq}.json", Path::new(&directory));
    }
    let directory = run_limited("a_file_per_report_is_whole_or_not_there");
    let entries = std::fs::read_dir(directory.path()).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["leaks-1.json", "leaks-3.json"]);
    for name in names {
        assert_eq!(std::fs::read(directory.path().join(name)).unwrap(), reports().0);
    }
}
