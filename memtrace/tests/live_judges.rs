//! An outside judge: what memtrace counts of real commands, from their first instruction to their end, is
//! what valgrind counts of them, to the byte.
//!
//! Valgrind changes the command's environment, and how much some programs allocate depends on how many
//! variables there are (glibc's `setenv` copies the array of pointers to all of them). So memtrace's run gets
//! an environment of the same size; then nothing is left to differ. (What else would, and these commands do not
//! do, has a test of its own.)
#![cfg(feature = "live")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod programs;
mod support;

use programs::{Ended, Memtrace, require, run_to_end};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use support::may_trace;
use support::program::compiled;
use support::report::{Process, Report, number};
use tempfile::TempDir;

/// What valgrind sums up in its "total heap usage".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Usage {
    allocations: u64,
    frees: u64,
    bytes: u64,
}

/// Makes the dynamic linker load libraries first (`ld.so(8)`).
const PRELOAD: &str = "LD_PRELOAD";
/// As long as that, and nobody knows it.
const NO_PRELOAD: &str = "NO_PRELOAD";

type Environment = BTreeMap<String, String>;

/// Where commands run, so that both see the same.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        require("valgrind", "valgrind");
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// What the commands get, whatever the user of these tests has.
    fn environment(&self) -> Environment {
        let path = std::env::var("PATH").unwrap_or_default();
        let home = self.path().to_str().unwrap().to_owned();
        let mut environment: Environment = [
            ("LC_ALL", "C"),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            // Else `git status` writes what it has found out, and does less the next time.
            ("GIT_OPTIONAL_LOCKS", "0"),
            ("GIT_AUTHOR_NAME", "A"),
            ("GIT_AUTHOR_EMAIL", "a@example.org"),
            ("GIT_COMMITTER_NAME", "A"),
            ("GIT_COMMITTER_EMAIL", "a@example.org"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        environment.extend([("PATH".to_owned(), path), ("HOME".to_owned(), home)]);
        environment
    }

    fn run(&self, command: &mut Command, environment: &Environment) -> Ended {
        run_to_end(command.current_dir(self.path()).env_clear().envs(environment))
    }

    /// Runs a command that prepares what others work on.
    fn prepare(&self, words: &[&str]) {
        let ended = self.run(Command::new(words[0]).args(&words[1..]), &self.environment());
        assert_eq!(ended.code(), 0, "{words:?}: {}", ended.stderr);
    }

    /// Runs it under valgrind; gives valgrind's summary of it besides.
    fn judged(&self, words: &[&str]) -> (Ended, String) {
        let log = self.path().join("valgrind.log");
        let mut command = Command::new("valgrind");
        command.args(["--run-libc-freeres=no", "--run-cxx-freeres=no", "--leak-check=no"]);
        // A forked child would write a summary, too.
        command.args(["--trace-children=no", "--child-silent-after-fork=yes"]);
        command.arg(format!("--log-file={}", log.display())).args(words);
        let ended = self.run(&mut command, &self.environment());
        (ended, fs::read_to_string(log).unwrap())
    }

    /// The environment that valgrind gives to a command, of the same size but without valgrind.
    fn padded_environment(&self) -> Environment {
        let (ended, log) = self.judged(&["env", "-0"]);
        assert_eq!(ended.code(), 0, "{log}");
        let pairs = ended.stdout.split_terminator('\0').map(|pair| pair.split_once('=').unwrap());
        let mut environment: Environment =
            pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let preload = environment.remove(PRELOAD).expect("valgrind preloads its own functions");
        environment.insert(NO_PRELOAD.to_owned(), preload);
        environment
    }

    /// Runs it under memtrace.
    fn traced(&self, words: &[&str], environment: &Environment) -> (Ended, Report) {
        let file = self.path().join("report.json");
        let mut command = Memtrace::command();
        command.args(["run", "--quiet", "--format", "json", "--output"]).arg(&file);
        let ended = self.run(command.arg("--").args(words), environment);
        let text = fs::read_to_string(&file).unwrap_or_else(|_| panic!("{ended:?}"));
        // Each run makes a new one.
        fs::remove_file(file).unwrap();
        (ended, Report::read(text.trim_end()))
    }

    /// Runs a command under both, which must do the same; gives what each counted, and how many calls failed by memtrace.
    #[track_caller]
    fn both(&self, words: &[&str], environment: &Environment) -> (Usage, Usage, u64) {
        let (under_valgrind, log) = self.judged(words);
        let (under_memtrace, report) = self.traced(words, environment);
        assert_eq!(under_valgrind.code(), 0, "{words:?}: {}", under_valgrind.stderr);
        assert_eq!(under_memtrace.code(), 0, "{words:?}: {}", under_memtrace.stderr);
        assert_eq!(under_memtrace.stdout, under_valgrind.stdout, "{words:?}");
        let (own, failed) = counted(&report);
        (usage(&log), own, failed)
    }

    /// Runs a command under both, which must be counted alike.
    #[track_caller]
    fn agree(&self, words: &[&str]) {
        let (valgrinds, own, failed) = self.both(words, &self.padded_environment());
        assert_eq!(failed, 0);
        assert_eq!(own, valgrinds, "{words:?}");
        assert!(own.frees > 0 && own.allocations > own.frees, "{words:?} keeps something: {own:?}");
    }
}

/// What memtrace counted of the command, and its calls that failed. Children have accounts of their own, and began
/// later.
#[track_caller]
fn counted(report: &Report) -> (Usage, u64) {
    report.assert_nothing_lost();
    let processes = report.0["processes"].as_array().unwrap();
    let first = processes.iter().min_by_key(|process| number(&process["start_time"])).unwrap();
    let process = Process(first);
    assert_eq!((process.heap("unknown_frees"), process.heap("missed_frees")), (0, 0));
    let own = Usage {
        allocations: process.heap("allocated_blocks"),
        frees: process.heap("freed_blocks"),
        bytes: process.heap("allocated_bytes"),
    };
    (own, process.heap("failed"))
}

/// Reads `total heap usage: 1,234 allocs, 1,200 frees, 56,789 bytes allocated`.
#[track_caller]
fn usage(log: &str) -> Usage {
    let mut lines = log.lines().filter_map(|line| Some(line.split_once("total heap usage: ")?.1));
    let (Some(line), None) = (lines.next(), lines.next()) else { panic!("not one sum in {log}") };
    let numbers = line.split(' ').filter_map(|word| word.replace(',', "").parse().ok());
    let [allocations, frees, bytes] = numbers.collect::<Vec<u64>>()[..] else { panic!("{line}") };
    Usage { allocations, frees, bytes }
}

#[test]
fn sqlite_is_counted_as_valgrind_counts_it() {
    if !may_trace() {
        return;
    }
    require("sqlite3", "sqlite3");
    let place = Place::new();
    place.agree(&[
        "sqlite3",
        "-batch",
        ":memory:",
        "create table t (a, b); insert into t values (1, printf('%.*c', 5000, 'x')), (2, 'y'); \
         create index i on t (b); insert into t select a + 2, b || a from t; \
         select a, length(b) from t order by b; select sum(a) from t where b > 'x';",
    ]);
}

#[test]
fn git_is_counted_as_valgrind_counts_it() {
    if !may_trace() {
        return;
    }
    require("git", "git");
    let place = Place::new();
    place.prepare(&["git", "init", "--quiet", "repository"]);
    let inside = ["git", "-C", "repository"];
    for (name, text) in [("first", "one\n"), ("second", "two\n")] {
        fs::write(place.path().join("repository").join(name), text).unwrap();
        place.prepare(&[&inside[..], &["add", name]].concat());
        place.prepare(&[&inside[..], &["commit", "--quiet", "--message", name]].concat());
    }
    fs::write(place.path().join("repository/third"), "three\n").unwrap();
    place.agree(&[&inside[..], &["log", "--stat"]].concat());
    place.agree(&[&inside[..], &["status"]].concat());
}

/// The compiler's driver alone: what it starts is traced by neither.
#[test]
fn gcc_is_counted_as_valgrind_counts_it() {
    if !may_trace() {
        return;
    }
    require("gcc", "gcc");
    let place = Place::new();
    fs::write(place.path().join("small.c"), "int f(int x) { return x + 1; }\n").unwrap();
    let words = ["gcc", "-O1", "-c", "small.c", "-o", "small.o"];
    // The driver allocates 16 bytes more if its output is there already: let it be there for both.
    place.prepare(&words);
    place.agree(&words);
}

/// A program that does one thing at a time which valgrind counts otherwise: with nothing of that both agree, and each
/// thing makes exactly its own difference.
#[test]
fn what_valgrind_counts_otherwise_is_known() {
    if !may_trace() {
        return;
    }
    let place = Place::new();
    let program = compiled("plain/judged");
    let program = program.to_str().unwrap();
    let padded = place.padded_environment();
    place.agree(&[program, "nothing"]);
    // What a forked child does is the child's.
    place.agree(&[program, "fork"]);

    let (valgrinds, own, failed) = place.both(&[program, "realloc"], &padded);
    let size = i64::MAX as u64 - 4096;
    let as_if_done = Usage {
        allocations: own.allocations + failed,
        frees: own.frees + failed,
        // Modulo 2^64, as valgrind adds.
        bytes: own.bytes.wrapping_add(failed.wrapping_mul(size)),
    };
    assert_eq!((failed, valgrinds), (3, as_if_done), "{own:?}");

    // An array of pointers to all variables: with as many as valgrind gives, as many bytes.
    place.agree(&[program, "setenv"]);
    let fewer = place.environment();
    let (valgrinds, own, _) = place.both(&[program, "setenv"], &fewer);
    let less = (padded.len() - fewer.len()) * size_of::<*const u8>();
    assert!(less > 0);
    assert_eq!(valgrinds, Usage { bytes: own.bytes + less as u64, ..own });

    let (under_valgrind, _) = place.judged(&[program, "pvalloc"]);
    assert_ne!(under_valgrind.status.code(), Some(0), "valgrind survives it: compare it, too");
    let (under_memtrace, report) = place.traced(&[program, "pvalloc"], &padded);
    assert_eq!(under_memtrace.code(), 0);
    let (nothing, _) = counted(&place.traced(&[program, "nothing"], &padded).1);
    // It rounds up to a page (`posix_memalign(3)`); what is asked for is what counts.
    let one_more = |bytes| Usage { allocations: nothing.allocations + 1, bytes, ..nothing };
    let (own, _) = counted(&report);
    assert_eq!(own, one_more(own.bytes));
    assert!([100, 4096].contains(&(own.bytes - nothing.bytes)), "{own:?}");
}
