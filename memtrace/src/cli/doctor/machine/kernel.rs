//! The kernel: its version and what it was built and set up with.

use super::super::super::privileges::{Effective, SYS_ADMIN};
use super::super::model::{Line, Section, State, Topic};
use super::Machine;
use std::path::Path;

/// Oldest kernel that is supported.
const OLDEST: (u32, u32) = (5, 10);
/// What came with which kernel, newest first (`bpf(2)`, kernel release notes).
const LINKS: [((u32, u32), &str); 2] = [((6, 13), "session"), ((6, 6), "multi")];

/// All findings.
pub(super) fn section(machine: &Machine) -> Section {
    let lines = vec![
        release(machine),
        architecture(machine),
        uprobes(machine),
        btf(machine),
        jit(machine),
        lockdown(machine),
        tracefs(machine),
    ];
    Section::new(Topic::Kernel, "Kernel", lines)
}

fn release(machine: &Machine) -> Line {
    const NAME: &str = "release";
    let Some((release, version)) = machine.release() else {
        return Line::new(NAME, State::Unknown, "/proc/sys/kernel/osrelease cannot be read")
            .remedy("mount /proc");
    };
    if version < OLDEST {
        let detail = format!("{release} is older than 5.10, the oldest that memtrace supports");
        return Line::new(NAME, State::Missing, detail).remedy("run a kernel of at least 5.10");
    }
    let link = LINKS.iter().find(|(since, _)| version >= *since).map_or("perf", |(_, link)| link);
    let detail = format!("{release}; by its version it has {link} links");
    if link == "perf" {
        return Line::new(
            NAME,
            State::Hazard,
            format!("{detail}, each of which detaches in 0.1 s"),
        )
        .remedy("nothing is wrong; from Linux 6.6 attaching and detaching are faster");
    }
    Line::new(NAME, State::Ok, detail)
}

fn architecture(machine: &Machine) -> Line {
    const NAME: &str = "architecture";
    match machine.architecture.as_str() {
        "x86_64" => Line::new(NAME, State::Ok, "x86_64"),
        other => Line::new(NAME, State::Missing, format!("{other} is not supported"))
            .remedy("memtrace plans its probes for x86_64 machine code only"),
    }
}

fn uprobes(machine: &Machine) -> Line {
    const NAME: &str = "uprobes";
    const PATH: &str = "/sys/bus/event_source/devices/uprobe/type";
    match machine.exists(PATH) {
        Ok(true) => Line::new(NAME, State::Ok, "the kernel has them"),
        Ok(false) => Line::new(NAME, State::Missing, format!("there is no {PATH}"))
            .remedy("mount /sys, or run a kernel with CONFIG_UPROBE_EVENTS=y"),
        Err(error) => unreadable(NAME, PATH, &error),
    }
}

fn btf(machine: &Machine) -> Line {
    const NAME: &str = "BTF";
    const PATH: &str = "/sys/kernel/btf/vmlinux";
    match machine.exists(PATH) {
        Ok(true) => Line::new(NAME, State::Ok, format!("{PATH} describes the kernel's types")),
        Ok(false) => Line::new(NAME, State::Missing, format!("there is no {PATH}"))
            .remedy("mount /sys, or run a kernel with CONFIG_DEBUG_INFO_BTF=y"),
        Err(error) => unreadable(NAME, PATH, &error),
    }
}

/// `bpf_jit_enable` of `Documentation/admin-guide/sysctl/net.rst`; absent means built without.
fn jit(machine: &Machine) -> Line {
    const NAME: &str = "BPF compiler";
    const PATH: &str = "/proc/sys/net/core/bpf_jit_enable";
    match machine.read(PATH).as_deref() {
        Ok("0") => {
            Line::new(NAME, State::Hazard, "off: programs are interpreted, several times slower")
                .remedy("sysctl net.core.bpf_jit_enable=1")
        }
        Ok(_) => Line::new(NAME, State::Ok, "on"),
        Err(error) => unreadable(NAME, PATH, error),
    }
}

/// `kernel_lockdown(7)`: the mode in force stands in brackets.
fn lockdown(machine: &Machine) -> Line {
    const NAME: &str = "lockdown";
    let path = "/sys/kernel/security/lockdown";
    let Ok(modes) = machine.read(path) else {
        if machine.is_mounted("securityfs", Path::new("/sys/kernel/security")) {
            return Line::new(NAME, State::Ok, "this kernel has no lockdown, or hides it");
        }
        return Line::new(NAME, State::Unknown, "securityfs, which would show it, is not mounted")
            .remedy(
                "nothing to do where the programs below load; else mount -t securityfs securityfs \
                 /sys/kernel/security",
            );
    };
    if modes.contains("[confidentiality]") {
        return Line::new(
            NAME,
            State::Hazard,
            "confidentiality: the kernel refuses tracefs and reading kernel memory from programs",
        )
        .remedy("boot with lockdown=integrity, or with Secure Boot off");
    }
    let mode = modes.split(['[', ']']).nth(1).unwrap_or("unknown mode");
    Line::new(NAME, State::Ok, format!("{mode}; it does not hinder tracing"))
}

/// Where the kernel tells the numbers of tracepoints. memtrace mounts it for itself alone where it is
/// not mounted (`probe::live::tracefs`), which takes `CAP_SYS_ADMIN` (`fsopen(2)`, Linux 5.2).
fn tracefs(machine: &Machine) -> Line {
    const NAME: &str = "tracefs";
    let places = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];
    let Some(place) = places.into_iter().find(|it| machine.is_mounted("tracefs", Path::new(it)))
    else {
        return unmounted_tracefs(machine);
    };
    let event = format!("{place}/events/syscalls/sys_exit_mmap");
    match machine.exists(&event) {
        Ok(true) => Line::new(NAME, State::Ok, format!("mounted at {place}")),
        Ok(false) => Line::new(NAME, State::Missing, format!("{event} is not there"))
            .remedy("run a kernel with CONFIG_FTRACE_SYSCALLS=y"),
        Err(error) => unreadable(NAME, &event, &error),
    }
}

fn unmounted_tracefs(machine: &Machine) -> Line {
    const NAME: &str = "tracefs";
    let status = machine.read("/proc/self/status").unwrap_or_default();
    if Effective::from_status(&status).is_some_and(|effective| effective.has(SYS_ADMIN)) {
        let detail = "not mounted, and need not be: memtrace mounts it for itself alone while it looks \
                      up tracepoints";
        return Line::new(NAME, State::Ok, detail);
    }
    Line::new(
        NAME,
        State::Missing,
        "not mounted, and without CAP_SYS_ADMIN memtrace cannot mount it for itself: mappings cannot \
         be followed",
    )
    .remedy("mount -t tracefs tracefs /sys/kernel/tracing, or run it with sudo")
}

/// Something that could not be read.
pub(super) fn unreadable(name: &str, path: &str, error: &std::io::Error) -> Line {
    let remedy = match error.kind() {
        std::io::ErrorKind::PermissionDenied => "run doctor with sudo",
        _ => "mount /proc and /sys, if this is a container",
    };
    Line::new(name, State::Unknown, format!("{path}: {error}")).remedy(remedy)
}
