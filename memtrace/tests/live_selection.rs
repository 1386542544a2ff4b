//! Processes that are looked for and not named: each selector finds exactly what it says, beside a
//! process that it does not mean.
#![cfg(feature = "live")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use support::program::{Program, compiled};
use support::report::{Accounts, Report};
use support::tracer::Tracer;
use support::{may_trace, patience};

/// One final report that shows everything.
const WHOLE: [&str; 9] =
    ["--exact", "--interval", "0", "--min-age", "0", "--top", "0", "--format", "json"];

/// Copies of the C program, under names that nothing else on this machine has.
struct Names(tempfile::TempDir);

impl Names {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // For users other than the one that made it.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        Self(folder)
    }

    /// `mt` and the number of this process keep names of several runs apart; a comm has 15 bytes.
    fn name(word: &str) -> String {
        format!("mt{}{word}", std::process::id())
    }

    fn file(&self, word: &str) -> PathBuf {
        let file = self.0.path().join(Self::name(word));
        if !file.exists() {
            fs::copy(compiled("two_sizes"), &file).unwrap();
        }
        file
    }

    fn start(&self, word: &str) -> Program {
        Program::start_file(&self.file(word), &[])
    }

    fn start_as(&self, word: &str, uid: u32) -> Program {
        Program::launch(word, Command::new(self.file(word)).uid(uid).gid(uid))
    }
}

/// Traces by these selectors through the work of both, and expects the first one alone in the report.
#[track_caller]
fn only(selectors: &[&str], meant: &mut Program, other: &mut Program) -> Report {
    let tracer = Tracer::typed(&[], &[WHOLE.as_slice(), selectors].concat());
    other.work();
    let accounts = meant.work();
    let report = tracer.stop().only_report();
    report.assert_nothing_lost();
    let processes = report.0["processes"].as_array().unwrap();
    assert_eq!(processes.len(), 1, "{selectors:?}");
    report.process(meant.pid()).assert_exactly(&accounts);
    report
}

#[test]
fn names_are_looked_for() {
    if !may_trace() {
        return;
    }
    let names = Names::new();
    let (mut meant, mut other) = (names.start("yes"), names.start("no"));
    only(&["--comm", &Names::name("y*")], &mut meant, &mut other);
    assert!(meant.end().success() && other.end().success());
}

#[test]
fn programs_are_looked_for_by_file() {
    if !may_trace() {
        return;
    }
    let names = Names::new();
    let (mut meant, mut other) = (names.start("one"), names.start("two"));
    let link = names.0.path().join("link");
    fs::hard_link(names.file("one"), &link).unwrap();
    only(&["--exe", link.to_str().unwrap()], &mut meant, &mut other);
    assert!(meant.end().success() && other.end().success());
}

#[test]
fn users_are_looked_for_with_other_selectors() {
    if !may_trace() {
        return;
    }
    let names = Names::new();
    // Nobody's numbers. Both have the same name, so that the user alone tells them apart.
    let (mut meant, mut other) = (names.start_as("u", 64_123), names.start_as("u", 64_124));
    let selectors = ["--comm", &Names::name("*"), "--uid", "64123"];
    let report = only(&selectors, &mut meant, &mut other);
    assert_eq!(report.process(meant.pid()).0["uid"], 64_123);
    assert!(meant.end().success() && other.end().success());
}

/// The user that has given away all rights (`passwd(5)` of Debian's base-passwd), by name.
#[test]
fn users_are_looked_for_by_name() {
    if !may_trace() {
        return;
    }
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let field = |line: &str| line.split(':').nth(2)?.parse().ok();
    let Some(nobody) = users.lines().find(|line| line.starts_with("nobody:")).and_then(field)
    else {
        return support::not_run("there is no user nobody here");
    };
    let names = Names::new();
    let (mut meant, mut other) = (names.start_as("u", nobody), names.start_as("u", 64_124));
    only(&["--comm", &Names::name("*"), "--uid", "nobody"], &mut meant, &mut other);
    assert!(meant.end().success() && other.end().success());
}

#[test]
fn exclusions_are_left_out() {
    if !may_trace() {
        return;
    }
    let names = Names::new();
    let (mut meant, mut other) = (names.start("a"), names.start("b"));
    let pid = other.pid().to_string();
    only(&["--comm", &Names::name("?"), "--exclude-pid", &pid], &mut meant, &mut other);
    assert!(meant.end().success() && other.end().success());
    let (mut meant, mut other) = (names.start("a"), names.start("b"));
    let excluded = Names::name("[b-z]");
    only(&["--comm", &Names::name("?"), "--exclude-comm", &excluded], &mut meant, &mut other);
}

