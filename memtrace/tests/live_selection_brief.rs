//! Processes that match what is looked for and end at once: the kernel side lets them in before their first
//! instruction, so that every allocation is counted.
#![cfg(feature = "live")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use support::may_trace;
use support::program::{Program, compiled, copy_libc};
use support::report::{Process, Report};
use support::tracer::Tracer;

/// One final report that shows everything.
const WHOLE: [&str; 8] = ["--interval", "0", "--min-age", "0", "--top", "0", "--format", "json"];
/// Processes of each kind; fewer than are remembered when they have ended.
const MANY: usize = 200;
/// Starts `$1` and `$2` in turn, with the libc in `$3`, one after the other.
const STARTER: &str = "i=0; while [ $i -lt $4 ]; do LD_LIBRARY_PATH=$3 \"$1\" x; \
                       LD_LIBRARY_PATH=$3 \"$2\" x; i=$((i+1)); done";

/// Copies of the program under names that nothing else on this machine has, and a libc of their own, which
/// is probed for all processes as nobody else maps it.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
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

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn file(&self, word: &str) -> PathBuf {
        self.path().join(name(word))
    }

    /// One that stays: the tracer begins with it.
    fn stay(&self) -> Command {
        let mut command = Command::new(self.file("yes"));
        command.env("LD_LIBRARY_PATH", self.path());
        command
    }

    /// A shell that starts many of two kinds.
    fn starter(&self, first: &str, second: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", STARTER, "sh"]).args([self.file(first), self.file(second)]);
        command.arg(self.path()).arg(MANY.to_string()).stdin(Stdio::null());
        command
    }
}

/// `mt` and the number of this process keep names of several runs apart; a comm has 15 bytes.
fn name(word: &str) -> String {
    format!("mt{}{word}", std::process::id())
}

fn wait(mut shell: Child) {
    let status = support::wait_until("the end of a shell", || shell.try_wait().unwrap());
    assert!(status.success());
}

/// Traces by these selectors while `meant` runs beside `other`, and expects all that `meant` starts of the
/// first kind, whole, and nobody else but the one that stays.
#[track_caller]
fn all_of_them(selectors: &[&str], stay: &mut Command, meant: &mut Command, other: &mut Command) {
    let mut stay = Program::launch("brief", stay);
    // The shell and what it starts next are never meant.
    let excluded = ["--exclude-comm", "sh", "--exclude-comm", &name("no*")];
    let tracer = Tracer::typed(&[], &[WHOLE.as_slice(), selectors, &excluded].concat());
    let shells = [meant, other].map(|shell| shell.spawn().unwrap());
    shells.into_iter().for_each(wait);
    let of_stay = stay.work();
    let report = tracer.stop().only_report();
    report.assert_nothing_lost();
    report.process(stay.pid()).assert_exactly(&of_stay);
    assert_whole(&report, stay.pid());
    assert!(stay.end().success());
}

#[track_caller]
fn assert_whole(report: &Report, stay: u32) {
    let processes = report.0["processes"].as_array().unwrap();
    let brief: Vec<Process<'_>> =
        processes.iter().filter(|it| it["pid"] != stay).map(Process).collect();
    assert_eq!(brief.len(), MANY);
    for process in brief {
        assert_eq!(process.0["comm"], name("yes"));
        assert_eq!((&process.0["state"], &process.0["exit_status"]), (&"exited".into(), &0.into()));
        let figures = ["allocated_blocks", "allocated_bytes", "freed_blocks", "unknown_frees"]
            .map(|key| process.heap(key));
        assert_eq!(figures, [7, 700, 2, 0], "{process:?}");
    }
    let notes = report.0["tracer"]["notes"].to_string();
    assert!(notes.contains(&format!("{MANY} processes came to match while tracing")), "{notes}");
}

#[test]
fn those_with_a_name() {
    if may_trace() {
        let folder = Folder::new();
        all_of_them(
            &["--comm", &name("?e*")],
            &mut folder.stay(),
            &mut folder.starter("yes", "no"),
            &mut folder.starter("not", "no"),
        );
    }
}

#[test]
fn those_that_run_a_file() {
    if may_trace() {
        let folder = Folder::new();
        all_of_them(
            &["--exe", folder.file("yes").to_str().unwrap()],
            &mut folder.stay(),
            &mut folder.starter("yes", "no"),
            &mut folder.starter("not", "no"),
        );
    }
}

#[test]
fn those_of_a_user() {
    if may_trace() {
        let folder = Folder::new();
        // Nobody's numbers.
        all_of_them(
            &["--uid", "64125"],
            folder.stay().uid(64_125).gid(64_125),
            folder.starter("yes", "no").uid(64_125).gid(64_125),
            folder.starter("yes", "no").uid(64_126).gid(64_126),
        );
    }
}

/// A control group of version 2 with one in it, gone with this.
struct Group(PathBuf);

impl Group {
    /// `None`, said aloud, where there is no place for it.
    fn make() -> Option<Self> {
        let mountinfo = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let point = mountinfo.lines().find_map(|line| {
            let (mount, kind) = line.split_once(" - ")?;
            kind.starts_with("cgroup2 ").then(|| mount.split(' ').nth(4).unwrap().to_owned())
        });
        let group = point.map(|point| Path::new(&point).join(name("group")));
        let made = group.filter(|group| fs::create_dir_all(group.join("inner")).is_ok());
        if made.is_none() {
            eprintln!("NOT RUN: no cgroup2 that groups can be made in");
        }
        made.map(Self)
    }

    /// The command, begun by a shell that moves itself into a group and becomes the command there.
    fn run(&self, inner: &str, command: &Command) -> Command {
        let mut within = Command::new("sh");
        let group = self.0.join(inner).join("cgroup.procs");
        within.args(["-c", "echo $$ > \"$0\"; exec \"$@\""]).arg(group);
        within.arg(command.get_program()).args(command.get_args());
        for (key, value) in command.get_envs() {
            within.env(key, value.unwrap());
        }
        within.stdin(Stdio::null());
        within
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for group in [self.0.join("inner"), self.0.clone()] {
            // A group can go once its last process has been waited for.
            let gone = || fs::remove_dir(&group).is_ok().then_some(());
            support::wait_until("the end of a control group", gone);
        }
    }
}

/// In a group below the one that is named.
#[test]
fn those_of_a_control_group() {
    if !may_trace() {
        return;
    }
    let folder = Folder::new();
    let Some(group) = Group::make() else { return };
    all_of_them(
        &["--cgroup", group.0.to_str().unwrap()],
        &mut group.run("", &folder.stay()),
        &mut group.run("inner", &folder.starter("yes", "no")),
        &mut folder.starter("yes", "no"),
    );
}
