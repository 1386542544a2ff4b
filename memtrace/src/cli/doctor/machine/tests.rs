//! Machines made of files.

use super::super::model::{Line, State};
use super::{Machine, gather};
use std::fs;
use std::os::unix::fs::symlink;
use tempfile::TempDir;

struct Fake {
    directory: TempDir,
    architecture: &'static str,
}

impl Fake {
    fn empty() -> Self {
        Self { directory: TempDir::new().unwrap(), architecture: "x86_64" }
    }

    /// A modern machine and root.
    fn good() -> Self {
        Self::empty()
            .file("proc/sys/kernel/osrelease", "6.18.44-1-amd64\n")
            .file("sys/bus/event_source/devices/uprobe/type", "9\n")
            .file("sys/kernel/btf/vmlinux", "")
            .file("proc/sys/net/core/bpf_jit_enable", "1\n")
            .file("sys/kernel/security/lockdown", "[none] integrity confidentiality\n")
            .file("proc/self/mounts", "tracefs /sys/kernel/tracing tracefs rw,nosuid 0 0\n")
            .file("sys/kernel/tracing/events/syscalls/sys_exit_mmap/id", "1\n")
            .file("proc/self/status", "CapEff:\t000001ffffffffff\nSeccomp:\t0\n")
            .link("proc/self/ns/pid", "pid:[4026531836]")
            .link("proc/self/ns/user", "user:[4026531837]")
            .file("proc/sys/kernel/perf_event_paranoid", "2\n")
            .file("proc/sys/kernel/unprivileged_bpf_disabled", "2\n")
    }