/// What is excluded is so by what it has become, too, which with `--all` is how nearly everything begins.
#[test]
fn who_becomes_excluded_is_let_go() {
    if !may_trace() {
        return;
    }
    let names = Names::new();
    let files = ["first", "last"].map(|word| names.0.path().join(Names::name(word)));
    for file in &files {
        fs::copy(compiled("exec"), file).unwrap();
    }
    let mut program = Program::start_file(&files[0], &[files[1].to_str().unwrap()]);
    let mut meant = names.start("meant");
    let selectors = ["--comm", &Names::name("*"), "--exclude-comm", &Names::name("l*")];
    let tracer = Tracer::typed(&[], &[&WHOLE[..], &selectors].concat());
    program.tell();
    program.wait_for("ready");
    let pid = program.pid();
    program.work();
    let accounts = meant.work();
    let report = tracer.stop().only_report();
    report.assert_nothing_lost();
    report.process(meant.pid()).assert_exactly(&accounts);
    let processes = report.0["processes"].as_array().unwrap();
    assert!(processes.iter().all(|process| process["pid"] != pid), "{processes:#?}");
    assert!(program.end().success() && meant.end().success());
}

#[test]
fn all_that_match_are_traced() {
    if !may_trace() {
        return;
    }
    let names = Names::new();
    let (mut first, mut second) = (names.start("a"), names.start("b"));
    let tracer = Tracer::typed(&[], &[&WHOLE[..], &["--comm", &Names::name("?")]].concat());
    let accounts = [first.work(), second.work()];
    let report = tracer.stop().only_report();
    report.assert_nothing_lost();
    report.process(first.pid()).assert_exactly(&accounts[0]);
    report.process(second.pid()).assert_exactly(&accounts[1]);
}

/// A program that says nothing, and in which no allocator is found. It is killed when dropped.
struct Bare(Child);

