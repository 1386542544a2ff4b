//! What this process may do: capabilities, namespaces, limits, seccomp.

use super::super::super::privileges::{
    CAPABILITIES, Capability, Effective, FOREIGN_PROC, MOUNT_PROC, shows_our_numbers, status_field,
};
use super::super::model::{Line, Section, State, Topic};
use super::Machine;
use super::kernel::unreadable;

/// `PROC_PID_INIT_INO` of Linux `include/linux/proc_ns.h`: the initial pid namespace.
const INITIAL_PID_NAMESPACE: &str = "pid:[4026531836]";
/// `PROC_USER_INIT_INO` of the same file: the initial user namespace.
const INITIAL_USER_NAMESPACE: &str = "user:[4026531837]";
/// From this kernel on, memory of programs and maps is charged to the cgroup and no longer to the
/// memory lock limit.
const CHARGED_TO_CGROUP: (u32, u32) = (5, 11);
/// Memory lock limit that is enough for maps before that, bytes: the default of `--max-memory`.
const ENOUGH_LOCKED: u64 = 256 << 20;

/// All findings.
pub(super) fn section(machine: &Machine) -> Section {
    let mut lines = Vec::new();
    let status = machine.read("/proc/self/status");
    match &status {
        Ok(status) => lines.extend(capabilities(status)),
        Err(error) => lines.push(unreadable("capabilities", "/proc/self/status", error)),
    }
    let status = status.unwrap_or_default();
    let effective = Effective::from_status(&status).unwrap_or_default();
    lines.push(user_namespace(machine));
    lines.push(pid_namespace(machine, &status));
    lines.push(perf_event_paranoid(machine, effective));
    lines.push(unprivileged_bpf(machine));
    lines.push(locked_memory(machine, effective));
    lines.push(seccomp(&status));
    Section::new(
        Topic::Privileges,
        "Privileges of this memtrace, and what fails without each",
        lines,
    )
}

fn capabilities(status: &str) -> Vec<Line> {
    let Some(effective) = Effective::from_status(status) else {
        let detail = "/proc/self/status does not show them (CapEff)";
        return vec![
            Line::new("capabilities", State::Unknown, detail).remedy("mount the real /proc"),
        ];
    };
    CAPABILITIES.iter().map(|&capability| capability_line(effective, capability)).collect()
}

fn capability_line(effective: Effective, capability: Capability) -> Line {
    let Capability { name, without, rare, required, .. } = capability;
    if effective.has(capability) {
        return Line::new(name, State::Ok, format!("held; without it {without}"));
    }
    if effective.can(capability) {
        return Line::new(name, State::Ok, format!("CAP_SYS_ADMIN stands in; else {without}"));
    }
    if rare {
        return Line::new(name, State::Ok, format!("not held, and rarely needed: {without}"));
    }
    let state = if required { State::Missing } else { State::Hazard };
    Line::new(name, state, format!("not held: {without}"))
        .remedy(format!("run it with sudo, or give it {name}"))
}

/// BPF asks for capabilities in the initial user namespace (`bpf_capable`, `perfmon_capable`).
fn user_namespace(machine: &Machine) -> Line {
    const NAME: &str = "user namespace";
    match machine.link("/proc/self/ns/user").as_deref() {
        Some(INITIAL_USER_NAMESPACE) => Line::new(NAME, State::Ok, "the initial one"),
        Some(_) => Line::new(
            NAME,
            State::Missing,
            "not the initial one: the kernel does not honour our capabilities for tracing",
        )
        .remedy("run memtrace on the host, not in a rootless container"),
        None => Line::new(NAME, State::Unknown, "/proc/self/ns/user cannot be read")
            .remedy("mount /proc"),
    }
}

fn pid_namespace(machine: &Machine, status: &str) -> Line {
    const NAME: &str = "pid namespace";
    match machine.link("/proc/self/ns/pid").as_deref() {
        Some(INITIAL_PID_NAMESPACE) => Line::new(
            NAME,
            State::Ok,
            "the initial one: process numbers mean the same to the kernel",
        ),
        Some(_) if !shows_our_numbers(status) => {
            Line::new(NAME, State::Missing, FOREIGN_PROC).remedy(MOUNT_PROC)
        }
        Some(_) => Line::new(
            NAME,
            State::Ok,
            "not the initial one: memtrace sees the processes in it and in those below, by their \
             numbers here",
        ),
        None => Line::new(NAME, State::Unknown, "/proc/self/ns/pid cannot be read")
            .remedy("mount /proc"),
    }
}

