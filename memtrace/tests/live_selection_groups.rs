//! Processes of control groups, containers and pods that end at once, also where these are made anew while
//! tracing goes on; and everybody in a container in which memtrace is.
#![cfg(feature = "live")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use support::brief::{
    Folder, STARTER, all_of_them, all_seen_by, assert_whole, looking_for, many, name, wait,
};
use support::container::Container;
use support::group::Group;
use support::lines::Lines;
use support::program::Program;
use support::tracer::Tracer;
use support::{is_guest, let_it_look, may_trace};

/// As many hexadecimal digits as a container's id has; they begin with `digit`.
fn id(digit: char) -> String {
    format!("{digit}{:063x}", std::process::id()).chars().rev().collect()
}

/// The name that runtimes give the group of a container.
fn of_container(digit: char) -> String {
    format!("docker-{}.scope", id(digit))
}

fn pod_uid(number: u32) -> String {
    format!("0000000{number}-0000-4000-8000-{:012x}", std::process::id())
}

/// The name that kubelet gives the group of a pod.
fn of_pod(number: u32) -> String {
    format!("kubepods-burstable-pod{}.slice", pod_uid(number).replace('-', "_"))
}

/// A tracer that alone sees `log` in the place of `/var/log`, where kubelet tells names of pods.
fn beside_kubelet(log: &Path, selectors: &[&str]) -> Command {
    let script = "mkdir -p /var/log; mount --bind \"$1\" /var/log; shift; exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-ec", script, "sh"]).arg(log);
    command.arg(env!("CARGO_BIN_EXE_memtrace"));
    looking_for(&mut command, selectors);
    command
}

/// As kubelet does for the pod `shop/front-0` before it starts containers.
fn announce_pod(log: &Path, number: u32) {
    let folder = format!("pods/shop_front-0_{}/app", pod_uid(number));
    fs::create_dir_all(log.join(folder)).unwrap();
}

/// In a group below the one that is named.
#[test]
fn those_of_a_control_group() {
    if !may_trace() {
        return;
    }
    let folder = Folder::new();
    let Some(group) = Group::make(&name("group")) else { return };
    all_of_them(
        &["--cgroup", group.0.to_str().unwrap()],
        &mut group.run("", &folder.stay()),
        &mut group.run("inner", &folder.starter("yes", "no")),
        &mut folder.starter("yes", "no"),
    );
}

#[test]
fn those_of_a_container() {
    if !may_trace() {
        return;
    }
    let folder = Folder::new();
    let Some(group) = Group::make(&of_container('a')) else { return };
    all_of_them(
        &["--container", &id('a')[..12]],
        &mut group.run("", &folder.stay()),
        &mut group.run("inner", &folder.starter("yes", "no")),
        &mut folder.starter("yes", "no"),
    );
}

#[test]
fn those_of_a_pod() {
    if !may_trace() {
        return;
    }
    let (folder, log) = (Folder::new(), tempfile::tempdir().unwrap());
    announce_pod(log.path(), 1);
    let Some(group) = Group::make(&of_pod(1)) else { return };
    all_seen_by(
        beside_kubelet(log.path(), &["--pod", "shop/front-0"]),
        &mut group.run("", &folder.stay()),
        &mut group.run("inner", &folder.starter("yes", "no")),
        &mut folder.starter("yes", "no"),
    );
}

/// A container as runtimes make them: a group, namespaces, and a root directory of its own.
#[test]
fn those_of_a_container_with_a_root_of_its_own() {
    if !may_trace() {
        return;
    }
    let (folder, root) = (Folder::new(), tempfile::tempdir().unwrap());
    let Some(group) = Group::make(&of_container('b')) else { return };
    furnish(root.path(), &folder);
    let [yes, no] = ["yes", "no"].map(|word| format!("/{}", name(word)));
    let mut stay = Command::new("chroot");
    stay.arg(root.path()).arg(&yes).env("LD_LIBRARY_PATH", "/lib");
    let mut meant = Command::new("unshare");
    meant.args(["--pid", "--mount", "--fork", "--kill-child", "chroot"]).arg(root.path());
    meant.args(["/sh", "-c", STARTER, "sh", &yes, &no, "/lib", &many().to_string()]);
    all_of_them(
        &["--container", &id('b')[..12]],
        &mut group.run("", &stay),
        &mut group.run("inner", &meant),
        &mut folder.starter("yes", "no"),
    );
}

