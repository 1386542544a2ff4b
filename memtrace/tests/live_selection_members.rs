//! Members of control groups, containers and pods are looked for: each selector finds exactly what it says, beside a
//! process that it does not mean.
#![cfg(feature = "live")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::process::{Command, Stdio};
use support::group::Group;
use support::may_trace;
use support::names::{Names, WHOLE, only};
use support::tracer::Tracer;

fn one_that_is_moved_is_traced_then(filesystem: &str) {
    let Some(group) = Group::make_in(filesystem, &Names::name("moved")) else { return };
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
    let Some(group) = Group::make_in(filesystem, &Names::name("stays")) else { return };
    let Some(elsewhere) = Group::make_in(filesystem, &Names::name("leaves")) else { return };
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

fn members_of_groups_are_looked_for(filesystem: &str) {
    let name = Names::name("group");
    let Some(group) = Group::make_in(filesystem, &name) else { return };
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
    let Some(group) = Group::make(&format!("docker-{id}.scope")) else { return };
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
    let make = |id: &String| Group::make(&format!("docker-{id}.scope"));
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
    let Some(group) = Group::make(&group) else { return };
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