/// `perf_event_paranoid` of `Documentation/admin-guide/sysctl/kernel.rst`.
fn perf_event_paranoid(machine: &Machine, effective: Effective) -> Line {
    const NAME: &str = "perf_event_paranoid";
    const PATH: &str = "/proc/sys/kernel/perf_event_paranoid";
    match machine.read(PATH) {
        Ok(level) if perfmon(effective) => {
            Line::new(NAME, State::Ok, format!("{level}; CAP_PERFMON stands above it"))
        }
        // Uprobes ask for CAP_PERFMON at any level.
        Ok(level) => Line::new(
            NAME,
            State::Ok,
            format!("{level}; lowering it is no substitute for CAP_PERFMON"),
        ),
        Err(error) => unreadable(NAME, PATH, &error),
    }
}

fn perfmon(effective: Effective) -> bool {
    CAPABILITIES.into_iter().any(|it| it.name == "CAP_PERFMON" && effective.can(it))
}

/// `unprivileged_bpf_disabled` of the same document.
fn unprivileged_bpf(machine: &Machine) -> Line {
    const NAME: &str = "unprivileged BPF";
    const PATH: &str = "/proc/sys/kernel/unprivileged_bpf_disabled";
    match machine.read(PATH).as_deref() {
        Ok("0") => Line::new(NAME, State::Hazard, "allowed: any user may load simple programs")
            .remedy("memtrace does not need it; sysctl kernel.unprivileged_bpf_disabled=2"),
        Ok(level) => Line::new(
            NAME,
            State::Ok,
            format!("off ({level}), as it should be; CAP_BPF is asked for"),
        ),
        Err(error) => unreadable(NAME, PATH, error),
    }
}

fn locked_memory(machine: &Machine, effective: Effective) -> Line {
    const NAME: &str = "memory lock limit";
    if machine.release().is_some_and(|(_, version)| version >= CHARGED_TO_CGROUP) {
        return Line::new(NAME, State::Ok, "not used: this kernel charges programs to the cgroup");
    }
    let path = "/proc/self/limits";
    let limits = match machine.read(path) {
        Ok(limits) => limits,
        Err(error) => return unreadable(NAME, path, &error),
    };
    let can_raise =
        CAPABILITIES.into_iter().any(|it| it.name == "CAP_SYS_RESOURCE" && effective.has(it));
    match locked_limit(&limits) {
        None => Line::new(NAME, State::Unknown, format!("{path} does not show it"))
            .remedy("ulimit -l shows it"),
        Some(limit) if limit >= ENOUGH_LOCKED => Line::new(NAME, State::Ok, "high enough"),
        Some(_) if can_raise => {
            Line::new(NAME, State::Ok, "low, but CAP_SYS_RESOURCE can raise it")
        }
        Some(limit) => Line::new(NAME, State::Missing, format!("{limit} bytes: maps will not fit"))
            .remedy("ulimit -l unlimited, or give it CAP_SYS_RESOURCE"),
    }
}

/// The soft limit in `/proc/PID/limits`, bytes; `u64::MAX` when there is none.
fn locked_limit(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max locked memory"))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(u64::MAX),
        bytes => bytes.parse().ok(),
    }
}

/// `Seccomp` of `proc_pid_status(5)`: 0 none, 1 strict, 2 filter.
fn seccomp(status: &str) -> Line {
    const NAME: &str = "seccomp filter";
    match status_field(status, "Seccomp") {
        Some("0") => Line::new(NAME, State::Ok, "none on memtrace"),
        Some(_) => Line::new(
            NAME,
            State::Hazard,
            "one is set on memtrace and may refuse bpf(2) and perf_event_open(2), as container \
             run-times do by default",
        )
        .remedy(
            "run memtrace on the host, or the container with --security-opt seccomp=unconfined",
        ),
        None => Line::new(NAME, State::Unknown, "/proc/self/status does not show it")
            .remedy("mount /proc"),
    }
}