/// Puts into a root directory what the programs need.
fn furnish(root: &Path, folder: &Folder) {
    fs::create_dir(root.join("lib")).unwrap();
    for word in ["yes", "no"] {
        fs::copy(folder.file(word), root.join(name(word))).unwrap();
    }
    fs::copy(folder.path().join("libc.so.6"), root.join("lib/libc.so.6")).unwrap();
    fs::copy("/bin/sh", root.join("sh")).unwrap();
    // Where the x86-64 and the AArch64 ABI say that it is.
    for loader in ["lib64/ld-linux-x86-64.so.2", "lib/ld-linux-aarch64.so.1"] {
        let there = Path::new("/").join(loader);
        if there.exists() {
            fs::create_dir_all(root.join(loader).parent().unwrap()).unwrap();
            fs::copy(there, root.join(loader)).unwrap();
        }
    }
}

/// A shell in a group that starts one process, says its number, and goes on when it is told to.
struct Starter {
    shell: Child,
    first: u32,
}

impl Starter {
    fn begin(group: &Group, folder: &Folder) -> Self {
        let script =
            format!("LD_LIBRARY_PATH=$3 \"$1\" x & echo \"first $!\"; wait; read line; {STARTER}");
        let mut command = group.run("inner", &folder.script(&script, "yes", "no"));
        let mut shell = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = Lines::of("a shell", shell.stdout.take().unwrap());
        let lines = said.until("first", String::new);
        let first = lines.last().unwrap().split_once(' ').unwrap().1.parse().unwrap();
        Self { shell, first }
    }

    fn go_on(mut self) {
        self.shell.stdin.take().unwrap().write_all(b"go\n").unwrap();
        wait(self.shell);
    }
}

/// Traces while the only process ends and goes with its group, and another group is made, whose first process
/// may be missed, and no other one.
#[track_caller]
fn all_after_a_restart(
    tracer: Command,
    folder: &Folder,
    before: &str,
    after: &str,
    meanwhile: impl FnOnce(),
) {
    let Some(group) = Group::make(before) else { return };
    let mut stay = Program::launch("brief", group.run("", &folder.stay()).stdin(Stdio::piped()));
    let tracer = Tracer::launch(tracer);
    let (pid, of_stay) = (stay.pid(), stay.work());
    assert!(stay.end().success());
    drop(group);
    meanwhile();
    let group = Group::make(after).unwrap();
    let starter = Starter::begin(&group, folder);
    let first = starter.first;
    // Nobody mapped the library for some seconds in a slow guest, so that links have to be made anew.
    (0..if is_guest() { 4 } else { 1 }).for_each(|_| let_it_look());
    starter.go_on();
    let report = tracer.stop().only_report();
    report.assert_nothing_lost();
    report.process(pid).assert_exactly(&of_stay);
    assert_whole(&report, &[pid, first]);
}

fn looking(selectors: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_memtrace"));
    looking_for(&mut command, selectors);
    command
}

#[test]
fn those_of_a_control_group_that_is_made_again() {
    if !may_trace() {
        return;
    }
    let (folder, group) = (Folder::new(), name("again"));
    // The tracer begins while there is a group.
    let tracer = looking(&["--cgroup", &format!("/{group}")]);
    all_after_a_restart(tracer, &folder, &group, &group, || {});
}

#[test]
fn those_of_a_container_that_is_started_again() {
    if !may_trace() {
        return;
    }
    let (folder, group) = (Folder::new(), of_container('c'));
    let tracer = looking(&["--container", &id('c')[..12]]);
    all_after_a_restart(tracer, &folder, &group, &group, || {});
}

/// The pod has the same name, and another uid, as that of a stateful set.
#[test]
fn those_of_a_pod_that_is_made_again() {
    if !may_trace() {
        return;
    }
    let (folder, log) = (Folder::new(), tempfile::tempdir().unwrap());
    announce_pod(log.path(), 2);
    let tracer = beside_kubelet(log.path(), &["--pod", "shop/front-0"]);
    all_after_a_restart(tracer, &folder, &of_pod(2), &of_pod(3), || announce_pod(log.path(), 3));
}

/// memtrace is in PID and mount namespaces and sees those that are there, and nobody else.
#[test]
fn everybody_in_memtraces_container() {
    if !may_trace() {
        return;
    }
    let (folder, container) = (Folder::new(), Container::start());
    let stay = &mut folder.stay();
    let mut stay = Program::spawn_in(&container, "brief", stay);
    let mut command = Command::new(env!("CARGO_BIN_EXE_memtrace"));
    let tracer = Tracer::spawn_in(&container, looking_for(&mut command, &["--all"]));
    let meant = container.spawn(&mut folder.starter("yes", "no"));
    // Beside the container.
    let other = folder.starter("yes", "no").spawn().unwrap();
    wait(meant);
    wait(other);
    let of_stay = stay.work();
    let number = container.number(stay.pid());
    let report = tracer.stop().only_report();
    report.assert_nothing_lost();
    report.process(number).assert_exactly(&of_stay);
    assert_whole(&report, &[number]);
    assert!(stay.end().success());
}