    fn file(self, path: &str, text: &str) -> Self {
        let path = self.directory.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    fn link(self, path: &str, target: &str) -> Self {
        let path = self.directory.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let _ = fs::remove_file(&path);
        symlink(target, path).unwrap();
        self
    }

    fn without(self, path: &str) -> Self {
        fs::remove_file(self.directory.path().join(path)).unwrap();
        self
    }

    fn lines(&self) -> Vec<Line> {
        let root = self.directory.path().to_owned();
        let machine = Machine { root, architecture: self.architecture.to_owned() };
        gather(&machine).into_iter().flat_map(|section| section.lines).collect()
    }

    fn line(&self, name: &str) -> Line {
        self.lines().into_iter().find(|line| line.name == name).unwrap()
    }

    fn state(&self, name: &str) -> State {
        self.line(name).state
    }
}

#[test]
fn nothing_is_wrong_with_a_modern_machine_and_root() {
    for line in Fake::good().lines() {
        assert_eq!(line.state, State::Ok, "{line:?}");
    }
    assert!(Fake::good().line("release").detail.contains("session links"));
}

#[test]
fn a_machine_without_proc_and_sys_is_unknown_and_each_line_has_a_remedy() {
    let lines = Fake::empty().lines();
    assert!(lines.iter().any(|line| line.state == State::Unknown));
    for line in lines.iter().filter(|line| line.state != State::Ok) {
        assert!(line.remedy.is_some(), "{line:?}");
    }
}

#[test]
fn old_kernels_are_told_apart() {
    let release = |text| Fake::good().file("proc/sys/kernel/osrelease", text).line("release");
    assert_eq!(release("5.4.0-42-generic").state, State::Missing);
    assert_eq!(release("5.10.0-9").state, State::Hazard);
    assert!(release("6.1.0").detail.contains("perf links"));
    assert!(release("6.12.3").detail.contains("multi links"));
    assert!(release("7.2-rc1").detail.contains("session links"));
    assert_eq!(release("weird").state, State::Unknown);
    assert_eq!(release("").state, State::Unknown);
    assert_eq!(release("99999999999999.1").state, State::Unknown);
}

#[test]
fn each_lack_of_the_kernel_is_found() {
    let good = Fake::good;
    assert_eq!(good().without("sys/kernel/btf/vmlinux").state("BTF"), State::Missing);
    let uprobe = "sys/bus/event_source/devices/uprobe/type";
    assert_eq!(good().without(uprobe).state("uprobes"), State::Missing);
    let jit = good().file("proc/sys/net/core/bpf_jit_enable", "0\n");
    assert_eq!(jit.state("BPF compiler"), State::Hazard);
    let arm = Fake { architecture: "aarch64", ..good() };
    assert_eq!(arm.state("architecture"), State::Missing);
    let unmounted = good().file("proc/self/mounts", "proc /proc proc rw 0 0\n");
    assert_eq!(unmounted.state("tracefs"), State::Ok);
    let nobody = unmounted.file("proc/self/status", "CapEff:\t0000000000000000\nSeccomp:\t0\n");
    assert!(nobody.line("tracefs").remedy.unwrap().starts_with("mount -t tracefs"));
    let event = "sys/kernel/tracing/events/syscalls/sys_exit_mmap";
    let no_events = good();
    fs::remove_dir_all(no_events.directory.path().join(event)).unwrap();
    assert!(no_events.line("tracefs").remedy.unwrap().contains("CONFIG_FTRACE_SYSCALLS"));
}

#[test]
fn lockdown_has_modes() {
    let path = "sys/kernel/security/lockdown";
    let lockdown = |text| Fake::good().file(path, text).line("lockdown");
    assert_eq!(lockdown("none integrity [confidentiality]\n").state, State::Hazard);
    assert!(lockdown("none [integrity] confidentiality\n").detail.starts_with("integrity"));
    assert_eq!(Fake::good().without(path).state("lockdown"), State::Unknown);
    let mounted = "securityfs /sys/kernel/security securityfs rw 0 0\n";
    let absent = Fake::good().without(path).file("proc/self/mounts", mounted);
    assert_eq!(absent.state("lockdown"), State::Ok);
}

#[test]
fn missing_capabilities_say_what_fails() {
    let nobody = Fake::good().file("proc/self/status", "CapEff:\t0000000000000000\nSeccomp:\t0\n");
    assert_eq!(nobody.state("CAP_BPF"), State::Missing);
    assert_eq!(nobody.state("CAP_SYS_PTRACE"), State::Hazard);
    assert_eq!(nobody.state("CAP_SYS_RESOURCE"), State::Ok);
    assert!(nobody.line("CAP_CHECKPOINT_RESTORE").detail.contains("map_files"));
    assert!(nobody.line("CAP_PERFMON").remedy.unwrap().contains("sudo"));
    assert!(nobody.line("perf_event_paranoid").detail.contains("no substitute"));
}

#[test]
fn containers_are_recognised() {
    let pid = Fake::good().link("proc/self/ns/pid", "pid:[4026532000]");
    assert_eq!(pid.state("pid namespace"), State::Ok);
    assert!(pid.line("pid namespace").detail.contains("numbers here"));
    let hosts = "CapEff:\t1ffffffffff\nSeccomp:\t0\nNSpid:\t4711\t12\n";
    let pid = pid.file("proc/self/status", hosts).line("pid namespace");
    assert_eq!(pid.state, State::Missing);
    assert!(pid.remedy.unwrap().contains("mount -t proc"));
    let user = Fake::good().link("proc/self/ns/user", "user:[4026532001]");
    assert_eq!(user.state("user namespace"), State::Missing);
    let filtered = Fake::good().file("proc/self/status", "CapEff:\t1ffffffffff\nSeccomp:\t2\n");
    assert_eq!(filtered.state("seccomp filter"), State::Hazard);
}

#[test]
fn the_memory_lock_limit_counts_on_old_kernels_only() {
    let limits = |limit: &str, capabilities: &str| {
        let text = format!("Max locked memory         {limit}        {limit}      bytes\n");
        let status = format!("CapEff:\t{capabilities}\nSeccomp:\t0\n");
        Fake::good()
            .file("proc/self/limits", &text)
            .file("proc/self/status", &status)
            .file("proc/sys/kernel/osrelease", "5.10.0\n")
            .state("memory lock limit")
    };
    assert_eq!(limits("65536", "0"), State::Missing);
    assert_eq!(limits("65536", "1ffffffffff"), State::Ok);
    assert_eq!(limits("unlimited", "0"), State::Ok);
    assert_eq!(limits("lots", "0"), State::Unknown);
    assert_eq!(Fake::good().state("memory lock limit"), State::Ok);
}
