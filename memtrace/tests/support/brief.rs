//! Processes that match what is looked for and end at once, beside others that do not match.

use super::program::{Program, compiled, copy_libc};
use super::report::{Process, Report, number};
use super::tracer::Tracer;
use super::{is_guest, wait_until};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// One final report that shows everything.
pub const WHOLE: [&str; 9] =
    ["--exact", "--interval", "0", "--min-age", "0", "--top", "0", "--format", "json"];
/// Starts `$1` and `$2` in turn, with the libc in `$3`, one after the other.
pub const STARTER: &str = "i=0; while [ $i -lt $4 ]; do LD_LIBRARY_PATH=$3 \"$1\" x; \
                           LD_LIBRARY_PATH=$3 \"$2\" x; i=$((i+1)); done";

/// Processes of each kind; fewer than are remembered when they have ended. In guests each takes a tenth of a second.
pub fn many() -> usize {
    if is_guest() { 60 } else { 200 }
}

/// Copies of the program under names that nothing else on this machine has, and a libc of their own, which
/// is probed for all processes as nobody else maps it.
pub struct Folder(tempfile::TempDir);

impl Folder {
    pub fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        // For users other than the one that made it.
        let readable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(folder.0.path(), readable).unwrap();
        copy_libc(&folder.0.path().join("libc.so.6"));
        for word in ["yes", "no", "not"] {
            fs::copy(compiled("brief"), folder.file(word)).unwrap();
        }
        folder
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn file(&self, word: &str) -> PathBuf {
        self.path().join(name(word))
    }

    /// One that stays: the tracer begins with it.
    pub fn stay(&self) -> Command {
        let mut command = Command::new(self.file("yes"));
        command.env("LD_LIBRARY_PATH", self.path());
        command
    }

    /// A shell that starts many of two kinds.
    pub fn starter(&self, first: &str, second: &str) -> Command {
        self.script(STARTER, first, second)
    }

    /// A shell that runs `script`, where `$1` and `$2` are programs of two kinds, `$3` is this folder and
    /// `$4` how many processes of each are wanted.
    pub fn script(&self, script: &str, first: &str, second: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh"]).args([self.file(first), self.file(second)]);
        command.arg(self.path()).arg(many().to_string()).stdin(Stdio::null());
        command
    }
}

/// `mt` and the number of this process keep names of several runs apart; a comm has 15 bytes.
pub fn name(word: &str) -> String {
    format!("mt{}{word}", std::process::id())
}

/// Those that are never meant: the shells, what starts namespaces, and what shells start next to those that
/// are meant.
pub fn excluded() -> Vec<String> {
    let names = ["sh", "unshare", "chroot", &name("no*")].map(str::to_owned);
    names.into_iter().flat_map(|name| ["--exclude-comm".to_owned(), name]).collect()
}

/// `command` with options for one report that shows everything of whom `selectors` mean.
pub fn looking_for<'a>(command: &'a mut Command, selectors: &[&str]) -> &'a mut Command {
    command.args(WHOLE).args(selectors).args(excluded())
}

pub fn wait(mut shell: Child) {
    let status = wait_until("the end of a shell", || shell.try_wait().unwrap());
    assert!(status.success());
}

/// Traces by these selectors while `meant` runs beside `other`, and expects all that `meant` starts of the
/// first kind, whole, and nobody else but the one that stays.
#[track_caller]
pub fn all_of_them(
    selectors: &[&str],
    stay: &mut Command,
    meant: &mut Command,
    other: &mut Command,
) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_memtrace"));
    looking_for(&mut command, selectors);
    all_seen_by(command, stay, meant, other);
}

/// As [`all_of_them`], by a command that becomes a tracer.
#[track_caller]
pub fn all_seen_by(tracer: Command, stay: &mut Command, meant: &mut Command, other: &mut Command) {
    let mut stay = Program::launch("brief", stay);
    let tracer = Tracer::launch(tracer);
    let shells = [meant, other].map(|shell| shell.spawn().unwrap());
    shells.into_iter().for_each(wait);
    let of_stay = stay.work();
    let report = tracer.stop().only_report();
    report.assert_nothing_lost();
    report.process(stay.pid()).assert_exactly(&of_stay);
    assert_whole(&report, &[stay.pid()]);
    assert!(stay.end().success());
}

/// All processes but `others` are those that ended at once, and every allocation of theirs was counted.
#[track_caller]
pub fn assert_whole(report: &Report, others: &[u32]) {
    let processes = report.0["processes"].as_array().unwrap();
    let is_other = |pid: u64| others.iter().any(|other| u64::from(*other) == pid);
    let brief: Vec<Process<'_>> =
        processes.iter().filter(|it| !is_other(number(&it["pid"]))).map(Process).collect();
    assert_eq!(brief.len(), many());
    for process in brief {
        assert_eq!(process.0["comm"], name("yes"));
        assert_eq!((&process.0["state"], &process.0["exit_status"]), (&"exited".into(), &0.into()));
        let figures = ["allocated_blocks", "allocated_bytes", "freed_blocks", "unknown_frees"]
            .map(|key| process.heap(key));
        assert_eq!(figures, [7, 700, 2, 0], "{process:?}");
    }
    let notes = report.0["tracer"]["notes"].to_string();
    // The first of the others was there before; the next ones may have been let in, too.
    let counts = many()..many() + others.len();
    let is_told =
        |count| notes.contains(&format!("\"{count} processes came to match while tracing, as"));
    assert!(counts.into_iter().any(is_told), "{notes}");
}