impl Bare {
    fn start(file: &Path) -> Self {
        let child = Self(Command::new(file).stdin(Stdio::null()).spawn().unwrap());
        let comm = || fs::read_to_string(format!("/proc/{}/comm", child.0.id())).ok();
        let runs = || comm().filter(|comm| comm.trim() == Names::name("b"));
        support::wait_until("the program to run", runs);
        child
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        // It has ended already, or nothing else can be done about it.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A program without an allocator matches, too. It is left out, whether it began before or after another
/// one, and the report says so.
#[test]
fn what_cannot_be_traced_is_left_out() {
    if !may_trace() {
        return;
    }
    let names = Names::new();
    let bare = names.0.path().join(Names::name("b"));
    fs::copy(compiled("plain/bare"), &bare).unwrap();
    let before = Bare::start(&bare);
    let mut meant = names.start("a");
    let after = Bare::start(&bare);
    let tracer = Tracer::typed(&[], &[&WHOLE[..], &["--comm", &Names::name("?")]].concat());
    let accounts = meant.work();
    let report = tracer.stop().only_report();
    report.process(meant.pid()).assert_exactly(&accounts);
    let notes = report.0["tracer"]["notes"].to_string();
    assert!(notes.contains("2 matching processes cannot be traced"), "{notes}");
    for other in [before, after] {
        assert!(notes.contains(&format!("pid {}", other.0.id())), "{notes}");
    }
}

#[test]
fn a_process_that_comes_later_is_waited_for() {
    if !may_trace() {
        return;
    }
    let names = Names::new();
    let file = names.file("late");
    let starting = std::thread::spawn(move || {
        std::thread::sleep(patience(Duration::from_millis(1500)));
        Program::start_file(&file, &[])
    });
    let selectors = ["--wait", "--comm", &Names::name("late")];
    let tracer = Tracer::typed(&[], &[WHOLE.as_slice(), &selectors].concat());
    let mut program = starting.join().unwrap();
    let accounts = program.work();
    let run = tracer.stop();
    assert!(
        run.messages.iter().any(|line| line.starts_with("waiting: none of")),
        "{:?}",
        run.messages
    );
    run.only_report().process(program.pid()).assert_exactly(&accounts);
}

/// It is traced from a moment after its start on; nobody needs to be there in between.
#[test]
fn one_that_is_started_later_is_traced_too() {
    if !may_trace() {
        return;
    }
    let names = Names::new();
    let mut first = names.start("a");
    let tracer = Tracer::typed(&[], &[&WHOLE[..], &["--comm", &Names::name("?")]].concat());
    let (of_first, pid_of_first) = (first.work(), first.pid());
    assert!(first.end().success());
    // Longer than it would take to see that nobody is left.
    support::let_it_look();
    support::let_it_look();
    support::let_it_look();
    let (mut later, mut other) = (names.start("b"), names.start("cc"));
    support::let_it_look();
    let of_later = later.work();
    other.work();
    let report = tracer.stop().only_report();
    report.assert_nothing_lost();
    report.process(pid_of_first).assert_exactly(&of_first);
    assert_eq!(report.0["processes"].as_array().unwrap().len(), 2);
    assert_callers(&report, &later, &of_later);
    let notes = report.0["tracer"]["notes"].to_string();
    assert!(notes.contains("1 process came to match while tracing"), "{notes}");
}

/// What the program did itself; what came before its `main` may have been seen or not.
fn assert_callers(report: &Report, program: &Program, accounts: &Accounts) {
    let process = report.process(program.pid());
    for (caller, account) in &accounts.callers {
        assert_eq!(process.callers().get(caller), Some(account), "{caller}");
    }
}

/// This test itself is left out, or the programs that it starts would be traced as its children.
#[test]
fn every_process_is_traced() {
    if !may_trace() || !support::may_trace_everything() {
        return;
    }
    let names = Names::new();
    let mut first = names.start("a");
    let ourselves = std::process::id().to_string();
    let selectors = ["--all", "--exclude-pid", &ourselves];
    let tracer = Tracer::typed(&[], &[&WHOLE[..], &selectors].concat());
    let of_first = first.work();
    let mut later = names.start("b");
    support::let_it_look();
    let of_later = later.work();
    let report = tracer.stop().only_report();
    report.assert_nothing_lost();
    report.process(first.pid()).assert_exactly(&of_first);
    assert_callers(&report, &later, &of_later);
    let pids = report.0["processes"].as_array().unwrap().iter().map(|it| &it["pid"]);
    assert!(pids.clone().all(|pid| *pid != std::process::id()));
    let notes = report.0["tracer"]["notes"].to_string();
    assert!(notes.contains("every process is meant"), "{notes}");
}

#[test]
fn one_that_is_renamed_is_traced_then() {
    if !may_trace() {
        return;
    }
    let names = Names::new();
    let mut first = names.start("a");
    let name = Names::name("b");
    let mut renamed = Program::start("renames", &[&name]);
    let tracer = Tracer::typed(&[], &[&WHOLE[..], &["--comm", &Names::name("?")]].concat());
    renamed.tell();
    renamed.wait_for("ready");
    support::let_it_look();
    let of_renamed = renamed.work();
    let of_first = first.work();
    let report = tracer.stop().only_report();
    report.assert_nothing_lost();
    report.process(first.pid()).assert_exactly(&of_first);
    report.process(renamed.pid()).assert_exactly(&of_renamed);
}

fn one_that_is_moved_is_traced_then(filesystem: &str) {
    let Some(group) = Group::make(filesystem, &Names::name("moved")) else { return };
    let names = Names::new();
    let (mut first, mut moved) = (names.start("in"), names.start("later"));
    group.take(&first);
    let selectors = ["--cgroup", group.0.to_str().unwrap()];
    let tracer = Tracer::typed(&[], &[&WHOLE[..], &selectors].concat());
    group.take(&moved);
    support::let_it_look();
    let (of_first, of_moved) = (first.work(), moved.work());
    let report = tracer.stop().only_report();
    report.assert_nothing_lost();
    report.process(first.pid()).assert_exactly(&of_first);
    report.process(moved.pid()).assert_exactly(&of_moved);
    assert!(first.end().success() && moved.end().success());
}

fn one_that_is_moved_out_is_let_go(filesystem: &str) {
    let Some(group) = Group::make(filesystem, &Names::name("stays")) else { return };
    let Some(elsewhere) = Group::make(filesystem, &Names::name("leaves")) else { return };
    let names = Names::new();
    let (mut stays, mut leaves) = (names.start("in"), names.start("out"));
    group.take(&stays);
    group.take(&leaves);
    let selectors = ["--cgroup", group.0.to_str().unwrap()];
    let tracer = Tracer::typed(&[], &[&WHOLE[..], &selectors].concat());
    elsewhere.take(&leaves);
    support::let_it_look();
    let of_stays = stays.work();
    leaves.work();
    let report = tracer.stop().only_report();
    report.assert_nothing_lost();
    report.process(stays.pid()).assert_exactly(&of_stays);
    let processes = report.0["processes"].as_array().unwrap();
    assert_eq!(processes.len(), 1, "{processes:#?}");
    let notes = report.0["tracer"]["notes"].to_string();
    assert!(notes.contains("1 process left the groups that are selected"), "{notes}");
    assert!(stays.end().success() && leaves.end().success());
}

#[test]
fn one_that_is_moved_out_of_a_group_is_let_go() {
    if may_trace() {
        one_that_is_moved_out_is_let_go("cgroup2");
    }
}

#[test]
fn one_that_is_moved_out_of_a_group_of_version_1_is_let_go() {
    if may_trace() {
        one_that_is_moved_out_is_let_go("cgroup");
    }
}

#[test]
fn one_that_is_moved_into_a_group_is_traced_then() {
    if may_trace() {
        one_that_is_moved_is_traced_then("cgroup2");
    }
}

#[test]
fn one_that_is_moved_into_a_group_of_version_1_is_traced_then() {
    if may_trace() {
        one_that_is_moved_is_traced_then("cgroup");
    }
}

#[test]
fn what_matches_nothing_is_an_error() {
    if !may_trace() {
        return;
    }
    for (selectors, parts) in [
        (["--comm", "no-such-name"], ["matches comm no-such-name", "--wait"]),
        (["--cgroup", "no/such/group"], ["no control group", "--wait"]),
        (["--container", "ffffffffffff"], ["no container's id begins with ffffffffffff", "--wait"]),
        (["--uid", "rooot"], ["no user \"rooot\"", "root"]),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_memtrace"));
        let output = command.args(selectors).stdin(Stdio::null()).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{selectors:?}");
        let errors = String::from_utf8(output.stderr).unwrap();
        for part in parts {
            assert!(errors.contains(part), "{selectors:?}: {errors}");
        }
    }
}

/// A control group that this test made, below a mount point.
struct Group(PathBuf);

impl Group {
    /// `None`, said aloud, where groups of this kind are not mounted or not to be made.
    fn make(filesystem: &str, name: &str) -> Option<Self> {
        let mountinfo = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let point = mountinfo.lines().find_map(|line| {
            let (mount, kind) = line.split_once(" - ")?;
            // Of version 1 one without accounts that a fresh group would have to be given first.
            let fits = kind.starts_with(&format!("{filesystem} "))
                && (filesystem == "cgroup2"
                    || kind.ends_with(",freezer")
                    || kind.ends_with(",pids"));
            fits.then(|| mount.split(' ').nth(4).unwrap().to_owned())
        });
        let group = point.map(|point| Path::new(&point).join(name));
        let made = group.filter(|group| fs::create_dir_all(group.join("inner")).is_ok());
        if made.is_none() {
            support::not_run(&format!("no {filesystem} that groups can be made in"));
        }
        made.map(Self)
    }

    fn take(&self, program: &Program) {
        fs::write(self.0.join("inner/cgroup.procs"), program.pid().to_string()).unwrap();
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

fn members_of_groups_are_looked_for(filesystem: &str) {
    let name = Names::name("group");
    let Some(group) = Group::make(filesystem, &name) else { return };
    let names = Names::new();
    for path in [group.0.to_str().unwrap(), &name, &format!("/{name}")] {
        let (mut meant, mut other) = (names.start("in"), names.start("out"));
        group.take(&meant);
        only(&["--cgroup", path], &mut meant, &mut other);
        assert!(meant.end().success() && other.end().success());
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_memtrace"));
    let output = command.arg("--cgroup").arg(&group.0).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("is empty: no process is in it"), "{errors}");
}

#[test]
fn members_of_groups_of_version_2_are_looked_for() {
    if may_trace() {
        members_of_groups_are_looked_for("cgroup2");
    }
}

#[test]
fn members_of_groups_of_version_1_are_looked_for() {
    if may_trace() {
        members_of_groups_are_looked_for("cgroup");
    }
}

/// A group that is called as Docker calls them.
#[test]
fn containers_are_looked_for_and_shown() {
    if !may_trace() {
        return;
    }
    let id = format!("{:064x}", 0xabcd_0000_0000_0000_u64 + u64::from(std::process::id()));
    let id = id.chars().rev().collect::<String>();
    let Some(group) = Group::make("cgroup2", &format!("docker-{id}.scope")) else { return };
    let names = Names::new();
    let (mut meant, mut other) = (names.start("in"), names.start("out"));
    group.take(&meant);
    let report = only(&["--container", &id[..12]], &mut meant, &mut other);
    assert_eq!(report.process(meant.pid()).0["container"], *id);
    assert!(meant.end().success() && other.end().success());
}

/// Groups that are called as Docker calls them, and Docker's state files, which memtrace alone sees; beginnings of ids
/// that two have in common.
#[test]
fn containers_are_looked_for_by_name() {
    if !may_trace() {
        return;
    }
    let id = |digit: char| {
        let begin: String = format!("{:08x}", std::process::id()).chars().rev().collect();
        format!("{begin}{digit}{:055x}", 0)
    };
    let ids = [id('a'), id('b')];
    let make = |id: &String| Group::make("cgroup2", &format!("docker-{id}.scope"));
    let Some(one) = make(&ids[0]) else { return };
    let two = make(&ids[1]).unwrap();
    let names = Names::new();
    let (mut meant, mut other) = (names.start("in"), names.start("out"));
    one.take(&meant);
    two.take(&other);
    let state = tempfile::tempdir().unwrap();
    for (id, name) in ids.iter().zip(["front", "back"]) {
        let folder = state.path().join(id);
        fs::create_dir(&folder).unwrap();
        let text = format!("{{\"ID\":\"{id}\",\"Name\":\"/{name}\",\"Config\":{{}}}}");
        fs::write(folder.join("config.v2.json"), text).unwrap();
    }
    let beside_docker = |selectors: &[&str]| {
        let script = "mkdir -p /var/lib; mount -t tmpfs none /var/lib; mkdir -p /var/lib/docker/containers; \
                      mount --bind \"$1\" /var/lib/docker/containers; shift; exec \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-ec", script, "sh"]).arg(state.path());
        command.arg(env!("CARGO_BIN_EXE_memtrace")).args(selectors);
        command
    };
    let tracer = Tracer::launch(beside_docker(&[&WHOLE[..], &["--container", "front"]].concat()));
    other.work();
    let accounts = meant.work();
    let report = tracer.stop().only_report();
    report.assert_nothing_lost();
    assert_eq!(report.0["processes"].as_array().unwrap().len(), 1);
    let process = report.process(meant.pid());
    process.assert_exactly(&accounts);
    assert_eq!(process.0["container"], *ids[0]);
    for (typed, parts) in [
        (
            "nobody",
            ["no container is called \"nobody\"", &format!("front, {} (docker)", &ids[0][..12])],
        ),
        (&ids[0][..8], [&ids[0][..12], &ids[1][..12]]),
    ] {
        let output = beside_docker(&["--container", typed]).stdin(Stdio::null()).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{typed}");
        let errors = String::from_utf8(output.stderr).unwrap();
        for part in parts {
            assert!(errors.contains(part), "{typed}: {errors}");
        }
    }
    assert!(meant.end().success() && other.end().success());
}

/// A group that is called as kubelet calls them, and kubelet's logs, which memtrace alone sees: nothing else
/// here knows of the pod.
#[test]
fn pods_are_looked_for_and_shown_by_name() {
    if !may_trace() {
        return;
    }
    let uid = format!("00000000-0000-4000-8000-{:012x}", std::process::id());
    let group = format!("kubepods-burstable-pod{}.slice", uid.replace('-', "_"));
    let Some(group) = Group::make("cgroup2", &group) else { return };
    let names = Names::new();
    let (mut meant, other) = (names.start("in"), names.start("out"));
    group.take(&meant);
    let script = "mkdir -p /var/log; mount -t tmpfs none /var/log; mkdir -p \"/var/log/pods/$1/app\"; shift; \
                  exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-ec", script, "sh", &format!("shop_front-0_{uid}")]);
    command.arg(env!("CARGO_BIN_EXE_memtrace")).args(WHOLE).args(["--pod", "shop/front-0"]);
    let tracer = Tracer::launch(command);
    let accounts = meant.work();
    let report = tracer.stop().only_report();
    report.assert_nothing_lost();
    assert_eq!(report.0["processes"].as_array().unwrap().len(), 1);
    let process = report.process(meant.pid());
    process.assert_exactly(&accounts);
    assert_eq!((&process.0["pod"], &process.0["pod_uid"]), (&"shop/front-0".into(), &uid.into()));
    assert!(meant.end().success());
    drop(other);
}
